//! What a CI job sees: exit codes, collapsed where that is asked for, JUnit and Markdown in files,
//! a daemon that goes away and comes back, and one that never was there.

use crate::github::{SCENARIO, TEMPLATE};
use crate::support::daemon::{Daemon, Said, Site, haldane, signalled};
use serde_json::json;
use std::path::Path;

async fn start() -> (Site, Daemon) {
    let site = Site::simulated(SCENARIO);
    site.template("web", TEMPLATE);
    let daemon = site.start().await;
    (site, daemon)
}

/// A new analysis, decided by a person unless the verdict is empty.
async fn analysis(daemon: &Daemon, verdict: &str) -> String {
    let body = json!({
        "template": "web", "inputs": { "service": "shop" },
        "baseline": "track=\"baseline\"", "canary": "track=\"canary\"",
        "deploy": { "service": "shop", "revision": "v<2>" },
    });
    let id = daemon.submit(&body).await;
    if !verdict.is_empty() {
        let by = json!({ "verdict": verdict, "reason": "a test", "author": "ada" });
        let answer = daemon
            .post(&format!("/v1/analyses/{id}/override"), &by)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    id
}

async fn wait(daemon: &Daemon, id: &str, flags: &[&str]) -> Said {
    haldane(&[&["wait", id, "--server", daemon.url()], flags].concat()).await
}

/// CL-1 to CL-6: one code each, and what folds them. CL-7 is that no doubt ends with 0 unasked: a
/// Kubernetes Job can tell nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_has_its_code_and_can_be_folded() {
    let (site, daemon) = start().await;
    let mut ids = std::collections::BTreeMap::new();
    for verdict in ["promote", "rollback", "inconclusive", ""] {
        ids.insert(verdict, analysis(&daemon, verdict).await);
    }
    for (case, verdict, flags, code) in [
        ("CL-1", "promote", &[][..], 0),
        ("CL-2", "rollback", &[], 1),
        ("CL-2", "rollback", &["--inconclusive-as", "promote"], 1),
        ("CL-2", "rollback", &["--error-as", "promote"], 1),
        ("CL-3", "inconclusive", &[], 3),
        (
            "CL-3",
            "inconclusive",
            &["--inconclusive-as", "rollback"],
            1,
        ),
        // Nobody looked at a sample: that is no data, which is never a promote (A5).
        ("CL-3", "inconclusive", &["--inconclusive-as", "promote"], 3),
        ("CL-4", "", &["--timeout", "1s"], 3),
        (
            "CL-4",
            "",
            &["--timeout", "1s", "--inconclusive-as", "rollback"],
            1,
        ),
        (
            "CL-4",
            "",
            &["--timeout", "1s", "--inconclusive-as", "promote"],
            3,
        ),
        ("CL-4", "", &["--timeout", "1s", "--error-as", "promote"], 3),
        ("CL-5", "", &["--timeout", "soon"], 2),
    ] {
        let said = wait(&daemon, &ids[verdict], flags).await;
        assert_eq!(
            said.code,
            Some(code),
            "{case} {verdict} {flags:?}: {said:?}"
        );
    }
    wait(&daemon, "nobody", &[])
        .await
        .check(2, &["unknown_analysis"]);
    daemon.stop().await;
    // CL-6: nobody is there, and nothing but a code of its own says so unless it is asked for.
    let id = &ids["promote"];
    for (flags, code) in [
        (&[][..], 4),
        (&["--error-as", "rollback"], 1),
        (&["--error-as", "promote"], 0),
        (&["--inconclusive-as", "promote"], 4),
    ] {
        let dead = [
            "wait",
            id,
            "--server",
            "http://127.0.0.1:1",
            "--timeout",
            "1s",
        ];
        let said = haldane(&[&dead[..], flags].concat()).await;
        assert_eq!(said.code, Some(code), "CL-6 {flags:?}: {said:?}");
        assert!(
            said.err
                .contains("no verdict within --timeout 1s; no daemon at"),
            "{said:?}"
        );
        let list = [
            "submit",
            "-t",
            "web",
            "--service",
            "shop",
            "--canary",
            "track=\"c\"",
        ];
        let list = [
            &list[..],
            &["--wait", "--server", "http://127.0.0.1:1"],
            flags,
        ]
        .concat();
        let said = haldane(&list).await;
        assert_eq!(said.code, Some(code), "CL-6 {flags:?}: {said:?}");
        assert!(said.err.contains("no daemon at"), "{said:?}");
    }
    drop(site);
}

/// The document of a suite: counts, and of each case its name, the kind of its end and the message.
fn suite(text: &str) -> (Vec<u32>, Vec<(String, String, String)>) {
    let document = roxmltree::Document::parse(text).unwrap();
    let find = |tag: &str| {
        document
            .descendants()
            .find(|node| node.has_tag_name(tag))
            .unwrap()
    };
    let counts = ["tests", "failures", "errors", "skipped"];
    let counts = counts.map(|name| find("testsuite").attribute(name).unwrap().parse().unwrap());
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    let cases = cases.map(|case| {
        let end = case.first_element_child();
        let kind = end.map_or("", |end| end.tag_name().name());
        let message = end
            .and_then(|end| end.attribute("message"))
            .unwrap_or_default();
        let name = case.attribute("name").unwrap();
        (name.to_owned(), kind.to_owned(), message.to_owned())
    });
    (counts.to_vec(), cases.collect())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_is_a_test_and_a_summary() {
    let (site, daemon) = start().await;
    let (junit, summary) = (site.path("verdict.xml"), site.path("summary.md"));
    let files = [
        "--junit",
        junit.to_str().unwrap(),
        "--summary",
        summary.to_str().unwrap(),
    ];
    std::fs::write(&summary, "# What the step before said\n").unwrap();
    for (verdict, more, counts, kind) in [
        ("promote", &[][..], [1, 0, 0, 0], ""),
        ("rollback", &[], [1, 1, 0, 0], "failure"),
        ("inconclusive", &[], [1, 0, 1, 0], "error"),
        (
            "inconclusive",
            &["--inconclusive-as", "rollback"],
            [1, 1, 0, 0],
            "failure",
        ),
    ] {
        let id = analysis(&daemon, verdict).await;
        let said = wait(&daemon, &id, &[&["-o", "junit"], &files[..], more].concat()).await;
        assert_eq!(said.out, read(&junit), "{verdict}");
        let (counted, cases) = suite(&said.out);
        assert_eq!(counted, counts, "{verdict}: {}", said.out);
        let (name, came, message) = &cases[0];
        assert_eq!(
            (name.as_str(), came.as_str()),
            ("verdict", kind),
            "{verdict}"
        );
        let sentence = format!("{verdict}: overridden to {verdict} by ada: a test");
        assert!(
            kind.is_empty() || message.starts_with(&sentence),
            "{message}"
        );
        assert!(
            said.out.contains("<testsuite name=\"shop v&lt;2&gt;\""),
            "{}",
            said.out
        );
        assert!(
            said.out
                .contains(&format!("name=\"analysis\" value=\"{id}\""))
        );
    }
    // Nobody is there: the page must not show the verdict before.
    let dead = ["--wait", "--server", "http://127.0.0.1:1"];
    let flags = [
        "submit",
        "-t",
        "web",
        "--service",
        "shop",
        "--canary",
        "track=\"c\"",
    ];
    let said = haldane(&[&flags[..], &dead, &files].concat()).await;
    assert_eq!(said.code, Some(4), "{said:?}");
    let (counted, cases) = suite(&read(&junit));
    assert_eq!(counted, [1, 0, 1, 0]);
    assert!(cases[0].2.contains("no daemon at"), "{cases:?}");
    let text = read(&summary);
    assert!(text.starts_with("# What the step before said\n"), "{text}");
    let heads: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("### "))
        .collect();
    assert_eq!(heads.len(), 5, "{text}");
    for (head, word) in heads.iter().zip([
        "PROMOTE",
        "ROLLBACK",
        "INCONCLUSIVE",
        "INCONCLUSIVE",
        "NO VERDICT",
    ]) {
        // Without a metric no look was taken, which is said as what it is.
        assert!(
            head.contains(word) || head.contains("NO DATA"),
            "{head}: {word}"
        );
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_daemon_is_waited_for() {
    let (mut site, daemon) = start().await;
    let address = daemon.url().trim_start_matches("http://").to_owned();
    let url = daemon.url().to_owned();
    site.set("server.listen", &address);
    let flags = [
        "submit",
        "-t",
        "web",
        "--service",
        "shop",
        "--input",
        "service=shop",
        "--baseline",
        "track=\"baseline\"",
        "--canary",
        "track=\"canary\"",
        "--deploy-id",
        "build-1",
        "--wait",
        "--timeout",
        "2m",
        "--server",
    ];
    let flags = [&flags[..], &[&url]].concat();
    let job: Vec<String> = flags.iter().map(ToString::to_string).collect();
    let job = tokio::spawn(async move {
        let flags: Vec<&str> = job.iter().map(String::as_str).collect();
        haldane(&flags).await
    });
    // The job has submitted once there is an analysis.
    let id = loop {
        let list = daemon.get("/v1/analyses").await.unwrap().body;
        if let Some(id) = list["analyses"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    daemon.kill();
    let daemon = site.start().await;
    let by = json!({ "verdict": "promote", "reason": "a test", "author": "ada" });
    let answer = daemon
        .post(&format!("/v1/analyses/{id}/override"), &by)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = job.await.unwrap();
    said.check(0, &["overridden to promote by ada"]);
    // A second job with the same deploy id joins.
    let said = haldane(&flags).await;
    said.check(0, &["overridden to promote by ada", &id]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_waiting_gives_needs_waiting() {
    for flag in [
        &["-o", "junit"][..],
        &["--junit", "x.xml"],
        &["--summary", "x.md"],
        &["--inconclusive-as", "rollback"],
        &["--error-as", "promote"],
    ] {
        let flags = [
            "submit",
            "-t",
            "web",
            "--service",
            "shop",
            "--canary",
            "track=\"c\"",
        ];
        let said = haldane(&[&flags[..], flag].concat()).await;
        said.check(2, &["add --wait"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_says_so() {
    let (site, daemon) = start().await;
    let junit = site.path("verdict.xml");
    let id = analysis(&daemon, "").await;
    let file = junit.display().to_string();
    let flags = ["wait", &id, "--server", daemon.url(), "--junit", &file];
    for signal in ["-INT", "-TERM"] {
        std::fs::write(&junit, "the verdict of the run before").unwrap();
        let said = signalled(signal, &flags).await;
        let message = format!("interrupted; the analysis goes on, and `haldane wait {id}` hears");
        said.check(130, &[&message]);
        assert!(
            suite(&read(&junit)).1[0].2.starts_with(&message),
            "{signal}"
        );
    }
    // One that nothing can catch.
    std::fs::write(&junit, "the verdict of the run before").unwrap();
    let said = signalled("-KILL", &flags).await;
    assert_eq!(said.code, None, "{said:?}");
    assert_eq!(
        suite(&read(&junit)).1[0].2,
        "ended from outside before there was a verdict"
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_said_before_anything_is_waited_for() {
    let (site, daemon) = start().await;
    let id = analysis(&daemon, "").await;
    let nowhere = site.path("nowhere/x").display().to_string();
    for flag in ["--junit", "--summary"] {
        let said = wait(&daemon, &id, &[flag, &nowhere]).await;
        said.check(2, &[flag, &nowhere, "No such file"]);
        assert!(!said.err.contains("look 0"), "{said:?}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_without_being_haldane_is_named() {
    let stranger = axum::Router::new().route(
        "/v1/analyses",
        axum::routing::get(|| async { axum::response::Html("<html>log in</html>") }),
    );
    let moved = axum::response::Redirect::temporary("https://login.example/");
    let stranger = stranger.route(
        "/v1/analyses/{id}",
        axum::routing::get(move || async move { moved }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, stranger).await });
    for (args, part) in [
        (&["status"][..], "no document of Haldane's"),
        (&["status", "a"], "a redirect to https://login.example/"),
        (&["report", "a"], "404 Not Found without a reason"),
        (
            &["cancel", "a", "--reason", "b"],
            "404 Not Found without a reason",
        ),
    ] {
        let said = haldane(&[args, &["--server", &url]].concat()).await;
        said.check(4, &[part, &url, "--server"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_checked_before_it_is_sent() {
    let mut site = Site::simulated(SCENARIO);
    let token = site.path("ci.token");
    std::fs::write(&token, "a-token-of-the-ci-system\n").unwrap();
    site.configure(&format!(
        "[[server.credentials]]\nauthor = \"ci\"\ntoken = \"file:{}\"\nright = \"read\"\n",
        token.display()
    ));
    let daemon = site.start().await;
    for (text, code, part) in [
        ("", 2, "it is empty"),
        ("a b\n", 2, "more than one token"),
        ("wrong", 2, "here: the token is that of --token-file"),
        ("a-token-of-the-ci-system", 0, ""),
    ] {
        let file = site.path("mine.token");
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let flags = ["status", "--server", daemon.url(), "--token-file", &file];
        haldane(&flags).await.check(code, &[part]);
    }
    let said = haldane(&["status", "--server", daemon.url()]).await;
    said.check(2, &["here: --token-file FILE, or HALDANE_TOKEN_FILE"]);
    daemon.stop().await;
}
