//! Verdicts computed again from recordings: under their own plan to the same bytes, under another
//! template, judge or parameters to see what would have been.
//!
//! | question | module |
//! |---|---|
//! | which plan? | [`plans`] |
//! | what was readable at a look? | [`slices`] |
//! | look after look, as the engine decides | [`course`] |
//! | the same again; another way | [`again`], [`anew`] |
//! | a recording of a past rollout | [`make`] |
//! | is it the same? what differs, look by look? | [`differences`] |
//! | which are healthy, which are not? | [`labels`] |
//! | many recordings: one line each, and their table | [`lines`], [`summary`] |
//!
//! Nothing here reads a file or a clock; the bytes are handed in by whoever has them.

pub mod again;
pub mod anew;
pub mod course;
pub mod differences;
pub mod labels;
pub mod lines;
pub mod make;
pub mod plans;
pub mod slices;
pub mod summary;
