//! What the client sends and what it never tells: requests, credentials, certificates, limits on
//! itself, options that cannot work.

use crate::prometheus_faults::{EMPTY, SECRET, ask, options};
use crate::support::stand_in::{Act, Seen, StandIn};
use crate::support::tls::Authority;
use haldane::prometheus::{Auth, Client, ClientIdentity, FaultKind, Options, RangeQuery};
use haldane::secret::Secret;
use haldane::time::{Span, Step, Timestamp};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Barrier;

#[tokio::test]
async fn the_request_says_what_we_mean() {
    let server = StandIn::start(|_, _| Act::json(EMPTY)).await;
    let mut options = options(&server);
    options.url.set_path("/prefix/");
    options.timeout = Span::from_s(10);
    options.headers = vec![("X-Scope-OrgID".into(), "team-a".into())];
    options.auth = Auth::Basic {
        username: "haldane".into(),
        password: Secret::new("pass"),
    };
    let client = Client::new(options).unwrap();
    let t0 = Timestamp::from_s(1_700_000_010);
    let range = |start: i64, step: i64| RangeQuery {
        start: Timestamp::from_ms(t0.ms() + start),
        end: t0.plus(Span::from_s(60)),
        step: Step::new(Span::from_ms(step)).unwrap(),
    };
    client.query_range("a + b", range(0, 30_000)).await.unwrap();
    client.query_range("a + b", range(1, 500)).await.unwrap();
    client
        .raw_samples("m{a=\"b\"}", t0, Timestamp::from_ms(t0.ms() + 90_500))
        .await
        .unwrap();
    let seen = server.seen();
    let expected: [&[(&str, &str)]; 3] = [
        &[
            ("query", "a + b"),
            ("start", "1700000010"),
            ("end", "1700000070"),
            ("step", "30"),
        ],
        &[
            ("start", "1700000010.5"),
            ("end", "1700000070"),
            ("step", "0.5"),
        ],
        &[("query", "m{a=\"b\"}[90500ms]"), ("time", "1700000100.5")],
    ];
    let always = [
        ("timeout", "9000ms"),
        ("partial_response", "false"),
        ("dedup", "true"),
        ("max_source_resolution", "0s"),
    ];
    for (request, form) in seen.iter().zip(expected) {
        for (name, value) in form.iter().chain(&always) {
            assert_eq!(
                request.form.get(*name).map(String::as_str),
                Some(*value),
                "{request:?}"
            );
        }
        assert_eq!(request.header("authorization"), "Basic aGFsZGFuZTpwYXNz");
        assert_eq!(request.header("x-scope-orgid"), "team-a");
        assert_eq!(
            request.header("accept-encoding"),
            "",
            "compression costs more than it saves"
        );
        assert_eq!(
            request.header("content-type"),
            "application/x-www-form-urlencoded"
        );
    }
    let paths: Vec<&str> = seen.iter().map(|request| request.line.as_str()).collect();
    let range = "POST /prefix/api/v1/query_range";
    assert_eq!(paths, [range, range, "POST /prefix/api/v1/query"]);
}

#[tokio::test]
async fn warnings_block_unless_allowed_and_infos_are_kept() {
    let body = r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]},
        "warnings":["store down","PromQL warning: bucket le"],"infos":["PromQL info: rate"]}"#;
    let server = StandIn::start(move |_, _| Act::json(body)).await;
    let mut options = options(&server);
    options.allowed_warnings = vec![regex::Regex::new("^PromQL warning: bucket").unwrap()];
    let answer = ask(options).await.unwrap();
    let partial = "partial answer: not all of the source's storage answered";
    assert_eq!(answer.warnings, ["store down", partial]);
    assert_eq!(
        answer.infos,
        ["PromQL info: rate", "PromQL warning: bucket le"]
    );
}

#[tokio::test]
async fn native_histograms_are_counted_not_fatal() {
    let body = r#"{"data":{"result":[
        {"metric":{"a":"2"},"histogram":[1,{"count":"3","sum":"1","buckets":[[0,"1","2","3"]]}]},
        {"metric":{"a":"3"},"values":[[1.001,"NaN"],[2,"-Inf"]],"histograms":[[3,{}]]},
        {"histograms":[],"metric":{"a":"4"}},
        {"value":[4.9999,"1e3"],"metric":{"a":"1"},"new":[{}]}
        ],"resultType":"matrix"},"status":"success"}"#;
    let server = StandIn::start(move |_, _| Act::json(body)).await;
    let answer = ask(options(&server)).await.unwrap();
    assert_eq!(answer.histogram_series, 3);
    let got: Vec<(&str, Vec<(i64, String)>)> = answer
        .series
        .iter()
        .map(|series| {
            let samples = series
                .samples
                .iter()
                .map(|s| (s.at.ms(), s.value.to_string()));
            (series.labels["a"].as_str(), samples.collect())
        })
        .collect();
    let odd = vec![(1001, "NaN".to_owned()), (2000, "-inf".to_owned())];
    assert_eq!(got, [("1", vec![(5000, "1000".to_owned())]), ("3", odd)]);
}

#[tokio::test]
async fn too_many_series_are_refused_whole() {
    let rows: Vec<String> = (0..=haldane::prometheus::SERIES_MAX)
        .map(|n| format!(r#"{{"metric":{{"n":"{n}"}},"value":[1,"1"]}}"#))
        .collect();
    let vector = |rows: &[String]| {
        let rows = rows.join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{rows}]}}}}"#)
    };
    let bodies = [vector(&rows), vector(&rows[1..])];
    let server = StandIn::start(move |n, _| Act::json(bodies[n].clone())).await;
    let fault = ask(options(&server)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge);
    assert!(fault.message.contains("more than 10000 series"), "{fault}");
    let client = Client::new(options(&server)).unwrap();
    let answer = client
        .query_instant("up", Timestamp::from_s(1))
        .await
        .unwrap();
    assert_eq!(answer.series.len(), haldane::prometheus::SERIES_MAX);
}

#[tokio::test]
async fn nothing_we_send_is_repeated_from_an_angry_answer() {
    let server = StandIn::start(|_, request| {
        let sent = [request.header("authorization"), request.header("x-api-key")].join(" ");
        Act::status(400, &format!("who are you? {sent}"))
    })
    .await;
    let basic = || Auth::Basic {
        username: "u".into(),
        password: Secret::new(SECRET),
    };
    for auth in [
        Auth::None,
        basic(),
        Auth::BearerToken(Secret::new("other-secret")),
    ] {
        let mut options = options(&server);
        options.auth = auth;
        options.headers = vec![("X-Api-Key".into(), SECRET.into())];
        let fault = ask(options).await.unwrap_err();
        assert!(fault.message.contains("who are you?") && fault.message.contains("***"));
        for secret in [SECRET, "other-secret", "dTpzM2NyM3Qt"] {
            assert!(!fault.message.contains(secret), "{fault}");
        }
    }
}

/// A server that knows one token, and repeats in anger whatever it was sent.
fn guard(token: &'static str) -> impl Fn(usize, &Seen) -> Act + Send + Sync {
    move |_, request| {
        let sent = request.header("authorization");
        if sent == format!("Bearer {token}") {
            return Act::json(EMPTY);
        }
        // Pushed to where an excerpt would cut it in half.
        Act::status(401, &format!("{}{sent}", "z".repeat(188)))
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes_and_after_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let write = |token: &str| std::fs::write(&file, format!("{token}\n")).unwrap();
    let server = StandIn::start(guard("tokenB")).await;
    let mut options = options(&server);
    options.auth = Auth::Bearer { file: file.clone() };
    let client = Client::new(options).unwrap();
    let ask = || client.query_instant("up", Timestamp::from_s(1));
    let tokens = || -> Vec<String> {
        let sent = server
            .seen()
            .into_iter()
            .map(|r| r.header("authorization").to_owned());
        sent.map(|text| text.replace("Bearer ", "")).collect()
    };

    let fault = ask().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Auth);
    assert!(fault.message.contains("cannot be read"), "{fault}");

    // Refused, and nothing new in the file: not offered twice.
    write("tokenA");
    let fault = ask().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Auth);
    assert!(
        !fault.message.contains("token") && !fault.message.contains("toke"),
        "{fault}"
    );
    assert_eq!(tokens(), ["tokenA"]);

    // Same length and time as before, so only the refusal makes us look.
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    write("tokenB");
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    ask().await.unwrap();
    assert_eq!(tokens(), ["tokenA", "tokenA", "tokenB"]);

    // Another length: seen before anything is sent.
    write("longer-token");
    ask().await.unwrap_err();
    assert_eq!(tokens()[3..], ["longer-token"]);

    for (content, said) in [
        (String::new(), "is empty"),
        ("t".repeat(70_000), "more than 65536"),
    ] {
        write(&content);
        let fault = ask().await.unwrap_err();
        assert!(fault.message.contains(said), "{fault}");
    }
    assert_eq!(tokens().len(), 4);
}

#[tokio::test]
async fn no_more_requests_at_once_than_allowed() {
    const AT_ONCE: usize = 3;
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let act = Act::Meet(barrier, Box::new(Act::json(EMPTY)));
    let server = StandIn::start(move |_, _| act.clone()).await;
    let mut options = options(&server);
    options.concurrency_max = AT_ONCE;
    let client = Client::new(options).unwrap();
    // Each waits at the server until three are there: fewer at once would never end.
    let asking = (0..4 * AT_ONCE).map(|_| client.query_instant("up", Timestamp::from_s(1)));
    for answer in futures_util::future::join_all(asking).await {
        answer.unwrap();
    }
    assert_eq!(server.in_flight_most(), AT_ONCE);
    assert_eq!(server.seen().len(), 4 * AT_ONCE);
}

#[tokio::test]
async fn own_authorities_and_client_certificates() {
    let (ours, other) = (Authority::new(), Authority::new());
    let identity = |authority: &Authority| {
        let (cert_file, key_file) = (authority.file("client.pem"), authority.file("client.key"));
        Some(ClientIdentity {
            cert_file,
            key_file,
        })
    };
    for (name, ask_client, ca, identity, good) in [
        ("own authority", false, &ours, None, true),
        ("somebody else's", false, &other, None, false),
        (
            "asked for a certificate",
            true,
            &ours,
            identity(&ours),
            true,
        ),
        ("without one", true, &ours, None, false),
        ("with a stranger's", true, &ours, identity(&other), false),
    ] {
        let tls = Some(ours.acceptor(ask_client));
        let server = StandIn::start_with(tls, |_, _| Act::json(EMPTY)).await;
        let mut options = options(&server);
        options.ca_file = Some(ca.file("ca.pem"));
        options.client_identity = identity;
        match ask(options).await {
            Ok(_) => assert!(good, "{name}"),
            Err(fault) => {
                assert!(!good, "{name}: {fault}");
                assert_eq!(fault.kind, FaultKind::Unavailable, "{name}: {fault}");
                assert_eq!(server.seen().len(), 0, "{name}");
            }
        }
    }
}

fn check_refused(name: &str, options: Options, said: &str) {
    let fault = Client::new(options).expect_err(name);
    assert!(fault.message.contains(said), "{name}: {said:?} in {fault}");
    assert!(!fault.message.contains(SECRET), "{name}: {fault}");
}

#[test]
fn options_that_cannot_work_are_refused_at_once() {
    let with = |url: &str| Options::new(url.parse().unwrap());
    check_refused(
        "userinfo",
        with(&format!("http://u:{SECRET}@h")),
        "http://h holds credentials",
    );
    check_refused(
        "query",
        with(&format!("http://h/?k={SECRET}")),
        "has a query",
    );
    check_refused("scheme", with("ftp://h/"), "must be http or https");
    let good = || with("https://h");
    let colon = Auth::Basic {
        username: "a:b".into(),
        password: Secret::new(SECRET),
    };
    check_refused(
        "colon",
        Options {
            auth: colon,
            ..good()
        },
        "colon",
    );
    let line = Auth::BearerToken(Secret::new(format!("{SECRET}\n")));
    check_refused(
        "line end",
        Options {
            auth: line,
            ..good()
        },
        "header cannot carry",
    );
    let header = |name: &str, value: String| vec![(name.to_owned(), value)];
    let headers = header("X-Key", format!("{SECRET}\n"));
    check_refused(
        "header value",
        Options { headers, ..good() },
        "header \"X-Key\" has a value",
    );
    let headers = header("X Key", SECRET.to_owned());
    check_refused(
        "header name",
        Options { headers, ..good() },
        "not a legal header name",
    );

    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let ca = |path: &Path| Options {
        ca_file: Some(path.to_owned()),
        ..good()
    };
    check_refused(
        "no file",
        ca(&dir.path().join("none.pem")),
        "none.pem cannot be read",
    );
    check_refused(
        "no certificate",
        ca(&file("empty.pem", "")),
        "holds no certificate",
    );
    let keys = ClientIdentity {
        cert_file: file("a", SECRET),
        key_file: file("b", SECRET),
    };
    let options = Options {
        client_identity: Some(keys),
        ..good()
    };
    check_refused("no key", options, "both must be PEM");
}

#[test]
fn nothing_secret_is_printed() {
    let mut options = Options::new(format!("http://u:{SECRET}@h:1/p?{SECRET}").parse().unwrap());
    options.headers = vec![("X-Api-Key".into(), SECRET.into())];
    options.auth = Auth::Basic {
        username: "u".into(),
        password: Secret::new(SECRET),
    };
    let text = format!(
        "{options:?} {options:#?} {:?}",
        Auth::BearerToken(Secret::new(SECRET))
    );
    assert!(!text.contains(SECRET), "{text}");
    assert!(
        text.contains("http://h:1/p") && text.contains("X-Api-Key"),
        "{text}"
    );
    options.url = "http://h:1/p".parse().unwrap();
    let client = Client::new(options).unwrap();
    assert_eq!(format!("{client:?}"), "Client(\"http://h:1/p\")");
}
