//! What can go wrong between us and a metrics source, in the words a driver decides by.

use crate::time::{Span, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use std::fmt;

/// A query that gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What a caller decides by.
    pub kind: FaultKind,
    /// Names the query or address (never a secret), what was answered, the limit, the way out.
    pub message: String,
    /// How long the source asked us to stay away; at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Span>,
}

/// The longest stay-away that is believed; a longer one is cut to this, because a source with a
/// wrong clock must not silence an analysis for a day.
pub const RETRY_AFTER_MAX: Span = Span::from_s(3600);

/// The kinds of [`Fault`]; the list is closed so that drivers can match on all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The source understood and refused (400, 422 and the like): asking again gives the same.
    BadQuery,
    /// Our credentials were refused (401, 403) or could not be read.
    Auth,
    /// The source is there but has too much to do (429, 503).
    Overloaded,
    /// Nothing there, or it failed inside: connection, name lookup, an answer cut short, 5xx.
    Unavailable,
    /// No answer in time, by our clock or by the source's.
    Timeout,
    /// The answer is larger than a limit of ours (or of the source: 413).
    TooLarge,
    /// What came back is not an answer of this API: garbage, HTML, a redirect.
    Malformed,
}

impl FaultKind {
    /// Whether the same question may well be answered later, without anyone changing anything.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Overloaded | Self::Unavailable | Self::Timeout)
    }

    /// The word used in logs, metrics and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadQuery => "bad_query",
            Self::Auth => "auth",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Fault {
    /// A fault without a stay-away.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Reads `Retry-After` (RFC 9110, 10.2.3): whole seconds, or an HTTP date seen from `now`.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Span> {
    let text = text.trim();
    let wait = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than fit is a very long time, not an unreadable one.
        Span::from_s(text.parse().unwrap_or(i64::MAX))
    } else {
        // The weekday only repeats the date; a server that gets it wrong still means the date.
        const DATE: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
        let until = DATE.parse_timestamp(text).ok()?;
        Timestamp::from_ms(until.as_millisecond()).since(now)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Text fit for one line of a message: control characters become spaces, at most `chars_max`
/// characters, with a mark where it was cut.
pub(super) fn excerpt(text: &str, chars_max: usize) -> String {
    let mut out: String = text
        .chars()
        .take(chars_max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(chars_max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = Timestamp::from_s(784_111_767); // ten seconds before the date of RFC 9110
        for (text, expected) in [
            ("0", Some(Span::ZERO)),
            ("7", Some(Span::from_s(7))),
            (" 7 ", Some(Span::from_s(7))),
            ("99999999999999999999999", Some(RETRY_AFTER_MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Span::from_s(10))),
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(Span::from_s(10))),
            ("Sun, 06 Nov 1994 08:49:20 GMT", Some(Span::ZERO)),
            ("soon", None),
            ("-3", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn excerpts_are_one_line_and_say_when_they_are_cut() {
        assert_eq!(excerpt("a\nb", 5), "a b");
        assert_eq!(excerpt("äöüß", 3), "äöü…");
        assert_eq!(excerpt("äöü", 3), "äöü");
    }
}
