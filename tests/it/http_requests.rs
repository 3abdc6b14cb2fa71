//! What each request is answered: a table of requests with status, code and words.

use crate::http_fixture::{Asked, Door, Mood, NOW, Reply, Setup, deploy, open, submission};
use haldane::engine::record::SecretRef;
use haldane::engine::verdict::Verdict;
use haldane::http::{Code, Limits, endpoints};
use haldane::template::parse::parse;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Method, path, headers, body; status, code (empty: no problem), words in the answer.
pub(crate) type Case<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    u16,
    &'a str,
    &'a [&'a str],
);

pub(crate) async fn check(door: &Door, cases: &[Case<'_>]) {
    for (method, path, headers, body, status, code, words) in cases {
        let reply = door.send(method, path, headers, body).await;
        let what = format!("{method} {path} {headers} {body}\n{reply:?}");
        assert_eq!(reply.status, *status, "{what}");
        assert!(!reply.header("x-request-id").is_empty(), "{what}");
        if !code.is_empty() {
            problem(&reply, code, &what);
        }
        for word in *words {
            assert!(
                format!("{}\n{}", reply.head, reply.body).contains(word),
                "{word}: {what}"
            );
        }
    }
}

fn problem(reply: &Reply, code: &str, what: &str) {
    assert_eq!(
        reply.header("content-type"),
        "application/problem+json",
        "{what}"
    );
    let json = reply.json();
    assert_eq!(json["code"], code, "{what}");
    assert_eq!(json["status"], reply.status, "{what}");
    assert_eq!(
        json["type"],
        format!("urn:haldane:problem:{code}"),
        "{what}"
    );
    let detail = json["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && !detail.ends_with('.'), "{what}");
    let known = Code::ALL.iter().find(|known| known.word() == code).unwrap();
    assert_eq!(known.status(), reply.status, "{what}");
    assert_eq!(json["title"], known.title(), "{what}");
}

#[tokio::test]
async fn reading_and_what_is_wrong_with_it() {
    let door = open(Setup::default()).await;
    let id = door.submitted(&submission("")).await;
    let one = format!("/v1/analyses/{id}");
    let verdict = format!("{one}/verdict");
    let long = format!("/v1/analyses/{}", "x".repeat(201));
    let waits: Vec<String> = ["0", "0s", "1ms"]
        .map(|w| format!("{verdict}?wait={w}"))
        .into();
    let bad_wait = format!("{verdict}?wait=soon");
    let unknown_query = format!("{verdict}?wiat=1s");
    let twice = format!("{verdict}?wait=0&wait=0");
    let pending = "\"verdict\":\"pending\"";
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("GET", &one, "", "", 200, "", &[pending, "\"deliveries\":[]", "application/json"]),
        ("GET", &verdict, "", "", 200, "", &[pending, "\"final\":false", "no-store"]),
        ("GET", &waits[0], "", "", 200, "", &[pending]),
        ("GET", &waits[1], "", "", 200, "", &[pending]),
        ("GET", &waits[2], "", "", 200, "", &[pending]),
        ("GET", &bad_wait, "", "", 400, "invalid_query", &["wait", "soon", "30s"]),
        ("GET", &unknown_query, "", "", 400, "invalid_query", &["did you mean wait?"]),
        ("GET", &twice, "", "", 400, "invalid_query", &["given twice"]),
        ("GET", "/v1/analyses/nope", "", "", 404, "unknown_analysis", &["nope"]),
        ("GET", "/v1/analyses/nope/verdict?wait=5s", "", "", 404, "unknown_analysis", &[]),
        ("GET", "/v1/analyses/nope/events", "", "", 404, "unknown_analysis", &[]),
        ("GET", "/v1/analyses/a%20b", "", "", 400, "invalid_id", &["a b", "letters"]),
        ("GET", "/v1/analyses/%ff", "", "", 400, "invalid_id", &[]),
        ("GET", &long, "", "", 400, "invalid_id", &["200", "…"]),
        ("GET", "/v1/analyses/", "", "", 404, "unknown_path", &["did you mean /v1/analyses?"]),
        ("GET", "/v1/analyses?verdict=maybe", "", "", 400, "invalid_query", &["pending"]),
        ("GET", "/v1/analyses?status=done", "", "", 400, "invalid_query", &["concluded"]),
        ("GET", "/v1/analyses?limit=501", "", "", 400, "invalid_query", &["501", "500"]),
        ("GET", "/v1/analyses?limit=0", "", "", 400, "invalid_query", &["1 to 500"]),
        ("GET", "/v1/analyses?after=%20", "", "", 400, "invalid_query", &["after"]),
        ("GET", "/v1/analyses?servce=x", "", "", 400, "invalid_query", &["service"]),
        ("GET", "/v1/templates", "", "", 200, "", &["\"checkout\"", "sequential", "errors"]),
        ("GET", "/v1/templates/checkout", "", "", 200, "", &["apiVersion", "the service label"]),
        ("GET", "/v1/templates/chekout", "", "", 404, "unknown_template", &["mean checkout?"]),
        ("GET", "/v1/templates/zzzzzzzz", "", "", 404, "unknown_template", &["/v1/templates"]),
        ("GET", "/v1/templates/a%20b", "", "", 400, "invalid_id", &[]),
        ("GET", "/metrics", "", "", 200, "", &["text/plain; version=0.0.4", "haldane_up 1"]),
        ("GET", "/healthz", "", "", 200, "", &["ok", "text/plain", "nosniff"]),
        ("GET", "/readyz?probe=1", "", "", 200, "", &["\"ready\""]),
        ("GET", "/", "", "", 200, "", &["docs/http-api.md"]),
        ("GET", "/healthz/", "", "", 404, "unknown_path", &["/healthz"]),
        ("GET", "//", "", "", 404, "unknown_path", &[]),
        ("GET", "/login", "", "", 404, "unknown_path", &["openapi"]),
        ("DELETE", &one, "", "", 405, "method_not_allowed", &["allow: GET"]),
        ("PUT", "/v1/analyses", "", "", 405, "method_not_allowed", &["allow: ", "POST", "GET"]),
        ("POST", "/healthz", "", "{}", 405, "method_not_allowed", &["allow: GET"]),
        ("GET", "/v1/judge", "", "", 405, "method_not_allowed", &["allow: POST"]),
        ("HEAD", "/healthz", "", "", 200, "", &["content-length: 2"]),
        ("OPTIONS", "/v1/judge", "", "", 405, "method_not_allowed", &["allow: POST"]),
        ("BREW", "/v1/judge", "", "", 405, "method_not_allowed", &["BREW"]),
        ("GET", "/healthz", "x-request-id: mine-1\r\n", "", 200, "", &["x-request-id: mine-1"]),
    ];
    check(&door, cases).await;
    let strange = door
        .send("GET", "/healthz", "x-request-id: a b\r\n", "")
        .await;
    assert_ne!(strange.header("x-request-id"), "a b");
}

#[tokio::test]
async fn submissions_that_are_refused() {
    let door = open(Setup::default()).await;
    let good = submission("");
    let path = "/v1/analyses";
    let no_service = good.replace(r#""service":"shop""#, r#""sevice":"shop""#);
    let unknown = good.replace("checkout", "chekout");
    let hook = |hook: &str| submission(&format!(r#","webhooks":[{hook}]"#));
    let private = hook(r#"{"url":"https://10.0.0.1/x"}"#);
    let named = hook(r#"{"url":"https://example.org/x","secret_name":"arog"}"#);
    let file = hook(r#"{"url":"file:///etc/passwd"}"#);
    let secret = hook(r#"{"url":"https://example.org/","secret":"hunter2"}"#);
    let inline = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        good.replace(
            r#""template":"checkout""#,
            &format!(r#""template_inline":{text}"#),
        )
    };
    let broken = inline("apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetdata: {}\n");
    let orphan = inline(&CHILD.replace("checkout", "chekout"));
    let long_key = format!("idempotency-key: {}\r\n", "k".repeat(256));
    let two_keys = "idempotency-key: a\r\nidempotency-key: b\r\n";
    let same = good.replace("stable", "canary");
    let misspelt = submission(r#","duraton":"1h""#);
    let bare = "content-type: text/plain\r\n";
    let latin = "content-type: application/json; charset=latin1\r\n";
    let more = "content-type: application/vnd.x+json; charset=UTF-8\r\n";
    let fields = "invalid_submission";
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("POST", path, "", "", 400, "malformed_json", &["empty"]),
        ("POST", path, "", "{\n  \"template\": }", 400, "malformed_json", &["\"line\":2", "column"]),
        ("POST", path, "", "{\"a\":1} x", 400, "malformed_json", &["trailing"]),
        ("POST", path, "", "[]", 422, fields, &[]),
        ("POST", path, "", "null", 422, fields, &[]),
        ("POST", path, "", "{}", 422, fields, &["template", "baseline", "deploy.service"]),
        ("POST", path, bare, &good, 415, "unsupported_media_type", &["application/json"]),
        ("POST", path, latin, &good, 415, "unsupported_media_type", &["latin1"]),
        ("POST", path, "content-type: \r\n", &good, 415, "unsupported_media_type", &[]),
        ("POST", path, "", &no_service, 422, fields, &["did you mean `service`?", "sevice"]),
        ("POST", path, "", &misspelt, 422, fields, &["did you mean `duration`?"]),
        ("POST", path, "", &same, 422, fields, &["\"field\":\"canary\""]),
        ("POST", path, "", &unknown, 404, "unknown_template", &["did you mean checkout?"]),
        ("POST", path, "", &private, 422, "invalid_receiver", &["webhooks[0].url", "private"]),
        ("POST", path, "", &named, 422, "invalid_receiver", &["did you mean argo?"]),
        ("POST", path, "", &file, 422, fields, &["webhooks[0].url", "https"]),
        ("POST", path, "", &secret, 422, fields, &["webhooks[0].secret", "whsec_"]),
        ("POST", path, "", &broken, 422, "invalid_template", &["\"line\":3", "\"code\":\"C0", "help"]),
        ("POST", path, "", &orphan, 422, "invalid_template", &["\"line\":4", "C019", "did you mean `checkout`?"]),
        ("POST", path, &long_key, &good, 400, "invalid_header", &["255"]),
        ("POST", path, two_keys, &good, 400, "invalid_header", &["once"]),
        ("POST", path, "idempotency-key: \r\n", &good, 400, "invalid_header", &[]),
        ("POST", "/v1/analyses?dry=1", "", &good, 400, "invalid_query", &["takes"]),
        ("POST", path, more, &good, 201, "", &["/v1/analyses/a"]),
    ];
    check(&door, cases).await;
    let wrong_input = good.replace(r#"{"service":"shop"},"b"#, r#"{"servce":"shop"},"b"#);
    let reply = door.post(path, &wrong_input).await;
    problem(&reply, "invalid_plan", &reply.body);
    assert!(
        reply.body.contains("C061") && reply.body.contains("C060"),
        "{reply:?}"
    );
    let shown = door.post(path, &secret).await;
    assert!(!shown.body.contains("hunter2"), "{shown:?}");
    assert_eq!(
        door.asked.lock().unwrap().len(),
        1,
        "nothing refused reached the driver"
    );
}

const CHILD: &str = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                     extends: checkout\nspec: { schedule: { bake: 5m } }\n";

/// A template that comes with a body may extend one the daemon has; what is kept needs neither.
#[tokio::test]
async fn an_inline_template_extends_one_of_the_daemons() {
    let door = open(Setup::default()).await;
    let inline = format!(
        r#""template_inline":{}"#,
        serde_json::to_string(CHILD).unwrap()
    );
    let body = submission("").replace(r#""template":"checkout""#, &inline);
    let reply = door.post("/v1/analyses", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let asked = door.asked.lock().unwrap();
    let [Asked::Submit(submission)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let kept = parse(&submission.template_text).0.unwrap();
    assert_eq!(kept.name.as_str(), "child");
    assert_eq!(kept.metrics.len(), 2);
    assert_eq!(kept.digest, submission.plan.template_digest);
}

#[tokio::test]
async fn a_submission_reaches_the_driver_whole() {
    let door = open(Setup::default()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let more = r#","duration":"20m","webhooks":[{"url":"https://example.org/"}]"#;
    let headers = format!("traceparent: {trace}\r\nidempotency-key: once\r\n");
    let reply = door
        .send("POST", "/v1/analyses", &headers, &submission(more))
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("location"), "/v1/analyses/a0001");
    let json = reply.json();
    assert_eq!(json["id"], "a0001");
    assert_eq!(json["status"], "waiting");
    for link in ["self", "verdict", "events"] {
        let path = json["links"][link].as_str().unwrap();
        assert!(path.starts_with("/v1/analyses/a0001"), "{path}");
    }
    let asked = door.asked.lock().unwrap();
    let [Asked::Submit(submission)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(submission.key.as_deref(), Some("key:once"));
    assert_eq!(submission.plan.rollout.start, NOW);
    assert_eq!(
        submission.plan.rollout.deploy.traceparent.as_deref(),
        Some(trace)
    );
    assert_eq!(submission.receivers.len(), 1);
    assert_eq!(submission.receivers[0].secret, SecretRef::Default);
    assert!(submission.template_text.contains("kind: AnalysisTemplate"));
}

#[tokio::test]
async fn a_malformed_trace_context_is_as_good_as_none() {
    let door = open(Setup::default()).await;
    let headers = "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n";
    let reply = door
        .send("POST", "/v1/analyses", headers, &submission(""))
        .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let asked = door.asked.lock().unwrap();
    assert!(
        matches!(&asked[0], Asked::Submit(s) if s.plan.rollout.deploy.traceparent.is_none()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_analysis_later_too() {
    let door = open(Setup::default()).await;
    let id = door.submitted(&deploy("d-1")).await;
    // A controller comes back a minute later, with another trace and without a start.
    door.clock.fetch_add(60_000, Ordering::SeqCst);
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let again = door
        .send("POST", "/v1/analyses", trace, &deploy("d-1"))
        .await;
    assert_eq!(
        (again.status, &again.json()["id"]),
        (200, &id.clone().into()),
        "{again:?}"
    );
    assert_eq!(again.header("location"), format!("/v1/analyses/{id}"));
    // A key in the header is another key, even with the same text.
    let other = door
        .send(
            "POST",
            "/v1/analyses",
            "idempotency-key: d-1\r\n",
            &deploy("d-1"),
        )
        .await;
    assert_eq!(other.status, 201, "{other:?}");
    // Another plan under the same key is a conflict.
    let changed = deploy("d-1").replace("stable", "old");
    let conflict = door.post("/v1/analyses", &changed).await;
    assert_eq!(conflict.status, 409, "{conflict:?}");
    problem(&conflict, "key_conflict", &conflict.body);
    assert!(conflict.body.contains(&id), "{conflict:?}");
    // A start that differs is another plan.
    let elsewhen = deploy("d-1").replacen('{', r#"{"start":"2026-01-01T00:00:00Z","#, 1);
    assert_eq!(door.post("/v1/analyses", &elsewhen).await.status, 409);
    // Without a key every submission is its own.
    assert_ne!(
        door.submitted(&submission("")).await,
        door.submitted(&submission("")).await
    );
}

#[tokio::test]
async fn a_receiver_without_a_key_needs_the_daemons() {
    let door = open(Setup {
        has_default_key: false,
        ..Setup::default()
    })
    .await;
    let hook = |more: &str| {
        submission(&format!(
            r#","webhooks":[{{"url":"https://example.org/"{more}}}]"#
        ))
    };
    let key = r#","secret":"whsec_Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=""#;
    let (none, own, named) = (hook(""), hook(key), hook(r#","secret_name":"argo""#));
    let path = "/v1/analyses";
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("POST", path, "", &none, 422, "invalid_receiver", &["webhooks[0].secret", "default key"]),
        ("POST", path, "", &own, 201, "", &[]),
        ("POST", path, "", &named, 201, "", &[]),
    ];
    check(&door, cases).await;
}

#[tokio::test]
async fn decisions() {
    let door = open(Setup::default()).await;
    let (first, second) = (
        door.submitted(&submission("")).await,
        door.submitted(&submission("")).await,
    );
    let cancel = format!("/v1/analyses/{first}/cancel");
    let instead = format!("/v1/analyses/{second}/override");
    let whole = r#"{"verdict":"promote","reason":"known noise","author":"ada"}"#;
    let nobody = r#"{"verdict":"promote","reason":"known noise"}"#;
    let fields = "invalid_submission";
    let lines = r#"{"reason":"two\nlines"}"#;
    let huge = format!(r#"{{"reason":"{}"}}"#, "x".repeat(20_000));
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("POST", &cancel, "", "{}", 422, fields, &["\"field\":\"reason\""]),
        ("POST", &cancel, "", lines, 422, fields, &["one line"]),
        ("POST", &cancel, "", r#"{"reson":"x"}"#, 422, fields, &["did you mean `reason`?"]),
        ("POST", &cancel, "", &huge, 413, "body_too_large", &["16384"]),
        ("POST", &cancel, "", r#"{"reason":" enough "}"#, 200, "", &["\"final\":true"]),
        ("POST", &cancel, "", r#"{"reason":"again"}"#, 409, "concluded", &[&first]),
        ("POST", &instead, "", r#"{"verdict":"yes","reason":"x"}"#, 422, fields, &["promote"]),
        ("POST", &instead, "", nobody, 422, fields, &["\"field\":\"author\""]),
        ("POST", &instead, "", whole, 200, "", &["\"verdict\":\"promote\"", "ada"]),
        ("POST", "/v1/analyses/no/cancel", "", r#"{"reason":"x"}"#, 404, "unknown_analysis", &[]),
        ("POST", "/v1/analyses/no/override", "", whole, 404, "unknown_analysis", &[]),
    ];
    check(&door, cases).await;
    let asked = door.asked.lock().unwrap();
    let cancelled = asked.iter().find_map(|asked| match asked {
        Asked::Cancel(id, author, reason) => Some((id.as_str(), author.as_str(), reason.as_str())),
        _ => None,
    });
    assert_eq!(cancelled, Some((first.as_str(), "anonymous", "enough")));
    let decided = asked.iter().any(|asked| {
        matches!(asked, Asked::Override(id, Verdict::Promote, author, reason)
            if id.as_str() == second && author == "ada" && reason == "known noise")
    });
    assert!(decided, "{asked:?}");
}

#[tokio::test]
async fn the_drivers_no_is_passed_on() {
    let good = submission("");
    let judge = submission(r#","start":"2026-01-02T02:00:00Z","end":"2026-01-02T02:30:00Z""#);
    let (submit, once) = ("/v1/analyses", "/v1/judge");
    #[rustfmt::skip] // one line, one case
    let cases: &[(Mood, Case<'_>)] = &[
        (Mood::Full, ("POST", submit, "", &good, 429, "too_many_analyses", &["retry-after: 5", "7"])),
        (
            Mood::StoreDown,
            ("POST", submit, "", &good, 503, "store_unavailable", &["retry-after: 5", "/readyz"]),
        ),
        (Mood::SourceDown, ("POST", once, "", &judge, 503, "source_unavailable", &["cpu"])),
        (Mood::JudgeBroken, ("POST", once, "", &judge, 500, "internal", &["judge failed"])),
        (Mood::QueryWrong, ("POST", once, "", &judge, 422, "source_refused", &["cpu"])),
    ];
    for (mood, case) in cases {
        let mood = *mood;
        let door = open(Setup {
            mood,
            ..Setup::default()
        })
        .await;
        check(&door, &[*case]).await;
        let reply = door.send(case.0, case.1, case.2, case.3).await;
        assert!(!reply.body.contains("/secret/place"), "{reply:?}");
    }
    let door = open(Setup::default()).await;
    door.driver.abort();
    let case: Case<'_> = (
        "POST",
        submit,
        "",
        &good,
        503,
        "stopping",
        &["retry-after: 5"],
    );
    check(&door, &[case]).await;
}

#[tokio::test]
async fn limits() {
    let limits = Limits {
        body_bytes_max: 2000,
        ..Limits::default()
    };
    let door = open(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let large = submission(&" ".repeat(3000));
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("POST", "/v1/analyses", "", &large, 413, "body_too_large", &["2000"]),
        ("POST", "/v1/judge", "", &large, 413, "body_too_large", &["2000"]),
        ("POST", "/v1/analyses", "", &submission(""), 201, "", &[]),
    ];
    check(&door, cases).await;
    // A body that does not say how long it is.
    let mut chunked = b"POST /v1/analyses HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nfa0\r\n"
        .to_vec();
    chunked.extend(vec![b' '; 4000]);
    chunked.extend(b"\r\n0\r\n\r\n");
    let reply = Reply::read(&door.raw(&chunked).await);
    problem(&reply, "body_too_large", &reply.body);
    // A head without end.
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    let reply = door.raw(head.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
    // Nesting that would eat the stack.
    let deep = "[".repeat(1500);
    let reply = door.post("/v1/analyses", &deep).await;
    problem(&reply, "malformed_json", &reply.body);
}

#[tokio::test]
async fn pages() {
    let door = open(Setup::default()).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let service = if n % 2 == 0 { "even" } else { "odd" };
        let body = submission("").replace(
            r#""deploy":{"service":"shop"}"#,
            &format!(r#""deploy":{{"service":"{service}"}}"#),
        );
        ids.push(door.submitted(&body).await);
    }
    ids.reverse();
    door.conclude(&ids[0], Verdict::Promote);
    let mut seen = Vec::new();
    let mut path = "/v1/analyses?limit=2".to_owned();
    loop {
        let json = door.get(&path).await.json();
        let items = json["analyses"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = json["next"].as_str() else {
            break;
        };
        path = format!("/v1/analyses?limit=2&after={next}");
    }
    assert_eq!(seen, ids, "newest first, each once");
    for (query, count) in [
        ("", 5),
        ("service=even", 3),
        ("service=odd&verdict=pending", 2),
        ("verdict=promote", 1),
        ("verdict=rollback", 0),
        ("status=waiting", 4),
        ("status=concluded&service=even", 1),
        ("status=concluded&service=odd", 0),
        ("after=a0003", 2),
        ("limit=500", 5),
        ("verdict=", 5),
    ] {
        let json = door.get(&format!("/v1/analyses?{query}")).await.json();
        assert_eq!(json["analyses"].as_array().unwrap().len(), count, "{query}");
        assert!(json["next"].is_null(), "{query}");
    }
}

#[tokio::test]
async fn readiness() {
    let door = open(Setup::default()).await;
    let put = |lock: &std::sync::RwLock<Option<String>>, text: Option<&str>| {
        *lock.write().unwrap() = text.map(str::to_owned);
    };
    put(&door.health.source_fault, Some("prometheus is away"));
    let ready: Case<'_> = (
        "GET",
        "/readyz",
        "",
        "",
        200,
        "",
        &["source_fault", "is away"],
    );
    check(&door, &[ready]).await;
    put(&door.health.store_fault, Some("disk full"));
    let store: Case<'_> = (
        "GET",
        "/readyz",
        "",
        "",
        503,
        "",
        &["not_ready", "store_fault", "full"],
    );
    check(&door, &[store]).await;
    put(&door.health.store_fault, None);
    door.health.draining.store(true, Ordering::Release);
    let draining: Case<'_> = ("GET", "/readyz", "", "", 503, "", &["draining"]);
    check(&door, &[draining]).await;
    door.health.draining.store(false, Ordering::Release);
    door.health.ready.store(false, Ordering::Release);
    let starting: Case<'_> = ("GET", "/readyz", "", "", 503, "", &["starting"]);
    check(
        &door,
        &[starting, ("GET", "/healthz", "", "", 200, "", &["ok"])],
    )
    .await;
}

#[tokio::test]
async fn every_route_is_described_and_every_description_routed() {
    let door = open(Setup::default()).await;
    let document = door.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let routed = endpoints().map(|(method, path, _)| (method.to_owned(), path.to_owned()));
    assert_eq!(described, routed.collect());
    for (method, path) in &described {
        let path = path.replace("{id}", "none").replace("{name}", "none");
        let reply = door.send(method, &path, "", "{}").await;
        assert_ne!(reply.status, 405, "{method} {path}");
        assert_ne!(reply.json_code(), "unknown_path", "{method} {path}");
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (start, _) in text.match_indices("#/components/schemas/") {
        let name = text[start + 21..].split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    let judge = &schemas["JudgeInput"]["properties"];
    for field in ["template", "samples", "end", "baseline"] {
        assert!(judge[field].is_object(), "{field}: {judge}");
    }
}

#[test]
fn every_code_endpoint_and_limit_is_documented() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/http-api.md");
    let text = std::fs::read_to_string(file).unwrap();
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.word(), code.status());
        assert!(text.contains(&row), "{row}");
    }
    for (method, path, _) in endpoints() {
        assert!(
            text.contains(&format!("`{method} {path}`")),
            "{method} {path}"
        );
    }
    let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(
        words.len(),
        Code::ALL.len(),
        "a code is a name of one thing"
    );
}

impl Reply {
    fn json_code(&self) -> String {
        let json = serde_json::from_str::<serde_json::Value>(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }
}
