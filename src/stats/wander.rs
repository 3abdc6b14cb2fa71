//! Noise that stays for minutes and is each arm's own: the share beyond a bound goes up, stays
//! there for a while, and goes elsewhere.
//!
//! Under such noise stretches of time are not independent, and what stays on one arm for ten
//! minutes looks like harm. Here the log odds of a split are its centre plus a wandering part that
//! keeps its value from one stretch to the next or, with some hazard, takes a new one from a
//! normal distribution: a hidden Markov chain, whose likelihood is summed over all its paths by
//! the forward recursion (Rabiner, Proceedings of the IEEE 77, 1989, III.A) on a lattice of log
//! odds.
//!
//! Whether there is such noise is asked of one arm alone ([`Wander`]): each of its stretches is
//! compared with those before it. Both arms are taken to wander alike.

use super::clustered::{Share, Split};
use super::stochastic_order::{MODELS, models};

/// How many kinds of wandering are told apart.
pub const WANDERS: usize = 6;

/// One kind of noise that one arm has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Own {
    /// Standard deviation of the log odds.
    spread: f64,
    /// The hazard of a new value in one stretch.
    hazard: f64,
    /// Which of [`STEPS`] it is reckoned on.
    lattice: usize,
}

/// The kinds: a tail that doubles and halves, one that moves by a third, and one beyond which lies
/// much that does not move; values that last for four stretches or for eight. Slower noise cannot
/// be told from harm within an hour.
const OWN: [Own; WANDERS] = [
    own(0.7, 0.25, 0),
    own(0.35, 0.25, 0),
    own(0.5, 0.125, 0),
    own(0.16, 0.25, 1),
    own(0.08, 0.25, 1),
    own(0.1, 0.125, 1),
];

const fn own(spread: f64, hazard: f64, lattice: usize) -> Own {
    Own {
        spread,
        hazard,
        lattice,
    }
}

/// Steps of the lattices in log odds. What lies between two points is taken for jitter from one
/// stretch to the next, with a standard deviation of one step.
const STEPS: [f64; 2] = [0.25, 0.0625];

/// Points of the lattice on either side: three standard deviations of the widest noise of a split.
const HALF: i32 = 12;

/// Points of the lattice.
const POINTS: usize = 25;

/// Steps by which alternatives lie beyond the margin: odds of 1.3, 1.6, 2.7, 7.4 and 20 on the
/// coarse one, of 1.06 to 2.1 on the fine one. The farthest are as far as the lattice reaches:
/// without them a step to its edge that stays is explained as well by noise that went there once.
const SHIFTS: [usize; 5] = [1, 2, 4, 8, 12];

/// Points at which likelihoods are needed: the lattice, moved by no to all steps of [`SHIFTS`].
const EMITTED: usize = 37;

/// The dispersion of single stretches beside the wandering.
const CLUSTERS: f64 = 3.0;

/// How unlikely wandering is taken to be, in nats, before anything is known of it: so much do the
/// stretches of one arm have to say for it until it counts as much as independence.
const DOUBT: f64 = 6.0;

/// A kind of wandering that is less likely than this is refuted, and not reckoned with.
const DOUBT_MAX: f64 = 20.0;

/// The share of the past that a stretch forgets when it is compared with: slow trends, which both
/// arms follow, are no wandering.
const FORGOTTEN: f64 = 0.1;

/// What is to be added to the log likelihood of each kind of wandering; 0 or less.
pub type Doubts = [f64; WANDERS];

/// Wandering is refuted.
pub const DOUBTED: Doubts = [-DOUBT_MAX; WANDERS];

/// Whether there is no kind of wandering to be reckoned with.
pub(super) fn refuted(doubts: Doubts) -> bool {
    doubts.iter().all(|doubt| *doubt <= -DOUBT_MAX)
}

type Lattice = [f64; POINTS];

/// Which side of the margin alternatives lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Odds above those at the margin.
    Above,
    /// Odds below.
    Below,
    /// There are none.
    Neither,
}

fn step(lattice: usize) -> f64 {
    STEPS.get(lattice).copied().unwrap_or(1.0)
}

/// One kind of wandering: how it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Chain {
    hazard: f64,
    lattice: usize,
    /// Probabilities of a new value.
    fresh: Lattice,
}

impl Chain {
    fn new(spread: f64, hazard: f64, lattice: usize) -> Self {
        let step = step(lattice);
        let mut fresh = [0.0; POINTS];
        for (weight, point) in fresh.iter_mut().zip(-HALF..) {
            let z = step * f64::from(point) / spread;
            *weight = libm::exp(-0.5 * z * z);
        }
        let sum: f64 = fresh.iter().sum();
        Self {
            hazard,
            lattice,
            fresh: fresh.map(|weight| weight / sum),
        }
    }

    /// Of one arm.
    fn of_arm(own: Own) -> Self {
        Self::new(own.spread, own.hazard, own.lattice)
    }

    /// Of the difference of two arms: either may take a new value.
    fn of_split(own: Own) -> Self {
        let spread = own.spread * std::f64::consts::SQRT_2;
        Self::new(spread, 2.0 * own.hazard, own.lattice)
    }

    fn pass(&self, state: &mut Lattice) {
        let moved = self.hazard * state.iter().sum::<f64>();
        for (weight, fresh) in state.iter_mut().zip(self.fresh) {
            *weight = (1.0 - self.hazard) * *weight + moved * fresh;
        }
    }
}

/// The likelihood of a row of splits under one kind of wandering, at the margin and beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    chain: Chain,
    /// Probabilities of the wandering part at the margin.
    at_margin: Lattice,
    /// ln of the likelihood at the margin.
    log: f64,
    /// The same beyond the margin, over the likelihood at the margin.
    beyond: [Lattice; SHIFTS.len()],
}

/// Likelihoods of one split on the lattice and where alternatives need them, from the lowest point
/// on, over the largest of them.
struct Emitted {
    each: [f64; EMITTED],
    log_most: f64,
    /// Where the lattice at the margin begins.
    at_margin: usize,
    side: Side,
}

impl Emitted {
    fn new(split: &Split, odds: f64, side: Side, step: f64) -> Self {
        let (at_margin, count) = match side {
            Side::Above => (0, EMITTED),
            Side::Below => (EMITTED - POINTS, EMITTED),
            Side::Neither => (0, POINTS),
        };
        let share = odds / (1.0 + odds);
        let jitter = 1.0 / (step * step * share * (1.0 - share));
        let sized = split.sized((split.events() / (CLUSTERS - 1.0)).min(jitter));
        let lowest = libm::exp(-step * (f64::from(HALF) + at_margin as f64));
        let factor = libm::exp(step);
        let mut odds = odds * lowest;
        let mut each = [f64::NEG_INFINITY; EMITTED];
        for log in each.iter_mut().take(count) {
            *log = sized.log_likelihood(Share::of_odds(odds));
            odds *= factor;
        }
        let log_most = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            each: each.map(|log| libm::exp(log - log_most)),
            log_most,
            at_margin,
            side,
        }
    }

    /// The likelihoods with the lattice moved by `shift` steps beyond the margin.
    fn moved(&self, shift: usize) -> impl Iterator<Item = f64> + '_ {
        let first = match self.side {
            Side::Below => self.at_margin.saturating_sub(shift),
            Side::Above | Side::Neither => self.at_margin + shift,
        };
        self.each.iter().copied().skip(first).take(POINTS)
    }
}

impl Path {
    fn new(chain: Chain) -> Self {
        Self {
            at_margin: chain.fresh,
            chain,
            log: 0.0,
            beyond: [[0.0; POINTS]; SHIFTS.len()],
        }
    }

    /// One split.
    fn observe(&mut self, emitted: &Emitted) {
        for (weight, likelihood) in self.at_margin.iter_mut().zip(emitted.moved(0)) {
            *weight *= likelihood;
        }
        let scale: f64 = self.at_margin.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        self.log += libm::log(scale) + emitted.log_most;
        for weight in &mut self.at_margin {
            *weight /= scale;
        }
        self.chain.pass(&mut self.at_margin);
        if emitted.side == Side::Neither {
            return;
        }
        for (state, shift) in self.beyond.iter_mut().zip(SHIFTS) {
            let mut sum = 0.0;
            for (weight, likelihood) in state.iter_mut().zip(emitted.moved(shift)) {
                *weight *= likelihood / scale;
                sum += *weight;
            }
            if sum > GAIN_MAX {
                for weight in state.iter_mut() {
                    *weight *= GAIN_MAX / sum;
                }
            }
            self.chain.pass(state);
        }
    }

    /// Harm begins with probability `onset`.
    fn begin(&mut self, onset: f64) {
        for state in &mut self.beyond {
            for (weight, at) in state.iter_mut().zip(self.at_margin) {
                *weight += onset * at;
            }
        }
    }

    /// The mean over all alternatives of the likelihood beyond the margin over that at it.
    fn gain(&self) -> f64 {
        self.beyond.iter().flatten().sum::<f64>() / SHIFTS.len() as f64
    }
}

/// A gain is cut here, far above any level; evidence beyond it is as good as certain.
const GAIN_MAX: f64 = 1e280;

/// One split on the lattices of all paths.
fn observe(paths: &mut [Path; WANDERS], split: &Split, odds: f64, side: Side) {
    for (lattice, step) in STEPS.into_iter().enumerate() {
        let emitted = Emitted::new(split, odds, side, step);
        let of_lattice = paths
            .iter_mut()
            .filter(|path| path.chain.lattice == lattice);
        of_lattice.for_each(|path| path.observe(&emitted));
    }
}

/// A test of a margin under each kind of wandering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paths {
    paths: [Path; WANDERS],
    side: Side,
}

impl Paths {
    pub(super) fn new(side: Side) -> Self {
        Self {
            paths: OWN.map(|own| Path::new(Chain::of_split(own))),
            side,
        }
    }

    /// Harm begins with probability `onset`.
    pub(super) fn begin(&mut self, onset: f64) {
        for path in &mut self.paths {
            path.begin(onset);
        }
    }

    /// One split with so many odds at the margin.
    pub(super) fn observe(&mut self, split: &Split, odds: f64) {
        observe(&mut self.paths, split, odds, self.side);
    }

    /// Of each kind: ln of the likelihood at the margin, and of that beyond it over it when with
    /// probability `unspent` harm is still to begin.
    pub(super) fn logs(&self, unspent: f64) -> [(f64, f64); WANDERS] {
        self.paths
            .map(|path| (path.log, libm::log(path.gain() + unspent)))
    }
}

/// What one arm by itself says about wandering at one bound: every stretch is compared with those
/// before it, under each kind and under independence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wander {
    paths: [Path; WANDERS],
    independent: [f64; MODELS],
    /// Observations beyond the bound, and all, of the stretches before.
    past: (f64, f64),
}

impl Default for Wander {
    fn default() -> Self {
        Self {
            paths: OWN.map(|own| Path::new(Chain::of_arm(own))),
            independent: [0.0; MODELS],
            past: (0.0, 0.0),
        }
    }
}

impl Wander {
    /// One stretch: observations beyond the bound, and all.
    pub fn observe(&mut self, beyond: f64, all: f64) {
        if all <= 0.0 {
            return;
        }
        let (before, before_all) = self.past;
        if before_all > 0.0 && before + beyond > 0.0 {
            let split = Split::new(beyond, before);
            let odds = all / before_all;
            observe(&mut self.paths, &split, odds, Side::Neither);
            let logs = models(&split, Share::of_odds(odds));
            for (sum, log) in self.independent.iter_mut().zip(logs) {
                *sum += log;
            }
        }
        let kept = 1.0 - FORGOTTEN;
        self.past = (kept * before + beyond, kept * before_all + all);
    }

    /// How much less likely than the likeliest each kind is.
    pub fn doubts(&self) -> Doubts {
        let most = |logs: &[f64]| logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let each = self.paths.map(|path| path.log - DOUBT);
        let best = most(&each).max(most(&self.independent));
        each.map(|log| (log - best).max(-DOUBT_MAX))
    }
}

/// The same for a row of bounds, lowest first: what lies beyond a bound is part of what lies beyond
/// a lower one, and wanders at least as much, even where too few lie beyond it to show that.
pub fn doubts(bounds: &[Wander]) -> Vec<Doubts> {
    let mut least = [f64::NEG_INFINITY; WANDERS];
    let one = |wander: &Wander| {
        for (least, doubt) in least.iter_mut().zip(wander.doubts()) {
            *least = least.max(doubt);
        }
        least
    };
    bounds.iter().map(one).collect()
}
