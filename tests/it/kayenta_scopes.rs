//! Variables and named scopes: what of a request reaches which query, and what is refused.

use crate::http_fixture::{Setup, open};
use crate::kayenta_api::{config, hour, plans, post, refused, started};
use haldane::plan::{Plan, Queries};
use serde_json::{Value, json};

fn queries(plan: &Plan) -> Vec<String> {
    let query = |queries: &Queries| match queries {
        Queries::Series { query, .. } => query.clone(),
        other => panic!("{other:?}"),
    };
    plan.metrics.iter().map(|m| query(&m.queries)).collect()
}

/// A config whose second metric is of another scope.
fn two_scopes() -> (Value, Value) {
    let mut config = config();
    config["metrics"][1]["scopeName"] = json!("edge");
    config["metrics"][0]["query"] = json!({ "type": "prometheus",
        "customFilterTemplate": "by-version", "metricName": "latency" });
    config["metrics"][1]["query"]["labelBindings"] = json!(["region=\"${location}\""]);
    let mut request = hour();
    request["scopes"]["edge"] = request["scopes"]["default"].clone();
    for side in ["controlScope", "experimentScope"] {
        request["scopes"]["edge"][side]["location"] = json!("us");
        request["scopes"]["edge"][side]["extendedScopeParams"] = json!({ "zone": "z9" });
    }
    (config, request)
}

#[tokio::test]
async fn each_metric_is_asked_with_the_variables_of_its_scope() {
    let door = open(Setup::default()).await;
    let (config, request) = two_scopes();
    let whole = json!({ "canaryConfig": config, "executionRequest": request });
    let execution = started(&door, "/kayenta/canary", &whole).await;
    let plan = plans(&door).remove(0);
    assert_eq!(
        queries(&plan),
        [
            // The template is shared, and each scope has its own zone.
            "avg by (version) (latency{zone=\"a\",version=~\"v2|v1\"})",
            "avg by (version) (error_ratio{zone=\"z9\",region=\"us\",version=~\"v2|v1\"})",
        ]
    );
    let said = door.get(&format!("/kayenta/canary/{execution}")).await;
    assert_eq!(said.json()["config"], config, "as it came");

    // Other populations or another window: refused, with the names.
    for (field, value) in [
        ("scope", json!("v7")),
        ("start", json!("2026-01-02T01:00:00Z")),
        ("step", json!(30)),
    ] {
        let mut other = request.clone();
        other["scopes"]["edge"]["controlScope"][field] = value;
        let whole = json!({ "canaryConfig": config, "executionRequest": other });
        let reply = post(&door, "/kayenta/canary", &whole).await;
        refused(
            &reply,
            400,
            &["default and edge differ", "run a config for each"],
        );
    }
    let mut built = config.clone();
    built["metrics"][1]["query"] = json!({ "type": "prometheus", "metricName": "x",
        "resourceType": "aws_ec2_instance" });
    let whole = json!({ "canaryConfig": built, "executionRequest": request });
    let reply = post(&door, "/kayenta/canary", &whole).await;
    refused(&reply, 400, &["resourceType", "write a template"]);
    assert_eq!(plans(&door).len(), 1);
}

/// A config with one metric of this query, and a request with these variables on both sides.
fn one(query: &str, params: &Value) -> Value {
    let mut config = config();
    config["metrics"].as_array_mut().unwrap().truncate(1);
    config["classifier"] = json!({});
    config["metrics"][0]["query"] =
        json!({ "type": "prometheus", "customInlineTemplate": format!("PromQL:{query}") });
    let mut request = hour();
    for side in ["controlScope", "experimentScope"] {
        request["scopes"]["default"][side]["extendedScopeParams"] = params.clone();
    }
    json!({ "canaryConfig": config, "executionRequest": request })
}

/// `(query, extendedScopeParams, the query that is asked)`
#[tokio::test]
async fn variables_are_filled_as_kayenta_fills_them() {
    let door = open(Setup::default()).await;
    let cases = [
        (
            "avg(x{a=\"${scope}\",r=\"${location}\"})",
            json!({}),
            "avg by (a) (x{r=\"eu\",a=~\"v2|v1\"})",
        ),
        // What the caller adds comes before the fields of the scope.
        (
            "avg(x{a=\"$\\{scope}\",r=\"${location}\"})",
            json!({ "location": "moon" }),
            "avg by (a) (x{r=\"moon\",a=~\"v2|v1\"})",
        ),
        // Values name other variables; a fallback stands in for what nobody says.
        (
            "avg(x{a=\"${scope}\",z=\"${my-zone}\",k=\"${none:-k1}\"})",
            json!({ "my-zone": "${location}-${letter:-b}" }),
            "avg by (a) (x{z=\"eu-b\",k=\"k1\",a=~\"v2|v1\"})",
        ),
        // A variable with the name of a field of ours, and a label that holds a word of ours.
        (
            "avg(x{SCOPE_a=\"${scope}\",d=\"${deadline}\"})",
            json!({ "deadline": "5m" }),
            "avg by (SCOPE_a) (x{d=\"5m\",SCOPE_a=~\"v2|v1\"})",
        ),
    ];
    for (query, params, wanted) in cases {
        started(&door, "/kayenta/canary", &one(query, &params)).await;
        let plan = plans(&door).pop().unwrap();
        assert_eq!(queries(&plan), [wanted]);
        assert_eq!(plan.timing.deadline.to_string(), "2026-01-02T02:30:00Z");
    }
    let asked = plans(&door).len();
    for (query, params, parts) in [
        (
            "avg(x{a=\"${scope}\",z=\"${zone}\"})",
            json!({ "zone": "${zone}" }),
            ["zone", "name itself"],
        ),
        (
            "avg(x{a=\"${scope}\",z=\"${zone}\"})",
            json!({ "zone": "${other}" }),
            ["`other`", "extendedScopeParams"],
        ),
        (
            "avg(x{a=\"${scope}\",z=\"${zone}\"})",
            json!({}),
            ["zone", "input"],
        ),
        (
            "avg(x{a!=\"${scope}\"})",
            json!({}),
            ["${scope}", "sides apart"],
        ),
    ] {
        let reply = post(&door, "/kayenta/canary", &one(query, &params)).await;
        refused(&reply, 400, &parts);
    }
    let mut gce = one("x", &json!({ "project": "p" }));
    gce["canaryConfig"]["metrics"][0]["query"] = json!({ "type": "prometheus",
        "metricName": "x", "resourceType": "gce_instance" });
    let reply = post(&door, "/kayenta/canary", &gce).await;
    refused(&reply, 400, &["gce_instance", "project"]);
    assert_eq!(plans(&door).len(), asked);
}

/// A value may name others, and they others: what would grow without end is refused at once.
#[tokio::test]
async fn values_do_not_grow_without_end() {
    let door = open(Setup::default()).await;
    let twenty = |name: &str| json!(format!("${{{name}}}").repeat(20));
    let long = "x".repeat(1000);
    for (params, part) in [
        (
            json!({ "zone": twenty("b"), "b": twenty("c"), "c": twenty("d"), "d": twenty("e"),
                "e": twenty("f"), "f": twenty("g"), "g": "" }),
            "names more than 256 others",
        ),
        (
            json!({ "zone": twenty("b"), "b": long }),
            "more than 16384 bytes",
        ),
    ] {
        let whole = one("x{zone=\"${zone}\",version=\"${scope}\"}", &params);
        let reply = post(&door, "/kayenta/canary", &whole).await;
        refused(&reply, 400, &[part]);
    }
    let many: serde_json::Map<String, Value> =
        (0..101).map(|n| (format!("p{n}"), json!("v"))).collect();
    let whole = one("x{version=\"${scope}\"}", &Value::Object(many));
    let reply = post(&door, "/kayenta/canary", &whole).await;
    refused(&reply, 400, &["101 extendedScopeParams, the limit is 100"]);
    assert!(plans(&door).is_empty());
}
