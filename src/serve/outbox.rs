//! Outbound messages: which key signs, what the bytes are, what the answer means to the engine.

use crate::engine::effect::SendOrder;
use crate::engine::event::SendReply;
use crate::engine::github::GithubForm;
use crate::engine::record::SecretRef;
use crate::engine::subscription::Form;
use crate::serve::clock::Clock;
use crate::serve::github::Outgoing;
use crate::webhook::signature::SigningKey;
use crate::webhook::{Disposition, Message, Reply, Sender};
use crate::wire::event::moment_event;
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
    /// What speaks to GitHub, when it is configured.
    pub(crate) github: Option<Outgoing>,
}

impl Outbox {
    /// One attempt.
    pub(crate) async fn send(&self, order: &SendOrder) -> SendReply {
        if let Form::Github(form) = &order.receiver.form {
            return self.tell_github(order, form).await;
        }
        let keys = match self.keys(&order.receiver.secret) {
            Ok(keys) => keys,
            Err(detail) => {
                return SendReply::Retry {
                    after: None,
                    detail,
                };
            }
        };
        let url = match url::Url::parse(&order.receiver.url) {
            Ok(url) => url,
            Err(fault) => {
                return SendReply::GiveUp {
                    detail: format!("receiver url: {fault}"),
                };
            }
        };
        let at_birth = (&*order.view, order.born);
        let body = moment_event(order.moment, at_birth, &order.delivery, &self.source);
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
            secrets: &keys,
            headers: &headers,
        };
        heard(&self.sender.send(message).await)
    }

    /// One attempt at telling GitHub.
    async fn tell_github(&self, order: &SendOrder, form: &GithubForm) -> SendReply {
        let Some(github) = &self.github else {
            return SendReply::Retry {
                after: None,
                detail: "github.app_id is not configured; set it and this will be sent".to_owned(),
            };
        };
        let at = self.clock.now();
        github.send(&self.sender, order, form, at).await
    }

    fn keys(&self, secret: &SecretRef) -> Result<Vec<SigningKey>, String> {
        match secret {
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
