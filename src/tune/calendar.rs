//! Which windows of the past are looked at. Days are cut into slots of one window each, at the
//! same times of every day, and slots are taken in couples: so that the window before, the same
//! window a day before and a week before are among those that are read anyway.

use crate::time::{Span, Step, Timestamp};
use std::collections::BTreeSet;

/// A day.
pub const DAY: Span = Span::from_s(86_400);

/// Days in a week.
pub const WEEK_DAYS: usize = 7;

/// A stretch of the past, and what windows are wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The last instant that may be read.
    pub ending: Timestamp,
    /// How far back.
    pub history: Span,
    /// What a window reads of the time before it.
    pub lead: Span,
    /// The length of a window.
    pub length: Span,
    /// What windows begin on a multiple of.
    pub step: Step,
    /// The most windows.
    pub windows: usize,
}

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// When it begins.
    pub start: Timestamp,
    /// Days before the end, from 0.
    pub day: usize,
    /// Windows before the end of that day, from 0: slot 1 ends where slot 0 begins.
    pub slot: usize,
}

/// The windows, the newest first. None when not even one fits.
pub fn spots(wanted: &Wanted) -> Vec<Spot> {
    let step = wanted.step.span().ms();
    let length = (wanted.length.ms() + step - 1) / step * step;
    if length == 0 {
        return Vec::new();
    }
    // A window longer than a day is taken once every so many days.
    let period = DAY.times((length + DAY.ms() - 1) / DAY.ms());
    let slots = index(period.ms() / length);
    let first = wanted.ending.minus(wanted.history);
    let at = move |day: usize, slot: usize| {
        let back = period
            .times(signed(day))
            .plus(Span::from_ms(length).times(signed(slot) + 1));
        let start = wanted.ending.minus(back).align_down(wanted.step);
        (start.minus(wanted.lead) >= first).then_some(Spot { start, day, slot })
    };
    let days = index(wanted.history.ms() / period.ms()) + 1;
    let fitting = |day: usize| (0..slots).filter_map(move |slot| at(day, slot));
    let all: usize = (0..days).map(|day| fitting(day).count()).sum();
    // A history of less than a day has not all slots; later days have no others than the first.
    let newest = fitting(0).count();
    let per_day = wanted.windows.saturating_mul(newest) / all.max(1);
    let chosen = if all <= wanted.windows {
        (0..slots).collect()
    } else {
        chosen(newest, per_day)
    };
    let each = (0..days).flat_map(|day| chosen.iter().map(move |slot| (day, *slot)));
    let mut out: Vec<Spot> = each.filter_map(|(day, slot)| at(day, slot)).collect();
    out.truncate(wanted.windows.max(1));
    out
}

/// About so many of all slots, in couples, evenly over the day; at least one couple.
fn chosen(slots: usize, wanted: usize) -> BTreeSet<usize> {
    if wanted >= slots {
        return (0..slots).collect();
    }
    let couples = (wanted / 2).max(1);
    let first = |couple: usize| couple * slots / couples;
    let both = (0..couples).flat_map(|couple| [first(couple), first(couple) + 1]);
    both.filter(|slot| *slot < slots).collect()
}

fn index(count: i64) -> usize {
    usize::try_from(count.max(0)).unwrap_or(usize::MAX)
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn wanted(history_h: i64, length_m: i64, windows: usize) -> Wanted {
        Wanted {
            ending: Timestamp::from_s(1_700_000_000),
            history: Span::from_s(history_h * 3600),
            lead: Span::from_s(300),
            length: Span::from_s(length_m * 60),
            step: Step::new(Span::from_s(30)).unwrap(),
            windows,
        }
    }

    #[test]
    fn windows_lie_within_the_history_and_do_not_overlap() {
        for (hours, minutes, windows) in [
            (1, 30, 10),
            (24, 30, 1000),
            (14 * 24, 30, 200),
            (14 * 24, 45, 100),
            (14 * 24, 7, 33),
            (30 * 24, 36 * 60, 100),
            (0, 30, 10),
            (3, 30, 1),
        ] {
            let wanted = wanted(hours, minutes, windows);
            let mut found = spots(&wanted);
            assert!(found.len() <= windows, "{hours} h, {minutes} m: {found:?}");
            found.sort();
            let first = wanted.ending.minus(wanted.history).plus(wanted.lead);
            for pair in found.windows(2) {
                assert!(
                    pair[0].start.plus(wanted.length) <= pair[1].start,
                    "{pair:?}"
                );
            }
            for spot in &found {
                assert!(spot.start >= first, "{spot:?}");
                assert!(spot.start.plus(wanted.length) <= wanted.ending, "{spot:?}");
                assert_eq!(spot.start.align_down(wanted.step), spot.start);
            }
            assert_eq!(found.is_empty(), hours == 0, "{hours} h of {minutes} m");
        }
    }

    #[test]
    fn a_short_history_is_used_whole() {
        // 30 minutes each, with five minutes before the first.
        for (hours, windows, at_least) in [(3, 6, 5), (3, 200, 5), (26, 12, 10), (26, 200, 51)] {
            let found = spots(&wanted(hours, 30, windows));
            assert!(found.len() >= at_least, "{hours} h: {}", found.len());
            assert!(
                found.iter().any(|spot| spot.slot == 1),
                "{hours} h: {found:?}"
            );
        }
    }

    #[test]
    fn every_day_has_the_same_slots_in_couples() {
        let found = spots(&wanted(14 * 24, 30, 200));
        let of = |day: usize| -> Vec<usize> {
            let mine = found.iter().filter(|spot| spot.day == day);
            mine.map(|spot| spot.slot).collect()
        };
        let slots = of(0);
        assert_eq!(slots.len(), 14, "{slots:?}");
        assert!((1..13).all(|day| of(day) == slots));
        assert!(slots.chunks(2).all(|couple| couple[1] == couple[0] + 1));
    }
}
