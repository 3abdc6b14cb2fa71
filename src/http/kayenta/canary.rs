//! Executions: started, read, listed and cancelled. An execution is an analysis and has its id;
//! what the caller sent is kept beside it.

use super::bound::{self, Asked};
use super::config::{Config, find};
use super::execution::{KIND, answered, execution, is_cancelled, told, view_of, word};
use super::room;
use super::said::{Key, Params, Said, ok, read};
use super::status;
use super::wanted::Wanted;
use crate::dialect::Word;
use crate::digest::{Canonical, Digest};
use crate::engine::effect::{Answer, Refusal};
use crate::http::Ask;
use crate::http::auth::Caller;
use crate::http::bind;
use crate::http::body::invalid;
use crate::http::join::{Wish, join};
use crate::http::office::{Office, refusal};
use crate::http::papers::{Paper, keep};
use crate::ids::{AnalysisId, DeployId};
use crate::time::Span;
use crate::wire::submission::{CheckedSubmission, TemplateChoice};
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, Uri};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Executions on a page of the list; a larger wish is refused.
const PAGE_MAX: usize = 100;

/// The same request within the same such stretch of time joins the execution there is. A caller
/// that lost an answer asks again after 10 s.
const JOINED_FOR: Span = Span::from_s(60);

/// Attempts at a request in one stretch: one that failed for want of data is not joined.
const ATTEMPTS_MAX: u32 = 16;

/// Who cancels when nobody has to show a credential.
pub(super) const NOBODY: &str = "kayenta";

/// The reason that is recorded when somebody cancels.
const ASKED: &str = "asked for by PUT /kayenta/pipelines/{id}/cancel";

/// What one judgement is started from.
pub(super) struct Start {
    /// The id of the config; none when it came with the request.
    pub(super) config_id: Option<String>,
    pub(super) config: Config,
    /// The execution request, to be shown again.
    pub(super) request: Value,
    pub(super) application: String,
    /// The deploy it is about, when the caller names it: its judgements are never in one another's
    /// way.
    pub(super) deploy: Option<DeployId>,
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
        let start = Self::new(Some(id), config, Value::Object(fields), &params);
        Ok((start, params))
    }

    /// Of a request that brings its config, and its parameters.
    pub(super) async fn ad_hoc(office: &Office, request: Request) -> Result<(Self, Params), Said> {
        let (params, fields) = read(office, request).await?;
        let (config, wanted) = ad_hoc(fields)?;
        Ok((Self::new(None, config, wanted, &params), params))
    }

    fn new(id: Option<String>, config: Config, request: Value, params: &Params) -> Self {
        let pipeline = params.get("parentPipelineExecutionId");
        Self {
            config_id: id,
            application: bound::application(params.get("application"), &config),
            config,
            request,
            deploy: pipeline.and_then(DeployId::new),
            shown: shown(params),
        }
    }

    /// What the same request is told by, within [`JOINED_FOR`]. The template is part of it: a
    /// template's file and the daemon's choice of a judge may change in between.
    pub(super) fn digest(&self, office: &Office, template: Option<&TemplateChoice>) -> Digest {
        let now = (office.desk.now)().ms();
        let template = match (template, &self.config) {
            (_, Config::Template(chosen)) => chosen.template.digest.to_string(),
            (Some(TemplateChoice::Inline(text)), _) => text.to_string(),
            (Some(TemplateChoice::Named(name)), _) => name.to_string(),
            (None, _) => String::new(),
        };
        let deploy = self.deploy.as_ref().map_or("", DeployId::as_str);
        Canonical::new()
            .text(&template)
            .text(&self.config.document().to_string())
            .text(&self.request.to_string())
            .text(&self.application)
            .text(deploy)
            .text(&Value::Object(self.shown.clone()).to_string())
            .int(now.div_euclid(JOINED_FOR.ms()))
            .digest()
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
    Ok((Config::Kept(Arc::new(config)), part("executionRequest")?))
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
    let (id, _) = Ready::of(office, start)?.execute(office).await?;
    Ok(ok(&json!({ "canaryExecutionId": id.as_str() })))
}

/// An execution that can be started.
pub(super) struct Ready {
    checked: CheckedSubmission,
    key: Digest,
    /// What is kept beside the analysis.
    kept: Value,
}

impl Ready {
    /// What is wrong with a request itself is said here, before anything is started.
    pub(super) fn of(office: &Office, start: &Start) -> Result<Self, Said> {
        let wanted = Wanted::read(&start.request)?;
        let asked = Asked {
            config: &start.config,
            wanted: &wanted,
            application: &start.application,
            deploy: start.deploy.as_ref(),
        };
        let checked = bound::submission(office, &asked)?;
        let mut fields = start.shown.clone();
        fields.insert("application".to_owned(), json!(start.application));
        fields.insert("canaryConfigId".to_owned(), json!(start.config_id));
        fields.insert("config".to_owned(), start.config.document());
        fields.insert("canaryExecutionRequest".to_owned(), start.request.clone());
        Ok(Self {
            key: start.digest(office, Some(&checked.template)),
            checked,
            kept: Value::Object(fields),
        })
    }

    /// Whether a plan can be made of it, as its start will do.
    pub(super) fn check(&self, office: &Office) -> Result<(), Said> {
        let chosen = bind::chosen(office, &self.checked.template)?;
        self.checked.fits(&chosen.template).map_err(invalid)?;
        let rollout = self.checked.rollout((office.desk.now)());
        bind::plan(&chosen.template, &rollout)?;
        Ok(())
    }

    /// Starts it, or joins the one that the same request has started just now; and whether it was
    /// there before.
    pub(super) async fn execute(&self, office: &Office) -> Result<(AnalysisId, bool), Said> {
        let body: Arc<str> = self.kept.to_string().into();
        room::for_execution(office, body.len()).await?;
        for attempt in 0..ATTEMPTS_MAX {
            let wish = Wish {
                checked: self.checked.clone(),
                key: Some(format!("kayenta:{}:{attempt}", self.key)),
                own_trace: true,
            };
            let (view, repeated) = join(office, wish).await?;
            if repeated && (is_cancelled(&view) || word(office, &view) == Word::Fault) {
                continue;
            }
            if office.desk.papers.get(KIND, view.id.as_str()).is_none() {
                let paper = Paper {
                    kind: KIND.to_owned(),
                    name: view.id.to_string(),
                    at: (office.desk.now)(),
                    body: body.clone(),
                };
                if let Err(why) = keep(office, paper).await {
                    // Nobody will know of it: a repeat starts another.
                    if !repeated {
                        stop(office, &view.id, NOBODY, "its request could not be kept").await?;
                    }
                    return Err(why.into());
                }
            }
            return Ok((view.id.clone(), repeated));
        }
        Err(Said::bad(format!(
            "this request failed {ATTEMPTS_MAX} times within {JOINED_FOR}; wait a minute"
        )))
    }
}

/// `GET /canary/{executionId}`
pub(super) async fn one(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    answered(&office, &id).await
}

/// `GET /canary/executions`
pub(super) async fn list(
    State(office): State<Arc<Office>>,
    uri: Uri,
) -> Result<Response<Body>, Said> {
    let params = Params::of(&uri);
    let (limit, page) = (
        params.count("limit", 20, PAGE_MAX)?,
        params.count("page", 1, room::EXECUTIONS_MAX)?,
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
        out.push(Value::clone(&told(&office, id).await?.document));
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
    let all = match super::standalone::executions(&office, &id) {
        Some(all) => all,
        None => vec![execution(&office, &id)?.view.id.clone()],
    };
    for id in all {
        stop(&office, &id, &author, ASKED).await?;
    }
    Ok(([(CONTENT_TYPE, "application/json")], "").into_response())
}

/// Stops an analysis; one that is over, or that nobody remembers, stays as it is, and nobody is
/// asked about it.
pub(super) async fn stop(
    office: &Office,
    id: &AnalysisId,
    author: &str,
    reason: &str,
) -> Result<(), Said> {
    let known = office.desk.readings.get(id);
    if known.is_none_or(|view| view.conclusion.is_some()) {
        return Ok(());
    }
    let question = |reply| Ask::Cancel {
        id: id.clone(),
        author: author.to_owned(),
        reason: reason.to_owned(),
        reply,
    };
    match office.ask(question).await? {
        Answer::Accepted { .. }
        | Answer::Freeze(_)
        | Answer::Refused(Refusal::Concluded | Refusal::Unknown) => Ok(()),
        Answer::Refused(why) => Err(refusal(id, &why).into()),
    }
}
