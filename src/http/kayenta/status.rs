//! What is said of an execution: the statuses of Orca, instants in ISO form, and the result.

use super::execution::{Execution, is_cancelled};
use super::score::{class, told};
use super::tree::Tree;
use crate::dialect::Word;
use crate::engine::view::{Status, View};
use crate::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

/// An execution that has a result. A score of 0 is one, too.
pub(super) const SUCCEEDED: &str = "succeeded";

/// Whether nothing follows this status.
pub(super) fn is_complete(status: &str) -> bool {
    !matches!(status, "not_started" | "running")
}

/// The status of an execution in Orca's words.
pub(super) fn word(view: &View, word: Word) -> &'static str {
    if is_cancelled(view) {
        return "canceled";
    }
    match word {
        Word::Wait if view.status == Status::Waiting => "not_started",
        Word::Wait => "running",
        Word::Fault => "terminal",
        Word::Go | Word::Stop | Word::Doubt => SUCCEEDED,
    }
}

/// `CanaryExecutionStatusResponse`
pub(super) fn document(execution: &Execution, word: Word, tree: Option<&Tree>) -> Value {
    let Execution {
        sent,
        view,
        thresholds,
        ..
    } = execution;
    let said = self::word(view, word);
    let mut out: Map<String, Value> = sent.as_object().cloned().unwrap_or_default();
    out.retain(|_, value| !value.is_null());
    out.insert("pipelineId".to_owned(), json!(view.id.as_str()));
    out.insert("complete".to_owned(), json!(is_complete(said)));
    out.insert("status".to_owned(), json!(said));
    out.insert("stageStatus".to_owned(), stages(view, said));
    out.insert("metricSetPairListId".to_owned(), json!(view.id.as_str()));
    let began = view.submitted_at;
    at(&mut out, "build", began);
    if said != "not_started" {
        at(&mut out, "start", began);
    }
    if let Some(end) = &view.conclusion {
        at(&mut out, "end", end.at);
    }
    if said == "terminal" {
        let end = view.conclusion.as_ref();
        let sentence = end.map_or(view.sentence.as_str(), |end| end.sentence.as_str());
        let when = end.map_or(view.submitted_at, |end| end.at);
        let told = exception("AnalysisFault", sentence, when);
        out.insert("exception".to_owned(), told);
    }
    if let Some(tree) = tree {
        let score = told(word, tree.score, *thresholds);
        let result = json!({
            "canaryDuration": duration(view),
            "judgeResult": judge_result(view, tree, word, score),
        });
        out.insert("result".to_owned(), result);
    }
    Value::Object(out)
}

/// `CanaryJudgeResult`
pub(super) fn judge_result(view: &View, tree: &Tree, word: Word, score: f64) -> Value {
    let end = view.conclusion.as_ref();
    let sentence = end.map_or(view.sentence.as_str(), |end| end.sentence.as_str());
    let reason = match &tree.reason {
        Some(reason) => format!("{reason}; {sentence}"),
        None => sentence.to_owned(),
    };
    json!({
        "judgeName": tree.judge,
        "results": tree.results,
        "groupScores": tree.groups,
        "score": {
            "score": score,
            "classification": class(word),
            "classificationReason": reason,
        },
        "haldane": {
            "analysis": view.id.as_str(),
            "verdict": end.map(|end| end.verdict.word()),
            "row": end.map(|end| end.row),
            "score": tree.score,
            "report": format!("/v1/analyses/{}/report.html", view.id),
        },
    })
}

fn at(out: &mut Map<String, Value>, what: &str, at: Timestamp) {
    out.insert(format!("{what}TimeMillis"), json!(at.ms()));
    out.insert(format!("{what}TimeIso"), json!(at.to_string()));
}

/// ISO 8601: `PT1800S` is read everywhere `PT30M` is.
fn duration(view: &View) -> String {
    let timing = &view.plan.timing;
    iso(timing.deadline.since(timing.start))
}

/// A length of time in ISO form.
pub(super) fn iso(span: Span) -> String {
    let seconds = span.ms() / 1000;
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("PT{s}S"),
        (0, m, 0) => format!("PT{m}M"),
        (h, 0, 0) => format!("PT{h}H"),
        (h, m, s) => format!("PT{h}H{m}M{s}S"),
    }
}

/// The stages Kayenta would have gone through.
fn stages(view: &View, said: &str) -> Value {
    let (fetch, judge) = match said {
        "not_started" => ("not_started", "not_started"),
        "running" if view.looks == 0 => ("running", "not_started"),
        "running" => (SUCCEEDED, "running"),
        SUCCEEDED => (SUCCEEDED, SUCCEEDED),
        other if view.looks == 0 => (other, "not_started"),
        other => (SUCCEEDED, other),
    };
    let before = if fetch == "not_started" {
        fetch
    } else {
        SUCCEEDED
    };
    let mix = if fetch == SUCCEEDED {
        fetch
    } else {
        "not_started"
    };
    let mut out = Map::from_iter([("setupContext".to_owned(), json!(before))]);
    for idx in 0..view.plan.metrics.len() {
        out.insert(format!("fetchControl{idx}"), json!(fetch));
        out.insert(format!("fetchExperiment{idx}"), json!(fetch));
    }
    out.insert("mixMetrics".to_owned(), json!(mix));
    out.insert("judge".to_owned(), json!(judge));
    Value::Object(out)
}

/// Orca's shape of what went wrong.
pub(super) fn exception(kind: &str, sentence: &str, when: Timestamp) -> Value {
    json!({
        "exceptionType": kind,
        "operation": "fetch",
        "shouldRetry": false,
        "timestamp": when.ms(),
        "details": { "error": sentence, "errors": [sentence] },
    })
}
