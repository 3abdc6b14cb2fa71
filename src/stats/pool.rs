//! Two samples sorted at once, in one pool, with integers: no comparison of values at all as a
//! rule.
//!
//! A key in the order of the number ([`key`]) less the smallest key, cut to its leading bits, is
//! sorted digit by digit (least digit first, stable) together with the value's place. What the cut
//! bits leave out of order is set right by insertion; continuous samples need a handful of moves.
//! A pool in which that would take long (one value a million times as far out as the rest) is
//! sorted by comparison instead: only speed depends on the values.
//!
//! Sorting the pool gives the merge of the samples for nothing, and with it the rank sum.

/// Values of the pool from which on digits are quicker than comparisons; measured.
pub(super) const POOL_MIN: usize = 256;

/// Values of the pool from which on two digits of 11 bits are quicker than two of 8; measured.
const WIDE_MIN: usize = 1_200;

/// Moves per value which insertion may take before comparisons take over: about what a whole sort
/// costs.
const MOVES: usize = 8;

/// The low half of an item is its place, the high half its digits.
const PLACE_BITS: u32 = 32;

/// Reusable buffers.
#[derive(Debug, Default)]
pub(super) struct Pool {
    keys: Vec<u64>,
    items: Vec<u64>,
    spare: Vec<u64>,
}

/// What the pool's order tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    /// Pairs in which the value of the first sample lies strictly above that of the second.
    pub(super) wins: usize,
    /// Some two values of the pool are equal.
    pub(super) tied: bool,
}

/// A key that orders as the number does; -0 and 0 get the same.
pub(super) fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    let negative = (bits.cast_signed() >> 63).cast_unsigned();
    bits ^ (negative | (1 << 63))
}

/// The reverse of [`key`].
pub(super) fn value(key: u64) -> f64 {
    let positive = (key.cast_signed() >> 63).cast_unsigned();
    f64::from_bits(key ^ (!positive | (1 << 63)))
}

/// The place in the pool that an item carries.
fn place(item: u64) -> usize {
    index(item & ((1 << PLACE_BITS) - 1))
}

/// A place of at most 32 bits; never the default, for addresses have that many.
fn index(place: impl TryInto<usize>) -> usize {
    place.try_into().unwrap_or(0)
}

impl Pool {
    /// Sorts both samples into `first` and `second`. The pool must hold at most 2³² values.
    pub(super) fn sort(
        &mut self,
        x: &[f64],
        y: &[f64],
        first: &mut Vec<f64>,
        second: &mut Vec<f64>,
    ) -> Merged {
        self.keys.clear();
        self.keys.extend(x.iter().map(|&v| key(v)));
        self.keys.extend(y.iter().map(|&v| key(v)));
        if self.keys.len() < WIDE_MIN {
            self.by_digits::<{ 1 << 8 }>();
        } else {
            self.by_digits::<{ 1 << 11 }>();
        }
        let tied = self.settle();
        let wins = self.part(x.len(), first, second);
        Merged { wins, tied }
    }

    /// Two passes over digits of log2(`SIZE`) bits; the order is in `items`.
    fn by_digits<const SIZE: usize>(&mut self) {
        let Self { keys, items, spare } = self;
        let (least, most) = keys.iter().fold((u64::MAX, u64::MIN), |(least, most), &k| {
            (least.min(k), most.max(k))
        });
        let bits = SIZE.trailing_zeros();
        let varying = u64::BITS - (most - least).leading_zeros();
        let cut = varying.saturating_sub(2 * bits);
        let digit = |v: u64| index(v & (SIZE as u64 - 1)) & (SIZE - 1);
        let (mut low, mut high) = ([0_u32; SIZE], [0_u32; SIZE]);
        for &key in keys.iter() {
            let lead = (key - least) >> cut;
            low[digit(lead)] += 1;
            high[digit(lead >> bits)] += 1;
        }
        let (mut before_low, mut before_high) = (0, 0);
        for (low, high) in low.iter_mut().zip(&mut high) {
            (*low, before_low) = (before_low, before_low + *low);
            (*high, before_high) = (before_high, before_high + *high);
        }
        items.resize(keys.len(), 0);
        spare.resize(keys.len(), 0);
        for (place, &key) in (0_u64..).zip(keys.iter()) {
            let lead = (key - least) >> cut;
            let to = &mut low[digit(lead)];
            spare[index(*to)] = (lead << PLACE_BITS) | place;
            *to += 1;
        }
        for &item in spare.iter() {
            let to = &mut high[digit(item >> (PLACE_BITS + bits))];
            items[index(*to)] = item;
            *to += 1;
        }
    }

    /// Puts right what the cut bits decide, leaves the keys in order in `spare`, and tells whether
    /// two are equal. Equal keys stay in the order of their places.
    fn settle(&mut self) -> bool {
        let Self { keys, items, spare } = self;
        let (mut last, mut equal, mut moves) = (0, false, 0);
        for at in 0..items.len() {
            let key = keys[place(items[at])];
            spare[at] = key;
            if key >= last {
                equal |= key == last;
                last = key;
                continue;
            }
            let item = items[at];
            let mut to = at;
            while to > 0 && spare[to - 1] > key {
                spare[to] = spare[to - 1];
                items[to] = items[to - 1];
                to -= 1;
            }
            spare[to] = key;
            items[to] = item;
            equal |= to > 0 && spare[to - 1] == key;
            moves += at - to;
            if moves > MOVES * items.len() {
                items.sort_unstable_by_key(|&item| (keys[place(item)], place(item)));
                for (to, &item) in spare.iter_mut().zip(items.iter()) {
                    *to = keys[place(item)];
                }
                return spare.windows(2).any(|pair| pair[0] == pair[1]);
            }
        }
        equal
    }

    /// Parts the ordered pool into its samples, the first being the first `n` places, and counts
    /// the wins of the first.
    fn part(&self, n: usize, first: &mut Vec<f64>, second: &mut Vec<f64>) -> usize {
        let all = self.items.len();
        // Room for one more: the last write to each may be one that is not kept.
        first.resize(n + 1, 0.0);
        second.resize(all - n + 1, 0.0);
        let (mut i, mut places) = (0, 0);
        // Both are written and one is kept: whose turn it is cannot be predicted.
        for (at, (&item, &key)) in self.items.iter().zip(&self.spare).enumerate() {
            let value = value(key);
            let is_first = place(item) < n;
            first[i] = value;
            second[at - i] = value;
            places += if is_first { at } else { 0 };
            i += usize::from(is_first);
        }
        first.truncate(n);
        second.truncate(all - n);
        // Of the values before one of the first sample, so many are of the first sample itself.
        places - n * n.saturating_sub(1) / 2
    }
}
