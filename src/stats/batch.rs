//! Many pairs of samples, one answer each: test, shift with its limits, effect sizes.
//!
//! The kernel works through a slice of pairs with one scratch. Nothing here starts a thread:
//! whoever has cores gives each its own part of the pairs and its own scratch, and the answers are
//! the same however the pairs are parted.

use super::Alternative;
use super::effect_size::{cliffs_delta, ratio};
use super::hodges_lehmann::Shift;
use super::mann_whitney::{Dependence, MannWhitney};
use super::rank::Scratch;
use super::summary::quantile_sorted;

/// A canary's and a baseline's finite values, in any order.
pub type Pair<'v> = (&'v [f64], &'v [f64]);

/// What is asked of every pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The departure that is tested for.
    pub alternative: Alternative,
    /// Of the shift's limits, in (0, 1).
    pub confidence: f64,
    /// How far the values are from independent.
    pub dependence: Dependence,
}

/// What one pair answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The test, and with it the probability of superiority.
    pub test: MannWhitney,
    /// The shift and its limits; `None` if a sample is empty.
    pub shift: Option<Shift>,
    /// Cliff's delta.
    pub cliffs_delta: f64,
    /// Median of the canary over median of the baseline; `None` if a sample is empty or the
    /// baseline's median is 0.
    pub ratio_of_medians: Option<f64>,
}

/// Compares one pair.
pub fn compare(pair: Pair<'_>, question: &Question, scratch: &mut Scratch) -> Comparison {
    let mut sorted = scratch.load(pair.0, pair.1);
    let test = sorted.test(question.alternative, question.dependence);
    let shift = sorted.shift(
        question.confidence,
        question.alternative,
        question.dependence,
    );
    let median = |sorted: &[f64]| quantile_sorted(sorted, 0.5);
    let ratio_of_medians = median(&sorted.scratch.x)
        .zip(median(&sorted.scratch.y))
        .and_then(|(canary, baseline)| ratio(canary, baseline));
    Comparison {
        test,
        shift,
        cliffs_delta: cliffs_delta(&sorted.ranks),
        ratio_of_medians,
    }
}

/// Compares every pair; the answers replace what `answers` held, in the order of the pairs.
pub fn compare_all(
    pairs: &[Pair<'_>],
    question: &Question,
    scratch: &mut Scratch,
    answers: &mut Vec<Comparison>,
) {
    answers.clear();
    answers.extend(pairs.iter().map(|&pair| compare(pair, question, scratch)));
}
