//! The only test binary: one module per promise.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "tests do I/O, read clocks and stop at the first surprise"
)]
mod judge_burn;
mod judge_cases;
mod judge_look;
mod judge_null;
mod judge_plans;
mod stats_evidence;
mod stats_small;
mod stats_vectors;

mod burn;
mod cases;
mod series;
mod windows;
