//! Standalone canary analyses: one config judged several times over a lifetime.
//!
//! Every judgement is an execution of its own, and all are submitted at the start: an analysis
//! whose window is to come waits for it, so nothing has to be awake between them and a restart
//! changes nothing. Kayenta's judge judges each window anew. The sequential judge is made to look
//! again and again with one error budget, so it gets one execution over the whole lifetime.

use super::canary::{Start, execute, stop, told};
use super::config::{Config, is_sequential};
use super::said::{Key, Said, list, number, ok, text};
use super::wanted::{Thresholds, instant, step};
use crate::http::office::Office;
use crate::http::papers::{Paper, keep, remove};
use crate::ids::AnalysisId;
use crate::judge::kayenta::schedule::{Schedule, control_start, passes};
use crate::template::Method;
use crate::time::{Span, Timestamp};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The kind of paper.
const KIND: &str = "kayenta.analysis";

/// Judgements of one analysis; a request for more is refused. Two days, every half an hour.
const JUDGEMENTS_MAX: i64 = 96;

/// Analyses that are remembered; beyond, the oldest is forgotten. Its executions stay.
const ANALYSES_MAX: usize = 1000;

/// Values of a metric below which Kayenta warns.
const POINTS_MIN: u64 = 50;

/// Kayenta's warning.
const FEW: &str = "One of the metrics returned fewer than 50 data points, which can reduce \
                   confidence in the final canary score.";

/// `POST /standalone_canary_analysis/{configId}`
pub(super) async fn start(
    State(office): State<Arc<Office>>,
    Key(id): Key,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (whole, params) = Start::kept(&office, id, request).await?;
    begun(&office, whole, params.get("user")).await
}

/// `POST /standalone_canary_analysis`
pub(super) async fn start_ad_hoc(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (whole, params) = Start::ad_hoc(&office, request).await?;
    begun(&office, whole, params.get("user")).await
}

async fn begun(office: &Office, whole: Start, user: Option<&str>) -> Result<Response<Body>, Said> {
    let now = (office.desk.now)();
    let requests = requests(office, &whole, now)?;
    let mut executions = Vec::new();
    let (asked, config) = (whole.request.clone(), whole.config.document());
    let mut one = whole;
    for request in requests {
        one.request = request;
        executions.push(execute(office, &one).await?.to_string());
    }
    let id = (office.desk.next_id)().to_string();
    if office.desk.papers.count(KIND) >= ANALYSES_MAX
        && let Some(oldest) = office.desk.papers.of_kind(KIND).first()
    {
        remove(office, oldest.clone()).await?;
    }
    let mut fields = one.shown.clone();
    let more = [
        ("application", json!(one.application)),
        ("user", json!(user)),
        ("canaryConfigId", json!(one.config_id)),
        ("canaryConfig", config),
        ("canaryAnalysisExecutionRequest", asked),
        ("executions", json!(executions)),
        ("startedMillis", json!(now.ms())),
    ];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let paper = Paper {
        kind: KIND.to_owned(),
        name: id.clone(),
        at: now,
        body: Value::Object(fields).to_string().into(),
    };
    keep(office, paper).await?;
    Ok(ok(&json!({ "canaryAnalysisExecutionId": id })))
}

/// The request of every judgement.
fn requests(office: &Office, whole: &Start, now: Timestamp) -> Result<Vec<Value>, Said> {
    let request = &whole.request;
    let thresholds = Thresholds::read(request)?;
    let scopes = list(request, "scopes");
    let Some(first) = scopes.first() else {
        return Err(Said::bad("the request must contain at least one scope"));
    };
    let (mut schedule, lifetime) = schedule(request, first, now)?;
    if sequential(office, &whole.config)? {
        if schedule.lookback != Span::ZERO {
            return Err(Said::bad(
                "a sequential judge has no sliding window: leave lookbackMins out, or choose \
                 NetflixACAJudge-v1.0",
            ));
        }
        schedule.interval = lifetime;
    }
    let interval = schedule.interval;
    let count = lifetime.ms() / interval.ms().max(1);
    if count > JUDGEMENTS_MAX {
        return Err(Said::bad(format!(
            "{lifetime} at an interval of {interval} are {count} judgements, the limit is \
             {JUDGEMENTS_MAX}; use a longer interval"
        )));
    }
    (1..=count)
        .map(|number| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            execution_request(scopes, thresholds, schedule.window(number))
        })
        .collect()
}

/// When to judge, and how long the whole takes.
fn schedule(request: &Value, first: &Value, now: Timestamp) -> Result<(Schedule, Span), Said> {
    let minutes = |field: &str| match request.get(field).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(_) => match number(request, field).filter(|minutes| *minutes >= 0.0) {
            Some(minutes) => Ok(Span::parse(&format!("{}m", minutes.floor()))),
            None => Err(Said::bad(format!(
                "{field} must be a number of minutes from 0"
            ))),
        },
    };
    let start = instant(first, "startTimeIso", "scopes[0]")?;
    let end = instant(first, "endTimeIso", "scopes[0]")?;
    let lifetime = match (end, minutes("lifetimeDurationMins")?) {
        (Some(end), _) => end.since(start.unwrap_or(now)),
        (None, Some(lifetime)) => lifetime,
        (None, None) => {
            return Err(Said::bad(
                "lifetimeDurationMins must be given unless scopes[0] has an endTimeIso",
            ));
        }
    };
    if lifetime < Span::from_s(60) {
        return Err(Said::bad(format!(
            "a lifetime of {lifetime} is shorter than a minute"
        )));
    }
    let asked = minutes("analysisIntervalMins")?.filter(|span| *span > Span::ZERO);
    let schedule = Schedule {
        now,
        start,
        end,
        begin_after: minutes("beginAfterMins")?.unwrap_or(Span::ZERO),
        interval: asked.unwrap_or(lifetime).min(lifetime),
        lookback: minutes("lookbackMins")?.unwrap_or(Span::ZERO),
    };
    Ok((schedule, lifetime))
}

fn sequential(office: &Office, config: &Config) -> Result<bool, Said> {
    match config {
        Config::Kept(config) => is_sequential(office, config),
        Config::Template(chosen) => Ok(!matches!(chosen.template.judge.method, Method::Kayenta(_))),
    }
}

/// What one judgement is asked, in the form of an execution. Window and step are those of the
/// first scope, as in Kayenta.
fn execution_request(
    scopes: &[Value],
    thresholds: Thresholds,
    (from, to): (Timestamp, Timestamp),
) -> Result<Value, Said> {
    let first = scopes.first().unwrap_or(&Value::Null);
    let step = step(first, "scopes[0]")?.span().ms() / 1000;
    let mut out = Map::new();
    for scope in scopes {
        let offset = number(scope, "controlOffsetInMinutes").unwrap_or(0.0);
        let offset = Span::parse(&format!("{}m", offset.max(0.0).floor())).unwrap_or(Span::ZERO);
        let side = |who: &str, back: Span| {
            json!({
                "scope": text(scope, &format!("{who}Scope")),
                "location": text(scope, &format!("{who}Location")),
                "start": control_start(from, back).to_string(),
                "end": to.minus(back).to_string(),
                "step": step,
                "extendedScopeParams": scope.get("extendedScopeParams"),
            })
        };
        let name = text(scope, "scopeName").unwrap_or_else(|| "default".to_owned());
        let both = json!({
            "controlScope": side("control", offset),
            "experimentScope": side("experiment", Span::ZERO),
        });
        out.insert(name, both);
    }
    Ok(json!({
        "scopes": out,
        "thresholds": { "pass": thresholds.pass, "marginal": thresholds.marginal },
    }))
}

/// A standalone analysis as it was kept.
fn kept(office: &Office, id: &str) -> Option<Value> {
    let paper = office.desk.papers.get(KIND, id)?;
    serde_json::from_str(&paper.body).ok()
}

/// The executions of a standalone analysis; `None` when there is none of this id.
pub(super) fn executions(office: &Office, id: &str) -> Option<Vec<AnalysisId>> {
    let kept = kept(office, id)?;
    let ids = list(&kept, "executions").iter();
    Some(ids.filter_map(|id| AnalysisId::new(id.as_str()?)).collect())
}

/// `GET /standalone_canary_analysis/{id}`
pub(super) async fn one(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let missing = || Said::missing(format!("Canary analysis '{id}' does not exist."));
    let mut kept = kept(&office, &id).ok_or_else(missing)?;
    let ids = executions(&office, &id).unwrap_or_default();
    let asked = kept
        .get("canaryAnalysisExecutionRequest")
        .unwrap_or(&Value::Null);
    let thresholds = Thresholds::read(asked)?;
    let course = course(&office, &ids, thresholds).await?;
    let began = kept
        .get("startedMillis")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if let Some(fields) = kept.as_object_mut() {
        fields.remove("executions");
        fields.remove("startedMillis");
        fields.retain(|_, value| !value.is_null());
        course.tell(fields, &id, Timestamp::from_ms(began));
    }
    Ok(ok(&kept))
}

/// How far the judgements have come.
#[derive(Debug, Default)]
struct Course {
    /// What is said of each that is over, in order.
    over: Vec<Value>,
    scores: Vec<f64>,
    /// How it ended, once it has; the status in lower case.
    end: Option<&'static str>,
    warned: bool,
    passed: bool,
    message: String,
}

/// Follows the judgements in order. The first that is at most marginal ends the whole, and so does
/// one that is cancelled or broken; those behind it are stopped.
async fn course(
    office: &Office,
    ids: &[AnalysisId],
    thresholds: Thresholds,
) -> Result<Course, Said> {
    let mut out = Course::default();
    for (idx, id) in ids.iter().enumerate() {
        let said = told(office, id.as_str()).await?;
        if said.get("complete") != Some(&json!(true)) {
            return Ok(out);
        }
        let status = said
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let score = said
            .pointer("/result/judgeResult/score/score")
            .and_then(Value::as_f64);
        out.add(&said, id);
        let broken = match (status, score) {
            ("succeeded", Some(score)) => {
                out.scores.push(score);
                let on = passes(score, Some(thresholds.marginal), None);
                (!on).then_some("terminal")
            }
            ("canceled", _) => Some("canceled"),
            _ => Some("terminal"),
        };
        if let Some(end) = broken {
            out.end = Some(end);
            for later in ids.iter().skip(idx + 1) {
                stop(office, later, "kayenta").await?;
            }
            break;
        }
    }
    let last = out.scores.last().copied();
    let (marginal, pass) = (thresholds.marginal, thresholds.pass);
    out.passed =
        last.is_some_and(|score| passes(score, Some(marginal), Some(pass))) && out.end.is_none();
    out.message = match last {
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
    let end = if out.passed { "succeeded" } else { "terminal" };
    out.end.get_or_insert(end);
    Ok(out)
}

impl Course {
    fn add(&mut self, said: &Value, id: &AnalysisId) {
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
        self.over.push(Value::Object(out));
    }

    fn tell(self, fields: &mut Map<String, Value>, id: &str, began: Timestamp) {
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
