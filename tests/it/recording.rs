//! The file of a recording: the same back, readable by others, and no byte of a damaged one used.

use crate::http_fixture::{Mood, Setup, open, submission};
use crate::replay::demo;
use crate::wire_samples;
use bytes::Bytes;
use haldane::digest::Digest;
use haldane::ids::MetricName;
use haldane::plan::{Part, Slot};
use haldane::recording::{FaultKind, RECORDING_BYTES_MAX, decode, encode, read};
use haldane::series::raw::{RawBucket, RawHistogram, RawHistograms};
use haldane::time::Timestamp;
use haldane::wire::recording::{Asked, Kept, Recording};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::RowAccessor as _;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

/// A small recording, and one with everything that can stand in an answer: NaN with unusual bits,
/// infinities, series without samples, native histograms, warnings.
fn odd() -> Recording {
    let mut recording = small();
    let mut batch = wire_samples::batch();
    let histogram = |ms| RawHistogram {
        at: Timestamp::from_ms(ms),
        count: 4.0,
        buckets: vec![RawBucket {
            left: f64::NEG_INFINITY,
            right: 0.1,
            count: f64::from_bits(0x7ff8_0000_0000_0002),
        }],
    };
    let first = &mut batch.answers[0].1;
    first.histograms.push(RawHistograms {
        labels: [("pod".to_owned(), "ü|\"".to_owned())].into(),
        samples: vec![histogram(5), histogram(-7)],
    });
    recording.queries = batch
        .answers
        .iter()
        .map(|(slot, _)| Asked {
            slot: *slot,
            metric: MetricName::new("m").unwrap(),
            query: format!("{slot:?}"),
        })
        .collect();
    let kept = Kept::Captured {
        look: 3,
        batch: Arc::new(batch),
    };
    let failed = Kept::SourceFailed {
        look: 4,
        message: "no answer".to_owned(),
    };
    recording
        .kept
        .retain(|(_, kept)| !matches!(kept, Kept::Captured { .. }));
    recording.kept.push((Timestamp::from_ms(-1), kept));
    recording.kept.push((Timestamp::from_ms(9), failed));
    recording
}

fn small() -> Recording {
    static DEMO: LazyLock<Recording> = LazyLock::new(|| {
        let mut recording = demo("checkout");
        recording.kept.truncate(5);
        recording
    });
    DEMO.clone()
}

fn sealed() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&small()).unwrap());
    &BYTES
}

/// A file with its seal put right, as only somebody with bad intentions makes one.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    bytes[16..24].copy_from_slice(&length);
    let digest = Digest::of_parts(&[&bytes[..24], &bytes[56..]]);
    bytes[24..56].copy_from_slice(digest.bytes());
    bytes
}

#[test]
fn what_was_written_is_read_back() {
    for recording in [demo("catalog"), small()] {
        let bytes = encode(&recording).unwrap();
        assert_eq!(bytes, encode(&recording).unwrap(), "equal bytes each time");
        assert_eq!(decode(bytes).unwrap(), recording);
    }
    // NaN is not equal to itself; its bits are compared by writing it again.
    let bytes = encode(&odd()).unwrap();
    let back = decode(bytes.clone()).unwrap();
    assert_eq!(encode(&back).unwrap(), bytes);
    let samples = |recording: &Recording| format!("{:?}", recording.kept);
    assert_eq!(samples(&back), samples(&odd()));
    let mut empty = small();
    empty.kept.clear();
    assert_eq!(decode(encode(&empty).unwrap()).unwrap(), empty);
}

#[test]
fn others_read_the_samples_as_a_table() {
    let recording = demo("checkout");
    let reader = SerializedFileReader::new(Bytes::from(encode(&recording).unwrap())).unwrap();
    let file = reader.metadata().file_metadata();
    let names: Vec<&str> = file
        .schema()
        .get_fields()
        .iter()
        .map(|f| f.name())
        .collect();
    let columns = [
        "look",
        "metric",
        "part",
        "arm",
        "labels",
        "timestamp",
        "value",
        "histogram",
    ];
    assert_eq!(names, columns);
    let keys: Vec<&str> = file
        .key_value_metadata()
        .unwrap()
        .iter()
        .map(|pair| pair.key.as_str())
        .collect();
    assert_eq!(keys, ["haldane.recording", "haldane.verdict"]);
    let mut wanted = Vec::new();
    for (_, kept) in &recording.kept {
        let Kept::Captured { look, batch } = kept else {
            continue;
        };
        for (slot, answer) in &batch.answers {
            let asked = recording
                .queries
                .iter()
                .find(|asked| asked.slot == *slot)
                .unwrap();
            for series in &answer.series {
                let arm = series.labels["track"].replace("stable", "baseline");
                for sample in &series.samples {
                    let at = (*look, sample.at.ms(), sample.value.to_bits());
                    wanted.push((asked.metric.to_string(), arm.clone(), at));
                }
            }
        }
    }
    let found: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            let row = row.unwrap();
            let look = u32::try_from(row.get_int(0).unwrap()).unwrap();
            let at = (
                look,
                row.get_timestamp_millis(5).unwrap(),
                row.get_double(6).unwrap().to_bits(),
            );
            let text = |idx| row.get_string(idx).unwrap().clone();
            assert!(text(4).starts_with('{'));
            (text(1), text(3), at)
        })
        .collect();
    assert!(wanted.len() > 1000);
    assert_eq!(found, wanted);
    let slot = Slot {
        metric_idx: 0,
        part: Part::Grid,
    };
    assert_eq!(recording.queries[0].slot, slot);
}

/// Some other Parquet file.
fn foreign() -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message m { REQUIRED INT32 a; }").unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn each_fault_has_its_message() {
    let mut newer = sealed().to_vec();
    newer[12..16].copy_from_slice(&7_u32.to_le_bytes());
    let mut flipped = sealed().to_vec();
    flipped[1000] ^= 1;
    let mut longer = sealed().to_vec();
    longer.push(0);
    // The table of another file behind a true seal.
    let mut stolen = sealed()[..56].to_vec();
    stolen.extend(&foreign()[4..]);
    let length = sealed().len();
    for (bytes, kind, wanted) in [
        (
            Vec::new(),
            FaultKind::Foreign,
            "it is empty, no recording of haldane".to_owned(),
        ),
        (
            b"recording,label\n".to_vec(),
            FaultKind::Foreign,
            "it is text".to_owned(),
        ),
        (
            b"SQLite format 3\0".to_vec(),
            FaultKind::Foreign,
            "a SQLite database".to_owned(),
        ),
        (
            vec![0x28, 0xb5, 0x2f, 0xfd, 0],
            FaultKind::Foreign,
            "compressed with zstd".to_owned(),
        ),
        (
            vec![0x1f, 0x8b, 8, 0],
            FaultKind::Foreign,
            "compressed with gzip".to_owned(),
        ),
        (
            vec![0xff; 99],
            FaultKind::Foreign,
            "no Parquet file".to_owned(),
        ),
        (
            foreign(),
            FaultKind::Foreign,
            "some other Parquet file".to_owned(),
        ),
        (
            b"PAR1".to_vec(),
            FaultKind::Truncated,
            "ends after 4 of 56 bytes".to_owned(),
        ),
        (
            sealed()[..40].to_vec(),
            FaultKind::Truncated,
            "ends after 40 of 56 bytes".to_owned(),
        ),
        (
            sealed()[..length - 1].to_vec(),
            FaultKind::Truncated,
            format!(
                "ends after {} of {length} bytes; copy or export it again",
                length - 1
            ),
        ),
        (
            flipped,
            FaultKind::Damaged,
            "do not have the digest".to_owned(),
        ),
        (
            longer,
            FaultKind::Damaged,
            "do not have the digest".to_owned(),
        ),
        (
            resealed(newer),
            FaultKind::Newer,
            "format 7, this program reads up to 1".to_owned(),
        ),
        (resealed(stolen), FaultKind::Damaged, "its table".to_owned()),
    ] {
        let fault = decode(bytes).unwrap_err();
        assert_eq!(fault.kind, kind, "{wanted}: {fault}");
        assert!(fault.message.contains(&wanted), "{wanted}: {fault}");
    }
}

#[test]
fn files_are_named_and_limited() {
    let dir = tempfile::tempdir().unwrap();
    let huge = dir.path().join("huge.haldane.parquet");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(RECORDING_BYTES_MAX + 1).unwrap();
    for (path, kind, wanted) in [
        (
            dir.path().join("none"),
            FaultKind::Io,
            "none: cannot read it",
        ),
        (dir.path().to_owned(), FaultKind::Foreign, "it is a folder"),
        (
            huge,
            FaultKind::TooLarge,
            "the limit is 268435456; record a shorter window",
        ),
    ] {
        let fault = read(&path).unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.starts_with("recording "), "{fault}");
        assert!(fault.message.contains(wanted), "{fault}");
    }
}

/// A header that tells of other samples than there are, or of places there are not.
#[test]
fn a_header_that_lies_is_damage() {
    let (header, columns) = haldane::wire::recording::encode(&small());
    let decode = |header: &str| haldane::wire::recording::decode(header, &columns, "{}");
    assert!(decode(&header).is_ok());
    for (old, new, wanted) in [
        (
            "\"series\":[[0,",
            "\"series\":[[99,",
            "labels 99, which are none",
        ),
        (
            "\"series\":[[0,",
            "\"series\":[[0,9",
            "not those its header tells of",
        ),
        (
            "\"answers\":[{\"query\":0",
            "\"answers\":[{\"query\":77",
            "query 77, which is none",
        ),
        ("\"outcome\":\"", "\"outcome\":\"x", "outcome"),
        ("\"step_ms\":15000", "\"step_ms\":0", "step 0"),
        ("\"written_by\"", "\"wrote\"", "its header is unreadable"),
        (
            "kind: AnalysisTemplate",
            "kind: analysisTemplate",
            "does not have its digest",
        ),
        ("\"made_by\":\"record\"", "\"made_by\":\"ada\"", "maker"),
    ] {
        assert!(header.contains(old), "{old}");
        let fault = decode(&header.replacen(old, new, 1)).unwrap_err();
        assert!(fault.to_string().contains(wanted), "{old}: {fault}");
    }
}

#[tokio::test]
async fn the_door_gives_the_file_or_says_why_not() {
    for (mood, status, wanted) in [
        (Mood::Willing, 200, "PAR1 and more"),
        (Mood::StoreDown, 503, "store_unavailable"),
        (Mood::JudgeBroken, 422, "no_recording"),
    ] {
        let door = open(Setup {
            mood,
            ..Setup::default()
        })
        .await;
        let reply = door.get("/v1/analyses/a0001/recording").await;
        if mood == Mood::Willing {
            assert_eq!(reply.status, 404, "{}", reply.body);
            door.submitted(&submission("")).await;
        }
        let reply = door.get("/v1/analyses/a0001/recording").await;
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(wanted), "{}", reply.body);
        assert!(!reply.body.contains("/secret/place"), "{}", reply.body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// No truncation and no flipped bit is ever read as a recording, nor ends the process.
    #[test]
    fn damage_is_always_found(
        cut in proptest::option::of(0.0_f64..1.0),
        flips in proptest::collection::vec((0.0_f64..1.0, 0_u8..8), 0..4),
    ) {
        let mut bytes = sealed().to_vec();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
        let place = |share: f64, len: usize| (share * len as f64) as usize;
        if let Some(share) = cut {
            bytes.truncate(place(share, bytes.len()));
        }
        for (share, bit) in flips {
            let at = place(share, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        let changed = bytes != sealed();
        let read = decode(bytes);
        prop_assert_eq!(read.is_err(), changed, "{:?}", read.map(|_| ()));
    }

    /// A file sealed around nonsense ends in an answer as well.
    #[test]
    fn sealed_nonsense_ends_no_process(
        flips in proptest::collection::vec((56_usize..1_000_000, 0_u8..8), 1..6),
    ) {
        let mut bytes = sealed().to_vec();
        for (at, bit) in flips {
            let len = bytes.len();
            bytes[56 + at % (len - 56)] ^= 1 << bit;
        }
        drop(decode(resealed(bytes)));
    }
}
