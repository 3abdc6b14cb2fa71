//! `/prom` with a binding: only what the binding leads to is answered, however alike another
//! analysis looks; and what cannot be understood is refused.

use crate::http_fixture::{Door, Mood, NOW, Reply, Setup, TEMPLATE, concluded, open};
use crate::spinnaker::{binding, door};
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::http::Binding;
use haldane::judge::judgement::{Judgement, Outcome};
use haldane::units::Score;
use haldane::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the binding `shop` makes of the service `shop`, as anybody may submit it.
fn alike() -> Value {
    json!({
        "template": "checkout",
        "inputs": { "service": "shop" },
        "baseline": r#"pod=~"shop-primary-.*""#,
        "canary": r#"pod=~"shop-[0-9a-f]+-.*""#,
        "deploy": { "service": "shop" },
    })
}

async fn asked(door: &Door, query: &str) -> Reply {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    door.get(&format!("/prom/api/v1/query?query={encoded}"))
        .await
}

/// The analysis whose verdict is answered, or nothing.
async fn found(door: &Door, query: &str) -> Option<String> {
    let reply = asked(door, query).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    let result = reply.json()["data"]["result"].clone();
    let series = result.as_array().unwrap().first()?;
    Some(series["metric"]["id"].as_str().unwrap().to_owned())
}

const QUERY: &str = r#"haldane_verdict{binding="shop",service="shop"}"#;

/// Begins and promotes an analysis.
async fn promoted(door: &Door, body: &Value) -> String {
    let id = door.submitted(&body.to_string()).await;
    door.conclude(&id, Verdict::Promote);
    id
}

#[tokio::test]
async fn what_only_looks_alike_answers_for_nobody() {
    let door = door(Mood::Willing).await;
    let lax = TEMPLATE.replace("relative: 10%", "relative: 90%");
    let mut inline = alike();
    inline.as_object_mut().unwrap().remove("template");
    inline["template_inline"] = json!(lax);
    let unlike = [
        ("/baseline", json!(r#"pod=~"shop-primary-.*",x="y""#)),
        ("/canary", json!(r#"pod=~"shop-[0-9a-f]+-.*",x="y""#)),
        ("/inputs/service", json!("cart")),
        ("/shadow", json!(true)),
        ("/deploy/environment", json!("staging")),
        ("/deploy/region", json!("eu-1")),
        ("/deploy/change_type", json!("config")),
    ];
    let mut bodies = vec![inline];
    for (pointer, value) in unlike {
        let mut body = alike();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        bodies.push(body);
    }
    for body in bodies {
        promoted(&door, &body).await;
        assert_eq!(found(&door, QUERY).await, None, "{body}");
    }
    let own = promoted(&door, &alike()).await;
    assert_eq!(found(&door, QUERY).await, Some(own.clone()));
    // What is said beside the binding is part of what is asked.
    for (more, wanted) in [
        (r#"environment="staging""#, true),
        (r#"region="eu-1""#, true),
        (r#"environment="production""#, false),
    ] {
        let query = QUERY.replace('}', &format!(",{more}}}"));
        let id = found(&door, &query).await;
        assert_eq!(id.is_some(), wanted, "{query}");
        assert_ne!(id, Some(own.clone()), "{query}");
    }
    // Under another text of the template nothing was analysed yet.
    door.edit(&TEMPLATE.replace("relative: 10%", "relative: 12%"));
    assert_eq!(found(&door, QUERY).await, None);
}

#[tokio::test]
async fn a_label_of_a_binding_is_one_of_its_holes() {
    let hashed = Binding {
        name: "hashed".to_owned(),
        submission: SubmissionDocument {
            canary: Some(ScopeInput::Text(
                r#"pod=~"{{name}}-{{ hash }}-.*""#.to_owned(),
            )),
            deploy: DeployInput {
                environment: Some("{{namespace}}".to_owned()),
                ..binding("shop").submission.deploy
            },
            ..binding("shop").submission
        },
    };
    let door = open(Setup {
        bindings: vec![hashed],
        ..Setup::default()
    })
    .await;
    let path = "/v1/verdict?binding=hashed&service=shop&input.hash=7f.9&input.namespace=prod";
    let id = door.get(path).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    door.conclude(&id, Verdict::Promote);
    let all = r#"binding="hashed",service="shop",hash="7f.9",namespace="prod""#;
    let query = |labels: &str| format!("haldane_verdict{{{labels}}}");
    assert_eq!(found(&door, &query(all)).await, Some(id.clone()));
    let filtered = format!("{all},verdict=~\"promote|rollback\"");
    assert_eq!(found(&door, &query(&filtered)).await, Some(id));
    let other = all.replace("prod", "staging");
    assert_eq!(found(&door, &query(&other)).await, None);
    for (labels, words) in [
        (format!("{all},hsah=\"1\""), "label \"hsah\" is unknown"),
        (
            format!("{all},checksum=\"1\""),
            "label \"checksum\" is unknown",
        ),
        (all.replace("hash=", "hash=~"), "label hash fills a hole"),
        (
            all.replace("namespace=", "namespace=~"),
            "label namespace fills",
        ),
        (all.replace("7f.9", ""), "1 to 253"),
        (
            all.replace("\"hashed\"", "\"hased\""),
            "did you mean hashed?",
        ),
        (
            all.replace("binding=", "binding=~"),
            "label binding takes =",
        ),
        (
            all.replace("binding=", "bindin="),
            "label \"bindin\" is unknown",
        ),
    ] {
        let reply = asked(&door, &query(&labels)).await;
        assert_eq!(reply.status, 400, "{labels}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{labels}: {error}");
    }
}

/// Who must go on whatever the evidence says is not held by a threshold on the score.
#[tokio::test]
async fn a_score_does_not_contradict_a_person_or_a_shadow() {
    let door = door(Mood::Willing).await;
    let mut shadow = alike();
    shadow["shadow"] = json!(true);
    for (body, author, verdict, wanted) in [
        (alike(), None, Verdict::Promote, "60"),
        (alike(), Some("ada"), Verdict::Promote, "100"),
        (alike(), None, Verdict::Rollback, "49"),
        (alike(), Some("ada"), Verdict::Rollback, "49"),
        (shadow, None, Verdict::Rollback, "100"),
    ] {
        let id = door.submitted(&body.to_string()).await;
        door.publish(&id, |view| View {
            judgement: Some(Arc::new(Judgement {
                look: 1,
                covered_to: NOW,
                findings: Vec::new(),
                objectives: Vec::new(),
                traffic: None,
                steps: Vec::new(),
                suspect: Vec::new(),
                score: Score::new(60),
                outcome: Outcome::NoData,
            })),
            ..concluded(&view, verdict, author)
        });
        let reply = asked(&door, &format!("haldane_score{{id=\"{id}\"}}")).await;
        let value = reply.json()["data"]["result"][0]["value"][1].clone();
        assert_eq!(value, json!(wanted), "{author:?} {verdict:?} {reply:?}");
    }
}

#[tokio::test]
async fn a_deploy_is_found_among_many() {
    let door = door(Mood::Willing).await;
    let mut last = String::new();
    for n in 0..40 {
        let mut body = alike();
        body["deploy"]["id"] = json!(format!("d-{}", n / 2));
        let key = format!("idempotency-key: {n}\r\n");
        let reply = door
            .send("POST", "/v1/analyses", &key, &body.to_string())
            .await;
        last = reply.json()["id"].as_str().unwrap().to_owned();
        door.conclude(&last, Verdict::Promote);
    }
    let query = |id: &str| format!("haldane_verdict{{deploy_id=\"{id}\"}}");
    assert_eq!(found(&door, &query("d-19")).await, Some(last), "the newest");
    for none in ["d-20", "d-1x", "a b"] {
        assert_eq!(found(&door, &query(none)).await, None, "{none}");
    }
    let none = r#"haldane_verdict{deploy_id="d-3",service="cart"}"#;
    assert_eq!(found(&door, none).await, None);
    assert!(
        found(&door, r#"haldane_verdict{deploy_id=~"d-3|x"}"#)
            .await
            .is_some()
    );
}
