//! Tuning: how a template would have behaved on history in which nothing was wrong, what it would
//! have found if something had been, and which small change of it meets what is asked.
//!
//! | question | module |
//! |---|---|
//! | which windows of the past? | [`calendar`] |
//! | which pairs of populations, between which nothing had changed? | [`placebo`] |
//! | what if the canary had been worse? | [`inject`] |
//! | what does the template say of one pair, look after look? | [`course`] |
//! | how often is it wrong, and what does each metric cost and bring? | [`measure`] |
//! | which change would it have found, and how soon? | [`power`] |
//! | which other template is better, on history it was not chosen on? | [`propose`] |
//! | how is that written into its text? | [`edit`] |
//! | all of it together | [`whole`] |
//! | how is it said? | [`advice`], [`report`], [`report_json`] |
//!
//! Nothing here reads a file, a source or a clock: samples are handed in, chance has a seed, and
//! results do not depend on how many threads there are.

pub mod advice;
mod arms;
pub mod calendar;
pub mod course;
pub mod edit;
pub mod inject;
mod inject_buckets;
pub mod measure;
pub mod placebo;
pub mod power;
pub mod propose;
pub mod report;
pub mod report_json;
pub mod whole;
mod wish;
