//! Kayenta's API against vectors: of its own judge, and of both controllers that speak it.

use crate::http_fixture::{Door, Reply, Setup, open};
use crate::kayenta_api::{post, refused};
use haldane::engine::verdict::Verdict;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A remote judge answers what the unmodified judge answers.
#[tokio::test]
async fn another_kayenta_is_answered_as_by_its_own_judge() {
    let door = open(Setup::default()).await;
    let vectors: Value = serde_json::from_str(include_str!("../vectors/kayenta.json")).unwrap();
    let vectors = vectors
        .get("vectors")
        .unwrap_or(&vectors)
        .as_array()
        .unwrap();
    let whole = |vector: &&Value| vector["suite"] == "Generated/NetflixACAJudge";
    let mut compared = 0;
    for vector in vectors.iter().filter(whole) {
        let body = json!({
            "canaryConfig": {
                "metrics": [{ "name": "m", "groups": ["g"],
                    "analysisConfigurations": vector["analysisConfiguration"] }],
                "classifier": { "groupWeights": { "g": 100 } },
            },
            "scoreThresholds": vector["thresholds"],
            "metricSetPairList": [{ "name": "m", "id": "p", "tags": {},
                "values": { "control": vector["control"], "experiment": vector["experiment"] } }],
        });
        let reply = post(&door, "/kayenta/judge", &body).await;
        let name = &vector["name"];
        let Some(wanted) = vector["expected"].get("result") else {
            assert_eq!(reply.status, 400, "{name}: {reply:?}");
            continue;
        };
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let row = &reply.json()["results"][0];
        // Two constants that differ get noise, which Kayenta draws unseeded.
        if vector.get("note").is_none() {
            assert_eq!(row["classification"], wanted["classification"], "{name}");
            assert_eq!(row["critical"], wanted["critical"], "{name}");
            compared += 1;
        }
        let count = |side: &Value| side["stats"]["count"].clone();
        assert_eq!(
            count(&row["controlMetadata"]),
            count(&wanted["controlMetadata"]),
            "{name}"
        );
    }
    assert!(compared > 60, "{compared}");
    for (body, part) in [
        (json!({}), "canaryConfig"),
        (
            json!({ "canaryConfig": {}, "scoreThresholds": { "pass": 95, "marginal": 75 },
                "metricSetPairList": [{ "name": "m" }] }),
            "Could not find metric config for m",
        ),
    ] {
        refused(&post(&door, "/kayenta/judge", &body).await, 400, &[part]);
    }
}

#[tokio::test]
async fn a_credential_can_stand_in_the_address() {
    let door = open(Setup {
        credentials: vec![crate::http_fixture::credential(
            "canary",
            "s3cr3t",
            haldane::http::Right::Submit,
        )],
        ..Setup::default()
    })
    .await;
    // AK-17: Y2FuYXJ5OnMzY3IzdA== is canary:s3cr3t.
    let header = "authorization: Basic Y2FuYXJ5OnMzY3IzdA==\r\n";
    let list = door
        .send("GET", "/kayenta/canaryConfig?application=x", header, "")
        .await;
    assert_eq!(list.status, 200);
    let accounts = door
        .send("GET", "/kayenta/credentials", header, "")
        .await
        .json();
    assert_eq!(
        (&accounts[0]["name"], &accounts[0]["type"]),
        (&json!("haldane"), &json!("prometheus"))
    );
    // AK-15 and AK-16.
    assert_eq!(door.get("/kayenta/canaryConfig").await.status, 401);
    let raw = door
        .raw(b"GET /kayenta/canaryConfig?application=my app HTTP/1.1\r\n\r\n")
        .await;
    assert!(raw.starts_with("HTTP/1.1 400"), "{raw}");
}

/// Every vector of both controllers, against the door.
#[tokio::test]
async fn the_vectors_hold() {
    for text in [
        include_str!("../conformance/argo-kayenta.yaml"),
        include_str!("../conformance/spinnaker-canary.yaml"),
    ] {
        let suite: Value = serde_saphyr::from_str(text).unwrap();
        for (number, case) in suite["cases"].as_array().unwrap().iter().enumerate() {
            vector(case, number).await;
        }
    }
}

async fn vector(case: &Value, number: usize) {
    let door = open(Setup::default()).await;
    let mut values = BTreeMap::from([
        ("service".to_owned(), format!("service-{number}")),
        ("id".to_owned(), "unknown".to_owned()),
        ("template".to_owned(), "checkout".to_owned()),
    ]);
    let needs = case["needs"].as_array().cloned().unwrap_or_default();
    if needs.contains(&json!("credentials")) {
        return; // `a_credential_can_stand_in_the_address`
    }
    let steps = |field: &str| case[field].as_array().cloned().unwrap_or_default();
    for step in steps("first") {
        play(&door, &step, &mut values).await;
    }
    let verdict = Verdict::from_word(case["given"].as_str().unwrap());
    if let (Some(verdict), Some(view)) = (verdict, door.readings.all().first()) {
        door.conclude(view.id.as_str(), verdict);
    }
    for step in steps("then") {
        play(&door, &step, &mut values).await;
    }
    let reply = send(&door, &case["request"], &values).await;
    let (wanted, what) = (&case["answer"], format!("{}: {reply:?}", case["id"]));
    assert_eq!(reply.status, wanted["status"], "{what}");
    assert!(reply.header("content-type").contains("json"), "{what}");
    for part in wanted["contains"].as_array().into_iter().flatten() {
        assert!(reply.body.contains(&filled(part, &values)), "{part} {what}");
    }
    if let Some(part) = wanted.get("json") {
        within(part, &reply.json(), &values, &what);
    }
    for pointer in wanted["absent"].as_array().into_iter().flatten() {
        assert!(
            reply.json().pointer(pointer.as_str().unwrap()).is_none(),
            "{pointer} {what}"
        );
    }
    for (pointer, bounds) in wanted["between"].as_object().into_iter().flatten() {
        let found = reply
            .json()
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap();
        let bound = |idx: usize| bounds[idx].as_f64().unwrap();
        assert!((bound(0)..=bound(1)).contains(&found), "{pointer} {what}");
    }
}

async fn play(door: &Door, step: &Value, values: &mut BTreeMap<String, String>) {
    let reply = send(door, &step["request"], values).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for (name, pointer) in step["save"].as_object().into_iter().flatten() {
        let json = reply.json();
        let found = json.pointer(pointer.as_str().unwrap()).unwrap();
        values.insert(name.clone(), found.as_str().unwrap().to_owned());
    }
}

async fn send(door: &Door, request: &Value, values: &BTreeMap<String, String>) -> Reply {
    let method = request["method"].as_str().unwrap_or("GET");
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {}\r\n", filled(value, values)))
        .collect();
    let (path, body) = (
        filled(&request["path"], values),
        filled(&request["body"], values),
    );
    door.send(method, &path, &headers, &body).await
}

fn filled(text: &Value, values: &BTreeMap<String, String>) -> String {
    let mut out = text.as_str().unwrap_or_default().to_owned();
    for (name, value) in values {
        out = out.replace(&format!("${{{name}}}"), value);
    }
    assert!(!out.contains("${"), "{out}");
    out
}

fn within(wanted: &Value, got: &Value, values: &BTreeMap<String, String>, what: &str) {
    match wanted {
        Value::Object(fields) => {
            for (name, value) in fields {
                within(value, got.get(name).unwrap_or(&Value::Null), values, what);
            }
        }
        Value::Array(items) => {
            assert_eq!(got.as_array().map(Vec::len), Some(items.len()), "{what}");
            for (item, found) in items.iter().zip(got.as_array().unwrap()) {
                within(item, found, values, what);
            }
        }
        Value::String(word) if word == "${text}" => assert!(got.is_string(), "{what}"),
        Value::String(word) if word == "${number}" => assert!(got.is_number(), "{what}"),
        text @ Value::String(_) => assert_eq!(*got, filled(text, values), "{what}"),
        plain => assert_eq!(got, plain, "{what}"),
    }
}
