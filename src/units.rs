//! Quantities with ranges: probability, weight, score, burn rate, limits of effect.
//!
//! Each constructor holds the invariant of its type, so no reader asks again whether a value is
//! valid. `None` from a constructor means out of range; the caller knows the name to put in the
//! message.

use std::fmt;

/// A probability in 0 ..= 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Probability {
    /// `value` in 0 ..= 1, else `None`.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The bare number, in 0 ..= 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", trim_number(self.0 * 100.0))
    }
}

/// A share of importance, finite and at least 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Weight(f64);

impl Weight {
    /// The weight of a metric that names none.
    pub const ONE: Self = Self(1.0);

    /// `value` finite and ≥ 0, else `None`.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// The bare number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The score of a judgement: 0 (every weighted metric failed) to 100 (none did).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u8);

impl Score {
    /// Rounds a share of passed weight in 0 ..= 1 to whole points; out of range is `None`.
    pub fn from_share(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 ..= 100 after the range check"
        )]
        Some(Self((share * 100.0).round() as u8))
    }

    /// `points` in 0 ..= 100, else `None`.
    pub fn new(points: u8) -> Option<Self> {
        (points <= 100).then_some(Self(points))
    }

    /// Whole points, 0 ..= 100.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How many times faster than allowed an error budget is being spent; finite and above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct BurnRate(f64);

impl BurnRate {
    /// `value` finite and > 0, else `None`.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }

    /// The bare factor.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for BurnRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×", trim_number(self.0))
    }
}

/// The direction in which a metric does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Larger on the canary is worse (latency, errors, CPU).
    Increase,
    /// Smaller on the canary is worse (throughput, hit ratio).
    Decrease,
    /// Any change beyond the minimum effect is harm.
    Either,
}

impl Harm {
    /// The word used in templates, flags and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Increase => "increase",
            Self::Decrease => "decrease",
            Self::Either => "either",
        }
    }

    /// The reverse of [`Harm::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "increase" => Some(Self::Increase),
            "decrease" => Some(Self::Decrease),
            "either" => Some(Self::Either),
            _ => None,
        }
    }
}

/// The smallest difference that counts as harm; the tested margin, finite and ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MinEffect {
    /// A share of the baseline's level: 0.1 is 10 %.
    Relative(f64),
    /// In the metric's own unit (for events: in the unit of the ratio, 0.005 is 0.5 points).
    Absolute(f64),
}

impl MinEffect {
    /// A relative margin; `None` unless finite and ≥ 0.
    pub fn relative(share: f64) -> Option<Self> {
        (share.is_finite() && share >= 0.0).then_some(Self::Relative(share))
    }

    /// An absolute margin; `None` unless finite and ≥ 0.
    pub fn absolute(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self::Absolute(value))
    }
}

impl fmt::Display for MinEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(share) => write!(f, "{} %", trim_number(share * 100.0)),
            Self::Absolute(value) => f.write_str(&trim_number(*value)),
        }
    }
}

/// A number for people: at most four significant digits, no trailing zeros, never an exponent
/// between 0.0001 and 9,999,999. The same text on every machine (A10).
pub fn trim_number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let mut decimals = 3_usize;
    let mut bound = 10.0;
    while bound <= magnitude && decimals > 0 {
        bound *= 10.0;
        decimals -= 1;
    }
    let mut small = 1.0;
    while small > magnitude {
        small /= 10.0;
        decimals += 1;
    }
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
