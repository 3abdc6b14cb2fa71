//! Ticks and labels of time, in UTC.

use crate::chart::scale::Scale;
use crate::time::{Span, Timestamp};

/// Distances of ticks in seconds, as clocks are divided; beyond the last one whole days.
const STEPS_S: [i64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
];

const DAY_S: i64 = 86_400;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A stretch of time on a scale of places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    scale: Scale,
}

impl Clock {
    /// Always longer than nothing: an instant stands in the middle of a minute.
    pub(super) fn new(from: Timestamp, to: Timestamp, places: (f64, f64)) -> Self {
        let half = Span::from_s(30);
        let (from, to) = if from < to {
            (from, to)
        } else {
            (to.minus(half), to.plus(half))
        };
        let length = to.since(from).seconds();
        Self {
            from,
            to,
            scale: Scale::new((0.0, length), places),
        }
    }

    /// Where an instant is drawn; one outside, at the end.
    pub(super) fn at(&self, at: Timestamp) -> f64 {
        self.scale.at(at.since(self.from).seconds())
    }

    /// At most about `wanted` round instants with their labels.
    pub(super) fn ticks(&self, wanted: i64) -> Vec<(f64, String)> {
        let length = self.to.since(self.from).ms() / 1000;
        let fits = |step: &i64| length / step <= wanted;
        let step = STEPS_S.into_iter().find(fits).unwrap_or_else(|| {
            let days = length / DAY_S / wanted.max(1) + 1;
            days * DAY_S
        });
        let first = self.from.ms().div_euclid(1000 * step) + 1;
        let first = if self.from.ms().rem_euclid(1000 * step) == 0 {
            first - 1
        } else {
            first
        };
        (0..=wanted + 1)
            .map(|idx| Timestamp::from_s((first + idx).saturating_mul(step)))
            .filter(|at| *at <= self.to)
            .map(|at| (self.at(at), label(at, step)))
            .collect()
    }
}

fn label(at: Timestamp, step: i64) -> String {
    let text = at.to_string();
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or("").to_owned();
    match step {
        step if step >= DAY_S => day(at),
        step if step < 60 => piece(11, 19),
        _ => piece(11, 16),
    }
}

/// `21 Nov`
pub fn day(at: Timestamp) -> String {
    let text = at.to_string();
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<usize>().ok();
    let month = number(5, 7).and_then(|month| MONTHS.get(month.checked_sub(1)?));
    match (number(8, 10), month) {
        (Some(day), Some(month)) => format!("{day} {month}"),
        _ => text.get(..10).unwrap_or(&text).to_owned(),
    }
}

/// `21 Nov 2026, 14:05 UTC`; with seconds where there are any.
pub fn date_time(at: Timestamp) -> String {
    let text = at.to_string();
    let (Some(year), Some(minutes), Some(seconds)) =
        (text.get(..4), text.get(11..16), text.get(16..19))
    else {
        return text;
    };
    let seconds = if seconds == ":00" { "" } else { seconds };
    format!("{} {year}, {minutes}{seconds} UTC", day(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn labels(from: &str, minutes: i64) -> Vec<String> {
        let from = Timestamp::parse(from).unwrap();
        let clock = Clock::new(from, from.plus(Span::from_s(60 * minutes)), (0.0, 300.0));
        let ticks = clock.ticks(5).into_iter();
        ticks.map(|(_, label)| label).collect()
    }

    #[test]
    fn clocks_tick_at_round_times() {
        for (from, minutes, wanted) in [
            (
                "2026-11-21T14:00:00Z",
                30,
                vec!["14:00", "14:10", "14:20", "14:30"],
            ),
            (
                "2026-11-21T23:50:00Z",
                20,
                vec!["23:50", "23:55", "00:00", "00:05", "00:10"],
            ),
            (
                "2026-11-21T14:00:30Z",
                1,
                vec!["14:00:30", "14:00:45", "14:01:00", "14:01:15", "14:01:30"],
            ),
            (
                "2026-11-21T00:00:00Z",
                3 * 1440,
                vec!["21 Nov", "22 Nov", "23 Nov", "24 Nov"],
            ),
            (
                "2026-11-21T00:00:00Z",
                1440,
                vec!["00:00", "06:00", "12:00", "18:00", "00:00"],
            ),
        ] {
            assert_eq!(labels(from, minutes), wanted);
        }
        assert_eq!(labels("2026-11-21T14:00:00Z", 0).len(), 5);
    }

    #[test]
    fn dates_are_written_out() {
        let at = Timestamp::parse("2026-11-21T14:05:00Z").unwrap();
        assert_eq!(date_time(at), "21 Nov 2026, 14:05 UTC");
        assert_eq!(
            date_time(at.plus(Span::from_s(7))),
            "21 Nov 2026, 14:05:07 UTC"
        );
    }
}
