//! Submissions: what is taken, and that every fault names its field and the way out.

use crate::wire_samples::START;
use haldane::engine::record::SecretRef;
use haldane::plan::scope::Matcher;
use haldane::time::{Span, Timestamp};
use haldane::units::Probability;
use haldane::wire::scope_text;
use haldane::wire::submission::{
    CheckedSubmission, ScopeInput, SubmissionDocument, TemplateChoice, WEBHOOKS_MAX, parse,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn whole() -> Value {
    json!({
        "template": "checkout",
        "inputs": {"service": "checkout"},
        "baseline": {"track": "stable", "zone": "a"},
        "canary": "pod=~\"v2-.*\",track=\"canary\"",
        "deploy": {
            "id": "checkout-4711",
            "service": "checkout",
            "traffic_share": 0.05,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        },
        "start": "2026-03-01T12:00:00Z",
        "duration": "1h30m",
        "webhooks": [
            {"url": "https://a.example/hook"},
            {"url": "https://b.example/hook", "secret": format!("whsec_{}", "AAAA".repeat(8))},
            {"url": "http://127.0.0.1:9/hook", "secret_name": "ops"}
        ]
    })
}

fn read(body: &Value) -> Result<CheckedSubmission, Vec<String>> {
    let checked = parse(body.to_string().as_bytes());
    // What a template without another time of the baseline makes of the arms.
    let told_apart = checked.and_then(|checked| match checked.arms_fault.clone() {
        Some(fault) => Err(vec![fault]),
        None => Ok(checked),
    });
    told_apart.map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// The whole body with one place changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = whole();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => other[name] = value,
    }
    body
}

#[test]
fn a_whole_submission_is_taken() {
    let taken = read(&whole()).unwrap();
    let TemplateChoice::Named(name) = &taken.template else {
        panic!("{:?}", taken.template);
    };
    assert_eq!(name.as_str(), "checkout");
    assert_eq!(taken.baseline.to_string(), "track=\"stable\",zone=\"a\"");
    assert_eq!(taken.canary.to_string(), "pod=~\"v2-.*\",track=\"canary\"");
    assert_eq!(taken.deploy.traffic_share, Probability::new(0.05));
    assert_eq!(taken.duration, Some(Span::from_s(5400)));
    let [first, second, third] = taken.receivers.as_slice() else {
        panic!("{:?}", taken.receivers);
    };
    assert_eq!(first.secret, SecretRef::Default);
    let SecretRef::Inline(secret) = &second.secret else {
        panic!("{:?}", second.secret);
    };
    assert!(secret.expose().starts_with("whsec_AAAA"));
    assert_eq!(third.secret, SecretRef::Named("ops".to_owned()));
    let rollout = taken.rollout(Timestamp::from_ms(5));
    assert_eq!(rollout.start, START);
    assert_eq!(rollout.inputs["service"], "checkout");
}

#[test]
fn a_short_submission_is_taken_and_begins_now() {
    let body = json!({
        "template_inline": "kind: haldane",
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": {"service": "checkout"}
    });
    let taken = read(&body).unwrap();
    assert_eq!(
        taken.template,
        TemplateChoice::Inline("kind: haldane".into())
    );
    assert_eq!(taken.rollout(START).start, START);
    assert_eq!((taken.receivers.len(), taken.duration), (0, None));
}

#[test]
fn every_fault_names_its_field_and_the_way_out() {
    let key = "A".repeat(100);
    let cases = [
        ("/template", json!("a b"), "template: \"a b\" is not a name"),
        (
            "/template",
            json!(7),
            "template: invalid type: integer `7`, expected a string",
        ),
        (
            "/templat",
            json!("x"),
            "templat: unknown field `templat`, expected one of `template`",
        ),
        (
            "/template_inline",
            json!("x"),
            "template: template_inline is given as well",
        ),
        (
            "/inputs",
            json!({"a": 1}),
            "inputs: invalid type: integer `1`, expected a string",
        ),
        (
            "/baseline",
            Value::Null,
            "baseline: it is missing; give labels",
        ),
        ("/baseline", json!({}), "baseline: there is no matcher"),
        (
            "/baseline",
            json!({"1a": "x"}),
            "baseline: \"1a\" is not a label name",
        ),
        (
            "/baseline",
            json!(7),
            "baseline: invalid type: integer `7`, expected labels like",
        ),
        (
            "/canary",
            json!("pod!=\"x\""),
            "canary: label \"pod\" is excluded with '!'",
        ),
        (
            "/canary",
            json!({"track": "stable", "zone": "a"}),
            "canary: it selects the same series",
        ),
        ("/deploy", json!({}), "deploy.service: it is missing"),
        ("/deploy", json!([]), "deploy: expected an object"),
        (
            "/deploy/service",
            json!("x".repeat(3000)),
            "deploy.service: it has 3000 bytes, the limit",
        ),
        (
            "/deploy/servise",
            json!("x"),
            "deploy.servise: unknown field",
        ),
        (
            "/deploy/id",
            json!("a b"),
            "deploy.id: \"a b\" is not an identifier",
        ),
        (
            "/deploy/id",
            json!("flagger:shop:prod/shop:7f9c"),
            "deploy.id: \"flagger:shop:prod/shop:7f9c\" begins with one of flagger:, spinnaker:, \
             github:, which are kept",
        ),
        (
            "/deploy/id",
            json!("spinnaker:"),
            "deploy.id: \"spinnaker:\" begins with one of",
        ),
        (
            "/deploy/id",
            json!("github:api.github.com:acme/shop:77:1"),
            "deploy.id: \"github:api.github.com:acme/shop:77:1\" begins with one of",
        ),
        (
            "/deploy/traffic_share",
            json!(5),
            "deploy.traffic_share: 5 is no share; give 0 to 1",
        ),
        (
            "/deploy/traffic_share",
            json!("5%"),
            "deploy.traffic_share: invalid type",
        ),
        (
            "/deploy/traceparent",
            json!("x\n"),
            "deploy.traceparent: \"x\\n\" is no W3C trace",
        ),
        (
            "/start",
            json!("noon"),
            "start: \"noon\" is no instant; write 2026-",
        ),
        (
            "/duration",
            json!("0s"),
            "duration: \"0s\" is no length of time above zero",
        ),
        (
            "/webhooks/0",
            json!("x"),
            "webhooks[0]: expected an object with a url",
        ),
        (
            "/webhooks/0/url",
            json!("a.example"),
            "webhooks[0].url: it is no address: relative URL without a base; write https://",
        ),
        (
            "/webhooks/0/url",
            json!("ftp://a.example"),
            "webhooks[0].url: scheme \"ftp\"",
        ),
        (
            "/webhooks/0/url",
            json!("http://u:p@a.example"),
            "webhooks[0].url: it holds a user",
        ),
        (
            "/webhooks/1/secret",
            json!("hunter2"),
            "webhooks[1].secret: it must be whsec_",
        ),
        (
            "/webhooks/1/secret",
            json!(format!("whsec_{key}")),
            "webhooks[1].secret: it must be",
        ),
        (
            "/webhooks/1/secret",
            json!(["hunter2"]),
            "webhooks[1].secret: expected a text",
        ),
        (
            "/webhooks/1/secret_name",
            json!("x"),
            "webhooks[1].secret: secret_name is given",
        ),
        (
            "/webhooks/2/secret_name",
            json!(""),
            "webhooks[2].secret: secret_name must have",
        ),
    ];
    for (pointer, value, expected) in cases {
        let faults = read(&with(pointer, value)).unwrap_err();
        assert!(faults[0].starts_with(expected), "{pointer}: {faults:?}");
        assert_eq!(faults.len(), 1, "{pointer}: {faults:?}");
        assert!(
            !faults[0].contains("hunter2"),
            "a secret is never shown: {faults:?}"
        );
    }
}

#[test]
fn all_faults_are_said_at_once() {
    let mut body = with("/duration", json!("soon"));
    body["deploy"]["service"] = json!(" ");
    body["canary"] = json!("track=");
    assert_eq!(read(&body).unwrap_err().len(), 3);
    body["start"] = json!(1);
    body["webhooks"][0]["ur"] = json!(1);
    let faults = read(&body).unwrap_err();
    assert_eq!(
        faults.len(),
        2,
        "what does not fit its shape comes first: {faults:?}"
    );
}

#[test]
fn bodies_that_are_no_submission_are_refused() {
    let long = format!("{{\"template\": \"{}\"}}", "x".repeat(1024 * 1024));
    let twice = "{\"template\": \"a\", \"template\": \"b\"}";
    let labels = "{\"baseline\": {\"a\": \"1\", \"a\": \"2\"}}";
    for (body, expected) in [
        ("", "body is unreadable"),
        ("[]", "expected an object with a template"),
        ("null", "expected an object with a template"),
        ("{\"template\":", "body is unreadable"),
        (twice, "duplicate field `template`"),
        (labels, "label \"a\" occurs twice"),
        (long.as_str(), "the limit is 1048576"),
    ] {
        let faults = parse(body.as_bytes()).unwrap_err();
        assert!(faults[0].to_string().contains(expected), "{faults:?}");
    }
    let hooks: Vec<Value> = vec![json!({"url": "https://a.example"}); WEBHOOKS_MAX + 1];
    let faults = read(&with("/webhooks", json!(hooks))).unwrap_err();
    assert_eq!(faults, ["webhooks: there are 9, the limit is 8"]);
}

#[test]
fn what_the_client_writes_the_daemon_reads_and_no_formatter_shows_its_secret() {
    let document: SubmissionDocument = serde_json::from_value(whole()).unwrap();
    assert!(!format!("{document:?}").contains("whsec_"));
    let again = serde_json::to_vec(&document).unwrap();
    assert_eq!(parse(&again).unwrap(), document.check().unwrap());
}

#[test]
fn matchers_are_read_as_prometheus_reads_them() {
    let cases = [
        ("track=\"canary\"", "track=\"canary\""),
        ("{track=\"canary\"}", "track=\"canary\""),
        (" { b = \"2\" , a =~ '1.*' , } ", "a=~\"1.*\",b=\"2\""),
        ("pod=~`v\\d+`", "pod=~\"v\\\\d+\""),
        ("a=\"x\\\"y\\\\\\n\\x41\\u00e4\"", "a=\"x\\\"y\\\\\\nAä\""),
        ("a='it\\'s'", "a=\"it's\""),
        ("track=canary-2.1", "track=\"canary-2.1\""),
        ("a==\"1\"", "a=\"1\""),
        ("a=\"\"", "a=\"\""),
    ];
    for (text, expected) in cases {
        assert_eq!(
            scope_text::parse(text).unwrap().to_string(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn matchers_that_cannot_be_read_say_where_and_why() {
    let many: Vec<String> = (0..40).map(|i| format!("l{i}=\"x\",")).collect();
    let many = many.concat();
    let cases = [
        ("", 1, "there is no matcher"),
        ("{}", 3, "there is no matcher"),
        ("a=\"1\",a=~\"2\"", 13, "label \"a\" is matched twice"),
        ("a!=\"1\"", 2, "excluded with '!'"),
        ("a=\"1\" b=\"2\"", 7, "found 'b', expected a comma"),
        ("{a=\"1\"", 7, "the text ends, expected the closing brace"),
        ("a=\"1\"}", 6, "found '}', expected a comma"),
        ("{a=\"1\"} x", 9, "expected the end of the matchers"),
        ("a=\"1", 3, "has no end"),
        ("a=~v2", 4, "must stand in quotes, like a=~\"v2-.*\""),
        (
            "a=~\"(\"",
            1,
            "expression \"(\" of label \"a\" does not compile: unclosed group",
        ),
        ("1a=\"1\"", 1, "\"1a\" is not a label name"),
        ("=\"1\"", 1, "expected a label name"),
        ("a", 2, "the text ends, expected = or =~ after label \"a\""),
        ("a=", 3, "the text ends, expected a value in quotes"),
        ("a=\"\\q\"", 5, "this escape is not known"),
        ("a=\"\\xZZ\"", 5, "this escape is not known"),
        (many.as_str(), 311, "there are 40 matchers, the limit is 32"),
    ];
    for (text, column, expected) in cases {
        let fault = scope_text::parse(text).unwrap_err();
        assert!(fault.message.contains(expected), "{text}: {fault}");
        assert_eq!(fault.column, column, "{text}: {fault}");
    }
    let long = format!("a=\"{}\"", "x".repeat(5000));
    let fault = scope_text::parse(&long).unwrap_err();
    assert!(fault.message.contains("the limit is 4096"), "{fault}");
}

proptest! {
    #[test]
    fn what_a_scope_shows_is_read_back(value in ".{0,40}", pattern in "[a-z.*|]{0,10}") {
        let matchers = [Matcher::equals("a", &value), Matcher::regex("b", &pattern)];
        let Some(matchers) = matchers.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let scope = haldane::plan::scope::Scope::new(matchers).unwrap();
        let text = scope.to_string();
        prop_assert_eq!(scope_text::parse(&text).unwrap(), scope.clone());
        prop_assert_eq!(ScopeInput::Text(text).scope().unwrap(), scope);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".*", near in "[a-z=~!\"'`,{}\\\\ ]{0,20}") {
        let _ = scope_text::parse(&text);
        let _ = scope_text::parse(&near);
        let _ = parse(text.as_bytes());
    }
}
