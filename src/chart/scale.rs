//! From values to places, and ticks at round numbers.

use crate::units::trim_number;

/// Values beyond it are drawn at it: differences and squares must stay finite, as in
/// `series::align`.
const MAGNITUDE_MAX: f64 = 1e150;

/// Ticks of one axis; a scale that would have more has none beyond.
const TICKS_MAX: usize = 12;

/// The share of its magnitude that an axis spans at least: less would be noise of the last digits.
const SPAN_LEAST: f64 = 1e-6;

/// A straight scale: `low` is drawn at `first`, `high` at `last`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    first: f64,
    last: f64,
}

impl Scale {
    /// Always with `low < high`, whatever is asked for.
    pub(super) fn new(domain: (f64, f64), places: (f64, f64)) -> Self {
        let finite = |value: f64| {
            if value.is_finite() {
                value.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX)
            } else {
                0.0
            }
        };
        let (a, b) = (finite(domain.0), finite(domain.1));
        let (low, high) = (a.min(b), a.max(b));
        let least = SPAN_LEAST * low.abs().max(high.abs());
        let (low, high) = if high - low > least {
            (low, high)
        } else {
            let half = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low - half, high + half)
        };
        Self {
            low,
            high,
            first: places.0,
            last: places.1,
        }
    }

    /// Where a value is drawn; beyond the ends, at the end. NaN is drawn at the low end, and
    /// callers do not pass any.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        let share = if share.is_nan() { 0.0 } else { share };
        self.first + share.clamp(0.0, 1.0) * (self.last - self.first)
    }

    /// Whether a value is on the scale.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round numbers with their labels, about `wanted` of them. Labels have as many decimals as
    /// the distance of the ticks needs, and from a hundred thousand on a letter for the thousands.
    pub(super) fn ticks(&self, wanted: f64) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / wanted);
        let first = libm::ceil(self.low / step - 1e-9);
        let mut out = Vec::new();
        for idx in 0..TICKS_MAX {
            let value = (first + idx as f64) * step;
            if !value.is_finite() || value > self.high + 1e-9 * step {
                break;
            }
            out.push((
                value,
                label(value, step, self.low.abs().max(self.high.abs())),
            ));
        }
        out
    }
}

/// The next of 1, 2, 5 × 10^k from `rough` up.
fn round_step(rough: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let lead = rough / power;
    let factor = match lead {
        lead if lead <= 1.0 + 1e-9 => 1.0,
        lead if lead <= 2.0 + 1e-9 => 2.0,
        lead if lead <= 5.0 + 1e-9 => 5.0,
        _ => 10.0,
    };
    factor * power
}

fn label(value: f64, step: f64, largest: f64) -> String {
    let value = if value.abs() < 1e-9 * step {
        0.0
    } else {
        value
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let (unit, letter) = match largest {
        size if !(1e-4..1e14).contains(&size) => return short(value),
        size if size >= 1e11 => (1e12, "T"),
        size if size >= 1e8 => (1e9, "G"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e5 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (0..7_u32)
        .find(|digits| {
            let shift = f64::from(10_u32.saturating_pow(*digits));
            let scaled = step / unit * shift;
            (scaled - libm::round(scaled)).abs() < 1e-6 * scaled && scaled >= 0.5
        })
        .map_or(7, |digits| usize::try_from(digits).unwrap_or(0));
    let text = format!("{:.decimals$}", value / unit);
    format!("{text}{letter}").replace('-', "−")
}

/// A very large or very small number.
fn short(value: f64) -> String {
    let text = format!("{value:.1e}");
    let text = if text.len() > 9 {
        trim_number(value)
    } else {
        text
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        let scale = Scale::new((low, high), (100.0, 0.0));
        let ticks = scale.ticks(4.0).into_iter();
        ticks.map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        for (low, high, wanted) in [
            (0.0, 1.0, vec!["0", "0.5", "1.0"]),
            (0.0, 100.0, vec!["0", "50", "100"]),
            (-12.0, 31.0, vec!["0", "20"]),
            (-0.02, 0.05, vec!["−0.02", "0", "0.02", "0.04"]),
            (211.0, 281.0, vec!["220", "240", "260", "280"]),
            (0.0, 240_000.0, vec!["0", "100k", "200k"]),
            (0.0, 3e9, vec!["0", "1G", "2G", "3G"]),
            (0.001, 0.0025, vec!["0.0010", "0.0015", "0.0020", "0.0025"]),
        ] {
            assert_eq!(labels(low, high), wanted, "{low} to {high}");
        }
    }

    #[test]
    fn every_domain_gives_a_scale() {
        let odd = [0.0, 5.0, -1e-300, 1e300, f64::NAN, f64::INFINITY, f64::MIN];
        for low in odd {
            for high in odd {
                let scale = Scale::new((low, high), (0.0, 100.0));
                assert!(scale.low < scale.high, "{low} {high}");
                assert!(scale.ticks(4.0).len() <= TICKS_MAX);
                for value in odd {
                    assert!((0.0..=100.0).contains(&scale.at(value)), "{value}");
                }
            }
        }
    }
}
