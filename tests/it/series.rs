//! Alignment, gaps, notation and counters: no timestamp moves or vanishes, and a counter's growth
//! does not depend on how its samples were cut into looks.

#![expect(clippy::float_cmp, reason = "these results are exact")]

use crate::cases;
use haldane::digest::Digest;
use haldane::series::align::{align, combine, max, mean, median, min, sum};
use haldane::series::census::Census;
use haldane::series::counters::{Birthline, CounterState, Increment, Point};
use haldane::series::gaps::Usable;
use haldane::series::grid::Grid;
use haldane::series::notation;
use haldane::series::raw::Sample;
use haldane::series::samples::Series;
use haldane::time::{Span, Step, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// `30s` or `-30s` after the epoch.
fn instant(text: &str) -> Timestamp {
    match text.strip_prefix('-') {
        Some(before) => Timestamp::from_ms(0).minus(Span::parse(before).unwrap()),
        None => Timestamp::from_ms(0).plus(Span::parse(text).unwrap()),
    }
}

/// `key=value` words of a line.
fn words(line: &str) -> BTreeMap<&str, &str> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .collect()
}

/// `15s=3 30s=NaN`
fn samples(text: &str) -> Vec<Sample> {
    let word = |(at, value): (&str, &str)| Sample {
        at: instant(at),
        value: value.parse().unwrap(),
    };
    text.split_whitespace()
        .map(|pair| word(pair.split_once('=').unwrap()))
        .collect()
}

fn show(values: &[Option<f64>]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|value| value.map_or("_".to_owned(), |v| v.to_string()))
        .collect();
    words.join(" ")
}

fn grid(start: Timestamp, step_ms: i64, len: usize) -> Grid {
    Grid {
        start,
        step: Step::new(Span::from_ms(step_ms)).unwrap(),
        len,
    }
}

#[test]
fn align_cases() {
    cases::check("align", || {
        |input: &str| {
            let (head, body) = input.split_once('\n').unwrap();
            let options = words(head);
            let step = Span::parse(options["step"]).unwrap();
            let grid = grid(
                instant(options["start"]),
                step.ms(),
                options["len"].parse().unwrap(),
            );
            let mut census = Census::default();
            let aligned: Vec<Series> = body
                .lines()
                .map(|line| align(grid, &samples(line), &mut census))
                .collect();
            let mut out = Vec::new();
            match options.get("combine") {
                None => out.extend(aligned.iter().map(|series| show(series.values()))),
                Some(how) => {
                    let fold = match *how {
                        "mean" => mean,
                        "sum" => sum,
                        "max" => max,
                        "min" => min,
                        "median" => median,
                        other => panic!("no such combination: {other}"),
                    };
                    out.push(show(&combine(&aligned, fold)));
                }
            }
            out.extend(census.sentences());
            if census.outside > 0 {
                out.push(format!("({} outside)", census.outside));
            }
            out.join("\n")
        }
    });
}

fn key(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// Each file is one counter state; each block a batch: `name 15s=3 30s=5`.
#[test]
fn counter_cases() {
    cases::check("counters", || {
        let mut state: CounterState<1> = CounterState::new();
        let mut line = None;
        move |input: &str| {
            if let Some(rest) = input.strip_prefix("start ") {
                let options = words(rest);
                let known_from = instant(options["known"]);
                line = Some(Birthline {
                    start: instant(options["at"]),
                    known_from,
                });
                return "ok".to_owned();
            }
            let mut points = Vec::new();
            for one in input.lines().skip(1) {
                let (name, rest) = one.split_once(' ').unwrap();
                let point = |s: Sample| Point {
                    at: s.at,
                    key: key(name),
                    values: [s.value],
                };
                points.extend(samples(rest).into_iter().map(point));
            }
            let mut census = Census::default();
            let rises = state.advance(points, line.unwrap(), &mut census);
            let mut sums: BTreeMap<Timestamp, f64> = BTreeMap::new();
            for rise in &rises {
                *sums.entry(rise.at).or_default() += rise.amounts[0];
            }
            let at = |at: &Timestamp| at.since(Timestamp::from_ms(0));
            let mut out: Vec<String> = sums
                .iter()
                .map(|(when, amount)| format!("{} +{amount}", at(when)))
                .collect();
            out.extend(census.sentences());
            out.join("\n")
        }
    });
}

#[test]
fn notation_expands() {
    for (text, wanted) in [
        ("", ""),
        ("  1 _ 5  stale", "1 _ 5 _"),
        ("1x4", "1 1 1 1 1"),
        ("0+10x5", "0 10 20 30 40 50"),
        ("9-3x2", "9 6 3"),
        ("-2x3", "-2 -2 -2 -2"),
        ("-2+4x3", "-2 2 6 10"),
        ("_x4", "_ _ _ _"),
        ("_x0 1x0", "1"),
        ("stalex1", "_ _"),
        ("NaN +Inf -Inf", "NaN inf -inf"),
        ("1e3+1e-1x1 1e-3", "1000 1000.1 0.001"),
        ("1+0x3\n2", "1 1 1 1 2"),
        (".5 +7", "0.5 7"),
    ] {
        assert_eq!(show(&notation::parse(text).unwrap()), wanted, "{text}");
    }
}

#[test]
fn notation_says_where_it_is_wrong() {
    for (text, column, part) in [
        ("1 2 three", 5, "`three` is no value"),
        ("1  2+", 4, "`2+` is no value"),
        ("0+10", 1, "write `0+10x5`"),
        ("1 1x", 3, "write `1x5`"),
        ("1x-2", 1, "number of repetitions"),
        ("1x100000", 1, "more than 100000 values"),
        ("_ 1x99999999999999999999999", 3, "more than 100000 values"),
        ("é infinity", 1, "`é` is no value"),
        ("1 infinity", 3, "`infinity` is no value"),
        ("1 --2", 3, "`--2` is no value"),
    ] {
        let fault = notation::parse(text).unwrap_err();
        assert_eq!(fault.column, column, "{text}: {fault}");
        assert!(fault.message.contains(part), "{text}: {fault}");
    }
    assert_eq!(notation::parse("_x99999").unwrap().len(), 99_999);
    assert_eq!(
        notation::parse("1x99998 3").unwrap().len(),
        notation::VALUES_MAX
    );
}

#[test]
fn gaps_are_counted() {
    let usable = Usable::of_values(&notation::parse("1 _ _ 2 _ _ _ 3 _").unwrap());
    assert_eq!(
        (usable.expected, usable.present, usable.longest_gap),
        (9, 3, 3)
    );
    assert_eq!(usable.gaps(), 6);
    assert!((usable.coverage() - 1.0 / 3.0).abs() < 1e-15);
    assert_eq!(Usable::default().coverage(), 0.0);
}

#[test]
fn grids_at_the_ends_of_time() {
    let far = grid(Timestamp::from_ms(i64::MIN), 1, 3);
    assert_eq!(far.points_until(Timestamp::from_ms(i64::MIN)), 1);
    assert_eq!(far.index(Timestamp::from_ms(i64::MIN + 2)), Some(2));
    assert_eq!(far.index(Timestamp::from_ms(i64::MAX)), None);
    let _ = far.points_until(Timestamp::from_ms(i64::MAX));
    let late = grid(Timestamp::from_ms(i64::MAX - 5), 10, 3);
    assert_eq!(late.instant(2), Timestamp::from_ms(i64::MAX));
    assert_eq!(late.points_until(Timestamp::from_ms(i64::MAX)), 1);
    assert_eq!(late.first_from(Timestamp::from_ms(i64::MAX)), 1);
    assert_eq!(late.first_from(Timestamp::from_ms(i64::MIN)), 0);
    let mut census = Census::default();
    let ends = [i64::MIN, i64::MAX].map(|ms| Sample {
        at: Timestamp::from_ms(ms),
        value: 1.0,
    });
    align(late, &ends, &mut census);
    assert_eq!(census.left_out(), 2);
    let step = Step::new(Span::from_ms(i64::MAX)).unwrap();
    let wide = Grid {
        start: Timestamp::from_ms(-7),
        step,
        len: 2,
    };
    assert_eq!(wide.points_until(Timestamp::from_ms(i64::MAX)), 2);
    assert_eq!(wide.instant(1), Timestamp::from_ms(i64::MAX - 7));
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => (0_i32..5).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
    ];
    let sample = (-20_i64..120, value).prop_map(|(s, value)| {
        // Mostly on the grid of ten seconds, some beside it.
        let ms = if s % 4 == 0 {
            s * 997
        } else {
            (s / 10) * 10_000
        };
        Sample {
            at: Timestamp::from_ms(ms),
            value,
        }
    });
    prop::collection::vec(sample, 0..60)
}

/// Any number of series, each with rising values and resets, samples at arbitrary instants.
fn any_counters() -> impl Strategy<Value = Vec<Point<1>>> {
    let one = prop::collection::vec((1_i64..40_000, 0.0_f64..1e6), 1..30);
    prop::collection::vec((0_i64..200_000, one), 1..6).prop_map(|all| {
        let mut points = Vec::new();
        for (idx, (begin, steps)) in all.into_iter().enumerate() {
            let (mut at, mut value) = (Timestamp::from_ms(begin), 0.0);
            for (gap, rise) in steps {
                at = at.plus(Span::from_ms(gap));
                // One rise in eight is a restart.
                value = if gap % 8 == 0 { rise } else { value + rise };
                points.push(Point {
                    at,
                    key: key(&idx.to_string()),
                    values: [value],
                });
            }
        }
        points
    })
}

fn bits(rises: &[Increment<1>]) -> Vec<(Timestamp, u64)> {
    rises
        .iter()
        .map(|rise| (rise.at, rise.amounts[0].to_bits()))
        .collect()
}

const LINE: Birthline = Birthline {
    start: Timestamp::from_ms(60_000),
    known_from: Timestamp::from_ms(90_000),
};

proptest! {
    /// Every sample stands at its own instant, or it is counted as left out; no value appears that
    /// was not sent for that instant.
    #[test]
    fn no_timestamp_moves_or_vanishes(samples in any_samples()) {
        let grid = grid(Timestamp::from_ms(0), 10_000, 9);
        let mut census = Census::default();
        let series = align(grid, &samples, &mut census);
        for (idx, value) in series.values().iter().enumerate() {
            let here: Vec<f64> = samples
                .iter()
                .filter(|s| s.at == grid.instant(idx) && s.value.is_finite())
                .map(|s| s.value)
                .collect();
            let agreed = here.iter().all(|v| *v == here[0]);
            let wanted = here.first().copied().filter(|_| agreed);
            prop_assert_eq!(*value, wanted);
        }
        prop_assert_eq!(series.n_present() as u64 + census.left_out(), samples.len() as u64);
    }

    /// The order of the samples changes nothing but the remark about it.
    #[test]
    fn the_order_of_samples_has_no_influence(
        (samples, shuffled) in any_samples()
            .prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle()))
    ) {
        let grid = grid(Timestamp::from_ms(0), 10_000, 9);
        let (mut left, mut right) = (Census::default(), Census::default());
        prop_assert_eq!(align(grid, &samples, &mut left), align(grid, &shuffled, &mut right));
        (left.out_of_order, right.out_of_order) = (0, 0);
        prop_assert_eq!(left, right);
    }

    /// Combining does not depend on the order of the series, to the last bit.
    #[test]
    fn the_order_of_series_has_no_influence(
        (rows, shuffled) in
            prop::collection::vec(prop::collection::vec(prop::option::of(-1e9..1e9_f64), 5), 1..6)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
    ) {
        let grid = grid(Timestamp::from_ms(0), 1000, 5);
        let series = |rows: Vec<Vec<Option<f64>>>| -> Vec<Series> {
            rows.into_iter().map(|row| Series::new(grid, row)).collect()
        };
        let (rows, shuffled) = (series(rows), series(shuffled));
        for fold in [sum, mean, median, min, max] {
            let bits = |series: &[Series]| -> Vec<Option<u64>> {
                combine(series, fold).into_iter().map(|v| v.map(f64::to_bits)).collect()
            };
            prop_assert_eq!(bits(&rows), bits(&shuffled));
        }
    }

    /// Cut into any batches, the increments are the same bits as in one go.
    #[test]
    fn counters_do_not_depend_on_batches(
        points in any_counters(), cuts in prop::collection::btree_set(0_i64..1_400_000, 0..12)
    ) {
        let mut whole = CounterState::new();
        let mut census = Census::default();
        let at_once = whole.advance(points.clone(), LINE, &mut census);
        let (mut parts, mut parts_census) = (CounterState::new(), Census::default());
        let mut in_parts = Vec::new();
        let mut from = i64::MIN;
        let ends: BTreeSet<i64> = cuts.into_iter().chain([i64::MAX]).collect();
        for end in ends {
            let inside = |p: &Point<1>| from < p.at.ms() && p.at.ms() <= end;
            let batch = points.iter().copied().filter(inside).collect();
            in_parts.extend(parts.advance(batch, LINE, &mut parts_census));
            from = end;
        }
        prop_assert_eq!(bits(&at_once), bits(&in_parts));
        prop_assert_eq!(whole, parts);
        prop_assert_eq!(census, parts_census);
    }

    /// The naive twin: series by series, sample by sample, as the rule reads.
    #[test]
    fn counters_agree_with_the_naive_rule(points in any_counters()) {
        let mut wanted = 0.0;
        for name in 0..6 {
            let mut mine: Vec<_> =
                points.iter().filter(|p| p.key == key(&name.to_string())).collect();
            mine.sort_by_key(|p| p.at);
            for (idx, point) in mine.iter().enumerate() {
                if point.at <= LINE.start {
                    continue;
                }
                let value = point.values[0];
                wanted += match idx.checked_sub(1).map(|before| mine[before].values[0]) {
                    Some(before) if value >= before => value - before,
                    Some(_) => value,
                    None if point.at >= LINE.known_from => value,
                    None => 0.0,
                };
            }
        }
        let rises = CounterState::new().advance(points, LINE, &mut Census::default());
        let got: f64 = rises.iter().map(|rise| rise.amounts[0]).sum();
        prop_assert!((got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{} {}", got, wanted);
    }

    /// Any text is read or refused, never more than the limit.
    #[test]
    fn notation_never_panics(text in "[0-9x+_. eNaInfstl-]{0,24}") {
        if let Ok(values) = notation::parse(&text) {
            prop_assert!(values.len() <= notation::VALUES_MAX);
        }
    }
}
