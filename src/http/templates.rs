//! `GET /v1/templates`, `/v1/templates/{name}`, and the schema editors complete templates with.

use super::analyses::{no_id, ok, segment};
use super::bind::named;
use super::office::Office;
use super::refused::Refused;
use super::wire::{InputItem, RefusedItem, TemplateItem, TemplateList, path_segment};
use crate::ids::TemplateName;
use crate::template::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::Response;
use axum::http::request::Parts;
use std::sync::{Arc, PoisonError};

/// A template name of the path.
pub(crate) struct Name(TemplateName);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let text = segment(parts, state).await?;
        TemplateName::new(&text)
            .map(Self)
            .ok_or_else(|| no_id(&text))
    }
}

pub(crate) async fn list(State(office): State<Arc<Office>>) -> Response<Body> {
    let templates = office
        .desk
        .templates
        .read()
        .unwrap_or_else(PoisonError::into_inner);
    let known = templates.known.values();
    let items = known.map(|file| item(&file.template)).collect();
    let refused = templates.refused.iter().map(|file| RefusedItem {
        file: file.file.clone(),
        keeps: file.keeps.as_ref().map(ToString::to_string),
        why: file.why.clone(),
    });
    let refused = refused.collect();
    drop(templates);
    ok(&TemplateList {
        templates: items,
        refused,
    })
}

pub(crate) async fn one(
    State(office): State<Arc<Office>>,
    Name(name): Name,
) -> Result<Response<Body>, Refused> {
    let chosen = named(&office, &name)?;
    Ok(ok(&TemplateItem {
        text: Some(chosen.text.to_string()),
        ..item(&chosen.template)
    }))
}

/// `GET /v1/schema/template.json`
pub(crate) async fn schema() -> Response<Body> {
    ok(&crate::template::schema::json())
}

fn item(template: &Template) -> TemplateItem {
    let inputs = template.inputs.iter().map(|input| InputItem {
        name: input.name.clone(),
        description: input.description.clone(),
        default: input.default.clone(),
    });
    TemplateItem {
        name: template.name.to_string(),
        description: template.description.clone(),
        digest: template.digest.to_string(),
        method: template.judge.method.word().to_owned(),
        inputs: inputs.collect(),
        metrics: template
            .metrics
            .iter()
            .map(|m| m.name.to_string())
            .collect(),
        objectives: template
            .objectives
            .iter()
            .map(|o| o.name.to_string())
            .collect(),
        link: format!("/v1/templates/{}", path_segment(template.name.as_str())),
        text: None,
    }
}
