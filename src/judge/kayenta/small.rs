//! Two small sorted samples walked together, without a check of any index.

/// Samples of few groups, in arrays that a byte cannot index beyond.
#[derive(Debug)]
pub(super) struct Small {
    x: [f64; 256],
    y: [f64; 256],
    /// The sizes of the groups of `x`.
    size: [u64; 256],
    /// How many values of `y` are in the groups before.
    before: [u64; 256],
    moved: [f64; 256],
    /// `moved` and `y` as integers in the same order: the walk waits for them less long.
    moved_key: [i64; 256],
    y_key: [i64; 256],
    groups: (u8, u8),
}

impl Default for Small {
    fn default() -> Self {
        Self {
            x: [0.0; 256],
            y: [0.0; 256],
            size: [0; 256],
            before: [0; 256],
            moved: [0.0; 256],
            moved_key: [0; 256],
            y_key: [0; 256],
            groups: (0, 0),
        }
    }
}

impl Small {
    /// Takes values between −∞ and +∞ with the sizes of their groups (`x`), and with how many come
    /// before (`y`). `None` leaves it as it is: there are more groups than it holds.
    pub(super) fn load(&mut self, x: (&[f64], &[u64]), y: (&[f64], &[u64])) -> Option<()> {
        let (m, n) = (x.0.len(), y.0.len());
        let groups = |len: usize| u8::try_from(len.checked_sub(2)?).ok();
        let both = (groups(m)?, groups(n)?);
        self.x.get_mut(..m)?.copy_from_slice(x.0);
        self.size.get_mut(..m)?.copy_from_slice(x.1);
        self.y.get_mut(..n)?.copy_from_slice(y.0);
        self.before.get_mut(..n)?.copy_from_slice(y.1);
        for (key, value) in self.y_key.iter_mut().zip(y.0) {
            *key = order(*value);
        }
        self.groups = both;
        Some(())
    }

    /// Pairs that `x − mu` wins, and the distance of the nearest two values of both; 0 is a tie.
    pub(super) fn walk(&mut self, mu: f64) -> (u64, f64) {
        let (groups_x, groups_y) = self.groups;
        let moved = self.moved.iter_mut().zip(&mut self.moved_key).zip(&self.x);
        for ((moved, key), value) in moved.take(usize::from(groups_x) + 2) {
            *moved = value - mu;
            *key = order(*moved);
        }
        let (x_key, y_key) = (&self.moved_key, &self.y_key);
        let (x, y) = (&self.moved, &self.y);
        let worth = |i: u8, j: u8| self.size[usize::from(i)] * self.before[usize::from(j)];
        // From both ends at once: each walk waits for its own last comparison only. Which sample
        // comes next is a coin toss that no predictor learns, so it is taken without a branch.
        let (mut i, mut j, mut k, mut l) = (1_u8, 1_u8, groups_x, groups_y);
        let (mut wins, mut nearest) = (0, f64::INFINITY);
        let all = usize::from(groups_x) + usize::from(groups_y);
        for _ in 0..all / 2 {
            let (a, b) = (x[usize::from(i)], y[usize::from(j)]);
            let first = u8::from(x_key[usize::from(i)] <= y_key[usize::from(j)]);
            nearest = least(nearest, (a - b).abs());
            wins += worth(i, j) & u64::from(first).wrapping_neg();
            i = i.wrapping_add(first);
            j = j.wrapping_add(1 - first);
            let (a, b) = (x[usize::from(k)], y[usize::from(l)]);
            let first = u8::from(x_key[usize::from(k)] > y_key[usize::from(l)]);
            nearest = least(nearest, (a - b).abs());
            wins += worth(k, l.wrapping_add(1)) & u64::from(first).wrapping_neg();
            k = k.wrapping_sub(first);
            l = l.wrapping_sub(1 - first);
        }
        if all % 2 == 1 {
            let (a, b) = (x[usize::from(i)], y[usize::from(j)]);
            nearest = least(nearest, (a - b).abs());
            wins += worth(i, j) * u64::from(a <= b);
        }
        (wins, nearest)
    }
}

/// An integer that orders as the number does; no number here is a negative zero.
fn order(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The smaller of two numbers, without the care for NaN that would cost a branch.
fn least(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}
