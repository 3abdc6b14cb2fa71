//! The log in SQLite: one connection that writes, one that reads.

use crate::ids::AnalysisId;
use crate::store::load::Present;
use crate::store::memory::conflict;
use crate::store::place::{APPLICATION_ID, check_version};
use crate::store::{Fault, FaultKind, Log, Options, Row};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Step `i` takes a file from schema `i` to `i + 1`; a released step is never edited.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001_record.sql"),
    include_str!("migrations/0002_paper.sql"),
];

/// The schema this program writes: `PRAGMA user_version`.
pub(super) const SCHEMA_VERSION: i64 = 2;

/// The WAL is cut back to this many bytes after a checkpoint, so that one burst does not keep
/// its room for ever.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// The connection that writes.
#[derive(Debug)]
pub struct SqliteLog {
    connection: Connection,
    path: PathBuf,
}

impl SqliteLog {
    /// Opens the file, which must be ours or empty, and brings its schema up to date.
    pub(super) fn open(options: &Options) -> Result<Self, Fault> {
        let connection = connect(options)?;
        let mut log = Self {
            connection,
            path: options.path.clone(),
        };
        log.migrate().map_err(|fault| log.named("open", fault))?;
        configure(&log.connection, &log.path)?;
        log.set_bytes_max(options.bytes_max)?;
        Ok(log)
    }

    /// Limits the file to `bytes` (rounded down to whole pages); `None` lifts the limit. What is
    /// stored already stays.
    pub fn set_bytes_max(&mut self, bytes: Option<u64>) -> Result<(), Fault> {
        limit(&self.connection, &self.path, bytes)
    }

    fn migrate(&mut self) -> Result<(), Problem> {
        let version = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.query_row("PRAGMA user_version", [], |row| row.get(0))
        };
        let found = version(&self.connection)?;
        check_version(&self.path, found)?;
        for (step, sql) in (1_i64..).zip(MIGRATIONS) {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Inside the transaction the header cannot show half a step.
            if version(&transaction)? < step {
                transaction.execute_batch(sql)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", step)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    fn insert(&mut self, rows: &[Row]) -> Result<(), Problem> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO record (seq, analysis, at_ms, kind, format, semantics, digest, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (seq) DO NOTHING",
            )?;
            for row in rows {
                let inserted = insert.execute(params![
                    row.seq.cast_signed(),
                    row.analysis,
                    row.at_ms,
                    row.kind,
                    row.format,
                    row.semantics,
                    row.digest,
                    row.body,
                ])?;
                if inserted == 0 && !holds(&transaction, row)? {
                    return Err(conflict(&self.path.display().to_string(), row.seq).into());
                }
            }
        }
        // Dropping the transaction on the way out of any error above rolls it back.
        transaction.commit()?;
        Ok(())
    }

    fn named(&self, act: &str, problem: Problem) -> Fault {
        problem.named(act, &self.path)
    }
}

impl Log for SqliteLog {
    fn commit(&mut self, rows: &[Row]) -> Result<(), Fault> {
        self.insert(rows)
            .map_err(|problem| self.named("write", problem))
    }
}

/// Whether the row at this place says the same.
fn holds(connection: &Connection, row: &Row) -> rusqlite::Result<bool> {
    let there = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM record WHERE seq = ?1"))?
        .query_row([row.seq.cast_signed()], read_row)
        .optional()?;
    Ok(there.is_some_and(|there| there.same(row)))
}

/// The connection that reads; in WAL mode it never waits for the one that writes.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
    path: PathBuf,
}

const COLUMNS: &str = "seq, analysis, at_ms, kind, format, semantics, digest, body";

/// What a restart reads: everything of analyses under way, and of concluded ones all but samples
/// and superseded judgements, which are most of the bytes. The kinds without `captured` and
/// `judged` are few and small.
const RESTART: &str = "
    WITH concluded AS (SELECT DISTINCT analysis FROM record WHERE kind = 'concluded'),
    wanted AS (
        SELECT seq FROM record WHERE kind NOT IN ('captured', 'judged')
        UNION ALL
        SELECT seq FROM record
        WHERE kind IN ('captured', 'judged') AND analysis NOT IN concluded
        UNION ALL
        SELECT max(seq) FROM record
        WHERE kind = 'judged' AND analysis IN concluded GROUP BY analysis
    )
    SELECT COLUMNS FROM record WHERE seq IN wanted ORDER BY seq";

impl Reader {
    pub(super) fn open(options: &Options) -> Result<Self, Fault> {
        let connection = connect(options)?;
        connection
            .pragma_update(None, "query_only", true)
            .map_err(|fault| Fault::sqlite("open", &options.path, &fault))?;
        Ok(Self {
            connection,
            path: options.path.clone(),
        })
    }

    /// What a restart needs, in order, and which places of the log are taken.
    pub(super) fn restart_rows(&mut self) -> Result<(Vec<Row>, Present), Fault> {
        let read = || -> rusqlite::Result<_> {
            let sql = RESTART.replace("COLUMNS", COLUMNS);
            let rows = self
                .connection
                .prepare(&sql)?
                .query_map([], read_row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((rows, self.present()?))
        };
        read().map_err(|fault| Fault::sqlite("read", &self.path, &fault))
    }

    /// Counting is one walk over an index; only a log that lost rows is searched for its holes.
    fn present(&self) -> rusqlite::Result<Present> {
        let (count, last): (i64, i64) = self.connection.query_row(
            "SELECT count(*), coalesce(max(seq), 0) FROM record",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut present = Present {
            last: last.cast_unsigned(),
            holes: Vec::new(),
        };
        if count != last {
            let sql = "SELECT before + 1, seq - 1 FROM (SELECT seq, \
                       lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM record) \
                       WHERE seq > before + 1";
            let mut statement = self.connection.prepare(sql)?;
            let holes = statement.query_map([], |row| {
                let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((first.cast_unsigned(), last.cast_unsigned()))
            })?;
            present.holes = holes.collect::<rusqlite::Result<_>>()?;
        }
        Ok(present)
    }

    /// The analysis with a record about an attempt at a message, or its end, in which the message's
    /// name stands: a walk over those records, for what somebody asks by hand.
    pub(super) fn analysis_of(&mut self, message: &str) -> Result<Option<String>, Fault> {
        let sql = "SELECT analysis FROM record WHERE kind IN ('settled', 'attempted') \
                   AND instr(body, CAST(?1 AS BLOB)) > 0 LIMIT 1";
        let read = || -> rusqlite::Result<Option<String>> {
            let quoted = format!("\"{message}\"");
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([quoted], |row| row.get(0)).optional()
        };
        read().map_err(|fault| Fault::sqlite("read", &self.path, &fault))
    }

    /// Shows `each` every submission and conclusion before a place of the log, in order; one by
    /// one, since there may be many.
    pub(super) fn ends_before(&mut self, seq: u64, mut each: impl FnMut(Row)) -> Result<(), Fault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM record WHERE kind IN ('submitted', 'concluded') AND seq < ?1 \
             ORDER BY seq"
        );
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([seq.cast_signed()])?;
            while let Some(row) = rows.next()? {
                each(read_row(row)?);
            }
            Ok(())
        };
        read().map_err(|fault| Fault::sqlite("read", &self.path, &fault))
    }

    /// Every row of one analysis, in order.
    pub(super) fn rows_of(&mut self, id: &AnalysisId) -> Result<Vec<Row>, Fault> {
        let read = || -> rusqlite::Result<_> {
            let sql = format!("SELECT {COLUMNS} FROM record WHERE analysis = ?1 ORDER BY seq");
            self.connection
                .prepare_cached(&sql)?
                .query_map([id.as_str()], read_row)?
                .collect()
        };
        read().map_err(|fault| Fault::sqlite("read", &self.path, &fault))
    }
}

/// Reads a row without complaint: what is wrong in one must not keep the others from being read
/// (A11). A digest that does not fit says later that something was.
fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let text = |idx| -> rusqlite::Result<String> {
        let bytes = row.get_ref(idx)?.as_bytes()?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    let version = |idx| -> rusqlite::Result<u32> {
        let number: i64 = row.get(idx)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    };
    let digest = row.get_ref(6)?.as_bytes()?;
    Ok(Row {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        analysis: text(1)?,
        at_ms: row.get(2)?,
        kind: text(3)?,
        format: version(4)?,
        semantics: version(5)?,
        digest: digest.try_into().unwrap_or([0; 32]),
        body: row.get_ref(7)?.as_bytes()?.to_vec(),
    })
}

/// Makes what a connection commits durable.
pub(super) fn configure(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let set = || -> rusqlite::Result<String> {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        Ok(mode)
    };
    let mode = set().map_err(|fault| Fault::sqlite("open", path, &fault))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let message = format!(
        "store {}: this file system has no shared memory for a write-ahead log (mode {mode:?}); \
         put it on a local disk",
        path.display()
    );
    Err(Fault::new(FaultKind::Io, message))
}

/// Limits the file to `bytes` for what a connection writes; `None` lifts the limit.
pub(super) fn limit(connection: &Connection, path: &Path, bytes: Option<u64>) -> Result<(), Fault> {
    let set = || -> rusqlite::Result<()> {
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let bytes = bytes.map_or(i64::MAX, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let pages = (bytes / page.max(1)).clamp(1, i64::from(u32::MAX) - 1);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    };
    set().map_err(|fault| Fault::sqlite("limit its size", path, &fault))
}

pub(super) fn connect(options: &Options) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&options.path, flags)?;
        let wait = u64::try_from(options.busy_timeout.ms()).unwrap_or(0);
        connection.busy_timeout(Duration::from_millis(wait))?;
        Ok(connection)
    };
    open().map_err(|fault| Fault::sqlite("open", &options.path, &fault))
}

/// Either side's complaint, until the act it belongs to is known.
enum Problem {
    Sqlite(rusqlite::Error),
    Fault(Fault),
}

impl Problem {
    fn named(self, act: &str, path: &Path) -> Fault {
        match self {
            Self::Sqlite(fault) => Fault::sqlite(act, path, &fault),
            Self::Fault(fault) => fault,
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Sqlite(fault)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::engine::record::{Fact, Record, Seq};
    use crate::store::place::prepare;
    use crate::time::Timestamp;

    fn row(seq: u64) -> Row {
        let what = "x".repeat(9000);
        let record = Record {
            id: AnalysisId::new("a1").unwrap(),
            at: Timestamp::from_ms(0),
            fact: Fact::Ignored { what },
        };
        Row::new(Seq(seq), &record)
    }

    #[test]
    fn the_same_connection_writes_again_once_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            bytes_max: Some(64 * 1024),
            ..Options::new(dir.path().join("haldane.db"))
        };
        prepare(&options.path).unwrap();
        let mut log = SqliteLog::open(&options).unwrap();
        let (full, fault) = (1..100)
            .find_map(|seq| Some((seq, log.commit(&[row(seq)]).err()?)))
            .unwrap();
        assert_eq!(fault.kind, FaultKind::DiskFull);
        assert_eq!(log.commit(&[row(full)]), Err(fault));
        log.set_bytes_max(None).unwrap();
        assert_eq!(log.commit(&[row(full)]), Ok(()));
        let rows = Reader::open(&options)
            .unwrap()
            .rows_of(&AnalysisId::new("a1").unwrap());
        let expected: Vec<Row> = (1..=full).map(row).collect();
        assert_eq!(rows.unwrap(), expected);
    }

    #[test]
    fn the_schema_is_as_many_steps_old_as_there_are() {
        assert_eq!(i64::try_from(MIGRATIONS.len()), Ok(SCHEMA_VERSION));
    }
}
