//! Values cut to where the values before them lie, so that one spike proves nothing.
//!
//! Each value is clipped to the median of the earlier, unclipped ones ± [`WIDTH`] robust standard
//! deviations, or to a wider range about a limit. The bounds are known before the value is
//! (predictable), so that a test on the clipped values may be read at any time.

/// Half the width in robust standard deviations. Normal values keep 98.8 % of their mass; spikes
/// of real services lie far beyond (the pilot behind `docs/statistics.md` tried 2 to 3).
pub const WIDTH: f64 = 2.5;

/// Where zero means something, such as a limit, a value this many robust standard deviations beyond
/// it passes whatever the values before it were. Values that lie far within their limit could
/// otherwise not show that they have crossed it: the bounds would follow only when half of them
/// have. With 1.5 a little more is found, and at 1 % a value that rises to its limit after a good
/// while errs too often (`docs/evidence.md`).
pub const BEYOND_ZERO: f64 = 1.0;

/// Values that pass unclipped, before there is a spread to speak of.
pub const WARM_UP: usize = 8;

/// Values there is room for at once: shorter windows are rare, and growing step by step costs a
/// fiftieth of a look.
const ROOM: usize = 64;

/// Median absolute deviation to standard deviation of normal values, 1/Φ⁻¹(3/4).
const MAD_TO_SD: f64 = 1.4826;

/// The values so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Winsor {
    sorted: Vec<f64>,
    /// How many of the nearest to the centre were left of it when last counted; a place to start.
    from_left: usize,
}

impl Winsor {
    /// Nothing seen.
    pub fn new() -> Self {
        Self {
            sorted: Vec::with_capacity(ROOM),
            from_left: 0,
        }
    }

    /// The clipped value; the unclipped one is remembered. Finite values only. O(log n), and a
    /// move of at most n numbers.
    pub fn clip(&mut self, value: f64) -> f64 {
        let spread = self.centre_and_deviation();
        self.clip_between(value, around(spread).map(|(low, high, _)| (low, high)))
    }

    /// [`Winsor::clip`] for callers that have its [`Winsor::centre_and_deviation`] already, and for
    /// whom zero means something: the bounds hold at least [`BEYOND_ZERO`] deviations around it.
    #[inline]
    pub fn clip_about_zero(&mut self, value: f64, spread: Option<(f64, f64)>) -> f64 {
        let bounds = around(spread).map(|(low, high, deviation)| {
            let reach = BEYOND_ZERO * deviation;
            (low.min(-reach), high.max(reach))
        });
        self.clip_between(value, bounds)
    }

    #[inline]
    fn clip_between(&mut self, value: f64, bounds: Option<(f64, f64)>) -> f64 {
        let clipped = match bounds {
            Some((low, high)) => {
                if value < low {
                    low
                } else if value > high {
                    high
                } else {
                    value
                }
            }
            _ => value,
        };
        let at = place(&self.sorted, value);
        self.sorted.insert(at, value);
        clipped
    }

    /// Median and robust standard deviation of the values so far; `None` in the warm-up.
    #[inline]
    pub fn centre_and_deviation(&mut self) -> Option<(f64, f64)> {
        let n = self.sorted.len();
        if n < WARM_UP {
            return None;
        }
        let centre = 0.5 * (self.sorted[(n - 1) / 2] + self.sorted[n / 2]);
        Some((centre, MAD_TO_SD * self.deviation(centre)))
    }

    /// The (n/2 + 1)-th smallest distance to the centre: the sides' lists are searched for how many
    /// of the left one's nearest belong to the nearest n/2 + 1 of all. That number hardly moves
    /// from one value to the next, so the search goes on from where it stood.
    fn deviation(&mut self, centre: f64) -> f64 {
        let (left, right) = self.sorted.split_at(split(&self.sorted, centre));
        let wanted = self.sorted.len() / 2 + 1;
        // Distance of the k-th nearest of a side, from 1; nothing is nearer than none.
        let from_left = |k: usize| left.get(left.len().wrapping_sub(k));
        let from_left = |k: usize| from_left(k).map_or(0.0, |v| centre - v);
        let from_right = |k: usize| right.get(k.wrapping_sub(1)).map_or(0.0, |v| v - centre);
        let (least, most) = (wanted.saturating_sub(right.len()), wanted.min(left.len()));
        let mut taken = self.from_left.clamp(least, most);
        // Too few from the left if its next is nearer than the right's last.
        let mut last_right = from_right(wanted - taken);
        let stood = taken;
        while taken < most && from_left(taken + 1) < last_right {
            taken += 1;
            last_right = from_right(wanted - taken);
        }
        let mut last_left = from_left(taken);
        if taken == stood {
            while taken > least {
                let next_right = from_right(wanted - taken + 1);
                if last_left < next_right {
                    break;
                }
                taken -= 1;
                last_right = next_right;
                last_left = from_left(taken);
            }
        }
        self.from_left = taken;
        if last_left > last_right {
            last_left
        } else {
            last_right
        }
    }
}

/// The bounds about a centre, and the deviation; none while there is no spread.
#[inline]
fn around(spread: Option<(f64, f64)>) -> Option<(f64, f64, f64)> {
    let (centre, deviation) = spread.filter(|(_, deviation)| *deviation > 0.0)?;
    let reach = WIDTH * deviation;
    Some((centre - reach, centre + reach, deviation))
}

/// The widest stretch in which [`place`] compares with every so many values.
const STRETCH: usize = 512;

/// So many values are compared at once at the end.
const STRIDE: usize = 16;

/// How many values are at most `value`. Halving alone would wait for each comparison before the
/// next can begin, half the time of a look's values; the comparisons of a stretch wait for none.
#[inline]
fn place(sorted: &[f64], value: f64) -> usize {
    let at_most = |seen: &[f64]| seen.iter().filter(|seen| **seen <= value).count();
    let (mut from, mut len) = (0, sorted.len());
    while len > STRETCH {
        let half = len / 2;
        from += if sorted[from + half - 1] <= value {
            half
        } else {
            0
        };
        len -= half;
    }
    let stretch = &sorted[from..from + len];
    let lasts = stretch.chunks_exact(STRIDE).map(|chunk| chunk[STRIDE - 1]);
    let before = STRIDE * lasts.filter(|last| *last <= value).count();
    let rest = &stretch[before..len.min(before + STRIDE)];
    from + before + at_most(rest)
}

/// How many values are less than their median.
fn split(sorted: &[f64], centre: f64) -> usize {
    let middle = sorted.len() / 2;
    // Without ties at the centre it is half of them.
    if middle > 0 && sorted[middle - 1] < centre {
        middle
    } else {
        sorted.partition_point(|v| *v < centre)
    }
}
