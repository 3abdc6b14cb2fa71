//! Prometheus' notation for a series of samples in rule tests: `1+0x10 _ 5 stale`.
//!
//! | text | values |
//! |---|---|
//! | `3`, `-2.5`, `1e3`, `NaN`, `+Inf` | one value |
//! | `_`, `_x4` | one gap, four gaps |
//! | `stale` | one gap: a stale marker ends a series, an answer does not show it |
//! | `1x4` | five times 1 |
//! | `0+10x5` | 0 and five more, each 10 more: six values |
//! | `9-3x2` | 9 6 3 |
//!
//! The value after `x` counts repetitions *after* the first, and the increment is added up value
//! by value, both as Prometheus' own parser does (Prometheus, "Unit testing for rules").

use std::fmt;

/// Values one text may expand to; a longer one is refused.
pub const VALUES_MAX: usize = 100_000;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotationError {
    /// One-based column of the token, in characters.
    pub column: usize,
    /// Lower case: the token, and what is expected.
    pub message: String,
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for NotationError {}

/// Expands the notation. `None` is a gap; NaN and infinities stay what they are, since this
/// stands for what a source would answer.
pub fn parse(text: &str) -> Result<Vec<Option<f64>>, NotationError> {
    let mut out = Vec::new();
    let mut column = 1;
    for piece in text.split(char::is_whitespace) {
        if !piece.is_empty() {
            expand(piece, &mut out).map_err(|message| NotationError { column, message })?;
        }
        column += piece.chars().count() + 1;
    }
    Ok(out)
}

/// One token.
fn expand(token: &str, out: &mut Vec<Option<f64>>) -> Result<(), String> {
    let (shape, times) = match token.rsplit_once('x') {
        Some((shape, digits)) => (shape, Some(repetitions(token, digits)?)),
        None => (token, None),
    };
    let room = VALUES_MAX.saturating_sub(out.len());
    if times.unwrap_or(0) >= room {
        return Err(format!(
            "`{token}` makes more than {VALUES_MAX} values; use fewer"
        ));
    }
    if shape == "_" {
        out.resize(out.len() + times.unwrap_or(1), None);
        return Ok(());
    }
    if shape == "stale" {
        out.resize(out.len() + times.unwrap_or(0) + 1, None);
        return Ok(());
    }
    let (first, increment) = value_and_increment(shape).ok_or_else(|| {
        format!("`{token}` is no value; write a number, `_`, `stale`, `1x4` or `0+10x5`")
    })?;
    let Some(times) = times else {
        if increment.is_some() {
            return Err(format!(
                "`{token}` has an increment and no repetition; write `{token}x5`"
            ));
        }
        out.push(Some(first));
        return Ok(());
    };
    let mut value = first;
    for _ in 0..=times {
        out.push(Some(value));
        value += increment.unwrap_or(0.0);
    }
    Ok(())
}

fn repetitions(token: &str, digits: &str) -> Result<usize, String> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!(
            "`{token}` does not end in a number of repetitions; write `{}x5`",
            token.rsplit_once('x').map_or(token, |(shape, _)| shape)
        ));
    }
    digits
        .parse()
        .map_err(|_| format!("`{token}` makes more than {VALUES_MAX} values; use fewer"))
}

/// `5` or `5+2` or `5-2`; the sign of an exponent (`1e-3`) starts no increment.
fn value_and_increment(shape: &str) -> Option<(f64, Option<f64>)> {
    if let Some(value) = number(shape) {
        return Some((value, None));
    }
    let signs = shape
        .char_indices()
        .filter(|(at, c)| *at > 0 && "+-".contains(*c));
    signs
        .filter_map(|(at, _)| Some((number(shape.get(..at)?)?, number(shape.get(at..)?)?)))
        .map(|(value, increment)| (value, Some(increment)))
        .next()
}

fn number(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" | "Inf" => text.parse().ok(),
        digits => digits
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
            .then(|| text.parse().ok())
            .flatten(),
    }
}
