//! How long scoring takes. `cargo bench --bench scoring [-- part-of-a-name]` prints one JSON line
//! per measurement; `benches/run` sets them beside the same work in SciPy.
//!
//! To add a measurement: a module beside this one with a `run(&Runner)`, and a line in `main`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

mod decode;
mod kayenta;
mod location;
mod look;
mod replay;
mod timing;

fn main() {
    let runner = timing::Runner::from_arguments(std::env::args().skip(1));
    decode::run(&runner);
    kayenta::run(&runner);
    location::run(&runner);
    look::run(&runner);
    replay::run(&runner);
}
