//! Planned steps of traffic: announced or by time, with the real judge over simulated traffic; and
//! what a gate is told that asks about one of them.

use crate::coordination_live::{Live, id};
use crate::engine_plans::START;
use crate::http_fixture::{Mood, Setup, TEMPLATE, open, submission};
use haldane::dialect::State;
use haldane::engine::coordination::Coordination;
use haldane::engine::record::Fact;
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::judge::judgement::Judgement;
use haldane::plan::rollout::Deploy;
use haldane::template::steps::PlannedStep;
use haldane::time::Span;
use haldane::units::Probability;
use haldane::wire::verdict::VerdictDocument;
use serde_json::{Value, json};

const SCHEDULE: &str = "deadline: 30m, lag: 15s";

/// The demo's template with steps of 15 % for four minutes and of 25 % for eight.
fn stepping(by: &str) -> Live {
    let mut live = Live::new();
    let steps = format!(
        "{SCHEDULE}, steps_by: {by}, \
         steps: [{{ weight: 15%, bake: 4m }}, {{ weight: 25%, bake: 8m }}]"
    );
    assert!(live.template.contains(SCHEDULE));
    live.template = live.template.replace(SCHEDULE, &steps).into();
    let deploy = Deploy {
        service: "catalog".to_owned(),
        ..Deploy::default()
    };
    live.submit("a", deploy, Coordination::default());
    live
}

fn at_step(live: &Live, share: f64) -> State {
    State::at_step(&live.views[&id("a")], share).unwrap()
}

/// Weight, state, and the levels of each gate within it.
fn planned(live: &Live) -> Vec<(f64, String)> {
    let document = VerdictDocument::from_view(&live.views[&id("a")], true);
    let steps = document.planned_steps.into_iter();
    steps.map(|step| (step.share, step.state)).collect()
}

fn states(live: &Live) -> Vec<String> {
    planned(live).into_iter().map(|(_, state)| state).collect()
}

#[test]
fn an_announced_step_gets_an_answer_of_its_own_and_the_last_one_must_bake() {
    let mut live = stepping("announcement");
    assert_eq!(states(&live), ["waiting", "waiting"]);
    live.until(4);
    assert_eq!(at_step(&live, 0.15), State::Pending, "it bakes");
    assert_eq!(states(&live), ["baking", "waiting"]);
    live.until(9);
    assert_eq!(at_step(&live, 0.15), State::Promote, "{:?}", planned(&live));
    assert_eq!(at_step(&live, 0.25), State::Pending);
    assert_eq!(State::at_step(&live.views[&id("a")], 0.5), None);
    assert_eq!(states(&live), ["shown", "waiting"]);
    // What is shown healthy with little traffic is not promoted.
    live.until(15);
    let view = &live.views[&id("a")];
    assert_eq!(view.conclusion, None);
    let says = "nothing is worse so far, and the step of 25 % has not begun";
    assert!(view.sentence.contains(says), "{}", view.sentence);
    live.step("a", 0.15); // the first one is in force from the start
    live.step("a", 0.25);
    let stepped = live.log.iter().map(|(_, record)| &record.fact);
    let stepped = stepped.filter(|fact| matches!(fact, Fact::Stepped { .. }));
    assert_eq!(stepped.count(), 1);
    live.until(17);
    assert_eq!(states(&live), ["shown", "baking"]);
    assert_eq!(
        at_step(&live, 0.15),
        State::Promote,
        "it is over, and was shown"
    );
    live.until(31);
    let end = live.end("a");
    assert_eq!(end.verdict, Verdict::Promote);
    assert!(end.at.since(START).ms() >= 23 * 60_000, "{}", end.at);
    assert_eq!(states(&live), ["shown", "shown"]);
    assert_eq!(at_step(&live, 0.25), State::Promote);
    let document = VerdictDocument::from_view(&live.views[&id("a")], true);
    for step in &document.steps {
        let errors = step.metrics.iter().find(|metric| metric.metric == "errors");
        let errors = errors.unwrap();
        let levels = [errors.baseline_level, errors.canary_level];
        assert!(
            levels
                .iter()
                .all(|level| level.is_some_and(|level| level < 0.05))
        );
    }
    assert!(document.planned_steps.iter().all(|step| step.looks >= 4));
    live.replays("a");
}

#[test]
fn a_step_that_never_comes_leaves_it_undecided() {
    let mut live = stepping("announcement");
    live.until(31);
    let end = live.end("a");
    assert_eq!(end.verdict, Verdict::Inconclusive);
    let says = "time is up and the step of 25 % has not begun";
    assert!(end.sentence.contains(says), "{}", end.sentence);
    assert_eq!(
        at_step(&live, 0.15),
        State::Inconclusive,
        "nothing goes on any more"
    );
    live.replays("a");
}

#[test]
fn a_step_cut_short_is_said_to_be() {
    let mut live = stepping("announcement");
    live.until(2);
    live.step("a", 0.25);
    live.until(5);
    assert_eq!(states(&live), ["cut_short", "baking"]);
    assert_eq!(at_step(&live, 0.15), State::Pending);
}

#[test]
fn steps_by_time_need_nobody() {
    let mut live = stepping("time");
    live.until(3);
    live.step("a", 0.25); // refused: the clock has it
    assert!(
        live.log
            .iter()
            .all(|(_, r)| !matches!(r.fact, Fact::Stepped { .. }))
    );
    live.until(7);
    assert_eq!(states(&live)[1], "baking");
    live.until(31);
    let end = live.end("a");
    assert_eq!(end.verdict, Verdict::Promote);
    assert!(end.at.since(START).ms() >= 12 * 60_000, "{}", end.at);
    live.replays("a");
}

/// The first step by time ends when it ends; what of it is warm-up is not judged, and a gate that
/// asks about it is opened all the same.
#[test]
fn the_warm_up_is_a_part_of_the_first_step_by_time() {
    for (by, then) in [("time", "shown"), ("announcement", "baking")] {
        let mut live = Live::new();
        let steps = format!(
            "{SCHEDULE}, steps_by: {by}, \
             steps: [{{ weight: 25%, bake: 6m }}, {{ weight: 50%, bake: 8m }}]"
        );
        let template = live.template.replace(SCHEDULE, &steps);
        live.template = template.replace("warmup: 0s", "warmup: 2m").into();
        assert!(live.template.contains("warmup: 2m"));
        let deploy = Deploy {
            service: "catalog".to_owned(),
            ..Deploy::default()
        };
        live.submit("a", deploy, Coordination::default());
        live.until(5);
        assert_eq!(states(&live)[0], "baking", "{by}");
        live.until(7);
        assert_eq!(states(&live)[0], then, "{by}");
        let told = match then {
            "shown" => State::Promote,
            _ => State::Pending,
        };
        assert_eq!(at_step(&live, 0.25), told, "{by}");
    }
}

/// What cannot lead to a promote lets no step go either: without a gate, or while what guards a
/// promote beside the gates sees nothing, nothing is shown however long it bakes.
#[test]
fn a_step_is_not_shown_by_silence() {
    let mut live = Live::new();
    let steps = format!("{SCHEDULE}, steps: [{{ weight: 15%, bake: 4m }}]");
    let template = live.template.replace(SCHEDULE, &steps);
    live.template = template.replace("role: required", "role: optional").into();
    assert!(!live.template.contains("role: required"));
    let deploy = Deploy {
        service: "catalog".to_owned(),
        ..Deploy::default()
    };
    live.submit("a", deploy, Coordination::default());
    live.until(9);
    assert_eq!(states(&live), ["lacking"], "there is no gate");
    assert_eq!(at_step(&live, 0.15), State::Pending);

    let mut live = stepping("announcement");
    live.until(9);
    let view = &live.views[&id("a")];
    let with = |change: fn(&mut Judgement)| {
        let mut seen = Judgement::clone(view.judgement.as_ref().unwrap());
        change(&mut seen);
        let judgement = Some(seen.into());
        let view = View {
            judgement,
            ..View::clone(view)
        };
        State::at_step(&view, 0.15).unwrap()
    };
    assert_eq!(with(|_| {}), State::Promote);
    let silent: [fn(&mut Judgement); 4] = [
        |seen| seen.traffic.as_mut().unwrap().observed = None,
        |seen| drop(seen.findings.pop()),
        |seen| seen.findings.iter_mut().for_each(|f| f.canary.n = 0),
        |seen| seen.findings.iter_mut().for_each(|f| f.evidence = None),
    ];
    for (number, change) in silent.into_iter().enumerate() {
        assert_eq!(with(change), State::Pending, "{number}");
    }
}

/// What a submission says of its steps counts instead of the template's.
#[test]
fn a_rollout_can_bring_its_own_steps() {
    let mut live = Live::new();
    let planned = |share, minutes: i64| PlannedStep {
        weight: Probability::new(share).unwrap(),
        bake: Span::from_s(60 * minutes),
    };
    let deploy = Deploy {
        service: "catalog".to_owned(),
        planned_steps: vec![planned(0.2, 3), planned(0.25, 10)],
        ..Deploy::default()
    };
    live.submit("a", deploy, Coordination::default());
    live.until(5);
    assert_eq!(planned_shares(&live), [0.2, 0.25]);
    live.step("a", 0.25);
    live.until(31);
    let end = live.end("a");
    assert_eq!(end.verdict, Verdict::Promote, "{}", end.sentence);
    assert!(end.at.since(START).ms() >= 15 * 60_000, "{}", end.at);
    live.replays("a");
}

fn planned_shares(live: &Live) -> Vec<f64> {
    planned(live).into_iter().map(|(share, _)| share).collect()
}

const STEPS: &str = "lag: 30s, steps: [{ weight: 5%, bake: 10m }, { weight: 25%, bake: 15m }] }";
const PATH: &str = "/v1/verdict?template=checkout&service=shop&input.service=shop\
                    &baseline.track=stable&canary.track=canary&deploy.id=d-1";

async fn asked(door: &crate::http_fixture::Door, path: &str) -> Value {
    let reply = door.get(path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn the_go_of_a_step_says_what_it_is_about() {
    let mut live = stepping("announcement");
    live.until(15);
    let door = open(Setup::default()).await;
    let view = View::clone(&live.views[&id("a")]);
    let path = format!("/v1/analyses/{}/verdict?weight=", view.id);
    door.readings.publish(std::sync::Arc::new(view));
    for (weight, word, part) in [
        (15, "go", "the step of 15 % has baked"),
        (25, "wait", "the step of 25 % has not begun"),
    ] {
        let said = asked(&door, &format!("{path}{weight}")).await;
        assert_eq!(
            (&said["word"], &said["final"]),
            (&json!(word), &json!(false))
        );
        let reason = said["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test]
async fn one_address_creates_announces_and_answers_each_step() {
    let door = open(Setup::default()).await;
    door.edit(&TEMPLATE.replace("lag: 30s }", STEPS));
    let first = asked(&door, &format!("{PATH}&weight=5")).await;
    let id = first["id"].as_str().unwrap().to_owned();
    let said = |document: &Value| {
        let text = |field: &str| document[field].as_str().unwrap().to_owned();
        (text("verdict"), text("word"), document["final"] == false)
    };
    let waits = ("pending".to_owned(), "wait".to_owned(), true);
    assert_eq!(said(&first), waits);
    assert_eq!(first["step"]["share"], 0.05);
    assert_eq!(first["step"]["state"], "waiting");
    let steps = || {
        let view = door
            .readings
            .get(&haldane::ids::AnalysisId::new(&id).unwrap());
        let steps = view.unwrap().plan.rollout.deploy.traffic_steps.clone();
        let shares: Vec<f64> = steps.iter().map(|step| step.share.get()).collect();
        shares
    };
    assert_eq!(
        steps(),
        [] as [f64; 0],
        "the first is in force from the start"
    );
    let second = asked(&door, &format!("{PATH}&weight=25%25")).await;
    assert_eq!(
        (second["id"].as_str(), said(&second)),
        (Some(&*id), waits.clone())
    );
    assert_eq!(steps(), [0.25]);
    // Asked again, about either, nothing is announced again, and nothing goes back.
    asked(&door, &format!("{PATH}&weight=25")).await;
    asked(&door, &format!("{PATH}&weight=5")).await;
    let pure = format!("/v1/analyses/{id}/verdict?weight=25");
    assert_eq!(said(&asked(&door, &pure).await), waits);
    assert_eq!(steps(), [0.25]);
    let announce = format!("/v1/analyses/{id}/step");
    let reply = door.post(&announce, r#"{"weight":60}"#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        steps(),
        [0.25, 0.6],
        "an unplanned one is what the traffic is"
    );
    // A verdict is the answer about every step.
    door.conclude(&id, Verdict::Rollback);
    let ended = asked(&door, &pure).await;
    assert_eq!(
        (ended["verdict"].as_str(), &ended["final"]),
        (Some("rollback"), &true.into())
    );
}

/// A verdict that comes while a step is announced is the answer, and no fault.
#[tokio::test]
async fn a_verdict_overtakes_an_announcement() {
    let door = open(Setup {
        mood: Mood::Decided,
        ..Setup::default()
    })
    .await;
    door.edit(&TEMPLATE.replace("lag: 30s }", STEPS));
    let first = asked(&door, &format!("{PATH}&weight=5")).await;
    assert_eq!(first["verdict"], "pending");
    let second = asked(&door, &format!("{PATH}&weight=25")).await;
    assert_eq!(
        (&second["verdict"], &second["final"]),
        (&"rollback".into(), &true.into())
    );
}

#[tokio::test]
async fn a_weight_nobody_planned_is_no_answer() {
    let door = open(Setup::default()).await;
    let plain = door.get(&format!("{PATH}&weight=5")).await;
    assert_eq!(plain.status, 409, "{plain:?}");
    assert!(
        plain.body.contains("plans no steps of traffic"),
        "{plain:?}"
    );
    door.edit(&TEMPLATE.replace("lag: 30s }", STEPS));
    let path = PATH.replace("d-1", "d-2");
    let other = door.get(&format!("{path}&weight=50")).await;
    assert_eq!(other.status, 409, "{other:?}");
    assert!(
        other.body.contains("plans steps of 5, 25 percent"),
        "{other:?}"
    );
    for weight in ["0", "100", "-5", "much", "NaN", "1e400"] {
        let reply = door.get(&format!("{path}&weight={weight}")).await;
        assert_eq!(reply.status, 400, "{weight}: {reply:?}");
    }
    let share = door
        .post("/v1/analyses/a1/step", r#"{"share":0.1,"weight":10}"#)
        .await;
    assert_eq!(share.status, 422, "{share:?}");
}

#[tokio::test]
async fn steps_of_a_submission_are_checked_with_their_fields() {
    let door = open(Setup::default()).await;
    let steps = |steps: &str| submission(&format!(r#","steps":{steps}"#));
    let good = r#"[{"weight":5,"bake":"5m"},{"weight":12.5,"bake":"10m"}]"#;
    let reply = door.post("/v1/analyses", &steps(good)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let whole = door.get(&format!("/v1/analyses/{id}")).await.json();
    assert_eq!(whole["planned_steps"][1]["share"], 0.125);
    assert_eq!(whole["planned_steps"][1]["bake"], "10m");
    for (wrong, field) in [
        (
            r#"[{"weight":0,"bake":"5m"}]"#,
            "steps[0].weight: 0 is no weight",
        ),
        (
            r#"[{"weight":5,"bake":"20 sec"}]"#,
            "is no length of time of 1s to 30d; write 10m",
        ),
        (
            r#"[{"weight":25,"bake":"5m"},{"weight":5,"bake":"5m"}]"#,
            "steps[1].weight: 5 is not more than the one before",
        ),
        (r#"[{"weight":"5","bake":"5m"}]"#, "steps[0].weight"),
        (r#"[{"share":5,"bake":"5m"}]"#, "steps[0].share"),
        (
            r#"[{"weight":5,"bake":"31m"}]"#,
            "the steps bake for 31m together",
        ),
    ] {
        let reply = door.post("/v1/analyses", &steps(wrong)).await;
        assert_eq!(reply.status, 422, "{wrong}: {reply:?}");
        assert!(reply.body.contains(field), "{wrong}: {reply:?}");
    }
}
