//! Simulated traffic with known truth: the demo's and the sandbox's source of samples.
//!
//! Everything is a function of the scenario and the instant, so a sample asked for twice, or after
//! a restart, is the same sample.

pub mod noise;
pub mod scenario;
pub mod selector;
pub mod traffic;
