//! The vectors of Flagger and Spinnaker against a daemon inside the test: each case gets a service
//! of its own, its analysis is made by the controller's own request and decided by hand.

use crate::docs::root;
use crate::support::daemon::client;
use crate::support::in_process::{Living, Place};
use haldane::serve::clock::Clock;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A template without inputs that goes on for hours.
pub(crate) const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: conformance, description: for the vectors of controllers }
spec:
  schedule: { step: 1m, look_every: 1h, warmup: 0s, bake: 12h, deadline: 1d, lag: 1m }
  metrics:
    - name: nothing
      harm: increase
      min_effect: { relative: 10% }
      series: { query: 'nothing{${selector}}' }
";

pub(crate) const BINDING: &str = r#"
[[bindings]]
name = "conformance"
template = "conformance"
service = "{{name}}"
baseline = 'pod=~"{{name}}-primary-.*"'
canary = 'pod=~"{{name}}-[0-9a-f]+-.*"'
"#;

/// A credential that may do everything: user `canary`, password `s3cr3t`.
fn credentials(place: &std::path::Path) -> String {
    let token = place.join("token");
    std::fs::write(&token, "s3cr3t").unwrap();
    format!(
        "[[server.credentials]]\nauthor = \"canary\"\ntoken = \"file:{}\"\nright = \"override\"\n",
        token.display()
    )
}

struct Stage<'a> {
    living: &'a Living,
    client: reqwest::Client,
    values: BTreeMap<String, String>,
}

struct Reply {
    status: u16,
    media: String,
    body: String,
}

impl Stage<'_> {
    fn filled(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (name, value) in &self.values {
            out = out.replace(&format!("${{{name}}}"), value);
        }
        assert!(!out.contains("${"), "{out} has a hole");
        out
    }

    async fn send(&self, request: &Value) -> Reply {
        let method = request["method"].as_str().unwrap_or("GET");
        let path = self.filled(request["path"].as_str().unwrap());
        let url = format!("{}{path}", self.living.url);
        let mut sent = self
            .client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .body(self.filled(request["body"].as_str().unwrap_or_default()));
        let mut signed = false;
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            signed |= name == "authorization";
            let value = self.filled(value.as_str().unwrap());
            sent = sent.header(name, HeaderValue::from_str(&value).unwrap());
        }
        if !signed {
            sent = sent.basic_auth("canary", Some("s3cr3t"));
        }
        let reply = sent.send().await.unwrap();
        let media = reply.headers()[CONTENT_TYPE].to_str().unwrap();
        let media = media.split(';').next().unwrap().to_owned();
        Reply {
            status: reply.status().as_u16(),
            media,
            body: reply.text().await.unwrap(),
        }
    }

    /// The newest analysis of the case's service.
    async fn analysis(&self) -> String {
        let path = format!("/v1/analyses?limit=1&service={}", self.values["service"]);
        let reply = self.send(&json!({ "path": path })).await;
        let list: Value = serde_json::from_str(&reply.body).unwrap();
        let id = list["analyses"][0]["id"].as_str();
        id.unwrap_or_else(|| panic!("{}", reply.body)).to_owned()
    }

    async fn play(&mut self, case: &Value) {
        let json_type = json!({ "content-type": "application/json" });
        let given = case["given"].as_str().unwrap();
        for step in case["first"].as_array().into_iter().flatten() {
            let reply = self.send(&step["request"]).await;
            assert_eq!(reply.status, step["status"], "first: {}", reply.body);
        }
        if matches!(given, "none" | "unknown") {
            return;
        }
        if case.get("first").is_none() {
            let body = json!({
                "template": "conformance", "baseline": { "a": "b" }, "canary": { "a": "c" },
                "deploy": { "service": self.values["service"], "id": self.values["deploy"] },
            });
            let request = json!({ "method": "POST", "path": "/v1/analyses",
                "headers": json_type, "body": body.to_string() });
            assert_eq!(self.send(&request).await.status, 201);
        }
        let id = self.analysis().await;
        if given != "pending" {
            let path = format!("/v1/analyses/{id}/override");
            let body = json!({ "verdict": given, "reason": "a vector wants it" });
            let request = json!({ "method": "POST", "path": path, "headers": json_type,
                "body": body.to_string() });
            let reply = self.send(&request).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
        self.values.insert("id".to_owned(), id);
    }

    fn check(&self, wanted: &Value, reply: &Reply) {
        let what = format!("{} {} {}", reply.status, reply.media, reply.body);
        assert_eq!(reply.status, wanted["status"], "{what}");
        assert_eq!(reply.media, wanted["type"], "{what}");
        assert!(!reply.body.ends_with('\n'), "{what}");
        if let Some(text) = wanted["text"].as_str() {
            assert_eq!(reply.body, self.filled(text), "{what}");
        }
        for part in wanted["contains"].as_array().into_iter().flatten() {
            let part = self.filled(part.as_str().unwrap());
            assert!(reply.body.contains(&part), "{part}: {what}");
        }
        if reply.media == "text/plain" {
            assert!(reply.body.chars().count() <= 200, "{what}");
            assert_eq!(reply.body.lines().count().max(1), 1, "{what}");
        }
        let document = serde_json::from_str(&reply.body).unwrap_or_default();
        if let Some(part) = wanted.get("json") {
            self.within(part, &document, &what);
        }
        for pointer in wanted["absent"].as_array().into_iter().flatten() {
            assert!(
                document.pointer(pointer.as_str().unwrap()).is_none(),
                "{what}"
            );
        }
    }

    fn within(&self, wanted: &Value, got: &Value, what: &str) {
        match wanted {
            Value::Object(members) => {
                for (name, member) in members {
                    self.within(member, &got[name], what);
                }
            }
            Value::String(kind) if kind == "${text}" => assert!(got.is_string(), "{what}"),
            Value::String(kind) if kind == "${list}" => assert!(got.is_array(), "{what}"),
            Value::String(text) => assert_eq!(*got, self.filled(text), "{what}"),
            plain => assert_eq!(got, plain, "{what}"),
        }
    }
}

#[tokio::test]
async fn every_vector_is_answered_as_it_must_be() {
    let keys = tempfile::tempdir().unwrap();
    let lines = format!("{}{BINDING}", credentials(keys.path()));
    let place = Place::new(
        &[("conformance", TEMPLATE)],
        &lines,
        crate::serve_drain::SCENARIO,
    );
    let living = place.start(Clock::system()).await;
    let mut number = 0;
    for file in [
        "flagger-hooks",
        "flagger-gates",
        "spinnaker-webhook",
        "spinnaker-monitor",
    ] {
        let text = std::fs::read_to_string(root().join(format!("tests/conformance/{file}.yaml")));
        let suite: Value = serde_saphyr::from_str(&text.unwrap()).unwrap();
        assert_eq!(suite["controller"], file);
        for case in suite["cases"].as_array().unwrap() {
            number += 1;
            let service = format!("vector-{number}");
            let mut stage = Stage {
                living: &living,
                client: client(),
                values: [
                    ("deploy".to_owned(), format!("{service}-deploy")),
                    ("service".to_owned(), service),
                    ("binding".to_owned(), "conformance".to_owned()),
                    ("template".to_owned(), "conformance".to_owned()),
                ]
                .into(),
            };
            println!("{file} {}", case["id"]); // shown when the case fails
            stage.play(case).await;
            let reply = stage.send(&case["request"]).await;
            stage.check(&case["answer"], &reply);
        }
    }
    assert!(number > 60, "{number} vectors");
    living.stop().await;
}
