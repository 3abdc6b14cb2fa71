//! The `Retry-After` header: how long a receiver asks to be left alone.

use crate::time::{Span, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The longest wait a receiver can ask for; a longer one is cut to this. No verdict is worth
/// telling a day later, and a receiver must not be able to park a message for years.
pub const RETRY_AFTER_MAX: Span = Span::from_s(86_400);

/// The three forms of an HTTP date a recipient has to read (RFC 9110 section 5.6.7).
const HTTP_DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT", // IMF-fixdate
    "%A, %d-%b-%y %H:%M:%S GMT", // RFC 850, obsolete
    "%a %b %e %H:%M:%S %Y",      // asctime, obsolete
];

/// Reads whole seconds or an HTTP date (RFC 9110 section 10.2.3), as the wait from `at`, the
/// instant of the attempt. A date that has passed is no wait; text of neither form is `None`.
pub fn parse(text: &str, at: Timestamp) -> Option<Span> {
    let text = text.trim();
    let wait = if text.is_empty() {
        return None;
    } else if text.bytes().all(|c| c.is_ascii_digit()) {
        text.parse().map_or(RETRY_AFTER_MAX, Span::from_s) // too many digits: longer than any limit
    } else {
        parse_date(text)?.since(at)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let date = HTTP_DATES
        .iter()
        .find_map(|form| DateTime::strptime(form, text).ok())?;
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_ms(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::{RETRY_AFTER_MAX, parse};
    use crate::time::{Span, Timestamp};

    #[test]
    fn reads_seconds_and_all_three_dates() {
        let at = Timestamp::from_s(784_111_747); // 30 s before the RFC's example date
        let cases = [
            ("0", Some(Span::ZERO)),
            ("120", Some(Span::from_s(120))),
            (" 7 ", Some(Span::from_s(7))),
            ("86401", Some(RETRY_AFTER_MAX)),
            ("99999999999999999999999", Some(RETRY_AFTER_MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Span::from_s(30))),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(Span::from_s(30))),
            ("Sun Nov  6 08:49:37 1994", Some(Span::from_s(30))),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(Span::ZERO)),
            ("Tue, 06 Nov 2001 08:49:00 GMT", Some(RETRY_AFTER_MAX)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text, at), wanted, "Retry-After: {text:?}");
        }
    }
}
