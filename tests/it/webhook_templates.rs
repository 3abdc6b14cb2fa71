//! Templated webhooks: what can be filled, what is refused at start, what a receiver gets.

use crate::webhook_receiver::{Receiver, say};
use crate::wire_samples::{broken_down, judgement, view};
use haldane::engine::subscription::Moment;
use haldane::engine::view::View;
use haldane::ids::DeliveryId;
use haldane::secret::Secret;
use haldane::time::Timestamp;
use haldane::webhook::call::Success;
use haldane::webhook::template::{Filled, Template, Written};
use haldane::webhook::{Message, Options, Policy, Reply, Sender};
use haldane::wire::event::{fields, samples};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn told(view: &View) -> Value {
    let delivery = DeliveryId::new("msg_1").unwrap();
    let born = Timestamp::from_s(1_767_323_045);
    fields(Moment::Verdict, (view, born), &delivery, "haldane")
}

/// A concluded analysis with everything in it.
fn full() -> View {
    let mut judgement = judgement();
    judgement.findings.push(broken_down("requests"));
    view(judgement)
}

struct Wish<'a> {
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    content_type: &'a str,
    secrets: &'a [(&'a str, &'a str)],
}

const JSON: Wish<'static> = Wish {
    url: "",
    headers: &[],
    body: "",
    content_type: "application/json",
    secrets: &[],
};

fn read(wish: &Wish<'_>) -> Result<Template, (String, String)> {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    let secrets = owned(wish.secrets).into_iter();
    let written = Written {
        method: "POST",
        url: wish.url,
        headers: &owned(wish.headers),
        body: wish.body,
        content_type: wish.content_type,
        success: Success::default(),
        secrets: secrets
            .map(|(name, text)| (name, Secret::new(text)))
            .collect(),
    };
    Template::read(written, &samples())
}

fn filled(wish: &Wish<'_>, told: &Value) -> Filled {
    read(wish).unwrap().fill(told).unwrap()
}

fn body(text: &str, content_type: &str, told: &Value) -> String {
    let wish = Wish {
        body: text,
        content_type,
        ..JSON
    };
    String::from_utf8(filled(&wish, told).body).unwrap()
}

#[test]
fn holes_are_filled_and_escaped_for_their_place() {
    let mut hostile = told(&full());
    hostile["service"] = json!("a\"b\\c/d?e&f=g\nh<");
    hostile["deploy"]["revision"] = Value::Null;
    for (text, content_type, wanted) in [
        (
            "{\"s\":{{ service }}}",
            "application/json",
            r#"{"s":"a\"b\\c/d?e&f=g\nh<"}"#,
        ),
        (
            "{\"r\":{{ deploy.revision }},\"n\":{{ look }}}",
            "application/json",
            r#"{"r":null,"n":7}"#,
        ),
        (
            "{\"t\":{{ verdict ~ \" of \" ~ template.name }}}",
            "application/json",
            r#"{"t":"rollback of checkout"}"#,
        ),
        (
            "s={{ service }}&r={{ deploy.revision }}",
            "application/x-www-form-urlencoded",
            "s=a%22b%5Cc%2Fd%3Fe%26f%3Dg%0Ah%3C&r=",
        ),
        (
            "{{ service }} {{ deploy.revision }}.",
            "text/plain",
            "a\"b\\c/d?e&f=g\nh< .",
        ),
        (
            "{% for m in metrics if m.label == 'worse' %}{{ m.name }};{% endfor %}",
            "text/plain",
            "latency_p99;requests;",
        ),
        (
            "{% if verdict == 'promote' %}go{% else %}stop{% endif %}",
            "text/plain",
            "stop",
        ),
        (
            "{{ deploy.revision | default('none', true) }}",
            "text/plain",
            "none",
        ),
    ] {
        let got = body(text, content_type, &hostile);
        if content_type == "application/json" {
            let (got, wanted): (Value, Value) = (
                serde_json::from_str(&got).unwrap(),
                serde_json::from_str(wanted).unwrap(),
            );
            assert_eq!(got, wanted, "{text}");
        } else {
            assert_eq!(got, wanted, "{text}");
        }
    }
    let wish = Wish {
        url: "https://cd.example.org:8443/apps/{{ service }}/actions?app={{ service }}",
        ..JSON
    };
    let url = filled(&wish, &hostile).url.unwrap();
    let service = "a%22b%5Cc%2Fd%3Fe%26f%3Dg%0Ah%3C";
    assert_eq!(
        url,
        format!("https://cd.example.org:8443/apps/{service}/actions?app={service}")
    );
}

#[test]
fn what_is_wrong_is_said_at_start_with_key_and_field() {
    let headers: &[(&str, &str)] = &[("X-Deploy", "{{ deploi.id }}")];
    let reserved: &[(&str, &str)] = &[("Webhook-Signature", "v1,x")];
    for (wish, key, wanted) in [
        (
            Wish {
                body: "{{ servce }}",
                ..JSON
            },
            "body",
            "there is no field `servce`; did you mean `service`?",
        ),
        (
            Wish {
                body: "{{ deploy.revison }}",
                ..JSON
            },
            "body",
            "did you mean `deploy.revision`?",
        ),
        (
            Wish { headers, ..JSON },
            "headers.X-Deploy",
            "did you mean `deploy`?",
        ),
        (
            Wish {
                headers: reserved,
                ..JSON
            },
            "headers",
            "cannot be set",
        ),
        (
            Wish {
                body: "{{ secret.token }}",
                ..JSON
            },
            "body",
            "add `secrets.token = ",
        ),
        (
            Wish {
                body: "{{ service",
                ..JSON
            },
            "body",
            "syntax error",
        ),
        (
            Wish {
                body: "{{ service | shout }}",
                ..JSON
            },
            "body",
            "unknown filter",
        ),
        (
            Wish {
                body: "{\"s\": \"{{ service }}\"}",
                ..JSON
            },
            "body",
            "a hole brings its own quotes",
        ),
        (
            Wish {
                body: "{\"m\": {{ metrics[0].name }}}",
                ..JSON
            },
            "body",
            "guard it with `if` or `default`",
        ),
        (
            Wish {
                body: "{% for m in metrics %}{{ m.nmae }}{% endfor %}",
                content_type: "text/plain",
                ..JSON
            },
            "body",
            "guard it",
        ),
        (
            Wish {
                body: "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                content_type: "text/plain",
                ..JSON
            },
            "body",
            "",
        ),
        (
            Wish {
                url: "https://{{ service }}/x",
                ..JSON
            },
            "url",
            "scheme, host and port cannot have holes",
        ),
        (
            Wish {
                url: "{{ source }}",
                ..JSON
            },
            "url",
            "scheme, host and port cannot have holes",
        ),
        (
            Wish {
                url: "https://a.example.org{{ service }}",
                ..JSON
            },
            "url",
            "cannot have holes",
        ),
        (
            Wish {
                url: "https://a.example.org:{% if true %}80{% endif %}/",
                ..JSON
            },
            "url",
            "cannot have holes",
        ),
    ] {
        let (at, why) = read(&wish).unwrap_err();
        assert_eq!(at, key, "{why}");
        assert!(why.contains(wanted), "{}: {why}", wish.body);
    }
}

#[test]
fn secrets_are_sent_and_never_shown() {
    let wish = Wish {
        headers: &[("Authorization", "Bearer {{ secret.token }}")],
        body: "{\"key\": {{ secret.token }}}",
        secrets: &[("token", "hunter2")],
        ..JSON
    };
    let template = read(&wish).unwrap();
    let filled = template.fill(&told(&full())).unwrap();
    assert_eq!(filled.body, br#"{"key": "hunter2"}"#);
    for shown in [format!("{template:?}"), format!("{:?}", filled.call)] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    // What fails on the way with a secret in hand says where, and no value.
    let wish = Wish {
        body: "{{ secret.token | int }}",
        content_type: "text/plain",
        secrets: &[("token", "hunter2")],
        ..JSON
    };
    let (_, why) = read(&wish).unwrap_err();
    assert!(!why.contains("hunter2"), "{why}");
}

#[test]
fn a_body_beyond_the_limit_is_not_made() {
    let wish = Wish {
        body: "{% for i in range(90) %}{{ reason }}{{ reason }}{{ reason }}{% endfor %}",
        content_type: "text/plain",
        ..JSON
    };
    let template = read(&wish).unwrap();
    let mut long = told(&full());
    long["reason"] = json!("x".repeat(2000));
    let why = template.fill(&long).unwrap_err();
    assert_eq!(why, "body: it has more than 262144 bytes");
}

#[tokio::test]
async fn a_call_has_its_method_headers_and_rule_of_success() {
    let policy = Policy {
        allow_private: true,
        ..Policy::default()
    };
    let sender = Sender::new(Options {
        policy,
        ..Options::default()
    })
    .unwrap();
    let headers = BTreeMap::from([(
        "Authorization".to_owned(),
        "Bearer {{ secret.t }}".to_owned(),
    )]);
    for (answer, accepted) in [
        (r#"{"ok":true}"#, true),
        (r#"{"ok":false}"#, false),
        ("", false),
    ] {
        let to = Receiver::start("127.0.0.1:0", say("200 OK", "", answer)).await;
        let written = Written {
            method: "PATCH",
            url: "",
            headers: &headers,
            body: "{\"on\": {{ verdict == 'promote' }}}",
            content_type: "application/json",
            success: Success::parse(&[], Some(("/ok", json!(true)))).unwrap(),
            secrets: BTreeMap::from([("t".to_owned(), Secret::new("s3cr3t"))]),
        };
        let template = Template::read(written, &samples()).unwrap();
        let filled = template.fill(&told(&full())).unwrap();
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
            matches!(reply, Reply::Accepted { status: 200 }),
            accepted,
            "{reply:?}"
        );
        let seen = to.last();
        assert!(seen.line.starts_with("PATCH /hook"), "{}", seen.line);
        assert_eq!(seen.header("authorization"), Some("Bearer s3cr3t"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("webhook-id"), Some("msg_1"));
        assert_eq!(seen.body, br#"{"on": false}"#);
    }
}

/// Whether every key of `value` is known to `shape`.
fn unknown(shape: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    match (shape, value) {
        (Value::Object(shape), Value::Object(value)) => {
            for (key, value) in value {
                match shape.get(key) {
                    Some(shape) => unknown(shape, value, &format!("{at}.{key}"), out),
                    None => out.push(format!("{at}.{key}")),
                }
            }
        }
        (Value::Array(shape), Value::Array(items)) => {
            let none = Value::Null;
            let first = shape.first().unwrap_or(&none);
            for item in items {
                unknown(first, item, &format!("{at}[]"), out);
            }
        }
        _ => {}
    }
}

/// Facts that the analysis above does not have.
fn further_facts() -> Value {
    json!({
        "moment": "verdict", "delivery": "msg_1", "source": "haldane",
        "time": "2026-01-02T03:04:05Z", "hold": "budget_burning",
        "inconclusive_because": "no_data", "extended_by_ms": 600_000, "author": "ada",
        "source_fault": "no answer in time", "next_look_at": "2026-01-02T03:05:05Z",
        "metrics_left_out": 3, "shadow": true,
        "acknowledged_at": "2026-03-01T12:11:04Z", "acknowledged_by": "ada",
        "acknowledged_after_ms": 64_000, "acknowledge_by": "2026-03-01T12:12:00Z",
        "recovery": {
            "state": "watching", "until": "2026-03-01T12:41:01Z", "seen": "burning",
            "detail": "latency_p99 is still worse", "ended_at": "2026-03-01T12:41:01Z",
            "after_ms": 1_861_000, "by": "comparison",
            "figures": [{
                "of": "latency_p99", "by": "comparison", "canary": 0.31, "baseline": 0.25,
                "limit": { "relative": 0.1 }, "n": 240
            }]
        },
        "last_good": {
            "service": "checkout", "environment": "production", "region": "eu-west-1",
            "analysis": "a0", "deploy": "checkout-4710", "revision": "v2.4.0",
            "commit": "7fd1a60", "artifact_digest": "sha256:0c9d",
            "promoted_at": "2026-02-27T09:00:00Z"
        },
        "comparison": {
            "baseline": "previous_day", "baseline_earlier_ms": 86_400_000,
            "weakness": "other days, other traffic"
        },
        "deploy": {
            "id": "checkout-4711", "environment": "production", "region": "eu-west-1",
            "revision": "v2.4.1", "commit": "9fceb02", "artifact_digest": "sha256:0a1b",
            "change_type": "code", "actor": "ada", "traffic_share": 0.05
        },
        "metrics": [{
            "judge": "sequential", "no_data": "canary has 3 events, needs 50",
            "limit": { "absolute": 0.5 }, "needs": { "count": 47 }
        }],
    })
}

fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(under), Value::Array(over)) => {
            for (under, over) in under.iter_mut().zip(over) {
                lay_over(under, over);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// The sample is written from a message, so it cannot fall behind; fields a message can have are
/// those of the schema.
#[test]
fn the_sample_has_every_field_a_message_can_have() {
    let path = root().join("src/wire/sample.json");
    let view = view({
        let mut judgement = judgement();
        judgement.findings = vec![broken_down("requests")];
        judgement
    });
    let document = haldane::wire::verdict::VerdictDocument::for_message(&view);
    let mut wanted = serde_json::to_value(document).unwrap();
    lay_over(&mut wanted, &further_facts());
    let wanted = format!("{wanted:#}\n");
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        wanted,
        "UPDATE_CASES=1 writes it"
    );
    let [sample, ..] = samples();
    let mut missing = Vec::new();
    unknown(&sample, &told(&full()), "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
    let api: Value = serde_json::from_str(&haldane::http::openapi_json()).unwrap();
    // Only in the full document or at gates; and what has no single shape.
    let left_out = [
        "baseline",
        "canary",
        "deliveries",
        "coordination",
        "steps",
        "planned_steps",
        "step",
        "state",
        "word",
    ];
    for schema in [
        "VerdictDocument",
        "DeployDocument",
        "MetricDocument",
        "EffectDocument",
    ] {
        let fields: &Map<String, Value> = api
            .pointer(&format!("/components/schemas/{schema}/properties"))
            .and_then(Value::as_object)
            .unwrap();
        let place = match schema {
            "DeployDocument" => &sample["deploy"],
            "MetricDocument" => &sample["metrics"][0],
            "EffectDocument" => &sample["metrics"][0]["effect"],
            _ => &sample,
        };
        for field in fields.keys() {
            let left_out = match schema {
                "VerdictDocument" => left_out.contains(&field.as_str()),
                "MetricDocument" => field == "queries",
                _ => false,
            };
            assert!(left_out || place.get(field).is_some(), "{schema}.{field}");
        }
    }
}
