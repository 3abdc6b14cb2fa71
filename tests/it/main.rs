//! The only test binary: one module per promise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests do I/O, read clocks and stop at the first surprise"
)]

mod engine_cases;
mod engine_desk;
mod engine_plans;
mod engine_recover;
mod engine_simulation;
mod engine_verdict;
mod stats_small;
mod stats_vectors;
mod templates;
