//! An execution request: which populations, which window, which thresholds.

use super::said::{Said, list, number, text};
use crate::time::{Span, Step, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Scopes of one request; more are refused. A config names one or a few.
const SCOPES_MAX: usize = 16;

/// `extendedScopeParams` of one side; more are refused. A query names a few.
const PARAMS_MAX: usize = 100;

/// The distance between points when a scope does not say one.
const STEP: Span = Span::from_s(60);

/// From which score on the caller takes what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Thresholds {
    pub(super) pass: f64,
    pub(super) marginal: f64,
}

impl Thresholds {
    /// Reads `thresholds`. Kayenta takes a missing one for 0, with which everything passes.
    pub(super) fn read(request: &Value) -> Result<Self, Said> {
        let Some(given) = request.get("thresholds").filter(|value| !value.is_null()) else {
            return Err(Said::bad("Execution request must contain thresholds"));
        };
        Self::of(given)
    }

    /// Reads a map of both.
    pub(super) fn of(given: &Value) -> Result<Self, Said> {
        let both = (number(given, "pass"), number(given, "marginal"));
        let (Some(pass), Some(marginal)) = both else {
            return Err(Said::bad(
                "thresholds must have `pass` and `marginal`, numbers from 0 to 100",
            ));
        };
        if !(0.0..=100.0).contains(&pass) || !(0.0..=pass).contains(&marginal) {
            return Err(Said::bad(format!(
                "thresholds pass {pass} and marginal {marginal} must satisfy \
                 0 <= marginal <= pass <= 100"
            )));
        }
        Ok(Self { pass, marginal })
    }
}

/// One side of a scope.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Side {
    pub(super) scope: String,
    pub(super) location: Option<String>,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) step: Step,
    pub(super) params: BTreeMap<String, String>,
}

/// Both sides of a scope.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scopes {
    pub(super) control: Side,
    pub(super) experiment: Side,
}

/// A whole request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) scopes: BTreeMap<String, Scopes>,
    pub(super) thresholds: Thresholds,
}

impl Wanted {
    pub(super) fn read(request: &Value) -> Result<Self, Said> {
        let thresholds = Thresholds::read(request)?;
        let Some(given) = request.get("scopes").and_then(Value::as_object) else {
            return Err(Said::bad("execution request must contain scopes"));
        };
        if given.is_empty() || given.len() > SCOPES_MAX {
            let count = given.len();
            return Err(Said::bad(format!(
                "execution request has {count} scopes, it must have 1 to {SCOPES_MAX}"
            )));
        }
        let mut scopes = BTreeMap::new();
        for (name, pair) in given {
            let side = |field: &str| match pair.get(field) {
                Some(side @ Value::Object(_)) => Side::read(side, &format!("{name}.{field}")),
                _ => Err(Said::bad(format!("scope {name} must have a {field}"))),
            };
            let (control, experiment) = (side("controlScope")?, side("experimentScope")?);
            scopes.insert(
                name.clone(),
                Scopes {
                    control,
                    experiment,
                },
            );
        }
        Ok(Self { scopes, thresholds })
    }
}

impl Side {
    fn read(side: &Value, name: &str) -> Result<Self, Said> {
        let params = side.get("extendedScopeParams").and_then(Value::as_object);
        let count = params.map_or(0, serde_json::Map::len);
        if count > PARAMS_MAX {
            return Err(Said::bad(format!(
                "{name} has {count} extendedScopeParams, the limit is {PARAMS_MAX}"
            )));
        }
        let params = params.into_iter().flatten();
        Ok(Self {
            scope: text(side, "scope").unwrap_or_default(),
            location: text(side, "location").or_else(|| text(side, "region")),
            start: instant(side, "start", name)?,
            end: instant(side, "end", name)?,
            step: step(side, name)?,
            params: params
                .filter_map(|(name, value)| Some((name.clone(), plain(value)?)))
                .collect(),
        })
    }
}

/// A value of `extendedScopeParams`; null is absent.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// An instant in ISO form.
pub(super) fn instant(value: &Value, field: &str, name: &str) -> Result<Option<Timestamp>, Said> {
    let Some(text) = text(value, field) else {
        return Ok(None);
    };
    let at = Timestamp::parse(&text);
    let why = || format!("{name}.{field} {text:?} is no instant; write 2026-03-01T12:00:00Z");
    at.map(Some).ok_or_else(|| Said::bad(why()))
}

/// `step` in seconds.
pub(super) fn step(value: &Value, name: &str) -> Result<Step, Said> {
    let usual = Step::new(STEP);
    let given = match value.get("step").filter(|value| !value.is_null()) {
        None => usual,
        Some(_) => number(value, "step").and_then(|seconds| {
            let whole = Span::parse(&format!("{seconds}s"));
            whole.and_then(Step::new)
        }),
    };
    let why = || format!("{name}.step must be a whole number of seconds above 0");
    given.ok_or_else(|| Said::bad(why()))
}

/// The names of the scopes that a config's metrics use.
pub(super) fn used(config: &Value) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for metric in list(config, "metrics") {
        let name = text(metric, "scopeName").unwrap_or_else(|| "default".to_owned());
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}
