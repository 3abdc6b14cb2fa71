//! Proof as a program: judges over simulated and over labelled baseline/canary pairs, side by
//! side, with the rates that matter and their intervals.
//!
//! | question | module |
//! |---|---|
//! | what is drawn? | [`generators`] over [`chance`] |
//! | what is shown, and when? | [`trial`], [`looks`] |
//! | who judges? | [`judges`], [`peers`] |
//! | how often, how soon? | [`simulated`], [`labelled`], [`share`] |
//! | at equal false alarms? | [`roc`] |
//! | how is it said? | [`report`] |
//!
//! Nothing here reads a file, a clock or a random device: rows are handed in, seeds are arguments,
//! and results do not depend on how many threads there are.

pub mod generators;
pub mod judges;
pub mod labelled;
pub mod limits;
pub mod looks;
pub mod manifest;
pub mod peers;
pub mod report;
pub mod roc;
pub mod simulated;
pub mod trial;

pub use crate::simulate::{chance, share, work};
