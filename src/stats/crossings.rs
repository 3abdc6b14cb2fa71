//! U alone, of two samples in which no two values are equal: how often do they cross?
//!
//! Whoever asks for nothing but a p-value needs no sorted samples. Each value becomes an integer
//! of 31 bits, its distance from the smallest one, with its sample in the last bit; the integers
//! are placed by buckets, as in [`super::buckets`], in one pool and at half the width, and what is
//! out of order within buckets is put right by a network of minima and maxima that processors do
//! four at a time. The rank sum is then that of the places with the bit set.
//!
//! Two values whose integers are the same are equal, or nearly: there is no answer then, nor where
//! values lie so unevenly that buckets do not part them, and the samples have to be sorted. So the
//! answer is exact wherever there is one.

/// Fewer values of both samples are sorted as fast; measured.
pub(super) const ALL_MIN: usize = 1_000;

/// Room for so many places, and so many values at most.
pub(super) const ALL_MAX: usize = 4_096;

/// The largest distance. Doubled, with the bit and above [`LEAST`], it stays below the bits of
/// +∞ as a number of 32 bits (0x7F80_0000).
const SPAN: f64 = 1_065_000_000.0;

/// Added to a much lower number, it leaves the nearest whole number in the lowest bits.
const WHOLE: f64 = 4_503_599_627_370_496.0; // 2⁵²

/// The bits of the least normal number of 32 bits, so that processors compare integers as numbers,
/// of which they tell the smaller and the larger in a step.
const LEAST: u32 = 0x0080_0000;

/// Of an integer; so many are left of the highest bit, which is never set.
const BITS: u32 = 31;

/// Buckets, about as many as there are values: 2¹¹.
const BUCKET_BITS: u32 = 11;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// Values whose integers are made before they are counted, so that both go on at once; measured.
const BLOCK: usize = 32;

/// Places are dealt out to so many lists in turn, so that neighbours lie in different lists and
/// a step of the network works on whole lists.
const LISTS: usize = 4;

/// Values of a list: room for all, and for the +∞ behind them.
const LIST: usize = ALL_MAX / LISTS + 2;

/// Rounds of the network after the first; each moves a value by up to three places. Few are then
/// still out of order among normal values.
const ROUNDS: usize = 4;

/// Places of a list that are looked at together for values out of order.
const STRETCH: usize = 16;

/// Moves per value which insertion may take: more, and sorting is faster.
const MOVES: usize = 4;

/// After a pair without an answer so many are not tried: what has ties mostly has them again.
const PAUSE: u32 = 15;

/// Reusable buffers.
#[derive(Debug, Default)]
pub(super) struct Crossings {
    integers: Vec<u32>,
    placed: Vec<u32>,
    lists: [Vec<f32>; LISTS],
    /// Pairs not to be tried.
    pause: u32,
}

impl Crossings {
    /// Pairs in which the value of `x` lies above that of `y`, if no two values of both are equal
    /// and that is fast to find out.
    pub(super) fn wins(&mut self, x: &[f64], y: &[f64]) -> Option<usize> {
        let all = x.len() + y.len();
        if !(ALL_MIN..=ALL_MAX).contains(&all) {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let sum = self.rank_sum(x, y);
        if sum.is_none() {
            self.pause = PAUSE;
        }
        // Places count from 0: the least sum that x.len() values can have.
        sum.map(|sum| sum - x.len() * x.len().saturating_sub(1) / 2)
    }

    /// The sum of the places that `x` takes among the values of both, from 0.
    fn rank_sum(&mut self, x: &[f64], y: &[f64]) -> Option<usize> {
        let mut counts = [0; 2 * BUCKETS];
        self.count(x, y, &mut counts)?;
        begin(&mut counts);
        self.place(&mut counts);
        self.deal();
        for round in 0..ROUNDS {
            self.compare(round % 2 == 0);
        }
        self.settle()?;
        Some(self.sum())
    }

    /// Makes the integers and counts those of each bucket; nothing if all values are the same or
    /// their range is no number.
    fn count(&mut self, x: &[f64], y: &[f64], counts: &mut [u8; 2 * BUCKETS]) -> Option<()> {
        let (low, high) = super::buckets::range(x, y);
        let scale = SPAN / (high - low);
        if !(scale > 0.0 && scale < f64::INFINITY) {
            return None;
        }
        // Rounding keeps order at every step.
        let distance = |value: f64| {
            let bits = ((value - low) * scale + WHOLE).to_bits();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most SPAN in the lowest bits, which alone are wanted"
            )]
            let lowest = bits as u32;
            lowest << 1
        };
        self.integers.resize(x.len() + y.len(), 0);
        let (of_x, of_y) = self.integers.split_at_mut(x.len());
        for (values, integers, least) in [(x, of_x, LEAST + 1), (y, of_y, LEAST)] {
            let (blocks, rest) = values.as_chunks::<BLOCK>();
            let (to_blocks, to_rest) = integers.as_chunks_mut::<BLOCK>();
            for (block, to) in blocks.iter().zip(to_blocks) {
                for (value, to) in block.iter().zip(&mut *to) {
                    *to = distance(*value) + least;
                }
                for integer in to {
                    take(counts, *integer);
                }
            }
            for (value, to) in rest.iter().zip(to_rest) {
                *to = distance(*value) + least;
                take(counts, *to);
            }
        }
        Some(())
    }

    /// Puts each integer where its bucket has room.
    fn place(&mut self, counts: &mut [u8; 2 * BUCKETS]) {
        self.placed.resize(ALL_MAX + 2 * LISTS, 0);
        if let Some(placed) = self.placed.first_chunk_mut::<ALL_MAX>() {
            for &integer in &self.integers {
                let to = usize::from(take(counts, integer));
                placed[to & (ALL_MAX - 1)] = integer;
            }
        }
    }

    /// Deals the places out to the lists, each four neighbours in order already.
    fn deal(&mut self) {
        let all = self.integers.len();
        let each = all.div_ceil(LISTS) + 1;
        let (dealt, _) = self.placed[..each * LISTS].as_chunks_mut::<LISTS>();
        dealt.as_flattened_mut()[all..].fill(f32::INFINITY.to_bits());
        for list in &mut self.lists {
            list.resize(LIST, f32::INFINITY);
        }
        let [a, b, c, d] = &mut self.lists;
        let to = a[..each].iter_mut().zip(&mut b[..each]);
        let to = to.zip(&mut c[..each]).zip(&mut d[..each]);
        for (four, (((a, b), c), d)) in dealt.iter().zip(to) {
            [*a, *b, *c, *d] = ordered(four.map(f32::from_bits));
        }
    }

    /// Orders each four neighbours: those that begin in the first list, or those that begin in the
    /// third and reach over.
    fn compare(&mut self, over: bool) {
        let each = self.integers.len().div_ceil(LISTS);
        let [a, b, c, d] = &mut self.lists;
        let [a, b, c, d] = if over {
            [&mut c[..each], &mut d[..each], &mut a[1..], &mut b[1..]]
        } else {
            [&mut a[..each], &mut b[..each], &mut c[..], &mut d[..]]
        };
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            [*a, *b, *c, *d] = ordered([*a, *b, *c, *d]);
        }
    }

    /// Puts right what is still out of order; nothing if that takes long, or two are the same.
    fn settle(&mut self) -> Option<()> {
        let all = self.integers.len();
        let (each, mut moves) = (all.div_ceil(LISTS), 0);
        for start in (0..each).step_by(STRETCH) {
            let end = each.min(start + STRETCH);
            let [a, b, c, d] = &self.lists;
            let fours = a[start..end].iter().zip(&b[start..end]);
            let fours = fours.zip(&c[start..end]).zip(&d[start..end]);
            // All of a stretch are counted, without a branch: mostly there is none.
            let wrong: u32 = fours
                .zip(&a[start + 1..=end])
                .map(|((((a, b), c), d), next)| {
                    u32::from(without_sample(*a) >= without_sample(*b))
                        + u32::from(without_sample(*b) >= without_sample(*c))
                        + u32::from(without_sample(*c) >= without_sample(*d))
                        + u32::from(without_sample(*d) >= without_sample(*next))
                })
                .sum();
            if wrong > 0 {
                for place in LISTS * start + 1..all.min(LISTS * end + 1) {
                    moves += self.insert(place)?;
                }
                if moves > MOVES * all {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Inserts the value at a place among those before, which ascend, and tells how far it went;
    /// nothing if the same is there.
    fn insert(&mut self, place: usize) -> Option<usize> {
        let value = self.at(place);
        let mut to = place;
        while to > 0 && self.at(to - 1) > value {
            self.lists[to % LISTS][to / LISTS] = self.at(to - 1);
            to -= 1;
        }
        self.lists[to % LISTS][to / LISTS] = value;
        let same = to > 0 && without_sample(self.at(to - 1)) == without_sample(value);
        (!same).then_some(place - to)
    }

    fn at(&self, place: usize) -> f32 {
        self.lists[place % LISTS][place / LISTS]
    }

    /// The sum of the places whose value is of the first sample.
    fn sum(&self) -> usize {
        let each = self.integers.len().div_ceil(LISTS);
        let [a, b, c, d] = &self.lists;
        let fours = a[..each].iter().zip(&b[..each]);
        let fours = fours.zip(&c[..each]).zip(&d[..each]);
        // At most ALL_MAX²/2.
        let sum: u32 = fours
            .zip(0_u32..)
            .map(|((((a, b), c), d), four)| {
                let place = 4 * four;
                (place & of_first(*a))
                    + ((place + 1) & of_first(*b))
                    + ((place + 2) & of_first(*c))
                    + ((place + 3) & of_first(*d))
            })
            .sum();
        usize::try_from(sum).unwrap_or(usize::MAX)
    }
}

/// What the bucket of an integer has counted, before it counts this one.
fn take(counts: &mut [u8; 2 * BUCKETS], integer: u32) -> u16 {
    let bucket = usize::try_from(integer >> (BITS - BUCKET_BITS)).unwrap_or(0) & (BUCKETS - 1);
    let count = u16::from_le_bytes([counts[2 * bucket], counts[2 * bucket + 1]]);
    [counts[2 * bucket], counts[2 * bucket + 1]] = count.wrapping_add(1).to_le_bytes();
    count
}

/// From how many each bucket has to where it begins, four at once.
fn begin(counts: &mut [u8; 2 * BUCKETS]) {
    // Times this, each 16 bits of a number become the sum of those up to them.
    const SUMS: u64 = 0x0001_0001_0001_0001;
    let mut before = 0_u64;
    for four in counts.as_chunks_mut::<8>().0 {
        let sums = u64::from_le_bytes(*four).wrapping_mul(SUMS);
        *four = (sums << 16)
            .wrapping_add(before.wrapping_mul(SUMS))
            .to_le_bytes();
        before += sums >> 48;
    }
}

/// Four numbers in order, by the five comparisons it takes.
fn ordered([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    let ((a, b), (c, d)) = (pair(a, b), pair(c, d));
    let ((a, c), (b, d)) = (pair(a, c), pair(b, d));
    let (b, c) = pair(b, c);
    [a, b, c, d]
}

/// The smaller and the larger, without the care for NaN that would cost more.
fn pair(a: f32, b: f32) -> (f32, f32) {
    (if b < a { b } else { a }, if b > a { b } else { a })
}

/// The distance that a value stands for.
fn without_sample(value: f32) -> i32 {
    (value.to_bits() >> 1).cast_signed()
}

/// All bits if a value is of the first sample, else none.
fn of_first(value: f32) -> u32 {
    0_u32.wrapping_sub(value.to_bits() & 1)
}
