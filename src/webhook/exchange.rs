//! One exchange with an interface of somebody else's: the address is checked as for a webhook, the
//! answer is read to its end.

use super::address_guard::check_url;
use super::reply::{FailedKind, Reply};
use super::retry_after;
use super::sender::{AGENT, ANSWER_BYTES_MAX, BODY_BYTES_MAX, Sender, read_start, sort_failure};
use crate::time::{Span, Timestamp};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Request};
use url::Url;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// How.
    pub(super) method: &'a Method,
    /// Of whom.
    pub(super) url: &'a Url,
    /// Headers, by their lower-case names.
    pub(super) headers: &'a [(&'static str, &'a str)],
    /// The body; empty for none.
    pub(super) body: &'a [u8],
    /// When.
    pub(super) at: Timestamp,
}

/// What was answered.
pub(super) struct Answered {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long the other side asks to wait.
    pub(super) retry_after: Option<Span>,
    /// The body, at most [`ANSWER_BYTES_MAX`] of it.
    pub(super) body: Vec<u8>,
}

impl Sender {
    /// Asks once. Never waits longer than the time limit.
    ///
    /// # Errors
    ///
    /// A reply that says why there was no answer.
    pub(super) async fn exchange(&self, question: Question<'_>) -> Result<Answered, Reply> {
        if let Err(error) = check_url(question.url, &self.policy) {
            let why = error.to_string();
            return Err(Reply::failed(FailedKind::AddressForbidden, &why));
        }
        let request =
            request(&question).map_err(|detail| Reply::failed(FailedKind::Message, &detail))?;
        let sent = self.client.execute(request).await;
        let mut response =
            sent.map_err(|error| sort_failure(&error, question.url, self.timeout))?;
        let wait = response.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|text| retry_after::parse(text, question.at));
        let mut body = Vec::new();
        read_start(&mut response, &mut body, ANSWER_BYTES_MAX).await;
        Ok(Answered {
            status: response.status().as_u16(),
            retry_after,
            body,
        })
    }
}

fn request(question: &Question<'_>) -> Result<Request, String> {
    if question.body.len() > BODY_BYTES_MAX {
        let bytes = question.body.len();
        return Err(format!(
            "the body has {bytes} bytes; at most {BODY_BYTES_MAX} are sent"
        ));
    }
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, text) in question.headers {
        let value = HeaderValue::from_str(text);
        let mut value =
            value.map_err(|_| format!("the header `{name}` has an illegal character"))?;
        value.set_sensitive(*name == "authorization");
        headers.insert(HeaderName::from_static(name), value);
    }
    let mut request = Request::new(question.method.clone(), question.url.clone());
    *request.headers_mut() = headers;
    if !question.body.is_empty() {
        *request.body_mut() = Some(question.body.to_vec().into());
    }
    Ok(request)
}
