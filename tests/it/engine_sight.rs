//! What one window after a rollback shows: wrong, well, or silent, and silence is never well.

use crate::engine_plans::{finding, judgement, objective, plan};
use haldane::engine::after::{By, FIGURES_MAX, Seen};
use haldane::engine::sight::{Scene, Sight, sight};
use haldane::judge::judgement::{Breakdown, Finding, Judgement, Label, ValueFinding};
use haldane::plan::{Plan, Queries};
use haldane::template::Role;
use haldane::template::recovery::Recovery;
use haldane::units::{BurnRate, MinEffect};

/// A plan, what was judged at the verdict, and what is judged now: two required metrics, `latency`
/// (a series) and `errors` (counted), of one level in both arms, and an objective that burned.
struct Case {
    plan: Plan,
    then: Judgement,
    now: Judgement,
    was_seen: bool,
}

fn case(label: Label) -> Case {
    let mut plan = plan("x", 600, 10);
    plan.metrics[1].queries = Queries::Events {
        bad: "bad".to_owned(),
        total: "total".to_owned(),
    };
    let mut then = judgement(&plan, 3, label);
    let now = judgement(&plan, 1, Label::Undecided);
    for finding in &mut then.findings {
        finding.canary.level = Some(2.0);
    }
    Case {
        plan,
        then,
        now,
        was_seen: true,
    }
}

/// The same with an objective that burned, and burns at this now.
fn burning(canary: Option<f64>, baseline: Option<f64>) -> Case {
    let mut case = case(Label::Undecided);
    case.then
        .objectives
        .push(objective(true, false, Vec::new()));
    let mut now = objective(false, false, Vec::new());
    (now.canary_burn, now.baseline_burn) = (canary, baseline);
    case.now.objectives.push(now);
    case.then.objectives[0].baseline_burn = Some(0.5);
    case
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn of(&mut self, name: &str) -> &mut Finding {
        let mut all = self.now.findings.iter_mut();
        all.find(|f| f.metric.as_str() == name).unwrap()
    }

    fn gone(mut self) -> Self {
        for finding in &mut self.now.findings {
            finding.canary.n = 0;
            finding.canary.level = None;
        }
        self
    }

    fn seen(&self) -> Sight {
        sight(&Scene {
            plan: &self.plan,
            then: Some(&self.then),
            now: &self.now,
            was_seen: self.was_seen,
        })
    }
}

#[test]
fn a_window_is_well_only_when_all_that_was_wrong_has_data_and_is_right() {
    let worse = || case(Label::Worse);
    let beyond = |c: &mut Case| c.of("latency").canary.level = Some(2.0);
    let no_errors = |c: &mut Case| c.of("errors").canary.n = 0;
    let cases: Vec<(&str, Case, Seen, Option<By>, &str)> = vec![
        (
            "right again",
            worse(),
            Seen::Quiet,
            Some(By::Comparison),
            "latency within its limit",
        ),
        (
            "beyond",
            worse().with(beyond),
            Seen::Burning,
            Some(By::Comparison),
            "latency of the canary is 2",
        ),
        (
            "one is silent",
            worse().with(|c| c.of("latency").canary.n = 0),
            Seen::Blind,
            None,
            "latency has no data of the canary",
        ),
        (
            "wrong beats silent",
            worse().with(beyond).with(|c| c.of("errors").baseline.n = 0),
            Seen::Burning,
            Some(By::Comparison),
            "latency",
        ),
        (
            "no baseline",
            worse().with(|c| c.of("errors").baseline.n = 0),
            Seen::Blind,
            None,
            "errors has no data of the baseline",
        ),
        (
            "no traffic of it",
            worse().with(no_errors),
            Seen::Quiet,
            Some(By::Comparison),
            "latency",
        ),
        (
            "gone",
            worse().gone(),
            Seen::Gone,
            Some(By::Traffic),
            "no traffic any more",
        ),
        (
            "gone, never seen",
            worse().gone().with(|c| c.was_seen = false),
            Seen::Blind,
            None,
            "never had any",
        ),
        (
            "gone, and the source doubts",
            worse()
                .gone()
                .with(|c| c.now.suspect.push("partial".into())),
            Seen::Blind,
            None,
            "partial",
        ),
        (
            "well, and the source doubts",
            worse().with(|c| c.now.suspect.push("partial".into())),
            Seen::Blind,
            None,
            "partial",
        ),
        (
            "gone, what remains is as bad",
            worse()
                .gone()
                .with(|c| c.of("latency").baseline.level = Some(1.6)),
            Seen::Burning,
            Some(By::Comparison),
            "latency of the baseline is 1.6, at the verdict it was 1",
        ),
        (
            "gone, what remains is a little worse",
            worse()
                .gone()
                .with(|c| c.of("latency").baseline.level = Some(1.3)),
            Seen::Gone,
            Some(By::Traffic),
            "",
        ),
        (
            "a share of nothing",
            worse().with(|c| c.of("errors").baseline.level = Some(0.0)),
            Seen::Burning,
            Some(By::Comparison),
            "errors",
        ),
        (
            "burns under 1",
            burning(Some(0.3), Some(0.1)),
            Seen::Quiet,
            Some(By::Burn),
            "availability burns at 0.30, under 1",
        ),
        (
            "burns at 1",
            burning(Some(1.0), Some(0.1)),
            Seen::Burning,
            Some(By::Burn),
            "availability burns at 1.0",
        ),
        (
            "no events",
            burning(None, Some(0.1)),
            Seen::Blind,
            None,
            "no events of the canary",
        ),
        (
            "gone, the rest is well",
            burning(None, Some(0.1)).gone(),
            Seen::Gone,
            Some(By::Burn),
            "of the baseline burns at 0.10",
        ),
        (
            "gone, the rest burns",
            burning(None, Some(5.0)).gone(),
            Seen::Burning,
            Some(By::Burn),
            "of the baseline burns at 5.0, at the verdict it did at 0.5",
        ),
        (
            "gone, the rest burned before",
            burning(None, Some(5.0))
                .gone()
                .with(|c| c.then.objectives[0].baseline_burn = Some(4.0)),
            Seen::Gone,
            Some(By::Burn),
            "",
        ),
        (
            "it did not burn at the verdict",
            burning(Some(3.0), Some(0.1)).with(|c| c.then.objectives[0].canary_burn = Some(0.9)),
            Seen::Quiet,
            Some(By::Comparison),
            "",
        ),
        (
            "another burn is asked for",
            burning(Some(1.5), Some(0.1)).with(|c| {
                c.plan.recovery = Some(Recovery {
                    burn_under: BurnRate::new(2.0).unwrap(),
                    ..Recovery::usual()
                });
            }),
            Seen::Quiet,
            Some(By::Burn),
            "under 2",
        ),
    ];
    for (name, case, seen, by, said) in cases {
        let sight = case.seen();
        assert_eq!(
            (sight.seen, sight.by),
            (seen, by),
            "{name}: {}",
            sight.detail
        );
        assert!(sight.detail.contains(said), "{name}: {}", sight.detail);
    }
}

#[test]
fn neither_arm_tells_anything() {
    let both = case(Label::Worse).gone().with(|c| {
        for finding in &mut c.now.findings {
            finding.baseline.n = 0;
        }
    });
    let sight = both.seen();
    assert_eq!((sight.seen, sight.by), (Seen::Blind, None));
    assert!(sight.figures.is_empty());
}

#[test]
fn a_value_that_was_the_reason_is_told_apart_from_its_metric() {
    let value = |level| {
        let mut finding = finding("latency", Role::Required, Label::Worse);
        finding.canary.level = Some(level);
        ValueFinding {
            value: "/cart".to_owned(),
            finding,
        }
    };
    let of = |values| {
        Some(Box::new(Breakdown {
            by: "route".to_owned(),
            max: 20,
            whole: Label::Within,
            values,
            left_out: 0,
            left_out_named: Vec::new(),
        }))
    };
    let seen = |now: Vec<ValueFinding>| {
        let mut case = case(Label::Undecided);
        case.then.findings[0].label = Label::Worse;
        case.then.findings[0].breakdown = of(vec![value(2.0)]);
        case.of("latency").breakdown = of(now);
        case.seen()
    };
    let burns = seen(vec![value(2.0)]);
    assert_eq!(burns.seen, Seen::Burning);
    assert_eq!(burns.figures[0].of, "latency (route /cart)");
    assert!(
        burns
            .detail
            .starts_with("latency (route /cart) of the canary is 2")
    );
    assert_eq!(seen(vec![value(1.0)]).seen, Seen::Quiet);
    assert_eq!(seen(Vec::new()).seen, Seen::Blind);
}

#[test]
fn what_was_measured_is_kept_up_to_a_limit_and_what_is_wrong_first() {
    let sight = burning(Some(0.3), Some(0.1)).seen();
    let figure = &sight.figures[0];
    assert_eq!((figure.of.as_str(), figure.by), ("availability", By::Burn));
    assert_eq!((figure.canary, figure.baseline), (Some(0.3), Some(0.1)));
    assert_eq!((figure.limit, figure.n), (MinEffect::Absolute(1.0), 40));
    let mut many = case(Label::Worse);
    for number in 0..20 {
        let mut then = finding(&format!("m{number}"), Role::Required, Label::Worse);
        then.canary.level = Some(2.0);
        many.then.findings.push(then.clone());
        then.canary.level = Some(if number == 19 { 2.0 } else { 1.0 });
        many.now.findings.push(then);
    }
    let sight = many.seen();
    assert_eq!(sight.figures.len(), FIGURES_MAX);
    assert_eq!(sight.figures[0].of, "m19");
    for number in 0..20 {
        many.now.findings[2 + number].canary.level = Some(2.0);
    }
    assert!(
        many.seen().detail.ends_with("; and 12 more"),
        "{}",
        many.seen().detail
    );
}
