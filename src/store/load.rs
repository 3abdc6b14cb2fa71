//! From rows to what a restart needs, with damage kept to the analyses it is in (A11).

use crate::engine::record::{Record, Seq};
use crate::store::Row;
use std::collections::BTreeMap;

/// What was in the log when it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// In order. Concluded analyses come without their samples and without all but their last
    /// judgement; damaged ones do not come at all.
    pub records: Vec<(Seq, Record)>,
    /// Analyses that cannot be read, each once, in order of the first damage.
    pub damaged: Vec<Damaged>,
    /// Places without a record, as first and last; a log that was never tampered with has none.
    pub holes: Vec<(Seq, Seq)>,
    /// The last place taken, by whatever record; `Seq(0)` in an empty log. The next record goes
    /// after it, also when the one there is damaged.
    pub last: Seq,
}

/// An analysis that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Which, as the row has it: that may be no legal identifier.
    pub analysis: String,
    /// The first record that is damaged.
    pub seq: Seq,
    /// What is wrong with it, and the way out.
    pub message: String,
}

/// Which places of a log are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// The last one.
    pub last: u64,
    /// Those before it that are not, as first and last.
    pub holes: Vec<(u64, u64)>,
}

impl Present {
    /// The places taken by all rows of a log, which are in order.
    pub fn of(rows: &[Row]) -> Self {
        let mut present = Self::default();
        for row in rows {
            if row.seq > present.last + 1 {
                present.holes.push((present.last + 1, row.seq - 1));
            }
            present.last = row.seq;
        }
        present
    }
}

/// Reads `rows`, which are in order.
pub fn load(rows: Vec<Row>, present: &Present) -> Loaded {
    let mut records = Vec::with_capacity(rows.len());
    let mut damaged: BTreeMap<String, Damaged> = BTreeMap::new();
    for row in rows {
        match row.record() {
            Ok(record) => records.push(record),
            Err(damage) => {
                damaged.entry(row.analysis.clone()).or_insert(Damaged {
                    analysis: row.analysis,
                    seq: Seq(row.seq),
                    message: damage.to_string(),
                });
            }
        }
    }
    if !damaged.is_empty() {
        records.retain(|(_, record)| !damaged.contains_key(record.id.as_str()));
    }
    let mut damaged: Vec<Damaged> = damaged.into_values().collect();
    damaged.sort_by_key(|damaged| damaged.seq);
    let hole = |(first, last): &(u64, u64)| (Seq(*first), Seq(*last));
    Loaded {
        records,
        damaged,
        holes: present.holes.iter().map(hole).collect(),
        last: Seq(present.last),
    }
}
