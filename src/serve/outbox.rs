//! Outbound messages: which key signs, what the bytes are, what the answer means to the engine.

use crate::engine::effect::SendOrder;
use crate::engine::event::SendReply;
use crate::engine::github::GithubForm;
use crate::engine::record::{Receiver, SecretRef};
use crate::engine::subscription::Form;
use crate::serve::clock::Clock;
use crate::serve::github::Outgoing;
use crate::serve::hook_templates::{HookTemplates, found};
use crate::webhook::call::Call;
use crate::webhook::signature::SigningKey;
use crate::webhook::{Disposition, Message, Reply, Sender};
use crate::wire::cdevents::{self, Told};
use crate::wire::event::{fields, moment_event};
use std::collections::BTreeMap;

/// Everything needed to send a message.
pub(crate) struct Outbox {
    pub(crate) sender: Sender,
    pub(crate) clock: Clock,
    /// The daemon's default keys; none when every receiver brings its own.
    pub(crate) default_keys: Vec<SigningKey>,
    /// Keys by name.
    pub(crate) named_keys: BTreeMap<String, Vec<SigningKey>>,
    /// The CloudEvents source.
    pub(crate) source: String,
    /// Requests of other shapes.
    pub(crate) templates: HookTemplates,
    /// What speaks to GitHub, when it is configured.
    pub(crate) github: Option<Outgoing>,
}

impl Outbox {
    /// One attempt; `status` is what the receiver answered, if it did.
    pub(crate) async fn send(&self, order: &SendOrder, status: &mut Option<u16>) -> SendReply {
        if let Some(reply) = self.not_now(order) {
            return reply;
        }
        if let Form::Github(form) = &order.receiver.form {
            return self.tell_github(order, form, status).await;
        }
        let keys = match self.keys(&order.receiver) {
            Ok(keys) => keys,
            Err(detail) => {
                return SendReply::Retry {
                    after: None,
                    detail,
                };
            }
        };
        let reply = match self.attempt(order, &keys).await {
            Ok(reply) => reply,
            Err(detail) => return SendReply::GiveUp { detail },
        };
        *status = reply.status();
        heard(&reply)
    }

    /// One attempt at telling GitHub.
    async fn tell_github(
        &self,
        order: &SendOrder,
        form: &GithubForm,
        status: &mut Option<u16>,
    ) -> SendReply {
        let Some(github) = &self.github else {
            return SendReply::Retry {
                after: None,
                detail: "github.app_id is not configured; set it and this will be sent".to_owned(),
            };
        };
        let at = self.clock.now();
        github.send(&self.sender, (order, form), at, status).await
    }

    /// Why a message is not sent at present: a watched analysis must move nothing, and a template
    /// that has gone may come back with the next start.
    fn not_now(&self, order: &SendOrder) -> Option<SendReply> {
        let form = &order.receiver.form;
        if order.view.coordination.shadow && form.moves() {
            let detail = "not sent: the analysis is in shadow mode".to_owned();
            return Some(SendReply::GiveUp { detail });
        }
        let Form::Templated(name) = form else {
            return None;
        };
        let detail = found(&self.templates, name).err()?;
        Some(SendReply::Retry {
            after: None,
            detail,
        })
    }

    /// Makes the message in the receiver's form and sends it.
    async fn attempt(&self, order: &SendOrder, keys: &[SigningKey]) -> Result<Reply, String> {
        let told = Told {
            moment: order.moment,
            view: &order.view,
            delivery: &order.delivery,
            source: &self.source,
            born: order.born,
        };
        let at_birth = (&*order.view, order.born);
        let delivery = &order.delivery;
        let mut calls = None;
        let mut address = order.receiver.url.clone();
        let body = match &order.receiver.form {
            Form::CloudEvents => moment_event(order.moment, at_birth, delivery, &self.source),
            Form::CdEvents => cdevents::suite(&told),
            Form::CdEventsCases => {
                calls = Some(Call::post(cdevents::BATCH_TYPE)?);
                cdevents::suite_and_cases(&told)
            }
            Form::Github(_) => return Err("GitHub is told in a way of its own".to_owned()),
            Form::CdEventsApproval => cdevents::approval(&told),
            Form::Templated(name) => {
                let template = found(&self.templates, name)?;
                let known = fields(order.moment, at_birth, delivery, &self.source);
                let filled = template.fill(&known)?;
                calls = Some(filled.call);
                address = filled.url.unwrap_or(address);
                filled.body
            }
        };
        // The address may be a secret itself, so it is not shown.
        let url = url::Url::parse(&address).map_err(|fault| format!("receiver url: {fault}"))?;
        let traceparent = order.view.plan.rollout.deploy.traceparent.as_deref();
        let headers: Vec<_> = traceparent
            .map(|value| ("traceparent", value))
            .into_iter()
            .collect();
        let message = Message {
            url: &url,
            id: order.delivery.as_str(),
            at: self.clock.now(),
            body: &body,
            secrets: keys,
            headers: &headers,
        };
        Ok(match &calls {
            Some(call) => self.sender.call(message, call).await,
            None => self.sender.send(message).await,
        })
    }

    fn keys(&self, receiver: &Receiver) -> Result<Vec<SigningKey>, String> {
        match &receiver.secret {
            SecretRef::Default if matches!(receiver.form, Form::Templated(_)) => {
                Ok(self.default_keys.clone())
            }
            SecretRef::Default if self.default_keys.is_empty() => {
                Err("webhooks.key is not configured and the receiver names no key".to_owned())
            }
            SecretRef::Default => Ok(self.default_keys.clone()),
            SecretRef::Named(name) => self.named_keys.get(name).cloned().ok_or_else(|| {
                format!("webhooks.keys has no `{name}`; add it and the message will be sent")
            }),
            SecretRef::Inline(secret) => SigningKey::parse(secret.expose())
                .map(|key| vec![key])
                .map_err(|fault| format!("the receiver's own secret: {fault}")),
        }
    }
}

/// What the end of an attempt means to the engine.
pub(crate) fn heard(reply: &Reply) -> SendReply {
    match (reply.disposition(), reply) {
        (Disposition::Done, Reply::Accepted { status }) => SendReply::Accepted { status: *status },
        (Disposition::Retry { after }, _) => SendReply::Retry {
            after,
            detail: reply.to_string(),
        },
        (Disposition::Done | Disposition::GiveUp, _) => SendReply::GiveUp {
            detail: reply.to_string(),
        },
    }
}
