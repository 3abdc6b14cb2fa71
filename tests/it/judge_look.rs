//! What a look may spend, and that what is shown agrees with what is decided.

use crate::judge_plans as plans;
use haldane::judge::classify::{Comparison, Limits, decide};
use haldane::judge::judge;
use haldane::judge::judgement::{Interval, Label};
use haldane::judge::look::{Levels, Look};
use haldane::judge::rates::{Conditional, Likelihood, Margin, Rate};
use haldane::plan::Timing;
use haldane::time::{Span, Step};
use haldane::units::{Harm, MinEffect};
use proptest::prelude::*;

fn timing(step: i64, every: i64, whole: i64, lag: i64) -> Timing {
    let start = plans::START;
    Timing {
        start,
        step: Step::new(Span::from_s(step)).unwrap(),
        look_every: Span::from_s(every),
        judged_from: start,
        bake_until: start.plus(Span::from_s(whole / 2)),
        deadline: start.plus(Span::from_s(whole)),
        lag: Span::from_s(lag),
        source_grace: Span::ZERO,
        extension: haldane::time::Span::ZERO,
    }
}

/// All the error that the looks of an analysis spend, one after each `look_every` and one at the
/// deadline; with `wait` the daemon looks a lag later and reads up to the planned instant.
fn spent(timing: &Timing, alpha: f64, wait: bool) -> f64 {
    let mut total = 0.0;
    let mut seen = timing.start;
    for k in 1..=i64::from(timing.looks_planned()) {
        let mut now = timing
            .start
            .plus(timing.look_every.times(k))
            .min(timing.deadline);
        if wait {
            now = now.plus(timing.lag);
        }
        let covered_to = timing.readable_to(now);
        if covered_to > seen {
            total += Look::new(timing, covered_to).levels_of(alpha, 0.05).alpha;
            seen = covered_to;
        }
    }
    total
}

#[test]
fn looks_together_spend_no_more_than_alpha() {
    for (step, every, whole, lag) in [
        (60, 300, 3600, 0),
        (15, 60, 3600, 30),
        (30, 45, 3600, 0),
        (60, 30, 600, 0),
        (60, 1200, 3000, 0),
        (60, 1200, 3000, 60),
        (60, 1200, 2460, 120),
        (15, 100, 950, 20),
        (60, 3600, 3600, 60),
        (60, 7200, 3600, 0),
    ] {
        for wait in [false, true] {
            let total = spent(&timing(step, every, whole, lag), 0.02, wait);
            let what = format!("{step} {every} {whole} {lag} {wait}");
            assert!(
                total <= 0.02 * (1.0 + 1e-9),
                "{what}: {total} spent of 0.02"
            );
            // What is not spent is lost power; with the usual schedules next to nothing is.
            let usual = lag == 0 && whole % every == 0 && every % step == 0;
            assert!(
                !usual || total >= 0.0199,
                "{what}: only {total} of 0.02 spent"
            );
        }
    }
}

#[test]
fn the_only_look_has_everything() {
    let timing = timing(60, 3600, 3600, 60);
    let look = Look::new(&timing, timing.readable_to(timing.deadline));
    let levels = look.levels_of(0.02, 0.05);
    assert_eq!(
        levels,
        Levels {
            alpha: 0.02,
            beta: 0.05,
            alpha_whole: 0.02
        }
    );
}

#[test]
fn the_level_of_within_is_the_same_at_every_look() {
    let timing = timing(60, 300, 3600, 0);
    let at = |s: i64| {
        Look::new(&timing, timing.start.plus(Span::from_s(s)))
            .levels_of(0.02, 0.05)
            .beta
    };
    assert_eq!(at(300).to_bits(), at(3600).to_bits());
    // Between the uncorrected level and the Bonferroni one of seven looks.
    assert!(at(300) < 0.05 && at(300) > 0.05 / 7.0, "{}", at(300));
}

/// The interval lies wholly beyond the limit if and only if worse, wholly short of it if and
/// only if within.
fn check_agreement(label: Label, shown: Interval, limits: Limits, harm: Harm) {
    let beyond = match harm {
        Harm::Increase => shown.low > limits.up,
        Harm::Decrease => shown.high < limits.down,
        Harm::Either => shown.low > limits.up || shown.high < limits.down,
    };
    let short = match harm {
        Harm::Increase => shown.high < limits.up,
        Harm::Decrease => shown.low > limits.down,
        Harm::Either => shown.high < limits.up && shown.low > limits.down,
    };
    assert_eq!(
        label == Label::Worse,
        beyond,
        "{label:?} {shown:?} {limits:?} {harm:?}"
    );
    assert_eq!(
        label == Label::Within,
        short,
        "{label:?} {shown:?} {limits:?} {harm:?}"
    );
    assert!(shown.low <= shown.high, "{shown:?}");
}

fn check_test(mut test: impl Comparison, limits: Limits, harm: Harm) {
    let levels = Levels {
        alpha: 0.01,
        beta: 0.05,
        alpha_whole: 0.02,
    };
    let before = (test.lower(0.01), test.upper(0.05));
    let decision = decide(&mut test, limits, harm, levels);
    let shown = Interval {
        value: decision.estimate,
        low: decision.low,
        high: decision.high,
    };
    check_agreement(decision.label, shown, limits, harm);
    // By itself the inversion agrees too, but for what its last digits are worth.
    if harm == Harm::Increase {
        let slack = 1e-6 * (1.0 + limits.up.abs());
        let worse = decision.label == Label::Worse;
        let within = decision.label == Label::Within;
        assert!(!worse || before.0 > limits.up - slack, "{before:?}");
        assert!(worse || before.0 < limits.up + slack, "{before:?}");
        assert!(!within || before.1 < limits.up + slack, "{before:?}");
        assert!(
            within || worse || before.1 > limits.up - slack,
            "{before:?}"
        );
    }
}

fn harms() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Increase),
        Just(Harm::Decrease),
        Just(Harm::Either)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn counts_show_what_they_decide(
        bad in (0_u32..200, 0_u32..200),
        more in (1_u32..20_000, 1_u32..20_000),
        margin in 0.0_f64..0.8,
        harm in harms(),
    ) {
        let rate = |bad: u32, more: u32| {
            Rate { bad: f64::from(bad), total: f64::from(bad) + f64::from(more) }
        };
        let (canary, baseline) = (rate(bad.0, more.0), rate(bad.1, more.1));
        let of = |kind| Likelihood { canary, baseline, margin: kind };
        check_test(of(Margin::Difference), Limits::shift(margin / 100.0), harm);
        if bad.0 > 0 && bad.1 > 0 {
            check_test(of(Margin::LogRatio), Limits::log_ratio(margin), harm);
            check_test(Conditional { canary, baseline }, Limits::log_ratio(margin), harm);
        }
    }

    #[test]
    fn series_show_what_they_decide(
        baseline in prop::collection::vec(0.5_f64..2.0, 20..50),
        canary in prop::collection::vec(0.5_f64..2.0, 20..50),
        factor in 0.5_f64..2.0,
        coarse in any::<bool>(),
        relative in any::<bool>(),
        harm in harms(),
    ) {
        let shape = |v: f64| Some(if coarse { (v * 5.0).round() / 5.0 } else { v });
        let baseline: Vec<_> = baseline.into_iter().map(shape).collect();
        let canary: Vec<_> = canary.into_iter().map(|v| shape(v * factor)).collect();
        let points = i64::try_from(baseline.len().max(canary.len())).unwrap() - 1;
        let mut plan = plans::plan(points, points, 0.02);
        let limit = if relative { MinEffect::Relative(0.1) } else { MinEffect::Absolute(0.1) };
        let mut metric = plans::series_metric("m", limit, 0.02);
        metric.harm = harm;
        plan.metrics.push(metric);
        let windows = plans::windows(&plan, vec![plans::series(&baseline, &canary)], points);
        let finding = &judge(&plan, &windows, 1).findings[0];
        if let Some(effect) = finding.effect {
            let shown = if relative { effect.relative.unwrap() } else { effect.absolute };
            // The way from logarithms to shares may round a bound onto the limit.
            let near = |bound: f64| (bound.abs() - 0.1).abs() < 1e-12;
            let at_limit = near(shown.low) || near(shown.high);
            if !at_limit {
                check_agreement(finding.label, shown, Limits::shift(0.1), harm);
            }
        }
    }
}

/// Brownian motion, standardised, crosses the constant level at some look after the bake time
/// with at most the whole probability.
#[test]
fn the_constant_level_holds_over_all_looks() {
    let timing = timing(60, 300, 3600, 0);
    let level = Look::new(&timing, timing.deadline)
        .levels_of(0.02, 0.05)
        .beta;
    let bound = haldane::stats::normal::inverse_sf(level);
    let mut noise = plans::Noise(5);
    let runs = 40_000;
    let mut crossed = 0.0;
    for _ in 0..runs {
        let mut walk = libm::sqrt(30.0) * noise.normal();
        let mut time = 30.0;
        let mut any = walk > bound * libm::sqrt(time);
        while time < 60.0 {
            time += 5.0;
            walk += libm::sqrt(5.0) * noise.normal();
            any |= walk > bound * libm::sqrt(time);
        }
        crossed += f64::from(u8::from(any));
    }
    let rate = crossed / f64::from(runs);
    println!("crossed {rate} at the level {level}");
    assert!(rate <= 0.05 && rate > 0.025, "{rate}");
}
