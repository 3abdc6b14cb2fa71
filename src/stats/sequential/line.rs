//! Does a rate of bad events lie beyond a line through the rate of another arm, when bad events
//! come in clusters of unknown size?
//!
//! The null is "canary's rate ≤ ratio · baseline's rate + extra", or its mirror image; a relative
//! limit has no extra, an absolute one the ratio 1, and a budget the ratio 0. The rate of the
//! baseline is free and may change from interval to interval, so what hits both arms cancels.
//!
//! For every dispersion of [`DISPERSIONS`] there is a test martingale ([`tilt`](super::tilt)),
//! mixed over alternatives and over the interval in which harm begins. They are joined in the
//! manner of universal inference (Wasserman, Ramdas and Balakrishnan, PNAS 117, 2020), with a
//! plausibility in place of the supremum: 1/E is the sum over the dispersions of plausibility /
//! (martingale · evidence that this dispersion is too large). So E exceeds no martingale of a
//! dispersion that the data allow by more than the inverse of its plausibility. Beside it stands a
//! martingale that holds for clusters of any size: it counts at most one bad event per interval
//! and then rests.
//!
//! Where more than [`HIGH`] of the events were bad so far, an interval is judged by Bernoulli
//! likelihoods of the two arms instead: the safe test of two proportions (Turner, Ly and
//! Grünwald, Journal of Statistical Planning and Inference 230, 2024) with its alternative from the
//! intervals before.
//! For clusters their logarithm is divided by the dispersion.

use super::log_add;
use super::scaled::Scaled;
use super::tilt::{Tilt, growth_of_ratio};
use crate::stats::dispersion::{DISPERSIONS, PLAUSIBLE};

/// Alternatives that one sequential test mixes; further ones are not read.
pub const ALTERNATIVES_MAX: usize = 10;

/// Beyond this share of bad events Poisson's law is blunt, and the law of Bernoulli is used.
pub const HIGH: f64 = 0.1;

/// The part of the evidence that lies with at most one bad event per interval.
const SINGLE_SHARE: f64 = 1.0 / 3.0;

/// Bad and total events of one arm; real numbers, `bad` ≤ `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

impl Tally {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bad: self.bad + other.bad,
            total: self.total + other.total,
        }
    }
}

/// The counts of both arms in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Both {
    /// The canary.
    pub canary: Tally,
    /// The baseline.
    pub baseline: Tally,
}

impl Both {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            canary: self.canary.plus(other.canary),
            baseline: self.baseline.plus(other.baseline),
        }
    }

    /// So many times the counts.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let times = |tally: Tally| Tally {
            bad: tally.bad * factor,
            total: tally.total * factor,
        };
        Self {
            canary: times(self.canary),
            baseline: times(self.baseline),
        }
    }

    /// Bad events of both, out of all of both.
    fn pooled(self) -> Tally {
        self.canary.plus(self.baseline)
    }
}

/// canary's rate = `ratio` · baseline's rate + `extra`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// ≥ 0; 0 leaves the baseline out.
    pub ratio: f64,
    /// In -1 ..= 1.
    pub extra: f64,
}

/// On which side of the line the alternatives lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The null is "at most the line".
    Above,
    /// The null is "at least the line".
    Below,
}

/// When the rate may cross the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onset {
    /// From the first interval on.
    Start,
    /// Half of the prior from the start, the rest geometric with mean half of so many intervals.
    Within(u32),
}

/// The arms in the part they play on one side of the line: the rate of the suspect may be too
/// large, suspect = ratio · reference + extra.
struct Roles {
    suspect: Tally,
    reference: Tally,
    ratio: f64,
    extra: f64,
    u: f64,
}

/// One e-process against a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineTest {
    line: Line,
    side: Side,
    alternatives: [f64; ALTERNATIVES_MAX],
    count: usize,
    cells: [[Scaled; ALTERNATIVES_MAX]; DISPERSIONS.len()],
    single: [Scaled; ALTERNATIVES_MAX],
    onset: Onset,
    started: bool,
    unspent: f64,
    past: Both,
}

impl LineTest {
    /// Against `line`. Each alternative is a factor > 1: without extra, by which the ratio of the
    /// rates exceeds the line's (or falls short of it); with extra, by which the canary's rate
    /// differs from what the line makes of it. `past` are counts from before, if any: they only
    /// tell about how many events are bad.
    pub fn new(line: Line, side: Side, alternatives: &[f64], onset: Onset, past: Both) -> Self {
        let mut kept = [0.0; ALTERNATIVES_MAX];
        let count = alternatives.len().min(ALTERNATIVES_MAX);
        for (slot, alternative) in kept.iter_mut().zip(alternatives) {
            *slot = *alternative;
        }
        Self {
            line,
            side,
            alternatives: kept,
            count,
            cells: [[Scaled::ZERO; ALTERNATIVES_MAX]; DISPERSIONS.len()],
            single: [Scaled::ZERO; ALTERNATIVES_MAX],
            onset,
            started: false,
            unspent: 1.0,
            past,
        }
    }

    /// One interval: its counts, and the same with at most one bad event, or nothing while
    /// resting ([`Singles`]).
    pub fn observe(&mut self, seen: Both, single: Option<Both>) {
        self.spend();
        let pooled = self.past.pooled();
        let high = pooled.total > 0.0 && pooled.bad > HIGH * pooled.total;
        if let Some(roles) = self.roles(seen) {
            if high {
                self.bernoulli(&roles);
            } else {
                self.clusters(&roles);
            }
        }
        if let Some(roles) = single.and_then(|single| self.roles(single))
            && !high
        {
            self.singles(&roles);
        }
        self.past = self.past.plus(seen);
    }

    fn spend(&mut self) {
        let weight = match self.onset {
            Onset::Start if self.started => return,
            Onset::Start => 1.0,
            Onset::Within(_) if !self.started => 0.5,
            Onset::Within(horizon) => self.unspent * 2.0 / f64::from(horizon.max(2)),
        };
        self.started = true;
        self.unspent -= weight;
        for row in self.cells.iter_mut().chain([&mut self.single]) {
            row.iter_mut()
                .take(self.count)
                .for_each(|cell| cell.add(weight));
        }
    }

    fn roles(&self, seen: Both) -> Option<Roles> {
        let Line { ratio, extra } = self.line;
        let (suspect, reference, ratio, extra) = match self.side {
            Side::Above => (seen.canary, seen.baseline, ratio, extra),
            Side::Below => (seen.baseline, seen.canary, 1.0 / ratio, -extra / ratio),
        };
        let asked = ratio > 0.0;
        (ratio.is_finite() && suspect.total > 0.0 && (!asked || reference.total > 0.0)).then(|| {
            Roles {
                suspect,
                reference: if asked { reference } else { Tally::default() },
                ratio,
                extra,
                u: if asked {
                    ratio * suspect.total / reference.total
                } else {
                    0.0
                },
            }
        })
    }

    fn tilt(&self, roles: &Roles, alternative: f64, m: f64) -> Tilt {
        let exact = roles.extra.abs() < f64::MIN_POSITIVE || roles.u <= 0.0;
        if exact {
            return Tilt::of_ratio(alternative, roles.u, m);
        }
        let growth = match self.side {
            Side::Above => growth_of_ratio(alternative, 0.0, m),
            Side::Below => -growth_of_ratio(1.0 / alternative, 0.0, m) / roles.u,
        };
        Tilt::of_growth(growth, roles.u, m)
    }

    fn clusters(&mut self, roles: &Roles) {
        let (k, l) = (roles.suspect.bad, roles.reference.bad);
        let compensated = roles.suspect.total * roles.extra;
        if k <= 0.0 && l <= 0.0 && compensated.abs() < f64::MIN_POSITIVE {
            return;
        }
        for (idx, phi) in DISPERSIONS.iter().enumerate() {
            let m = 0.5 * (phi + 1.0);
            for at in 0..self.count {
                let tilt = self.tilt(roles, self.alternatives[at], m);
                self.cells[idx][at].advance(tilt.step(k, l, compensated));
            }
        }
    }

    /// At most one bad event of the suspect per interval, weighted as if clusters were single:
    /// P(any) ≤ the mean number of clusters, and those of the reference only count for more.
    fn singles(&mut self, roles: &Roles) {
        let k = roles.suspect.bad.min(1.0);
        let (l, compensated) = (roles.reference.bad, roles.suspect.total * roles.extra);
        for at in 0..self.count {
            let tilt = self.tilt(roles, self.alternatives[at], 1.0);
            self.single[at].advance(tilt.step(k, l, compensated));
        }
    }

    /// Likelihoods of Bernoulli: e^θ = (1 + (1 - p) y) / (1 - p y) for each bad event, and 1 - p y
    /// for each event, at rates p of the two arms on the line near those seen before. The mean
    /// under any rates on the line is largest at those and there it is 1, because ln(1 + p x) is
    /// concave and y_r = -u y_s.
    fn bernoulli(&mut self, roles: &Roles) {
        const EDGE: f64 = 1e-3; // rates are kept this far from 0 and 1
        let trusted = self.past.baseline;
        let seen = ((trusted.bad + 0.5) / (trusted.total + 1.0)).clamp(EDGE, 1.0 - EDGE);
        let (p_s, p_r) = match self.side {
            Side::Above => (roles.ratio * seen + roles.extra, seen),
            Side::Below => (seen, (seen - roles.extra) / roles.ratio),
        };
        // A line that leaves the square here allows everything, or nothing is known of it.
        if !(EDGE..=1.0 - EDGE).contains(&p_s) || !(EDGE..=1.0 - EDGE).contains(&p_r) {
            return self.clusters(roles);
        }
        let (v_s, v_r) = (p_s * (1.0 - p_s), p_r * (1.0 - p_r));
        let v_r = if roles.u > 0.0 { v_r } else { 0.0 };
        for at in 0..self.count {
            let q = self.alternatives[at];
            let growth = match self.side {
                Side::Above => {
                    let gap = (q * p_s).min(0.5 * (1.0 + p_s)) - p_s;
                    gap / (v_s + roles.u * roles.ratio * v_r)
                }
                Side::Below => {
                    let gap = p_r - p_r / q;
                    gap / (v_r + v_s / (roles.u * roles.ratio)) / roles.u
                }
            };
            let most = if roles.u > 0.0 {
                0.95 / (roles.u * (1.0 - p_r))
            } else {
                f64::MAX
            };
            let y_s = growth.min(0.95 / p_s).min(most);
            let log = log_bernoulli(roles.suspect, p_s, y_s)
                + log_bernoulli(roles.reference, p_r, -roles.u * y_s);
            for (row, phi) in self.cells.iter_mut().zip(DISPERSIONS) {
                row[at].times_exp(log / phi);
            }
        }
    }

    /// ln of the e-value so far; `too_large` is the evidence against each dispersion
    /// ([`Scatter::too_large`](crate::stats::dispersion::Scatter::too_large)), zeros without any.
    pub fn log_e(&self, too_large: &[f64; DISPERSIONS.len()]) -> f64 {
        let mixed = |row: &[Scaled; ALTERNATIVES_MAX]| {
            let cells = row.iter().take(self.count);
            let sum = cells.fold(f64::NEG_INFINITY, |sum, cell| log_add(sum, cell.ln()));
            log_add(sum - libm::log(self.count as f64), libm::log(self.unspent))
        };
        let mut inverse = f64::NEG_INFINITY;
        for ((row, too_large), plausible) in self.cells.iter().zip(too_large).zip(PLAUSIBLE) {
            inverse = log_add(inverse, libm::log(plausible) - mixed(row) - too_large);
        }
        if !self.counts_singles() {
            return -inverse;
        }
        let single = libm::log(SINGLE_SHARE) + mixed(&self.single);
        log_add(single, libm::log(1.0 - SINGLE_SHARE) - inverse)
    }

    /// With an extra that is taken from the suspect the bound for single events would not hold.
    fn counts_singles(&self) -> bool {
        match self.side {
            Side::Above => self.line.extra >= 0.0,
            Side::Below => self.line.extra <= 0.0,
        }
    }
}

fn log_bernoulli(seen: Tally, p: f64, y: f64) -> f64 {
    let good = (seen.total - seen.bad).max(0.0);
    seen.bad * libm::log1p((1.0 - p) * y) + good * libm::log1p(-p * y)
}

/// At most one bad event per interval of the arm that may be too bad, and none for some time
/// after: clusters of any size are then counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Singles {
    side: Side,
    rest: usize,
    left: usize,
}

impl Singles {
    /// For the arm that is suspect on that side, resting for `rest` intervals after each count.
    pub fn new(side: Side, rest: usize) -> Self {
        Self {
            side,
            rest,
            left: 0,
        }
    }

    /// What counts of an interval; `None` while resting.
    pub fn of(&mut self, mut seen: Both) -> Option<Both> {
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        let suspect = match self.side {
            Side::Above => &mut seen.canary,
            Side::Below => &mut seen.baseline,
        };
        if suspect.bad > 0.0 {
            suspect.bad = suspect.bad.min(1.0);
            self.left = self.rest;
        }
        Some(seen)
    }
}
