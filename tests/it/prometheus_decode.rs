//! The one-pass decoder against a slow twin that builds a tree first, and against damage.

use haldane::prometheus::{FaultKind, SAMPLES_MAX, decode_answer};
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What the decoder promises, the obvious way.
fn naive(body: &[u8]) -> Answer {
    let tree: Value = serde_json::from_slice(body).unwrap();
    let texts = |name: &str| -> Vec<String> {
        let list = tree[name].as_array().map_or(&[][..], Vec::as_slice);
        list.iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let point = |pair: &Value| {
        let ms = (pair[0].as_f64().unwrap() * 1000.0).round();
        let text = pair[1].as_str().unwrap();
        Sample {
            at: Timestamp::from_ms(format!("{ms}").parse().unwrap()),
            value: text.parse().unwrap(),
        }
    };
    let mut answer = Answer {
        warnings: texts("warnings"),
        infos: texts("infos"),
        ..Answer::default()
    };
    for row in tree["data"]["result"].as_array().unwrap() {
        let labels = row["metric"].as_object().unwrap().iter();
        let labels = labels
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()))
            .collect();
        let histogram = row.get("histogram").or(row.get("histograms")).is_some();
        answer.histogram_series += usize::from(histogram);
        let samples = match (row.get("value"), row.get("values")) {
            (Some(pair), _) => vec![point(pair)],
            (_, Some(pairs)) => pairs.as_array().unwrap().iter().map(point).collect(),
            _ => continue,
        };
        answer.series.push(RawSeries { labels, samples });
    }
    answer.series.sort_by(|a, b| a.labels.cmp(&b.labels));
    answer
}

/// Comparable although NaN is never equal to itself.
fn bits(answer: &Answer) -> String {
    let series = answer.series.iter().map(|s| {
        let samples = s.samples.iter().map(|s| (s.at, s.value.to_bits()));
        format!("{:?} {:?}", s.labels, samples.collect::<Vec<_>>())
    });
    let rest = (&answer.warnings, &answer.infos, answer.histogram_series);
    format!("{:?} {rest:?}", series.collect::<Vec<_>>())
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NaN".to_owned()),
        Just("+Inf".to_owned()),
        Just("-Inf".to_owned()),
        any::<f64>()
            .prop_filter("written as above", |x| x.is_finite())
            .prop_map(|x| x.to_string()),
        any::<f64>()
            .prop_filter("written as above", |x| x.is_finite())
            .prop_map(|x| format!("{x:e}")),
    ]
}

fn point() -> impl Strategy<Value = Value> {
    let ms = -1_000_000_000_000_i64..4_000_000_000_000;
    (ms, number(), any::<bool>()).prop_map(|(ms, text, whole)| {
        if whole {
            json!([ms / 1000, text])
        } else {
            json!([ms as f64 / 1000.0, text])
        }
    })
}

fn row() -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map("\\PC{1,6}", any::<String>(), 0..4);
    let body = prop_oneof![
        point().prop_map(|p| vec![("value", p)]),
        prop::collection::vec(point(), 0..6).prop_map(|p| vec![("values", json!(p))]),
        Just(vec![("histogram", json!([1, {"count": "1"}]))]),
        prop::collection::vec(point(), 1..3).prop_map(|p| vec![
            (
                "histograms",
                json!([[1, {"buckets": [[0, "1", "2", "3"]]}]])
            ),
            ("values", json!(p))
        ]),
    ];
    (labels, body).prop_map(|(labels, body)| {
        let mut row = Map::new();
        row.insert("metric".into(), json!(labels));
        row.extend(
            body.into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(row)
    })
}

fn body() -> impl Strategy<Value = String> {
    let texts = || prop::option::of(prop::collection::vec(any::<String>(), 0..3));
    let rows = prop::collection::vec(row(), 0..6);
    (rows, texts(), texts(), any::<bool>()).prop_map(|(rows, warnings, infos, pretty)| {
        let tree = json!({
            "status": "success",
            "data": {"resultType": "matrix", "result": rows},
            "warnings": warnings,
            "infos": infos,
        });
        if pretty {
            format!("{tree:#}")
        } else {
            tree.to_string()
        }
    })
}

proptest! {
    #[test]
    fn one_pass_reads_what_the_tree_holds(body in body()) {
        let answer = decode_answer(body.as_bytes()).unwrap();
        prop_assert_eq!(bits(&answer), bits(&naive(body.as_bytes())));
    }

    /// However much is missing at the end, it never reads as a smaller answer.
    #[test]
    fn no_start_of_an_answer_is_an_answer(body in body(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(body.len());
        prop_assert!(decode_answer(&body.as_bytes()[..cut]).is_err(), "{}", cut);
    }

    /// Damage may read as another answer, but never as a crash.
    #[test]
    fn damage_never_panics(
        body in body(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = body.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(fault) = decode_answer(&bytes) {
            prop_assert!(!fault.message.is_empty());
        }
    }
}

/// A timestamp with milliseconds is not exact in binary; cutting would lose a millisecond.
#[test]
fn every_millisecond_survives() {
    for ms in 1_700_000_000_000_i64..1_700_000_002_000 {
        let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"scalar","result":[{seconds},"1"]}}}}"#
        );
        let answer = decode_answer(body.as_bytes()).unwrap();
        assert_eq!(answer.series[0].samples[0].at.ms(), ms);
    }
}

#[test]
fn too_many_samples_are_refused_whole() {
    let body = |series: usize, samples: usize| {
        let points = vec![r#"[1,"1"]"#; samples].join(",");
        let rows = vec![format!(r#"{{"metric":{{}},"values":[{points}]}}"#); series].join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{rows}]}}}}"#)
    };
    for (series, samples) in [(1, SAMPLES_MAX + 1), (2, SAMPLES_MAX / 2 + 1)] {
        let fault = decode_answer(body(series, samples).as_bytes()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
        assert!(
            fault.message.contains("more than 5000000 samples"),
            "{fault}"
        );
    }
}
