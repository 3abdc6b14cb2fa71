//! The product's own judges: a plan bound as the daemon binds it, windows that absorb look after
//! look, [`judge()`] and the verdict table. Nothing is simulated of the judge itself.

use crate::engine::guard::guarded;
use crate::engine::verdict::{Situation, Source, Verdict, decide};
use crate::evaluate::judges::Ready;
use crate::evaluate::looks::numbered;
use crate::evaluate::trial::{
    Arms, LookAt, Measured, MetricKind, MetricSetting, Path, Said, Setting, Trial,
};
use crate::judge::judge;
use crate::judge::windows::{Batch, Counts, Windows};
use crate::plan::bind::bind;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::plan::{Part, Plan, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::template::Template;
use crate::template::parse::{DEADLINE_MAX, parse};
use crate::time::{Span, Step, Timestamp};
use crate::units::MinEffect;
use std::fmt::Write as _;

/// The label that tells the arms apart.
const ARM_LABEL: &str = "arm";

/// When every rollout starts; on the grid of any step once bound.
const START: Timestamp = Timestamp::from_s(1_800_000_000);

/// The least samples per arm: the fewest with which an exact one-sided rank test can fall below
/// 1 %, 1 / C(10, 5), and the least the sequential judge decides on.
const MIN_SAMPLES: usize = 5;

/// Whether the template language knows this method.
pub(super) fn exists(word: &str) -> bool {
    let legal = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.is_empty();
    legal
        && {
            let metric = "    - name: m\n      harm: increase\n      min_effect: { relative: 5% }\n      \
                      series: { query: 'm{${selector}}' }\n";
            let schedule = "{ step: 15s, deadline: 1h }";
            parse(&document(schedule, word, 0.05, metric)).0.is_some()
        }
}

fn document(schedule: &str, method: &str, alpha: f64, metrics: &str) -> String {
    format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: evaluate }}\nspec:\n  \
         schedule: {schedule}\n  judge: {{ method: {method}, false_rollback: {alpha} }}\n  \
         metrics:\n{metrics}"
    )
}

/// A plan, and the numbers of its looks.
pub(super) struct Product {
    plan: Plan,
    looks: Vec<(LookAt, u32)>,
}

impl Product {
    /// Binds the plan of a setting; `alpha` instead of the setting's when it is given.
    pub(super) fn new(method: &str, setting: &Setting, alpha: Option<f64>) -> Result<Self, String> {
        let (every, numbers) = numbered(&setting.looks);
        let template = template(method, setting, every, alpha.unwrap_or(setting.alpha))?;
        let arm = |name: &str| {
            Matcher::equals(ARM_LABEL, name)
                .and_then(|matcher| Scope::new(vec![matcher]))
                .expect("`arm` is a legal label")
        };
        let rollout = Rollout {
            deploy: Deploy {
                service: "evaluate".to_owned(),
                ..Deploy::default()
            },
            inputs: std::collections::BTreeMap::default(),
            baseline: arm("baseline"),
            canary: arm("canary"),
            start: START,
            duration: None,
        };
        let plan = bind(&template, &rollout).map_err(|found| said(&found))?;
        Ok(Self {
            plan,
            looks: setting.looks.iter().copied().zip(numbers).collect(),
        })
    }

    /// The answers of one look: grid points `after .. to` of every metric.
    fn batch(&self, trial: &Trial, after: usize, to: usize) -> Batch {
        let at = |idx: usize| {
            let steps = i64::try_from(idx).unwrap_or(i64::MAX);
            self.plan
                .timing
                .start
                .plus(self.plan.timing.step.span().times(steps))
        };
        let mut answers = Vec::new();
        for (metric_idx, metric) in trial.metrics.iter().enumerate() {
            let slot = |part| Slot { metric_idx, part };
            match &metric.live {
                Measured::Series(arms) => {
                    let series = [("baseline", &arms.baseline), ("canary", &arms.canary)];
                    let series = series.map(|(arm, values)| {
                        let values = values.iter().enumerate().take(to).skip(after);
                        let samples = values.filter_map(|(idx, value)| {
                            value.map(|value| Sample {
                                at: at(idx + 1),
                                value,
                            })
                        });
                        one(arm, samples.collect())
                    });
                    answers.push((slot(Part::Grid), answer(series)));
                }
                Measured::Events(arms) => {
                    let bad = counters(arms, after, to, |counts| counts.bad);
                    let total = counters(arms, after, to, |counts| counts.total);
                    for (part, sums) in [(Part::Bad, bad), (Part::Total, total)] {
                        let series = sums.map(|(arm, sums)| {
                            let sample = |(idx, value): (usize, f64)| Sample { at: at(idx), value };
                            one(arm, sums.into_iter().map(sample).collect())
                        });
                        answers.push((slot(part), answer(series)));
                    }
                }
            }
        }
        // Counters need their last value from before the start.
        let events = trial
            .metrics
            .iter()
            .any(|metric| matches!(metric.live, Measured::Events(_)));
        let from = at(after);
        Batch {
            from: if after == 0 && events {
                from.minus(self.plan.timing.step.span())
            } else {
                from
            },
            to: at(to),
            answers,
        }
    }
}

/// Counters as they stand at grid points `after ..= to`, the start included where it is new.
fn counters(
    arms: &Arms<Vec<Option<Counts>>>,
    after: usize,
    to: usize,
    of: impl Fn(&Counts) -> f64,
) -> [(&'static str, Vec<(usize, f64)>); 2] {
    [("baseline", &arms.baseline), ("canary", &arms.canary)].map(|(arm, intervals)| {
        let mut sum = 0.0;
        let mut out = Vec::with_capacity(to - after + 1);
        if after == 0 {
            out.push((0, 0.0));
        }
        for (idx, interval) in intervals.iter().enumerate().take(to) {
            let Some(counts) = interval else { continue };
            sum += of(counts);
            if idx >= after {
                out.push((idx + 1, sum));
            }
        }
        (arm, out)
    })
}

fn one(arm: &str, samples: Vec<Sample>) -> RawSeries {
    let labels: Labels = [(ARM_LABEL.to_owned(), arm.to_owned())].into();
    RawSeries { labels, samples }
}

fn answer(series: [RawSeries; 2]) -> Answer {
    // An arm without a sample is an arm the source knows nothing of.
    let heard = |one: &RawSeries| !one.samples.is_empty();
    Answer {
        series: series.into_iter().filter(heard).collect(),
        ..Answer::default()
    }
}

impl Ready for Product {
    fn path(&self, trial: &Trial) -> Result<Path, String> {
        let mut windows = Windows::new(&self.plan);
        let mut after = 0;
        let looks: Vec<LookAt> = self.looks.iter().map(|(look, _)| *look).collect();
        Path::of(&looks, |idx, look| {
            windows.absorb(&self.plan, &self.batch(trial, after, look.grid));
            after = look.grid;
            let number = self.looks.get(idx).map_or(1, |(_, number)| *number);
            let judgement = guarded(|| judge(&self.plan, &windows, number))
                .map_err(|why| format!("the judge failed: {why}"))?;
            let decision = decide(&Situation::of(
                &self.plan,
                Some(&judgement),
                Source::Answering,
            ));
            Ok(match decision.verdict {
                None => Said::Continue,
                Some(Verdict::Promote) => Said::Promote,
                Some(Verdict::Rollback) => Said::Rollback,
                Some(Verdict::Inconclusive) => Said::Inconclusive,
            })
        })
    }
}

/// The template of a setting, written and read as a person's is.
fn template(method: &str, setting: &Setting, every: usize, alpha: f64) -> Result<Template, String> {
    let step = legal_step(setting.step, setting.points).span();
    let times = |points: usize| step.times(i64::try_from(points).unwrap_or(i64::MAX));
    let schedule = format!(
        "{{ step: {step}, look_every: {}, deadline: {}, bake: {}, lag: 0s }}",
        times(every),
        times(setting.points),
        times(setting.bake.min(setting.points))
    );
    let mut metrics = String::new();
    for (idx, metric) in setting.metrics.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            metrics,
            "    - name: m{idx}\n      harm: {}\n      min_effect: {}\n      min_samples: {}\n      {}",
            metric.harm.word(),
            effect(metric.min_effect),
            MIN_SAMPLES.min(setting.points.max(3)),
            measure(idx, metric)
        );
    }
    let (template, found) = parse(&document(&schedule, method, alpha, &metrics));
    template.ok_or_else(|| said(&found))
}

fn effect(limit: MinEffect) -> String {
    match limit {
        MinEffect::Relative(share) => format!("{{ relative: {share} }}"),
        MinEffect::Absolute(value) => format!("{{ absolute: {value} }}"),
    }
}

fn measure(idx: usize, metric: &MetricSetting) -> String {
    match metric.kind {
        MetricKind::Series { window: None } => {
            format!("series: {{ query: 'm{idx}{{${{selector}}}}' }}")
        }
        MetricKind::Series {
            window: Some(window),
        } => format!("series: {{ query: 'rate(m{idx}{{${{selector}}}}[{window}])' }}"),
        MetricKind::Events => format!(
            "events: {{ bad: 'm{idx}_bad{{${{selector}}}}', total: 'm{idx}_all{{${{selector}}}}' }}"
        ),
    }
}

/// A step that a template may have: at least a second, and no deadline beyond the longest. Samples
/// further apart than that are taken as the longest the language allows; all judges' memory of
/// noise is counted in steps there.
fn legal_step(step: Step, points: usize) -> Step {
    let points = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
    let longest = Span::from_s(DEADLINE_MAX.ms() / 1000 / points);
    let span = step.span().min(longest).max(Span::from_s(1));
    Step::new(span).unwrap_or(step)
}

fn said(found: &[crate::diagnostic::Diagnostic]) -> String {
    let lines: Vec<String> = found
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(ToString::to_string)
        .collect();
    lines.join("; ")
}
