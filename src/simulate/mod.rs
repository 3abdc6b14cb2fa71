//! Simulated traffic with known truth, and analyses of it in simulated time.
//!
//! Everything is a function of the scenario, its seed and the instant, so a sample asked for twice,
//! or after a restart, or through a Prometheus, is the same sample.
//!
//! `scenario` is the document and `read` its checks; `incident` says what is wrong at an instant,
//! `traffic` makes samples of it, `openmetrics` writes them; `run` is the engine in simulated time,
//! `outcome` what came of it against what was required.

pub mod chance;
mod incident;
pub mod noise;
pub mod openmetrics;
pub mod outcome;
pub mod read;
pub mod run;
pub mod scenario;
pub mod selector;
pub mod share;
pub mod source;
pub mod traffic;
mod words;
pub mod work;
