//! The clock of the benchmarks: a loop long enough to measure, repeated, and its median. Or no
//! clock: a loop of a given length, for whoever counts instructions around it.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Repeats of each loop; the median of an odd number is one of them.
const REPEATS: usize = 9;

/// A loop is made long enough to last this long: far above the clock's resolution.
const LOOP_MIN: Duration = Duration::from_millis(40);

/// Runs what the command line asked for.
#[derive(Debug)]
pub(crate) struct Runner {
    wanted: Vec<String>,
    /// The whole name of the one measurement to run.
    only: Option<String>,
    /// Run each operation so many times and time nothing.
    turns: Option<usize>,
}

/// How the command line asks for these.
const ONLY: &str = "--only=";
const TURNS: &str = "--turns=";

impl Runner {
    /// Arguments that are no flags are parts of names; none asks for everything. `--only=`
    /// takes a whole name, `--turns=N` leaves the clock alone. Cargo adds `--bench` itself.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Self {
        let (flags, wanted): (Vec<String>, _) = arguments.partition(|a| a.starts_with('-'));
        let flag = |name| flags.iter().find_map(|flag| flag.strip_prefix(name));
        let turns: Option<&str> = flag(TURNS);
        Self {
            wanted,
            only: flag(ONLY).map(str::to_owned),
            turns: turns.map(|turns| turns.parse().expect("--turns takes a whole number")),
        }
    }

    /// Whether a measurement of such a name was asked for: its input need not be made otherwise.
    pub(crate) fn wants(&self, name: &str) -> bool {
        if let Some(only) = &self.only {
            return name == only;
        }
        self.wanted.is_empty() || self.wanted.iter().any(|w| name.contains(w.as_str()))
    }

    /// Measures `operation`, which is handed a running number so that it can vary its input.
    pub(crate) fn measure<T>(&self, name: &str, mut operation: impl FnMut(usize) -> T) {
        if !self.wants(name) {
            return;
        }
        if let Some(turns) = self.turns {
            for turn in 0..turns {
                black_box(operation(black_box(turn)));
            }
            return;
        }
        let mut run = |count: usize| {
            let start = Instant::now();
            for turn in 0..count {
                black_box(operation(black_box(turn)));
            }
            start.elapsed()
        };
        let mut count = 1;
        while run(count) < LOOP_MIN {
            count *= 2;
        }
        let mut times: Vec<Duration> = (0..REPEATS).map(|_| run(count)).collect();
        times.sort_unstable();
        let per_operation = |time: Duration| time.as_secs_f64() * 1e9 / count as f64;
        println!(
            r#"{{"name":"{name}","ns_per_op":{:.1},"best_ns_per_op":{:.1}}}"#,
            per_operation(times[REPEATS / 2]),
            per_operation(times[0]),
        );
    }
}
