//! The decision log as one daemon lives with it: open, append, reopen, and every way in which a
//! file is refused or is partly damaged.

use crate::wire_samples::{at, batch, captured, conclusion, facts, id, judged, judgement};
use haldane::engine::record::{Fact, Record, Seq};
use haldane::store::{Fault, FaultKind, Loaded, Options, Paper, Store};
use haldane::time::{Span, Timestamp};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use tempfile::TempDir;

pub(crate) fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/haldane.db");
    (dir, path)
}

pub(crate) fn open(path: &Path) -> (Store, Loaded) {
    Store::open(Options::new(path)).unwrap()
}

/// Appends and waits.
pub(crate) fn append(store: &Store, records: Vec<(Seq, Record)>) -> Result<Seq, Fault> {
    let (tell, told) = mpsc::channel();
    store.append(records, Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap()
}

fn refused(path: &Path) -> Fault {
    let options = Options {
        busy_timeout: Span::from_ms(20),
        ..Options::new(path)
    };
    Store::open(options).expect_err("the file must be refused")
}

fn all_facts() -> Vec<Fact> {
    facts().into_iter().map(|(_, fact)| fact).collect()
}

/// What is read back, comparable although samples are NaN.
fn text(records: &[(Seq, Record)]) -> String {
    format!("{records:#?}")
}

/// Changes a closed file in a way the daemon never would.
fn tamper(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("DROP TRIGGER record_is_never_changed; DROP TRIGGER record_is_never_removed")
        .unwrap();
    assert_ne!(connection.execute(sql, []).unwrap(), 0);
}

#[test]
fn what_was_appended_is_there_after_a_restart() {
    let (_dir, path) = place();
    let (store, loaded) = open(&path);
    assert_eq!(loaded.records, []);
    assert_eq!(loaded.last, Seq(0));
    // Without a conclusion everything is needed again.
    let mut facts = all_facts();
    facts.retain(|fact| !matches!(fact, Fact::Concluded { .. }));
    let records = at(1, "a1", facts);
    let end = Seq(records.len() as u64);
    assert_eq!(append(&store, records.clone()), Ok(end));
    assert_eq!(text(&store.records_of(&id("a1")).unwrap()), text(&records));
    assert_eq!(store.records_of(&id("a2")).unwrap(), []);
    store.close();

    let (_store, loaded) = open(&path);
    assert_eq!(text(&loaded.records), text(&records));
    assert_eq!(
        (loaded.last, loaded.damaged, loaded.holes),
        (end, vec![], vec![])
    );
}

#[test]
fn a_concluded_analysis_restarts_without_its_samples_and_old_judgements() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let look = |look| {
        let mut judgement = judgement();
        judgement.look = look;
        [captured(look, batch()), judged(judgement)]
    };
    let end = Fact::Concluded {
        conclusion: conclusion(),
    };
    let mut facts: Vec<Fact> = vec![all_facts().remove(0)];
    facts.extend(look(1).into_iter().chain(look(2)).chain([end]));
    let done = at(1, "done", facts);
    let running = at(7, "running", look(1).to_vec());
    append(&store, done.clone()).unwrap();
    append(&store, running.clone()).unwrap();
    store.close();

    let (store, loaded) = open(&path);
    let kept: Vec<u64> = loaded.records.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(kept, [1, 5, 6, 7, 8]);
    assert_eq!(loaded.last, Seq(8));
    assert_eq!(text(&store.records_of(&id("done")).unwrap()), text(&done));
}

#[test]
fn a_repeated_append_changes_nothing() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let records = at(1, "a1", all_facts());
    let end = append(&store, records.clone()).unwrap();
    assert_eq!(append(&store, records.clone()), Ok(end));
    assert_eq!(append(&store, records[2..4].to_vec()), Ok(Seq(4)));
    assert_eq!(store.records_of(&id("a1")).unwrap().len(), records.len());

    // Another record at a taken place is two histories in one file.
    let other = at(2, "a1", vec![all_facts().remove(6)]);
    let fault = append(&store, other).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Conflict, "{fault}");
    assert_eq!(text(&store.records_of(&id("a1")).unwrap()), text(&records));
}

#[test]
fn an_append_that_would_leave_a_hole_is_refused() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let fault = append(&store, at(2, "a1", all_facts())).unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutOfOrder);
    assert_eq!(
        fault.message,
        "store: record 2 cannot follow record 0; append from 1 on"
    );
    assert_eq!(append(&store, Vec::new()), Ok(Seq(0)));
    assert_eq!(store.records_of(&id("a1")).unwrap(), []);
}

#[test]
fn the_log_is_append_only_even_for_others() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    let other = Connection::open(&path).unwrap();
    for sql in ["UPDATE record SET at_ms = 0", "DELETE FROM record"] {
        let fault = other.execute(sql, []).unwrap_err().to_string();
        assert!(fault.contains("append-only"), "{fault}");
    }
}

#[test]
fn file_and_directory_are_for_their_owner_only() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_daemon_is_refused() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let fault = refused(&path);
    assert_eq!(fault.kind, FaultKind::InUse);
    assert!(
        fault.message.contains("another haldane has it open"),
        "{fault}"
    );
    store.close();
    open(&path);
}

#[test]
fn a_file_that_is_not_ours_is_left_as_it_is() {
    let (dir, _) = place();
    let foreign = dir.path().join("other.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE record (seq INTEGER); PRAGMA user_version = 1")
        .unwrap();
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "remember the milk").unwrap();
    for (path, what) in [
        (&foreign, "an SQLite database of another application"),
        (&notes, "no SQLite database"),
    ] {
        let before = fs::read(path).unwrap();
        let fault = refused(path);
        assert_eq!(fault.kind, FaultKind::NotADatabase);
        assert!(fault.message.contains(what), "{fault}");
        assert!(
            fault.message.contains(&path.display().to_string()),
            "{fault}"
        );
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_newer_schema_is_left_as_it_is() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    store.close();
    let raise = "PRAGMA user_version = 3";
    Connection::open(&path)
        .unwrap()
        .execute_batch(raise)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let fault = refused(&path);
    let kind = FaultKind::NewerSchema {
        found: 3,
        supported: 2,
    };
    assert_eq!(fault.kind, kind);
    assert!(
        fault
            .message
            .contains("has schema 3, this program knows up to 2"),
        "{fault}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);

    // A version that stands only in the write-ahead log yet is found as well.
    let other = Connection::open(&path).unwrap();
    let ask = |sql: &str| other.query_row(sql, [], |_| Ok(())).unwrap();
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    ask("PRAGMA wal_checkpoint(TRUNCATE)");
    other.execute_batch(raise).unwrap();
    assert_eq!(fs::read(&path).unwrap()[60..64], [0, 0, 0, 2]);
    assert_eq!(refused(&path).kind, kind);
}

#[test]
fn a_path_under_a_file_is_refused_with_the_reason() {
    let (dir, _) = place();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.join("haldane.db"), file.join("deeper/haldane.db")] {
        let fault = refused(&path);
        assert_eq!(fault.kind, FaultKind::Io);
        assert!(fault.message.contains("is a file"), "{fault}");
        assert!(
            fault.message.contains(&path.display().to_string()),
            "{fault}"
        );
    }
    let fault = refused(dir.path());
    assert_eq!(fault.kind, FaultKind::Io, "a directory is no file: {fault}");
}

#[test]
fn a_program_that_holds_the_file_is_waited_for_and_then_named() {
    let (_dir, path) = place();
    let options = Options {
        busy_timeout: Span::from_ms(20),
        ..Options::new(&path)
    };
    let (store, _) = Store::open(options).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let records = at(1, "a1", all_facts());
    let fault = append(&store, records.clone()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Locked, "{fault}");
    assert!(
        fault.message.contains("another program holds it"),
        "{fault}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        append(&store, records.clone()),
        Ok(Seq(records.len() as u64))
    );
}

#[test]
fn a_full_file_refuses_whole_appends_and_takes_them_later() {
    let (_dir, path) = place();
    let options = Options {
        bytes_max: Some(128 * 1024),
        ..Options::new(&path)
    };
    let (store, _) = Store::open(options).unwrap();
    let ignored = |len: usize| Fact::Ignored {
        what: "x".repeat(len),
    };
    let mut end = 0;
    let fault = loop {
        match append(
            &store,
            at(end + 1, "a1", vec![ignored(9000), ignored(9000)]),
        ) {
            Ok(Seq(last)) => end = last,
            Err(fault) => break fault,
        }
        assert!(end < 100, "the limit of size does not bind");
    };
    assert_eq!(fault.kind, FaultKind::DiskFull, "{fault}");
    assert!(fault.message.contains("free disk space"), "{fault}");
    assert_eq!(
        store.records_of(&id("a1")).unwrap().len() as u64,
        end,
        "all or nothing"
    );
    store.close();

    let (store, loaded) = open(&path);
    assert_eq!((loaded.last, loaded.holes), (Seq(end), vec![]));
    let records = at(end + 1, "a1", vec![ignored(9000), ignored(9000)]);
    assert_eq!(append(&store, records), Ok(Seq(end + 2)));
}

#[test]
fn damage_stays_with_its_analysis() {
    let cases = [
        (
            "UPDATE record SET body = substr(body, 1, 10) WHERE seq = 2",
            "digest",
        ),
        (
            "UPDATE record SET body = CAST(replace(body, '7', '8') AS BLOB) WHERE seq = 3",
            "digest",
        ),
        (
            "UPDATE record SET at_ms = at_ms + 1 WHERE seq = 2",
            "digest",
        ),
        ("UPDATE record SET format = -1 WHERE seq = 2", "digest"),
        (
            "UPDATE record SET kind = CAST(x'ff' AS TEXT) WHERE seq = 2",
            "digest",
        ),
    ];
    for (sql, reason) in cases {
        let (_dir, path) = place();
        let (store, _) = open(&path);
        let facts = || {
            vec![
                all_facts().remove(0),
                all_facts().remove(1),
                all_facts().remove(3),
            ]
        };
        append(&store, at(1, "broken", facts())).unwrap();
        let whole = at(4, "whole", facts());
        append(&store, whole.clone()).unwrap();
        store.close();
        tamper(&path, sql);

        let (store, loaded) = open(&path);
        assert_eq!(text(&loaded.records), text(&whole), "{sql}");
        let [damaged] = loaded.damaged.as_slice() else {
            panic!("{sql}: {:?}", loaded.damaged);
        };
        assert_eq!(damaged.analysis, "broken");
        assert!(
            damaged.message.contains(reason),
            "{sql}: {}",
            damaged.message
        );
        let fault = store.records_of(&id("broken")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Damaged);
        assert!(store.records_of(&id("whole")).is_ok());
        // The log goes on behind the damage.
        assert_eq!(append(&store, at(7, "next", facts())), Ok(Seq(9)));
    }
}

#[test]
fn damage_in_the_last_record_does_not_give_its_place_away() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    let end = all_facts().len() as u64;
    store.close();
    tamper(
        &path,
        &format!("UPDATE record SET body = x'00' WHERE seq = {end}"),
    );
    let (store, loaded) = open(&path);
    assert_eq!((loaded.records.len(), loaded.last), (0, Seq(end)));
    assert!(append(&store, at(end + 1, "a2", all_facts())).is_ok());
}

#[test]
fn missing_records_are_reported() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    let end = all_facts().len() as u64;
    store.close();
    tamper(&path, "DELETE FROM record WHERE seq IN (1, 3, 4)");
    let (_store, loaded) = open(&path);
    assert_eq!(loaded.holes, [(Seq(1), Seq(1)), (Seq(3), Seq(4))]);
    assert_eq!(loaded.last, Seq(end));
}

#[test]
fn a_record_of_a_later_program_is_damage_that_says_so() {
    use haldane::store::{Row, load};
    let (seq, record) = at(1, "a1", all_facts()).remove(0);
    let mut row = Row::new(seq, &record);
    row.semantics += 1;
    assert!(row.record().unwrap_err().to_string().contains("digest"));
    let loaded = load(vec![row], &haldane::store::Present::default());
    assert_eq!(loaded.records, []);
    assert_eq!(loaded.damaged.len(), 1);
}

fn paper(kind: &str, name: &str, at: i64, body: &str) -> Paper {
    Paper {
        kind: kind.to_owned(),
        name: name.to_owned(),
        at: Timestamp::from_ms(at),
        body: body.to_owned(),
    }
}

#[test]
fn papers_are_replaced_and_removed_as_a_whole() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    store.keep(&paper("config", "a", 1, "one")).unwrap();
    store.keep(&paper("config", "b", 2, "two")).unwrap();
    store
        .keep(&paper("other", "a", 3, "of another kind"))
        .unwrap();
    store
        .keep(&paper("config", "a", 4, "one, changed"))
        .unwrap();
    store.remove("config", "b").unwrap();
    store.remove("config", "never there").unwrap();
    // The log goes on beside them.
    append(&store, at(1, "a1", all_facts())).unwrap();
    store.close();
    let (store, _) = open(&path);
    assert_eq!(
        store.records_of(&id("a1")).unwrap().len(),
        all_facts().len()
    );
    let wanted = vec![
        paper("other", "a", 3, "of another kind"),
        paper("config", "a", 4, "one, changed"),
    ];
    assert_eq!(store.all_papers().unwrap(), (wanted, Vec::new()));
}

/// A11: one that was changed by a stray hand is named and left out.
#[test]
fn a_damaged_paper_spoils_no_other() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    store.keep(&paper("config", "a", 1, "one")).unwrap();
    store.keep(&paper("config", "b", 2, "two")).unwrap();
    store.close();
    let damage = "UPDATE paper SET body = CAST('three' AS BLOB) WHERE name = 'a'";
    Connection::open(&path)
        .unwrap()
        .execute_batch(damage)
        .unwrap();
    let (store, _) = open(&path);
    let (papers, damaged) = store.all_papers().unwrap();
    assert_eq!(papers, [paper("config", "b", 2, "two")]);
    assert!(
        damaged.len() == 1 && damaged[0].contains("config a"),
        "{damaged:?}"
    );
}

/// A file of the first schema has no papers; it gets the table and keeps its records.
#[test]
fn an_older_file_is_brought_up_to_date() {
    let (_dir, path) = place();
    let (store, _) = open(&path);
    append(&store, at(1, "a1", all_facts())).unwrap();
    store.close();
    let back = "DROP TABLE paper; PRAGMA user_version = 1";
    Connection::open(&path)
        .unwrap()
        .execute_batch(back)
        .unwrap();
    let (store, _) = open(&path);
    assert_eq!(
        store.records_of(&id("a1")).unwrap().len(),
        all_facts().len()
    );
    store.keep(&paper("config", "a", 1, "one")).unwrap();
    assert_eq!(store.all_papers().unwrap().0.len(), 1);
}
