//! The values of both arms side by side: as they are, or as means over blocks of instants where
//! both are often zero at once.

/// One value of each arm at one instant, or a gap in either.
pub type Pair = Option<(f64, f64)>;

/// Pairs that tell how often both arms are zero at once.
pub const ZEROS_BY: usize = 16;

/// Zeros in both arms at once carry nothing; values are averaged over blocks in which at most
/// this share is all zero.
const EMPTY_MAX: f64 = 0.05;

/// The pairs of one metric.
#[derive(Clone, Debug)]
pub enum Pairs<'a> {
    /// One per instant: baseline and canary, equally many.
    Each(&'a [Option<f64>], &'a [Option<f64>]),
    /// One per block.
    Averaged(Vec<Pair>),
}

impl<'a> Pairs<'a> {
    /// Of the judged values, and how many instants make one; `None` while that cannot be told.
    pub fn new(baseline: &'a [Option<f64>], canary: &'a [Option<f64>]) -> Option<(Self, usize)> {
        let len = baseline.len().min(canary.len());
        let each = Self::Each(&baseline[..len], &canary[..len]);
        let block = each.block()?;
        if block == 1 {
            return Some((each, block));
        }
        let all: Vec<Pair> = each.iter().collect();
        Some((
            Self::Averaged(all.chunks_exact(block).map(mean).collect()),
            block,
        ))
    }

    /// How many, gaps included.
    pub fn count(&self) -> usize {
        match self {
            Self::Each(baseline, _) => baseline.len(),
            Self::Averaged(pairs) => pairs.len(),
        }
    }

    /// Number `t`; a gap beyond the last.
    pub fn get(&self, t: usize) -> Pair {
        match self {
            Self::Each(baseline, canary) => Some(((*baseline.get(t)?)?, (*canary.get(t)?)?)),
            Self::Averaged(pairs) => *pairs.get(t)?,
        }
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = Pair> + '_ {
        (0..self.count()).map(|t| self.get(t))
    }

    /// Those that are no gaps.
    pub fn known(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.iter().flatten()
    }

    /// Whether any value is below zero. No early end: there hardly ever is one, and without it
    /// the values are looked at side by side.
    pub fn any_negative(&self) -> bool {
        let negative = |values: &[Option<f64>]| {
            values
                .iter()
                .fold(false, |any, v| any | (v.unwrap_or_default() < 0.0))
        };
        match self {
            Self::Each(baseline, canary) => negative(baseline) | negative(canary),
            Self::Averaged(pairs) => pairs.iter().flatten().any(|(b, c)| *b < 0.0 || *c < 0.0),
        }
    }

    /// How many instants make one value; `None` while that cannot be told.
    fn block(&self) -> Option<usize> {
        let (mut seen, mut empty) = (0, 0);
        for (baseline, canary) in self.known().take(ZEROS_BY) {
            seen += 1;
            empty += usize::from(baseline == 0.0 && canary == 0.0);
        }
        if empty == 0 {
            return Some(1);
        }
        if seen < ZEROS_BY {
            return None;
        }
        let mut left = empty as f64 / seen as f64;
        let mut block = 1;
        while left > EMPTY_MAX && block < ZEROS_BY {
            left *= left;
            block *= 2;
        }
        Some(block)
    }
}

/// Pairs that were taken in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    baseline: Vec<u64>,
    canary: Vec<u64>,
}

/// Stands for a gap: no finite value has these bits.
const GAP: u64 = u64::MAX;

impl Taken {
    /// How many, gaps included.
    pub fn count(&self) -> usize {
        self.baseline.len()
    }

    /// Number `t`; a gap beyond the last.
    pub fn get(&self, t: usize) -> Pair {
        let value = |bits: Option<&u64>| {
            let bits = bits.filter(|bits| **bits != GAP);
            bits.map(|bits| f64::from_bits(*bits))
        };
        Some((value(self.baseline.get(t))?, value(self.canary.get(t))?))
    }

    /// What `pairs` has beyond what is here already.
    pub fn go_on(&mut self, pairs: &Pairs<'_>) {
        let room = pairs.count().saturating_sub(self.count());
        self.baseline.reserve(room);
        self.canary.reserve(room);
        let seen = self.count();
        match pairs {
            Pairs::Each(baseline, canary) => {
                self.baseline
                    .extend(baseline[seen..].iter().copied().map(bits));
                self.canary.extend(canary[seen..].iter().copied().map(bits));
            }
            Pairs::Averaged(pairs) => {
                for pair in &pairs[seen..] {
                    self.baseline.push(bits(pair.map(|pair| pair.0)));
                    self.canary.push(bits(pair.map(|pair| pair.1)));
                }
            }
        }
    }

    /// Whether `pairs` begin with these, bit for bit.
    pub fn begin(&self, pairs: &Pairs<'_>) -> bool {
        let seen = self.count();
        let same = |values: &[Option<f64>], taken: &[u64]| {
            let each = values.iter().zip(taken);
            each.fold(true, |same, (value, taken)| same & (bits(*value) == *taken))
        };
        match pairs {
            Pairs::Each(baseline, canary) => {
                baseline.len() >= seen
                    && same(&baseline[..seen], &self.baseline)
                    && same(&canary[..seen], &self.canary)
            }
            Pairs::Averaged(pairs) => {
                let same = |t: usize| pairs.get(t) == Some(&self.get(t));
                (0..seen).all(same)
            }
        }
    }
}

#[inline]
fn bits(value: Option<f64>) -> u64 {
    value.map_or(GAP, f64::to_bits)
}

/// The mean of a block; one without any pair is a gap.
fn mean(block: &[Pair]) -> Pair {
    let held = || block.iter().flatten();
    let count = held().count() as f64;
    let sum = |side: fn(&(f64, f64)) -> f64| held().map(side).sum::<f64>() / count;
    (count > 0.0).then(|| (sum(|p| p.0), sum(|p| p.1)))
}
