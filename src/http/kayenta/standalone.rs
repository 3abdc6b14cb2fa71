//! Standalone canary analyses: one config judged several times over a lifetime.
//!
//! Every judgement is an execution of its own, and all are submitted at the start: an analysis
//! whose window is to come waits for it, so nothing has to be awake between them and a restart
//! changes nothing. Kayenta's judge judges each window anew. The sequential judge is made to look
//! again and again with one error budget, so it gets one execution over the whole lifetime.

use super::canary::{NOBODY, Ready, Start, stop};
use super::config::{Config, is_sequential};
use super::course::{Course, course};
use super::execution::is_over;
use super::memory::Answer;
use super::room;
use super::said::{Key, Said, list, number, ok, text, text_ok};
use super::wanted::{Thresholds, instant, step};
use crate::http::office::Office;
use crate::http::papers::{Paper, keep};
use crate::ids::{AnalysisId, DeployId};
use crate::judge::kayenta::schedule::{Schedule, control_start};
use crate::template::Method;
use crate::time::{Span, Timestamp};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The kind of paper.
pub(super) const KIND: &str = "kayenta.analysis";

/// Judgements of one analysis; a request for more is refused. Two days, every half an hour.
const JUDGEMENTS_MAX: i64 = 96;

/// The longest of all times of a request; a longer one is refused. A year, beyond which no source
/// keeps its samples.
const MINUTES_MAX: f64 = 366.0 * 24.0 * 60.0;

/// Bytes of an execution's id in a paper: a UUID, quoted.
const ID_BYTES: usize = 40;

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

/// Starts all judgements or none.
async fn begun(office: &Office, whole: Start, user: Option<&str>) -> Result<Response<Body>, Said> {
    let now = (office.desk.now)();
    let requests = requests(office, &whole, now)?;
    let (asked, config) = (whole.request.clone(), whole.config.document());
    let mut one = whole;
    // All are about one deploy, so that no policy puts one in the way of another.
    if one.deploy.is_none() {
        one.deploy = DeployId::new(&name_of(&one, office));
    }
    let mut ready = Vec::new();
    for request in requests {
        one.request = request;
        let judgement = Ready::of(office, &one)?;
        judgement.check(office)?;
        ready.push(judgement);
    }
    let mut fields = one.shown.clone();
    let more = [
        ("application", json!(one.application)),
        ("user", json!(user)),
        ("canaryConfigId", json!(one.config_id)),
        ("canaryConfig", config),
        ("canaryAnalysisExecutionRequest", asked),
        ("startedMillis", json!(now.ms())),
    ];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let mut started = Vec::new();
    match all(office, &ready, fields, &mut started).await {
        Ok(id) => Ok(ok(&json!({ "canaryAnalysisExecutionId": id }))),
        Err(why) => {
            for id in &started {
                let reason = "another judgement of its analysis could not be started";
                stop(office, id, NOBODY, reason).await?;
            }
            Err(why)
        }
    }
}

/// What the same request is told by, as an identifier.
fn name_of(whole: &Start, office: &Office) -> String {
    format!("kayenta-{}", whole.digest(office, None))
}

/// Starts every judgement and keeps the whole; what was started anew by then is in `started`.
async fn all(
    office: &Office,
    ready: &[Ready],
    mut fields: Map<String, Value>,
    started: &mut Vec<AnalysisId>,
) -> Result<String, Said> {
    // Before anything is started; an id has a few dozen bytes.
    let bytes = Value::Object(fields.clone()).to_string().len() + ID_BYTES * ready.len();
    room::for_analysis(office, bytes).await?;
    let mut executions = Vec::new();
    for judgement in ready {
        let (id, repeated) = judgement.execute(office).await?;
        executions.push(id.to_string());
        if !repeated {
            started.push(id);
        }
    }
    fields.insert("executions".to_owned(), json!(executions));
    let paper = Paper {
        kind: KIND.to_owned(),
        name: (office.desk.next_id)().to_string(),
        at: (office.desk.now)(),
        body: Value::Object(fields).to_string().into(),
    };
    let id = paper.name.clone();
    keep(office, paper).await?;
    Ok(id)
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
    let minutes = |field: &str| minutes(request, field);
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
    let lookback = minutes("lookbackMins")?.unwrap_or(Span::ZERO);
    if lookback > lifetime {
        return Err(Said::bad(format!(
            "lookbackMins of {lookback} is longer than the whole lifetime of {lifetime}; leave it \
             out for a window that grows"
        )));
    }
    let schedule = Schedule {
        now,
        start,
        end,
        begin_after: minutes("beginAfterMins")?.unwrap_or(Span::ZERO),
        interval: asked.unwrap_or(lifetime).min(lifetime),
        lookback,
    };
    Ok((schedule, lifetime))
}

/// A field that is a number of minutes; parts of one are cut off, as Kayenta does.
fn minutes(value: &Value, field: &str) -> Result<Option<Span>, Said> {
    if value.get(field).is_none_or(Value::is_null) {
        return Ok(None);
    }
    let minutes = number(value, field).filter(|minutes| (0.0..=MINUTES_MAX).contains(minutes));
    let span = minutes.and_then(|minutes| Span::parse(&format!("{}m", minutes.floor())));
    let why = || format!("{field} must be a number of minutes from 0 to {MINUTES_MAX}");
    span.map(Some).ok_or_else(|| Said::bad(why()))
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
        let offset = minutes(scope, "controlOffsetInMinutes")?.unwrap_or(Span::ZERO);
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
        if out.insert(name.clone(), both).is_some() {
            return Err(Said::bad(format!(
                "scope {name} is given twice; give each a scopeName of its own"
            )));
        }
    }
    Ok(json!({
        "scopes": out,
        "thresholds": { "pass": thresholds.pass, "marginal": thresholds.marginal },
    }))
}

/// The executions of a standalone analysis; `None` when there is none of this id.
pub(super) fn executions(office: &Office, id: &str) -> Option<Vec<AnalysisId>> {
    let paper = office.desk.papers.get(KIND, id)?;
    Some(executions_of(&*office.kayenta.value(&paper)?))
}

fn executions_of(kept: &Value) -> Vec<AnalysisId> {
    let ids = list(kept, "executions").iter();
    ids.filter_map(|id| AnalysisId::new(id.as_str()?)).collect()
}

/// `GET /standalone_canary_analysis/{id}`
pub(super) async fn one(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let missing = || Said::missing(format!("Canary analysis '{id}' does not exist."));
    let paper = office.desk.papers.get(KIND, &id).ok_or_else(missing)?;
    if let Some(known) = office.kayenta.answer(&id, Some(&paper))
        && known.until.is_none_or(|next| !is_over(&office, &next))
    {
        return Ok(text_ok(known.text));
    }
    let kept = office.kayenta.value(&paper).ok_or_else(missing)?;
    let ids = executions_of(&kept);
    let asked = kept.get("canaryAnalysisExecutionRequest");
    let thresholds = Thresholds::read(asked.unwrap_or(&Value::Null))?;
    let course = course(&office, &ids, &kept, thresholds).await?;
    let paper = remembered(&office, paper, &kept, &course).await;
    let began = kept.get("startedMillis").and_then(Value::as_i64);
    let mut fields = kept.as_object().cloned().unwrap_or_default();
    for own in ["executions", "startedMillis", OUTCOME] {
        fields.remove(own);
    }
    fields.retain(|_, value| !value.is_null());
    let (whole, next) = (course.whole, course.next.clone());
    course.tell(&mut fields, &id, Timestamp::from_ms(began.unwrap_or(0)));
    let mut answer = Answer::new(Some(paper), Value::Object(fields));
    answer.until = next;
    let text = answer.text.clone();
    if whole {
        office.kayenta.keep(&id, answer);
    }
    Ok(text_ok(text))
}

/// The field of the paper with what is not to be forgotten of a course that has ended: analyses
/// are forgotten by the engine one by one.
pub(super) const OUTCOME: &str = "outcome";

/// Writes down how the whole ended, once. When that cannot be, it is tried at the next question.
async fn remembered(
    office: &Office,
    paper: Arc<Paper>,
    kept: &Value,
    course: &Course,
) -> Arc<Paper> {
    let ended = course.end.is_some() && kept.get(OUTCOME).is_none();
    let Some(mut fields) = kept.as_object().cloned().filter(|_| ended) else {
        return paper;
    };
    fields.insert(OUTCOME.to_owned(), course.outcome());
    let newer = Paper {
        body: Value::Object(fields).to_string().into(),
        ..Paper::clone(&paper)
    };
    match keep(office, newer).await {
        Ok(()) => office.desk.papers.get(KIND, &paper.name).unwrap_or(paper),
        Err(_) => paper, // the log has it
    }
}
