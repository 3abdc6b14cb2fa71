//! Plans, windows and noise for the tests of the judge.

use haldane::digest::Digest;
use haldane::ids::{GroupName, MetricName, ObjectiveName, TemplateName};
use haldane::judge::windows::{Counts, EventInterval, MetricData, MetricWindow, Windows};
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{MetricPlan, ObjectivePlan, Plan, Queries, Timing, TrafficPlan};
use haldane::series::grid::Grid;
use haldane::series::samples::Series;
use haldane::slo::objective::{Objective, Rung, RungAction};
use haldane::template::{Combine, GapPolicy, JudgeSpec, Method, MinEvidence, OnInconclusive, Role};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::{BurnRate, Harm, MinEffect, Probability, Weight};
use std::collections::BTreeMap;

/// Where every test plan starts.
pub(crate) const START: Timestamp = Timestamp::from_s(1_700_000_000 / 3600 * 3600);

/// The step of every test plan.
pub(crate) const STEP: Span = Span::from_s(60);

pub(crate) fn probability(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

/// A rollout of the arms `arm="baseline"` and `arm="canary"` at [`START`].
pub(crate) fn rollout() -> Rollout {
    let scope = |arm: &str| Scope::new(vec![Matcher::equals("arm", arm).unwrap()]).unwrap();
    Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
        baseline: scope("baseline"),
        canary: scope("canary"),
        start: START,
        duration: None,
    }
}

/// An analysis of `points` steps with a look every `every` steps and a bake of half its length.
pub(crate) fn plan(points: i64, every: i64, alpha: f64) -> Plan {
    Plan {
        template: TemplateName::new("test").unwrap(),
        template_digest: Digest::of(b"template"),
        rollout: rollout(),
        timing: Timing {
            start: START,
            step: Step::new(STEP).unwrap(),
            look_every: STEP.times(every),
            judged_from: START,
            bake_until: START.plus(STEP.times(points / 2)),
            deadline: START.plus(STEP.times(points)),
            lag: Span::ZERO,
            source_grace: Span::from_s(600),
            extension: haldane::time::Span::ZERO,
        },
        judge: JudgeSpec {
            method: Method::MannWhitney,
            false_rollback: probability(alpha),
            false_promote: probability(0.05),
            accept_no_harm: None,
        },
        metrics: Vec::new(),
        objectives: Vec::new(),
        traffic: None,
        history: None,
        allowed_warnings: Vec::new(),
        on_inconclusive: OnInconclusive::Hold,
        recovery: None,
        digest: Digest::of(b"plan"),
        exceptions: haldane::template::inconclusive::Exceptions::default(),
        shifted: None,
        steps: None,
    }
}

/// A required series metric with all of the error budget.
pub(crate) fn series_metric(name: &str, limit: MinEffect, alpha: f64) -> MetricPlan {
    MetricPlan {
        name: MetricName::new(name).unwrap(),
        role: Role::Required,
        harm: Harm::Increase,
        min_effect: limit,
        unit: "ms".to_owned(),
        group: GroupName::new("all").unwrap(),
        weight: Weight::ONE,
        evidence: MinEvidence {
            samples: 10,
            events: 100,
            coverage: probability(0.5),
        },
        per: None,
        group_by: None,
        queries: Queries::Series {
            query: "q".to_owned(),
            combine: Combine::Mean,
            gaps: GapPolicy::Drop,
        },
        alpha: probability(alpha),
        kayenta: None,
        lag: haldane::time::Span::ZERO,
        judge: None,
    }
}

/// A required events metric.
pub(crate) fn events_metric(name: &str, limit: MinEffect, alpha: f64) -> MetricPlan {
    MetricPlan {
        queries: Queries::Events {
            bad: "b".to_owned(),
            total: "t".to_owned(),
        },
        unit: String::new(),
        ..series_metric(name, limit, alpha)
    }
}

pub(crate) fn objective(target: f64, burn: f64, alpha: f64) -> ObjectivePlan {
    let rung = Rung {
        burn: BurnRate::new(burn).unwrap(),
        long: Span::from_s(3600),
        short: Span::from_s(300),
        action: RungAction::Rollback,
    };
    ObjectivePlan {
        name: ObjectiveName::new("availability").unwrap(),
        metric_idx: 0,
        objective: Objective::new(
            probability(target),
            Span::from_s(30 * 86_400),
            vec![rung],
            2,
        )
        .unwrap(),
        alpha: probability(alpha),
    }
}

pub(crate) fn traffic(declared: f64) -> TrafficPlan {
    TrafficPlan {
        metric_idx: 0,
        declared: probability(declared),
        tolerance_factor: 2.0,
    }
}

fn window(data: MetricData) -> MetricWindow {
    MetricWindow {
        data,
        baseline_series: 1,
        canary_series: 1,
        stray_series: 0,
        notes: Vec::new(),
        unusable: None,
    }
}

/// A series metric's window.
pub(crate) fn series(baseline: &[Option<f64>], canary: &[Option<f64>]) -> MetricWindow {
    let of = |values: &[Option<f64>]| {
        let grid = Grid {
            start: START,
            step: Step::new(STEP).unwrap(),
            len: values.len(),
        };
        Series::new(grid, values.to_vec())
    };
    window(MetricData::Series {
        baseline: of(baseline),
        canary: of(canary),
    })
}

/// An events metric's window from (bad, total) per interval.
pub(crate) fn events(baseline: &[(f64, f64)], canary: &[(f64, f64)]) -> MetricWindow {
    let counts = |&(bad, total): &(f64, f64)| Counts { bad, total };
    let intervals = (1_i64..)
        .zip(baseline.iter().zip(canary))
        .map(|(k, (b, c))| EventInterval {
            at: START.plus(STEP.times(k)),
            baseline: Some(counts(b)),
            canary: Some(counts(c)),
        })
        .collect();
    window(MetricData::Events { intervals })
}

/// Windows that have read `points` steps.
pub(crate) fn windows(plan: &Plan, metrics: Vec<MetricWindow>, points: i64) -> Windows {
    let mut windows = Windows::new(plan);
    windows.metrics = metrics;
    windows.covered_to = START.plus(STEP.times(points));
    windows
}

/// splitmix64 (Steele, Lea and Flood 2014): the tests' own noise, the same on every machine.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Box and Muller's normal deviate.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// A Poisson deviate by counting exponential gaps; for means below some hundred.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        let mut left = mean;
        let mut count = 0.0;
        loop {
            left += libm::log(self.uniform());
            if left < 0.0 {
                return count;
            }
            count += 1.0;
        }
    }

    /// Bad events among `n` that are bad with probability `ratio` each: event by event where the
    /// ratio is too large for Poisson's law.
    pub(crate) fn bad_of(&mut self, n: f64, ratio: f64) -> f64 {
        if ratio < 0.02 {
            return self.poisson(ratio * n).min(n);
        }
        let mut bad = 0.0;
        let mut left = n;
        while left > 0.0 {
            bad += f64::from(u8::from(self.uniform() < ratio));
            left -= 1.0;
        }
        bad
    }

    /// A stationary AR(1) of variance 1.
    pub(crate) fn ar1(&mut self, rho: f64, n: usize) -> Vec<f64> {
        let mut last = self.normal();
        let scale = libm::sqrt(1.0 - rho * rho);
        (0..n)
            .map(|_| {
                let value = last;
                last = rho * last + scale * self.normal();
                value
            })
            .collect()
    }
}
