//! The result tree of an execution: every metric with its classification and what its samples
//! look like, the scores of the groups, and the natural score. It is made from the records in the
//! log, once, when somebody first asks for a result; what decided stays the verdict.

use super::config::{KAYENTA, OWN, SEQUENTIAL};
use super::execution::Execution;
use super::said::{double, list, sparse, text, texts};
use crate::engine::record::{Fact, Record, Seq};
use crate::engine::view::View;
use crate::http::Ask;
use crate::http::office::Office;
use crate::ids::AnalysisId;
use crate::judge::explain::headline;
use crate::judge::judgement::{Finding, Interval, Label as Said};
use crate::judge::kayenta::classify::{self, Classification, Label, Rule};
use crate::judge::kayenta::describe::{self, summary};
use crate::judge::kayenta::find::{findings, settings};
use crate::judge::kayenta::shifted::Scratch;
use crate::judge::kayenta::transform;
use crate::judge::windows::{ArmValues, Counts, Windows};
use crate::plan::Plan;
use crate::template::{Method, Role};
use crate::units::Score;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is said of the judgement of an execution, but for the score a caller is told.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) judge: &'static str,
    pub(super) results: Vec<Value>,
    pub(super) groups: Vec<Value>,
    /// As the judge has it.
    pub(super) score: f64,
    /// Why, in the judge's words, when something else than the sum made it so.
    pub(super) reason: Option<String>,
}

/// The tree of an execution, and whether it is whole. Of an analysis that goes on, or whose records
/// cannot be read, it is made of the newest judgement alone: what is told of it is in memory and is
/// not withheld.
pub(super) async fn tree(office: &Office, execution: &Execution) -> (Tree, bool) {
    let view = execution.view.clone();
    let bare = || Tree::bare(&execution.view);
    if view.conclusion.is_none() {
        return (bare(), false);
    }
    let Some(records) = records(office, &view.id).await else {
        return (bare(), false);
    };
    let names = Names::of(&execution.sent, &view.plan);
    let work = move || Tree::of(&view, &names, &records);
    match tokio::task::spawn_blocking(work).await {
        Ok(tree) => (tree, true),
        Err(fault) => {
            tracing::error!(analysis = %execution.view.id, %fault, "a result could not be made");
            (bare(), false)
        }
    }
}

/// Every record of an analysis; `None` when the log cannot be read at present.
pub(super) async fn records(office: &Office, id: &AnalysisId) -> Option<Vec<(Seq, Record)>> {
    let asked = id.clone();
    let read = office.ask(|reply| Ask::Records { id: asked, reply }).await;
    read.ok()?.ok()
}

/// The samples that were judged.
pub(super) fn windows(plan: &Plan, records: &[(Seq, Record)]) -> Windows {
    let mut windows = Windows::new(plan);
    for (_, record) in records {
        if let Fact::Captured { batch, .. } = &record.fact {
            windows.absorb(plan, batch);
        }
    }
    windows
}

/// The values of a metric's arms on the grid: of counts, the ratio of bad events.
pub(super) fn values(plan: &Plan, windows: &Windows, idx: usize) -> ArmValues {
    if let Some((baseline, canary)) = windows.judged_series(plan, idx) {
        return (baseline.into_owned(), canary.into_owned());
    }
    let ratio = |counts: Option<Counts>| {
        let counts = counts.filter(|counts| counts.total > 0.0)?;
        Some(counts.bad / counts.total)
    };
    let intervals = windows.judged_events(plan, idx);
    let baseline = intervals.iter().map(|i| ratio(i.baseline)).collect();
    (
        baseline,
        intervals.iter().map(|i| ratio(i.canary)).collect(),
    )
}

/// What the caller calls metrics and groups: names of a config have other letters than ours.
pub(super) struct Names(Vec<(String, Vec<String>)>);

impl Names {
    pub(super) fn of(sent: &Value, plan: &Plan) -> Self {
        let config = sent.get("config").unwrap_or(&Value::Null);
        let written = list(config, "metrics");
        let metrics = plan.metrics.iter().enumerate();
        let named = metrics.map(|(idx, metric)| {
            // A config is taken over metric by metric, so the order is the same.
            let written = written
                .get(idx)
                .filter(|_| written.len() == plan.metrics.len());
            let name = written.and_then(|metric| text(metric, "name"));
            let groups = written.map(|metric| texts(metric, "groups"));
            (
                name.unwrap_or_else(|| metric.name.to_string()),
                groups.unwrap_or_else(|| vec![metric.group.to_string()]),
            )
        });
        Self(named.collect())
    }

    pub(super) fn metric(&self, idx: usize) -> &str {
        self.0.get(idx).map_or("", |(name, _)| name)
    }

    fn groups(&self, idx: usize) -> &[String] {
        self.0.get(idx).map_or(&[], |(_, groups)| groups)
    }

    /// What the caller calls a group of ours.
    fn group(&self, plan: &Plan, ours: &str) -> String {
        let mut metrics = plan.metrics.iter().enumerate();
        let found = metrics.find(|(_, metric)| metric.group.as_str() == ours);
        let theirs = found.and_then(|(idx, _)| self.groups(idx).first().cloned());
        theirs.unwrap_or_else(|| ours.to_owned())
    }
}

impl Tree {
    /// From the newest judgement alone.
    fn bare(view: &View) -> Self {
        let judgement = view.judgement.as_deref();
        Self {
            judge: judge_of(&view.plan),
            results: Vec::new(),
            groups: Vec::new(),
            score: judgement.and_then(|j| j.score).map_or(0.0, points),
            reason: None,
        }
    }

    fn of(view: &View, names: &Names, records: &[(Seq, Record)]) -> Self {
        let plan = &view.plan;
        let windows = windows(plan, records);
        let mut out = Self::bare(view);
        let faithful = match &plan.judge.method {
            Method::Kayenta(spec) => Some(findings(plan, spec, &windows).1),
            Method::Sequential | Method::MannWhitney => None,
        };
        let mut scratch = Scratch::default();
        let (mut members, mut fatal) = (Vec::new(), None);
        for idx in 0..plan.metrics.len() {
            let finding = view.judgement.as_ref().and_then(|j| j.findings.get(idx));
            let row = Row::of(plan, &windows, (idx, finding), names, &mut scratch);
            let metric = plan.metrics.get(idx);
            members.push(Member {
                label: row.label,
                groups: names.groups(idx).to_vec(),
                muted: metric.is_some_and(|metric| metric.role == Role::Info),
            });
            if row.critical && row.label != Label::Pass && fatal.is_none() {
                let why = row.reason.clone().unwrap_or_default();
                fatal = Some(format!("Canary Failed: {why}"));
            }
            out.results.push(row.document(view, names, idx, finding));
        }
        match faithful {
            Some(summary) => {
                out.score = summary.score;
                // In the caller's names.
                out.reason = summary.reason.map(|reason| fatal.unwrap_or(reason));
                let groups = summary.groups.into_iter();
                out.groups = groups
                    .map(|group| scored(&names.group(plan, &group.name), group.score))
                    .collect();
            }
            None => out.groups = groups(&members),
        }
        out
    }
}

fn points(score: Score) -> f64 {
    f64::from(score.get())
}

fn judge_of(plan: &Plan) -> &'static str {
    match plan.judge.method {
        Method::Kayenta(_) => KAYENTA,
        Method::Sequential => SEQUENTIAL,
        Method::MannWhitney => OWN,
    }
}

fn scored(name: &str, score: f64) -> Value {
    json!({ "name": name, "score": score, "classification": "", "classificationReason": "" })
}

/// A metric as the scores of groups see it: what it is called, the groups it is in, whether it
/// counts for nothing.
pub(super) struct Member {
    pub(super) label: Label,
    pub(super) groups: Vec<String>,
    pub(super) muted: bool,
}

/// The share of the metrics of each group that are not shown worse, of those that were decided. A
/// metric counts in each of its groups.
pub(super) fn groups(members: &[Member]) -> Vec<Value> {
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for member in members.iter().filter(|member| !member.muted) {
        let passed = match member.label {
            Label::Pass => 1.0,
            Label::High | Label::Low | Label::NodataFailMetric => 0.0,
            Label::Nodata | Label::Error => continue,
        };
        for group in &member.groups {
            let count = counts.entry(group).or_default();
            *count = (count.0 + passed, count.1 + 1.0);
        }
    }
    let score = |(group, (passed, all)): (&str, (f64, f64))| scored(group, 100.0 * passed / all);
    counts.into_iter().map(score).collect()
}

/// One metric.
struct Row {
    label: Label,
    reason: Option<String>,
    critical: bool,
    ratio: f64,
    baseline: describe::Summary,
    canary: describe::Summary,
}

impl Row {
    fn of(
        plan: &Plan,
        windows: &Windows,
        (idx, finding): (usize, Option<&Finding>),
        names: &Names,
        scratch: &mut Scratch,
    ) -> Self {
        let (baseline, canary) = values(plan, windows, idx);
        let metric = plan.metrics.get(idx);
        let asked = metric.map(settings);
        let side = |points: &[Option<f64>]| -> Vec<f64> {
            let all = points.iter().map(|v| v.unwrap_or(f64::NAN));
            let all: Vec<f64> = all.collect();
            match (&asked, &plan.judge.method) {
                (Some(settings), Method::Kayenta(_)) => transform::apply(&all, settings),
                _ => all.into_iter().filter(|v| !v.is_nan()).collect(),
            }
        };
        let (control, experiment) = (side(&baseline), side(&canary));
        let (baseline, canary) = (summary(&control), summary(&experiment));
        let plain = |label, reason| Self {
            label,
            reason,
            critical: false,
            ratio: canary.mean / baseline.mean,
            baseline,
            canary,
        };
        match (&plan.judge.method, asked) {
            (Method::Kayenta(_), Some(settings)) => {
                let pair = classify::Pair::new(&control, &experiment);
                let name = names.metric(idx);
                let said = classify::classify(name, pair, &settings, Rule::kayenta(), scratch);
                let Classification {
                    label,
                    reason,
                    critical,
                    ratio,
                    ..
                } = said;
                Self {
                    critical,
                    ratio: ratio.unwrap_or(f64::NAN),
                    ..plain(label, reason)
                }
            }
            _ => match finding {
                Some(finding) => Self {
                    critical: finding.role == Role::Critical && finding.label == Said::Worse,
                    ..plain(label(finding), Some(headline(finding)))
                },
                None => plain(Label::Nodata, Some("it was never judged".to_owned())),
            },
        }
    }

    fn document(&self, view: &View, names: &Names, idx: usize, finding: Option<&Finding>) -> Value {
        let metric = view.plan.metrics.get(idx);
        let ratio = match self.label {
            Label::Error => json!({}),
            _ => json!({ "ratio": double(self.ratio) }),
        };
        let mut metadata = ratio;
        if let (Some(finding), Some(fields)) = (finding, metadata.as_object_mut()) {
            fields.insert("haldane".to_owned(), evidence(finding));
        }
        sparse(json!({
            "name": names.metric(idx),
            "id": pair_id(&view.id, idx),
            "tags": {},
            "groups": names.groups(idx),
            "classification": self.label.word(),
            "classificationReason": self.reason,
            "experimentMetadata": { "stats": stats(&self.canary) },
            "controlMetadata": { "stats": stats(&self.baseline) },
            "resultMetadata": metadata,
            "critical": self.critical,
            "muted": metric.is_some_and(|metric| metric.role == Role::Info),
        }))
    }
}

/// The id of a pair of series, the same in the result and in the list of pairs.
pub(super) fn pair_id(id: &AnalysisId, idx: usize) -> String {
    format!("{id}-{idx}")
}

/// What a finding of ours is in Kayenta's words. It has no word for what is not decided; *Pass*
/// would be one too many.
pub(super) fn label(finding: &Finding) -> Label {
    match finding.label {
        Said::Within => Label::Pass,
        Said::Undecided | Said::NoData | Said::Lagging => Label::Nodata,
        Said::Worse => {
            let effect = finding.decisive().effect;
            if effect.is_some_and(|effect| effect.absolute.value < 0.0) {
                Label::Low
            } else {
                Label::High
            }
        }
    }
}

pub(super) fn stats(summary: &describe::Summary) -> Value {
    json!({
        "count": summary.count,
        "mean": double(summary.mean),
        "min": double(summary.min),
        "max": double(summary.max),
        "std": double(summary.std),
    })
}

/// JSON has no infinity: a bound that is none is null.
fn public(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// What Kayenta throws away: the effect with its interval, and which test decided.
pub(super) fn evidence(finding: &Finding) -> Value {
    let interval = |interval: Interval| {
        json!({ "estimate": public(interval.value), "low": public(interval.low),
            "high": public(interval.high) })
    };
    let effect = finding.effect;
    json!({
        "label": finding.label.word(),
        "test": finding.test,
        "effect": effect.map(|effect| interval(effect.absolute)),
        "relative": effect.and_then(|effect| effect.relative).map(interval),
        "nEff": [public(finding.baseline.n_eff), public(finding.canary.n_eff)],
        "notes": finding.notes,
    })
}
