//! Reading a source's answer, beside the tree that any JSON reader would build of it.

use crate::timing::Runner;
use std::fmt::Write as _;

/// Answers of the sizes that occur: (series, points each). The first is one look of a template
/// with twenty series, the last as much as one request may give of it.
const SHAPES: [(usize, usize); 4] = [(20, 240), (20, 1440), (1, 11_000), (20, 11_000)];

pub(crate) fn run(runner: &Runner) {
    for (series, points) in SHAPES {
        let names = ["decode", "decode_as_tree"];
        if !names
            .iter()
            .any(|name| runner.wants(&format!("{name}/{series}x{points}")))
        {
            continue;
        }
        let body = answer(series, points);
        runner.measure(&format!("decode/{series}x{points}"), |_| {
            haldane::prometheus::decode_answer(body.as_bytes())
        });
        runner.measure(&format!("decode_as_tree/{series}x{points}"), |_| {
            serde_json::from_slice::<serde_json::Value>(body.as_bytes())
        });
    }
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
