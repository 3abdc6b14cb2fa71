//! How often the sequential count tests err, and what they find, on the traffic of the statistics'
//! own simulations: 15 s intervals, a look every minute for an hour, fixed seeds.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::count_offset::Healthy;
use haldane::judge::dispersion::too_large;
use haldane::judge::judgement::Label;
use haldane::judge::look::Look;
use haldane::judge::sequential_counts::{Beside, find};
use haldane::judge::windows::{Counts, EventInterval, MetricData};
use haldane::stats::sequential::RATE_RATIOS;
use haldane::stats::sequential::line::{Both, Line, LineTest, Onset, Side, Singles, Tally};
use haldane::time::{Span, Step};
use haldane::units::MinEffect;

const STEP: Span = Span::from_s(15);
const INTERVALS: usize = 240;
const PER_LOOK: usize = 4;

/// How bad events come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Independently.
    Plain,
    /// Independently, with traffic that swings by half.
    Diurnal,
    /// Five times as often in both arms for eight minutes.
    Incident,
    /// In clusters of geometric size, three on average: five times Poisson's variance.
    Clustered,
    /// The same, spread over the following minute.
    Storms,
}

/// Traffic: requests per second, the canary's share, the ratio of bad events.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    kind: Kind,
    rate: f64,
    share: f64,
    ratio: f64,
}

/// A Poisson deviate of any mean.
fn poisson(noise: &mut Noise, mean: f64) -> f64 {
    if mean > 200.0 {
        (mean + mean.sqrt() * noise.normal()).round().max(0.0)
    } else {
        noise.poisson(mean)
    }
}

/// Bad events of one arm in one interval; `later` holds those of storms that are still to come.
fn bad(noise: &mut Noise, mean: f64, kind: Kind, later: &mut [f64; 4]) -> f64 {
    if !matches!(kind, Kind::Clustered | Kind::Storms) {
        return poisson(noise, mean);
    }
    let mut now = later[0];
    later.rotate_left(1);
    later[3] = 0.0;
    let mut clusters = poisson(noise, mean / 3.0);
    while clusters > 0.0 {
        clusters -= 1.0;
        now += 1.0;
        while noise.uniform() > 1.0 / 3.0 {
            let delay = if kind == Kind::Storms {
                4.0 * noise.uniform()
            } else {
                0.0
            };
            match delay {
                d if d < 1.0 => now += 1.0,
                d if d < 2.0 => later[0] += 1.0,
                d if d < 3.0 => later[1] += 1.0,
                _ => later[2] += 1.0,
            }
        }
    }
    now
}

/// An hour in which the canary's ratio is `factor` times the baseline's.
fn hour(noise: &mut Noise, traffic: Traffic, factor: f64) -> Vec<EventInterval> {
    let (phase, begin) = (noise.uniform(), 20.0 + noise.uniform() * 160.0);
    let mut later = [[0.0; 4]; 2];
    let all = traffic.rate * STEP.seconds();
    (0..INTERVALS)
        .map(|idx| {
            let at = idx as f64;
            let turn = 2.0 * std::f64::consts::PI * (at / INTERVALS as f64 + phase);
            let swing = if traffic.kind == Kind::Diurnal {
                1.0 + 0.5 * turn.sin()
            } else {
                1.0
            };
            let incident = traffic.kind == Kind::Incident && (begin..begin + 32.0).contains(&at);
            let ratio = traffic.ratio * if incident { 5.0 } else { 1.0 };
            let [canary, baseline] = &mut later;
            let mut arm = |share: f64, ratio: f64, later: &mut [f64; 4]| {
                let total = poisson(noise, all * share * swing);
                let bad = bad(noise, total * ratio, traffic.kind, later).min(total);
                Some(Counts { bad, total })
            };
            EventInterval {
                at: plans::START.plus(STEP.times(i64::try_from(idx).unwrap() + 1)),
                canary: arm(traffic.share, ratio * factor, canary),
                baseline: arm(1.0 - traffic.share, ratio, baseline),
            }
        })
        .collect()
}

/// ln e of "at most `null` times the baseline's rate" at every look.
fn path(null: f64, intervals: &[EventInterval], history: &[EventInterval]) -> Vec<f64> {
    let line = Line {
        ratio: null,
        extra: 0.0,
    };
    let onset = Onset::Within(u32::try_from(INTERVALS).unwrap());
    let past = Both::default();
    let mut test = LineTest::new(line, Side::Above, &RATE_RATIOS, onset, past);
    let mut singles = Singles::new(Side::Above, 3);
    let tally = |counts: Counts| Tally {
        bad: counts.bad,
        total: counts.total,
    };
    let mut out = Vec::new();
    for (idx, interval) in intervals.iter().enumerate() {
        let both = Both {
            canary: tally(interval.canary.unwrap()),
            baseline: tally(interval.baseline.unwrap()),
        };
        test.observe(both, singles.of(both));
        if (idx + 1) % PER_LOOK == 0 {
            out.push(test.log_e(&too_large(history, &intervals[..=idx], STEP)));
        }
    }
    out
}

/// Over all runs: the share that ever reaches 1/5 % and 1/0.5 %, and the median minute of the
/// latter among all runs, if it is reached in half of them.
fn measure(traffic: Traffic, factor: f64, history: bool, runs: u64) -> (f64, f64, Option<usize>) {
    let (mut five, mut half) = (0.0, Vec::new());
    for seed in 0..runs {
        let mut noise = Noise(seed * 7_919 + 13);
        let before = if history {
            hour(&mut noise, traffic, 1.0)
        } else {
            Vec::new()
        };
        let after = hour(&mut noise, traffic, factor);
        let path = path(1.0, &after, &before);
        let most = path.iter().copied().fold(f64::MIN, f64::max);
        five += f64::from(u8::from(most >= 20.0_f64.ln()));
        half.push(path.iter().position(|log_e| *log_e >= 200.0_f64.ln()));
    }
    half.sort_by_key(|look| look.unwrap_or(usize::MAX));
    let found = half.iter().flatten().count() as f64;
    let median = half[half.len() / 2].map(|look| look + 1);
    (five / runs as f64, found / runs as f64, median)
}

fn traffic(kind: Kind, rate: f64, share: f64, ratio: f64) -> Traffic {
    Traffic {
        kind,
        rate,
        share,
        ratio,
    }
}

/// At most the level, within three standard errors of a run of this length.
#[track_caller]
fn at_most(what: &str, rate: f64, level: f64, runs: u64) {
    let margin = 3.0 * (level * (1.0 - level) / runs as f64).sqrt();
    println!("{what}: {rate:.4} of at most {level}");
    assert!(
        rate <= level + margin,
        "{what}: {rate} is above {level} + {margin}"
    );
}

#[test]
fn healthy_canaries_are_rarely_rolled_back_however_bad_events_come() {
    const RUNS: u64 = 60;
    for kind in [
        Kind::Plain,
        Kind::Diurnal,
        Kind::Incident,
        Kind::Clustered,
        Kind::Storms,
    ] {
        let (mut five, mut half) = (0.0, 0.0);
        let cells = [(0.05, 0.002), (0.5, 0.002), (0.5, 0.01)];
        for (share, ratio) in cells {
            for history in [false, true] {
                let rates = measure(traffic(kind, 200.0, share, ratio), 1.0, history, RUNS);
                five += rates.0 / 6.0;
                half += rates.1 / 6.0;
            }
        }
        at_most(&format!("{kind:?} at 5 %"), five, 0.05, 6 * RUNS);
        at_most(&format!("{kind:?} at 0.5 %"), half, 0.005, 6 * RUNS);
    }
}

/// At the level of one metric among ten, with an hour of history and without: (traffic, factor,
/// minutes that half of the runs may take without, with).
#[test]
fn harm_is_found_in_time() {
    let cases = [
        (traffic(Kind::Plain, 200.0, 0.05, 0.002), 5.0, 13, 4),
        (traffic(Kind::Plain, 200.0, 0.5, 0.002), 2.0, 14, 5),
        (traffic(Kind::Plain, 20.0, 0.05, 0.01), 5.0, 20, 15),
        (traffic(Kind::Incident, 200.0, 0.5, 0.002), 2.0, 15, 8),
        (traffic(Kind::Clustered, 200.0, 0.5, 0.002), 5.0, 10, 4),
        (traffic(Kind::Clustered, 200.0, 0.5, 0.01), 2.0, 13, 7),
    ];
    for (traffic, factor, alone, with) in cases {
        for (history, within) in [(false, alone), (true, with)] {
            let (_, found, median) = measure(traffic, factor, history, 40);
            println!("{traffic:?} x{factor} history {history}: {found} at {median:?}");
            assert!(found >= 0.9, "{traffic:?} x{factor}: found in {found}");
            assert!(
                median.unwrap() <= within,
                "{traffic:?} x{factor}: {median:?} minutes"
            );
        }
    }
}

/// What is measured here is what the judge computes.
#[test]
fn the_finding_has_the_evidence_that_is_measured() {
    let mut plan = plans::plan(60, 1, 0.01);
    plan.timing.step = Step::new(STEP).unwrap();
    let metric = plans::events_metric("errors", MinEffect::Relative(0.2), 0.01);
    let mut noise = Noise(4);
    let traffic = traffic(Kind::Clustered, 200.0, 0.5, 0.01);
    let (before, after) = (
        hour(&mut noise, traffic, 1.0),
        hour(&mut noise, traffic, 1.4),
    );
    let path = path(1.2, &after, &before);
    for look in [5, 20, 60] {
        let seen = &after[..look * PER_LOOK];
        let mut window = plans::events(&[], &[]);
        window.data = MetricData::Events {
            intervals: seen.to_vec(),
        };
        let minutes = Span::from_s(60).times(i64::try_from(look).unwrap());
        let at = Look::new(&plan.timing, plans::START.plus(minutes));
        let beside = Beside {
            history: &before,
            healthy: &Healthy::default(),
        };
        let finding = find(&plan, &metric, &window, seen, beside, &at);
        let p = finding.evidence.unwrap().p_harm;
        let want = (-path[look - 1]).exp();
        assert!((p / want - 1.0).abs() < 1e-9, "{look}: {p} {want}");
    }
}

/// At a limit, relative or absolute, few bad events or many: at most 5 % are ever called worse, at
/// most 5 % ever within, and the interval of 90 % misses the truth at some look in at most 10 %.
#[test]
fn canaries_at_their_limit_are_rarely_misjudged_at_any_look() {
    const RUNS: u64 = 40;
    let cases = [
        (MinEffect::Relative(0.5), 0.01, 0.015, 1_000.0),
        (MinEffect::Relative(0.2), 0.3, 0.36, 100.0),
        (MinEffect::Absolute(0.005), 0.005, 0.01, 1_000.0),
        (MinEffect::Absolute(0.005), 0.0005, 0.0055, 300.0),
    ];
    let mut plan = plans::plan(60, 5, 0.05);
    plan.judge.false_promote = plans::probability(0.05);
    let (mut worse, mut within, mut missed) = (0.0, 0.0, 0.0);
    for (limit, base, at_limit, canary) in cases {
        let metric = plans::events_metric("errors", limit, 0.05);
        let truth = match limit {
            MinEffect::Relative(share) => share,
            MinEffect::Absolute(points) => points,
        };
        for seed in 0..RUNS {
            let mut noise = Noise(seed * 104_729 + 3);
            let mut arm = |ratio: f64, n: f64| -> Vec<(f64, f64)> {
                (0..60).map(|_| (noise.bad_of(n, ratio), n)).collect()
            };
            let (baseline, canary) = (arm(base, 1_000.0), arm(at_limit, canary));
            let mut ever = [false; 3];
            for look in 1..=6 {
                let points = look * 10;
                let window = plans::events(&baseline[..points], &canary[..points]);
                let MetricData::Events { intervals } = &window.data else {
                    panic!("events")
                };
                let covered = plans::STEP.times(i64::try_from(points).unwrap());
                let at = Look::new(&plan.timing, plans::START.plus(covered));
                let beside = Beside {
                    history: &[],
                    healthy: &Healthy::default(),
                };
                let found = find(&plan, &metric, &window, intervals, beside, &at);
                let effect = found.effect.unwrap();
                let shown = match limit {
                    MinEffect::Relative(_) => effect.relative.unwrap_or(effect.absolute),
                    MinEffect::Absolute(_) => effect.absolute,
                };
                ever[0] |= found.label == Label::Worse;
                ever[1] |= found.label == Label::Within;
                ever[2] |= shown.low > truth || shown.high < truth;
            }
            let [a, b, c] = ever.map(|happened| f64::from(u8::from(happened)));
            (worse, within, missed) = (worse + a, within + b, missed + c);
        }
    }
    let runs = RUNS * cases.len() as u64;
    at_most("worse at the limit", worse / runs as f64, 0.05, runs);
    at_most("within at the limit", within / runs as f64, 0.05, runs);
    at_most("interval beside the truth", missed / runs as f64, 0.1, runs);
}
