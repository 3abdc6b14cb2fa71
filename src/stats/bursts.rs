//! Short bursts, which no test of location sees: an always-valid test of how often, and how long
//! at a stretch, one sequence lies far out, against the other's own tail.
//!
//! A *burst* is a run of values beyond a bound that is known before each value is. Evidence is
//! bet at two kinds of moments only, so that quiet time costs nothing:
//!
//! - while neither is in a burst, one begins in one of the two sequences: under the null it is as
//!   likely to be the other one's (the conditional binomial of two equal rates);
//! - a burst of the watched sequence goes on or ends: under the null it goes on with at most the
//!   probability that the other sequence's own bursts show, and never less than
//!   [`GOES_ON_AT_LEAST`].
//!
//! Each bet has mean at most 1 under the null, so their product is an e-process (Shafer 2021,
//! JRSS A 184, testing by betting).

/// The least probability, under the null, that a burst goes on for one more value. Spikes of
/// real services last one to four scrapes; in AR(1) noise as slow as the sequential judge allows
/// at a step of 15 s, runs beyond two robust standard deviations go on with about this.
pub const GOES_ON_AT_LEAST: f64 = 0.6;

/// The probability of going on that the bets are made for: bursts of ten values.
const WATCHED_GOES_ON: f64 = 0.9;

/// The stake on whose burst begins.
const STAKE: f64 = 0.9;

/// Runs of the other sequence counted before any was seen: one that went on, one that ended.
const PRIOR_RUNS: f64 = 1.0;

/// The bets so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    ln_e: f64,
    watched_in: bool,
    other_in: bool,
    went_on: f64,
    ended: f64,
    longest: u32,
    running: u32,
}

impl Default for Bursts {
    fn default() -> Self {
        Self::new()
    }
}

impl Bursts {
    /// Before the first value.
    pub fn new() -> Self {
        Self {
            ln_e: 0.0,
            watched_in: false,
            other_in: false,
            went_on: PRIOR_RUNS,
            ended: PRIOR_RUNS,
            longest: 0,
            running: 0,
        }
    }

    /// Whether each sequence's next value lies beyond its bound. Missing values are not observed:
    /// a gap neither ends a burst nor carries it on.
    pub fn observe(&mut self, watched: bool, other: bool) {
        if self.watched_in {
            let null = (self.went_on / (self.went_on + self.ended)).max(GOES_ON_AT_LEAST);
            let bet = WATCHED_GOES_ON.max(null);
            self.ln_e += if watched {
                libm::log(bet / null)
            } else if bet < 1.0 {
                libm::log((1.0 - bet) / (1.0 - null))
            } else {
                0.0
            };
        } else if watched && !other && !self.other_in {
            self.ln_e += libm::log1p(STAKE);
        } else if other && !self.other_in && !watched {
            self.ln_e += libm::log1p(-STAKE);
        }
        if self.other_in {
            if other {
                self.went_on += 1.0;
            } else {
                self.ended += 1.0;
            }
        }
        self.running = if watched { self.running + 1 } else { 0 };
        self.longest = self.longest.max(self.running);
        self.watched_in = watched;
        self.other_in = other;
    }

    /// [`Bursts::observe`] of two values within their bounds.
    #[inline]
    pub fn observe_none(&mut self) {
        if self.watched_in || self.other_in {
            self.observe(false, false);
        }
    }

    /// ln of the e-value against "the watched sequence bursts no more than the other".
    pub fn ln_e(&self) -> f64 {
        self.ln_e
    }

    /// Values of the longest burst of the watched sequence.
    pub fn longest(&self) -> u32 {
        self.longest
    }
}
