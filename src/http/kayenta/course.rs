//! How far the judgements of a standalone analysis have come, from what is told of each.

use super::canary::{NOBODY, stop};
use super::execution::told;
use super::said::{Said, list, text};
use super::standalone::OUTCOME;
use super::status::exception;
use super::wanted::Thresholds;
use crate::http::office::Office;
use crate::ids::AnalysisId;
use crate::judge::kayenta::schedule::passes;
use crate::time::Timestamp;
use serde_json::{Map, Value, json};

/// Values of a metric below which Kayenta warns.
const POINTS_MIN: u64 = 50;

/// Kayenta's warning.
const FEW: &str = "One of the metrics returned fewer than 50 data points, which can reduce \
                   confidence in the final canary score.";

/// The ways in which the whole ends, in lower case.
const ENDS: [&str; 3] = ["succeeded", "terminal", "canceled"];

/// How far the judgements have come.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// What is said of each that is over, in order.
    over: Vec<Value>,
    scores: Vec<f64>,
    /// How it ended, once it has: one of [`ENDS`].
    pub(super) end: Option<&'static str>,
    /// The first judgement that is not over.
    pub(super) next: Option<AnalysisId>,
    /// Nothing of it is a makeshift that another question may hear better.
    pub(super) whole: bool,
    warned: bool,
    passed: bool,
    message: String,
}

/// Follows the judgements in order. The first that is at most marginal ends the whole, and so does
/// one that is cancelled, broken or forgotten; those behind it are stopped. What was written down
/// of an end stands.
pub(super) async fn course(
    office: &Office,
    ids: &[AnalysisId],
    kept: &Value,
    thresholds: Thresholds,
) -> Result<Course, Said> {
    let mut out = Course {
        whole: true,
        ..Course::default()
    };
    if let Some(outcome) = kept.get(OUTCOME) {
        out.recall(office, outcome).await;
        return Ok(out);
    }
    for (idx, id) in ids.iter().enumerate() {
        let Ok(said) = told(office, id.as_str()).await else {
            out.over.push(forgotten(id, (office.desk.now)()));
            out.broken("terminal", office, ids, idx).await;
            break;
        };
        let document = &said.document;
        if document.get("complete") != Some(&json!(true)) {
            out.next = Some(id.clone());
            return Ok(out);
        }
        out.whole &= said.stands;
        let row = out.row(document, id);
        out.over.push(row);
        let status = text(document, "status").unwrap_or_default();
        let score = document
            .pointer("/result/judgeResult/score/score")
            .and_then(Value::as_f64);
        let broken = match (status.as_str(), score) {
            ("succeeded", Some(score)) => {
                out.scores.push(score);
                let on = passes(score, Some(thresholds.marginal), None);
                (!on).then_some("terminal")
            }
            ("canceled", _) => Some("canceled"),
            _ => Some("terminal"),
        };
        if let Some(end) = broken {
            out.broken(end, office, ids, idx).await;
            break;
        }
    }
    out.conclude(thresholds);
    Ok(out)
}

/// What is said of a judgement that nobody remembers: no success.
fn forgotten(id: &AnalysisId, now: Timestamp) -> Value {
    let sentence = format!(
        "the daemon does not remember execution {id} any more; its records are in the decision log"
    );
    json!({
        "executionId": id.as_str(),
        "executionStatus": "TERMINAL",
        "exception": exception("ExecutionForgotten", &sentence, now),
        "warnings": [],
    })
}

impl Course {
    /// The judgement `idx` ended the whole.
    async fn broken(&mut self, end: &'static str, office: &Office, ids: &[AnalysisId], idx: usize) {
        self.end = Some(end);
        for later in ids.iter().skip(idx + 1) {
            let reason = "an earlier judgement ended its analysis";
            self.whole &= stop(office, later, NOBODY, reason).await.is_ok();
        }
    }

    fn conclude(&mut self, thresholds: Thresholds) {
        let Thresholds { pass, marginal } = thresholds;
        let last = self.scores.last().copied();
        let above = last.is_some_and(|score| passes(score, Some(marginal), Some(pass)));
        self.passed = above && self.end.is_none();
        self.message = match last {
            None => "There were no successful canary judgements to aggregate".to_owned(),
            Some(score) => {
                let how = if score <= marginal {
                    "is not above the marginal score threshold."
                } else if score < pass {
                    "is below the pass score threshold."
                } else {
                    "met or exceeded the pass score threshold."
                };
                format!("Final canary score {score:?} {how}")
            }
        };
        let [passed, failed, _] = ENDS;
        self.end
            .get_or_insert(if self.passed { passed } else { failed });
    }

    /// What is written down of an end: everything but the results, which are told as long as the
    /// executions are remembered.
    pub(super) fn outcome(&self) -> Value {
        let slim = |row: &Value| {
            let mut row = row.clone();
            if let Some(fields) = row.as_object_mut() {
                fields.remove("result");
            }
            row
        };
        json!({
            "end": self.end,
            "passed": self.passed,
            "message": self.message,
            "warned": self.warned,
            "scores": self.scores,
            "over": self.over.iter().map(slim).collect::<Vec<_>>(),
        })
    }

    /// The reverse of [`Course::outcome`].
    async fn recall(&mut self, office: &Office, outcome: &Value) {
        let flag = |field: &str| outcome.get(field) == Some(&json!(true));
        let [_, failed, _] = ENDS;
        let end = text(outcome, "end").unwrap_or_default();
        self.end = Some(
            ENDS.into_iter()
                .find(|known| *known == end)
                .unwrap_or(failed),
        );
        (self.passed, self.warned) = (flag("passed"), flag("warned"));
        self.message = text(outcome, "message").unwrap_or_default();
        let scores = list(outcome, "scores").iter();
        self.scores = scores.filter_map(Value::as_f64).collect();
        for row in list(outcome, "over") {
            let id = text(row, "executionId").and_then(|id| AnalysisId::new(&id));
            let said = match &id {
                Some(id) => told(office, id.as_str()).await.ok(),
                None => None,
            };
            let row = match (said, id) {
                (Some(said), Some(id)) => {
                    self.whole &= said.stands;
                    self.row(&said.document, &id)
                }
                _ => row.clone(),
            };
            self.over.push(row);
        }
    }

    fn row(&mut self, said: &Value, id: &AnalysisId) -> Value {
        let results = said.pointer("/result/judgeResult/results");
        let counts = results.and_then(Value::as_array).into_iter().flatten();
        let few = counts
            .filter_map(|row| row.pointer("/controlMetadata/stats/count")?.as_u64())
            .any(|count| count < POINTS_MIN);
        self.warned |= few;
        let mut out = Map::new();
        out.insert("executionId".to_owned(), json!(id.as_str()));
        out.insert("executionStatus".to_owned(), upper(said.get("status")));
        let request = said.pointer("/canaryExecutionRequest/scopes");
        let scope = request
            .and_then(Value::as_object)
            .and_then(|all| all.values().next());
        for (field, part) in [("judgementStartTime", "start"), ("judgementEndTime", "end")] {
            let at = scope.and_then(|scope| scope.pointer(&format!("/experimentScope/{part}")));
            if let Some(at) = at.and_then(Value::as_str).and_then(Timestamp::parse) {
                out.insert(format!("{field}Iso"), json!(at.to_string()));
                out.insert(format!("{field}Millis"), json!(at.ms()));
            }
        }
        let warnings = if few { vec![FEW] } else { Vec::new() };
        out.insert("warnings".to_owned(), json!(warnings));
        let shown = [
            "exception",
            "result",
            "metricSetPairListId",
            "storageAccountName",
            "configurationAccountName",
            "buildTimeMillis",
            "buildTimeIso",
            "startTimeMillis",
            "startTimeIso",
            "endTimeMillis",
            "endTimeIso",
        ];
        for field in shown {
            if let Some(value) = said.get(field) {
                out.insert(field.to_owned(), value.clone());
            }
        }
        Value::Object(out)
    }

    pub(super) fn tell(self, fields: &mut Map<String, Value>, id: &str, began: Timestamp) {
        let status = self.end.unwrap_or("running");
        let stage = json!([{ "type": "runCanary", "name": "runCanary",
            "status": status, "executionId": id }]);
        let end = self
            .over
            .last()
            .and_then(|one| one.get("endTimeMillis"))
            .cloned();
        let more = [
            ("pipelineId", json!(id)),
            ("stageStatus", stage),
            ("complete", json!(self.end.is_some())),
            ("status", json!(status)),
            ("executionStatus", upper(Some(&json!(status)))),
            ("buildTimeMillis", json!(began.ms())),
            ("buildTimeIso", json!(began.to_string())),
            ("startTimeMillis", json!(began.ms())),
            ("startTimeIso", json!(began.to_string())),
        ];
        fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
        if self.end.is_some()
            && let Some(at) = end.as_ref().and_then(Value::as_i64).map(Timestamp::from_ms)
        {
            fields.insert("endTimeMillis".to_owned(), json!(at.ms()));
            fields.insert("endTimeIso".to_owned(), json!(at.to_string()));
        }
        let mut result = Map::new();
        if self.end.is_some() {
            result.insert("didPassThresholds".to_owned(), json!(self.passed));
            result.insert("canaryScoreMessage".to_owned(), json!(self.message));
        }
        result.insert("hasWarnings".to_owned(), json!(self.warned));
        result.insert("canaryScores".to_owned(), json!(self.scores));
        result.insert("canaryExecutionResults".to_owned(), json!(self.over));
        fields.insert(
            "canaryAnalysisExecutionResult".to_owned(),
            Value::Object(result),
        );
    }
}

fn upper(status: Option<&Value>) -> Value {
    json!(
        status
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_uppercase()
    )
}
