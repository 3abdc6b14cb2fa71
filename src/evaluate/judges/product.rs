//! The product's own judges: a plan bound as the daemon binds it, windows that absorb look after
//! look, [`judge_again`] and the verdict table. Nothing is simulated of the judge itself.

use crate::engine::guard::guarded;
use crate::engine::verdict::{Situation, Source, Verdict, decide};
use crate::evaluate::judges::Ready;
use crate::evaluate::looks::numbered;
use crate::evaluate::trial::{
    Arms, Drawn, LookAt, Measured, MetricKind, MetricSetting, Path, Said, Setting, Trial,
};
use crate::judge::judge_again;
use crate::judge::sequential::{Detail, Memory, Tables};
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
        && parse(&document(PROBE, word, 0.05, PROBE_METRIC))
            .0
            .is_some()
}

/// Whether the template language knows a history.
fn knows_history() -> bool {
    let schedule = format!("{PROBE}\n  history: {{ lookback: 1h }}");
    let document = document(&schedule, METHOD_USUAL, 0.05, PROBE_METRIC);
    parse(&document).0.is_some()
}

/// A schedule, a metric and a method that every version of the language accepts.
const PROBE: &str = "{ step: 15s, deadline: 1h }";
const PROBE_METRIC: &str = "    - name: m\n      harm: increase\n      \
                            min_effect: { relative: 5% }\n      \
                            series: { query: 'm{${selector}}' }\n";
const METHOD_USUAL: &str = "mann-whitney";

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
    history: usize,
    offset: bool,
    looks: Vec<(LookAt, u32)>,
    /// Shared by all trials.
    tables: Tables,
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
            history: setting.history,
            offset: setting.offset,
            looks: setting.looks.iter().copied().zip(numbers).collect(),
            tables: Tables::default(),
        })
    }

    /// The answers of one look: grid points `after .. to` of every metric; the first look reaches
    /// back over the history.
    fn batch(&self, trial: &Trial, after: usize, to: usize) -> Batch {
        let back = if after == 0 { self.history } else { 0 };
        let mut answers = Vec::new();
        for (metric_idx, metric) in trial.metrics.iter().enumerate() {
            let slot = |part| Slot { metric_idx, part };
            let range = (after, to);
            let history = metric.history.as_ref().filter(|_| back > 0);
            match (&metric.live, history) {
                (Measured::Series(live), past) => {
                    let past = match past {
                        Some(Measured::Series(past)) => Some(past),
                        _ => None,
                    };
                    let series = self.both(live, past, |l, p| self.values(l, p, range));
                    answers.push((slot(Part::Grid), answer(series)));
                }
                (Measured::Events(live), past) => {
                    let past = match past {
                        Some(Measured::Events(past)) => Some(past),
                        _ => None,
                    };
                    let counter = |of: fn(&Counts) -> f64| {
                        self.both(live, past, |live, past| self.counter(live, past, range, of))
                    };
                    answers.push((slot(Part::Bad), answer(counter(|counts| counts.bad))));
                    answers.push((slot(Part::Total), answer(counter(|counts| counts.total))));
                }
            }
        }
        // Counters need their last value from before what is counted.
        let events = |drawn: &Drawn| matches!(drawn.live, Measured::Events(_));
        let anchor = usize::from(after == 0 && trial.metrics.iter().any(events));
        Batch {
            from: self.at(after, back + anchor),
            to: self.at(to, 0),
            answers,
        }
    }

    /// One series per arm; the canary has a past only where the plan asks for it.
    fn both<T>(
        &self,
        live: &Arms<Vec<T>>,
        past: Option<&Arms<Vec<T>>>,
        samples: impl Fn(&[T], &[T]) -> Vec<Sample>,
    ) -> [RawSeries; 2] {
        let baseline = past.map_or(&[][..], |past| past.baseline.as_slice());
        let canary = past.filter(|_| self.offset);
        let canary = canary.map_or(&[][..], |past| past.canary.as_slice());
        [
            one("baseline", samples(&live.baseline, baseline)),
            one("canary", samples(&live.canary, canary)),
        ]
    }

    /// The instant of grid point `idx`, counted from the start, `back` steps earlier.
    fn at(&self, idx: usize, back: usize) -> Timestamp {
        let step = self.plan.timing.step.span();
        let times = |steps: usize| step.times(i64::try_from(steps).unwrap_or(i64::MAX));
        self.plan.timing.start.plus(times(idx)).minus(times(back))
    }

    /// Samples of one arm: the history up to one step before the start, then grid points
    /// `after + 1 ..= to` from it.
    fn values(
        &self,
        live: &[Option<f64>],
        history: &[Option<f64>],
        (after, to): (usize, usize),
    ) -> Vec<Sample> {
        let early = history.iter().enumerate();
        let early = early.map(|(idx, value)| (self.at(idx, history.len()), *value));
        let late = live.iter().enumerate().take(to).skip(after);
        let late = late.map(|(idx, value)| (self.at(idx + 1, 0), *value));
        let sample =
            |(at, value): (Timestamp, Option<f64>)| value.map(|value| Sample { at, value });
        early.chain(late).filter_map(sample).collect()
    }

    /// One arm's counter as it stands at the grid points of a look, its first value included.
    fn counter(
        &self,
        live: &[Option<Counts>],
        history: &[Option<Counts>],
        (after, to): (usize, usize),
        of: fn(&Counts) -> f64,
    ) -> Vec<Sample> {
        let mut sum = 0.0;
        let mut out = Vec::with_capacity(history.len() + to - after + 1);
        if after == 0 {
            let at = self.at(0, history.len());
            out.push(Sample { at, value: sum });
        }
        for (idx, counts) in history.iter().enumerate() {
            let Some(counts) = counts else { continue };
            sum += of(counts);
            let at = self.at(idx + 1, history.len());
            out.push(Sample { at, value: sum });
        }
        for (idx, counts) in live.iter().enumerate().take(to) {
            let Some(counts) = counts else { continue };
            sum += of(counts);
            if idx >= after {
                let at = self.at(idx + 1, 0);
                out.push(Sample { at, value: sum });
            }
        }
        out
    }
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
        let mut memory = Memory::sharing(Detail::Decision, &self.tables);
        let mut after = 0;
        let looks: Vec<LookAt> = self.looks.iter().map(|(look, _)| *look).collect();
        Path::of(&looks, |idx, look| {
            windows.absorb(&self.plan, &self.batch(trial, after, look.grid));
            after = look.grid;
            let number = self.looks.get(idx).map_or(1, |(_, number)| *number);
            let judgement = guarded(|| judge_again(&self.plan, &windows, number, &mut memory))
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
    let schedule = match setting.history {
        0 => schedule,
        _ if !knows_history() => {
            return Err("this version has no history; leave it out".to_owned());
        }
        history => {
            let (lookback, offset) = (times(history), setting.offset);
            format!("{schedule}\n  history: {{ lookback: {lookback}, offset: {offset} }}")
        }
    };
    let mut metrics = String::new();
    for (idx, metric) in setting.metrics.iter().enumerate() {
        let (harm, limit) = (metric.harm.word(), effect(metric.min_effect));
        let (least, measure) = (MIN_SAMPLES.min(setting.points.max(3)), measure(idx, metric));
        // Writing to a string cannot fail.
        let _ = writeln!(
            metrics,
            "    - name: m{idx}\n      harm: {harm}\n      min_effect: {limit}\n      \
             min_samples: {least}\n      {measure}"
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
