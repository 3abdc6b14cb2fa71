//! The stage of one case: a name of its own, an analysis brought into the state the case wants by
//! the daemon's own endpoints, and texts with their `${…}` filled.

use super::vectors::TEMPLATE;
use crate::cli::client::{Client, Exchange, Fault};
use crate::cli::exit_code::Exit;
use crate::http::wire::{
    AnalysisList, CancelInput, OverrideInput, SubmittedDocument, path_segment,
};
use crate::wire::conformance::{Case, Given, Request, Step};
use crate::wire::coordination::{FreezeDocument, FreezeInput, LiftInput};
use crate::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};
use std::collections::BTreeMap;

/// How long a freeze lasts that nobody lifts, because the run was broken off.
const FREEZE: &str = "10m";

/// Said in the decision log.
const REASON: &str = "a conformance case wants it so";

/// Who decides, where the daemon asks for no credentials.
const AUTHOR: &str = "conformance";

/// What a case knows by name.
pub(crate) type Values = BTreeMap<String, String>;

/// What the person who runs the suite has set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    pub(crate) binding: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) token: Option<String>,
}

impl Setting {
    /// Why a case cannot be run with it.
    pub(crate) fn lacks(&self, case: &Case) -> Option<String> {
        let lacking = |need: &&String| match need.as_str() {
            "binding" => self.binding.is_none(),
            "template" => self.template.is_none(),
            "credentials" => self.token.is_none(),
            _ => true,
        };
        let need = case.needs.iter().find(lacking)?;
        Some(match need.as_str() {
            "binding" => "--binding names none".to_owned(),
            "template" => "--template names none".to_owned(),
            "credentials" => "--token-file names none".to_owned(),
            other => format!("it needs {other}, which only its own tests have"),
        })
    }

    /// What every text of a case may name; `run` and `number` make the service unique.
    fn values(&self, run: &str, number: usize) -> Values {
        let service = format!("conformance-{run}-{number}");
        let mut out = Values::from([
            ("deploy".to_owned(), format!("{service}-deploy")),
            ("id".to_owned(), format!("{service}-unknown")),
            ("service".to_owned(), service),
        ]);
        for (name, value) in [
            ("binding", &self.binding),
            ("template", &self.template),
            ("token", &self.token),
        ] {
            if let Some(value) = value {
                out.insert(name.to_owned(), value.clone());
            }
        }
        out
    }
}

/// A case under way.
pub(crate) struct Stage<'a> {
    client: &'a Client,
    pub(crate) values: Values,
    signed: bool,
    freeze: Option<String>,
}

impl<'a> Stage<'a> {
    /// A stage with nothing on it yet, for the case of this run with this number.
    pub(crate) fn new(client: &'a Client, setting: &Setting, (run, number): (&str, usize)) -> Self {
        Self {
            client,
            values: setting.values(run, number),
            signed: setting.token.is_some(),
            freeze: None,
        }
    }

    /// Brings the analysis of `case` into its state. The inner error is the daemon's difference;
    /// the outer one ends the run, once the stage is cleared.
    pub(crate) async fn set(&mut self, case: &Case) -> Result<Result<(), String>, Fault> {
        if case.given == Given::Held {
            self.freeze().await?; // before the submission, which is then held from its first answer
        }
        for step in &case.first {
            if let Err(why) = self.step(step).await? {
                return Ok(Err(format!("first: {why}")));
            }
        }
        if !matches!(case.given, Given::Unknown | Given::None) {
            if let Err(why) = self.analysis(case).await? {
                return Ok(Err(why));
            }
            self.decide(case.given).await?;
        }
        for step in &case.then {
            if let Err(why) = self.step(step).await? {
                return Ok(Err(format!("then: {why}")));
            }
        }
        Ok(Ok(()))
    }

    /// The analysis the controller made, or one of our own.
    async fn analysis(&mut self, case: &Case) -> Result<Result<(), String>, Fault> {
        let service = self.values.get("service").cloned().unwrap_or_default();
        let id = if case.first.is_empty() {
            self.submit(&service).await?
        } else {
            let path = format!("v1/analyses?limit=1&service={}", path_segment(&service));
            let list: AnalysisList = self.client.get(&path).await?.read()?;
            let Some(found) = list.analyses.into_iter().next() else {
                return Ok(Err(format!("first: no analysis of {service} was made")));
            };
            found.id
        };
        self.values.insert("id".to_owned(), id);
        Ok(Ok(()))
    }

    async fn freeze(&mut self) -> Result<(), Fault> {
        let body = body(&FreezeInput {
            service: self.values.get("service").cloned(),
            until: Some(FREEZE.to_owned()),
            reason: REASON.to_owned(),
            author: self.author(),
            ..FreezeInput::default()
        })?;
        let freeze: FreezeDocument = self.client.post("v1/freezes", body).await?.read()?;
        self.freeze = Some(freeze.id);
        Ok(())
    }

    /// Who decides, where no credential says so.
    fn author(&self) -> Option<String> {
        (!self.signed).then(|| AUTHOR.to_owned())
    }

    async fn submit(&self, service: &str) -> Result<String, Fault> {
        let arm = |name: &str| {
            let label = ("conformance".to_owned(), name.to_owned());
            Some(ScopeInput::Labels(BTreeMap::from([label])))
        };
        let document = SubmissionDocument {
            template_inline: Some(TEMPLATE.to_owned()),
            baseline: arm("baseline"),
            canary: arm("canary"),
            deploy: DeployInput {
                id: self.values.get("deploy").cloned(),
                service: service.to_owned(),
                ..DeployInput::default()
            },
            ..SubmissionDocument::default()
        };
        let body = body(&document)?;
        let submitted: SubmittedDocument = self.client.post("v1/analyses", body).await?.read()?;
        Ok(submitted.id)
    }

    async fn decide(&self, given: Given) -> Result<(), Fault> {
        let verdict = match given {
            Given::Promote | Given::Rollback | Given::Inconclusive => given.word(),
            Given::Pending | Given::Held | Given::Unknown | Given::None => return Ok(()),
        };
        let id = self.values.get("id").cloned().unwrap_or_default();
        let body = body(&OverrideInput {
            verdict: verdict.to_owned(),
            reason: REASON.to_owned(),
            author: self.author(),
        })?;
        let path = format!("v1/analyses/{}/override", path_segment(&id));
        self.client.post(&path, body).await.map(drop)
    }

    async fn step(&mut self, step: &Step) -> Result<Result<(), String>, Fault> {
        let exchange = match self.send(&step.request).await? {
            Ok(exchange) => exchange,
            Err(why) => return Ok(Err(why)),
        };
        let status = exchange.status;
        let fits = match step.status {
            Some(wanted) => status == wanted,
            None => (200..300).contains(&status),
        };
        if !fits {
            let Request { method, path, .. } = &step.request;
            let text = String::from_utf8_lossy(&exchange.body);
            return Ok(Err(format!("{method} {path} was answered {status} {text}")));
        }
        let document: serde_json::Value =
            serde_json::from_slice(&exchange.body).unwrap_or_default();
        for (name, pointer) in &step.save {
            let found = document.pointer(pointer).map(|value| match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            });
            let Some(found) = found else {
                let path = &step.request.path;
                return Ok(Err(format!("{path} was answered without {pointer}")));
            };
            self.values.insert(name.clone(), found);
        }
        Ok(Ok(()))
    }

    /// Sends a request with its texts filled; the inner error is a text that cannot be.
    pub(crate) async fn send(&self, request: &Request) -> Result<Result<Exchange, String>, Fault> {
        let filled = || {
            let headers = request.headers.iter();
            let headers: Result<Vec<(String, String)>, String> = headers
                .map(|(name, value)| Ok((name.clone(), filled(value, &self.values)?)))
                .collect();
            let path = filled(&request.path, &self.values)?;
            Ok((path, headers?, filled(&request.body, &self.values)?))
        };
        let (path, headers, body) = match filled() {
            Ok(all) => all,
            Err(why) => return Ok(Err(why)),
        };
        let sent = self.client.exchange(&request.method, &path, &headers, body);
        sent.await.map(Ok)
    }

    /// Leaves nothing under way.
    pub(crate) async fn clear(self) -> Result<(), Fault> {
        let service = self.values.get("service").cloned().unwrap_or_default();
        let path = format!(
            "v1/analyses?verdict=pending&service={}",
            path_segment(&service)
        );
        let list: AnalysisList = self.client.get(&path).await?.read()?;
        for one in list.analyses {
            let body = body(&CancelInput {
                reason: REASON.to_owned(),
                author: self.author(),
            })?;
            let path = format!("v1/analyses/{}/cancel", path_segment(&one.id));
            self.client.post(&path, body).await?;
        }
        if let Some(id) = &self.freeze {
            let body = body(&LiftInput {
                reason: REASON.to_owned(),
                author: self.author(),
            })?;
            let path = format!("v1/freezes/{}/lift", path_segment(id));
            self.client.post(&path, body).await?;
        }
        Ok(())
    }
}

fn body<T: serde::Serialize>(document: &T) -> Result<String, Fault> {
    serde_json::to_string(document).map_err(|fault| (Exit::Internal, fault.to_string()))
}

/// `text` with every `${name}` filled.
pub(crate) fn filled(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (name, after) = behind
            .split_once('}')
            .ok_or_else(|| format!("`${{` in `{text}` is never closed"))?;
        let value = values
            .get(name)
            .ok_or_else(|| format!("`${{{name}}}` in `{text}` has no value"))?;
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
