//! What a template need not say: every default with its source, and the built-in template of
//! `judge --csv`.

use crate::digest::{Canonical, Digest};
use crate::ids::{GroupName, MetricName, TemplateName};
use crate::slo::objective::{Rung, RungAction};
use crate::template::baseline::BaselineMode;
use crate::template::inconclusive::Exceptions;
use crate::template::{
    Combine, GapPolicy, JudgeSpec, Measure, Method, MetricSpec, MinEvidence, OnInconclusive, Role,
    Schedule, Template,
};
use crate::time::{Span, Step};
use crate::units::{BurnRate, Harm, MinEffect, Probability, Weight};

/// The most grid points of an analysis; a template with more is refused (C013). Prometheus
/// answers range queries of up to 11,000 steps ("exceeded maximum resolution of 11,000 points").
pub const POINTS_MAX: usize = 11_000;

/// `schedule.look_every`: the first multiple of the step that is at least this. Looks more often
/// than scrapes see nothing new; a minute is the usual scrape interval at most.
pub const LOOK_EVERY: Span = Span::from_s(60);

/// `schedule.bake`, or the deadline when that is shorter. Source: the sequential judge promotes
/// after ten minutes at the earliest.
pub const BAKE: Span = Span::from_s(600);

/// `schedule.lag`: one usual scrape interval and the time to ingest it.
pub const LAG: Span = Span::from_s(30);

/// `schedule.source_grace`: this or three steps, whichever is longer.
pub const SOURCE_GRACE: Span = Span::from_s(180);

/// `judge.false_rollback` and `judge.false_promote`: the conventional 5 %, for the whole
/// analysis rather than for each test.
pub const ERROR_SHARE: f64 = 0.05;

/// `min_samples`: the smallest exact one-sided p of a rank test with n in each arm is
/// 1 / C(2n, n): 5.4e-6 for n = 10, below the share of one of 200 metrics in 5 %.
pub const MIN_SAMPLES: usize = 10;

/// `min_events`: with 49 good events and no bad one a burn rate of 6 of a 99 % objective is
/// excluded at 95 % (ln 0.05 / ln(1 − 6 · 0.01) = 48.4).
pub const MIN_EVENTS: u64 = 50;

/// `group_by.max`: as many routes as a service of medium size has; each further one makes all of
/// them need more evidence, by the logarithm.
pub const GROUP_VALUES: usize = 20;

/// `min_coverage`: below one half more is guessed than seen.
pub const MIN_COVERAGE: f64 = 0.5;

/// `objectives[].period`: the 30 days of the SRE workbook's table.
pub const PERIOD: Span = Span::from_s(30 * 86_400);

/// `objectives[].min_bad_events`: two bad events bring the false alarms of a quiet service from
/// one in twelve to one in a thousand; a floor on traffic would also silence a total outage.
pub const MIN_BAD_EVENTS: u64 = 2;

/// `traffic.tolerance`.
pub const TOLERANCE_FACTOR: f64 = 3.0;

/// The two paging rows of table 5-8 of Google's Site Reliability Workbook (chapter "Alerting on
/// SLOs"): burn, long window, short window, and what follows here. The ticket rows (1 d and 3 d)
/// are slower than a canary lives.
const RUNGS: [(f64, i64, i64, RungAction); 2] = [
    (14.4, 3600, 300, RungAction::Rollback),
    (6.0, 21_600, 1800, RungAction::Hold),
];

/// The rungs of an objective that names none.
pub fn rungs() -> Vec<Rung> {
    RUNGS
        .iter()
        .filter_map(|(burn, long, short, action)| {
            Some(Rung {
                burn: BurnRate::new(*burn)?,
                long: Span::from_s(*long),
                short: Span::from_s(*short),
                action: *action,
            })
        })
        .collect()
}

/// The least evidence of a metric that names none.
pub fn evidence() -> MinEvidence {
    MinEvidence {
        samples: MIN_SAMPLES,
        events: MIN_EVENTS,
        coverage: probability(MIN_COVERAGE),
    }
}

/// A probability that is a constant of this file.
pub(super) fn probability(value: f64) -> Probability {
    Probability::new(value).expect("constants of this file are probabilities")
}

/// One look at the end.
const fn one_look(step: Step, whole: Span) -> Schedule {
    Schedule {
        step,
        look_every: whole,
        warmup: Span::ZERO,
        bake: Span::ZERO,
        deadline: whole,
        lag: Span::ZERO,
        source_grace: SOURCE_GRACE,
        extend_once: Span::ZERO,
    }
}

/// The built-in template of `judge --csv`: one required metric `value`, judged once over the
/// whole window, whose length is the rollout's duration. Its query is never sent.
pub fn one_metric(harm: Harm, min_effect: MinEffect, step: Step) -> Template {
    let whole = step
        .span()
        .times(i64::try_from(POINTS_MAX).unwrap_or(i64::MAX));
    Template {
        name: TemplateName::new("one-metric").expect("a legal name"),
        description: "one series per arm, judged once".to_owned(),
        inputs: Vec::new(),
        schedule: one_look(step, whole),
        steps: None,
        judge: JudgeSpec {
            method: Method::Sequential,
            false_rollback: probability(ERROR_SHARE),
            false_promote: probability(ERROR_SHARE),
            accept_no_harm: None,
        },
        metrics: vec![MetricSpec {
            name: MetricName::new("value").expect("a legal name"),
            role: Role::Required,
            harm,
            min_effect,
            unit: String::new(),
            group: GroupName::new("default").expect("a legal name"),
            weight: Weight::ONE,
            evidence: MinEvidence {
                // The fewest with which an exact one-sided p falls below 1 %: 1 / C(10, 5).
                samples: 5,
                ..evidence()
            },
            measure: Measure::Series {
                query: "value{${selector}}".to_owned(),
                combine: Combine::Mean,
                gaps: GapPolicy::Drop,
            },
            group_by: None,
            per: None,
            lag: None,
            kayenta: None,
            judge: None,
            counts_foreign: false,
            place: None,
        }],
        objectives: Vec::new(),
        traffic: None,
        history: None,
        allowed_warnings: Vec::new(),
        on_inconclusive: OnInconclusive::Hold,
        exceptions: Exceptions::default(),
        baseline: BaselineMode::Concurrent,
        recovery: None,
        notify: None,
        changes: Vec::new(),
        digest: digest_of(harm, min_effect, step),
    }
}

/// What tells two templates of one metric apart; they have no text.
fn digest_of(harm: Harm, min_effect: MinEffect, step: Step) -> Digest {
    let (margin_kind, margin) = match min_effect {
        MinEffect::Relative(share) => ("relative", share),
        MinEffect::Absolute(value) => ("absolute", value),
    };
    Canonical::new()
        .text("haldane one-metric template 1")
        .text(harm.word())
        .text(margin_kind)
        .bits(margin)
        .int(step.span().ms())
        .digest()
}
