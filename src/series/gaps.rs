//! How much of what should be there is there.

/// What is present in a run of grid points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// Grid points that should hold a value.
    pub expected: usize,
    /// Grid points that do.
    pub present: usize,
    /// The longest run of gaps, in grid points.
    pub longest_gap: usize,
}

impl Usable {
    /// Counts one entry per expected grid point: whether it holds a value.
    pub fn of(points: impl IntoIterator<Item = bool>) -> Self {
        let mut out = Self::default();
        let mut gap = 0_usize;
        for present in points {
            out.expected += 1;
            if present {
                out.present += 1;
                gap = 0;
            } else {
                gap += 1;
                out.longest_gap = out.longest_gap.max(gap);
            }
        }
        out
    }

    /// Counts the values of a series.
    pub fn of_values(values: &[Option<f64>]) -> Self {
        Self::of(values.iter().map(Option::is_some))
    }

    /// The share of expected points that hold a value, in 0 ..= 1; zero when none is expected
    /// (A5: nothing asked for is not everything there).
    pub fn coverage(&self) -> f64 {
        if self.expected == 0 {
            return 0.0;
        }
        self.present as f64 / self.expected as f64
    }

    /// Gaps.
    pub fn gaps(&self) -> usize {
        self.expected - self.present
    }
}
