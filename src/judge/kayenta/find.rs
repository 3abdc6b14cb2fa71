//! Between Kayenta's words and ours: a plan's metrics as Kayenta would be asked, its answers as
//! findings, its score as the outcome.
//!
//! | Kayenta | here |
//! |---|---|
//! | High or Low in the direction of harm | *worse* |
//! | Pass | *within*, though nothing was shown; *no data* without the minimum evidence |
//! | Nodata, NodataFailMetric | *no data* |
//! | Error | *undecided* |
//!
//! The score is Kayenta's own. What follows from it is not where data are missing: **absence
//! neither promotes nor rolls back** (A5), even where Kayenta scores it 100 or 0.

use crate::ids::GroupName;
use crate::judge::classify::Decision;
use crate::judge::counts;
use crate::judge::finding::{self, Scale};
use crate::judge::judgement::{Evidence, Finding, Label as Said, Needs, ObjectiveFinding, Outcome};
use crate::judge::kayenta::classify::{self, Classification, Label, Pair, Rule};
use crate::judge::kayenta::effect::Measure;
use crate::judge::kayenta::interval::Shift;
use crate::judge::kayenta::score::{self, Class, Scored, Summary};
use crate::judge::kayenta::settings::{Direction, Limits, MetricSettings};
use crate::judge::kayenta::shifted::Scratch;
use crate::judge::kayenta::transform::{self, Fence, Nans};
use crate::judge::look::Look;
use crate::judge::mann_whitney::{self, Arms};
use crate::judge::windows::{Counts, EventInterval, MetricData, Windows};
use crate::plan::{MetricPlan, Plan, Queries};
use crate::stats::normal;
use crate::template::kayenta::{EffectMeasure, KayentaSpec};
use crate::template::{GapPolicy, Role};
use crate::units::{Harm, MinEffect, Score, trim_number};
use std::collections::BTreeMap;

/// What a finding's `test` says when an interval decided.
const BY_INTERVAL: &str = "kayenta";

/// What it says when the samples made a test pointless.
const BY_CONVENTION: &str = "kayenta convention";

/// What it says when there is no interval.
const ERROR: &str = "kayenta error";

/// One finding per metric, and the score of them all.
pub fn findings(plan: &Plan, spec: &KayentaSpec, windows: &Windows) -> (Vec<Finding>, Summary) {
    let mut scratch = Scratch::default();
    let metrics = plan.metrics.iter().enumerate();
    let judged: Vec<(Finding, Classification)> = metrics
        .filter_map(|(idx, metric)| judge_one(plan, (idx, metric), windows, &mut scratch))
        .collect();
    let scored: Vec<Scored<'_>> = judged
        .iter()
        .map(|(finding, classification)| Scored {
            label: classification.label,
            groups: vec![finding.group.as_str()],
            reason: classification.reason.as_deref(),
            critical: classification.critical,
            muted: finding.role == Role::Info,
        })
        .collect();
    let weight = |(group, weight): &'_ (GroupName, f64)| (group.as_str().to_owned(), *weight);
    let weights: BTreeMap<String, f64> = spec.group_weights.iter().map(weight).collect();
    let weights = weights
        .iter()
        .map(|(group, weight)| (group.as_str(), *weight));
    let summary = score::summarise(&scored, &weights.collect());
    (
        judged.into_iter().map(|(finding, _)| finding).collect(),
        summary,
    )
}

/// Score and outcome. Before the bake time is over nothing is decided, as Kayenta would not have
/// looked yet; from then on every look is one of its interval judgements.
pub fn outcome(
    plan: &Plan,
    spec: &KayentaSpec,
    summary: &Summary,
    (findings, objectives): (&[Finding], &[ObjectiveFinding]),
    look: &Look,
) -> (Option<Score>, Outcome) {
    let counted = || findings.iter().filter(|f| f.role != Role::Info);
    let gates = || findings.iter().filter(|f| f.role.is_gate());
    let blind = counted().all(|f| f.label == Said::NoData);
    let score = (!blind).then(|| whole_points(summary.score)).flatten();
    let class = score::class(summary.score, Some(spec.pass), Some(spec.marginal));
    let worse = counted().any(|f| f.label == Said::Worse);
    let over = look.covered_to >= plan.timing.bake_until;
    let empty = gates().any(|f| f.label == Said::NoData);
    let decided = gates().all(|f| matches!(f.label, Said::Within | Said::Worse));
    let burning = objectives.iter().any(|o| o.rungs.iter().any(|r| r.proven));
    let aborted = objectives.iter().any(crate::judge::score::aborts);
    let outcome = match class {
        _ if aborted => Outcome::Fail,
        Class::Fail if over && worse => Outcome::Fail,
        _ if empty || blind => Outcome::NoData,
        Class::Pass if over && decided && !burning && gates().next().is_some() => Outcome::Pass,
        Class::Pass | Class::Marginal | Class::Fail => Outcome::Marginal,
    };
    (score, outcome)
}

/// Cut, not rounded: 74.9 does not look as if it reached 75. Both callers of Kayenta do so too.
fn whole_points(score: f64) -> Option<Score> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ..= 100 after clamping"
    )]
    Score::new(score.clamp(0.0, 100.0).floor() as u8)
}

/// A finding that is still open, and what is missing of the minimum evidence.
fn lacking((mut finding, enough): (Finding, bool)) -> (Finding, Option<(String, u64)>) {
    if enough {
        return (finding, None);
    }
    let count = match finding.needs {
        Needs::Data(count) => count,
        _ => 1,
    };
    let missing = finding.no_data.take().map(|reason| (reason, count));
    (finding, missing)
}

/// `None` only when the windows belong to another plan.
fn judge_one(
    plan: &Plan,
    (idx, metric): (usize, &MetricPlan),
    windows: &Windows,
    scratch: &mut Scratch,
) -> Option<(Finding, Classification)> {
    let window = windows.metrics.get(idx)?;
    let (mut out, missing, arms) = match &window.data {
        MetricData::Series { .. } => {
            let (baseline, canary) = windows.judged_series(plan, idx)?;
            let arms = Arms { baseline, canary };
            let (out, missing) = lacking(mann_whitney::opening(metric, window, &arms, true));
            (out, missing, arms)
        }
        MetricData::Events { .. } | MetricData::Distribution { .. } => {
            let intervals = windows.judged_events(plan, idx);
            let (mut out, mut enough) = counts::gather(metric, window, &intervals);
            if metric.queries.is_whole_distribution() {
                // Nothing is bad without a threshold, and nothing bad would pass.
                out.no_data = Some("a distribution without a threshold has no ratio".to_owned());
                enough = false;
            }
            let (out, missing) = lacking((out, enough));
            (out, missing, ratios(&intervals))
        }
    };
    let settings = settings(metric);
    let side = |points: &[Option<f64>]| {
        let values: Vec<f64> = points.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        transform::apply(&values, &settings)
    };
    let (control, experiment) = (side(&arms.baseline), side(&arms.canary));
    let pair = Pair::new(&control, &experiment);
    let name = metric.name.as_str();
    let classification = classify::classify(name, pair, &settings, Rule::kayenta(), scratch);
    say(&mut out, &classification, missing);
    if !matches!(
        classification.label,
        Label::Nodata | Label::NodataFailMetric
    ) {
        measure(&mut out, &classification, pair, scratch);
        out.notes.push(note(&classification, &settings));
    }
    Some((out, classification))
}

/// The ratio of bad events of each interval, as an error ratio would be queried.
fn ratios(intervals: &[EventInterval]) -> Arms<'static> {
    let ratio = |counts: Option<Counts>| {
        let counts = counts.filter(|counts| counts.total > 0.0)?;
        Some(counts.bad / counts.total)
    };
    Arms {
        baseline: intervals.iter().map(|i| ratio(i.baseline)).collect(),
        canary: intervals.iter().map(|i| ratio(i.canary)).collect(),
    }
}

/// What Kayenta is asked of a metric.
pub fn settings(metric: &MetricPlan) -> MetricSettings {
    let options = metric.kayenta.unwrap_or_default();
    let zero = matches!(
        metric.queries,
        Queries::Series {
            gaps: GapPolicy::Zero,
            ..
        }
    );
    let no_effect = Limits::none(Measure::MeanRatio);
    let (measure, allowed, critical_limits) = match (options.effect_size, metric.min_effect) {
        (Some(size), _) => {
            let measure = match size.measure {
                EffectMeasure::MeanRatio => Measure::MeanRatio,
                EffectMeasure::Cles => Measure::Cles,
            };
            let allowed = Limits {
                increase: size.allowed_increase,
                decrease: size.allowed_decrease,
            };
            let critical = Limits {
                increase: size.critical_increase,
                decrease: size.critical_decrease,
            };
            (measure, allowed, critical)
        }
        (None, MinEffect::Relative(share)) => {
            let allowed = Limits {
                increase: 1.0 + share,
                decrease: (1.0 - share).max(0.0),
            };
            (Measure::MeanRatio, allowed, no_effect)
        }
        (None, MinEffect::Absolute(_)) => (Measure::MeanRatio, no_effect, no_effect),
    };
    MetricSettings {
        direction: match metric.harm {
            Harm::Increase => Direction::Increase,
            Harm::Decrease => Direction::Decrease,
            Harm::Either => Direction::Either,
        },
        nans: if zero { Nans::Replace } else { Nans::Remove },
        outliers: options.outlier_factor.map(|factor| Fence {
            factor,
            widened: true,
        }),
        critical: metric.role == Role::Critical,
        must_have_data: options.must_have_data,
        muted: metric.role == Role::Info,
        measure,
        allowed,
        critical_limits,
    }
}

/// Label and what is needed.
fn say(out: &mut Finding, classification: &Classification, missing: Option<(String, u64)>) {
    out.test = match classification.label {
        Label::Nodata | Label::NodataFailMetric => "none",
        Label::Error => ERROR,
        _ if classification.shift.is_some() => BY_INTERVAL,
        _ => BY_CONVENTION,
    };
    out.label = match (classification.label, &missing) {
        (Label::High | Label::Low, _) => Said::Worse,
        (Label::Pass, None) => Said::Within,
        (Label::Error, None) => Said::Undecided,
        (Label::Pass | Label::Error, Some(_)) | (Label::Nodata | Label::NodataFailMetric, _) => {
            Said::NoData
        }
    };
    out.needs = match out.label {
        Said::Worse | Said::Within => Needs::Nothing,
        Said::Undecided => Needs::Data(1),
        Said::NoData | Said::Lagging => Needs::Data(missing.as_ref().map_or(1, |(_, more)| *more)),
    };
    if out.label == Said::NoData {
        let reason = missing.map(|(reason, _)| reason);
        let empty = || "one side has no values that count".to_owned();
        out.no_data = Some(reason.unwrap_or_else(empty));
    }
}

/// The error of each side of Kayenta's interval.
const TAIL: f64 = 0.5 * (1.0 - classify::CONFIDENCE);

/// Effect and evidence. Kayenta has no p-value; the one given is that of the statistic whose roots
/// its interval is made of, at no difference. *Within* needs no evidence there, and the levels say
/// so: p_safe and its level are both 1.
fn measure(
    out: &mut Finding,
    classification: &Classification,
    pair: Pair<'_>,
    scratch: &mut Scratch,
) {
    let z = scratch.load(pair.experiment, pair.control).statistic(0.0);
    let (above, below) = z.map_or((1.0, 1.0), |z| (normal::sf(z), normal::cdf(z)));
    let (p_harm, alpha) = match out.harm {
        Harm::Increase => (above, TAIL),
        Harm::Decrease => (below, TAIL),
        Harm::Either => ((2.0 * above.min(below)).min(1.0), 2.0 * TAIL),
    };
    let evidence = Evidence {
        p_harm,
        alpha,
        p_safe: 1.0,
        beta: 1.0,
    };
    out.evidence = (classification.label != Label::Error).then_some(evidence);
    let same = Shift {
        lower: 0.0,
        upper: 0.0,
        estimate: 0.0,
    };
    let usual = (classification.label != Label::Error).then_some(same);
    let Some(shift) = classification.shift.or(usual) else {
        return;
    };
    // Limits of the size of the root finder's tolerance can lie the wrong way round.
    let decision = Decision {
        label: out.label,
        estimate: shift.estimate,
        low: shift.lower.min(shift.upper).min(shift.estimate),
        high: shift.upper.max(shift.lower).max(shift.estimate),
        confidence: classify::CONFIDENCE,
        evidence,
        spread: 0.0,
    };
    out.effect = Some(finding::effect(
        &decision,
        Scale::Difference,
        out.baseline.level,
    ));
}

/// What Kayenta would have said, in a line.
fn note(classification: &Classification, settings: &MetricSettings) -> String {
    let word = classification.label.word();
    let Some(effect) = classification.effect else {
        return match classification.label {
            Label::Error => "kayenta: Error, no interval can be computed; not scored".to_owned(),
            _ => format!("kayenta: {word} without a test, the sides are the same"),
        };
    };
    let critical = if classification.critical {
        " (Critical)"
    } else {
        ""
    };
    let measure = settings.measure.word();
    let size = if effect.is_nan() {
        format!("{measure} undefined, so its limits are not asked")
    } else {
        let (up, down) = (settings.allowed.increase, settings.allowed.decrease);
        format!(
            "{measure} {} (counts from {} up or {} down)",
            trim_number(effect),
            trim_number(up),
            trim_number(down)
        )
    };
    format!("kayenta: {word}{critical}, {size}")
}
