//! The bets on bursts: whatever came before, none has a mean above 1 between arms that are alike.

use haldane::stats::bursts::{Bursts, GOES_ON_AT_LEAST};

/// Values before the bet; every course of two arms up to it is walked.
const LEN: u32 = 5;

/// The chance that an arm is in a burst at the next value.
fn chance(was_in: bool, is_in: bool, begins: f64, goes_on: f64) -> f64 {
    let in_burst = if was_in { goes_on } else { begins };
    if is_in { in_burst } else { 1.0 - in_burst }
}

/// The bits of a course: whether each arm is in a burst at value number `at`.
fn at(course: u32, at: u32) -> (bool, bool) {
    let bit = |place: u32| (course >> place) & 1 == 1;
    (bit(2 * at), bit(2 * at + 1))
}

#[test]
fn no_bet_wins_on_average_between_arms_that_are_alike() {
    for course in 0..4_u32.pow(LEN) {
        let (mut before, mut was) = (Bursts::new(), (false, false));
        for value in 0..LEN {
            was = at(course, value);
            before.observe(was.0, was.1);
        }
        for begins in [0.01, 0.2, 0.5] {
            for goes_on in [0.0, 0.3, GOES_ON_AT_LEAST] {
                let outcome = |next: u32| {
                    let is = at(next, 0);
                    let mut after = before;
                    after.observe(is.0, is.1);
                    chance(was.0, is.0, begins, goes_on)
                        * chance(was.1, is.1, begins, goes_on)
                        * (after.ln_e() - before.ln_e()).exp()
                };
                let mean: f64 = (0..4).map(outcome).sum();
                let place = format!("course {course:b}, {begins} {goes_on}");
                assert!(mean <= 1.0 + 1e-12, "{place}: {mean}");
            }
        }
    }
}

#[test]
fn a_long_burst_of_one_arm_is_worth_betting_on() {
    let mut bursts = Bursts::new();
    for _ in 0..15 {
        bursts.observe(true, false);
    }
    assert!(bursts.ln_e() > 100.0_f64.ln(), "{}", bursts.ln_e());
    assert_eq!(bursts.longest(), 15);
}
