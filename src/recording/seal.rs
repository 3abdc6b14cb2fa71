//! The seal of a recording, between the mark of Parquet and its table.
//!
//! ```text
//! 0   4   PAR1
//! 4   8   HALDANE and a line feed
//! 12  4   version, little-endian
//! 16  8   length of the file in bytes, little-endian
//! 24  32  SHA-256 of the file without these 32 bytes
//! 56      the table
//! ```
//!
//! This place and meaning stay the same in every later version.

use crate::digest::Digest;
use crate::recording::Fault;
use crate::wire::recording::HEADER_FORMAT;

/// The version of the format: of the table, of the header in it, and of the order of its rows.
pub(super) const VERSION: u32 = HEADER_FORMAT;

/// What every Parquet file begins with.
const PARQUET: &[u8; 4] = b"PAR1";

/// What tells a recording from other Parquet files.
const MARK: &[u8; 8] = b"HALDANE\n";

/// Bytes of the seal, after the four of Parquet.
pub const SEAL_BYTES: usize = 52;

const DIGEST_AT: usize = 24;
const END: usize = PARQUET.len() + SEAL_BYTES;

/// Room for the seal, to be written before the table.
pub(super) const OPEN: [u8; SEAL_BYTES] = [0; SEAL_BYTES];

/// Puts the seal into its room; `bytes` is the whole file.
pub(super) fn close(bytes: &mut [u8]) {
    let length = (bytes.len() as u64).to_le_bytes();
    if let Some(room) = bytes.get_mut(PARQUET.len()..DIGEST_AT) {
        room.copy_from_slice(&[&MARK[..], &VERSION.to_le_bytes(), &length].concat());
    }
    let digest = digest(bytes);
    if let Some(room) = bytes.get_mut(DIGEST_AT..END) {
        room.copy_from_slice(digest.bytes());
    }
}

/// Says whether `bytes` are a recording as it was written.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let Some(table) = bytes.strip_prefix(PARQUET) else {
        return Err(Fault::foreign(&looks_like(bytes)));
    };
    let field = |at: usize, length: usize| bytes.get(at..at + length);
    match table.get(..MARK.len()) {
        Some(mark) if mark == MARK => {}
        None if MARK.starts_with(table) => return Err(Fault::truncated(bytes.len() as u64, 56)),
        _ => return Err(Fault::foreign("it is some other Parquet file")),
    }
    let version = field(12, 4).and_then(|raw| Some(u32::from_le_bytes(raw.try_into().ok()?)));
    let length = field(16, 8).and_then(|raw| Some(u64::from_le_bytes(raw.try_into().ok()?)));
    let (have, least) = (bytes.len() as u64, END as u64);
    let (Some(version), Some(length), Some(sealed)) = (version, length, field(DIGEST_AT, 32))
    else {
        return Err(Fault::truncated(have, least));
    };
    if sealed != digest(bytes).bytes() {
        return Err(if have < length {
            Fault::truncated(have, length)
        } else {
            Fault::damaged("its bytes do not have the digest they were written with")
        });
    }
    if version > VERSION {
        return Err(Fault::newer(version));
    }
    if version == 0 || have != length {
        return Err(Fault::damaged("its seal is not one that was ever written"));
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> Digest {
    let (head, rest) = bytes.split_at(DIGEST_AT.min(bytes.len()));
    Digest::of_parts(&[head, rest.get(END - DIGEST_AT..).unwrap_or_default()])
}

/// What a file that is no Parquet file looks like.
fn looks_like(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let head = bytes.get(..64).unwrap_or(bytes);
    let text = std::str::from_utf8(head).is_ok_and(|text| !text.contains('\0'));
    match head {
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => "it is a SQLite database".to_owned(),
        [0x1f, 0x8b, ..] => "it is compressed with gzip".to_owned(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed with zstd".to_owned(),
        _ if text => "it is text".to_owned(),
        _ => "it is no Parquet file".to_owned(),
    }
}
