//! Papers: what callers have us keep beside the decision log, such as a canary config. A paper is
//! a text under a kind and a name; it is replaced or removed as a whole, and no verdict is made
//! from it, because an analysis records its own template. They have a connection of their own: a
//! few a minute are written, and the log's writer must not wait for them.

use crate::digest::{Canonical, Digest};
use crate::store::sqlite::{configure, connect, limit};
use crate::store::{Fault, Options};
use crate::time::Timestamp;
use rusqlite::{Connection, params};
use std::path::PathBuf;

/// One paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// What it is; each kind has one owner.
    pub kind: String,
    /// Unique in its kind.
    pub name: String,
    /// When it was kept.
    pub at: Timestamp,
    /// Its text.
    pub body: String,
}

impl Paper {
    /// SHA-256 over all columns: finds what the disk or a stray hand changed.
    fn digest(&self) -> Digest {
        Canonical::new()
            .text(&self.kind)
            .text(&self.name)
            .int(self.at.ms())
            .text(&self.body)
            .digest()
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Papers {
    connection: Connection,
    path: PathBuf,
}

impl Papers {
    /// The file must have its schema already.
    pub(super) fn open(options: &Options) -> Result<Self, Fault> {
        let connection = connect(options)?;
        configure(&connection, &options.path)?;
        limit(&connection, &options.path, options.bytes_max)?;
        Ok(Self {
            connection,
            path: options.path.clone(),
        })
    }

    /// Durable when it returns.
    pub(super) fn keep(&self, paper: &Paper) -> Result<(), Fault> {
        let write = || -> rusqlite::Result<usize> {
            self.connection
                .prepare_cached(
                    "INSERT INTO paper (kind, name, at_ms, digest, body) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (kind, name) DO UPDATE SET \
                     at_ms = excluded.at_ms, digest = excluded.digest, body = excluded.body",
                )?
                .execute(params![
                    paper.kind,
                    paper.name,
                    paper.at.ms(),
                    paper.digest().bytes(),
                    paper.body.as_bytes(),
                ])
        };
        let done = write().map(|_| ());
        done.map_err(|fault| Fault::sqlite("write", &self.path, &fault))
    }

    /// Durable when it returns; a paper that is not there is as good as removed.
    pub(super) fn remove(&self, kind: &str, name: &str) -> Result<(), Fault> {
        let sql = "DELETE FROM paper WHERE kind = ?1 AND name = ?2";
        let done = self.connection.execute(sql, params![kind, name]);
        done.map(|_| ())
            .map_err(|fault| Fault::sqlite("write", &self.path, &fault))
    }

    /// All of them, the oldest first, and what is wrong with those that are damaged (A11).
    pub(super) fn all(&self) -> Result<(Vec<Paper>, Vec<String>), Fault> {
        let read = || -> rusqlite::Result<Vec<(Paper, Vec<u8>)>> {
            let sql =
                "SELECT kind, name, at_ms, digest, body FROM paper ORDER BY at_ms, kind, name";
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let text = |idx| -> rusqlite::Result<String> {
                    let bytes = row.get_ref(idx)?.as_bytes()?;
                    Ok(String::from_utf8_lossy(bytes).into_owned())
                };
                let paper = Paper {
                    kind: text(0)?,
                    name: text(1)?,
                    at: Timestamp::from_ms(row.get(2)?),
                    body: text(4)?,
                };
                Ok((paper, row.get_ref(3)?.as_bytes()?.to_vec()))
            })?;
            rows.collect()
        };
        let rows = read().map_err(|fault| Fault::sqlite("read", &self.path, &fault))?;
        let (mut papers, mut damaged) = (Vec::new(), Vec::new());
        for (paper, digest) in rows {
            if digest == paper.digest().bytes() {
                papers.push(paper);
            } else {
                damaged.push(format!(
                    "{} {} does not have the digest it was written with",
                    paper.kind, paper.name
                ));
            }
        }
        Ok((papers, damaged))
    }
}
