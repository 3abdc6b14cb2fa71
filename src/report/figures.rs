//! The numbers of one metric as text, from the public document, so that a judgement made here and
//! one read from a daemon look the same, on a terminal as in a report.

use crate::units::trim_number;
use crate::wire::verdict::{ArmDocument, IntervalDocument, LimitDocument, MetricDocument};

/// An effect on the scale of its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scaled {
    /// The estimate.
    pub(crate) value: Option<f64>,
    /// The lower end; none when it is unbounded, or says nothing (a loss of all).
    pub(crate) low: Option<f64>,
    /// The upper end.
    pub(crate) high: Option<f64>,
}

/// The unit of effects and limits.
pub(crate) fn unit(metric: &MetricDocument) -> &str {
    match (&metric.limit, &metric.effect) {
        (LimitDocument::Relative(_), Some(effect)) if effect.relative.is_some() => "%",
        (LimitDocument::Relative(_), None) => "%",
        _ if counts(metric) => "pp",
        _ => &metric.unit,
    }
}

/// Whether events are counted.
pub(crate) fn counts(metric: &MetricDocument) -> bool {
    metric.baseline.bad.is_some() || metric.canary.bad.is_some()
}

/// The effect in [`unit`]s.
pub(crate) fn scaled(metric: &MetricDocument) -> Option<Scaled> {
    let effect = metric.effect.as_ref()?;
    let relative = match metric.limit {
        LimitDocument::Relative(_) => effect.relative.as_ref(),
        LimitDocument::Absolute(_) => None,
    };
    let interval = relative.unwrap_or(&effect.absolute);
    let factor = if relative.is_some() || counts(metric) {
        100.0
    } else {
        1.0
    };
    let IntervalDocument { value, low, high } = interval;
    let times = |bound: &Option<f64>| bound.map(|bound| bound * factor);
    // Nothing can fall by more than all of it: such a lower end is none.
    let low = low.filter(|low| relative.is_none() || *low > -1.0);
    Some(Scaled {
        value: times(value),
        low: times(&low),
        high: times(high),
    })
}

/// The limit in [`unit`]s, without a sign.
pub(crate) fn limit_size(metric: &MetricDocument) -> f64 {
    match metric.limit {
        LimitDocument::Relative(share) => share * 100.0,
        LimitDocument::Absolute(value) if counts(metric) => value * 100.0,
        LimitDocument::Absolute(value) => value,
    }
}

/// `+10 %`
pub(crate) fn limit(metric: &MetricDocument) -> String {
    let sign = match metric.harm.as_str() {
        "increase" => "+",
        "decrease" => "-",
        _ => "±",
    };
    let unit = match metric.limit {
        LimitDocument::Relative(_) => "%",
        LimitDocument::Absolute(_) if counts(metric) => "pp",
        LimitDocument::Absolute(_) => &metric.unit,
    };
    with_unit(&format!("{sign}{}", trim_number(limit_size(metric))), unit)
}

/// `+31 %`
pub(crate) fn effect(metric: &MetricDocument) -> String {
    let value = scaled(metric).and_then(|scaled| scaled.value);
    value.map_or_else(
        || "-".to_owned(),
        |value| with_unit(&signed(value), unit(metric)),
    )
}

/// `[+18, +46] %`, or the one bound there is.
pub(crate) fn interval(metric: &MetricDocument) -> String {
    let Some(scaled) = scaled(metric) else {
        return "-".to_owned();
    };
    let text = match (scaled.low, scaled.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", signed(low), signed(high)),
        (None, Some(high)) => format!("≤ {}", signed(high)),
        (Some(low), None) => format!("≥ {}", signed(low)),
        (None, None) => return "no bound".to_owned(),
    };
    with_unit(&text, unit(metric))
}

/// `212 ms`, `0.11 %`
pub(crate) fn level(arm: &ArmDocument, unit: &str) -> String {
    match (arm.level, arm.bad) {
        (Some(ratio), Some(_)) => format!("{} %", trim_number(rounded(ratio * 100.0))),
        (Some(value), None) => with_unit(&trim_number(value), unit),
        (None, _) => "none".to_owned(),
    }
}

/// `66/19`: samples and effective ones of the scarcer arm; of events, both arms.
pub(crate) fn sizes(metric: &MetricDocument) -> String {
    let (baseline, canary) = (&metric.baseline, &metric.canary);
    if counts(metric) {
        return format!("{}+{}", baseline.n, canary.n);
    }
    let n = baseline.n.min(canary.n);
    match (baseline.n_eff, canary.n_eff) {
        (Some(b), Some(c)) => format!("{n}/{}", trim_number(b.min(c).floor())),
        _ => n.to_string(),
    }
}

/// A p-value: never more exact than it is, and never above 1 (1/e of evidence against is).
pub(crate) fn p_value(p: Option<f64>) -> String {
    match p {
        None => "unknown".to_owned(),
        Some(p) if p > 1.0 => "1".to_owned(),
        Some(p) if p == 0.0 || p >= 1e-4 => trim_number((p * 1e4).round() / 1e4),
        Some(p) => format!("{p:.0e}"),
    }
}

/// A share of one, in per cent.
pub(crate) fn percent(share: f64) -> String {
    trim_number((share * 1e6).round() / 1e4)
}

/// With a sign, three significant digits: more would only look exact.
pub(crate) fn signed(value: f64) -> String {
    let text = trim_number(rounded(value));
    if value > 0.0 && text != "0" {
        format!("+{text}")
    } else {
        text
    }
}

/// Three significant digits.
pub(crate) fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A number with its unit behind it.
pub(crate) fn with_unit(number: &str, unit: &str) -> String {
    if unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number} {unit}")
    }
}

/// A length of time for people: at most two units.
pub(crate) fn about(span: crate::time::Span) -> String {
    use crate::time::Span;
    let s = span.ms() / 1000;
    let coarse = match s {
        0..3600 => s,
        3600..86_400 => s / 60 * 60,
        _ => s / 3600 * 3600,
    };
    Span::from_s(coarse).to_string()
}
