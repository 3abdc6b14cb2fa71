//! Statistics: pure functions over slices of finite numbers.
//!
//! Every function takes plain slices of finite `f64` (gaps are removed, or passed as `None`, by the
//! caller) and returns plain numbers. Nothing here knows of metrics, arms or looks. Buffers that
//! are worth keeping between calls are owned by the caller ([`rank::Scratch`]).
//!
//! Results have the same bits on every machine (A6): the only transcendental functions are those
//! of `libm`, and sums run in a fixed order. That is why the distributions are written here
//! instead of taken from `statrs`, which calls the platform's `ln` and `exp`; `statrs` serves the
//! tests as an implementation nobody here wrote.
//!
//! | question | module |
//! |---|---|
//! | does one sample lie above the other? | [`mann_whitney`] over [`rank`] |
//! | by how much, within what limits? | [`hodges_lehmann`], [`effect_size`] |
//! | both, of thousands of pairs? | [`batch`] |
//! | do rates of bad events differ? | [`binomial`], [`poisson`] |
//! | may I look again and again? | [`sequential`], [`spending`] |
//! | is a whole distribution shifted? | [`stochastic_order`], [`clustered`], [`order_limits`] |
//! | in how large clusters do events come? | [`dispersion`] |
//! | may I look at many metrics? | [`multiplicity`] |
//! | how much is an autocorrelated series worth? | [`autocorrelation`] |
//! | what does a sample look like? | [`summary`] |
//! | distributions | [`normal`], [`student`], [`beta`] |

pub mod autocorrelation;
pub mod batch;
pub mod beta;
pub mod binomial;
mod buckets;
pub mod bursts;
pub mod clustered;
mod crossings;
pub mod dispersion;
pub mod effect_size;
pub mod exact;
mod gain;
pub mod hodges_lehmann;
mod ladder;
pub mod mann_whitney;
pub mod multiplicity;
pub mod normal;
pub mod order_limits;
pub mod poisson;
mod pool;
pub mod rank;
mod selection;
pub mod sequential;
pub mod spending;
pub mod state_space;
pub mod stochastic_order;
pub mod student;
pub mod summary;
pub mod wander;
pub mod winsor;

/// Which departure from "no difference" a test or an interval is about; the first sample is the
/// canary wherever there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// The first sample tends to be smaller.
    Less,
    /// The first sample tends to be larger.
    Greater,
    /// Either.
    TwoSided,
}
