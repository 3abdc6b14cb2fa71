//! `schedule.extend_once`: who gets more time, that everybody is told, that it is the same again in
//! replay, and that the error of all looks together stays what was promised.

use crate::engine_plans::{judgement, objective, plan, rung};
use crate::replay::{recorded, rollout};
use haldane::engine::verdict::{Decision, Situation, Source, Verdict, because, decide, told};
use haldane::judge::explain::sentence;
use haldane::judge::extension::{asks_for_more, end, extended_by};
use haldane::judge::judgement::{Judgement, Label};
use haldane::judge::look::Look;
use haldane::plan::bind::bind;
use haldane::replay::again::again;
use haldane::replay::anew::anew;
use haldane::replay::course::Depth;
use haldane::replay::differences;
use haldane::replay::plans::Plans;
use haldane::template::OnInconclusive;
use haldane::template::inconclusive::Reason;
use haldane::template::parse::parse;
use haldane::time::Span;
use serde_json::Value;

/// Four looks in a minute, two more in the half minute after it.
fn decided(found: &Judgement) -> (Decision, Option<Span>) {
    let plan = plan("extend", 60, 4);
    let decision = decide(&Situation::of(&plan, Some(found), Source::Answering));
    (decision, extended_by(&plan, Some(found)))
}

#[test]
fn only_the_undecided_get_more_time() {
    let plan = plan("extend", 60, 4);
    let at = |look, label| judgement(&plan, look, label);
    let mut mixed = at(4, Label::Undecided);
    mixed.findings[0].label = Label::NoData;
    let mut harmful = at(4, Label::Undecided);
    harmful.findings[0].label = Label::Worse;
    let mut burning = at(4, Label::Undecided);
    burning.objectives = vec![objective(false, false, vec![rung(false)])];
    let inconclusive = Some(Verdict::Inconclusive);
    let cases = [
        ("before the deadline", at(3, Label::Undecided), None, false),
        ("at the deadline", at(4, Label::Undecided), None, true),
        ("one gate has no data", mixed, None, true),
        (
            "no gate has data",
            at(4, Label::NoData),
            inconclusive,
            false,
        ),
        ("a gate is worse", harmful, Some(Verdict::Rollback), false),
        ("a rung is proven", burning, inconclusive, false),
        (
            "all within",
            at(4, Label::Within),
            Some(Verdict::Promote),
            false,
        ),
        ("in the extension", at(5, Label::Undecided), None, true),
        (
            "without data in the extension",
            at(5, Label::NoData),
            None,
            true,
        ),
        (
            "within in the extension",
            at(5, Label::Within),
            Some(Verdict::Promote),
            true,
        ),
        ("at its end", at(6, Label::Undecided), inconclusive, true),
    ];
    for (case, found, verdict, extended) in cases {
        let (decision, by) = decided(&found);
        assert_eq!(decision.verdict, verdict, "{case}: {decision:?}");
        assert_eq!(by.is_some(), extended, "{case}");
        assert!(by.is_none_or(|by| by == Span::from_s(30)), "{case}");
        let (ends, looks) = end(&plan, Some(&found));
        let length = if extended { 90 } else { 60 };
        assert_eq!(ends, plan.timing.start.plus(Span::from_s(length)), "{case}");
        assert_eq!(looks, if extended { 6 } else { 4 }, "{case}");
        let text = sentence(&plan, Some(&found), decision.stand());
        let said = text.contains("the deadline of 1m was extended once, by 30s");
        assert_eq!(said, extended, "{case}: {text}");
    }
    // Without the option nothing of this is so.
    let plain = crate::engine_plans::plan("plain", 60, 4);
    let found = judgement(&plain, 4, Label::Undecided);
    assert!(asks_for_more(&plain, &found));
    assert_eq!(extended_by(&plain, Some(&found)), None);
    let decision = decide(&Situation::of(&plain, Some(&found), Source::Answering));
    assert_eq!(decision.verdict, inconclusive);
}

fn template(method: &str) -> String {
    format!(
        "apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: {{ name: extended }}
spec:
  inputs: {{ service: {{}} }}
  schedule: {{ step: 15s, look_every: 1m, bake: 5m, deadline: 8m, extend_once: 10m }}
  judge: {{ method: {method} }}
  metrics:
    - name: errors
      harm: increase
      min_effect: {{ absolute: 0.4% }}
      events:
        bad: 'http_requests_total{{service=\"${{service}}\",code=~\"5..\",${{selector}}}}'
        total: 'http_requests_total{{service=\"${{service}}\",${{selector}}}}'
"
    )
}

/// A healthy service with too little traffic for eight minutes, and enough for eighteen.
const QUIET: &str = "apiVersion: haldane/v1
kind: Scenario
metadata: { name: quiet }
spec:
  seed: 7
  scrape: 15s
  services:
    - name: quiet
      requests:
        - { metric: http_requests_total, perSecond: 8, canaryShare: 50%, errorRatio: 0.1% }
";

/// What was extended live is extended again, from the same samples in the same batches or cut into
/// others.
#[test]
fn the_same_again_is_the_same() {
    for method in ["sequential", "mann-whitney"] {
        let recording = recorded(&template(method), QUIET, "quiet");
        let conclusion = recording.conclusion().unwrap();
        assert!(conclusion.look > 8, "{method}: {conclusion:?}");
        assert!(
            conclusion.sentence.contains("was extended once, by 10m"),
            "{conclusion:?}"
        );
        let document: Value = serde_json::from_str(&recording.verdict).unwrap();
        assert_eq!(document["extended_by_ms"], 600_000, "{method}");
        assert_eq!(document["looks_planned"], 18, "{method}");
        let plan = Plans::default().own(&recording).unwrap();
        let tables = haldane::judge::sequential::Tables::default();
        for depth in [Depth::Looks, Depth::Verdict] {
            let replayed = again(&recording, &plan, None, depth, &tables).unwrap();
            assert_eq!(
                differences::of(&recording, &replayed),
                [],
                "{method} {depth:?}"
            );
        }
        let replayed = anew(&recording, &plan, None, Depth::Looks, &tables).unwrap();
        assert_eq!(differences::of(&recording, &replayed), [], "{method} anew");
    }
}

/// The error of all looks, those of the extension included, is at most the whole; of those up to
/// the deadline less, because the rest is kept for the extension.
#[test]
fn the_error_is_planned_for_the_longer_time() {
    let (template, found) = parse(&template("mann-whitney"));
    let plan = bind(
        &template.unwrap_or_else(|| panic!("{found:?}")),
        &rollout("quiet"),
    )
    .unwrap();
    let timing = &plan.timing;
    let mut spent = Vec::new();
    for look in 1..=timing.looks_planned() {
        let due = haldane::engine::schedule::due(timing, look);
        let at = Look::new(timing, timing.readable_to(due));
        spent.push(at.levels(&plan, &plan.metrics[0]).alpha);
    }
    let whole = plan.metrics[0].alpha.get();
    let until = |looks: usize| spent[..looks].iter().sum::<f64>();
    assert!(
        until(18) <= whole * (1.0 + 1e-9),
        "{} of {whole}",
        until(18)
    );
    assert!(until(8) < 0.5 * whole, "{} of {whole}", until(8));
}

/// Each reason of an inconclusive verdict, and what the controller is told.
#[test]
fn what_inconclusive_means_depends_on_the_reason() {
    use haldane::engine::verdict::Hold;
    let mut plan = plan("a", 60, 4);
    let at = |label| judgement(&plan, 4, label);
    let (undecided, blind) = (at(Label::Undecided), at(Label::NoData));
    let cases = [
        (9, None, Some(&undecided), Some(Reason::Undecided)),
        (9, None, Some(&blind), Some(Reason::NoData)),
        (9, None, None, Some(Reason::NoData)),
        (6, None, Some(&undecided), Some(Reason::SourceFault)),
        (
            6,
            Some(Hold::DataSuspect),
            Some(&undecided),
            Some(Reason::SourceFault),
        ),
        (
            5,
            Some(Hold::ArmAbsent),
            Some(&undecided),
            Some(Reason::NoData),
        ),
        (
            5,
            Some(Hold::TrafficMismatch),
            Some(&undecided),
            Some(Reason::TrafficMismatch),
        ),
        (
            4,
            Some(Hold::EnvironmentDegraded),
            Some(&undecided),
            Some(Reason::EnvironmentDegraded),
        ),
        (
            9,
            Some(Hold::DataSuspect),
            Some(&undecided),
            Some(Reason::DataSuspect),
        ),
        (
            9,
            Some(Hold::BudgetBurning),
            Some(&undecided),
            Some(Reason::BudgetBurning),
        ),
        (1, None, Some(&undecided), None),
    ];
    let text = template("sequential").replace(
        "  metrics:",
        "  on_inconclusive: { no_data: rollback, traffic_mismatch: rollback, undecided: hold }\n  metrics:",
    );
    plan.exceptions = parse(&text).0.unwrap().exceptions;
    assert_eq!(
        plan.exceptions.iter().count(),
        2,
        "what is as usual is no exception"
    );
    for (row, hold, seen, wanted) in cases {
        let reason = because(row, hold.as_ref(), seen);
        assert_eq!(reason, wanted, "row {row}, {hold:?}");
        let rollback = matches!(reason, Some(Reason::NoData | Reason::TrafficMismatch));
        let wanted = if rollback {
            OnInconclusive::Rollback
        } else {
            OnInconclusive::Hold
        };
        assert_eq!(told(&plan, reason), wanted, "{reason:?}");
    }
}
