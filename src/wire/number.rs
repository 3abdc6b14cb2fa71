//! Floating-point numbers in JSON: bit for bit in records, finite or null in public documents.
//!
//! JSON has no NaN and no infinities (RFC 8259, section 6). A record that lost them could not be
//! replayed to the same judgement (A6), so there they become words.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A number that survives JSON with every bit: finite as a JSON number, else a word: `NaN`,
/// `Infinity`, `-Infinity`, or `NaN:` and sixteen hexadecimal digits for a NaN whose bits are not
/// the usual ones (Prometheus marks staleness in them).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact(pub(crate) f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else if self.0 == f64::INFINITY {
            serializer.serialize_str("Infinity")
        } else if self.0 == f64::NEG_INFINITY {
            serializer.serialize_str("-Infinity")
        } else if self.0.to_bits() == f64::NAN.to_bits() {
            serializer.serialize_str("NaN")
        } else {
            serializer.collect_str(&format_args!("NaN:{:016x}", self.0.to_bits()))
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Exact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Exact, E> {
                Ok(Exact(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Exact, E> {
                Ok(Exact(value as f64))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Exact, E> {
                Ok(Exact(value as f64))
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Exact, E> {
                from_word(word)
                    .map(Exact)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(word), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn from_word(word: &str) -> Option<f64> {
    match word {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        other => {
            let bits = u64::from_str_radix(other.strip_prefix("NaN:")?, 16).ok()?;
            Some(f64::from_bits(bits)).filter(|value| value.is_nan())
        }
    }
}

/// All of `values`, wrapped.
pub(crate) fn exact(values: &[f64]) -> Vec<Exact> {
    values.iter().copied().map(Exact).collect()
}

/// All of `values`, bare.
pub(crate) fn bare(values: Vec<Exact>) -> Vec<f64> {
    values.into_iter().map(|Exact(value)| value).collect()
}

/// A number for a public document: finite, else absent (JSON null).
pub(crate) fn public(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn every_kind_of_number_keeps_its_bits() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002); // Prometheus' staleness marker
        let values = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (stale, "\"NaN:7ff0000000000002\""),
            (-f64::NAN, "\"NaN:fff8000000000000\""),
        ];
        for (value, text) in values {
            let json = serde_json::to_string(&Exact(value)).unwrap();
            assert_eq!(json.replace('+', ""), text);
            let Exact(back) = serde_json::from_str(&json).unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_no_number_is_refused() {
        for text in [
            "\"nan\"",
            "\"NaN:0\"",
            "\"NaN:7ff0000000000000\"",
            "null",
            "[]",
        ] {
            assert!(serde_json::from_str::<Exact>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_document_shows_no_infinity() {
        assert_eq!(public(1.5), Some(1.5));
        assert_eq!(public(f64::NAN), None);
        assert_eq!(public(f64::NEG_INFINITY), None);
    }
}
