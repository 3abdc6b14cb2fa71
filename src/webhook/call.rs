//! What a templated webhook sends, and when it has succeeded.

use super::sender::{EXTRA_HEADERS_MAX, RESERVED};
use crate::secret::Secret;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// The longest value of a header in bytes; a longer one is not sent. Servers commonly take 8 KiB
/// for all headers together.
pub const HEADER_VALUE_LEN_MAX: usize = 4096;

/// Which answers mean that it is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Success {
    /// Statuses; none for any 2xx.
    statuses: Vec<Statuses>,
    /// What the answer must say besides, by JSON pointer (RFC 6901).
    says: Option<(String, Value)>,
}

/// A status, or all of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statuses {
    One(u16),
    /// By the first digit.
    Class(u16),
}

impl Success {
    /// Reads statuses (`201`) and classes (`2xx`), and what the answer must say at a JSON pointer.
    ///
    /// # Errors
    ///
    /// Which one is none, with the way out.
    pub fn parse(statuses: &[String], says: Option<(&str, Value)>) -> Result<Self, String> {
        let one = |text: &String| {
            let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
            let status = text.parse().ok();
            match (class, status) {
                (Some(class @ 1..=5), _) => Ok(Statuses::Class(class)),
                (None, Some(status @ 100..=599)) => Ok(Statuses::One(status)),
                _ => Err(format!("`{text}` is no status; write 2xx, or 200 to 599")),
            }
        };
        let says = says.map(|(pointer, value)| match pointer {
            "" => Ok((String::new(), value)),
            text if text.starts_with('/') => Ok((text.to_owned(), value)),
            text => Err(format!("`{text}` is no JSON pointer; write /status/phase")),
        });
        Ok(Self {
            statuses: statuses.iter().map(one).collect::<Result<_, _>>()?,
            says: says.transpose()?,
        })
    }

    /// Whether a status means success, as far as it decides.
    pub(super) fn takes(&self, status: u16) -> bool {
        let fits = |rule: &Statuses| match rule {
            Statuses::One(one) => *one == status,
            Statuses::Class(class) => *class == status / 100,
        };
        match self.statuses.as_slice() {
            [] => (200..300).contains(&status),
            rules => rules.iter().any(fits),
        }
    }

    /// Whether the answer's body decides as well.
    pub(super) const fn reads(&self) -> bool {
        self.says.is_some()
    }

    /// What is missing in an answer that has the right status.
    pub(super) fn lacks(&self, body: &[u8]) -> Option<String> {
        let (pointer, wanted) = self.says.as_ref()?;
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let found = answer.pointer(pointer);
        // What stands in a configuration is often text where the answer has a number or a word.
        let same = |found: &Value| {
            let shown = found.to_string();
            found == wanted || wanted.as_str() == Some(shown.as_str())
        };
        (!found.is_some_and(same)).then(|| match found {
            Some(found) => format!("the answer says {found} at {pointer}, wanted {wanted}"),
            None => format!("the answer has nothing at {pointer}, wanted {wanted}"),
        })
    }
}

/// How somebody else's interface is asked; address and body are the message's.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub(super) method: Method,
    /// What is sent along, `content-type` included.
    pub(super) headers: HeaderMap,
    /// When it is done.
    pub(super) success: Success,
    /// What an answer may say back to us, and nobody else is to read.
    hidden: Vec<Secret>,
}

impl Call {
    /// The usual request with another media type.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn post(content_type: &str) -> Result<Self, String> {
        Self::new(Method::POST, &[], content_type, Success::default())
    }

    /// Checks the headers; values that came from a secret are marked so that nothing prints them.
    ///
    /// # Errors
    ///
    /// What cannot be sent; never shows a value.
    pub fn new(
        method: Method,
        headers: &[(String, String)],
        content_type: &str,
        success: Success,
    ) -> Result<Self, String> {
        if headers.len() > EXTRA_HEADERS_MAX {
            let count = headers.len();
            return Err(format!(
                "{count} headers; at most {EXTRA_HEADERS_MAX} are sent"
            ));
        }
        let mut out = HeaderMap::new();
        for (name, text) in headers {
            let key = HeaderName::from_bytes(name.as_bytes());
            let key = key.map_err(|_| format!("`{name}` is not a header name"))?;
            if RESERVED.contains(&key.as_str()) {
                return Err(format!(
                    "the header `{key}` cannot be set; see content_type"
                ));
            }
            if text.len() > HEADER_VALUE_LEN_MAX {
                let bytes = text.len();
                return Err(format!(
                    "the header `{key}` has {bytes} bytes; at most {HEADER_VALUE_LEN_MAX} are sent"
                ));
            }
            let value = HeaderValue::from_str(text);
            let mut value =
                value.map_err(|_| format!("the header `{key}` has an illegal character"))?;
            value.set_sensitive(true);
            out.insert(key, value);
        }
        let kind = HeaderValue::from_str(content_type);
        let kind = kind.map_err(|_| format!("`{content_type}` is no content type"))?;
        out.insert(reqwest::header::CONTENT_TYPE, kind);
        Ok(Self {
            method,
            headers: out,
            success,
            hidden: Vec::new(),
        })
    }

    /// The same with secrets that its message has in it.
    #[must_use]
    pub fn hiding(self, hidden: Vec<Secret>) -> Self {
        Self { hidden, ..self }
    }

    /// A text of the other side without the secrets it was told: it ends up in the decision log.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for secret in &self.hidden {
            let told = secret.expose();
            if !told.is_empty() {
                out = out.replace(told, "***");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::Success;
    use serde_json::json;

    #[test]
    fn statuses_and_what_the_answer_says() {
        let rules = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            Success::parse(&texts, None)
        };
        for (texts, status, wanted) in [
            (&[][..], 204, true),
            (&[], 302, false),
            (&["200", "409"], 409, true),
            (&["200", "409"], 201, false),
            (&["2xx", "3xx"], 304, true),
            (&["2xx"], 404, false),
        ] {
            assert_eq!(
                rules(texts).unwrap().takes(status),
                wanted,
                "{texts:?} {status}"
            );
        }
        for text in ["ok", "99", "9xx", "xx", ""] {
            assert!(rules(&[text]).is_err(), "{text}");
        }
        let says = |wanted| Success::parse(&[], Some(("/status/phase", wanted))).unwrap();
        let running = br#"{"status":{"phase":"Running","n":3}}"#;
        assert_eq!(says(json!("Running")).lacks(running), None);
        assert!(
            says(json!("Done"))
                .lacks(running)
                .unwrap()
                .contains("\"Running\"")
        );
        assert!(
            says(json!("Done"))
                .lacks(b"no json")
                .unwrap()
                .contains("nothing at")
        );
        let number = Success::parse(&[], Some(("/status/n", json!("3")))).unwrap();
        assert_eq!(number.lacks(running), None);
        assert!(Success::parse(&[], Some(("status", json!(1)))).is_err());
    }
}
