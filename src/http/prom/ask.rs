//! What is asked: the parameters, and the part of PromQL that is understood.

use super::answer::{Fault, Kind};
use super::figure::{Figure, Selected};
use crate::time::{Span, Timestamp};
use crate::wire::scope_text;
use std::collections::BTreeMap;

/// Bytes of an expression; a longer one is refused.
const QUERY_LEN_MAX: usize = 4096;

/// The parameters of a request; those that change nothing here (`timeout`, `limit`) may be there.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Adds those of a query string or a form.
    pub(super) fn read(&mut self, encoded: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(encoded) {
            self.0.insert(name.into_owned(), value.into_owned());
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.get(name).map(String::as_str);
        found.filter(|value| !value.is_empty())
    }

    /// The expression.
    pub(super) fn query(&self) -> Result<&str, Fault> {
        let text = self
            .get("query")
            .ok_or_else(|| bad("query", "it is missing"))?;
        if text.len() > QUERY_LEN_MAX {
            let why = format!("it has {} bytes, the limit is {QUERY_LEN_MAX}", text.len());
            return Err(bad("query", &why));
        }
        Ok(text)
    }

    /// An instant as RFC 3339 or seconds; `default` without one.
    pub(super) fn instant(&self, name: &str, default: Timestamp) -> Result<Timestamp, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let seconds = text.parse::<f64>().ok().and_then(Timestamp::from_seconds);
        let instant = seconds.or_else(|| Timestamp::parse(text));
        instant.ok_or_else(|| bad(name, "it is neither RFC 3339 nor seconds"))
    }

    /// Start, end and step in milliseconds.
    pub(super) fn range(&self) -> Result<(Timestamp, Timestamp, i64), Fault> {
        let given = |name: &str| {
            self.get(name)
                .map(drop)
                .ok_or_else(|| bad(name, "it is missing"))
        };
        for name in ["start", "end", "step"] {
            given(name)?;
        }
        let none = Timestamp::from_ms(0);
        let (start, end) = (self.instant("start", none)?, self.instant("end", none)?);
        if end < start {
            return Err(bad("end", "it is before start"));
        }
        let text = self.get("step").unwrap_or_default();
        let seconds = text.parse::<f64>().ok().and_then(Timestamp::from_seconds);
        let span = Span::parse(text).map(Span::ms);
        let step = seconds.map(Timestamp::ms).or(span).filter(|step| *step > 0);
        let step = step.ok_or_else(|| bad("step", "it is no length above zero; write 30s"))?;
        Ok((start, end, step))
    }
}

fn bad(name: &str, why: &str) -> Fault {
    Fault::new(Kind::BadData, format!("parameter {name}: {why}"))
}

/// An expression that is understood.
#[derive(Debug)]
pub(super) enum Expression {
    /// A number alone.
    Scalar(f64),
    /// `vector(1)`: what probes ask.
    Vector(f64),
    /// One of our metrics, selected.
    Select(Selected),
}

impl Expression {
    /// Reads `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if let Some(number) = number(text) {
            return Ok(Self::Scalar(number));
        }
        let name_len = text
            .bytes()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == b'_' || *c == b':')
            .count();
        let (name, rest) = text.split_at(name_len);
        let rest = rest.trim();
        if name == "vector" {
            let inside = rest
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            let number = inside.and_then(|inside| number(inside.trim()));
            return number.map(Self::Vector).ok_or_else(|| refused(text));
        }
        let Some(figure) = Figure::named(name) else {
            return Err(refused(text));
        };
        if !(rest.starts_with('{') && rest.ends_with('}')) {
            return Err(refused(text));
        }
        let scope = scope_text::parse(rest)
            .map_err(|fault| Fault::new(Kind::BadData, format!("{name}{rest}: {fault}")))?;
        Selected::new(figure, scope).map(Self::Select)
    }
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|c| c.is_ascii_digit() || b"+-.eE".contains(&c));
    let number = text.parse::<f64>().ok().filter(|_| plain);
    number.filter(|number| number.is_finite())
}

fn refused(text: &str) -> Fault {
    let names: Vec<&str> = Figure::ALL.iter().map(|(name, _)| *name).collect();
    let why = format!(
        "{} is not understood; this address answers {} with matchers in braces (= and =~), \
         vector(1) and numbers, and nothing around them; compare in the controller",
        super::super::query::shown(text),
        names.join(", ")
    );
    Fault::new(Kind::BadData, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn a_small_part_is_understood_and_the_rest_is_refused() {
        for text in [
            "1",
            " -2.5e1 ",
            "vector(1)",
            "vector( 1 )",
            "haldane_score{id=\"a\"}",
            "canary_score { id=\"a\" , service=~\"s.*\" }",
            "haldane_verdict{deploy_id='d-1'}",
            "haldane_rollback{service=\"shop\"}",
        ] {
            assert!(Expression::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "NaN",
            "Inf",
            "vector(NaN)",
            "vector(time())",
            "haldane_score",
            "haldane_score{}",
            "haldane_score{id=\"a\"} > 75",
            "haldane_score{id=\"a\"}[5m]",
            "max(haldane_score{id=\"a\"})",
            "haldane_score{id!=\"a\"}",
            "haldane_score{idd=\"a\"}",
            "haldane_score{id=\"a\"} or vector(0)",
            "haldane_score{id=\"a\"} or haldane_score{id=\"b\"}",
            "up{job=\"a\"}",
            "haldane_scores{id=\"a\"}",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
