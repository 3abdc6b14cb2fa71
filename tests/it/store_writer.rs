//! The writer on a log that fails on request: what is reported durable is, whatever happens.

use crate::store::{open, place};
use crate::wire_samples::{at, facts};
use haldane::engine::record::{Fact, Record, Seq};
use haldane::store::{Fault, FaultKind, Log, MemoryLog, Present, QUEUE_MAX, Row, Writer, load};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

fn note(first: u64) -> Vec<(Seq, Record)> {
    at(
        first,
        "a1",
        vec![Fact::Ignored {
            what: format!("note {first}"),
        }],
    )
}

fn append(writer: &Writer, records: Vec<(Seq, Record)>) -> Receiver<Result<Seq, Fault>> {
    let (tell, told) = channel();
    writer.append(records, Box::new(move |result| tell.send(result).unwrap()));
    told
}

fn kind(result: Result<Seq, Fault>) -> FaultKind {
    result.unwrap_err().kind
}

/// A log whose commits wait for permission, so that a test decides what queues up.
struct Gate {
    log: MemoryLog,
    open: Receiver<()>,
    entered: Sender<()>,
}

impl Log for Gate {
    fn commit(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let _ = self.entered.send(());
        // A closed gate channel is an open gate.
        let _ = self.open.recv();
        self.log.commit(rows)
    }
}

fn gated(log: &MemoryLog) -> (Writer, Sender<()>, Receiver<()>) {
    let ((opener, open), (entered, entries)) = (channel(), channel());
    let log = log.clone();
    let gate = Gate { log, open, entered };
    (Writer::start(gate, Seq(0)).unwrap(), opener, entries)
}

#[test]
fn a_failed_commit_fails_its_appends_and_those_that_follow_until_it_is_repeated() {
    for cause in [FaultKind::DiskFull, FaultKind::Locked, FaultKind::Io] {
        let log = MemoryLog::new();
        let writer = Writer::start(log.clone(), Seq(0)).unwrap();
        assert_eq!(append(&writer, note(1)).recv().unwrap(), Ok(Seq(1)));
        log.fail_next(cause);
        assert_eq!(kind(append(&writer, note(2)).recv().unwrap()), cause);
        // "Up to 3" must not be said while 2 is missing.
        assert_eq!(
            kind(append(&writer, note(3)).recv().unwrap()),
            FaultKind::OutOfOrder
        );
        assert_eq!(log.rows().len(), 1);
        let owed = [note(2), note(3)].concat();
        assert_eq!(append(&writer, owed).recv().unwrap(), Ok(Seq(3)));
        assert_eq!(
            Present::of(&log.rows()),
            Present {
                last: 3,
                holes: vec![]
            }
        );
        assert_eq!(writer.stats().failed, 2);
    }
}

#[test]
fn what_queues_up_during_a_commit_is_one_commit() {
    let log = MemoryLog::new();
    let (writer, gate, entries) = gated(&log);
    let first = append(&writer, note(1));
    entries.recv().unwrap();
    let rest: Vec<_> = (2..=500).map(|seq| append(&writer, note(seq))).collect();
    drop(gate);
    assert_eq!(first.recv().unwrap(), Ok(Seq(1)));
    for (seq, told) in (2..).zip(rest) {
        assert_eq!(told.recv().unwrap(), Ok(Seq(seq)));
    }
    assert_eq!((log.commits(), log.rows().len()), (2, 500));
    drop(writer);
}

#[test]
fn a_full_queue_is_said_at_once() {
    let log = MemoryLog::new();
    let (writer, gate, entries) = gated(&log);
    let first = append(&writer, note(1));
    entries.recv().unwrap();
    let waiting: Vec<_> = (2..QUEUE_MAX as u64 + 2)
        .map(|seq| append(&writer, note(seq)))
        .collect();
    let over = append(&writer, note(QUEUE_MAX as u64 + 2));
    assert_eq!(kind(over.try_recv().unwrap()), FaultKind::Backlog);
    drop(gate);
    assert_eq!(first.recv().unwrap(), Ok(Seq(1)));
    assert!(waiting.into_iter().all(|told| told.recv().unwrap().is_ok()));
    let last = append(&writer, note(QUEUE_MAX as u64 + 2)).recv().unwrap();
    assert_eq!(last, Ok(Seq(QUEUE_MAX as u64 + 2)));
}

#[test]
fn a_conflict_is_the_fault_of_one_append_only() {
    let log = MemoryLog::new();
    let (writer, gate, entries) = gated(&log);
    let first = append(&writer, note(1));
    entries.recv().unwrap();
    let other = at(
        1,
        "a1",
        vec![Fact::Ignored {
            what: "another history".to_owned(),
        }],
    );
    let (wrong, right) = (append(&writer, other), append(&writer, note(2)));
    drop(gate);
    assert_eq!(first.recv().unwrap(), Ok(Seq(1)));
    assert_eq!(kind(wrong.recv().unwrap()), FaultKind::Conflict);
    assert_eq!(right.recv().unwrap(), Ok(Seq(2)));
    assert_eq!(log.rows().len(), 2);
}

#[test]
fn after_a_crash_the_log_holds_what_was_reported_and_takes_it_again() {
    let log = MemoryLog::new();
    let facts = || {
        facts()
            .into_iter()
            .map(|(_, fact)| fact)
            .collect::<Vec<_>>()
    };
    let writer = Writer::start(log.clone(), Seq(0)).unwrap();
    let end = append(&writer, at(1, "a1", facts()))
        .recv()
        .unwrap()
        .unwrap();
    log.crash();
    let lost = at(end.0 + 1, "a2", facts());
    assert_eq!(
        kind(append(&writer, lost.clone()).recv().unwrap()),
        FaultKind::Io
    );
    drop(writer);
    log.restart();
    let rows = log.rows();
    let present = Present::of(&rows);
    let loaded = load(rows, &present);
    assert_eq!(
        format!("{:?}", loaded.records),
        format!("{:?}", at(1, "a1", facts()))
    );
    let writer = Writer::start(log.clone(), loaded.last).unwrap();
    assert!(append(&writer, lost).recv().unwrap().is_ok());
}

#[test]
fn a_panic_in_one_answer_does_not_stop_the_log() {
    let log = MemoryLog::new();
    let writer = Writer::start(log.clone(), Seq(0)).unwrap();
    writer.append(note(1), Box::new(|_| panic!("asked for by a test")));
    assert_eq!(append(&writer, note(2)).recv().unwrap(), Ok(Seq(2)));
    assert_eq!(log.rows().len(), 2);
}

#[test]
fn many_producers_share_commits_of_the_real_log() {
    const PRODUCERS: u64 = 16;
    const EACH: u64 = 40;
    let (_dir, path) = place();
    let (store, _) = open(&path);
    let next = Arc::new(Mutex::new(1_u64));
    let produce = || {
        for _ in 0..EACH {
            let (tell, told) = channel();
            let mut seq = next.lock().unwrap();
            let done = move |result: Result<Seq, Fault>| tell.send(result).unwrap();
            store.append(note(*seq), Box::new(done));
            let own = Seq(*seq);
            *seq += 1;
            drop(seq);
            assert_eq!(told.recv().unwrap(), Ok(own));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(produce);
        }
    });
    let stats = store.stats();
    assert_eq!(
        (stats.records, stats.failed, stats.waiting),
        (PRODUCERS * EACH, 0, 0)
    );
    assert!(stats.commits < stats.records, "{stats:?}");
    println!("{} records in {} commits", stats.records, stats.commits);
}
