//! SHA-256 over canonical bytes: what a plan, a window or a message is known by.

use std::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        let mut out = [0_u8; 32];
        out.copy_from_slice(hash.as_ref());
        Self(out)
    }

    /// The digest of `parts`, one after the other.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut out = [0_u8; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }

    /// The raw bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Sixty-four lower-case hexadecimal digits back to a digest.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let nibble = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut out = [0_u8; 32];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(*pair.first()?)? << 4) | nibble(*pair.last()?)?;
        }
        Some(Self(out))
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Builds canonical bytes: every field with its length in front, so that no two different lists
/// of fields share their bytes.
#[derive(Debug, Default)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text.
    #[must_use]
    pub fn text(mut self, field: &str) -> Self {
        self.0
            .extend_from_slice(&(field.len() as u64).to_le_bytes());
        self.0.extend_from_slice(field.as_bytes());
        self
    }

    /// Adds a whole number.
    #[must_use]
    pub fn int(mut self, field: i64) -> Self {
        self.0.extend_from_slice(&field.to_le_bytes());
        self
    }

    /// Adds the exact bits of a number.
    #[must_use]
    pub fn bits(mut self, field: f64) -> Self {
        self.0.extend_from_slice(&field.to_bits().to_le_bytes());
        self
    }

    /// The digest of everything added.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}
