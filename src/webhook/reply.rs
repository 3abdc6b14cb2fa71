//! What an attempt came to, and whether another one makes sense.

use crate::time::Span;
use crate::wire::line;
use std::fmt;

/// The most characters kept of a receiver's answer or of an error; the rest is dropped.
pub const DETAIL_CHARS_MAX: usize = 200;

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The receiver has it (any 2xx).
    Accepted {
        /// The HTTP status.
        status: u16,
    },
    /// The receiver answered, but not with 2xx.
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long the receiver asks to wait, counted from the attempt.
        retry_after: Option<Span>,
        /// What the status means for the next attempt.
        kind: Refusal,
        /// The beginning of the answer, on one line, at most [`DETAIL_CHARS_MAX`] characters.
        detail: String,
    },
    /// There was no answer.
    Failed {
        /// Why, on one line, at most [`DETAIL_CHARS_MAX`] characters. Names host and port, never
        /// the path or query (receivers put tokens there) nor a secret.
        detail: String,
        /// The same in one word.
        kind: FailedKind,
    },
}

/// What a status other than 2xx means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 410: the receiver wants no more messages; its endpoint should be disabled.
    Gone,
    /// Any other 4xx and all 3xx: the same request will not do better.
    Permanent,
    /// 429: too many requests.
    Throttled,
    /// 5xx; also 408 and 425 (RFC 9110 15.5.9, RFC 8470 5.2), whose meaning is "send it again".
    Server,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedKind {
    /// Refused by the address guard, before or after DNS, or a URL that may not be called.
    AddressForbidden,
    /// The name has no address now.
    Dns,
    /// No connection.
    Connect,
    /// No trusted TLS session.
    Tls,
    /// A time limit passed.
    Timeout,
    /// The connection broke, or what came back is not HTTP.
    Protocol,
    /// The message itself cannot be sent (id, headers or size).
    Message,
}

/// What to do with the message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Delivered.
    Done,
    /// Try again, on the schedule of the engine, but not before `after` (from the attempt).
    Retry {
        /// What the receiver asked for, if it did.
        after: Option<Span>,
    },
    /// Trying again cannot help; keep it for a replay by hand.
    GiveUp,
}

impl Refusal {
    /// The meaning of a status other than 2xx.
    pub const fn of(status: u16) -> Self {
        match status {
            410 => Self::Gone,
            429 => Self::Throttled,
            408 | 425 | 500.. => Self::Server,
            _ => Self::Permanent,
        }
    }
}

impl fmt::Display for Reply {
    /// One line for a log or a view.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { status } => write!(f, "accepted with {status}"),
            Self::Refused { status, detail, .. } if detail.is_empty() => {
                write!(f, "answered {status}")
            }
            Self::Refused { status, detail, .. } => write!(f, "answered {status}: {detail}"),
            Self::Failed { detail, .. } => f.write_str(detail),
        }
    }
}

impl Reply {
    /// The HTTP status, when there was an answer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted { status } | Self::Refused { status, .. } => Some(*status),
            Self::Failed { .. } => None,
        }
    }

    /// Whether another attempt makes sense.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Accepted { .. } => Disposition::Done,
            Self::Refused {
                kind, retry_after, ..
            } => match kind {
                Refusal::Gone | Refusal::Permanent => Disposition::GiveUp,
                Refusal::Throttled | Refusal::Server => Disposition::Retry {
                    after: *retry_after,
                },
            },
            Self::Failed { kind, .. } => match kind {
                FailedKind::AddressForbidden | FailedKind::Message => Disposition::GiveUp,
                FailedKind::Dns
                | FailedKind::Connect
                | FailedKind::Tls
                | FailedKind::Timeout
                | FailedKind::Protocol => Disposition::Retry { after: None },
            },
        }
    }

    /// A failure with its text made fit for one line.
    pub(in crate::webhook) fn failed(kind: FailedKind, detail: &str) -> Self {
        Self::Failed {
            detail: one_line(detail),
            kind,
        }
    }
}

/// The first [`DETAIL_CHARS_MAX`] characters on one line, as logs and terminals want a receiver's
/// answer.
pub(in crate::webhook) fn one_line(text: &str) -> String {
    line::one_line(text)
        .chars()
        .take(DETAIL_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{DETAIL_CHARS_MAX, Disposition, FailedKind, Refusal, Reply, one_line};
    use crate::time::Span;

    #[test]
    fn every_status_has_one_meaning() {
        for status in (100..200).chain(300..600) {
            let wanted = match status {
                410 => Refusal::Gone,
                429 => Refusal::Throttled,
                408 | 425 | 500..=599 => Refusal::Server,
                _ => Refusal::Permanent,
            };
            assert_eq!(Refusal::of(status), wanted, "{status}");
        }
    }

    #[test]
    fn dispositions() {
        let refused = |status| Reply::Refused {
            status,
            retry_after: Some(Span::from_s(9)),
            kind: Refusal::of(status),
            detail: String::new(),
        };
        let wait = Disposition::Retry {
            after: Some(Span::from_s(9)),
        };
        let cases = [
            (Reply::Accepted { status: 202 }, Disposition::Done),
            (refused(302), Disposition::GiveUp),
            (refused(404), Disposition::GiveUp),
            (refused(410), Disposition::GiveUp),
            (refused(429), wait),
            (refused(503), wait),
            (
                Reply::failed(FailedKind::Timeout, ""),
                Disposition::Retry { after: None },
            ),
            (
                Reply::failed(FailedKind::AddressForbidden, ""),
                Disposition::GiveUp,
            ),
        ];
        for (reply, wanted) in cases {
            assert_eq!(reply.disposition(), wanted, "{reply:?}");
        }
    }

    #[test]
    fn details_are_one_short_line() {
        assert_eq!(one_line(" a\r\n\u{1b}[31mb\0\tc "), "a [31mb c");
        assert_eq!(one_line(&"é".repeat(500)).chars().count(), DETAIL_CHARS_MAX);
    }
}
