//! The parts of a sentence: numbers with units, intervals, limits, levels.

use crate::judge::judgement::{ArmSummary, Finding, Interval, Needs};
use crate::time::Span;
use crate::units::{Harm, MinEffect, trim_number};

/// The effect on the scale of the limit, with the size of the limit; a relative limit without a
/// relative effect has no size on that scale.
pub(super) fn shown(finding: &Finding) -> Option<(Interval, f64)> {
    let effect = finding.effect?;
    match finding.limit {
        MinEffect::Absolute(limit) => Some((effect.absolute, limit)),
        MinEffect::Relative(limit) => Some((effect.relative.unwrap_or(effect.absolute), limit)),
    }
}

/// Whether the effect is said in percent of the baseline.
fn is_relative(finding: &Finding) -> bool {
    matches!(finding.limit, MinEffect::Relative(_))
        && finding
            .effect
            .is_some_and(|effect| effect.relative.is_some())
}

/// A difference without its sign.
fn size(finding: &Finding, value: f64) -> String {
    let value = value.abs();
    if is_relative(finding) {
        return percent(value);
    }
    if finding.canary.bad.is_some() {
        return format!("{} points", trim_number(rounded(value * 100.0)));
    }
    with_unit(trim_number(rounded(value)), &finding.unit)
}

fn signed(finding: &Finding, value: f64) -> String {
    let text = size(finding, value);
    // What is shown as zero has no sign.
    if text.starts_with("0 ") || text == "0" {
        return text;
    }
    format!("{}{text}", if value < 0.0 { '-' } else { '+' })
}

/// `31.4 % higher on the canary`
pub(super) fn moved(finding: &Finding) -> String {
    let value = shown(finding).map_or(0.0, |(interval, _)| interval.value);
    let word = if value < 0.0 { "lower" } else { "higher" };
    format!("{} {word} on the canary", size(finding, value))
}

pub(super) fn estimate(finding: &Finding) -> String {
    shown(finding).map_or_else(|| "unknown".to_owned(), |(i, _)| signed(finding, i.value))
}

/// `interval +18 % to +46 %, limit +10 %`
pub(super) fn bounds(finding: &Finding) -> String {
    let interval = match shown(finding) {
        None => "interval unknown".to_owned(),
        Some((i, _)) => match (i.low.is_finite(), i.high.is_finite()) {
            (true, true) => {
                let (low, high) = (signed(finding, i.low), signed(finding, i.high));
                format!("interval {} to {high}", low.trim_end_matches(" points"))
            }
            (true, false) => format!("at least {}", signed(finding, i.low)),
            (false, true) => format!("at most {}", signed(finding, i.high)),
            (false, false) => "interval unbounded so far".to_owned(),
        },
    };
    format!("{interval}, limit {}", limit(finding))
}

fn limit(finding: &Finding) -> String {
    let sign = match finding.harm {
        Harm::Increase => "+",
        Harm::Decrease => "-",
        Harm::Either => "±",
    };
    match finding.limit {
        MinEffect::Relative(share) => format!("{sign}{}", percent(share)),
        MinEffect::Absolute(value) => format!("{sign}{}", size(finding, value)),
    }
}

/// `212 ms -> 278 ms, 66 samples each, effective 19`
pub(super) fn base(finding: &Finding) -> String {
    let level = |arm: &ArmSummary| match arm.level {
        None => "none".to_owned(),
        Some(level) if arm.bad.is_some() => percent(level),
        Some(level) => with_unit(trim_number(level), &finding.unit),
    };
    let (b, c) = (&finding.baseline, &finding.canary);
    let mut levels = format!("{} -> {}", level(b), level(c));
    if finding.test.ends_with("trailing") {
        levels = format!("in the last third of the window; as a whole {levels}");
    }
    if let (Some(bad_b), Some(bad_c)) = (b.bad, c.bad) {
        return format!("{levels}, {bad_b} of {} events -> {bad_c} of {}", b.n, c.n);
    }
    let samples = if b.n == c.n {
        format!("{} samples each", c.n)
    } else {
        format!("{} and {} samples", b.n, c.n)
    };
    let effective = trim_number(b.n_eff.min(c.n_eff).floor());
    format!("{levels}, {samples}, effective {effective}")
}

/// `; needs about 9 more minutes`
pub(super) fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => String::new(),
        Needs::Time(span) => format!("; needs about {}", more(span)),
        Needs::MoreThanThereIs => "; needs more time than there is".to_owned(),
        Needs::Data(count) => format!("; needs {count} more"),
    }
}

fn more(span: Span) -> String {
    let seconds = span.ms() / 1000;
    let (count, unit) = match seconds {
        60 => (1, "minute"),
        0..120 => (seconds.max(1), "second"),
        120..7200 => ((seconds + 59) / 60, "minute"),
        _ => ((seconds + 3599) / 3600, "hour"),
    };
    format!("{count} more {unit}{}", if count == 1 { "" } else { "s" })
}

/// A share in percent; what would need an exponent is nothing.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let shown = if value.abs() < 1e-4 {
        0.0
    } else {
        rounded(value)
    };
    format!("{} %", trim_number(shown))
}

fn with_unit(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// Three significant digits: more would only look exact.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
