//! `haldane record` and `haldane replay` as people and batch systems meet them.

use crate::replay::demo;
use crate::serve::{TEMPLATE, history};
use crate::support::daemon::{Site, haldane};
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use haldane::recording;
use serde_json::Value;
use std::path::Path;

/// Recordings and a list of them in a folder of their own.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, service) in [("a", "catalog"), ("b", "checkout"), ("c", "catalog")] {
        let path = dir.path().join(format!("{name}{}", recording::EXTENSION));
        recording::write(&path, &demo(service)).unwrap();
    }
    let list = "recording,label,onset\na.haldane.parquet,good\nb.haldane.parquet,bad,+0s\n\
                c.haldane.parquet,good\n";
    std::fs::write(dir.path().join("index.csv"), list).unwrap();
    dir
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn one_recording_says_that_it_is_the_same() {
    let dir = folder();
    let file = shown(&dir.path().join("b.haldane.parquet"));
    let said = haldane(&["replay", &file]).await;
    said.check(
        0,
        &["ROLLBACK", "checkout", "the same verdict, byte for byte"],
    );
    let said = haldane(&["replay", &file, "--judge", "kayenta", "--diff"]).await;
    said.check(1, &["INCONCLUSIVE", "recorded: rollback at look", "look 1"]);
    let said = haldane(&["replay", &file, "--as-of", "+2m", "-o", "json"]).await;
    assert_eq!(said.json()["now"]["verdict"], "pending");
    assert_eq!(said.json()["recorded"]["verdict"], "rollback");
    let said = haldane(&["replay", &file, "-o", "markdown", "--diff"]).await;
    said.check(0, &["| read to | recorded | now |", "byte for byte"]);
}

#[tokio::test]
async fn a_difference_is_an_exit_code() {
    let dir = folder();
    let path = dir.path().join("b.haldane.parquet");
    let mut recording = recording::read(&path).unwrap();
    recording.verdict = recording.verdict.replacen("rollback", "promote", 1);
    recording::write(&path, &recording).unwrap();
    let said = haldane(&["replay", &shown(&path)]).await;
    said.check(
        1,
        &[
            "differs from what was recorded in 1 place",
            "verdict: promote -> rollback",
        ],
    );
    let said = haldane(&["replay", &shown(dir.path())]).await;
    said.check(
        1,
        &["differs: b.haldane.parquet: verdict: promote -> rollback"],
    );
    std::fs::write(&path, "nothing").unwrap();
    let said = haldane(&["replay", &shown(dir.path())]).await;
    said.check(
        2,
        &[
            "3 recordings",
            "b.haldane.parquet: it is text, no recording",
        ],
    );
}

#[tokio::test]
async fn shards_merged_are_the_whole_table() {
    let dir = folder();
    let list = format!("@{}", shown(&dir.path().join("index.csv")));
    let part = |shard: usize| shown(&dir.path().join(format!("part-{shard}.jsonl")));
    for shard in 0..2 {
        let (of, to) = (format!("{shard}/2"), part(shard));
        let said = haldane(&["replay", &list, "--shard", &of, "-o", "jsonl", "--to", &to]).await;
        said.check(0, &[]);
    }
    for format in ["table", "json", "markdown"] {
        let whole = haldane(&["replay", &list, "--jobs", "2", "-o", format]).await;
        let merged = haldane(&["replay", "--merge", &part(1), &part(0), "-o", format]).await;
        whole.check(0, &["found (bad)", "false rollback (good)"]);
        assert_eq!(merged.out, whole.out);
    }
    let said = haldane(&["replay", "--merge", &part(0)]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("shard 1 is missing"), "{}", said.err);
}

#[tokio::test]
async fn mistakes_are_named_with_the_way_out() {
    let dir = folder();
    let file = shown(&dir.path().join("a.haldane.parquet"));
    let empty = tempfile::tempdir().unwrap();
    let bad_list = dir.path().join("bad.csv");
    std::fs::write(&bad_list, "a.haldane.parquet,fine\n").unwrap();
    let bad_list = format!("@{}", shown(&bad_list));
    for (args, wanted) in [
        (
            vec!["replay", "nowhere"],
            "recording nowhere: cannot read it",
        ),
        (
            vec!["replay", &shown(empty.path())],
            "there is no recording in it",
        ),
        (
            vec!["replay", &bad_list],
            "label `fine` is none of good, bad, nodata",
        ),
        (
            vec!["replay", &file, "--as-of", "soon"],
            "--as-of `soon` is no instant",
        ),
        (
            vec!["replay", &file, "--shard", "2/2"],
            "--shard `2/2` is no part",
        ),
        (
            vec!["replay", &file, "--param", "servce=x"],
            "unknown input `servce`",
        ),
        (vec!["replay", "--merge", &file], "it is no UTF-8 text"),
        (vec!["record", "-t", "none.yaml"], "template none.yaml"),
    ] {
        let said = haldane(&args).await;
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(wanted), "{args:?}: {}", said.err);
    }
}

/// A healthy and a regressed service, looked at every second.
const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: replayed }
spec:
  seed: 11
  scrape: 1s
  services:
    - name: fine
      gauges: [{ metric: latency, level: 0.2, noise: 0.02 }]
    - name: broken
      gauges: [{ metric: latency, level: 0.2, noise: 0.02, canaryFactor: 1.8 }]
    - name: murky
      gauges: [{ metric: latency, level: 0.2, noise: 0.9 }]
";

/// Its deadline is far: a dozen values that happen to hang together may decide nothing yet, and what
/// they are here depends on the hour.
const LIVING: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: living }
spec:
  inputs: { service: {} }
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 2s, bake: 6s, deadline: 40s, lag: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      min_samples: 5
      series: { query: 'latency{service=\"${service}\",${selector}}' }
";

/// What the daemon decided live is computed again from what it exports, and the document in the
/// recording is the one its readers saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemons_recordings_give_its_verdicts() {
    let site = Site::simulated(SCENARIO);
    site.template("living", LIVING);
    let daemon = site.start().await;
    let to = site.path("recordings");
    let folder = format!("{}/", shown(&to));
    let server = ["--server", daemon.url()];
    let submit = async |service: &str, wait: &'static str| {
        let input = format!("service={service}");
        let rest = [
            "--baseline",
            "track=\"stable\"",
            "--canary",
            "track=\"canary\"",
            "-o",
            "json",
        ];
        let named = [
            "submit",
            "-t",
            "living",
            "--service",
            service,
            "--input",
            &input,
            wait,
        ];
        haldane(&[&named[..], &rest, &server].concat()).await
    };
    let services = ["fine", "broken", "murky"];
    let said = futures_util::future::join_all(services.map(|s| submit(s, "--wait"))).await;
    let mut ids = Vec::new();
    // What is murky may end any way; what was healthy or broken may not.
    for (said, codes) in said.iter().zip([&[0][..], &[1], &[0, 1, 3]]) {
        assert!(codes.contains(&said.code.unwrap()), "{said:?}");
        ids.push(said.json()["id"].as_str().unwrap().to_owned());
    }
    // One that is under way, and one that somebody decides.
    for service in ["fine", "murky"] {
        let said = submit(service, "--webhook=http://127.0.0.1:9/x").await;
        ids.push(said.json()["id"].as_str().unwrap().to_owned());
    }
    let by = [
        "--author",
        "ada",
        "--reason",
        "we know better",
        "--server",
        daemon.url(),
    ];
    haldane(&[&["override", &ids[4], "promote"][..], &by].concat())
        .await
        .check(0, &[]);
    let args: Vec<&str> = ids.iter().map(String::as_str).collect();
    let said = haldane(&[&["record"][..], &args, &server, &["--to", &folder]].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    for (idx, id) in ids.iter().enumerate() {
        let path = to.join(format!("{id}{}", recording::EXTENSION));
        let kept = recording::read(&path).unwrap();
        assert_eq!(kept.analysis.as_str(), id);
        if idx != 3 {
            let api = daemon.get(&format!("/v1/analyses/{id}")).await.unwrap();
            let mut seen = api.body;
            // What came after the verdict is not what it was made from.
            for later in ["deliveries", "recovery"] {
                seen.as_object_mut().unwrap().remove(later);
            }
            assert_eq!(serde_json::from_str::<Value>(&kept.verdict).unwrap(), seen);
        }
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(
            holds("latency") && !holds("127.0.0.1:9"),
            "receivers stay behind"
        );
        haldane(&["replay", &shown(&path)])
            .await
            .check(0, &["byte for byte"]);
    }
    haldane(&["replay", &folder])
        .await
        .check(0, &["5 recordings", "5/5"]);
    let said = haldane(&[&["record", "nobody"][..], &server].concat()).await;
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("there is no analysis nobody"),
        "{}",
        said.err
    );
    daemon.stop().await;
}

/// An analysis that ended because its source could not be read ends so again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_source_is_replayed_too() {
    let site = Site::new(&[("source.url", "http://127.0.0.1:9")]);
    let text = LIVING.replace("lag: 1s }", "lag: 1s, source_grace: 1s }");
    site.template("living", &text);
    let daemon = site.start().await;
    let arms = [
        "--baseline",
        "track=\"a\"",
        "--canary",
        "track=\"b\"",
        "--wait",
        "-o",
        "json",
    ];
    let what = [
        "submit",
        "-t",
        "living",
        "--service",
        "x",
        "--input",
        "service=x",
    ];
    let server = ["--server", daemon.url()];
    let said = haldane(&[&what[..], &arms, &server].concat()).await;
    let document = said.json();
    let reason = document["reason"].as_str().unwrap();
    assert!(
        reason.contains("no sample was ever read, the source failed"),
        "{reason}"
    );
    let file = shown(&site.path("lost.haldane.parquet"));
    let id = document["id"].as_str().unwrap();
    haldane(&[&["record", id, "--to", &file][..], &server].concat())
        .await
        .check(0, &["inconclusive after 0 looks"]);
    haldane(&["replay", &file])
        .await
        .check(0, &["byte for byte; 0 looks", reason]);
    daemon.stop().await;
}

/// Past rollouts from a real Prometheus: one from flags, many from a list, and their table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_rollouts_are_recorded_from_a_prometheus() {
    let now = jiff::Timestamp::now().as_second();
    let history = history(now);
    let wanted = Wanted {
        history: Some(&history),
        ..Wanted::default()
    };
    let server = PrometheusServer::start(&wanted);
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("web.yaml");
    std::fs::write(&template, TEMPLATE).unwrap();
    let (template, url) = (shown(&template), server.url().to_string());
    let start = format!("{}", now - 200);
    let usual = [
        "record",
        "-t",
        &template,
        "--prometheus",
        &url,
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
        "--duration",
        "60s",
    ];
    let file = shown(&dir.path().join("one.haldane.parquet"));
    let one = [
        "--service",
        "checkout",
        "--input",
        "service=checkout",
        "--start",
        &start,
    ];
    let to = ["--to", &file];
    haldane(&[&usual[..], &one, &to].concat())
        .await
        .check(0, &["rollback after", "haldane replay"]);
    haldane(&["replay", &file])
        .await
        .check(0, &["ROLLBACK", "byte for byte"]);

    let list = dir.path().join("rollouts.csv");
    let text = format!(
        "service,start,input.service,name,label,onset\n\
         catalog,{start},catalog,cat,good,\ncheckout,{start},checkout,check,bad,+0s\n\
         nobody,{start},nobody,none,nodata,\n"
    );
    std::fs::write(&list, text).unwrap();
    let (list, folder) = (shown(&list), shown(&dir.path().join("all")));
    let many = ["--list", &list, "--to", &folder];
    let said = haldane(&[&usual[..], &many].concat()).await;
    said.check(
        3,
        &["2 of 3 recorded", "nobody at", "no query has any sample"],
    );
    let index = format!("@{folder}/index.csv");
    let said = haldane(&["replay", &index, "-o", "json"]).await;
    said.check(0, &[]);
    let labels = &said.json()["labels"];
    assert_eq!(labels[0]["promote"], 1, "{labels}");
    assert_eq!(labels[1]["rollback"], 1, "{labels}");

    let future = [
        "--service",
        "catalog",
        "--input",
        "service=catalog",
        "--start",
        "-10s",
    ];
    let said = haldane(&[&usual[..], &future].concat()).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("which is still to come"), "{}", said.err);
}
