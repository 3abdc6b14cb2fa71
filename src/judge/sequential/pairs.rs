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
    pub fn len(&self) -> usize {
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
        (0..self.len()).map(|t| self.get(t))
    }

    /// Those that are no gaps.
    pub fn known(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.iter().flatten()
    }

    /// Whether these are `earlier` and perhaps more.
    pub fn go_on_from(&self, earlier: &[Pair]) -> bool {
        match self {
            Self::Each(baseline, canary) => {
                let (Some(b), Some(c)) =
                    (baseline.get(..earlier.len()), canary.get(..earlier.len()))
                else {
                    return false;
                };
                let same = |((b, c), earlier): ((&Option<f64>, &Option<f64>), &Pair)| match (
                    b, c, earlier,
                ) {
                    (Some(b), Some(c), Some(earlier)) => *b == earlier.0 && *c == earlier.1,
                    (Some(_), Some(_), None) | (_, _, Some(_)) => false,
                    _ => true,
                };
                b.iter().zip(c).zip(earlier).all(same)
            }
            Self::Averaged(pairs) => pairs.get(..earlier.len()) == Some(earlier),
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

/// The mean of a block; one without any pair is a gap.
fn mean(block: &[Pair]) -> Pair {
    let held = || block.iter().flatten();
    let count = held().count() as f64;
    let sum = |side: fn(&(f64, f64)) -> f64| held().map(side).sum::<f64>() / count;
    (count > 0.0).then(|| (sum(|p| p.0), sum(|p| p.1)))
}
