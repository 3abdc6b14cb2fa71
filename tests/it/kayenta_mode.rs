//! `judge.method: kayenta` from the text of a template to the verdict, and its fast paths against
//! their slow twins.

use crate::judge_plans as plans;
use crate::wire_samples::{judged, record};
use haldane::engine::verdict::{Situation, Source, Verdict, decide};
use haldane::judge::explain::sentence;
use haldane::judge::judge;
use haldane::judge::judgement::{Judgement, Label, Outcome};
use haldane::judge::kayenta::find;
use haldane::judge::kayenta::score::two_decimals;
use haldane::judge::kayenta::shifted::{Scratch, pooled};
use haldane::judge::windows::MetricWindow;
use haldane::plan::bind::bind;
use haldane::plan::{MetricPlan, Plan};
use haldane::template::kayenta::KayentaSpec;
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use haldane::template::{Method, Role};
use haldane::units::{MinEffect, Score};
use haldane::wire::record::{RECORD_FORMAT, decode, encode};
use proptest::prelude::*;
use std::collections::BTreeSet;

const TEMPLATE: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: moved-from-kayenta }
spec:
  schedule: { step: 60s, look_every: 10m, bake: 30m, deadline: 60m }
  judge:
    method: kayenta
    score: { pass: 95, marginal: 75, group_weights: { latency: 60 } }
  metrics:
    - name: latency-p99
      role: critical
      harm: increase
      min_effect: { relative: 10% }
      group: latency
      series: { query: 'x{${selector}}' }
      kayenta:
        outliers: remove
        outlier_factor: 2
        no_data: fail
        effect_size: { measure: cles, allowed_increase: 0.6, allowed_decrease: 0.4, critical_increase: 0.7, critical_decrease: 0.3 }
    - name: cpu
      harm: either
      min_effect: { relative: 0.2 }
      series: { query: 'y{${selector}}', gaps: zero }
";

fn bound(text: &str) -> Plan {
    let (template, found) = parse(text);
    assert!(found.is_empty(), "{found:?}");
    let template = template.unwrap();
    assert_eq!(lint(&template, text), []);
    bind(&template, &plans::rollout()).unwrap()
}

#[test]
fn every_option_is_asked_of_the_judge() {
    let plan = bound(TEMPLATE);
    let asked: Vec<String> = plan
        .metrics
        .iter()
        .map(|metric| format!("{:?}", find::settings(metric)))
        .collect();
    assert_eq!(
        asked,
        [
            "MetricSettings { direction: Increase, nans: Remove, outliers: Some(Fence { factor: \
             2.0, widened: true }), critical: true, must_have_data: true, muted: false, measure: \
             Cles, allowed: Limits { increase: 0.6, decrease: 0.4 }, critical_limits: Limits { \
             increase: 0.7, decrease: 0.3 } }",
            "MetricSettings { direction: Either, nans: Replace, outliers: None, critical: false, \
             must_have_data: false, muted: false, measure: MeanRatio, allowed: Limits { increase: \
             1.2, decrease: 0.8 }, critical_limits: Limits { increase: 1.0, decrease: 1.0 } }",
        ]
    );
}

/// The digest of the template's text would hide that of the options: it is taken out.
#[test]
fn every_option_is_part_of_the_digest() {
    let changes = [
        ("", ""),
        ("pass: 95", "pass: 94"),
        ("marginal: 75", "marginal: 74"),
        ("{ latency: 60 }", "{ latency: 61 }"),
        ("{ latency: 60 }", "{ default: 60 }"),
        (", group_weights: { latency: 60 }", ""),
        ("outliers: remove", "outliers: keep"),
        ("outlier_factor: 2", "outlier_factor: 3"),
        ("no_data: fail", "no_data: ignore"),
        ("measure: cles", "measure: mean-ratio"),
        ("allowed_increase: 0.6", "allowed_increase: 0.61"),
        ("allowed_decrease: 0.4", "allowed_decrease: 0.41"),
        ("critical_increase: 0.7", "critical_increase: 0.71"),
        ("critical_decrease: 0.3", "critical_decrease: 0.31"),
    ];
    let digest = |(from, to): &(&str, &str)| {
        let (template, found) = parse(&TEMPLATE.replacen(from, to, 1));
        let mut template = template.unwrap_or_else(|| panic!("{to}: {found:?}"));
        template.digest = haldane::digest::Digest::of(b"the same");
        let rollout = bound(TEMPLATE).rollout;
        bind(&template, &rollout).unwrap().digest.to_string()
    };
    let digests: BTreeSet<String> = changes.iter().map(digest).collect();
    assert_eq!(digests.len(), changes.len());
}

/// `n` values around `level`, never the same twice.
fn around(level: f64, seed: u64, n: usize) -> Vec<Option<f64>> {
    let noise = plans::Noise(seed).ar1(0.0, n);
    noise.into_iter().map(|z| Some(level + z)).collect()
}

fn metric(name: &str, role: Role, group: &str) -> MetricPlan {
    let mut metric = plans::series_metric(name, MinEffect::relative(0.0).unwrap(), 0.05);
    metric.role = role;
    metric.group = haldane::ids::GroupName::new(group).unwrap();
    metric
}

/// Ten looks in an hour, bake half an hour; metrics by (role, group, is worse).
fn judged_at(points: i64, metrics: &[(Role, &str, bool)]) -> (Plan, Judgement) {
    let mut plan = plans::plan(60, 6, 0.05);
    plan.judge.method = Method::Kayenta(KayentaSpec::default());
    let mut windows: Vec<MetricWindow> = Vec::new();
    for (idx, (role, group, worse)) in metrics.iter().enumerate() {
        let n = usize::try_from(points).unwrap() + 1;
        let seed = 10 * u64::try_from(idx).unwrap();
        plan.metrics.push(metric(&format!("m{idx}"), *role, group));
        let level = if *worse { 30.0 } else { 20.0 };
        let (baseline, canary) = (around(20.0, seed + 1, n), around(level, seed + 2, n));
        windows.push(plans::series(&baseline, &canary));
    }
    let windows = plans::windows(&plan, windows, points);
    let judgement = judge(&plan, &windows, u32::try_from(points / 6).unwrap());
    (plan, judgement)
}

fn verdict(plan: &Plan, judgement: &Judgement) -> (Option<Verdict>, String) {
    let decision = decide(&Situation::of(plan, Some(judgement), Source::Answering));
    let said = sentence(plan, Some(judgement), decision.stand());
    (decision.verdict, said)
}

const GOOD: (Role, &str, bool) = (Role::Required, "a", false);
const BAD: (Role, &str, bool) = (Role::Required, "a", true);

#[test]
fn the_score_decides_and_not_a_single_metric() {
    type Case<'c> = (
        i64,
        &'c [(Role, &'c str, bool)],
        Option<u8>,
        Outcome,
        Option<Verdict>,
    );
    let (optional, info) = ((Role::Optional, "a", true), (Role::Info, "a", true));
    let critical = (Role::Critical, "a", true);
    let apart = (Role::Required, "b", true);
    let (promote, rollback) = (Some(Verdict::Promote), Some(Verdict::Rollback));
    let cases: [Case<'_>; 10] = [
        (
            60,
            &[GOOD, GOOD, GOOD, GOOD],
            Some(100),
            Outcome::Pass,
            promote,
        ),
        // Three of four are 75, which is the pass threshold.
        (
            60,
            &[GOOD, GOOD, GOOD, BAD],
            Some(75),
            Outcome::Pass,
            promote,
        ),
        (
            60,
            &[GOOD, GOOD, BAD],
            Some(66),
            Outcome::Marginal,
            Some(Verdict::Inconclusive),
        ),
        (60, &[GOOD, BAD, BAD], Some(33), Outcome::Fail, rollback),
        (
            60,
            &[GOOD, GOOD, GOOD, critical],
            Some(0),
            Outcome::Fail,
            rollback,
        ),
        // An optional metric counts like any other, one for information does not.
        (
            60,
            &[GOOD, optional, optional],
            Some(33),
            Outcome::Fail,
            rollback,
        ),
        (60, &[GOOD, info, info], Some(100), Outcome::Pass, promote),
        // Each group has half of the score.
        (
            60,
            &[GOOD, GOOD, GOOD, apart],
            Some(50),
            Outcome::Marginal,
            Some(Verdict::Inconclusive),
        ),
        // Before the bake time is over nothing is decided; from then on every look may end it.
        (24, &[BAD, BAD], Some(0), Outcome::Marginal, None),
        (30, &[BAD, BAD], Some(0), Outcome::Fail, rollback),
    ];
    for (points, metrics, score, outcome, word) in cases {
        let (plan, judgement) = judged_at(points, metrics);
        let name = format!("{metrics:?} at {points}");
        assert_eq!(judgement.score.map(Score::get), score, "{name}");
        assert_eq!(judgement.outcome, outcome, "{name}");
        assert_eq!(verdict(&plan, &judgement).0, word, "{name}");
    }
}

#[test]
fn the_sentence_leads_with_what_is_worse_and_names_the_threshold() {
    let said = |metrics: &[_]| {
        let (plan, judgement) = judged_at(60, metrics);
        verdict(&plan, &judgement).1
    };
    let rollback = said(&[GOOD, BAD, BAD]);
    assert!(rollback.starts_with("m1 is 50.1 %"), "{rollback}");
    assert!(
        rollback.contains(" % higher on the canary (interval +"),
        "{rollback}"
    );
    let end = "; score 33 is below the marginal threshold 50";
    assert!(rollback.ends_with(end), "{rollback}");
    let promote = said(&[GOOD, GOOD, GOOD, BAD]);
    let end = "; score 75 reaches the pass threshold 75";
    assert!(
        promote.starts_with("m3 is ") && promote.ends_with(end),
        "{promote}"
    );
    assert_eq!(
        said(&[GOOD, GOOD]),
        "no metric is worse; score 100 reaches the pass threshold 75"
    );
    let between = said(&[GOOD, GOOD, BAD]);
    let end = "; score 66 decides nothing, pass is 75 and marginal 50";
    assert!(between.ends_with(end), "{between}");
}

/// What is missing neither promotes nor rolls back, whatever Kayenta scores it.
#[test]
fn absence_decides_nothing() {
    for (role, no_data) in [
        (Role::Required, false),
        (Role::Critical, false),
        (Role::Required, true),
    ] {
        let (mut plan, _) = judged_at(60, &[GOOD, GOOD, GOOD]);
        plan.metrics[0].role = role;
        plan.metrics[0].kayenta = Some(haldane::template::kayenta::KayentaOptions {
            must_have_data: no_data,
            ..Default::default()
        });
        let full = |seed| around(20.0, seed, 61);
        let windows = vec![
            plans::series(&full(1), &vec![None; 61]),
            plans::series(&full(2), &full(3)),
            plans::series(&full(4), &full(5)),
        ];
        let windows = plans::windows(&plan, windows, 60);
        let judgement = judge(&plan, &windows, 10);
        assert_eq!(judgement.findings[0].label, Label::NoData);
        assert_eq!(judgement.outcome, Outcome::NoData, "{role:?} {no_data}");
        let (word, said) = verdict(&plan, &judgement);
        assert_eq!(word, Some(Verdict::Inconclusive));
        assert!(said.starts_with("m0 has no data: "), "{said}");
    }
}

/// A promote needs the minimum evidence of every gate, which Kayenta does not ask for.
#[test]
fn too_few_values_do_not_promote() {
    let (mut plan, _) = judged_at(60, &[GOOD]);
    plan.metrics[0].evidence.samples = 70;
    let windows = plans::series(&around(20.0, 1, 61), &around(20.0, 2, 61));
    let judgement = judge(&plan, &plans::windows(&plan, vec![windows], 60), 10);
    assert_eq!(judgement.score, None);
    assert_eq!(judgement.outcome, Outcome::NoData);
    assert_eq!(verdict(&plan, &judgement).0, Some(Verdict::Inconclusive));
}

/// An error ratio per step is what an events metric is compared by.
#[test]
fn events_are_judged_by_their_ratio() {
    let mut plan = plans::plan(60, 60, 0.05);
    plan.judge.method = Method::Kayenta(KayentaSpec::default());
    plan.metrics = vec![plans::events_metric(
        "errors",
        MinEffect::relative(0.1).unwrap(),
        0.05,
    )];
    let counts = |rate: f64, seed| -> Vec<(f64, f64)> {
        let mut noise = plans::Noise(seed);
        (0..60)
            .map(|_| (noise.bad_of(500.0, rate), 500.0))
            .collect()
    };
    for (rate, label) in [(0.04, Label::Within), (0.08, Label::Worse)] {
        let window = plans::events(&counts(0.04, 1), &counts(rate, 2));
        let judgement = judge(&plan, &plans::windows(&plan, vec![window], 60), 1);
        let finding = &judgement.findings[0];
        assert_eq!(finding.label, label);
        assert_eq!(finding.canary.n, 30_000);
    }
}

#[test]
fn a_judgement_comes_back_from_its_record() {
    for (points, metrics) in [(60, vec![GOOD, BAD]), (6, vec![BAD]), (60, vec![GOOD])] {
        let (_, judgement) = judged_at(points, &metrics);
        let fact = judged(judgement);
        let (kind, body) = encode(&record("a1", fact.clone()));
        let back = decode(kind, &body, RECORD_FORMAT).unwrap();
        assert_eq!(format!("{back:?}"), format!("{fact:?}"));
    }
}

#[test]
fn scores_are_rounded_half_up_in_decimals() {
    for (value, want) in [
        (1.005, 1.01),
        (66.666_666_666_666_66, 66.67),
        (33.333_333_333_333_33, 33.33),
        (0.005, 0.01),
        (0.004_999, 0.0),
        (99.995, 100.0),
        (160.0, 160.0),
        (-12.345, -12.35),
        (1e-7, 0.0),
    ] {
        assert_eq!(two_decimals(value).to_bits(), f64::to_bits(want), "{value}");
    }
}

/// The standardised statistic as Kayenta takes it: all values pooled and ranked.
fn slow(x: &[f64], y: &[f64], mu: f64) -> Option<f64> {
    let (m, n) = (x.len() as f64, y.len() as f64);
    let ranks = pooled(x, y, mu);
    let excess = ranks.rank_sum - m * (m + 1.0) / 2.0 - m * n / 2.0;
    let all = m + n;
    let tied = ranks.tie_term / (all * (all - 1.0));
    let sigma = libm::sqrt((m * n / 12.0) * ((all + 1.0) - tied));
    let step = if excess == 0.0 {
        0.0
    } else {
        0.5_f64.copysign(excess)
    };
    (sigma > 0.0).then(|| (excess - step) / sigma)
}

/// Values with many ties, few, or none, and what makes the short way impossible.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        8 => (-20_i32..20).prop_map(|v| f64::from(v) * 0.25),
        8 => -10.0..10.0_f64,
        1 => Just(-0.0),
        1 => Just(1e300),
        1 => Just(f64::INFINITY),
        1 => Just(1e-320),
    ];
    prop::collection::vec(value, 1..40)
}

/// Samples of more groups than the small arrays hold: without ties, and on a grid of 1/64.
fn many() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(-10.0..10.0_f64, 250..420),
        prop::collection::vec((-640_i32..640).prop_map(|v| f64::from(v) / 64.0), 300..600),
    ]
}

fn same_bits(x: &[f64], y: &[f64], shifts: &[f64]) -> Result<(), TestCaseError> {
    let mut scratch = Scratch::default();
    let mut samples = scratch.load(x, y);
    let (first, last) = samples.reach();
    for mu in shifts.iter().copied().chain([first, last]) {
        let fast = samples.statistic(mu).ok().map(f64::to_bits);
        prop_assert_eq!(fast, slow(x, y, mu).map(f64::to_bits), "{}", mu);
    }
    Ok(())
}

fn shifts() -> impl Strategy<Value = Vec<f64>> {
    let shift = prop_oneof![
        (-640_i32..640).prop_map(|v| f64::from(v) / 64.0),
        (-60_i32..60).prop_map(|v| f64::from(v) * 0.25),
        -20.0..20.0_f64,
        -0.5..0.5_f64,
        -0.01..0.01_f64,
        Just(0.0),
    ];
    prop::collection::vec(shift, 1..24)
}

proptest! {
    /// One walk over two sorted samples gives the bits that ranking all of them does, also when
    /// the shifts come in any order.
    #[test]
    fn the_short_way_gives_the_same_bits(x in values(), y in values(), shifts in shifts()) {
        same_bits(&x, &y, &shifts)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Four walks at once meet in the middle and miss nothing, ties across it included.
    #[test]
    fn four_walks_give_the_same_bits(x in many(), y in many(), shifts in shifts()) {
        same_bits(&x, &y, &shifts)?;
        // A tie exactly where the walks meet: half of all lies below.
        let middle = |values: &[f64]| values.iter().copied().reduce(f64::max).unwrap_or(0.0);
        let below: Vec<f64> = y.iter().map(|v| v - middle(&y)).collect();
        same_bits(&x.iter().map(|v| v.abs()).collect::<Vec<_>>(), &below, &[0.0])?;
    }
}
