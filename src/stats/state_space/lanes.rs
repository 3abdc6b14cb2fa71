//! Eight points of the grid at a time: arrays whose arithmetic compilers turn into vectors.

use std::array::from_fn;

/// How many.
pub(super) const LANES: usize = 8;

/// One number of each.
pub type Lanes = [f64; LANES];

/// The same of every lane.
#[expect(
    clippy::inline_always,
    reason = "compiled with its caller, for its machine"
)]
#[inline(always)]
pub(super) fn each(of: impl FnMut(usize) -> f64) -> Lanes {
    from_fn(of)
}

/// Values in blocks of lanes; what is left of the last block repeats the first value.
pub(super) fn blocks(values: impl ExactSizeIterator<Item = f64> + Clone) -> Vec<Lanes> {
    let count = values.len().div_ceil(LANES);
    let first = values.clone().next().unwrap_or(0.0);
    let mut values = values;
    (0..count)
        .map(|_| each(|_| values.next().unwrap_or(first)))
        .collect()
}
