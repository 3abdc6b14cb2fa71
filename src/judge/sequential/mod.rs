//! The sequential judge: verdicts that may be asked for at any time, as often as one likes.
//!
//! Every metric that can be judged gives an e-value against "no worse than its limit", for the
//! whole analysis and all looks together; a rollback needs the weighted sum of them to reach
//! 1/false_rollback ([`combine`]). How a series gets there:
//!
//! | step | module |
//! |---|---|
//! | history and replicas to noise and healthy offset | [`background`], [`offset`] |
//! | values side by side, as pairs | [`pairs`] |
//! | pairs of values to one bounded contrast, harm above zero | [`contrast`] |
//! | contrasts to evidence, incrementally | [`track`] |
//! | metrics observed at the same instants together | [`memory`] |
//! | what depends on no data, shared by all analyses | [`tables`] |
//! | evidence to a finding: label, effect, interval, what more time brings | [`series`] |

pub mod background;
pub mod combine;
pub mod contrast;
pub mod memory;
pub mod offset;
pub mod pairs;
pub mod series;
pub mod tables;
pub mod track;

pub use memory::{Detail, Memory};
pub use tables::Tables;
