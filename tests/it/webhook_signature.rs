//! Webhook signatures: fixed vectors, an implementation nobody here wrote, and tampering.

use haldane::time::{Span, Timestamp};
use haldane::webhook::signature::{SIGNATURES_MAX, TOLERANCE, secret_text, sign_all};
use haldane::webhook::{KeyError, SignedHeaders, SigningKey, VerifyError, verify};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};

const SECRET: &str = "whsec_Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=";
const ID: &str = "msg_cr_01_3";
const AT: Timestamp = Timestamp::from_s(1_767_323_045);
const BODY: &str = r#"{"type":"canary.verdict.decided","timestamp":"2026-01-02T03:04:05Z","data":{"run":"cr_01","verdict":"rollback","score":41.5}}"#;
/// Computed with the reference Go library from the four values above.
const SIGNATURE: &str = "v1,QktGeMb6BYYrG9iyQId7enGutLnWi0spHl7gT1hYfa4=";
/// Ed25519 over the same text; a receiver that only knows `v1` has to pass it over.
const ASYMMETRIC: &str =
    "v1a,h1hO8IhOarpRJjhJ9gK1JvlgtDwvKkFQsnWs93ZrN+SJ75rnFLY59Ku/vlQ2qhPQHx2S4irMB4Su9LGX3h6ECA==";

/// Id, timestamp, signature list, body, and whether they are believed.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, Result<(), VerifyError>);

fn key() -> SigningKey {
    SigningKey::parse(SECRET).unwrap()
}

fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32]).unwrap()
}

/// The fixed message with one thing changed by the caller.
fn check(
    keys: &[SigningKey],
    headers: (&str, &str, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let (id, timestamp, signatures) = headers;
    let headers = SignedHeaders {
        id,
        timestamp,
        signatures,
    };
    verify(keys, headers, body, now, TOLERANCE)
}

#[test]
fn signs_as_the_reference_library_does() {
    assert_eq!(key().sign(ID, AT, BODY.as_bytes()), SIGNATURE);
    let late_in_the_second = AT.plus(Span::from_ms(999));
    assert_eq!(
        key().sign(ID, late_in_the_second, BODY.as_bytes()),
        SIGNATURE
    );
}

#[test]
fn a_repeat_keeps_the_id_and_changes_the_signature() {
    let again = key().sign(ID, AT.plus(Span::from_s(1)), BODY.as_bytes());
    assert_ne!(again, SIGNATURE);
    let seconds = "1767323046";
    assert_eq!(
        check(&[key()], (ID, seconds, &again), BODY.as_bytes(), AT),
        Ok(())
    );
}

#[test]
fn lists_and_tampering() {
    let wrong = other_key().sign(ID, AT, BODY.as_bytes());
    let (tag, seconds) = (SIGNATURE.strip_prefix("v1,").unwrap(), "1767323045");
    let many = [wrong.as_str(); SIGNATURES_MAX].join(" ");
    let unpadded = SIGNATURE.trim_end_matches('=');
    let (mismatch, none) = (Err(VerifyError::Mismatch), Err(VerifyError::NoSignature));
    let cases: &[Case<'_>] = &[
        (ID, seconds, SIGNATURE, BODY, Ok(())),
        (ID, seconds, &format!("{wrong} {SIGNATURE}"), BODY, Ok(())),
        (ID, seconds, &format!("{SIGNATURE} {wrong}"), BODY, Ok(())),
        (
            ID,
            seconds,
            &format!("{ASYMMETRIC}  {SIGNATURE} "),
            BODY,
            Ok(()),
        ),
        (ID, seconds, unpadded, BODY, Ok(())),
        (ID, seconds, &format!("v1,!!! {SIGNATURE}"), BODY, Ok(())),
        (ID, seconds, &wrong, BODY, mismatch),
        (ID, seconds, "v1,", BODY, mismatch),
        (ID, seconds, "v1,!!!", BODY, mismatch),
        (ID, seconds, ASYMMETRIC, BODY, none),
        (ID, seconds, "", BODY, none),
        (ID, seconds, tag, BODY, none),
        (ID, seconds, &format!("v2,{tag}"), BODY, none),
        (
            ID,
            seconds,
            &format!("{many} {SIGNATURE}"),
            BODY,
            Err(VerifyError::TooMany),
        ),
        ("msg_cr_01_4", seconds, SIGNATURE, BODY, mismatch),
        ("", seconds, SIGNATURE, BODY, Err(VerifyError::Id)),
        ("msg.1", seconds, SIGNATURE, BODY, Err(VerifyError::Id)),
        (ID, "1767323046", SIGNATURE, BODY, mismatch),
        (ID, "01767323045", SIGNATURE, BODY, mismatch),
        (
            ID,
            "+1767323045",
            SIGNATURE,
            BODY,
            Err(VerifyError::Timestamp),
        ),
        (
            ID,
            "1767323045.0",
            SIGNATURE,
            BODY,
            Err(VerifyError::Timestamp),
        ),
        (ID, "", SIGNATURE, BODY, Err(VerifyError::Timestamp)),
        (
            ID,
            "99999999999999999999",
            SIGNATURE,
            BODY,
            Err(VerifyError::Timestamp),
        ),
        (ID, seconds, SIGNATURE, "", mismatch),
        (ID, seconds, SIGNATURE, &format!("{BODY}\n"), mismatch),
    ];
    for (id, timestamp, list, body, wanted) in cases {
        let got = check(&[key()], (id, timestamp, list), body.as_bytes(), AT);
        assert_eq!(got, *wanted, "{id:?} {timestamp:?} {list:?}");
    }
    let headers = (ID, seconds, SIGNATURE);
    assert_eq!(check(&[], headers, BODY.as_bytes(), AT), mismatch);
}

#[test]
fn a_full_stop_cannot_move_between_the_fields() {
    // The same signed text cut elsewhere: body `1.x` with id `a` against body `x` with id `a.1`.
    let signature = key().sign("a", Timestamp::from_s(5), b"6.x");
    let moved = check(
        &[key()],
        ("a.5", "6", &signature),
        b"x",
        Timestamp::from_s(6),
    );
    assert_eq!(moved, Err(VerifyError::Id));
}

#[test]
fn tolerance_holds_both_ways_and_includes_its_edge() {
    let limit = TOLERANCE;
    let (by, ms) = (limit.plus(Span::from_ms(1)), Span::from_ms(1));
    let cases = [
        (AT.plus(limit), Ok(())),
        (AT.minus(limit), Ok(())),
        (
            AT.plus(limit).plus(ms),
            Err(VerifyError::TooOld { by, limit }),
        ),
        (
            AT.minus(limit).minus(ms),
            Err(VerifyError::TooNew { by, limit }),
        ),
    ];
    for (now, wanted) in cases {
        let headers = (ID, "1767323045", SIGNATURE);
        assert_eq!(
            check(&[key()], headers, BODY.as_bytes(), now),
            wanted,
            "{now}"
        );
    }
}

#[test]
fn two_keys_make_two_signatures_and_either_is_enough() {
    let list = sign_all(&[other_key(), key()], ID, AT, BODY.as_bytes());
    assert_eq!(list.split(' ').count(), 2);
    for keys in [[key()], [other_key()]] {
        let headers = (ID, "1767323045", list.as_str());
        assert_eq!(check(&keys, headers, BODY.as_bytes(), AT), Ok(()));
    }
    // The receiver is ahead: it already knows both keys, the sender only uses the old one.
    let both = [other_key(), key()];
    let headers = (ID, "1767323045", SIGNATURE);
    assert_eq!(check(&both, headers, BODY.as_bytes(), AT), Ok(()));
}

#[test]
fn secrets_are_read_in_every_common_spelling() {
    let bytes: Vec<u8> = (200..248).chain([251, 255]).collect(); // has `+`, `/` and padding
    let standard = secret_text(&bytes).unwrap();
    assert!(
        standard.contains(['+', '/']) && standard.ends_with('='),
        "{standard}"
    );
    let wanted = SigningKey::from_bytes(&bytes).unwrap().sign(ID, AT, b"x");
    let url = standard.replace('+', "-").replace('/', "_");
    let spellings = [
        standard.clone(),
        standard.trim_end_matches('=').to_owned(),
        url.clone(),
        url.trim_end_matches('=').to_owned(),
        format!("  {standard}\n"),
    ];
    for text in spellings {
        let key = SigningKey::parse(&text).unwrap();
        assert_eq!(key.sign(ID, AT, b"x"), wanted, "{text:?}");
    }
}

#[test]
fn bad_secrets_are_refused_and_never_shown() {
    let long = secret_text(&[1; 64]).unwrap();
    let cases = [
        (
            "Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=",
            KeyError::Prefix,
        ),
        ("", KeyError::Prefix),
        (
            "WHSEC_Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=",
            KeyError::Prefix,
        ),
        (
            "whpk_Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=",
            KeyError::Public,
        ),
        ("whsk_Y2FuYXJ5", KeyError::PairLength { bytes: 6 }),
        ("whsec_Y2FuYXJ5 LWRhZW1v", KeyError::Base64),
        ("whsec_Y2FuYXJ5LWRhZW1v****", KeyError::Base64),
        ("whsec_", KeyError::Length { bytes: 0 }),
        ("whsec_Y2FuYXJ5", KeyError::Length { bytes: 6 }),
        (&format!("{long}AAAA"), KeyError::Base64),
    ];
    for (text, wanted) in cases {
        let error = SigningKey::parse(text).unwrap_err();
        assert_eq!(error, wanted, "{text:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("Y2FuYXJ5"), "{shown}");
    }
    for bytes in [23_usize, 65] {
        let error = SigningKey::from_bytes(&vec![1; bytes]).unwrap_err();
        assert_eq!(error, KeyError::Length { bytes });
        assert_eq!(secret_text(&vec![1; bytes]).unwrap_err(), error);
    }
    for bytes in [24_usize, 64] {
        assert!(SigningKey::from_bytes(&vec![1; bytes]).is_ok());
    }
}

#[test]
fn debug_shows_nothing_of_the_key() {
    assert_eq!(format!("{:?}", key()), "SigningKey(redacted)");
}

#[test]
fn their_implementation_and_ours_believe_each_other() {
    let theirs = standardwebhooks::Webhook::new(SECRET).unwrap();
    let now_s = jiff::Timestamp::now().as_second(); // theirs reads the clock itself
    let now = Timestamp::from_s(now_s);

    let ours = sign_all(&[other_key(), key()], ID, now, BODY.as_bytes());
    let mut headers = HeaderMap::new();
    let pairs = [
        ("webhook-id", ID.to_owned()),
        ("webhook-timestamp", now_s.to_string()),
        ("webhook-signature", ours),
    ];
    for (name, text) in pairs {
        headers.insert(name, HeaderValue::from_str(&text).unwrap());
    }
    theirs.verify(BODY.as_bytes(), &headers).unwrap();
    assert!(theirs.verify(b"{}", &headers).is_err());

    let signature = theirs.sign(ID, now_s, BODY.as_bytes()).unwrap();
    let headers = (ID, now_s.to_string());
    let headers = (headers.0, headers.1.as_str(), signature.as_str());
    assert_eq!(check(&[key()], headers, BODY.as_bytes(), now), Ok(()));
}

proptest! {
    #[test]
    fn one_changed_bit_of_the_body_is_noticed(
        mut body in proptest::collection::vec(any::<u8>(), 1..300),
        at in 0_usize..300,
        bit in 0_u32..8,
    ) {
        let signature = key().sign(ID, AT, &body);
        let headers = (ID, "1767323045", signature.as_str());
        prop_assert_eq!(check(&[key()], headers, &body, AT), Ok(()));
        let at = at % body.len();
        body[at] ^= 1 << bit;
        prop_assert_eq!(check(&[key()], headers, &body, AT), Err(VerifyError::Mismatch));
    }

    #[test]
    fn any_text_is_answered_without_a_panic(
        id in ".{0,20}", timestamp in ".{0,12}", list in ".{0,80}", secret in ".{0,60}",
    ) {
        let believed = check(&[key()], (&id, &timestamp, &list), b"x", AT);
        prop_assert!(believed.is_err());
        prop_assert!(SigningKey::parse(&secret).is_err() || secret.trim().starts_with("whs"));
    }

    #[test]
    fn both_implementations_sign_alike(
        bytes in proptest::collection::vec(any::<u8>(), 24..=64),
        id in "[A-Za-z0-9_-]{1,40}",
        seconds in 0_i64..4_102_444_800,
        body in ".{0,200}",
    ) {
        let theirs = standardwebhooks::Webhook::new(&secret_text(&bytes).unwrap()).unwrap();
        let ours = SigningKey::from_bytes(&bytes).unwrap();
        prop_assert_eq!(
            ours.sign(&id, Timestamp::from_s(seconds), body.as_bytes()),
            theirs.sign(&id, seconds, body.as_bytes()).unwrap()
        );
    }
}
