//! `canaryConfig`: list, read, keep, replace and remove. The daemon's templates are listed, too,
//! by their names, so that a caller's `canaryConfigName` can be one; they change with their files.

use super::config::{CONFIGS_MAX, KIND, check, entry, find, template_entry};
use super::room;
use super::said::{Key, Params, Said, ok, read, text, texts};
use crate::http::office::Office;
use crate::http::papers::{Paper, keep, remove as forget};
use crate::ids::{AnalysisId, TemplateName};
use crate::time::Timestamp;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, Uri};
use serde_json::{Map, Value, json};
use std::sync::{Arc, PoisonError};

/// `GET /canaryConfig`
pub(super) async fn list(State(office): State<Arc<Office>>, uri: Uri) -> Response<Body> {
    let params = Params::of(&uri);
    let asked: Vec<&str> = params.all("application").collect();
    let mut out: Vec<Value> = Vec::new();
    for config in kept(&office) {
        let of = texts(&config, "applications");
        if asked.is_empty()
            || asked
                .iter()
                .any(|name| of.iter().any(|known| known == name))
        {
            out.push(entry(&config));
        }
    }
    // A kept config comes before a template of its name: a caller takes the first.
    let taken: Vec<Option<String>> = out.iter().map(|config| text(config, "name")).collect();
    let applications: Vec<String> = if asked.is_empty() {
        office.desk.kayenta.applications.clone()
    } else {
        asked.iter().map(|name| (*name).to_owned()).collect()
    };
    let templates = office.desk.templates.read();
    let templates = templates.unwrap_or_else(PoisonError::into_inner);
    for file in templates.known.values() {
        let name = file.template.name.as_str();
        if !taken.iter().any(|other| other.as_deref() == Some(name)) {
            out.push(template_entry(&file.template.name, &applications));
        }
    }
    ok(&Value::Array(out))
}

/// Every config that is kept and can be read, by name.
fn kept(office: &Office) -> Vec<Arc<Value>> {
    let papers = office.desk.papers.of_kind(KIND);
    let read = papers
        .iter()
        .filter_map(|paper| office.kayenta.value(paper));
    let mut out: Vec<Arc<Value>> = read.collect();
    out.sort_by_cached_key(|config| text(config, "name"));
    out
}

/// `GET /canaryConfig/{id}`
pub(super) async fn one(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    Ok(ok(&find(&office, &id)?.document()))
}

/// `POST /canaryConfig`
pub(super) async fn create(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (_, fields) = read(&office, request).await?;
    let config = Value::Object(fields);
    check(&office, &config)?;
    let id = text(&config, "id").unwrap_or_else(|| (office.desk.next_id)().to_string());
    if AnalysisId::new(&id).is_none() {
        return Err(Said::bad(format!(
            "canary config id '{id}' is no identifier"
        )));
    }
    if find(&office, &id).is_ok() {
        return Err(Said::bad(format!("Canary config '{id}' already exists.")));
    }
    let count = office.desk.papers.count(KIND);
    if count >= CONFIGS_MAX {
        return Err(Said::bad(format!(
            "there are {count} canary configs, the limit is {CONFIGS_MAX}; delete some"
        )));
    }
    write(&office, &id, config, None).await
}

/// `PUT /canaryConfig/{id}`
pub(super) async fn update(
    State(office): State<Arc<Office>>,
    Key(id): Key,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (_, fields) = read(&office, request).await?;
    let config = Value::Object(fields);
    let Some(before) = office.desk.papers.get(KIND, &id) else {
        return Err(not_kept(&office, &id));
    };
    check(&office, &config)?;
    write(&office, &id, config, Some(&before)).await
}

/// `DELETE /canaryConfig/{id}`. Kayenta answers 204, which some callers take for a failure.
pub(super) async fn remove(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let Some(paper) = office.desk.papers.get(KIND, &id) else {
        return Err(not_kept(&office, &id));
    };
    forget(&office, paper).await?;
    Ok(ok(&json!({})))
}

fn not_kept(office: &Office, id: &str) -> Said {
    if find(office, id).is_ok() {
        return Said::bad(format!(
            "canary config '{id}' is a template of the daemon; change its file instead"
        ));
    }
    Said::missing(format!("Canary config '{id}' does not exist."))
}

async fn write(
    office: &Office,
    id: &str,
    config: Value,
    before: Option<&Arc<Paper>>,
) -> Result<Response<Body>, Said> {
    unique(office, id, &config)?;
    let now = (office.desk.now)();
    let Value::Object(mut fields) = config else {
        return Err(Said::bad("the body must be a JSON object"));
    };
    fields.insert("id".to_owned(), json!(id));
    let old = before.and_then(|paper| office.kayenta.value(paper));
    let made = old.and_then(|config| config.get("createdTimestamp")?.as_i64());
    stamp(&mut fields, "created", made.map_or(now, Timestamp::from_ms));
    stamp(&mut fields, "updated", now);
    let paper = Paper {
        kind: KIND.to_owned(),
        name: id.to_owned(),
        at: now,
        body: Value::Object(fields).to_string().into(),
    };
    let replaced = before.map_or(0, |paper| paper.body.len());
    room::for_config(office, paper.body.len(), replaced)?;
    keep(office, paper).await?;
    Ok(ok(&json!({ "canaryConfigId": id })))
}

fn stamp(fields: &mut Map<String, Value>, what: &str, at: Timestamp) {
    fields.insert(format!("{what}Timestamp"), json!(at.ms()));
    fields.insert(format!("{what}TimestampIso"), json!(at.to_string()));
}

/// A name is unique in the applications of a config, and no template has it.
fn unique(office: &Office, id: &str, config: &Value) -> Result<(), Said> {
    let name = text(config, "name").unwrap_or_default();
    let applications = texts(config, "applications");
    let template = TemplateName::new(&name);
    if template.is_some_and(|name| crate::http::bind::named(office, &name).is_ok()) {
        return Err(Said::bad(format!(
            "the daemon has a template called '{name}', which is listed as a canary config; \
             choose another name"
        )));
    }
    for other in kept(office) {
        let same = text(&other, "name").as_ref() == Some(&name);
        let own = text(&other, "id").as_deref() == Some(id);
        let shared = texts(&other, "applications");
        if same && !own && shared.iter().any(|known| applications.contains(known)) {
            let all = applications.join(", ");
            return Err(Said::bad(format!(
                "Canary config with name '{name}' already exists in the scope of applications \
                 [{all}]."
            )));
        }
    }
    Ok(())
}
