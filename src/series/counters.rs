//! Counters to increments.

/// Placeholder shape, replaced by the real state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CounterState;
