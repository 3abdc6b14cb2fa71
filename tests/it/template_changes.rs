//! `changes`: a rule takes effect for its type of change and for no other.

use crate::templates::{base, rollout};
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::plan::once::bind_once;
use haldane::template::Template;
use haldane::template::parse::parse;

fn with_rules() -> Template {
    let rules = "  changes:\n    database:\n      schedule: { bake: 20m, deadline: 40m }\n      \
                 metrics: [{ name: slow, role: critical }, { name: cpu, remove: true }]\n      \
                 on_inconclusive: rollback\n    config: { schedule: { warmup: 0s } }\n";
    let (template, found) = parse(&(base().0 + rules));
    assert_eq!(found, []);
    template.unwrap()
}

/// Bake and deadline in minutes, metrics with their roles, what follows without a verdict.
fn shown(plan: &Plan) -> String {
    let minutes = |at: haldane::time::Timestamp| at.since(plan.timing.start).ms() / 60_000;
    let metrics = plan.metrics.iter();
    let metrics: Vec<String> = metrics
        .map(|metric| format!("{} {}", metric.name, metric.role.word()))
        .collect();
    format!(
        "{} {} | {} | {}",
        minutes(plan.timing.bake_until),
        minutes(plan.timing.deadline),
        metrics.join(", "),
        plan.on_inconclusive.word()
    )
}

#[test]
fn a_rule_is_for_its_type_of_change() {
    let template = with_rules();
    let usual = "10 30 | cpu required, errors critical, slow required | hold";
    for (change, wanted) in [
        (None, usual),
        (Some("code"), usual),
        (Some("config"), usual),
        (
            Some("database"),
            "20 40 | errors critical, slow critical | rollback",
        ),
    ] {
        let mut rollout = rollout();
        rollout.deploy.change_type = change.map(str::to_owned);
        let plan = bind(&template, &rollout).unwrap();
        assert_eq!(shown(&plan), wanted, "{change:?}");
        let warm = change != Some("config");
        assert_eq!(plan.timing.judged_from > plan.timing.start, warm);
        let once = bind_once(&template, &rollout).unwrap();
        assert_eq!(once.metrics, plan.metrics);
        assert_eq!(once.timing.looks_planned(), 1);
        let shares: f64 = plan.metrics.iter().map(|metric| metric.alpha.get()).sum();
        assert!(shares <= template.judge.false_rollback.get(), "{shares}");
    }
}

#[test]
fn a_misspelt_type_of_change_is_refused() {
    let mut rollout = rollout();
    rollout.deploy.change_type = Some("databse".to_owned());
    let found = bind(&with_rules(), &rollout).unwrap_err();
    let [said] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(said.code, "C065");
    assert!(said.message.contains("did you mean `database`?"), "{said}");
    bind(&base().1, &rollout).unwrap();
}
