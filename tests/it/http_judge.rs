//! `POST /v1/judge`: which windows and samples reach the driver, as what, and which are refused.

use crate::http_fixture::{Asked, Door, NOW, Setup, open, submission};
use crate::http_requests::{Case, check};
use haldane::judge::windows::Batch;
use haldane::plan::Plan;
use haldane::series::raw::RawSeries;
use haldane::time::Timestamp;
use std::sync::Arc;

/// Seconds of the sample at `n`, on the template's step of 30 s.
fn at(n: i64) -> i64 {
    NOW.ms() / 1000 - 3600 + 30 * n
}

fn judged(door: &Door) -> (Arc<Plan>, Option<Batch>) {
    match door.asked.lock().unwrap().pop() {
        Some(Asked::Judge(plan, samples)) => (plan, samples.map(|samples| *samples)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn inline_samples_become_the_answers_of_a_source() {
    let door = open(Setup::default()).await;
    let times: Vec<i64> = (0..12).map(at).collect();
    let body = format!(
        r#"{{"template":"checkout","inputs":{{"service":"shop"}},"deploy":{{"service":"shop"}},
        "samples":{{"cpu":{{"timestamps_s":{times:?},"baseline":[1,2,null,4,4,4,4,4,4,4,4,4],
        "canary":[5,6,7.5,8,8,8,8,8,8,8,8,8]}}}}}}"#
    );
    let reply = door.post("/v1/judge", &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let json = reply.json();
    assert_eq!(json["verdict"], "inconclusive");
    assert_eq!(json["reason"], "no metric has data");
    let (plan, batch) = judged(&door);
    let batch = batch.unwrap();
    assert_eq!(plan.timing.start, Timestamp::from_s(at(-1)));
    assert_eq!(plan.timing.deadline, Timestamp::from_s(at(11)));
    assert_eq!(
        plan.timing.bake_until, plan.timing.deadline,
        "nothing comes after the window"
    );
    assert_eq!(
        (batch.from, batch.to),
        (plan.timing.start, plan.timing.deadline)
    );
    let [(_, answer)] = batch.answers.as_slice() else {
        panic!("{batch:?}");
    };
    let [baseline, canary] = answer.series.as_slice() else {
        panic!("{answer:?}");
    };
    assert!(plan.rollout.baseline.matches(&baseline.labels));
    assert!(!plan.rollout.baseline.matches(&canary.labels));
    assert!(plan.rollout.canary.matches(&canary.labels));
    let values = |series: &RawSeries| {
        series
            .samples
            .iter()
            .map(|s| (s.at.ms() / 1000, s.value))
            .collect::<Vec<_>>()
    };
    let (baseline, canary) = (values(baseline), values(canary));
    assert_eq!(
        baseline[..3],
        [(at(0), 1.0), (at(1), 2.0), (at(3), 4.0)],
        "the gap is a gap"
    );
    assert_eq!(canary[..3], [(at(0), 5.0), (at(1), 6.0), (at(2), 7.5)]);
    assert_eq!((baseline.len(), canary.len()), (11, 12));
}

#[tokio::test]
async fn a_window_that_is_over_is_asked_of_the_source() {
    let door = open(Setup::default()).await;
    let window = r#","start":"2026-01-02T02:00:00Z","end":"2026-01-02T02:20:00Z""#;
    let reply = door.post("/v1/judge", &submission(window)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let (plan, batch) = judged(&door);
    assert!(batch.is_none());
    assert_eq!(plan.timing.start.to_string(), "2026-01-02T02:00:00Z");
    assert_eq!(plan.timing.deadline.to_string(), "2026-01-02T02:20:00Z");
}

#[tokio::test]
async fn windows_and_samples_that_are_refused() {
    let door = open(Setup::default()).await;
    let samples = |text: &str| submission(&format!(r#","samples":{text}"#));
    let one = |metric: &str, times: &[i64], values: &str| {
        samples(&format!(
            r#"{{"{metric}":{{"timestamps_s":{times:?},"baseline":{values},"canary":{values}}}}}"#
        ))
    };
    let future = submission(r#","start":"2026-01-02T02:00:00Z","end":"2026-01-02T04:00:00Z""#);
    let backwards = submission(r#","start":"2026-01-02T02:00:00Z","end":"2026-01-02T01:00:00Z""#);
    let both = submission(
        r#","start":"2026-01-02T02:00:00Z","end":"2026-01-02T02:20:00Z","duration":"1h""#,
    );
    let two = &[at(0), at(1)];
    let mut times: Vec<i64> = (0..12).map(at).collect();
    let many = "[1,2,3,4,5,6,7,8,9,10,11,12]";
    let (fine, misspelt) = (one("cpu", &times, many), one("cpi", two, "[1,2]"));
    let short = one("cpu", two, "[1,2]");
    times[3] += 7;
    let stray = one("cpu", &times, many);
    let timed = fine.replacen('{', r#"{"start":"2026-01-02T02:00:00Z","#, 1);
    let regex = fine.replace(r#"{"track":"stable"}"#, r#""track=~\"sta.*\"""#);
    let hooked = fine.replacen('{', r#"{"webhooks":[{"url":"https://example.org/"}],"#, 1);
    let (path, fields, unfit) = ("/v1/judge", "invalid_submission", "invalid_samples");
    #[rustfmt::skip] // one line, one case
    let cases: &[Case<'_>] = &[
        ("POST", path, "", &submission(""), 422, fields, &["\"start\"", "\"end\"", "or samples"]),
        ("POST", path, "", &future, 422, fields, &["has not come yet"]),
        ("POST", path, "", &backwards, 422, fields, &["not after start"]),
        ("POST", path, "", &both, 422, fields, &["one of them"]),
        ("POST", path, "", "[]", 422, fields, &["no object"]),
        ("POST", path, "", &samples("[]"), 422, fields, &["no object"]),
        ("POST", path, "", &samples("{}"), 422, fields, &["empty"]),
        ("POST", path, "", &one("cpu", &[], "[]"), 422, fields, &["samples.cpu", "at least one"]),
        ("POST", path, "", &one("cpu", two, "[1]"), 422, fields, &["2 timestamps, 1 baseline"]),
        ("POST", path, "", &one("cpu", two, "[1,\"x\"]"), 422, fields, &["samples.cpu"]),
        ("POST", path, "", &one("cpu", &[at(1), at(0)], "[1,2]"), 422, fields, &["sort"]),
        ("POST", path, "", &one("cpu", &[i64::MAX, 0], "[1,2]"), 422, fields, &["9999"]),
        ("POST", path, "", &misspelt, 422, unfit, &["did you mean cpu?"]),
        ("POST", path, "", &one("errors", two, "[1,2]"), 422, unfit, &["counted from events"]),
        ("POST", path, "", &stray, 422, unfit, &["step of 30s"]),
        ("POST", path, "", &short, 422, "invalid_plan", &["C031", "evidence"]),
        ("POST", path, "", &regex, 422, unfit, &["baseline", "leave it out"]),
        ("POST", path, "", &timed, 422, fields, &["\"start\"", "own instants"]),
        ("POST", path, "", &hooked, 422, fields, &["\"webhooks\""]),
        ("POST", path, "", &fine, 200, "", &["haldane.judgement/1"]),
    ];
    check(&door, cases).await;
}
