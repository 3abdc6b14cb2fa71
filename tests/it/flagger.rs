//! Flagger's hooks where vectors do not reach: the same version again, restarts, what cannot be
//! done, credentials in the address, and policies other than the defaults.

use crate::conformance::site;
use crate::http_fixture::{
    Asked, Door, Mood, Reply, Setup, concluded, credential, deploy, open, request,
};
use crate::spinnaker::{binding, cancelled, door};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haldane::engine::coordination::policy::{Policies, Policy};
use haldane::engine::coordination::{Coordination, Wave};
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::http::Right;
use haldane::plan::Plan;
use haldane::template::OnInconclusive;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn payload(phase: &str) -> Value {
    json!({
        "name": "shop", "namespace": "prod", "phase": phase, "checksum": "7f9c44d1b2",
        "metadata": { "team": "shop" },
    })
}

async fn hook(door: &Door, hook: &str) -> Reply {
    let phase = match hook {
        "confirm-rollout" => "Waiting",
        _ => "Progressing",
    };
    with(door, hook, &payload(phase)).await
}

async fn with(door: &Door, hook: &str, body: &Value) -> Reply {
    let path = format!("/flagger/{hook}/shop");
    let reply = door.post(&path, &body.to_string()).await;
    assert!(
        reply.header("content-type").starts_with("text/plain"),
        "{reply:?}"
    );
    reply
}

async fn is(door: &Door, word: &str, status: u16) -> String {
    let reply = hook(door, word).await;
    assert_eq!(reply.status, status, "{word}: {reply:?}");
    reply.body
}

async fn newest(door: &Door) -> String {
    let list = door.get("/v1/analyses?limit=1").await.json();
    list["analyses"][0]["id"].as_str().unwrap().to_owned()
}

fn submissions(door: &Door) -> usize {
    let asked = door.asked.lock().unwrap();
    asked
        .iter()
        .filter(|asked| matches!(asked, Asked::Submit(_)))
        .count()
}

#[tokio::test]
async fn the_analysis_is_that_of_the_version() {
    let door = door(Mood::Willing).await;
    for word in ["confirm-rollout", "confirm-promotion", "rollback"] {
        hook(&door, word).await;
    }
    assert_eq!(submissions(&door), 0, "gates begin nothing");
    is(&door, "pre-rollout", 200).await;
    is(&door, "rollout", 200).await;
    assert_eq!(submissions(&door), 1);
    let view = door
        .get(&format!("/v1/analyses/{}", newest(&door).await))
        .await;
    let deploy = &view.json()["deploy"];
    assert_eq!(deploy["id"], "flagger:shop:prod/shop:7f9c44d1b2");
    assert_eq!(deploy["revision"], "7f9c44d1b2");
    assert_eq!(view.json()["service"], "shop");
    // Another version, another namespace: another analysis.
    for (field, value) in [
        ("checksum", "0"),
        ("namespace", "staging"),
        ("name", "cart"),
    ] {
        let mut other = payload("Progressing");
        other[field] = json!(value);
        assert_eq!(with(&door, "rollout", &other).await.status, 200);
    }
    assert_eq!(submissions(&door), 4);
    // A hook that would be about other arms is not about this analysis.
    let mut unlike = payload("Progressing");
    unlike["metadata"] = json!({ "team": "other" });
    assert_eq!(
        with(&door, "rollout", &unlike).await.status,
        200,
        "no hole for it"
    );
}

#[tokio::test]
async fn the_same_version_again_is_analysed_again() {
    let door = door(Mood::Willing).await;
    is(&door, "pre-rollout", 200).await;
    let first = newest(&door).await;
    door.conclude(&first, Verdict::Promote);
    is(&door, "rollout", 200).await;
    is(&door, "confirm-promotion", 200).await;
    assert_eq!(newest(&door).await, first);
    // Before pre-rollout there was no traffic: that promote is of an earlier rollout.
    is(&door, "pre-rollout", 200).await;
    let second = newest(&door).await;
    assert_ne!(first, second);
    is(&door, "pre-rollout", 200).await;
    assert_eq!(newest(&door).await, second, "it is joined while under way");
    assert!(
        is(&door, "confirm-promotion", 409)
            .await
            .starts_with("pending: ")
    );
    // The end of the rollout ends its analysis, and the next one is new without pre-rollout too.
    assert_eq!(
        with(&door, "post-rollout", &payload("Failed")).await.status,
        202
    );
    let stop = "flagger ended the rollout: Failed";
    assert_eq!(
        cancelled(&door),
        [(second.clone(), "flagger".to_owned(), stop.to_owned())]
    );
    assert!(
        is(&door, "confirm-promotion", 409)
            .await
            .contains("an earlier rollout")
    );
    is(&door, "rollout", 200).await;
    assert_ne!(newest(&door).await, second);
}

/// A rollout that failed after a rollback verdict has heard it. One that succeeded against it has
/// not, and neither is there anything to hear of other verdicts, or of what was only watched.
#[tokio::test]
async fn a_failed_rollout_takes_note_of_its_rollback() {
    let noted = |door: &Door| {
        let asked = door.asked.lock().unwrap();
        let notes = asked.iter().filter_map(|asked| match asked {
            Asked::Acknowledge(id, author) => Some((id.to_string(), author.clone())),
            _ => None,
        });
        notes.collect::<Vec<_>>()
    };
    for (verdict, hook, phase, shadow, wanted) in [
        (
            Some(Verdict::Rollback),
            "post-rollout",
            "Failed",
            false,
            true,
        ),
        (
            Some(Verdict::Rollback),
            "post-rollout",
            "Failed",
            true,
            false,
        ),
        (
            Some(Verdict::Rollback),
            "post-rollout",
            "Succeeded",
            false,
            false,
        ),
        (
            Some(Verdict::Rollback),
            "post-rollout",
            "Progressing",
            false,
            false,
        ),
        (Some(Verdict::Rollback), "event", "Failed", false, false),
        (
            Some(Verdict::Promote),
            "post-rollout",
            "Failed",
            false,
            false,
        ),
        (
            Some(Verdict::Inconclusive),
            "post-rollout",
            "Failed",
            false,
            false,
        ),
        (None, "post-rollout", "Failed", false, false),
    ] {
        let door = door(Mood::Willing).await;
        is(&door, "rollout", 200).await;
        let id = newest(&door).await;
        if let Some(verdict) = verdict {
            door.conclude(&id, verdict);
        }
        door.publish(&id, |mut view| {
            view.coordination.shadow = shadow;
            view
        });
        let reply = with(&door, hook, &payload(phase)).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let wanted = wanted.then(|| (id, "flagger".to_owned()));
        let wanted: Vec<_> = wanted.into_iter().collect();
        assert_eq!(noted(&door), wanted, "{verdict:?} {hook} {phase} {shadow}");
    }
}

/// Held before its first traffic, a canary may wait for a person; what was decided then stands.
#[tokio::test]
async fn a_persons_promote_outlives_pre_rollout() {
    let door = door(Mood::Willing).await;
    is(&door, "pre-rollout", 200).await;
    let id = newest(&door).await;
    let body = r#"{"verdict":"promote","reason":"seen it","author":"ada"}"#;
    let path = format!("/v1/analyses/{id}/override");
    assert_eq!(door.post(&path, body).await.status, 200);
    is(&door, "pre-rollout", 200).await;
    is(&door, "confirm-promotion", 200).await;
    assert_eq!(newest(&door).await, id);
    assert_eq!(
        with(&door, "post-rollout", &payload("Succeeded"))
            .await
            .status,
        202
    );
    is(&door, "pre-rollout", 200).await;
    assert_ne!(newest(&door).await, id, "the next rollout is another one");
}

#[tokio::test]
async fn an_old_promote_promotes_nothing() {
    let door = door(Mood::Willing).await;
    is(&door, "rollout", 200).await;
    let first = newest(&door).await;
    door.conclude(&first, Verdict::Promote);
    let day_ms = 24 * 3_600_000;
    door.clock.fetch_add(day_ms, Ordering::SeqCst);
    is(&door, "confirm-promotion", 200).await;
    door.clock.fetch_add(1, Ordering::SeqCst);
    assert!(
        is(&door, "confirm-promotion", 409)
            .await
            .contains("an earlier rollout")
    );
    is(&door, "confirm-traffic-increase", 409).await;
    is(&door, "rollback", 409).await;
    is(&door, "rollout", 200).await;
    assert_ne!(newest(&door).await, first);
}

#[tokio::test]
async fn a_version_that_was_rolled_back_stays_back() {
    let door = door(Mood::Willing).await;
    is(&door, "pre-rollout", 200).await;
    let id = newest(&door).await;
    door.conclude(&id, Verdict::Rollback);
    is(&door, "rollback", 200).await;
    with(&door, "post-rollout", &payload("Failed")).await;
    door.clock.fetch_add(40 * 24 * 3_600_000, Ordering::SeqCst);
    let why = is(&door, "confirm-rollout", 409).await;
    assert!(
        why.starts_with("this version was rolled back before"),
        "{why}"
    );
    assert!(why.ends_with(&format!("({id})")), "{why}");
    is(&door, "pre-rollout", 409).await;
    is(&door, "rollback", 200).await;
    assert_eq!(newest(&door).await, id);
}

/// What a person ended is no finding: Flagger does not go back because somebody cancelled, whatever
/// the template makes of inconclusive verdicts. An override to rollback is one.
#[tokio::test]
async fn a_cancellation_rolls_nothing_back() {
    for (verdict, author, rollback, rollout) in [
        (Verdict::Inconclusive, Some("ada"), 409, 200),
        (Verdict::Inconclusive, None, 200, 409),
        (Verdict::Rollback, Some("ada"), 200, 409),
    ] {
        let door = door(Mood::Willing).await;
        is(&door, "rollout", 200).await;
        door.publish(&newest(&door).await, |view| {
            let plan = Plan {
                on_inconclusive: OnInconclusive::Rollback,
                ..Plan::clone(&view.plan)
            };
            let view = View {
                plan: plan.into(),
                ..view
            };
            concluded(&view, verdict, author)
        });
        // Row 9: an end for want of data, which the template takes for a rollback.
        door.publish(&newest(&door).await, |mut view| {
            let end = view.conclusion.as_mut().unwrap();
            end.row = if author.is_some() { 1 } else { 9 };
            view
        });
        is(&door, "rollback", rollback).await;
        is(&door, "rollout", rollout).await;
        is(&door, "confirm-promotion", 409).await;
    }
}

/// Nobody who may submit answers Flagger's gates: names like Flagger's are Flagger's.
#[tokio::test]
async fn a_submission_is_no_flagger() {
    let door = door(Mood::Willing).await;
    let body = deploy("flagger:shop:prod/shop:7f9c44d1b2");
    let shadow = body.replacen('{', r#"{"shadow":true,"#, 1);
    for body in [body, shadow] {
        let reply = door.post("/v1/analyses", &body).await;
        assert_eq!(reply.status, 422, "{reply:?}");
        assert_eq!(reply.json()["errors"][0]["field"], "deploy.id");
        let verdict = door.post("/v1/verdict", &body).await;
        assert_eq!(verdict.status, 422, "{verdict:?}");
        for word in ["confirm-traffic-increase", "confirm-promotion", "rollback"] {
            let why = is(&door, word, 409).await;
            assert!(why.contains("there is no analysis"), "{why}");
        }
    }
    assert_eq!(submissions(&door), 0);
}

/// What was only watched says nothing where verdicts are asked for, and the other way round.
#[tokio::test]
async fn a_shadow_is_not_taken_for_a_verdict() {
    let watched = |shadow: bool| {
        move |view: View| View {
            coordination: Coordination {
                shadow,
                ..view.coordination.clone()
            },
            ..view
        }
    };
    let door = door(Mood::Willing).await;
    is(&door, "rollout", 200).await;
    let first = newest(&door).await;
    door.publish(&first, watched(true));
    for word in ["confirm-promotion", "confirm-traffic-increase"] {
        let why = is(&door, word, 409).await;
        assert!(why.contains("policy of shadows"), "{why}");
    }
    is(&door, "rollback", 409).await;
    is(&door, "rollout", 200).await;
    let second = newest(&door).await;
    assert_ne!(first, second, "it is analysed for a verdict");
    is(&door, "rollout", 200).await;
    assert_eq!(newest(&door).await, second);
    // A release is nothing a hook belongs to.
    door.publish(&second, |view| View {
        coordination: Coordination {
            wave: Some(Wave {
                name: "w".to_owned(),
                index: 1,
            }),
            ..Coordination::default()
        },
        ..view
    });
    is(&door, "rollout", 409).await;

    let usual = Policy {
        shadow: Some(true),
        ..Policy::default()
    };
    let door = open(Setup {
        bindings: vec![binding("shop")],
        coordination: Policies {
            usual,
            ..Policies::default()
        },
        ..Setup::default()
    })
    .await;
    is(&door, "rollout", 200).await;
    let id = newest(&door).await;
    is(&door, "confirm-promotion", 200).await;
    door.conclude(&id, Verdict::Rollback);
    for (word, status) in [
        ("rollback", 409),
        ("rollout", 200),
        ("confirm-rollout", 200),
        ("confirm-promotion", 200),
    ] {
        is(&door, word, status).await;
    }
    // The gates say to go on; the whole document, and `as=exit` beside its word, say what is true.
    for (path, field, value) in [
        ("/verdict", "verdict", "promote"),
        ("/verdict", "state", "promote"),
        ("/verdict?as=exit", "verdict", "rollback"),
        ("/verdict?as=exit", "word", "go"),
        ("", "verdict", "rollback"),
    ] {
        let reply = door.get(&format!("/v1/analyses/{id}{path}")).await;
        let document = reply.json();
        assert_eq!(document[field], value, "{path} {document}");
        assert_eq!(document["shadow"], true, "{path} {document}");
    }
    // Once verdicts count, this one does not: it was found while nobody listened.
    assert_eq!(newest(&door).await, id);
    door.publish(&id, watched(false));
    is(&door, "confirm-rollout", 200).await;
    is(&door, "rollback", 409).await;
}

/// A step that somebody announces does not make another rollout of it.
#[tokio::test]
async fn steps_of_traffic_leave_it_the_same() {
    let site = site();
    let daemon = site.start().await;
    let post = async |path: &str, body: &Value| {
        let url = format!("{}{path}", daemon.url());
        let sent = crate::support::daemon::client().post(url).json(body);
        sent.send().await.unwrap().status().as_u16()
    };
    let hook = payload("Progressing");
    let rollout = "/flagger/rollout/conformance";
    let submission = json!({
        "template": "conformance", "baseline": { "a": "b" }, "canary": { "a": "c" },
        "deploy": { "service": "other", "id": "d-1" },
    });
    assert_eq!(post(rollout, &hook).await, 200);
    assert_eq!(post("/v1/analyses", &submission).await, 201);
    let list = daemon.get("/v1/analyses").await.unwrap().body;
    for one in list["analyses"].as_array().unwrap() {
        let id = one["id"].as_str().unwrap();
        let step = format!("/v1/analyses/{id}/step");
        assert_eq!(post(&step, &json!({ "share": 0.25 })).await, 200);
    }
    assert_eq!(post(rollout, &hook).await, 200);
    let traffic = "/flagger/confirm-traffic-increase/conformance";
    assert_eq!(post(traffic, &hook).await, 200);
    assert_eq!(post("/v1/analyses", &submission).await, 200, "a repeat");
    daemon.stop().await;
}

/// The binding was changed since: what was analysed then is not what is rolled out now.
#[tokio::test]
async fn a_changed_binding_is_another_rollout() {
    let door = door(Mood::Willing).await;
    is(&door, "rollout", 200).await;
    let id = newest(&door).await;
    for verdict in [Verdict::Promote, Verdict::Rollback] {
        door.publish(&id, |view| {
            let mut plan = Plan::clone(&view.plan);
            plan.rollout.inputs = [("service".to_owned(), "old".to_owned())].into();
            let view = View {
                plan: plan.into(),
                ..view
            };
            concluded(&view, verdict, None)
        });
        for word in ["confirm-promotion", "confirm-traffic-increase"] {
            let why = is(&door, word, 409).await;
            assert!(why.contains("other arms or inputs"), "{why}");
        }
        is(&door, "rollback", 409).await;
        is(&door, "rollout", 409).await;
    }
}

#[tokio::test]
async fn a_gates_version_has_a_limit() {
    let door = door(Mood::Willing).await;
    for (len, status) in [(64, 202), (65, 422)] {
        let body = json!({ "name": "shop", "namespace": "prod", "checksum": "x".repeat(len) });
        let reply = door.post("/gate/open", &body.to_string()).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

#[tokio::test]
async fn outcomes_are_kept_and_say_what_was_known() {
    let door = door(Mood::Willing).await;
    is(&door, "rollout", 200).await;
    door.conclude(&newest(&door).await, Verdict::Promote);
    let mut event = payload("Progressing");
    event["metadata"] = json!({ "eventMessage": "Advance weight 10", "eventType": "Normal" });
    event["checksum"] = json!("");
    assert_eq!(with(&door, "event", &event).await.status, 202);
    assert_eq!(
        with(&door, "post-rollout", &payload("Succeeded"))
            .await
            .status,
        202
    );
    let list = door.get("/v1/outcomes").await.json();
    let (end, told) = (&list["outcomes"][0], &list["outcomes"][1]);
    assert_eq!(
        (&end["kind"], &end["said"]),
        (&json!("post-rollout"), &json!("Succeeded"))
    );
    assert_eq!(end["verdict"], "promote");
    assert_eq!(end["rollout"], "prod/shop 7f9c44d1b2");
    assert_eq!(told["metadata"]["eventMessage"], "Advance weight 10");
    assert_eq!(told["analysis"], Value::Null);
    for n in 0..300 {
        event["metadata"] = json!({ "n": n.to_string() });
        with(&door, "event", &event).await;
    }
    let list = door.get("/v1/outcomes").await.json();
    assert_eq!(list["outcomes"].as_array().unwrap().len(), 256);
    assert_eq!(list["outcomes"][0]["metadata"]["n"], "299");
}

/// At the rollout hooks a fault of ours is 503, so that Flagger tries again; everywhere else it is
/// a no with its reason. The rollback hook never says yes.
#[tokio::test]
async fn what_cannot_be_done_is_never_a_yes() {
    for mood in [Mood::StoreDown, Mood::Full] {
        let door = door(mood).await;
        let reply = hook(&door, "rollout").await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(!reply.header("retry-after").is_empty() && !reply.body.contains("/secret"));
        for word in ["confirm-traffic-increase", "confirm-promotion", "rollback"] {
            is(&door, word, 409).await;
        }
    }
    let door = door(Mood::Willing).await;
    *door.health.store_fault.write().unwrap() = Some("disk /secret/place is full".to_owned());
    let why = is(&door, "confirm-rollout", 409).await;
    assert!(why.contains("/readyz") && !why.contains("secret"), "{why}");
    // What is not read as Flagger's is refused without a guess.
    for (body, words) in [
        (json!({ "namespace": "prod", "checksum": "1" }), "name"),
        (
            json!({ "name": "Shop", "namespace": "prod", "checksum": "1" }),
            "Kubernetes",
        ),
        (
            json!({ "name": "shop", "namespace": "a/b", "checksum": "1" }),
            "namespace",
        ),
        (json!({ "name": "shop", "namespace": "prod" }), "checksum"),
        (
            json!({ "name": "shop", "namespace": "prod", "checksum": "a:b" }),
            "checksum",
        ),
        (
            json!({ "name": ["shop"], "namespace": "prod", "checksum": "1" }),
            "line",
        ),
        (
            json!({ "name": "shop", "namespace": "prod", "checksum": "1", "metadata": 7 }),
            "line",
        ),
        (json!([]), "line"),
    ] {
        for word in [
            "rollout",
            "rollback",
            "confirm-promotion",
            "confirm-rollout",
        ] {
            let reply = with(&door, word, &body).await;
            assert_eq!(reply.status, 409, "{word} {body}: {reply:?}");
            let said = reply.body.contains(words) || words == "line";
            assert!(said, "{word} {body}: {reply:?}");
        }
    }
    let long = json!({ "name": "shop", "pad": "x".repeat(70_000) }).to_string();
    assert_eq!(door.post("/flagger/rollback/shop", &long).await.status, 413);
    assert_eq!(submissions(&door), 0);
}

/// Flagger can send no header, but a user and a password in the address.
#[tokio::test]
async fn who_calls_is_known_by_the_address() {
    let door = open(Setup {
        bindings: vec![binding("shop")],
        credentials: vec![
            credential("flagger", "s3cr3t", Right::Submit),
            credential("reader", "r3ader", Right::Read),
        ],
        ..Setup::default()
    })
    .await;
    let basic = |user: &str, password: &str| {
        let text = STANDARD.encode(format!("{user}:{password}"));
        format!("authorization: Basic {text}\r\n")
    };
    let body = payload("Progressing").to_string();
    for (header, status) in [
        (basic("flagger", "s3cr3t"), 200),
        (basic("flagger", "wrong"), 401),
        (basic("reader", "s3cr3t"), 401),
        (basic("reader", "r3ader"), 403),
        (String::new(), 401),
    ] {
        let reply = door
            .send("POST", "/flagger/rollout/shop", &header, &body)
            .await;
        assert_eq!(reply.status, status, "{header} {reply:?}");
    }
    // A gate is opened by those who may decide, and by nobody else.
    for (path, status) in [
        ("/gate/check", 403),
        ("/gate/close", 202),
        ("/gate/open", 403),
    ] {
        let reply = door
            .send("POST", path, &basic("flagger", "s3cr3t"), &body)
            .await;
        assert_eq!(reply.status, status, "{path} {reply:?}");
    }
    let text = String::from_utf8(request("POST", "/gate/check", "", "{}")).unwrap();
    assert!(text.contains("content-type"));
}

/// A started daemon with policies of its own: an inconclusive analysis rolls back here. And what a
/// verdict was, a restart does not change; what a person opened, it closes.
#[tokio::test]
async fn policies_and_restarts() {
    let mut site = site();
    site.configure(
        "[dialects.flagger-rollback]\ninconclusive = \"go\"\n\
         [dialects.flagger-rollout]\ninconclusive = \"stop\"\n",
    );
    let daemon = site.start().await;
    let body = payload("Progressing");
    let ask = async |daemon: &crate::support::daemon::Daemon, path: &str| {
        let url = format!("{}{path}", daemon.url());
        let sent = crate::support::daemon::client().post(url).json(&body);
        sent.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&daemon, "/flagger/rollout/conformance").await, 200);
    assert_eq!(ask(&daemon, "/flagger/rollback/conformance").await, 409);
    let list = daemon.get("/v1/analyses").await.unwrap().body;
    let id = list["analyses"][0]["id"].as_str().unwrap();
    let verdict = json!({ "verdict": "inconclusive", "reason": "x", "author": "ada" });
    let path = format!("/v1/analyses/{id}/override");
    assert_eq!(daemon.post(&path, &verdict).await.status, 200);
    // A cancellation is no end of that kind.
    let mut other = body.clone();
    other["checksum"] = json!("1");
    let ask_other = async |path: &str| {
        let url = format!("{}{path}", daemon.url());
        let sent = crate::support::daemon::client().post(url).json(&other);
        sent.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask_other("/flagger/rollout/conformance").await, 200);
    let list = daemon.get("/v1/analyses").await.unwrap().body;
    let other_id = list["analyses"][0]["id"].as_str().unwrap();
    let why = json!({ "reason": "x", "author": "ada" });
    let path = format!("/v1/analyses/{other_id}/cancel");
    assert_eq!(daemon.post(&path, &why).await.status, 200);
    assert_eq!(ask_other("/flagger/rollback/conformance").await, 409);
    assert_eq!(ask(&daemon, "/gate/open").await, 202);
    assert_eq!(ask(&daemon, "/gate/check").await, 200);
    assert_eq!(ask(&daemon, "/flagger/rollout/conformance").await, 409);
    assert_eq!(ask(&daemon, "/flagger/rollback/conformance").await, 200);
    daemon.stop().await;
    let daemon = site.start().await;
    assert_eq!(ask(&daemon, "/flagger/rollout/conformance").await, 409);
    assert_eq!(ask(&daemon, "/flagger/rollback/conformance").await, 200);
    assert_eq!(
        ask(&daemon, "/flagger/confirm-promotion/conformance").await,
        409
    );
    assert_eq!(ask(&daemon, "/gate/check").await, 403);
    daemon.stop().await;
}
