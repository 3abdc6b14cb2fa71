//! Series on a grid, counts from counters: from what a source answered to what can be judged.
//!
//! Raw answers may hold NaN and infinities; nothing past alignment does. A grid point without a
//! value is a gap, never a NaN and never a zero.

pub mod align;
pub mod buckets;
pub mod census;
pub mod coarsen;
pub mod counters;
pub mod gaps;
pub mod grid;
pub mod histogram;
pub mod notation;
pub mod raw;
pub mod samples;
