//! Two sorted samples walked together, several walks at once.

/// The sum of `worth(i, j)` over the values `x[i]`, where `y[j]` is the first of `y` above it; or
/// `None` if any two values of `x` and `y` are equal. Both ascend between −∞ and +∞.
pub(super) fn walk(
    x: &[f64],
    y: &[f64],
    worth: impl Fn(usize, usize) -> u64 + Copy,
) -> Option<u64> {
    let all = x.len() + y.len() - 4;
    // Each step waits for the comparison before it, and which sample comes next is a coin toss that
    // no predictor learns: so four walks at once, from both ends and both ways from the middle.
    let half = all / 2;
    let middle = crossing(x, y, half);
    let (mut i, mut j) = (1, 1);
    let (mut k, mut l) = (middle, half - middle);
    let (mut o, mut p) = (middle + 1, half - middle + 1);
    let (mut q, mut r) = (x.len() - 2, y.len() - 2);
    // The walks do not look across the middle.
    let (mut wins, mut tied) = (0_u64, usize::from(x[middle] >= y[half - middle + 1]));
    for _ in 0..half / 2 {
        forward(x, y, (&mut i, &mut j), worth, &mut wins, &mut tied);
        backward(x, y, (&mut k, &mut l), worth, &mut wins, &mut tied);
        forward(x, y, (&mut o, &mut p), worth, &mut wins, &mut tied);
        backward(x, y, (&mut q, &mut r), worth, &mut wins, &mut tied);
    }
    while i <= k || j <= l {
        forward(x, y, (&mut i, &mut j), worth, &mut wins, &mut tied);
    }
    while o <= q || p <= r {
        forward(x, y, (&mut o, &mut p), worth, &mut wins, &mut tied);
    }
    (tied == 0).then_some(wins)
}

/// How many of the first `count` values of both samples together are of `x`, ties to `x`.
fn crossing(x: &[f64], y: &[f64], count: usize) -> usize {
    let (mut least, mut most) = (count.saturating_sub(y.len() - 2), count.min(x.len() - 2));
    while least < most {
        let taken = least.midpoint(most);
        // The next of `x` comes before the last taken of `y`: too few of `x`.
        if x[taken + 1] <= y[count - taken] {
            least = taken + 1;
        } else {
            most = taken;
        }
    }
    least
}

/// Takes the smaller of `x[i]` and `y[j]`; where that is of `x`, it wins all of `y` before.
#[inline]
fn forward(
    x: &[f64],
    y: &[f64],
    (i, j): (&mut usize, &mut usize),
    worth: impl Fn(usize, usize) -> u64,
    wins: &mut u64,
    tied: &mut usize,
) {
    let (a, b) = (x[*i], y[*j]);
    let first = usize::from(a <= b);
    *tied |= first & usize::from(b <= a);
    *wins += worth(*i, *j) * first as u64;
    *i += first;
    *j += 1 - first;
}

/// Takes the larger of `x[k]` and `y[l]`; where that is of `x`, it wins all of `y` up to there.
#[inline]
fn backward(
    x: &[f64],
    y: &[f64],
    (k, l): (&mut usize, &mut usize),
    worth: impl Fn(usize, usize) -> u64,
    wins: &mut u64,
    tied: &mut usize,
) {
    let (a, b) = (x[*k], y[*l]);
    let first = usize::from(b < a);
    *tied |= (1 - first) & usize::from(b <= a);
    *wins += worth(*k, *l + 1) * first as u64;
    *k -= first;
    *l -= 1 - first;
}
