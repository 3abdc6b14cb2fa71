//! The client against servers that misbehave: every failure has a name, a count of attempts,
//! and says nothing it should not.

use crate::support::stand_in::{Act, StandIn};
use haldane::prometheus::{Auth, Client, Fault, FaultKind, Options, Retry};
use haldane::secret::Secret;
use haldane::time::{Span, Timestamp};
use std::time::{Duration, Instant};

/// An empty vector: a good answer with nothing in it.
pub(crate) const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// Never to be seen in any text.
pub(crate) const SECRET: &str = "s3cr3t-hunter2";

/// Quick: three attempts, a millisecond apart.
pub(crate) fn options(server: &StandIn) -> Options {
    let mut options = Options::new(server.url());
    options.retry = Retry {
        attempts_max: 3,
        base: Span::from_ms(1),
        cap: Span::from_ms(5),
    };
    options
}

pub(crate) async fn ask(options: Options) -> Result<haldane::series::raw::Answer, Fault> {
    let client = Client::new(options)?;
    client
        .query_instant("up", Timestamp::from_s(1_700_000_000))
        .await
}

/// One misbehaviour: the fault it must become, requests it may cost, words that must be said.
struct Case {
    name: &'static str,
    act: Act,
    kind: FaultKind,
    requests: usize,
    said: &'static [&'static str],
}

fn case(
    name: &'static str,
    act: Act,
    kind: FaultKind,
    requests: usize,
    said: &'static [&'static str],
) -> Case {
    Case {
        name,
        act,
        kind,
        requests,
        said,
    }
}

fn refusal(status: u16, error_type: &str, error: &str) -> Act {
    let body = format!(r#"{{"status":"error","errorType":"{error_type}","error":"{error}"}}"#);
    Act::status(status, &body)
}

fn redirect(location: &str) -> Act {
    Act::Reply(307, vec![("location", location.to_owned())], Vec::new())
}

/// Refusals in the API's own words and in those of proxies in between.
fn refusals() -> Vec<Case> {
    use FaultKind::{Auth, BadQuery, Malformed, Overloaded, Timeout, TooLarge, Unavailable};
    let html = "<html><body>Bad Gateway</body></html>";
    vec![
        case(
            "400",
            refusal(400, "bad_data", "parse error"),
            BadQuery,
            1,
            &[
                "query `up`",
                "400 bad_data",
                "parse error",
                "correct the query",
            ],
        ),
        case(
            "422",
            refusal(422, "execution", "many"),
            BadQuery,
            1,
            &["422 execution", "many"],
        ),
        case(
            "400 in HTML",
            Act::status(400, html),
            BadQuery,
            1,
            &["400", "Bad Gateway"],
        ),
        case(
            "401",
            Act::status(401, "no org id"),
            Auth,
            1,
            &["401", "no org id", "credentials"],
        ),
        case("403", Act::status(403, ""), Auth, 1, &["403", "no body"]),
        case(
            "404",
            Act::status(404, "404 page not found"),
            Malformed,
            1,
            &["path prefix"],
        ),
        case(
            "413",
            refusal(413, "too_large_entry", "big"),
            TooLarge,
            1,
            &["too_large_entry"],
        ),
        case(
            "429 of an unknown type",
            refusal(429, "too_many_requests", "limit"),
            Overloaded,
            3,
            &["429 too_many_requests", "limit", "after 3 attempts"],
        ),
        case(
            "500",
            refusal(500, "internal", "oops"),
            Unavailable,
            1,
            &["500 internal", "oops"],
        ),
        case(
            "500 unavailable",
            refusal(500, "unavailable", "gone"),
            Unavailable,
            3,
            &["gone"],
        ),
        case(
            "502 in HTML",
            Act::status(502, html),
            Unavailable,
            3,
            &["502", "Bad Gateway"],
        ),
        case(
            "503 in text, as while replaying its log",
            Act::status(503, "Service Unavailable"),
            Overloaded,
            3,
            &["503", "Service Unavailable"],
        ),
        case(
            "503 by its clock",
            refusal(503, "timeout", "timed out"),
            Timeout,
            3,
            &["503 timeout"],
        ),
        case("504", Act::status(504, ""), Timeout, 3, &["504"]),
        case(
            "an error under 200",
            refusal(200, "execution", "x"),
            BadQuery,
            1,
            &["200 execution"],
        ),
        case(
            "a word nobody knows",
            refusal(200, "sulking", "no"),
            Unavailable,
            1,
            &["sulking"],
        ),
        case(
            "redirect",
            redirect("https://login.example/in?token=s3cr3t-hunter2"),
            Malformed,
            1,
            &["307", "https://login.example/in,", "not followed"],
        ),
        case(
            "redirect next door",
            redirect("/prometheus/?s3cr3t-hunter2"),
            Malformed,
            1,
            &["redirect to /prometheus/,"],
        ),
    ]
}

/// Answers that are no answers.
fn strange_bodies() -> Vec<Case> {
    use FaultKind::{Malformed, Timeout, TooLarge, Unavailable};
    let row = |inner: &str| {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{inner}]}}}}"#
        );
        Act::json(body)
    };
    let long = format!("<p>{}</p>", "x".repeat(500));
    vec![
        case(
            "garbage",
            Act::json("\u{1}\u{2}what"),
            Malformed,
            1,
            &["unreadable", "what"],
        ),
        case(
            "HTML under 200",
            Act::status(200, &long),
            Malformed,
            1,
            &["<p>xxx", "xx…"],
        ),
        case("no body", Act::json(""), Malformed, 1, &["empty body"]),
        case(
            "half a body",
            Act::json(&EMPTY[..40]),
            Malformed,
            1,
            &["40 bytes", "too early"],
        ),
        case(
            "no data",
            Act::json(r#"{"status":"success"}"#),
            Malformed,
            1,
            &["no data"],
        ),
        case("other JSON", Act::json("[1,2]"), Malformed, 1, &["[1,2]"]),
        case(
            "bad number",
            row(r#"{"metric":{},"value":[1,"x"]}"#),
            Malformed,
            1,
            &["not a number"],
        ),
        case(
            "number unquoted",
            row(r#"{"metric":{},"value":[1,2]}"#),
            Malformed,
            1,
            &["quotes"],
        ),
        case(
            "far future",
            row(r#"{"metric":{},"value":[1e300,"2"]}"#),
            Malformed,
            1,
            &["9999"],
        ),
        case(
            "no value",
            row(r#"{"metric":{}}"#),
            Malformed,
            1,
            &["without value"],
        ),
        case(
            "three in a pair",
            row(r#"{"metric":{},"value":[1,"2",3]}"#),
            Malformed,
            1,
            &["length"],
        ),
        case(
            "shapes mixed",
            row(r#"{"metric":{},"value":[1,"2"]},7"#),
            Malformed,
            1,
            &["mixed"],
        ),
        case(
            "cut short",
            Act::CutShort(EMPTY.into()),
            Unavailable,
            3,
            &["cut short after 63 bytes"],
        ),
        case(
            "too long, as announced",
            Act::json(" ".repeat(5_000)),
            TooLarge,
            1,
            &["more than 4096 bytes", "raise the limit"],
        ),
        case(
            "too long, unannounced",
            Act::Endless(vec![b' '; 1000]),
            TooLarge,
            1,
            &["4096"],
        ),
        case(
            "silence",
            Act::Silence,
            Timeout,
            3,
            &["within 200ms", "after 3 attempts"],
        ),
        case(
            "a stall in the middle",
            Act::Stall(EMPTY.into()),
            Timeout,
            3,
            &["within 200ms"],
        ),
        case(
            "closes at once",
            Act::HangUp,
            Unavailable,
            3,
            &["no answer"],
        ),
    ]
}

async fn check(case: Case) {
    let Case {
        name,
        act,
        kind,
        requests,
        said,
    } = case;
    let server = StandIn::start(move |_, _| act.clone()).await;
    let mut options = options(&server);
    options.auth = Auth::BearerToken(Secret::new(SECRET));
    options.response_bytes_max = 4096;
    options.timeout = if kind == FaultKind::Timeout {
        Span::from_ms(200)
    } else {
        options.timeout
    };
    let fault = ask(options).await.expect_err(name);
    assert_eq!(fault.kind, kind, "{name}: {fault}");
    assert_eq!(server.seen().len(), requests, "{name}: {fault}");
    let address = server.url().as_str().trim_end_matches('/').to_owned();
    for part in said.iter().copied().chain([address.as_str()]) {
        assert!(fault.message.contains(part), "{name}: {part:?} in {fault}");
    }
    assert!(!format!("{fault:?}").contains(SECRET), "{name}: {fault}");
    assert!(
        !fault.message.ends_with('.') && !fault.message.contains('\n'),
        "{name}: {fault}"
    );
}

#[tokio::test]
async fn refusals_have_names() {
    for case in refusals() {
        check(case).await;
    }
}

#[tokio::test]
async fn strange_bodies_have_names() {
    for case in strange_bodies() {
        check(case).await;
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let server = StandIn::start(|_, _| Act::HangUp).await;
    let mut options = options(&server);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    options
        .url
        .set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    drop(listener);
    let fault = ask(options).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(
        fault.message.contains("refused") && fault.message.contains("3 attempts"),
        "{fault}"
    );
    assert!(fault.kind.is_transient());
}

#[tokio::test]
async fn a_good_answer_after_bad_ones_is_an_answer() {
    let acts = [Act::status(503, ""), Act::HangUp, Act::json(EMPTY)];
    let server = StandIn::start(move |n, _| acts[n].clone()).await;
    assert_eq!(ask(options(&server)).await.unwrap().series, []);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn retry_after_is_waited_for_or_passed_on() {
    let busy = |wait: &str| Act::Reply(429, vec![("retry-after", wait.to_owned())], Vec::new());
    let acts = [busy("1"), Act::json(EMPTY)];
    let server = StandIn::start(move |n, _| acts[n].clone()).await;
    let mut patient = options(&server);
    patient.retry.cap = Span::from_s(2);
    let start = Instant::now();
    ask(patient).await.unwrap();
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );

    // Longer than we wait ourselves: the caller is told, the server left alone.
    for (text, kept) in [
        ("7", 7),
        ("999999", 3600),
        ("Fri, 31 Dec 9998 23:59:59 GMT", 3600),
    ] {
        let act = busy(text);
        let server = StandIn::start(move |_, _| act.clone()).await;
        let fault = ask(options(&server)).await.unwrap_err();
        assert_eq!(fault.retry_after, Some(Span::from_s(kept)), "{text}");
        assert_eq!(fault.kind, FaultKind::Overloaded);
        assert_eq!(server.seen().len(), 1, "{text}");
    }
}
