//! Is one distribution stochastically larger than another by more than a margin? Sequential, on
//! bucket counts, without choosing a quantile.
//!
//! For each bound the observations beyond it are counted on both arms ([`Beyond`]). Under the null
//! hypothesis the share beyond *every* bound is at most a margin over the other arm's. Then the
//! e-process of each bound is one, and so is their average with fixed weights, whatever their
//! dependence (Vovk and Wang, Annals of Statistics 49, 2021): a tail that got worse anywhere is
//! seen, and no bound is chosen after the fact.
//!
//! At one bound, given the observations beyond it on both arms together, those on the canary have
//! a share that follows from the margin alone, so what hits both arms cancels. They come in
//! clusters of unknown size, so evidence is
//!
//! ```text
//! E = Σ_φ Σ_r π L_φ,r / max_φ L_φ,0
//! ```
//!
//! with L_φ,0 the likelihood at the margin under dispersion φ
//! ([`clustered`](super::clustered)), without bursts and with one in twenty stretches, and L_φ,r
//! with odds r times those at the margin (universal inference: Wasserman, Ramdas and Balakrishnan,
//! PNAS 117, 2020). Whichever of these is the true one, the denominator is no smaller than its
//! likelihood, so the mean of E is at most 1 at every stopping time and E ever reaches 1/α with
//! probability at most α. What is not known beforehand, the size of clusters, is paid for with time
//! instead of with errors.

use super::clustered::{DISPERSIONS, Share, Split};
use super::gain::Gain;
use super::wander::{DOUBTED, Doubts, Paths, Side, WANDERS, refuted};

/// What lies beyond one bound in one stretch of time; finite, at least 0, parts at most wholes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beyond {
    /// Observations of the canary beyond the bound.
    pub canary: f64,
    /// All observations of the canary.
    pub canary_all: f64,
    /// Observations of the baseline beyond the bound.
    pub baseline: f64,
    /// All observations of the baseline.
    pub baseline_all: f64,
}

impl Beyond {
    /// The arms in each other's place.
    #[must_use]
    pub fn swapped(self) -> Self {
        Self {
            canary: self.baseline,
            canary_all: self.baseline_all,
            baseline: self.canary,
            baseline_all: self.canary_all,
        }
    }

    /// What is *not* beyond, the arms in each other's place: as much smaller as `self` is larger.
    fn complement(self) -> Self {
        Self {
            canary: self.baseline_all - self.baseline,
            canary_all: self.baseline_all,
            baseline: self.canary_all - self.canary,
            baseline_all: self.canary_all,
        }
    }

    /// Both stretches together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            canary: self.canary + more.canary,
            canary_all: self.canary_all + more.canary_all,
            baseline: self.baseline + more.baseline,
            baseline_all: self.baseline_all + more.baseline_all,
        }
    }

    fn is_one_sided(self) -> bool {
        self.canary_all <= 0.0 || self.baseline_all <= 0.0
    }

    /// Observations beyond the bound on both arms.
    pub(crate) fn events(self) -> f64 {
        self.canary + self.baseline
    }

    /// All observations of both arms.
    pub(crate) fn all(self) -> f64 {
        self.canary_all + self.baseline_all
    }
}

/// How much larger the canary's share may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// At most so many times the baseline's; above 0.
    Ratio(f64),
    /// At most so much more than the baseline's; in 0 ..= 1.
    Difference(f64),
}

/// Odds beyond those at the margin that the evidence of harm is powered for, equally weighted:
/// those of `sequential::RATE_RATIOS`, with a smaller one because a histogram has many events.
pub const WORSE: [f64; 7] = [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];

/// Odds short of those at the margin that the evidence of safety is powered for.
pub const SAFER: [f64; 7] = [0.95, 0.9, 0.8, 0.65, 0.5, 0.3, 0.1];

/// Odds at the margin beyond which it is as good as certain that all events are the canary's: then
/// they say nothing.
const ODDS_MAX: f64 = 1e6;

/// ln(e^a + e^b + …).
pub(crate) fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + libm::log(values.map(|value| libm::exp(value - most)).sum())
}

/// What is not known of how observations come: their dispersion, first without and then with
/// bursts.
pub(super) const MODELS: usize = 2 * DISPERSIONS.len();

/// The share of stretches with a burst, where there are bursts: one in twenty.
const BURSTS: f64 = 0.05;

/// Log likelihoods of one stretch under each model.
pub(super) fn models(split: &Split, share: Share) -> [f64; MODELS] {
    let burst = libm::log(BURSTS) + split.log_burst(share);
    let mut out = [0.0; MODELS];
    let (single, with) = out.split_at_mut(DISPERSIONS.len());
    for (idx, (single, with)) in single.iter_mut().zip(with).enumerate() {
        *single = split.log_likelihood(share, idx);
        *with = with_burst(*single, burst);
    }
    out
}

/// One stretch with or without a burst; `burst` has its prior in it.
fn with_burst(log: f64, burst: f64) -> f64 {
    log_sum([log + libm::log1p(-BURSTS), burst].into_iter())
}

/// The prior of the dispersions for each model.
fn of_models(prior: [f64; DISPERSIONS.len()]) -> [f64; MODELS] {
    let mut out = [0.0; MODELS];
    for (out, prior) in out.iter_mut().zip(prior.into_iter().cycle()) {
        *out = prior;
    }
    out
}

/// The share of the evidence that is for harm in spite of noise that wanders.
const WANDERING: f64 = 0.2;

/// Evidence that a mixture over the models exceeds the likeliest of them at the margin. Of
/// wandering noise come the likelihood at the margin and what is gained beyond it, and how much it
/// is doubted.
fn universal(
    at_margin: &[f64; MODELS],
    log_gains: [f64; MODELS],
    wandering: [(f64, f64); WANDERS],
    doubts: Doubts,
) -> f64 {
    let doubted = wandering.iter().zip(doubts);
    let none = f64::NEG_INFINITY;
    let doubted = doubted.map(|((at, gain), doubt)| {
        let doubt = if doubt <= DOUBTED[0] { none } else { doubt };
        (at + doubt, at + doubt + gain)
    });
    let margins = at_margin.iter().copied();
    let best = margins.chain(doubted.clone().map(|(at, _)| at));
    let best = best.fold(f64::NEG_INFINITY, f64::max);
    let each = at_margin.iter().zip(log_gains).map(|(at, gain)| at + gain);
    let single = log_sum(each) + libm::log((1.0 - WANDERING) / MODELS as f64);
    let with = log_sum(doubted.map(|(_, log)| log)) + libm::log(WANDERING / WANDERS as f64);
    log_sum([single, with].into_iter()) - best
}

/// Of how many alternatives one is tried under each dispersion: the larger it is, the less do
/// neighbouring odds differ in likelihood.
const STRIDES: [usize; DISPERSIONS.len()] = [1, 2, 2, 3, 3, 3];

/// The alternatives tried under model number `idx`: their places.
fn alternatives(idx: usize) -> impl Iterator<Item = usize> + Clone {
    let stride = STRIDES.get(idx % DISPERSIONS.len()).copied().unwrap_or(1);
    (stride - 1..WORSE.len()).step_by(stride)
}

/// How many they are.
fn tried(idx: usize) -> f64 {
    alternatives(idx).count() as f64
}

/// One number for each model and alternative.
type Table<T> = [[T; WORSE.len()]; MODELS];

/// Adds one split at the margin to `at_margin` and calls `put` for each model and alternative with
/// its log likelihood ratio.
fn compare<T>(
    split: &Split,
    odds: f64,
    ratios: [f64; WORSE.len()],
    at_margin: &mut [f64; MODELS],
    gains: &mut Table<T>,
    put: impl Fn(&mut T, f64),
) {
    let shares = ratios.map(|ratio| Share::of_odds(ratio * odds));
    let bursts = shares.map(|share| libm::log(BURSTS) + split.log_burst(share));
    let null = models(split, Share::of_odds(odds));
    let (single, with) = gains.split_at_mut(DISPERSIONS.len());
    for (idx, (single, with)) in single.iter_mut().zip(with).enumerate() {
        for alternative in alternatives(idx) {
            let log = split.log_likelihood(shares[alternative], idx);
            put(&mut single[alternative], log - null[idx]);
            let log = with_burst(log, bursts[alternative]);
            put(&mut with[alternative], log - null[idx + DISPERSIONS.len()]);
        }
    }
    for (at, null) in at_margin.iter_mut().zip(null) {
        *at += null;
    }
}

/// The evidence at one bound that the canary's share beyond it exceeds the margin.
///
/// Half of the prior is on "from the start", the rest geometric over the moment at which harm
/// begins, with mean `horizon`/2, so that a late onset is not diluted. O(1) per stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HarmTest {
    margin: Margin,
    at_margin: [f64; MODELS],
    gains: Table<Gain>,
    paths: Paths,
    doubts: Doubts,
    wanders: bool,
    unspent: f64,
    hazard: f64,
    started: bool,
    seen: Beyond,
}

impl HarmTest {
    /// Against "the canary's share is at most `margin` over the baseline's". Harm is expected to
    /// begin within `horizon` stretches; `prior` is the log likelihood of each dispersion from
    /// before ([`clustered::Dispersions`](super::clustered::Dispersions)), zeros when nothing is
    /// known.
    pub fn new(margin: Margin, horizon: u32, prior: [f64; DISPERSIONS.len()]) -> Self {
        Self {
            margin,
            at_margin: of_models(prior),
            gains: [[Gain::NONE; WORSE.len()]; MODELS],
            paths: Paths::new(Side::Above),
            doubts: DOUBTED,
            wanders: true,
            unspent: 1.0,
            hazard: 2.0 / f64::from(horizon.max(2)),
            started: false,
            seen: Beyond::default(),
        }
    }

    /// Takes what one arm alone says about noise that wanders
    /// ([`Wander`](super::wander::Wander)).
    pub fn doubt(&mut self, doubts: Doubts) {
        self.doubts = if self.wanders { doubts } else { DOUBTED };
    }

    /// One stretch of time; one without observations in an arm says nothing, but time passes.
    pub fn observe(&mut self, beyond: Beyond) {
        let onset = if self.started {
            self.unspent * self.hazard
        } else {
            0.5
        };
        self.started = true;
        self.unspent -= onset;
        for gain in self.gains.iter_mut().flatten() {
            gain.begin(onset);
        }
        if !refuted(self.doubts) {
            self.paths.begin(onset);
        }
        if beyond.is_one_sided() {
            return;
        }
        let (now, past) = counted(self.margin, beyond, self.seen);
        self.seen = self.seen.plus(beyond);
        let odds = match self.margin {
            Margin::Ratio(ratio) => usable(ratio * now.canary_all / now.baseline_all),
            Margin::Difference(margin) => odds_at_most(margin, now, past),
        };
        if let Some(odds) = odds.filter(|_| now.events() > 0.0) {
            let split = Split::new(now.canary, now.baseline);
            // What has missed a split is out for good.
            if refuted(self.doubts) {
                self.doubts = DOUBTED;
                self.wanders = false;
            } else {
                self.paths.observe(&split, odds);
            }
            compare(
                &split,
                odds,
                WORSE,
                &mut self.at_margin,
                &mut self.gains,
                Gain::grow,
            );
        }
    }

    /// ln of the e-value.
    pub fn log_e(&self) -> f64 {
        let mut logs = [0.0; MODELS];
        for (idx, (log, gains)) in logs.iter_mut().zip(&self.gains).enumerate() {
            let each = alternatives(idx).map(|alternative| gains[alternative].log());
            let begun = log_sum(each) - libm::log(tried(idx));
            *log = log_sum([begun, libm::log(self.unspent)].into_iter());
        }
        let wandering = self.paths.logs(self.unspent);
        universal(&self.at_margin, logs, wandering, self.doubts)
    }
}

/// The evidence at one bound that the canary's share beyond it is short of the margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SafetyTest {
    margin: Margin,
    at_margin: [f64; MODELS],
    log_gains: Table<f64>,
    paths: Paths,
    doubts: Doubts,
    wanders: bool,
    seen: Beyond,
}

impl SafetyTest {
    /// Against "the canary's share is at least `margin` over the baseline's"; see
    /// [`HarmTest::new`].
    pub fn new(margin: Margin, prior: [f64; DISPERSIONS.len()]) -> Self {
        let mut paths = Paths::new(Side::Below);
        paths.begin(1.0);
        Self {
            paths,
            doubts: DOUBTED,
            wanders: true,
            margin,
            at_margin: of_models(prior),
            log_gains: [[0.0; SAFER.len()]; MODELS],
            seen: Beyond::default(),
        }
    }

    /// As [`HarmTest::doubt`].
    pub fn doubt(&mut self, doubts: Doubts) {
        self.doubts = if self.wanders { doubts } else { DOUBTED };
    }

    /// One stretch of time.
    pub fn observe(&mut self, beyond: Beyond) {
        if beyond.is_one_sided() {
            return;
        }
        let (now, past) = counted(self.margin, beyond, self.seen);
        self.seen = self.seen.plus(beyond);
        let odds = match self.margin {
            Margin::Ratio(ratio) => usable(ratio * now.canary_all / now.baseline_all),
            Margin::Difference(margin) => odds_at_least(margin, now, past),
        };
        if let Some(odds) = odds.filter(|_| now.events() > 0.0) {
            let split = Split::new(now.canary, now.baseline);
            // What has missed a split is out for good.
            if refuted(self.doubts) {
                self.doubts = DOUBTED;
                self.wanders = false;
            } else {
                self.paths.observe(&split, odds);
            }
            compare(
                &split,
                odds,
                SAFER,
                &mut self.at_margin,
                &mut self.log_gains,
                |gain, log| {
                    *gain += log;
                },
            );
        }
    }

    /// ln of the e-value.
    pub fn log_e(&self) -> f64 {
        let mut logs = [0.0; MODELS];
        for (idx, (log, gains)) in logs.iter_mut().zip(&self.log_gains).enumerate() {
            let each = alternatives(idx).map(|alternative| gains[alternative]);
            *log = log_sum(each) - libm::log(tried(idx));
        }
        universal(&self.at_margin, logs, self.paths.logs(0.0), self.doubts)
    }
}

/// What is counted under a difference: counts say most where they are few, so of a share above one
/// half what is not beyond is counted. Decided by the past alone, so that chance has no say.
fn counted(margin: Margin, now: Beyond, past: Beyond) -> (Beyond, Beyond) {
    let mostly = past.events() > 0.5 * past.all();
    match margin {
        Margin::Difference(_) if mostly => (now.complement(), past.complement()),
        Margin::Difference(_) | Margin::Ratio(_) => (now, past),
    }
}

fn usable(odds: f64) -> Option<f64> {
    (odds > 0.0 && odds < ODDS_MAX).then_some(odds)
}

/// The canary's odds of an event when its share is `margin` above the baseline's, or lower ones.
///
/// With K events of N observations the baseline's share is K/N − margin · n/N, so the odds follow
/// from K; of the K seen and the K expected from the past the smaller counts, which gives the
/// larger odds. `None` before anything was seen, and where the margin alone explains all events.
fn odds_at_most(margin: f64, now: Beyond, past: Beyond) -> Option<f64> {
    if past.all() <= 0.0 {
        return None;
    }
    let expected = past.events() / past.all() * now.all();
    // Of a margin below none the odds rise with the events.
    let events = if margin < 0.0 {
        now.events().max(expected)
    } else {
        now.events().min(expected)
    };
    let of_canary = now.canary_all * (events + margin * now.baseline_all);
    let of_baseline = now.baseline_all * (events - margin * now.canary_all);
    if of_baseline <= 0.0 {
        return None;
    }
    usable(of_canary / of_baseline)
}

/// The canary's odds of an event when its share is `margin` above the baseline's, or higher ones:
/// from the baseline's share now or in the past (one standard deviation up), whichever is larger.
fn odds_at_least(margin: f64, now: Beyond, past: Beyond) -> Option<f64> {
    if past.baseline_all <= 0.0 {
        return None;
    }
    let deviation = libm::sqrt(past.baseline + 1.0);
    let of_now = now.baseline / now.baseline_all;
    // Of a margin below none the odds rise with the level.
    let level = if margin < 0.0 {
        ((past.baseline - deviation) / past.baseline_all).min(of_now)
    } else {
        ((past.baseline + 1.0 + deviation) / past.baseline_all).max(of_now)
    };
    if level <= 0.0 {
        return None;
    }
    usable((1.0 + margin / level) * now.canary_all / now.baseline_all)
}

/// The weight of a bound beyond which nothing was seen at first, against one with observations.
const UNSEEN: f64 = 0.1;

/// The weights of bounds, lowest first, given the first stretch with both arms; they add up to 1.
pub(crate) fn weights(beyond: &[Beyond]) -> Vec<f64> {
    let raw: Vec<f64> = (1_u32..)
        .zip(beyond)
        .map(|(rank, b)| f64::from(rank) * if b.events() > 0.0 { 1.0 } else { UNSEEN })
        .collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| weight / sum).collect()
}

/// The test over all bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderTest {
    bounds: Vec<HarmTest>,
    /// Set by the first stretch.
    log_weights: Vec<f64>,
    log_most: f64,
}

impl OrderTest {
    /// One [`HarmTest`] per bound, lowest bound first; at least one.
    pub fn new(bounds: Vec<HarmTest>) -> Self {
        Self {
            log_weights: vec![f64::NEG_INFINITY; bounds.len()],
            bounds,
            log_most: f64::NEG_INFINITY,
        }
    }

    /// One stretch of time, one entry per bound.
    pub fn observe(&mut self, beyond: &[Beyond]) {
        if self.log_weights.iter().all(|log| *log == f64::NEG_INFINITY) {
            self.weigh(beyond);
        }
        for (bound, beyond) in self.bounds.iter_mut().zip(beyond) {
            bound.observe(*beyond);
        }
        self.log_most = self.log_most.max(self.log_harm());
    }

    /// What is known of wandering noise at each bound; see [`HarmTest::doubt`].
    pub fn doubt(&mut self, doubts: impl Iterator<Item = Doubts>) {
        for (bound, doubts) in self.bounds.iter_mut().zip(doubts) {
            bound.doubt(doubts);
        }
    }

    /// Sets the weights, from the first stretch with both arms. They rise evenly with the bounds,
    /// because what users notice is the tail, and bounds beyond which that stretch has nothing on
    /// either arm share [`UNSEEN`] of what they would have. Only the observations of both arms
    /// *together* are read, and given these the evidence is an e-process: the weights may depend
    /// on them.
    fn weigh(&mut self, beyond: &[Beyond]) {
        if !beyond
            .iter()
            .any(|b| b.canary_all > 0.0 && b.baseline_all > 0.0)
        {
            return;
        }
        let all = weights(beyond);
        self.log_weights = all.into_iter().map(libm::log).collect();
    }

    /// The logarithm of the weight of bound `idx`.
    pub fn log_weight(&self, idx: usize) -> f64 {
        self.log_weights
            .get(idx)
            .copied()
            .unwrap_or(f64::NEG_INFINITY)
    }

    fn weighted(&self) -> impl Iterator<Item = f64> + Clone {
        let one = |(idx, bound): (usize, &HarmTest)| self.log_weight(idx) + bound.log_e();
        let each: Vec<f64> = self.bounds.iter().enumerate().map(one).collect();
        each.into_iter()
    }

    /// ln of the e-value against "not larger by more than the margin at any bound"; 0 at first.
    pub fn log_harm(&self) -> f64 {
        let log_e = log_sum(self.weighted());
        if log_e.is_finite() { log_e } else { 0.0 }
    }

    /// The largest [`OrderTest::log_harm`] so far: the reciprocal of its exponential is a p-value
    /// at every stopping time (Ville's inequality).
    pub fn log_harm_most(&self) -> f64 {
        self.log_most.max(0.0)
    }

    /// The bound with the largest share of the evidence of harm now; the highest of equals.
    pub fn telling(&self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (idx, log) in self.weighted().enumerate() {
            if log >= best.1 {
                best = (idx, log);
            }
        }
        best.0
    }
}
