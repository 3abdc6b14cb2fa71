//! What people and the world get wrong: each is told clearly, with the right status or exit code,
//! and harms nothing else.

use crate::serve_drain::{SCENARIO, TEMPLATE, submission};
use crate::support::daemon::{Daemon, Site, client, haldane, request};
use reqwest::Method;
use serde_json::{Value, json};

/// The daemon still does its work: it takes a rollout and judges it.
pub(crate) async fn check_unharmed(daemon: &Daemon) {
    let id = daemon.submit(&submission(120, &[])).await;
    let verdict = daemon.verdict(&id).await;
    assert_eq!(verdict["verdict"], "promote", "{verdict}");
}

fn simulated() -> Site {
    let site = Site::simulated(SCENARIO);
    site.template("short", TEMPLATE);
    site
}

/// One edit of the good template, and what has to be said about it.
type Edit<'a> = (&'a str, &'a str, &'a [&'a str]);

const EDITS: &[Edit<'static>] = &[
    (
        "schedule: { step",
        "schedule: { step: [",
        &["C002", "not readable as YAML"],
    ),
    ("harm:", "harn:", &["harn", "did you mean `harm`"]),
    ("      harm: increase\n", "", &["`harm`", "increase"]),
    (
        "      min_effect: { relative: 20% }\n",
        "",
        &["`min_effect`", "relative"],
    ),
    (
        "{ relative: 20% }",
        "{ relative: -20% }",
        &["`relative`", "out of range"],
    ),
    (
        "bake: 60s, deadline: 90s",
        "bake: 5s, deadline: 5s",
        &[
            "the window cannot hold enough evidence",
            "5 points",
            "`latency` needs 10",
            "min_samples",
        ],
    ),
    ("${selector}", "track=\"canary\"", &["${selector}"]),
    ("increase", "up", &["`up`"]),
    ("step: 1s", "step: soon", &["`step`", "soon"]),
    (
        "metadata: { name: short }",
        "metadata: { name: short }\nmetadata: {}",
        &["twice"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_template_is_refused_alike_by_lint_and_by_the_door() {
    let site = simulated();
    let daemon = site.start().await;
    for (good, bad, parts) in EDITS {
        assert!(TEMPLATE.contains(good), "{good}");
        let text = TEMPLATE.replacen(good, bad, 1);
        let path = site.path("bad.yaml");
        std::fs::write(&path, &text).unwrap();
        let lint = haldane(&["lint", path.to_str().unwrap()]).await;
        lint.check(1, parts);
        lint.check(1, &["bad.yaml:"]);
        let judge = haldane(&[
            "judge",
            "-t",
            path.to_str().unwrap(),
            "--baseline",
            "a=\"1\"",
            "--canary",
            "a=\"2\"",
        ])
        .await;
        judge.check(2, parts);
        let mut body = submission(120, &[]);
        body.as_object_mut().unwrap().remove("template");
        body["template_inline"] = text.into();
        daemon
            .post("/v1/analyses", &body)
            .await
            .check(422, "invalid_template", parts);
    }
    check_unharmed(&daemon).await;
    daemon.stop().await;
    // A folder with a broken template is no folder to start with.
    let path = site.template("broken", &TEMPLATE.replace("harm:", "harn:"));
    let ended = site.spawn().await.err().unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in [
        path.to_str().unwrap(),
        "is refused",
        "did you mean `harm`",
        "broken.yaml:10",
    ] {
        assert!(ended.said.contains(part), "{part:?} in {}", ended.said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_submission_is_refused_with_its_field() {
    let mut site = simulated();
    site.set("webhooks.allow_private", "false");
    let daemon = site.start().await;
    let good = submission(120, &[]);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let hook = |url: &str| with("webhooks", json!([{"url": url}]));
    let key = json!([{"url": "https://hooks.example.org", "secret_name": "argo"}]);
    let cases: Vec<(Value, u16, &str, &[&str])> = vec![
        (
            with("canary", good["baseline"].clone()),
            422,
            "invalid_submission",
            &[
                "canary",
                "same series as the baseline",
                "label that tells them apart",
            ],
        ),
        (
            with("canary", json!({"track": "stable", "pod": "a"})),
            422,
            "invalid_plan",
            &["also belongs to the baseline", "add the label that differs"],
        ),
        (
            with("template", json!("shot")),
            404,
            "unknown_template",
            &["did you mean short?"],
        ),
        (
            with("tempalte", json!("short")),
            422,
            "invalid_submission",
            &["tempalte", "template"],
        ),
        (
            with("inputs", json!({"service": "x"})),
            422,
            "invalid_plan",
            &["unknown input `service`"],
        ),
        (
            with("deploy", json!({})),
            422,
            "invalid_submission",
            &["deploy.service", "missing"],
        ),
        (
            with("duration", json!("10s")),
            422,
            "invalid_plan",
            &["10s", "bake time of 1m"],
        ),
        (
            with("duration", json!("soon")),
            422,
            "invalid_submission",
            &["duration", "soon", "30m"],
        ),
        (
            with("start", json!("today")),
            422,
            "invalid_submission",
            &["start", "today"],
        ),
        (
            hook("http://127.0.0.1:80/"),
            422,
            "invalid_receiver",
            &["webhooks[0].url", "127.0.0.1", "webhooks.allow_private"],
        ),
        (
            hook("http://[::1]/"),
            422,
            "invalid_receiver",
            &["webhooks[0].url", "::1"],
        ),
        (
            hook("ftp://example.org/"),
            422,
            "invalid_submission",
            &["ftp", "use https"],
        ),
        (
            hook("nowhere"),
            422,
            "invalid_submission",
            &["webhooks[0].url"],
        ),
        (
            with("webhooks", key),
            422,
            "invalid_receiver",
            &["argo", "webhooks.keys"],
        ),
    ];
    for (body, status, code, parts) in cases {
        daemon
            .post("/v1/analyses", &body)
            .await
            .check(status, code, parts);
    }
    check_bytes(&daemon, &good).await;
    check_unharmed(&daemon).await;
    let list = daemon.get("/v1/analyses").await.unwrap().body;
    assert_eq!(
        list["analyses"].as_array().unwrap().len(),
        1,
        "a refused one was kept: {list}"
    );
    daemon.stop().await;
}

/// Body, headers, and what has to be answered.
type Raw<'a> = (
    &'a str,
    Vec<(&'a str, &'a str)>,
    u16,
    &'a str,
    &'a [&'a str],
);

/// Requests whose bytes or headers are wrong.
async fn check_bytes(daemon: &Daemon, good: &Value) {
    let json = ("content-type", "application/json");
    let good = good.to_string();
    let large = format!("{{\"template\": \"{}\"}}", "x".repeat(2 << 20));
    let open = "[".repeat(100_000);
    let deep = format!("{{\"inputs\": {open}{}}}", "]".repeat(100_000));
    let long_key = "k".repeat(256);
    let cases: Vec<Raw<'_>> = vec![
        (
            &large,
            vec![json],
            413,
            "body_too_large",
            &["1048576", "send less"],
        ),
        ("{", vec![json], 400, "malformed_json", &["EOF"]),
        (
            "",
            vec![json],
            400,
            "malformed_json",
            &["the body is empty"],
        ),
        (&open, vec![json], 400, "malformed_json", &["EOF"]),
        (
            &deep,
            vec![json],
            422,
            "invalid_submission",
            &["recursion limit"],
        ),
        ("[]", vec![json], 422, "invalid_submission", &[]),
        ("null", vec![json], 422, "invalid_submission", &[]),
        (
            &good,
            vec![("content-type", "text/yaml")],
            415,
            "unsupported_media_type",
            &["text/yaml", "application/json"],
        ),
        (
            &good,
            vec![json, ("idempotency-key", &long_key)],
            400,
            "invalid_header",
            &["255"],
        ),
    ];
    for (body, headers, status, code, parts) in cases {
        let path = "/v1/analyses";
        let send = async || {
            let bytes = Some(body.as_bytes().to_vec());
            request(&client(), daemon.url(), Method::POST, path, &headers, bytes).await
        };
        let mut answer = send().await;
        // The door answers before it has read a body that is too large, and closes: who is still
        // writing then may miss the answer.
        for _ in 0..20 {
            if answer.is_ok() || status != 413 {
                break;
            }
            answer = send().await;
        }
        answer.unwrap().check(status, code, parts);
    }
    for (path, status, code, parts) in [
        (
            "/v1/analyses/nobody",
            404,
            "unknown_analysis",
            &["nobody"][..],
        ),
        (
            "/v1/analyses/nobody/verdict?wait=ever",
            400,
            "invalid_query",
            &["ever", "30s"],
        ),
        (
            "/v1/analyses?limit=0",
            400,
            "invalid_query",
            &["limit", "500"],
        ),
        (
            "/v1/analyses?lmit=3",
            400,
            "invalid_query",
            &["did you mean limit"],
        ),
        ("/v2/analyses", 404, "unknown_path", &[]),
    ] {
        daemon.get(path).await.unwrap().check(status, code, parts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_does_not_start() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "server.lisen",
            "127.0.0.1:1",
            &["lisen", "did you mean `listen`"],
        ),
        (
            "source.kind",
            "promethous",
            &["source.kind", "promethous", "prometheus, simulated"],
        ),
        (
            "source.url",
            "localhost 9090",
            &["source.url", "http://host:9090"],
        ),
        (
            "source.timeout",
            "quick",
            &["source.timeout", "quick", "30s"],
        ),
        (
            "webhooks.key",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &["webhooks.key", "file:"],
        ),
        (
            "webhooks.key",
            "file:/nowhere/key",
            &["webhooks.key", "/nowhere/key"],
        ),
        (
            "webhooks.key",
            "env:HALDANE_NO_SUCH_KEY",
            &["HALDANE_NO_SUCH_KEY", "not set"],
        ),
        ("limits.drain", "0s", &["limits.drain", "0s"]),
        ("log.format", "xml", &["log.format", "xml", "text, json"]),
        ("limits.analyses_max", "many", &["analyses_max"]),
    ];
    for (key, value, parts) in cases {
        let mut site = Site::new(&[]);
        site.set(key, value);
        let ended = site
            .spawn()
            .await
            .err()
            .unwrap_or_else(|| panic!("{key} = {value} starts"));
        assert_eq!(ended.code, Some(2), "{key} = {value}: {ended:?}");
        for part in *parts {
            assert!(ended.said.contains(part), "{part:?} in {}", ended.said);
        }
        assert!(
            !ended.said.contains("MfKQ9r8GK"),
            "a secret is told: {}",
            ended.said
        );
        assert!(!site.store().exists(), "{key} = {value} touched the store");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_read_as_strictly_as_the_file() {
    let site = simulated();
    let cases: [(&str, &str, &[&str]); 3] = [
        (
            "HALDANE__SERVER__LISEN",
            "127.0.0.1:1",
            &["lisen", "did you mean `listen`"],
        ),
        ("HALDANE__LIMITS__ANALYSES_MAX", "many", &["many"]),
        ("HALDANE__LOG__FORMAT", "xml", &["log.format", "xml"]),
    ];
    for (name, value, parts) in cases {
        let ended = site.spawn_with(&[(name, value)]).await.err().unwrap();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in parts {
            assert!(ended.said.contains(part), "{part:?} in {}", ended.said);
        }
    }
    // What Kubernetes makes for a Service named `haldane` is none of ours, and text is read as
    // what the key needs.
    let names = [
        ("HALDANE_PORT", "tcp://10.0.0.1:7070"),
        ("HALDANE__LIMITS__ANALYSES_MAX", "1"),
        ("HALDANE__WEBHOOKS__ALLOW_PRIVATE", "false"),
    ];
    let daemon = site.spawn_with(&names).await.unwrap();
    daemon.ready().await;
    let hooks = ["http://127.0.0.1:80/".to_owned()];
    let refused = daemon.post("/v1/analyses", &submission(0, &hooks)).await;
    refused.check(422, "invalid_receiver", &[]);
    daemon.submit(&submission(0, &[])).await;
    let refused = daemon.post("/v1/analyses", &submission(0, &[])).await;
    refused.check(429, "too_many_analyses", &["the limit is 1"]);
    daemon.stop().await;
}
