//! Instants and lengths of time in whole milliseconds, and their text. There is no `now()` here.

use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant there is.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant there is.
    pub const MAX: Self = Self(i64::MAX);

    /// `ms` since the epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Whole seconds since the epoch, saturating.
    pub const fn from_s(s: i64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, with milliseconds as the fraction (the form Prometheus reads).
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// `self + span`, saturating.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// `self - span`, saturating.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub const fn since(self, earlier: Self) -> Span {
        let gap = self.0.saturating_sub(earlier.0);
        Span(if gap > 0 { gap } else { 0 })
    }

    /// The last multiple of `step` (counted from the epoch) that is not after `self`.
    #[must_use]
    pub const fn align_down(self, step: Step) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(step.0.0)))
    }

    /// The first multiple of `step` (counted from the epoch) that is not before `self`.
    #[must_use]
    pub const fn align_up(self, step: Step) -> Self {
        let down = self.align_down(step);
        if down.0 == self.0 {
            down
        } else {
            Self(down.0.saturating_add(step.0.0))
        }
    }

    /// Reads RFC 3339 (`2026-03-01T12:00:00Z`) or whole or fractional seconds since the epoch.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Self(instant.as_millisecond()));
        }
        let seconds: f64 = text.parse().ok()?;
        Self::from_seconds(seconds)
    }

    /// Seconds since the epoch, rounded to the millisecond; `None` beyond the year 9999.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        const YEAR_10000_S: f64 = 253_402_300_800.0; // RFC 3339 has four digits for the year
        if !seconds.is_finite() || seconds.abs() >= YEAR_10000_S {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
        Some(Self((seconds * 1000.0).round() as i64))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// A length of time, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `ms` ≥ 0; a negative length becomes zero.
    pub const fn from_ms(ms: i64) -> Self {
        Self(if ms > 0 { ms } else { 0 })
    }

    /// Whole seconds; a negative length becomes zero.
    pub const fn from_s(s: i64) -> Self {
        Self::from_ms(s.saturating_mul(1000))
    }

    /// Milliseconds.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Seconds with milliseconds as the fraction.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// `self + other`, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self × factor`, saturating.
    #[must_use]
    pub const fn times(self, factor: i64) -> Self {
        Self::from_ms(self.0.saturating_mul(factor))
    }

    /// Reads Prometheus' form (`1h30m`, `45s`, `500ms`, `30d`): units in falling order, each at
    /// most once. `0` alone is zero.
    pub fn parse(text: &str) -> Option<Self> {
        const UNITS: [(&str, i64); 7] = [
            ("y", 31_536_000_000),
            ("w", 604_800_000),
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1000),
            ("ms", 1),
        ];
        if text == "0" {
            return Some(Self::ZERO);
        }
        let (mut rest, mut total, mut next) = (text, 0_i64, 0);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest.get(..digits)?.parse().ok()?;
            rest = rest.get(digits..)?;
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = rest.get(..letters)?;
            rest = rest.get(letters..)?;
            let idx = UNITS
                .iter()
                .skip(next)
                .position(|(name, _)| *name == unit)?
                + next;
            next = idx + 1;
            total = total.checked_add(number.checked_mul(UNITS.get(idx)?.1)?)?;
        }
        (!text.is_empty()).then_some(Self(total))
    }
}

impl fmt::Display for Span {
    /// The form [`Span::parse`] reads: `1h30m`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, i64); 5] = [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1000),
            ("ms", 1),
        ];
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, length) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                write!(f, "{count}{name}")?;
            }
        }
        Ok(())
    }
}

/// The distance between two grid points: a span above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(Span);

impl Step {
    /// `span` > 0, else `None`.
    pub const fn new(span: Span) -> Option<Self> {
        if span.0 > 0 { Some(Self(span)) } else { None }
    }

    /// The length of one step.
    pub const fn span(self) -> Span {
        self.0
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Half-open: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

impl TimeRange {
    /// Whether `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length; zero when the end is not after the start.
    pub fn span(self) -> Span {
        self.end.since(self.start)
    }
}
