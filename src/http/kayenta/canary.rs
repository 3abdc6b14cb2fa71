//! Executions: started, read, listed and cancelled. An execution is an analysis and has its id;
//! what the caller sent is kept beside it.

use super::bound::{self, Asked};
use super::config::{Config, find};
use super::said::{Key, Params, Said, ok, read};
use super::status;
use super::tree::tree;
use super::wanted::{Thresholds, Wanted};
use crate::dialect::{Dialect, State as Stand, Word};
use crate::digest::{Canonical, Digest};
use crate::engine::effect::{Answer, Refusal};
use crate::engine::view::View;
use crate::http::Ask;
use crate::http::auth::Caller;
use crate::http::join::{Wish, join};
use crate::http::office::{Office, refusal};
use crate::http::papers::{Paper, keep, remove};
use crate::ids::AnalysisId;
use crate::time::Span;
use crate::wire::submission::TemplateChoice;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, Uri};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The kind of paper.
pub(super) const KIND: &str = "kayenta.execution";

/// Executions that are remembered; beyond, the oldest that is over is forgotten. Its analysis
/// stays in the decision log.
const EXECUTIONS_MAX: usize = 5000;

/// Executions on a page of the list; a larger wish is refused.
const PAGE_MAX: usize = 100;

/// The same request within the same such stretch of time joins the execution there is. A caller
/// that lost an answer asks again after 10 s.
const JOINED_FOR: Span = Span::from_s(60);

/// Attempts at a request in one stretch: one that failed for want of data is not joined.
const ATTEMPTS_MAX: u32 = 16;

/// Who cancels when nobody has to show a credential.
const NOBODY: &str = "kayenta";

/// What one judgement is started from.
pub(super) struct Start {
    /// The id of the config; none when it came with the request.
    pub(super) config_id: Option<String>,
    pub(super) config: Config,
    /// The execution request, to be shown again.
    pub(super) request: Value,
    pub(super) application: String,
    /// What is only shown.
    pub(super) shown: Map<String, Value>,
}

impl Start {
    /// Of a request about a config that is kept, and its parameters.
    pub(super) async fn kept(
        office: &Office,
        id: String,
        request: Request,
    ) -> Result<(Self, Params), Said> {
        let (params, fields) = read(office, request).await?;
        let config = find(office, &id)?;
        let start = Self {
            config_id: Some(id),
            application: bound::application(params.get("application"), &config),
            config,
            request: Value::Object(fields),
            shown: shown(&params),
        };
        Ok((start, params))
    }

    /// Of a request that brings its config, and its parameters.
    pub(super) async fn ad_hoc(office: &Office, request: Request) -> Result<(Self, Params), Said> {
        let (params, fields) = read(office, request).await?;
        let (config, wanted) = ad_hoc(fields)?;
        let start = Self {
            config_id: None,
            application: bound::application(params.get("application"), &config),
            config,
            request: wanted,
            shown: shown(&params),
        };
        Ok((start, params))
    }
}

/// The parameters that are only shown.
fn shown(params: &Params) -> Map<String, Value> {
    let names = [
        "parentPipelineExecutionId",
        "metricsAccountName",
        "configurationAccountName",
        "storageAccountName",
    ];
    let given = names
        .iter()
        .filter_map(|name| Some((*name, params.get(name)?)));
    given
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

/// The parts of a body that brings its config.
fn ad_hoc(mut fields: Map<String, Value>) -> Result<(Config, Value), Said> {
    let mut part = |name: &str| match fields.remove(name) {
        Some(value @ Value::Object(_)) => Ok(value),
        _ => Err(Said::bad(format!("the request must contain {name}"))),
    };
    let config = part("canaryConfig")?;
    Ok((Config::Kept(config), part("executionRequest")?))
}

/// `POST /canary/{configId}`
pub(super) async fn start(
    State(office): State<Arc<Office>>,
    Key(id): Key,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (started, _) = Start::kept(&office, id, request).await?;
    begun(&office, &started).await
}

/// `POST /canary`
pub(super) async fn start_ad_hoc(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (started, _) = Start::ad_hoc(&office, request).await?;
    begun(&office, &started).await
}

async fn begun(office: &Office, start: &Start) -> Result<Response<Body>, Said> {
    let id = execute(office, start).await?;
    Ok(ok(&json!({ "canaryExecutionId": id.as_str() })))
}

/// Starts an execution, or joins the one that the same request has started just now.
pub(super) async fn execute(office: &Office, start: &Start) -> Result<AnalysisId, Said> {
    let wanted = Wanted::read(&start.request)?;
    let asked = Asked {
        config: &start.config,
        wanted: &wanted,
        application: &start.application,
    };
    let checked = bound::submission(office, &asked)?;
    let config = start.config.document();
    let key = key(office, start, &config, &checked.template);
    for attempt in 0..ATTEMPTS_MAX {
        let wish = Wish {
            checked: checked.clone(),
            key: Some(format!("kayenta:{key}:{attempt}")),
            own_trace: true,
        };
        let (view, repeated) = join(office, wish).await?;
        if repeated && (is_cancelled(&view) || word(office, &view) == Word::Fault) {
            continue;
        }
        if office.desk.papers.get(KIND, view.id.as_str()).is_none() {
            write(office, start, &config, &view).await?;
        }
        return Ok(view.id.clone());
    }
    Err(Said::bad(format!(
        "this request failed {ATTEMPTS_MAX} times within {JOINED_FOR}; wait a minute"
    )))
}

/// What the same request is told by. The template is part of it: a template's file and the
/// daemon's choice of a judge may change in between.
fn key(office: &Office, start: &Start, config: &Value, template: &TemplateChoice) -> Digest {
    let now = (office.desk.now)().ms();
    let template = match (template, &start.config) {
        (_, Config::Template(chosen)) => chosen.template.digest.to_string(),
        (TemplateChoice::Inline(text), _) => text.to_string(),
        (TemplateChoice::Named(name), _) => name.to_string(),
    };
    Canonical::new()
        .text(&template)
        .text(&config.to_string())
        .text(&start.request.to_string())
        .text(&start.application)
        .text(&Value::Object(start.shown.clone()).to_string())
        .int(now.div_euclid(JOINED_FOR.ms()))
        .digest()
}

async fn write(office: &Office, start: &Start, config: &Value, view: &View) -> Result<(), Said> {
    if office.desk.papers.count(KIND) >= EXECUTIONS_MAX {
        let all = office.desk.papers.of_kind(KIND);
        let over = |paper: &&Arc<Paper>| {
            view_of(office, &paper.name).is_none_or(|view| view.conclusion.is_some())
        };
        if let Some(oldest) = all.iter().find(over) {
            remove(office, oldest.clone()).await?;
        }
    }
    let mut fields = start.shown.clone();
    fields.insert("application".to_owned(), json!(start.application));
    fields.insert("canaryConfigId".to_owned(), json!(start.config_id));
    fields.insert("config".to_owned(), config.clone());
    fields.insert("canaryExecutionRequest".to_owned(), start.request.clone());
    let paper = Paper {
        kind: KIND.to_owned(),
        name: view.id.to_string(),
        at: (office.desk.now)(),
        body: Value::Object(fields).to_string().into(),
    };
    Ok(keep(office, paper).await?)
}

/// An execution and its analysis.
pub(super) struct Execution {
    pub(super) sent: Value,
    pub(super) view: Arc<View>,
    pub(super) thresholds: Thresholds,
}

fn view_of(office: &Office, id: &str) -> Option<Arc<View>> {
    office.desk.readings.get(&AnalysisId::new(id)?)
}

/// Thresholds of those who did not say theirs: an analysis that was submitted elsewhere. They are
/// those of a new canary stage.
const UNSAID: Thresholds = Thresholds {
    pass: 75.0,
    marginal: 50.0,
};

/// The execution of this id. Every analysis is one, however it was submitted.
pub(super) fn execution(office: &Office, id: &str) -> Result<Execution, Said> {
    let missing = || Said::missing(format!("Canary execution '{id}' does not exist."));
    let view = view_of(office, id).ok_or_else(missing)?;
    let paper = office.desk.papers.get(KIND, id);
    let sent = paper.and_then(|paper| serde_json::from_str::<Value>(&paper.body).ok());
    let sent = sent.unwrap_or_else(|| json!({ "application": view.plan.rollout.deploy.service }));
    let request = sent.get("canaryExecutionRequest");
    let thresholds = request.and_then(|request| Thresholds::read(request).ok());
    Ok(Execution {
        sent,
        view,
        thresholds: thresholds.unwrap_or(UNSAID),
    })
}

/// What this caller is told of an analysis.
pub(super) fn word(office: &Office, view: &View) -> Word {
    let state = Stand::of(view);
    office.desk.dialects.word(Dialect::Kayenta, state)
}

/// Whether somebody stopped it, which is no verdict to Kayenta's callers.
pub(super) fn is_cancelled(view: &View) -> bool {
    let end = view.conclusion.as_ref();
    end.is_some_and(|end| end.author.is_some() && end.sentence.starts_with("cancelled by "))
}

/// Everything that is said of an execution.
pub(super) async fn told(office: &Office, id: &str) -> Result<Value, Said> {
    let execution = execution(office, id)?;
    let word = word(office, &execution.view);
    let over = execution.view.conclusion.is_some() && !is_cancelled(&execution.view);
    let tree = match word {
        Word::Go | Word::Stop | Word::Doubt if over => Some(tree(office, &execution).await),
        _ => None,
    };
    Ok(status::document(&execution, word, tree.as_deref()))
}

/// `GET /canary/{executionId}`
pub(super) async fn one(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    Ok(ok(&told(&office, &id).await?))
}

/// `GET /canary/executions`
pub(super) async fn list(
    State(office): State<Arc<Office>>,
    uri: Uri,
) -> Result<Response<Body>, Said> {
    let params = Params::of(&uri);
    let (limit, page) = (
        params.count("limit", 20, PAGE_MAX)?,
        params.count("page", 1, EXECUTIONS_MAX)?,
    );
    let statuses = params.get("statuses").map(str::to_lowercase);
    let asked = |status: &str| {
        let all = statuses.as_deref();
        all.is_none_or(|all| all.split(',').any(|one| one.trim() == status))
    };
    let mut ids = Vec::new();
    let wanted = params.get("application");
    for paper in office.desk.papers.of_kind(KIND).iter().rev() {
        let Some(view) = view_of(&office, &paper.name) else {
            continue;
        };
        let application = view.plan.rollout.deploy.service.as_str();
        let fits = wanted.is_none_or(|wanted| application == wanted);
        if fits && asked(status::word(&view, word(&office, &view))) {
            ids.push(paper.name.clone());
        }
    }
    let mut out = Vec::new();
    for id in ids.iter().skip((page - 1) * limit).take(limit) {
        out.push(told(&office, id).await?);
    }
    Ok(ok(&Value::Array(out)))
}

/// `PUT /pipelines/{id}/cancel`
pub(super) async fn cancel(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let author = caller.author.unwrap_or_else(|| NOBODY.to_owned());
    match super::standalone::executions(&office, &id) {
        Some(all) => {
            for id in all {
                stop(&office, &id, &author).await?;
            }
        }
        None => stop(&office, &execution(&office, &id)?.view.id, &author).await?,
    }
    Ok(([(CONTENT_TYPE, "application/json")], "").into_response())
}

/// Stops an analysis; one that is over stays as it is.
pub(super) async fn stop(office: &Office, id: &AnalysisId, author: &str) -> Result<(), Said> {
    let question = |reply| Ask::Cancel {
        id: id.clone(),
        author: author.to_owned(),
        reason: "asked for by PUT /kayenta/pipelines/{id}/cancel".to_owned(),
        reply,
    };
    match office.ask(question).await? {
        Answer::Accepted { .. } | Answer::Freeze(_) | Answer::Refused(Refusal::Concluded) => Ok(()),
        Answer::Refused(why) => Err(refusal(id, &why).into()),
    }
}
