//! Whatever is sent: never a fault of ours, never a redirect, never an empty success. Controllers
//! take a redirect's target or a 204 for a yes or a no that nobody gave.

use crate::http_fixture::{Door, Reply, Setup, open, request, submission};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "v1",
        "analyses",
        "a0001",
        "verdict",
        "events",
        "cancel",
        "override",
        "judge",
        "templates",
        "checkout",
        "metrics",
        "healthz",
        "readyz",
        "openapi.json",
        "",
        "..",
        "%2e",
        "%2F",
        "%ff",
        "%00",
        "~",
    ]);
    let segment = prop_oneof![
        4 => known.prop_map(str::to_owned),
        1 => "[!-~&&[^#?%]]{0,12}",
    ];
    let name = prop::sample::select(vec!["wait", "limit", "after", "status", "verdict", "x"]);
    let value = prop_oneof![
        "[0-9]{0,25}(ms)?",
        Just("pending".to_owned()),
        "[!-~&&[^#& ]]{0,12}",
        Just("%ff%00".to_owned()),
    ];
    let query = prop::collection::vec((name, value), 0..3);
    (prop::collection::vec(segment, 0..5), query).prop_map(|(segments, query)| {
        let mut out = format!("/{}", segments.join("/"));
        for (idx, (name, value)) in query.iter().enumerate() {
            // A wait that is really waited for would only cost time here.
            let value = if *name == "wait" {
                value.replace('s', "x")
            } else {
                value.clone()
            };
            let value = if *name == "wait" && value.parse::<f64>().is_ok() {
                "0"
            } else {
                &value
            };
            out.push(if idx == 0 { '?' } else { '&' });
            out.push_str(&[*name, value].join("="));
        }
        out
    })
}

async fn acceptable(door: &Door, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let text = door.raw(&bytes).await;
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let reply = Reply::read(&text);
    let fine = reply.status == 200 || reply.status == 201 || (400..500).contains(&reply.status);
    prop_assert!(fine, "{shown}\n{text}");
    if reply.status >= 400 {
        // hyper itself answers heads it cannot read, with an empty body.
        let problem = reply.header("content-type") == "application/problem+json";
        prop_assert!(problem || reply.body.is_empty(), "{shown}\n{text}");
    } else {
        prop_assert!(!reply.body.is_empty(), "{shown}\n{text}");
    }
    Ok(())
}

fn run<S: Strategy>(strategy: &S, bytes: impl Fn(S::Value) -> Vec<u8>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let door = runtime.block_on(async {
        let door = open(Setup::default()).await;
        let id = door.submitted(&submission("")).await;
        door.conclude(&id, haldane::engine::verdict::Verdict::Promote);
        door
    });
    TestRunner::default()
        .run(strategy, |input| {
            runtime.block_on(acceptable(&door, bytes(input)))
        })
        .unwrap();
}

#[test]
fn any_path_and_query() {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
    run(&(method, path()), |(method, path)| {
        request(method, &path, "", "{}")
    });
}

#[test]
fn any_body() {
    let path = prop::sample::select(vec![
        "/v1/analyses",
        "/v1/judge",
        "/v1/analyses/a0001/cancel",
        "/v1/analyses/a0001/override",
    ]);
    let good = submission(r#","duration":"10m","start":"2026-01-02T02:00:00Z""#);
    let cut = (0..good.len(), ".{0,6}").prop_map(move |(at, text)| {
        let (head, tail) = good.split_at(at);
        let tail: String = tail.chars().skip(text.chars().count()).collect();
        format!("{head}{text}{tail}")
    });
    let value = prop::sample::select(vec![
        "null", "1", "\"x\"", "[]", "{}", "1e999", "[[]]", "-0",
    ]);
    let field = prop::sample::select(vec![
        "template",
        "template_inline",
        "inputs",
        "baseline",
        "canary",
        "deploy",
        "start",
        "end",
        "duration",
        "webhooks",
        "samples",
        "reason",
        "verdict",
        "author",
        "x",
    ]);
    let fields = prop::collection::vec((field, value), 0..5).prop_map(|fields| {
        let all: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
        format!("{{{}}}", all.join(","))
    });
    let body = prop_oneof![cut, fields, ".{0,40}"];
    run(&(path, body), |(path, body)| {
        request("POST", path, "", &body)
    });
}

#[test]
fn any_header() {
    let name = prop::sample::select(vec![
        "content-type",
        "idempotency-key",
        "traceparent",
        "authorization",
        "x-request-id",
        "expect",
        "accept",
        "range",
        "if-none-match",
        "content-encoding",
    ]);
    let header = (name, "[ -~]{0,30}").prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    run(&header, |header| {
        request("POST", "/v1/analyses", &header, &submission(""))
    });
}
