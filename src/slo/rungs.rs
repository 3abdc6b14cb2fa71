//! The multi-window, multi-burn-rate policy as data, and what becomes of it on a young canary.

use crate::slo::burn_rate;
use crate::slo::objective::{Rung, RungAction};
use crate::time::Span;
use crate::units::BurnRate;

/// One row of a policy: the rung fires when `share` of the period's budget would be gone in `long`
/// and it is still going on in `short`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The share of the period's budget, in (0, 1).
    pub share: f64,
    /// The long window.
    pub long: Span,
    /// The short window: a twelfth of the long one, so that the rung resets soon.
    pub short: Span,
    /// What follows.
    pub action: RungAction,
}

/// The SRE workbook's policy. Rows 1, 2 and 4 are its table 5-8; row 3 (1 d / 2 h, 10 %) stands in
/// its rule listing only. Pages roll back, tickets hold.
pub const WORKBOOK: [Row; 4] = [
    Row {
        share: 0.02,
        long: Span::from_s(3600),
        short: Span::from_s(300),
        action: RungAction::Rollback,
    },
    Row {
        share: 0.05,
        long: Span::from_s(6 * 3600),
        short: Span::from_s(1800),
        action: RungAction::Rollback,
    },
    Row {
        share: 0.10,
        long: Span::from_s(24 * 3600),
        short: Span::from_s(2 * 3600),
        action: RungAction::Hold,
    },
    Row {
        share: 0.10,
        long: Span::from_s(72 * 3600),
        short: Span::from_s(6 * 3600),
        action: RungAction::Hold,
    },
];

/// Scrape intervals a short window must span before its ratio says anything: a rate over fewer
/// than four samples is mostly chance of alignment (the advice for ranges of `rate`).
pub const SHORT_SCRAPES_MIN: i64 = 4;

/// [`WORKBOOK`] for a period: 14.4, 6, 3 and 1 for 30 days; 13.44, 5.6, 2.8 and 0.93 for 28 days,
/// which keeps the shares as Sloth's 28-day windows do. Rows without a burn above zero (a period
/// of zero) are left out.
pub fn workbook(period: Span) -> Vec<Rung> {
    WORKBOOK
        .iter()
        .filter_map(|row| {
            let factor = burn_rate::threshold(row.share, row.long, period)?;
            Some(Rung {
                burn: BurnRate::new(factor)?,
                long: row.long,
                short: row.short,
                action: row.action,
            })
        })
        .collect()
}

/// Whether a rung can fire at all: not even a service that only fails burns faster than 1 / budget
/// (a 90 % objective never reaches 14.4).
pub fn reachable(burn: BurnRate, budget: f64) -> bool {
    burn.get() * budget <= 1.0
}

/// The windows of a rung for a canary of age `age`: the long one is clipped to the age, since a
/// ratio over more than a life is the ratio over that life; the short one shrinks alike, but not
/// below [`SHORT_SCRAPES_MIN`] scrape intervals, and never beyond the long one.
pub fn windows_at_age(rung: &Rung, age: Span, scrape: Span) -> (Span, Span) {
    let long = rung.long.min(age);
    let shrunk = if long == rung.long {
        rung.short
    } else {
        scaled(rung.short, long, rung.long)
    };
    let short = shrunk.max(scrape.times(SHORT_SCRAPES_MIN)).min(long);
    (long, short)
}

/// span × part / whole, rounded down to the millisecond; `whole` is above zero here because it is
/// longer than `part`.
fn scaled(span: Span, part: Span, whole: Span) -> Span {
    let ms = i128::from(span.ms()) * i128::from(part.ms()) / i128::from(whole.ms()).max(1);
    Span::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
