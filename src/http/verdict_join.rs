//! `GET|POST /v1/verdict`: one address that creates an analysis or joins the one there is, and
//! answers its verdict. For callers that can send one request again and again and remember
//! nothing: Argo's web provider, Kargo's http step, Spinnaker's webhook stage.
//!
//! The same request is the same analysis. A second and later one is answered from memory: what was
//! asked is kept as a digest beside the analysis it led to.

use super::binding::{Values, bound, name_after_service};
use super::body::{invalid, json_bytes};
use super::join::{Wish, join};
use super::office::Office;
use super::query::{Query, bad};
use super::refused::Refused;
use super::steps;
use super::verdict_answer::{AS, DIGEST, WAIT, answer, at_step, dialect, same, waited};
use super::{bind, verdict_answer};
use crate::digest::{Canonical, Digest};
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeployId};
use crate::template::Template;
use crate::time::{Span, Timestamp};
use crate::wire::submission::{
    self, CheckedSubmission, DeployInput, SUBMISSION_LEN_MAX, ScopeInput, SubmissionDocument,
};
use axum::body::{Body, HttpBody as _};
use axum::extract::{Extension, Request, State};
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a verdict answers further requests that name no deploy; later the same request is a
/// new rollout. Argo asks again within minutes, and a version that comes back comes back later.
const REUSED_MAX: Span = Span::from_s(60 * 60);

/// Rollouts of the same request without a deploy, one after the other; a further one is refused,
/// since it has to be named.
const AGAIN_MAX: usize = 100;

/// Requests whose analysis is remembered; beyond it all are forgotten and found again by their key.
const REMEMBERED_MAX: usize = 10_000;

/// What the address takes.
pub(super) const QUERY: &[(&str, &str)] = &[
    ("template", "the name of a template the daemon has"),
    ("binding", "or the name of a binding of the configuration"),
    (
        "service",
        "the service; with a binding it fills {{service}} and {{name}}",
    ),
    ("baseline", "the baseline's matchers, as in PromQL"),
    (
        "baseline.*",
        "or one label of the baseline with its exact value",
    ),
    ("canary", "the canary's matchers, as in PromQL"),
    (
        "canary.*",
        "or one label of the canary with its exact value",
    ),
    (
        "input.*",
        "a value for an input; with a binding for the hole of that name",
    ),
    (
        "deploy.id",
        "the rollout; the same id is the same analysis, a new id a new one",
    ),
    ("deploy.environment", "the environment"),
    ("deploy.region", "the region"),
    ("deploy.revision", "the revision shown to people"),
    ("deploy.commit", "the commit"),
    ("deploy.change_type", "the kind of change"),
    (
        "deploy.traffic_share",
        "the canary's share of traffic, 0 to 1",
    ),
    (
        "start",
        "when the canary began to take traffic (RFC 3339); now, when absent",
    ),
    ("duration", "how long the analysis may take (30m)"),
    DIGEST,
    steps::WEIGHT,
    WAIT,
    AS,
];

/// Parameters that say how to answer and not what about.
const MANNER: [&str; 4] = [WAIT.0, AS.0, DIGEST.0, steps::WEIGHT.0];

/// Which analysis a request led to, by the digest of what it asked.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<BTreeMap<String, AnalysisId>>);

impl Remembered {
    fn get(&self, asked: &str) -> Option<AnalysisId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(asked).cloned()
    }

    fn put(&self, asked: String, id: AnalysisId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(asked, id);
    }
}

/// `GET /v1/verdict`, and `POST` without a body: everything is in the query. A `POST` with a body
/// brings a submission as `/v1/analyses` takes it.
pub(crate) async fn verdict(
    State(office): State<Arc<Office>>,
    Extension(query): Extension<Query>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let dialect = dialect(&query)?;
    let step = steps::asked(&query)?;
    let body = submitted(&office, request).await?;
    let asked = digest(&query, &body);
    let now = (office.desk.now)();
    let known = office.remembered.get(&asked);
    let known = known.and_then(|id| office.desk.readings.get(&id));
    let view = match known.filter(|view| !used_up(view, now)) {
        Some(view) => view,
        None => joined(&office, &query, &body, &asked).await?,
    };
    same(&query, &view)?;
    let view = match step {
        Some(share) => {
            let view = steps::begin(&office, view, share).await?;
            at_step(&office, &query, (view, share)).await?
        }
        None => waited(&office, &query, &view.id).await?,
    };
    answer(&office, &view, (dialect, step))
}

/// Whether another request of the same words is about another rollout by now.
fn used_up(view: &View, now: Timestamp) -> bool {
    let ended = view.conclusion.as_ref().map(|end| end.at);
    view.plan.rollout.deploy.id.is_none() && ended.is_some_and(|at| now.since(at) > REUSED_MAX)
}

/// The body of a `POST`, if any. Argo's `body` comes without a type; what is in it says enough.
async fn submitted(office: &Office, request: Request) -> Result<Vec<u8>, Refused> {
    let (mut parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    let json = HeaderValue::from_static("application/json");
    parts.headers.entry(CONTENT_TYPE).or_insert(json);
    let limit = SUBMISSION_LEN_MAX.min(office.desk.limits.body_bytes_max);
    let bytes = json_bytes(&parts.headers, body, limit).await?;
    Ok(bytes.to_vec())
}

/// What is asked about, as one digest.
fn digest(query: &Query, body: &[u8]) -> String {
    let about = query.all().filter(|(name, _)| !MANNER.contains(name));
    let canonical = about.fold(Canonical::new(), |all, (name, value)| {
        all.text(name).text(value)
    });
    let body = Digest::of(body).to_string();
    canonical.text(&body).digest().to_string()
}

/// Creates the analysis or joins it by its key.
async fn joined(
    office: &Office,
    query: &Query,
    body: &[u8],
    asked: &str,
) -> Result<Arc<View>, Refused> {
    let checked = checked(office, query, body)?;
    let template = bind::chosen(office, &checked.template)?.template;
    if let Some(wanted) = query.get(DIGEST.0) {
        verdict_answer::is_digest(&template.digest.to_string(), wanted)?;
    }
    // The same words under another text of the template, or another binding, are another rollout.
    let shadow = office.desk.coordination.shadow(template.name.as_str());
    let unnamed = format!(
        "verdict:{asked}:{}",
        meant(&checked, &template, checked.shadow.unwrap_or(shadow))?
    );
    let named = checked.deploy.id.as_ref().map(DeployId::to_string);
    let mut key = match &named {
        Some(id) => format!("deploy:{id}"),
        None => unnamed.clone(),
    };
    for _ in 0..AGAIN_MAX {
        let wish = Wish {
            checked: checked.clone(),
            key: Some(key.clone()),
            own_trace: checked.deploy.traceparent.is_some(),
        };
        let (view, repeated) = join(office, wish).await?;
        if !(repeated && used_up(&view, (office.desk.now)())) {
            office.remembered.put(asked.to_owned(), view.id.clone());
            return Ok(view);
        }
        key = format!("{unnamed}:{}", view.id);
    }
    let why = format!("{AGAIN_MAX} rollouts were asked about in the same words; name this one");
    Err(bad("deploy.id", &why))
}

/// What the words came to, whenever they were said: the plan as it would be at a fixed instant, and
/// whether it is only watched.
fn meant(
    checked: &CheckedSubmission,
    template: &Template,
    shadow: bool,
) -> Result<Digest, Refused> {
    checked.fits(template).map_err(invalid)?;
    let plan = bind::plan(template, &checked.rollout(Timestamp::from_ms(0)))?;
    let shadow = if shadow { "shadow" } else { "" };
    let all = Canonical::new().text(&plan.digest.to_string()).text(shadow);
    Ok(all.digest())
}

/// The submission that body and query make.
fn checked(office: &Office, query: &Query, body: &[u8]) -> Result<CheckedSubmission, Refused> {
    if !body.is_empty() {
        let two = query.all().find(|(name, _)| !MANNER.contains(name));
        if let Some((name, _)) = two {
            return Err(bad(name, "the body says what is analysed; put it there"));
        }
        return submission::parse(body).map_err(invalid);
    }
    match (query.get("binding"), query.get("template")) {
        (Some(name), None) => by_binding(office, query, name),
        (None, Some(_)) => written(query)?.check().map_err(invalid),
        (Some(_), Some(_)) => Err(bad(
            "binding",
            "template is given as well; give one of them",
        )),
        (None, None) => Err(bad(
            "template",
            "it is missing; name a template, or a binding",
        )),
    }
}

/// What stands behind a binding's name, with its holes filled from the query.
fn by_binding(office: &Office, query: &Query, name: &str) -> Result<CheckedSubmission, Refused> {
    let own = |name: &str| {
        ["baseline", "canary"].contains(&name)
            || name.starts_with("baseline.")
            || name.starts_with("canary.")
    };
    if let Some((name, _)) = query.all().find(|(name, _)| own(name)) {
        return Err(bad(
            name,
            "the binding says which series the arms are; leave it out",
        ));
    }
    let binding = bound(office, name)?;
    let mut values = Values::new();
    for (name, value) in query.all() {
        let given = name.strip_prefix("input.");
        if let Some(hole) = given.filter(|hole| !binding.has_hole(hole)) {
            let why = format!("binding {} has no hole {{{{{hole}}}}}", binding.name);
            return Err(bad(name, &why));
        }
        values.insert(given.unwrap_or(name).to_owned(), value.to_owned());
    }
    name_after_service(&mut values);
    let mut filled = binding.clone();
    let deploy = deploy(query)?;
    let own = &mut filled.submission.deploy;
    let told = [
        (&mut own.id, deploy.id),
        (&mut own.environment, deploy.environment),
        (&mut own.region, deploy.region),
        (&mut own.revision, deploy.revision),
        (&mut own.commit, deploy.commit),
        (&mut own.change_type, deploy.change_type),
    ];
    for (place, value) in told {
        if place.is_none() {
            *place = value;
        }
    }
    own.traffic_share = own.traffic_share.or(deploy.traffic_share);
    filled.submission.start = query.get("start").map(str::to_owned);
    filled.submission.duration = query.get("duration").map(str::to_owned);
    filled.fill(&values)
}

/// The submission as the query writes it.
fn written(query: &Query) -> Result<SubmissionDocument, Refused> {
    Ok(SubmissionDocument {
        template: query.get("template").map(str::to_owned),
        inputs: query.under("input."),
        baseline: arm(query, "baseline")?,
        canary: arm(query, "canary")?,
        deploy: deploy(query)?,
        start: query.get("start").map(str::to_owned),
        duration: query.get("duration").map(str::to_owned),
        ..SubmissionDocument::default()
    })
}

fn arm(query: &Query, name: &str) -> Result<Option<ScopeInput>, Refused> {
    let labels = query.under(&format!("{name}."));
    match (query.get(name), labels.is_empty()) {
        (Some(text), true) => Ok(Some(ScopeInput::Text(text.to_owned()))),
        (Some(_), false) => Err(bad(
            name,
            "it is given whole and by label; give one of them",
        )),
        (None, true) => Ok(None),
        (None, false) => Ok(Some(ScopeInput::Labels(labels))),
    }
}

fn deploy(query: &Query) -> Result<DeployInput, Refused> {
    let text = |name: &str| query.get(name).map(str::to_owned);
    let share = text("deploy.traffic_share").map(|text| {
        let number = text.parse::<f64>().ok().filter(|share| share.is_finite());
        number.ok_or_else(|| bad("deploy.traffic_share", "it is no number; write 0.1"))
    });
    Ok(DeployInput {
        id: text("deploy.id"),
        service: text("service").unwrap_or_default(),
        environment: text("deploy.environment"),
        region: text("deploy.region"),
        revision: text("deploy.revision"),
        commit: text("deploy.commit"),
        change_type: text("deploy.change_type"),
        traffic_share: share.transpose()?,
        ..DeployInput::default()
    })
}
