//! Burn rates and rungs: the SRE workbook's numbers, the vectors made by another implementation,
//! and the edges at which there is no value.

#![expect(clippy::float_cmp, reason = "these results are exact")]

use haldane::slo::burn_rate::{
    IntervalCounts, burn_over, burn_rate, error_ratio, remaining, spent_by_count, spent_by_rate,
    threshold, time_to_exhaustion,
};
use haldane::slo::objective::{Objective, Rung, RungAction};
use haldane::slo::rungs::{reachable, windows_at_age, workbook};
use haldane::time::{Span, Timestamp};
use haldane::units::{BurnRate, Probability};
use proptest::prelude::*;
use serde_json::Value;

fn vectors(kind: &str) -> Vec<Value> {
    let text = include_str!("../vectors/statistics.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let cases = all["cases"].as_array().unwrap();
    let mine: Vec<Value> = cases
        .iter()
        .filter(|case| case["kind"] == kind)
        .cloned()
        .collect();
    assert_eq!(
        Some(mine.len() as u64),
        all["kinds"][kind].as_u64(),
        "{kind}"
    );
    mine
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-12 * right.abs()
}

fn minutes(count: i64) -> Span {
    Span::from_s(count * 60)
}

fn rung(burn: f64, long: Span, short: Span) -> Rung {
    let burn = BurnRate::new(burn).unwrap();
    Rung {
        burn,
        long,
        short,
        action: RungAction::Rollback,
    }
}

#[test]
fn burn_rates_agree_with_the_vectors() {
    for case in vectors("burn_rate") {
        let number = |key: &str| case[key].as_f64().unwrap();
        let span = |key: &str| minutes(case[key].as_i64().unwrap());
        let target = Probability::new(number("slo")).unwrap();
        let objective = Objective::new(target, span("period_min"), Vec::new(), 0).unwrap();
        let burn = burn_rate(number("errors"), number("total"), objective.budget());
        let burn = burn.unwrap().unwrap();
        assert!(close(burn, number("burn_rate")), "{case}: {burn}");
        let spent = spent_by_rate(burn, span("window_min"), objective.period);
        assert!(
            close(spent, number("budget_consumed_fraction")),
            "{case}: {spent}"
        );
        let left = time_to_exhaustion(1.0, objective.period, burn).unwrap();
        let hours = left.seconds() / 3600.0;
        assert!(
            (hours - number("hours_to_exhaustion")).abs() * 3_600_000.0 < 2.0,
            "{case}: {hours}"
        );
    }
}

#[test]
fn thresholds_agree_with_the_vectors() {
    for case in vectors("burn_threshold") {
        let number = |key: &str| case[key].as_f64().unwrap();
        let hours = |key: &str| Span::from_s(case[key].as_i64().unwrap() * 3600);
        let (window, period) = (hours("window_h"), hours("period_h"));
        let factor = threshold(number("budget_fraction"), window, period).unwrap();
        assert!(close(factor, number("threshold")), "{case}: {factor}");
        let rungs = workbook(period);
        let row = rungs.iter().find(|rung| rung.long == window).unwrap();
        assert!(
            close(row.burn.get(), number("threshold")),
            "{case}: {}",
            row.burn
        );
        assert!(
            close(row.short.seconds() / 3600.0, number("short_window_h")),
            "{case}"
        );
    }
}

#[test]
fn the_workbook_table_for_30_and_28_days() {
    let show = |days: i64| -> Vec<String> {
        let row = |rung: &Rung| {
            format!(
                "{} {}/{} {:?}",
                rung.burn, rung.long, rung.short, rung.action
            )
        };
        workbook(Span::from_s(days * 86_400))
            .iter()
            .map(row)
            .collect()
    };
    assert_eq!(
        show(30),
        [
            "14.4× 1h/5m Rollback",
            "6× 6h/30m Rollback",
            "3× 1d/2h Hold",
            "1× 3d/6h Hold"
        ]
    );
    assert_eq!(
        show(28),
        [
            "13.44× 1h/5m Rollback",
            "5.6× 6h/30m Rollback",
            "2.8× 1d/2h Hold",
            "0.9333× 3d/6h Hold"
        ]
    );
    assert!(workbook(Span::ZERO).is_empty());
}

#[test]
fn without_events_there_is_no_value_and_broken_counts_are_refused() {
    assert_eq!(error_ratio(0.0, 0.0), Ok(None));
    assert_eq!(error_ratio(0.0, 5.0), Ok(Some(0.0)));
    for (bad, total) in [
        (2.0, 1.0),
        (-1.0, 1.0),
        (f64::NAN, 1.0),
        (1.0, f64::NAN),
        (1.0, f64::INFINITY),
        (1.0, 0.0),
    ] {
        let fault = burn_rate(bad, total, 0.001).unwrap_err();
        assert!(fault.to_string().contains("must be a part of all events"));
    }
    assert_eq!(spent_by_count(450.0, 0.0, 0.001), None);
    assert_eq!(threshold(0.02, Span::ZERO, minutes(60)), None);
    assert_eq!(time_to_exhaustion(1.0, minutes(60), 0.0), None);
    assert_eq!(time_to_exhaustion(1.0, minutes(60), f64::NAN), None);
    assert_eq!(time_to_exhaustion(1.0, Span::from_ms(i64::MAX), 1e-9), None);
    assert_eq!(time_to_exhaustion(-0.5, minutes(60), 3.0), Some(Span::ZERO));
}

#[test]
fn nothing_is_rounded_before_it_is_compared() {
    let burn = burn_rate(1444.0, 100_000.0, 0.001).unwrap().unwrap();
    assert!(burn > 14.4, "{burn}");
}

/// 100 requests a second at 99.9 %: 259,200 bad events a month are allowed; 445.5 are 0.17 %.
#[test]
fn a_release_costs_budget_by_count() {
    let spent = spent_by_count(445.5, 259_200_000.0, 0.001).unwrap();
    assert!((spent - 0.001_718_75).abs() < 1e-12, "{spent}");
    assert!(close(remaining(0.002, 0.001), -1.0));
}

#[test]
fn a_rung_beyond_total_failure_is_unreachable() {
    let reach = |burn: f64, budget: f64| reachable(BurnRate::new(burn).unwrap(), budget);
    assert!(!reach(14.4, 0.1));
    assert!(reach(6.0, 0.1));
    assert!(reach(10.0, 0.1));
    assert!(reach(14.4, 0.01));
}

#[test]
fn windows_of_a_young_canary() {
    let scrape = Span::from_s(15);
    let fast = rung(14.4, minutes(60), minutes(5));
    for (age, long, short) in [
        (0, "0s", "0s"),
        (1, "1m", "1m"),
        (6, "6m", "1m"),
        (24, "24m", "2m"),
        (60, "1h", "5m"),
        (600, "1h", "5m"),
    ] {
        let windows = windows_at_age(&fast, minutes(age), scrape);
        assert_eq!(
            (
                windows.0.to_string().as_str(),
                windows.1.to_string().as_str()
            ),
            (long, short)
        );
    }
}

#[test]
fn a_trailing_window_counts_whole_intervals() {
    let at = |s: i64| Timestamp::from_s(s);
    let intervals: Vec<IntervalCounts> = (1..=10)
        .map(|idx| IntervalCounts {
            at: at(idx * 30),
            bad: if idx == 5 { 3.0 } else { 0.0 },
            total: 10.0,
        })
        .collect();
    let over = |to: i64, window: i64| {
        burn_over(
            intervals.iter().copied(),
            at(to),
            Span::from_s(window),
            0.01,
        )
    };
    // (150, 300]: the interval that ends at 150 is outside.
    let late = over(300, 150);
    assert_eq!((late.bad, late.total, late.burn), (0.0, 50.0, Some(0.0)));
    // (149, 300] touches it: rounded up to whole intervals.
    assert_eq!(over(300, 151).bad, 3.0);
    assert_eq!(over(300, 300).total, 100.0);
    // Later intervals do not count, and without events there is no burn.
    assert_eq!(over(120, 600).bad, 0.0);
    assert_eq!(over(2000, 60).burn, None);
    assert_eq!(over(300, 0).burn, None);
}

proptest! {
    /// Rate form and count form agree exactly when traffic is even.
    #[test]
    fn both_forms_of_spent_budget_agree_under_even_traffic(
        bad in 0_u32..1000, total in 1000_u32..100_000, windows in 1_i64..10_000,
    ) {
        let (bad, total, budget) = (f64::from(bad), f64::from(total), 0.001);
        let (window, period) = (minutes(5), minutes(5 * windows));
        let burn = burn_rate(bad, total, budget).unwrap().unwrap();
        let by_rate = spent_by_rate(burn, window, period);
        let by_count = spent_by_count(bad, total * windows as f64, budget).unwrap();
        prop_assert!((by_rate - by_count).abs() <= 1e-9 * by_count.abs(), "{by_rate} {by_count}");
    }

    /// The windows of a young canary never exceed its age nor the rung's, and short ≤ long.
    #[test]
    fn young_windows_fit(
        age in 0_i64..i64::MAX, long in 1_i64..i64::MAX,
        share in 1_i64..100, scrape in 0_i64..i64::MAX,
    ) {
        let short = Span::from_ms((long / share).max(1));
        let rung = rung(6.0, Span::from_ms(long), short);
        let (long, short) = windows_at_age(&rung, Span::from_ms(age), Span::from_ms(scrape));
        prop_assert!(long.ms() <= age && long <= rung.long && short <= long);
    }
}
