//! Lists of recordings, and what is known to be true of each: `recording,label,onset` as CSV.

use crate::time::{Span, Timestamp};

/// Recordings of one list or folder; a longer one is refused. Part it, or take shards of it on
/// several machines.
pub const RECORDINGS_MAX: usize = 5_000_000;

/// Bytes of a list; a longer one is refused. So many recordings with names of 100 bytes.
pub const LIST_BYTES_MAX: u64 = 512 << 20;

/// What is known to be true of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// The canary was healthy: any rollback is false.
    Good,
    /// The canary was worse, from its onset on: a promote is wrong.
    Bad,
    /// There was no data worth the name: a promote is wrong.
    NoData,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::Bad, Self::NoData];

    /// The word in lists and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::NoData => "nodata",
        }
    }

    /// The label of a word; what other tools call the same is understood.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "good" | "healthy" | "healthy_aa" | "pass" => Some(Self::Good),
            "bad" | "regression" | "worse" | "fail" => Some(Self::Bad),
            "nodata" | "no_data" => Some(Self::NoData),
            _ => None,
        }
    }
}

/// When a regression began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onset {
    /// At this instant.
    At(Timestamp),
    /// So long after the rollout's start.
    After(Span),
}

impl Onset {
    /// `2026-03-01T12:10:00Z`, seconds since the epoch, or `+10m` after the start.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('+') {
            Some(after) => Span::parse(after).map(Self::After),
            None => Timestamp::parse(text).map(Self::At),
        }
    }

    /// The instant, of a rollout that began at `start`.
    pub fn of(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::After(span) => start.plus(span),
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The recording, as written.
    pub recording: String,
    /// What is true of it, when that is known.
    pub label: Option<Label>,
    /// When it began.
    pub onset: Option<Onset>,
}

/// Reads a list: one recording a line, or CSV with the columns `recording`, `label` and `onset`,
/// of which the last two may be left out. A first line that names them is skipped; lines that
/// begin with `#` are comments.
///
/// # Errors
/// The first line that cannot be used, by its number.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut out = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|fault| fault.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |idx: usize| row.get(idx).filter(|text| !text.is_empty());
        let Some(recording) = field(0) else { continue };
        if out.is_empty() && recording == "recording" {
            continue;
        }
        let wrong =
            |what: &str, text: &str, way: &str| format!("line {line}: {what} `{text}` {way}");
        if let Some(more) = row.get(3) {
            return Err(wrong(
                "a fourth field",
                more,
                "is one too many; there are recording, label and onset",
            ));
        }
        let label = field(1).map(|text| {
            Label::from_word(text)
                .ok_or_else(|| wrong("label", text, "is none of good, bad, nodata"))
        });
        let onset = field(2).map(|text| {
            let way = "is no instant; write 2026-03-01T12:00:00Z, or +10m after the start";
            Onset::parse(text).ok_or_else(|| wrong("onset", text, way))
        });
        if out.len() >= RECORDINGS_MAX {
            return Err(format!(
                "more than {RECORDINGS_MAX} recordings; part the list"
            ));
        }
        out.push(Entry {
            recording: recording.to_owned(),
            label: label.transpose()?,
            onset: onset.transpose()?,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn lists_are_read_and_mistakes_named() {
        let text = "recording,label,onset\n# a comment\na.haldane.parquet,good\n\
                    b.haldane.parquet , bad , +10m\n\"c,d\",regression,2026-03-01T12:00:00Z\ne\n";
        let list = parse(text).unwrap();
        let found: Vec<_> = list
            .iter()
            .map(|e| (e.recording.as_str(), e.label, e.onset))
            .collect();
        let at = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        assert_eq!(
            found,
            [
                ("a.haldane.parquet", Some(Label::Good), None),
                (
                    "b.haldane.parquet",
                    Some(Label::Bad),
                    Some(Onset::After(Span::from_s(600)))
                ),
                ("c,d", Some(Label::Bad), Some(Onset::At(at))),
                ("e", None, None),
            ]
        );
        for (text, wanted) in [
            (
                "a,fine",
                "line 1: label `fine` is none of good, bad, nodata",
            ),
            ("a,bad,soon", "line 1: onset `soon` is no instant"),
            ("a,bad,+1m,x", "line 1: a fourth field `x`"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
    }

    #[test]
    fn labels_are_read_back() {
        for label in Label::ALL {
            assert_eq!(Label::from_word(label.word()), Some(label));
        }
    }
}
