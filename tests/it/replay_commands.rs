//! `haldane record` and `haldane replay` as people and batch systems meet them.

use crate::replay::demo;
use crate::support::daemon::haldane;
use haldane::recording;
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
            "differs from what was recorded in 1 places",
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
        (
            vec!["replay", "--merge", &file],
            "stream did not contain valid UTF-8",
        ),
        (vec!["record", "-t", "none.yaml"], "template none.yaml"),
    ] {
        let said = haldane(&args).await;
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(wanted), "{args:?}: {}", said.err);
    }
}
