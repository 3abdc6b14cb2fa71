//! Templated webhooks against those who fill them and those who answer them: an address leads where
//! the template says, values stay values, and an answer that cannot be read to its end repeats
//! nothing.

use crate::webhook_receiver::{Act, Receiver, say};
use haldane::secret::Secret;
use haldane::time::{Span, Timestamp};
use haldane::webhook::call::Success;
use haldane::webhook::sender::ANSWER_BYTES_MAX;
use haldane::webhook::template::{Template, Written};
use haldane::webhook::{Disposition, Message, Options, Policy, Reply, Sender};
use haldane::wire::event::samples;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn read(
    url: &str,
    body: &str,
    content_type: &str,
    success: Success,
) -> Result<Template, (String, String)> {
    let written = Written {
        method: "POST",
        url,
        headers: &BTreeMap::new(),
        body,
        content_type,
        success,
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("hunter2"))]),
    };
    Template::read(written, &samples())
}

/// What a message with this service says.
fn told(service: &str) -> Value {
    let [mut sample, ..] = samples();
    sample["service"] = json!(service);
    sample
}

fn url(template: &str, service: &str) -> Result<String, String> {
    let template = read(template, "", "application/json", Success::default()).unwrap();
    let filled = template.fill(&told(service))?;
    Ok(filled.url.unwrap())
}

#[test]
fn no_value_climbs_out_of_the_path_of_a_template() {
    let path = "https://cd.example.org/v1/apps/{{ service }}/actions?of={{ service }}";
    for service in [
        "..",
        ".",
        "../..",
        "a/../../b",
        "..\\..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "shop/..",
    ] {
        let why = url(path, service).unwrap_err();
        assert!(
            why.starts_with("url: ") && why.contains("`..`"),
            "{service}: {why}"
        );
        assert!(!why.contains("example.org"), "{why}");
    }
    // Dots around a hole that a sample leaves empty are found at the start.
    for template in [
        "https://cd.example.org/v1/.{{ service }}/x",
        "https://cd.example.org/v1/%2e{{ service }}/x",
        "https://cd.example.org/v1/{{ service }}%2E/x",
    ] {
        let refused = read(template, "", "application/json", Success::default());
        assert_eq!(refused.unwrap_err().0, "url", "{template}");
    }
    for (service, wanted) in [
        ("shop", "shop"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("acme/shop", "acme%2Fshop"),
        ("..hidden", "..hidden"),
    ] {
        let wanted = format!("https://cd.example.org/v1/apps/{wanted}/actions?of={wanted}");
        assert_eq!(url(path, service).unwrap(), wanted);
    }
    let in_query = url("https://cd.example.org/x?of={{ service }}", "..").unwrap();
    assert_eq!(in_query, "https://cd.example.org/x?of=..");
    let why = read(
        "https://cd.example.org/v1/../x",
        "",
        "text/plain",
        Success::default(),
    );
    assert_eq!(why.unwrap_err().0, "url");
}

#[test]
fn no_value_is_more_than_a_value_in_an_address() {
    let hostile = "a/b?c#d&e=f@g:1\\h%2f";
    let encoded = "a%2Fb%3Fc%23d%26e%3Df%40g%3A1%5Ch%252f";
    for template in [
        "https://cd.example.org/{{ service }}",
        "https://cd.example.org/{{ service | safe }}",
        "https://cd.example.org/{% autoescape false %}{{ service }}{% endautoescape %}",
        "https://cd.example.org/{% if true %}{{ service | safe }}{% endif %}",
    ] {
        let filled = url(template, hostile).unwrap();
        assert_eq!(
            filled,
            format!("https://cd.example.org/{encoded}"),
            "{template}"
        );
    }
    for template in [
        "https:///{{ service }}/x",
        "https:////{{ service }}/x",
        "https://{% if true %}evil.example{% endif %}/x",
        "https://cd.example.org{# #}{{ service }}/x",
        "https://cd.example.org\\{{ service }}/x",
        "https://cd.example.org?{{ service }}",
        "{% if true %}https://cd.example.org/{% endif %}",
    ] {
        let refused = read(template, "", "application/json", Success::default());
        let (key, why) = refused.unwrap_err();
        assert_eq!(key, "url", "{template}: {why}");
    }
}

#[test]
fn bodies_are_escaped_by_their_media_type_however_it_is_written() {
    let hostile = "<a href=\"x\">&'\"}";
    let json = r#"{"s":"<a href=\"x\">&'\"}"}"#;
    for kind in [
        "application/json",
        "application/JSON",
        "Application/Json; charset=utf-8",
        "application/vnd.api+JSON",
        "text/json",
    ] {
        let template = read("", "{\"s\":{{ service }}}", kind, Success::default()).unwrap();
        let body = template.fill(&told(hostile)).unwrap().body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, serde_json::from_str::<Value>(json).unwrap(), "{kind}");
    }
    for kind in [
        "text/xml",
        "application/xml; charset=utf-8",
        "Application/XML",
        "application/soap+xml",
        "application/atom+XML",
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "application/xhtml+xml",
    ] {
        let template = read(
            "",
            "<s>{{ service }}</s>{{ hold }}",
            kind,
            Success::default(),
        );
        let mut told = told(hostile);
        told["hold"] = Value::Null;
        let body = String::from_utf8(template.unwrap().fill(&told).unwrap().body).unwrap();
        let inner = body
            .strip_prefix("<s>")
            .unwrap()
            .strip_suffix("</s>")
            .unwrap();
        assert!(!inner.contains(['<', '>', '"', '\'']), "{kind}: {body}");
        assert!(
            inner.contains("&lt;a href=&quot;x&quot;&gt;&amp;"),
            "{kind}: {body}"
        );
    }
    for kind in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded; charset=utf-8",
    ] {
        let template = read("", "s={{ service }}", kind, Success::default()).unwrap();
        let body = template.fill(&told("a&b=c")).unwrap().body;
        assert_eq!(body, b"s=a%26b%3Dc", "{kind}");
    }
}

/// One call whose rule of success wants `"on"` at `/state`.
async fn called(act: Act) -> Reply {
    let policy = Policy {
        allow_private: true,
        ..Policy::default()
    };
    let sender = Sender::new(Options {
        policy,
        timeout: Span::from_ms(1500),
        ..Options::default()
    });
    let to = Receiver::start("127.0.0.1:0", act).await;
    let success = Success::parse(&[], Some(("/state", json!("on")))).unwrap();
    let filled = read("", "{}", "application/json", success).unwrap();
    let filled = filled.fill(&told("shop")).unwrap();
    let url = to.url("127.0.0.1");
    let message = Message {
        url: &url,
        id: "msg_1",
        at: Timestamp::from_s(1_767_323_045),
        body: &filled.body,
        secrets: &[],
        headers: &[],
    };
    sender.unwrap().call(message, &filled.call).await
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_or_repeats_nothing() {
    let long = |bytes: usize| format!("{{\"pad\":\"{}\",\"state\":\"on\"}}", "x".repeat(bytes));
    let reply = called(say("200 OK", "", &long(100_000))).await;
    assert_eq!(reply, Reply::Accepted { status: 200 });
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"state\":\"on\"}";
    for act in [
        say("200 OK", "", &long(ANSWER_BYTES_MAX)),
        Act::Flood("200 OK"),
        Act::Stall("202 Accepted"),
        Act::Say(short.to_owned()),
    ] {
        let reply = called(act).await;
        assert_eq!(reply.disposition(), Disposition::GiveUp, "{reply}");
        assert!(reply.to_string().contains("not repeated"), "{reply}");
    }
    // What is missing in an answer that was read may still come.
    let reply = called(say("200 OK", "", "{\"state\":\"off\"}")).await;
    assert_eq!(reply.disposition(), Disposition::Retry { after: None });
}

#[tokio::test]
async fn a_secret_that_comes_back_is_not_written_down() {
    let policy = Policy {
        allow_private: true,
        ..Policy::default()
    };
    let sender = Sender::new(Options {
        policy,
        ..Options::default()
    })
    .unwrap();
    let echo = "you sent Bearer hunter2 and hunter2";
    let to = Receiver::start("127.0.0.1:0", say("400 Bad Request", "", echo)).await;
    let filled = read(
        "",
        "{\"k\": {{ secret.token }}}",
        "application/json",
        Success::default(),
    );
    let filled = filled.unwrap().fill(&told("shop")).unwrap();
    let url = to.url("127.0.0.1");
    let message = Message {
        url: &url,
        id: "msg_1",
        at: Timestamp::from_s(1_767_323_045),
        body: &filled.body,
        secrets: &[],
        headers: &[],
    };
    let reply = sender.call(message, &filled.call).await;
    assert_eq!(
        reply.to_string(),
        "answered 400: you sent Bearer *** and ***"
    );
}
