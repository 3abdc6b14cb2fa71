//! A change that must be found, as people write it: `+25% within 15m`.

use crate::template::{MetricSpec, Template};
use crate::time::Span;
use crate::tune::inject::Size;
use crate::units::{Harm, MinEffect};

/// A change that must be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The metric's place in the template.
    pub metric: usize,
    /// How much worse.
    pub size: Size,
    /// In what time.
    pub within: Span,
    /// As it was written.
    pub text: String,
}

/// Reads `+25% within 15m`, `errors:+0.5pp within 10m`, `latency: +0.1 within 15m`. Without a
/// name every gate with a relative limit is meant, in the direction of its harm.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn wishes(text: &str, template: &Template) -> Result<Vec<Wish>, String> {
    let wrong = |why: &str| {
        format!("`{text}` {why}; write '+25% within 15m', or 'errors:+0.5pp within 15m'")
    };
    let (change, within) = text
        .split_once(" within ")
        .ok_or_else(|| wrong("names no time"))?;
    let within = Span::parse(within.trim())
        .filter(|span| *span > Span::ZERO)
        .ok_or_else(|| wrong("has no length of time after `within`"))?;
    let (name, size) = match change.rsplit_once(':') {
        Some((name, size)) => (Some(name.trim()), size.trim()),
        None => (None, change.trim()),
    };
    let size = size_of(size).ok_or_else(|| wrong("has no size such as +25% before `within`"))?;
    let wish = |metric: usize| Wish {
        metric,
        size,
        within,
        text: text.to_owned(),
    };
    if let Some(name) = name {
        return Ok(vec![wish(named(name, (text, size), template)?)]);
    }
    let relative = |metric: &MetricSpec| {
        metric.role.is_gate()
            && is_harm(metric.harm, size)
            && matches!(metric.min_effect, MinEffect::Relative(_))
    };
    let all = template.metrics.iter().enumerate();
    let found: Vec<Wish> = all
        .filter(|(_, metric)| relative(metric))
        .map(|(idx, _)| wish(idx))
        .collect();
    if found.is_empty() {
        let gates = template.metrics.iter().filter(|m| m.role.is_gate());
        let gates: Vec<&str> = gates.map(|metric| metric.name.as_str()).collect();
        return Err(format!(
            "`{text}` fits no gate with a relative limit; name one of {}, as 'NAME:+0.5pp within \
             15m'",
            gates.join(", ")
        ));
    }
    Ok(found)
}

/// The place of the metric a wish names.
fn named(name: &str, (text, size): (&str, Size), template: &Template) -> Result<usize, String> {
    let mut all = template.metrics.iter().enumerate();
    let Some((idx, metric)) = all.find(|(_, metric)| metric.name.as_str() == name) else {
        let known: Vec<&str> = template.metrics.iter().map(|m| m.name.as_str()).collect();
        let known = known.join(", ");
        return Err(format!("there is no metric `{name}`; there are {known}"));
    };
    if !metric.role.is_gate() {
        let role = metric.role.word();
        return Err(format!(
            "metric `{name}` is {role}: it can roll nothing back"
        ));
    }
    if !is_harm(metric.harm, size) {
        let harm = metric.harm.word();
        return Err(format!("metric `{name}`: harm is {harm}, {text} is none"));
    }
    Ok(idx)
}

/// Whether a change goes the way of harm.
fn is_harm(harm: Harm, size: Size) -> bool {
    match harm {
        Harm::Increase => size.value() > 0.0,
        Harm::Decrease => size.value() < 0.0,
        Harm::Either => size.value() != 0.0,
    }
}

/// `+25%`, `-0.3`, `+0.5pp`
fn size_of(text: &str) -> Option<Size> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    if let Some(points) = text.strip_suffix("pp") {
        return number(points).map(|points| Size::Absolute(points / 100.0));
    }
    match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| Size::Relative(percent / 100.0)),
        None => number(text).map(Size::Absolute),
    }
}
