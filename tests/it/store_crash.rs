//! What a kill leaves: the bytes of the files at some instant. A copy of them opens, and holds
//! every append that was reported durable before the copy was made, whole (A3).

use crate::store::{append, open, place};
use crate::wire_samples::{at, batch, captured, facts, id};
use haldane::engine::record::{Fact, Seq};
use haldane::store::{Options, Store};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Copies the database and its write-ahead log, not the index in shared memory: it is rebuilt.
fn copy(path: &Path, name: &str) -> PathBuf {
    let target = path.with_file_name(name);
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", path.display());
        fs::copy(from, format!("{}{suffix}", target.display())).unwrap();
    }
    target
}

fn two_facts() -> Vec<Fact> {
    let (_, first) = facts().remove(0);
    vec![first, captured(1, batch())]
}

#[test]
fn a_copy_made_while_the_writer_lives_holds_all_that_was_reported() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    for round in 0..20_u64 {
        let end = append(&store, at(2 * round + 1, "a1", two_facts())).unwrap();
        let (copied, loaded) = open(&copy(&path, &format!("copy-{round}.db")));
        assert_eq!(loaded.last, end);
        assert_eq!((loaded.holes, loaded.damaged), (vec![], vec![]));
        // Life goes on in the copy.
        assert_eq!(
            append(&copied, at(end.0 + 1, "a2", two_facts())),
            Ok(Seq(end.0 + 2))
        );
    }
}

#[test]
fn a_torn_write_ahead_log_loses_only_its_tail_and_no_half_append() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let before = append(&store, at(1, "a1", two_facts())).unwrap();
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let reported = fs::metadata(&wal).unwrap().len();
    let end = append(&store, at(before.0 + 1, "a1", two_facts())).unwrap();
    let whole = fs::metadata(&wal).unwrap().len();
    assert!(whole > reported);
    let mut seen = Vec::new();
    for len in (reported..whole).step_by(512).chain([whole]) {
        let torn = copy(&path, "torn.db");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(format!("{}-wal", torn.display()))
            .unwrap();
        file.set_len(len).unwrap();
        let (opened, loaded) = open(&torn);
        assert!(
            [before, end].contains(&loaded.last),
            "{len}: {:?}",
            loaded.last
        );
        assert_eq!((loaded.holes, loaded.damaged), (vec![], vec![]));
        let records = opened.records_of(&id("a1")).unwrap();
        assert_eq!(records.len() as u64, loaded.last.0);
        seen.push(loaded.last);
        opened.close();
        fs::remove_file(&torn).unwrap();
        let _ = fs::remove_file(format!("{}-wal", torn.display()));
    }
    seen.dedup();
    assert_eq!(seen, [before, end]);
}

#[test]
fn a_store_that_is_dropped_has_run_every_answer() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let (tell, told) = std::sync::mpsc::channel();
    for round in 0..50_u64 {
        let tell = tell.clone();
        let done = move |result| tell.send(result).unwrap();
        store.append(at(2 * round + 1, "a1", two_facts()), Box::new(done));
    }
    drop((store, tell));
    let results: Vec<_> = told.iter().collect();
    assert_eq!(results.len(), 50);
    assert!(results.iter().all(Result::is_ok));
    let (_store, loaded) = Store::open(Options::new(&path)).unwrap();
    assert_eq!(loaded.last, Seq(100));
}

/// Names the file to a child; see below.
const CHILD: &str = "HALDANE_TEST_STORE_CHILD";

/// The child of the test below: appends until it is killed, and says what is durable. Without a
/// file it has its own, and stops after a few rounds.
#[test]
fn appends_until_killed() {
    let (_dir, own) = place();
    let (path, rounds) = match std::env::var_os(CHILD) {
        Some(path) => (PathBuf::from(path), u64::MAX),
        None => (own, 5),
    };
    let (store, loaded) = open(&path);
    let mut end = loaded.last;
    for _ in 0..rounds {
        let records = at(end.0 + 1, "a1", two_facts());
        let expected = Seq(end.0 + 2);
        end = append(&store, records).unwrap();
        assert_eq!(end, expected);
        println!("durable {}", end.0);
    }
}

#[test]
fn a_killed_process_leaves_all_that_it_reported() {
    let (_dir, path) = place();
    let mut reported = 0;
    for (round, lines) in [1, 2, 5, 11, 23].into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store_crash::appends_until_killed",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let durable = output
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| Some(line.rsplit_once("durable ")?.1.parse::<u64>().unwrap()));
        let last = durable.take(lines).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(last > reported, "round {round} went on from the one before");
        reported = last;

        let (store, loaded) = open(&path);
        assert!(loaded.last.0 >= reported, "{:?} < {reported}", loaded.last);
        assert_eq!(loaded.last.0 % 2, 0, "no half append");
        assert_eq!((loaded.holes, loaded.damaged), (vec![], vec![]));
        let records = store.records_of(&id("a1")).unwrap();
        assert_eq!(records.len() as u64, loaded.last.0);
    }
}
