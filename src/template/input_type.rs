//! What a value of an input must look like: its type, and the list of the values it may have. A
//! window that is no length of time would otherwise be found out by the server, in the middle of
//! a rollout, and a misspelt word by nobody: the query would select nothing.

use crate::diagnostic::closest;
use crate::template::fields::{shorten, words};
use crate::template::promql::is_hole_name;
use crate::template::{Input, Template};
use crate::time::Span;
use regex::Regex;

/// The most values `one_of` may name; more are refused (C013). A person who is told which values
/// fit should be able to read them.
pub const ONE_OF_MAX: usize = 50;

/// How many of the values that fit a message names; the rest is cut off.
const NAMED_MAX: usize = 12;

/// The longest length of time in milliseconds; a longer one does not fit. Prometheus keeps it as
/// nanoseconds in 64 bits and refuses what does not fit there.
const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

/// What the values of an input look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputType {
    /// Any text.
    #[default]
    Text,
    /// A finite number as PromQL writes it: `0.25`, `-3`, `1e6`, `0x1f`.
    Number,
    /// A length of time above zero as PromQL writes it: `5m`, `1h30m`.
    Duration,
    /// The name of a label.
    Label,
    /// A regular expression, as in matchers: it matches the whole value.
    Pattern,
}

/// The words of templates.
pub(super) const TYPES: [(&str, InputType); 5] = [
    ("text", InputType::Text),
    ("number", InputType::Number),
    ("duration", InputType::Duration),
    ("label", InputType::Label),
    ("pattern", InputType::Pattern),
];

/// Why a value does not fit an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The value, short enough for a message.
    pub shown: String,
    /// What is wrong with it, such as `is no duration`.
    pub why: String,
    /// What fits, with an example.
    pub wanted: String,
}

impl InputType {
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Number => is_number(value),
            Self::Duration => {
                Span::parse(value).is_some_and(|span| (1..=DURATION_MS_MAX).contains(&span.ms()))
            }
            Self::Label => is_hole_name(value),
            // On its own too: `a)|(b` would compile between brackets, `(?x)a #` without them.
            Self::Pattern => {
                Regex::new(value).is_ok() && Regex::new(&format!("^(?:{value})$")).is_ok()
            }
        }
    }

    /// What a value of another kind is not, and what to write.
    const fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("is no text", "text"),
            Self::Number => (
                "is no number",
                "a finite number as PromQL writes it, such as `0.25` or `1e6`",
            ),
            Self::Duration => (
                "is no duration",
                "a length of time above zero as PromQL writes it, such as `5m` or `1h30m`",
            ),
            Self::Label => (
                "is no label",
                "a letter or `_`, then letters, digits and `_`, such as `service_name`",
            ),
            Self::Pattern => (
                "is no regular expression",
                "one such as `shop-.*`, with a backslash before any of `( ) [ ] { } . * + ? |` \
                 that means itself",
            ),
        }
    }
}

/// `[-+]` digits with a point or an exponent, or `0x…`; not `Inf` and not `NaN`. Digits grouped
/// by `_` are for newer servers only and do not fit.
fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        let plain = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return plain && i64::from_str_radix(hex, 16).is_ok();
    }
    let plain = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.bytes().all(plain)
        && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

impl Input {
    /// Why the input cannot have this value, if it cannot.
    pub fn unfit(&self, value: &str) -> Option<Unfit> {
        let shown = shorten(value);
        if !self.kind.fits(value) {
            let (why, wanted) = self.kind.said();
            return Some(Unfit {
                shown,
                why: why.to_owned(),
                wanted: wanted.to_owned(),
            });
        }
        if self.one_of.is_empty() || self.one_of.iter().any(|allowed| allowed == value) {
            return None;
        }
        let known = || self.one_of.iter().map(String::as_str);
        let why = match closest(value, known()) {
            Some(near) => format!("is not in `one_of`, did you mean `{}`?", shorten(near)),
            None => "is not in `one_of`".to_owned(),
        };
        let named: Vec<String> = known().take(NAMED_MAX).map(shorten).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let more = if known().nth(NAMED_MAX).is_some() {
            ", …"
        } else {
            ""
        };
        Some(Unfit {
            shown,
            why,
            wanted: format!("one of {}{more}", words(&named)),
        })
    }
}

impl Template {
    /// Why the input of this name cannot have this value, if there is one and it cannot.
    pub fn unfit(&self, input: &str, value: &str) -> Option<Unfit> {
        let input = self.inputs.iter().find(|known| known.name == input)?;
        input.unfit(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each type, what it takes, and what it does not.
    const CASES: [(&str, &[&str], &[&str]); 5] = [
        ("text", &["", "anything at all", "5m"], &[]),
        (
            "number",
            &[
                "0", "1", "-1.5", "+2", ".5", "5.", "1e6", "1E-3", "0x1f", "-0X1F",
            ],
            &[
                "",
                "-",
                ".",
                "e5",
                "1e",
                "1e999",
                "Inf",
                "nan",
                "infinity",
                "1_000",
                "1 ",
                "--1",
                "1+1",
                "0x",
                "0x+1",
                "0x1g",
                "0xffffffffffffffff",
                "5m",
                "\u{661}",
            ],
        ),
        (
            "duration",
            &["5m", "1h30m", "500ms", "30d", "1y2w", "292y"],
            &[
                "", "0", "0s", "5", "5 m", "-5m", "1.5h", "30m1h", "5m5m", "293y", "m", "5x",
            ],
        ),
        (
            "label",
            &["a", "_", "__name__", "service_name", "a1"],
            &["", "1a", "a-b", "a.b", "a:b", "a b", "\u{e9}"],
        ),
        (
            "pattern",
            &["", ".*", "a|b", "shop-[0-9]+", "(?i)shop"],
            &["(", "a)|(b", "[", "*", "a{2,1}", "(?=a)", "(?x)a #"],
        ),
    ];

    #[test]
    fn what_fits_each_type() {
        for (word, good, bad) in CASES {
            let kind = TYPES
                .iter()
                .find(|(known, _)| *known == word)
                .map(|known| known.1);
            let fits = |value: &&str| kind.is_some_and(|kind| kind.fits(value));
            assert!(
                good.iter().all(fits),
                "{word}: {:?}",
                good.iter().find(|v| !fits(v))
            );
            assert!(
                !bad.iter().any(fits),
                "{word}: {:?}",
                bad.iter().find(|v| fits(v))
            );
        }
    }
}
