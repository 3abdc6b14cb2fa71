//! Values cut to where the values before them lie, so that one spike proves nothing.
//!
//! Each value is clipped to the median of the earlier, unclipped ones ± [`WIDTH`] robust standard
//! deviations. The bounds are known before the value is (predictable), so that a test on the
//! clipped values may be read at any time.

/// Half the width in robust standard deviations. Normal values keep 98.8 % of their mass; spikes
/// of real services lie far beyond (the pilot behind `docs/statistics.md` tried 2 to 3).
pub const WIDTH: f64 = 2.5;

/// Values that pass unclipped, before there is a spread to speak of.
pub const WARM_UP: usize = 8;

/// Median absolute deviation to standard deviation of normal values, 1/Φ⁻¹(3/4).
const MAD_TO_SD: f64 = 1.4826;

/// The values so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Winsor {
    sorted: Vec<f64>,
}

impl Winsor {
    /// Nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clipped value; the unclipped one is remembered. Finite values only. O(log n), and a
    /// move of at most n numbers.
    pub fn clip(&mut self, value: f64) -> f64 {
        let spread = self.centre_and_deviation();
        self.clip_by(value, spread)
    }

    /// [`Winsor::clip`] for callers that have its [`Winsor::centre_and_deviation`] already.
    pub fn clip_by(&mut self, value: f64, spread: Option<(f64, f64)>) -> f64 {
        let width = spread.map_or(0.0, |(_, deviation)| WIDTH * deviation);
        let clipped = match spread {
            Some((centre, _)) if width > 0.0 => value.max(centre - width).min(centre + width),
            _ => value,
        };
        let at = self.sorted.partition_point(|seen| *seen <= value);
        self.sorted.insert(at, value);
        clipped
    }

    /// Median and robust standard deviation of the values so far; `None` in the warm-up.
    pub fn centre_and_deviation(&self) -> Option<(f64, f64)> {
        let n = self.sorted.len();
        if n < WARM_UP {
            return None;
        }
        let centre = 0.5 * (self.sorted[(n - 1) / 2] + self.sorted[n / 2]);
        Some((centre, MAD_TO_SD * self.deviation(centre)))
    }

    /// The (n/2 + 1)-th smallest distance to the centre: the smaller of the two sides' lists is
    /// searched for how many of its nearest belong to the nearest n/2 + 1 of all.
    fn deviation(&self, centre: f64) -> f64 {
        let sorted = &self.sorted;
        let split = sorted.partition_point(|v| *v < centre);
        let (left, right) = (split, sorted.len() - split);
        let wanted = sorted.len() / 2 + 1;
        let from_left = |k: usize| centre - sorted[split - 1 - k];
        let from_right = |k: usize| sorted[split + k] - centre;
        let (mut low, mut high) = (wanted.saturating_sub(right), wanted.min(left));
        while low < high {
            let middle = low + (high - low) / 2;
            // Too few from the left if its next is nearer than the right's last.
            if from_left(middle) < from_right(wanted - middle - 1) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let last_left = (low > 0).then(|| from_left(low - 1));
        let last_right = (wanted > low).then(|| from_right(wanted - low - 1));
        last_left.into_iter().chain(last_right).fold(0.0, f64::max)
    }
}
