//! Native histograms from the source's answer to bucket counts, and back from a record.

use crate::judge_plans as plans;
use haldane::judge::windows::{Batch, MetricData, Windows};
use haldane::plan::{Part, Plan, Queries, Slot};
use haldane::prometheus::decode_answer;
use haldane::series::raw::Answer;
use haldane::time::Span;
use haldane::units::MinEffect;
use proptest::prelude::*;

/// What is scraped of one arm: instant in seconds after the start, and buckets (left, right, count).
type Scrape = (i64, Vec<(f64, f64, u32)>);

/// The answer of a server, as its documentation describes it.
fn body(arms: &[(&str, &[Scrape])]) -> String {
    let series = arms.iter().map(|(arm, scrapes)| {
        let each = scrapes.iter().map(|(at, buckets)| {
            let seconds = plans::START.ms() / 1_000 + at;
            let count: u32 = buckets.iter().map(|bucket| bucket.2).sum();
            let buckets: Vec<String> = buckets
                .iter()
                .filter(|bucket| bucket.2 > 0)
                .map(|(left, right, count)| format!(r#"[0,"{left}","{right}","{count}"]"#))
                .collect();
            let list = format!(r#","buckets":[{}]"#, buckets.join(","));
            let list = if buckets.is_empty() {
                String::new()
            } else {
                list
            };
            format!(r#"[{seconds},{{"count":"{count}","sum":"1.5"{list}}}]"#)
        });
        let each: Vec<String> = each.collect();
        format!(
            r#"{{"metric":{{"__name__":"h","arm":"{arm}"}},"histograms":[{}]}}"#,
            each.join(",")
        )
    });
    let series: Vec<String> = series.collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#,
        series.join(",")
    )
}

fn plan(threshold: Option<f64>) -> Plan {
    let mut plan = plans::plan(10, 1, 0.05);
    let mut metric = plans::series_metric("latency", MinEffect::Relative(0.1), 0.05);
    metric.queries = Queries::Distribution {
        buckets: "h".to_owned(),
        threshold,
    };
    plan.metrics.push(metric);
    plan
}

/// Everything absorbed with looks at these minutes.
fn absorbed(plan: &Plan, answer: &Answer, looks: &[i64]) -> Windows {
    let mut windows = Windows::new(plan);
    let mut from = plans::START.minus(Span::from_s(300));
    for minute in looks {
        let to = plans::START.plus(plans::STEP.times(*minute));
        let slot = Slot {
            metric_idx: 0,
            part: Part::Buckets,
        };
        let answers = vec![(slot, answer.clone())];
        windows.absorb(plan, &Batch { from, to, answers });
        from = to;
    }
    windows
}

fn shapes(windows: &Windows) -> (Vec<f64>, Vec<String>) {
    let MetricData::Distribution { shapes, .. } = &windows.metrics[0].data else {
        panic!("a distribution");
    };
    let text = |idx: usize| match shapes.beyond(idx) {
        Some((b, c)) => format!("{:?}/{} {:?}/{}", b.counts, b.all, c.counts, c.all),
        None => "_".to_owned(),
    };
    (
        shapes.bounds().to_vec(),
        (0..shapes.len()).map(text).collect(),
    )
}

const ROOT: f64 = std::f64::consts::SQRT_2;

#[test]
fn an_answer_is_read_as_documented() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"a":"1"},"histograms":[
            [1700000000.5,{"count":"7","sum":"0.4","buckets":[
                [3,"-0.001","0.001","2"],[0,"0.25","0.5","5"]]}],
            [1700000015,{"count":"0","sum":"0"}],
            [1700000030,{"sum":"0"}]]},
        {"metric":{"a":"2"},"histogram":[1700000001,{"count":"1","sum":"1","buckets":[
            [0,"1","+Inf","1"]]}]}]}}"#;
    let answer = decode_answer(text.as_bytes()).unwrap();
    assert_eq!(answer.histogram_series, 2);
    assert!(answer.series.is_empty());
    let [one, two] = answer.histograms.as_slice() else {
        panic!("{answer:?}");
    };
    let instants: Vec<i64> = one.samples.iter().map(|s| s.at.ms()).collect();
    assert_eq!(instants, [1_700_000_000_500, 1_700_000_015_000]);
    let bucket = one.samples[0].buckets[1];
    assert_eq!((bucket.left, bucket.right, bucket.count), (0.25, 0.5, 5.0));
    assert_eq!(one.samples[1].buckets, []);
    assert!(two.samples[0].buckets[0].right.is_infinite());
    for broken in [
        r#"[1,{"count":"x"}]"#,
        r#"[1,{"count":"1","buckets":[[0,"1","2"]]}]"#,
        "[1]",
        r#"["1",{"count":"1"}]"#,
        r#"[1,{"count":"1"},2]"#,
    ] {
        let text = format!(
            r#"{{"status":"success","data":{{"result":[{{"metric":{{}},"histograms":[{broken}]}}]}}}}"#
        );
        assert!(decode_answer(text.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn scrapes_become_counts_per_interval() {
    let slow = |k: u32| vec![(0.25, 0.5, 10 * k), (1.0, 2.0, k)];
    let fast = |k: u32| vec![(0.25, 0.5, 20 * k)];
    let scrapes = |of: &dyn Fn(u32) -> Vec<(f64, f64, u32)>| -> Vec<Scrape> {
        (0..4_u32).map(|k| (60 * i64::from(k), of(k + 1))).collect()
    };
    let (baseline, canary) = (scrapes(&fast), scrapes(&slow));
    let arms = [("baseline", baseline.as_slice()), ("canary", &canary)];
    let answer = decode_answer(body(&arms).as_bytes()).unwrap();
    let plan = plan(None);
    let windows = absorbed(&plan, &answer, &[3]);
    let (bounds, rows) = shapes(&windows);
    assert_eq!(bounds, [0.25, 0.5, 1.0, 2.0]);
    let row = "[20.0, 0.0, 0.0, 0.0]/20 [11.0, 1.0, 1.0, 0.0]/11";
    assert_eq!(rows, [row, row, row]);
    let counts = windows.metrics[0].data.counts().unwrap();
    assert_eq!(counts[0].canary.map(|c| c.total), Some(11.0));
    assert_eq!(windows.metrics[0].notes, Vec::<String>::new());
}

#[test]
fn thresholds_count_where_a_bucket_ends_there() {
    let scrapes: Vec<Scrape> = (0..3_u32)
        .map(|k| {
            (
                60 * i64::from(k),
                vec![(0.25, 0.5, k), (0.5, ROOT / 2.0, 3 * k)],
            )
        })
        .collect();
    let arms = [("baseline", scrapes.as_slice()), ("canary", &scrapes)];
    let answer = decode_answer(body(&arms).as_bytes()).unwrap();
    let windows = absorbed(&plan(Some(0.5)), &answer, &[2]);
    let counts = windows.metrics[0].data.counts().unwrap()[0].canary.unwrap();
    assert_eq!((counts.bad, counts.total), (3.0, 4.0));
    let windows = absorbed(&plan(Some(0.3)), &answer, &[2]);
    assert_eq!(windows.metrics[0].data.counts().unwrap()[0].canary, None);
    let notes = windows.metrics[0].notes.join("; ");
    assert!(
        notes.contains("baseline has no bucket bound 0.3; bounds are 0.25, 0.5, 0.707"),
        "{notes}"
    );
}

#[test]
fn resets_coarser_schemes_and_new_tails_are_borne() {
    // Fine buckets of 2^(1/4) become buckets of 2, the process restarts, and a tail appears that
    // was never there.
    let quarter = |k: i32| libm::exp2(f64::from(k) / 4.0);
    let fine = |n: u32| -> Vec<(f64, f64, u32)> {
        (-8..0).map(|k| (quarter(k), quarter(k + 1), n)).collect()
    };
    let coarse = |n: u32, tail: u32| vec![(0.25, 0.5, 4 * n), (0.5, 1.0, 4 * n), (4.0, 8.0, tail)];
    let scrapes = vec![
        (0, fine(1)),
        (60, fine(2)),
        // Two scrapes are given for the finer bounds to come back.
        (80, coarse(3, 0)),
        (100, coarse(3, 0)),
        (120, coarse(3, 0)),
        (180, coarse(1, 5)),
        (240, coarse(2, 9)),
    ];
    let arms = [("baseline", scrapes.as_slice()), ("canary", &scrapes)];
    let answer = decode_answer(body(&arms).as_bytes()).unwrap();
    let plan = plan(None);
    let (bounds, rows) = shapes(&absorbed(&plan, &answer, &[4]));
    assert_eq!(bounds, [0.25, 0.5, 1.0, 4.0, 8.0]);
    let twice = |text: &str| format!("{text} {text}");
    assert_eq!(
        rows,
        [
            twice("[8.0, 4.0, 0.0, 0.0, 0.0]/8"),
            twice("[8.0, 4.0, 0.0, 0.0, 0.0]/8"),
            twice("[13.0, 9.0, 5.0, 5.0, 0.0]/13"),
            twice("[12.0, 8.0, 4.0, 4.0, 0.0]/12"),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However samples are cut into looks, the windows are the same, and nothing counted is lost.
    #[test]
    fn looks_of_any_size_give_the_same_shapes(
        baseline in prop::collection::vec(prop::collection::vec((0_i32..24, 0_u32..9), 0..6), 1..9),
        canary in prop::collection::vec(prop::collection::vec((0_i32..24, 0_u32..9), 0..6), 1..9),
        fine in prop::collection::vec(any::<bool>(), 9),
        looks in prop::collection::btree_set(1_i64..9, 0..6),
    ) {
        let scrapes = |steps: &[Vec<(i32, u32)>]| -> Vec<Scrape> {
            let mut counts = [0_u32; 25];
            let mut out = vec![(0, Vec::new())];
            for (k, step) in (1_i64..).zip(steps) {
                for (bucket, more) in step {
                    counts[usize::try_from(*bucket).unwrap()] += more;
                }
                let is_fine = fine[usize::try_from(k - 1).unwrap()];
                let width = if is_fine { 1 } else { 4 };
                let edge = |idx: usize| libm::exp2(idx as f64 / 2.0 - 6.0);
                let buckets = (0..24).step_by(width).map(|idx| {
                    (edge(idx), edge(idx + width), counts[idx..idx + width].iter().sum())
                });
                out.push((60 * k, buckets.collect()));
            }
            out
        };
        let (baseline, canary) = (scrapes(&baseline), scrapes(&canary));
        let arms = [("baseline", baseline.as_slice()), ("canary", &canary)];
        let answer = decode_answer(body(&arms).as_bytes()).unwrap();
        let plan = plan(Some(0.25));
        let at_once = absorbed(&plan, &answer, &[9]);
        let mut looks: Vec<i64> = looks.into_iter().collect();
        looks.push(9);
        prop_assert_eq!(&absorbed(&plan, &answer, &looks), &at_once);
        let MetricData::Distribution { shapes, .. } = &at_once.metrics[0].data else {
            panic!("a distribution");
        };
        let last = |scrapes: &[Scrape]| -> f64 {
            let end = scrapes.iter().rev().map(|(_, b)| b.iter().map(|b| b.2).sum::<u32>());
            f64::from(end.max().unwrap_or(0))
        };
        let counted: f64 = (0..shapes.len())
            .filter_map(|idx| shapes.baseline_beyond(idx))
            .map(|beyond| beyond.all)
            .sum();
        prop_assert!(counted <= last(&baseline));
    }
}
