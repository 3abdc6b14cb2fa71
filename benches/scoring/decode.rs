//! How long it takes to read an answer, beside the tree that any JSON reader would build.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Answers of the sizes that occur: (series, points each). The first is one look of a template
/// with twenty series, the last a whole day of it in one request.
const SHAPES: [(usize, usize); 3] = [(20, 240), (1, 11_000), (20, 11_000)];

/// Runs of each; the fastest is shown, being the least disturbed.
const RUNS: usize = 15;

/// Reads answers of each shape with our decoder and as a tree; gives lines of a report.
pub(crate) fn decode_bench() -> Vec<String> {
    let line = |(series, points)| {
        let body = answer(series, points);
        let ours = fastest(|| {
            let answer = haldane::prometheus::decode_answer(black_box(body.as_bytes()));
            assert_eq!(answer.map(|answer| answer.series.len()), Ok(series));
        });
        let tree = fastest(|| {
            let tree: Result<serde_json::Value, _> = serde_json::from_slice(body.as_bytes());
            assert!(black_box(tree).is_ok());
        });
        format!(
            "decode {series:>2} x {points:>6} ({:>7} bytes): {:>9.1} us, {:.0} MB/s; \
             as a tree {:>9.1} us, {:.1} times as long",
            body.len(),
            ours.as_secs_f64() * 1e6,
            body.len() as f64 / 1e6 / ours.as_secs_f64(),
            tree.as_secs_f64() * 1e6,
            tree.as_secs_f64() / ours.as_secs_f64(),
        )
    };
    SHAPES.into_iter().map(line).collect()
}

fn fastest(run: impl Fn()) -> Duration {
    let timed = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..RUNS).map(timed).min().unwrap_or_default()
}

/// An answer as a server writes it: values of a rate, which use all their digits.
fn answer(series: usize, points: usize) -> String {
    let mut text = r#"{"status":"success","data":{"resultType":"matrix","result":["#.to_owned();
    for s in 0..series {
        let comma = if s > 0 { "," } else { "" };
        let _ = write!(
            text,
            r#"{comma}{{"metric":{{"job":"app","pod":"v2-{s}"}},"values":["#
        );
        for p in 0..points {
            let comma = if p > 0 { "," } else { "" };
            let value = ((s * points + p) as f64 * 0.618_033_988_749_895).fract();
            let _ = write!(text, r#"{comma}[{}.781,"{value}"]"#, 1_700_000_000 + p * 15);
        }
        text.push_str("]}");
    }
    text + "]}}"
}
