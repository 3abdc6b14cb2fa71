//! What answers of a server tell of a template: one function per rule, each with its code
//! (C070 to C083 of `docs/diagnostics.md`).

use crate::diagnostic::{Diagnostic, Place};
use crate::judge::judgement::{Judgement, Label};
use crate::plan::{MetricPlan, Part, Plan, Queries, Slot};
use crate::series::raw::{Answer, RawSeries};
use crate::template::group_by::VALUES_MAX;
use crate::template::{Role, Template, field_place};
use crate::time::Span;
use crate::units::{Harm, MinEffect, trim_number};
use std::collections::BTreeSet;

/// More series in one arm are a warning (C075): Haldane makes one value of them at each point, and
/// a query that returns hundreds is one that forgot to aggregate.
const SERIES_USUAL: usize = 100;

/// Values of a series that must not fall before it is taken for a counter (C073): a level that
/// wanders has risen so often in a row with a probability of 2⁻²⁰.
const RISES: usize = 20;

/// Bounds that are named when a threshold is none of them.
const BOUNDS_SHOWN: usize = 12;

/// An answer and what it was asked for.
pub(super) struct Asked<'a> {
    pub(super) template: &'a Template,
    pub(super) plan: &'a Plan,
    pub(super) slot: Slot,
    pub(super) answer: &'a Answer,
    pub(super) text: Text<'a>,
    /// Whether it was asked about another time than the last.
    pub(super) past: bool,
}

/// A template's text, and the type of change it is read for.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) change: Option<&'a str>,
}

/// C070: the server does not accept the query.
pub(super) fn refused(slot: Slot, message: &str, text: Text<'_>) -> Diagnostic {
    Diagnostic::error("C070", format!("the server refuses the query: {message}"))
        .at(query_place(slot, text))
        .help("try it in the server's own query page")
}

/// Where the query stands in the text.
fn query_place(slot: Slot, text: Text<'_>) -> Option<Place> {
    let (measure, field) = match slot.part {
        Part::Grid => ("series", "query"),
        Part::Bad => ("events", "bad"),
        Part::Total => ("events", "total"),
        Part::Buckets => ("distribution", "buckets"),
    };
    metric_place(slot.metric_idx, text, &[measure, field])
}

fn metric_place(metric_idx: usize, text: Text<'_>, field: &[&str]) -> Option<Place> {
    let idx = metric_idx.to_string();
    let path: Vec<&str> = ["spec", "metrics", &idx]
        .into_iter()
        .chain(field.iter().copied())
        .collect();
    field_place(text.text, text.change, &path)
}

impl Asked<'_> {
    /// Everything that is wrong with the answer.
    pub(super) fn wrong(&self) -> Vec<Diagnostic> {
        let (baseline, canary) = (self.arm("baseline"), self.arm("canary"));
        let mut found = Vec::from_iter(self.overlapping(&baseline, &canary));
        for (arm, series) in [("baseline", &baseline), ("canary", &canary)] {
            found.extend(self.missing(arm, series));
            if !series.is_empty() {
                found.extend(self.many(arm, series));
                found.extend(self.not_numbers(arm, series));
                found.extend(self.sparse(arm, series));
                found.extend(self.few_events(arm, series));
            }
        }
        found.extend(self.values(&baseline, &canary));
        found.extend(self.counter(&baseline));
        found.extend(self.no_bound());
        found
    }

    fn metric(&self) -> &MetricPlan {
        &self.plan.metrics[self.slot.metric_idx]
    }

    fn arm(&self, arm: &str) -> Vec<&RawSeries> {
        let belongs = |series: &&RawSeries| {
            let (baseline, canary) = self.plan.arms_of(&series.labels);
            if arm == "baseline" { baseline } else { canary }
        };
        self.answer.series.iter().filter(belongs).collect()
    }

    /// The time that was asked about, in words.
    fn window(&self, arm: &str) -> String {
        let length = self.template.schedule.deadline;
        let timing = &self.plan.timing;
        let back = if arm == "baseline" {
            self.plan.back()
        } else {
            Span::ZERO
        };
        let lately = back == Span::ZERO && !self.past;
        if lately && self.template.metrics.iter().all(|m| m.lag.is_none()) {
            return format!("the last {length}");
        }
        format!("the {length} up to {}", timing.deadline.minus(back))
    }

    fn place(&self) -> Option<Place> {
        query_place(self.slot, self.text)
    }

    fn warn(&self, code: &'static str, message: String, help: &str) -> Diagnostic {
        Diagnostic::warning(code, message)
            .at(self.place())
            .help(help)
    }

    /// C071: nothing is there.
    fn missing(&self, arm: &str, series: &[&RawSeries]) -> Option<Diagnostic> {
        // No error has happened yet: that is no fault, and reads as zero.
        let may_be_none = self.slot.part == Part::Bad;
        let histograms = self.slot.part == Part::Buckets && !self.answer.histograms.is_empty();
        if !series.is_empty() || may_be_none || histograms {
            return None;
        }
        let message = format!(
            "metric `{}` has no series for the {arm} in {}",
            self.metric().name,
            self.window(arm)
        );
        let help = if self.answer.series.is_empty() {
            "check the metric's name and labels; in both arms nothing matches"
        } else {
            "check the matchers of that arm, and that the query keeps the labels they need"
        };
        Some(self.warn("C071", message, help))
    }

    /// C072: a series that both arms select.
    fn overlapping(&self, baseline: &[&RawSeries], canary: &[&RawSeries]) -> Option<Diagnostic> {
        let both = |series: &&&RawSeries| canary.iter().any(|other| other.labels == series.labels);
        let shared = baseline.iter().find(both)?;
        let labels: Vec<String> = shared
            .labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let message = format!(
            "metric `{}`: both arms select {{{}}}",
            self.metric().name,
            labels.join(",")
        );
        let help = "make the matchers of the arms exclude each other: a canary compared with \
                    itself is always healthy";
        Some(self.warn("C072", message, help))
    }

    /// C082, C083: the label of `group_by` is missing, or has more values than are judged.
    fn values(&self, baseline: &[&RawSeries], canary: &[&RawSeries]) -> Option<Diagnostic> {
        let group_by = self.metric().group_by.as_ref()?;
        // The totals have every value; bad events may not have happened everywhere yet.
        if self.slot.part == Part::Bad {
            return None;
        }
        let (label, name) = (&group_by.label, &self.metric().name);
        let place = metric_place(self.slot.metric_idx, self.text, &["group_by", "label"])
            .or_else(|| metric_place(self.slot.metric_idx, self.text, &["group_by"]));
        let natives = self.answer.histograms.iter();
        let scopes = [&self.plan.rollout.baseline, &self.plan.rollout.canary];
        let mut values: BTreeSet<&str> = BTreeSet::new();
        for (arm, series, scope) in [
            ("baseline", baseline, scopes[0]),
            ("canary", canary, scopes[1]),
        ] {
            let native = natives.clone().filter(|one| scope.matches(&one.labels));
            let labels: Vec<_> = series
                .iter()
                .map(|one| &one.labels)
                .chain(native.map(|one| &one.labels))
                .collect();
            let held: BTreeSet<&str> = labels
                .iter()
                .filter_map(|labels| labels.get(label).map(String::as_str))
                .filter(|value| !value.is_empty())
                .collect();
            if held.is_empty() && !labels.is_empty() {
                let message = format!(
                    "metric `{name}`: no series of the {arm} has the label `{label}` of `group_by`"
                );
                let help = "keep the label in the query, or name one that the series have";
                return Some(Diagnostic::warning("C082", message).at(place).help(help));
            }
            values.extend(held);
        }
        if values.len() <= group_by.max {
            return None;
        }
        let message = format!(
            "metric `{name}`: `{label}` has {} values, {} are judged on their own",
            values.len(),
            group_by.max
        );
        let wanted = values.len().next_multiple_of(5);
        let help = if wanted <= VALUES_MAX {
            format!(
                "write `group_by: {{ label: {label}, max: {wanted} }}`, or select fewer; the rest \
                 is judged in the whole only"
            )
        } else {
            format!(
                "at most {VALUES_MAX} can be: let the query leave out or join what users do not \
                 feel; the rest is judged in the whole only"
            )
        };
        Some(Diagnostic::warning("C083", message).at(place).help(help))
    }

    /// C073: values that only rise, and no range in the query.
    fn counter(&self, series: &[&RawSeries]) -> Option<Diagnostic> {
        let Queries::Series { query, .. } = &self.metric().queries else {
            return None;
        };
        let rises = |series: &&RawSeries| {
            let pairs = series.samples.windows(2);
            let rising = pairs.clone().filter(|two| two[1].value > two[0].value);
            rising.count() >= RISES && pairs.clone().all(|two| two[1].value >= two[0].value)
        };
        if query.contains('[') || series.is_empty() || !series.iter().all(rises) {
            return None;
        }
        let message = format!(
            "metric `{}` only ever rises, like a counter",
            self.metric().name
        );
        let step = self.plan.timing.step;
        let help = format!("compare its rate: `rate(…[{step}])`");
        Some(self.warn("C073", message, &help))
    }

    /// C074: a threshold between two bounds counts nothing.
    fn no_bound(&self) -> Option<Diagnostic> {
        let Queries::Distribution {
            threshold: Some(threshold),
            ..
        } = self.metric().queries
        else {
            return None;
        };
        let bounds: BTreeSet<&str> = self
            .answer
            .series
            .iter()
            .filter_map(|series| series.labels.get("le").map(String::as_str))
            .collect();
        let mut bounds: Vec<f64> = bounds.iter().filter_map(|le| le.parse().ok()).collect();
        bounds.sort_by(f64::total_cmp);
        let is_bound = bounds
            .iter()
            .any(|bound| bound.total_cmp(&threshold).is_eq());
        if bounds.is_empty() || is_bound {
            return None;
        }
        // Those nearest to the threshold, in order.
        let at = bounds.partition_point(|bound| *bound < threshold);
        let first = at.saturating_sub(BOUNDS_SHOWN / 2);
        let shown: Vec<String> = bounds
            .iter()
            .skip(first)
            .take(BOUNDS_SHOWN)
            .map(|bound| trim_number(*bound))
            .collect();
        let message = format!(
            "metric `{}`: no bucket ends at the threshold of {}",
            self.metric().name,
            trim_number(threshold)
        );
        let place = metric_place(
            self.slot.metric_idx,
            self.text,
            &["distribution", "threshold"],
        );
        let help = format!("use one of the bounds there are: {}", shown.join(", "));
        Some(Diagnostic::warning("C074", message).at(place).help(help))
    }

    /// C075: more series than one value needs.
    fn many(&self, arm: &str, series: &[&RawSeries]) -> Option<Diagnostic> {
        if self.slot.part != Part::Grid || series.len() <= SERIES_USUAL {
            return None;
        }
        let message = format!(
            "metric `{}` returns {} series for the {arm}, of which one value is made",
            self.metric().name,
            series.len()
        );
        let help = "aggregate in the query: `sum by (${arm_labels}) (…)`; the server does it \
                    faster, and less is sent";
        Some(self.warn("C075", message, help))
    }

    /// C076: a division by zero, mostly.
    fn not_numbers(&self, arm: &str, series: &[&RawSeries]) -> Option<Diagnostic> {
        let samples = || series.iter().flat_map(|series| &series.samples);
        let (all, bad) = (
            samples().count(),
            samples().filter(|sample| !sample.value.is_finite()).count(),
        );
        if self.slot.part != Part::Grid || bad == 0 {
            return None;
        }
        let message = format!(
            "metric `{}`: {bad} of {all} values of the {arm} are NaN or infinite",
            self.metric().name
        );
        let help = "a quotient with nothing below the line has no value: judge it as `events` \
                    with `bad` and `total`";
        Some(self.warn("C076", message, help))
    }

    /// C077: fewer points than the template asks for.
    fn sparse(&self, arm: &str, series: &[&RawSeries]) -> Option<Diagnostic> {
        if self.slot.part != Part::Grid {
            return None;
        }
        let timing = &self.plan.timing;
        let step = timing.step.span().ms().max(1);
        let of = usize::try_from(timing.deadline.since(timing.start).ms() / step).unwrap_or(0);
        let samples = series.iter().flat_map(|series| &series.samples);
        let points: BTreeSet<_> = samples
            .filter(|s| s.value.is_finite() && s.at > timing.start && s.at <= timing.deadline)
            .map(|sample| sample.at)
            .collect();
        let needed = self.metric().evidence.coverage.get();
        if of == 0 || points.len() as f64 >= needed * of as f64 {
            return None;
        }
        let message = format!(
            "metric `{}`: the {arm} has a value at {} of {of} grid points, `min_coverage` asks \
             for {}",
            self.metric().name,
            points.len(),
            self.metric().evidence.coverage
        );
        let help = "a longer `step`, or a metric that is always there; `gaps: zero` if absence \
                    means zero";
        Some(self.warn("C077", message, help))
    }

    /// C078: not enough happens before the deadline.
    fn few_events(&self, arm: &str, series: &[&RawSeries]) -> Option<Diagnostic> {
        if self.slot.part != Part::Total {
            return None;
        }
        let rise = |series: &&RawSeries| -> f64 {
            let pairs = series.samples.windows(2);
            pairs
                .map(|two| {
                    let more = two[1].value - two[0].value;
                    // After a reset the counter's value is what has come since.
                    if more < 0.0 { two[1].value } else { more }
                })
                .sum()
        };
        let events: f64 = series.iter().map(rise).sum();
        let needed = self.metric().evidence.events;
        if events >= needed as f64 {
            return None;
        }
        let message = format!(
            "metric `{}`: the {arm} had {} events in {}, `min_events` asks for {needed}",
            self.metric().name,
            trim_number(events.round()),
            self.window(arm)
        );
        let help = "a longer `deadline`, more traffic for that arm, or a smaller `min_events`";
        Some(self.warn("C078", message, help))
    }
}

/// C079: with the noise there is, the deadline comes before the minimum effect can be told from
/// nothing: half of the interval of the last `deadline` is wider than the limit.
pub(super) fn too_weak(
    template: &Template,
    plan: &Plan,
    judgement: &Judgement,
    text: Text<'_>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (idx, (metric, finding)) in plan.metrics.iter().zip(&judgement.findings).enumerate() {
        if metric.role == Role::Info || finding.label != Label::Undecided {
            continue;
        }
        let Some(effect) = finding.effect else {
            continue;
        };
        let (interval, limit, unit) = match (metric.min_effect, effect.relative) {
            (MinEffect::Relative(limit), Some(relative)) => (relative, limit, "%"),
            (MinEffect::Absolute(limit), _) => (effect.absolute, limit, metric.unit.as_str()),
            (MinEffect::Relative(_), None) => continue,
        };
        // One-sided harm needs one side of the interval only.
        let half = match metric.harm {
            Harm::Increase => interval.high - interval.value,
            Harm::Decrease => interval.value - interval.low,
            Harm::Either => 0.5 * (interval.high - interval.low),
        };
        if half <= limit {
            continue;
        }
        let shown = |value: f64| match unit {
            "%" => format!("{} %", trim_number((value * 1000.0).round() / 10.0)),
            unit => format!("{} {unit}", trim_number(value)).trim().to_owned(),
        };
        let deadline = template.schedule.deadline;
        let width = if half.is_finite() {
            format!("to ±{}", shown(half))
        } else {
            "to nothing".to_owned()
        };
        let message = format!(
            "metric `{}` is known {width} after {deadline} of such noise, not to its minimum \
             effect of {}",
            metric.name,
            shown(limit)
        );
        let place = metric_place(idx, text, &["min_effect"]);
        let help = "a larger `min_effect`, a longer `deadline`, a quieter query, or `role: info`";
        found.push(Diagnostic::warning("C079", message).at(place).help(help));
    }
    found
}
