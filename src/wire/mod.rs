//! The JSON shapes of everything that leaves or enters the process (A9).
//!
//! Domain types carry no serde derives; the shapes here do, and conversions join the two. So a
//! renamed field in the core never changes a file or an answer by accident. Records
//! ([`record`], [`recording`]) keep every bit and are read for ever; public documents
//! ([`verdict`], [`report`], [`event`], [`problem`]) hold only numbers JSON knows; [`submission`]
//! is what others send us; [`conformance`] is what tests of controllers are written in; [`line`]
//! keeps text of others on one line.

pub mod cdevents;
pub mod conformance;
pub mod coordination;
pub mod event;
pub mod github;
pub mod line;
pub mod markdown;
mod number;
pub mod problem;
pub mod record;
pub mod recording;
pub mod report;
pub mod scope_text;
pub mod submission;
pub mod subscription;
pub mod verdict;
