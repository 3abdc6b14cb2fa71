//! The seam between the writer and what is durable, and the rows that cross it.

use crate::digest::{Canonical, Digest};
use crate::engine::record::{Record, Seq};
use crate::ids::AnalysisId;
use crate::judge::SEMANTICS;
use crate::store::Fault;
use crate::time::Timestamp;
use crate::wire::record::{Damage, RECORD_FORMAT, decode, encode};

/// Something that makes rows durable. Two are real: [`crate::store::SqliteLog`], the daemon's, and
/// [`crate::store::MemoryLog`], on which simulations run and which fails on request.
pub trait Log: Send {
    /// Makes all of `rows` durable, or none of them. A row that is there already with the same
    /// content is left as it is; with other content it is a
    /// [`FaultKind::Conflict`](crate::store::FaultKind::Conflict).
    fn commit(&mut self, rows: &[Row]) -> Result<(), Fault>;
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place, from 1.
    pub seq: u64,
    /// Which analysis.
    pub analysis: String,
    /// When the engine wrote it, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The kind of fact.
    pub kind: String,
    /// The version of the body's shape.
    pub format: u32,
    /// The version of judge and verdict table that wrote it (A12).
    pub semantics: u32,
    /// SHA-256 over all other columns: finds what the disk or a stray hand changed.
    pub digest: [u8; 32],
    /// The fact.
    pub body: Vec<u8>,
}

impl Row {
    /// A record as it is stored from now on.
    pub fn new(seq: Seq, record: &Record) -> Self {
        let (kind, body) = encode(record);
        let mut row = Self {
            seq: seq.0,
            analysis: record.id.as_str().to_owned(),
            at_ms: record.at.ms(),
            kind: kind.to_owned(),
            format: RECORD_FORMAT,
            semantics: SEMANTICS,
            digest: [0; 32],
            body,
        };
        row.digest = *row.computed().bytes();
        row
    }

    /// The record it holds.
    pub fn record(&self) -> Result<(Seq, Record), Damage> {
        if self.digest != *self.computed().bytes() {
            return Err(Damage::new(format!(
                "{} record does not have the digest it was written with",
                self.kind
            )));
        }
        if self.semantics > SEMANTICS {
            return Err(Damage::new(format!(
                "{} record was written under semantics {}, this program knows {SEMANTICS}; \
                 use the version of haldane that wrote it",
                self.kind, self.semantics
            )));
        }
        let id = AnalysisId::new(&self.analysis)
            .ok_or_else(|| Damage::new(format!("{:?} is no analysis", self.analysis)))?;
        let record = Record {
            id,
            at: Timestamp::from_ms(self.at_ms),
            fact: decode(&self.kind, &self.body, self.format)?,
        };
        Ok((Seq(self.seq), record))
    }

    /// Whether two rows at one place say the same. The semantics may differ: a repeat by a newer
    /// program is still a repeat.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.seq == other.seq
            && self.analysis == other.analysis
            && self.at_ms == other.at_ms
            && self.kind == other.kind
            && self.body == other.body
    }

    fn computed(&self) -> Digest {
        let body = Digest::of(&self.body);
        Canonical::new()
            .int(self.seq.cast_signed())
            .text(&self.analysis)
            .int(self.at_ms)
            .text(&self.kind)
            .int(i64::from(self.format))
            .int(i64::from(self.semantics))
            .text(&body.to_string())
            .digest()
    }
}
