//! The engine: events in, effects out. It owns no clock, socket or file (A1).

pub mod effect;
pub mod event;
pub mod record;
pub mod verdict;
pub mod view;
