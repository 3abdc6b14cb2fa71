//! The vectors SW-1 to SW-9: what a receiver of our messages may rely on. Signatures are checked
//! by implementations nobody here wrote: `v1` by the specification's own library
//! (`standardwebhooks`), `v1a` by `ed25519-dalek`.

use crate::engine_desk::{Desk, id, submission};
use crate::webhook_receiver::{Receiver, say};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haldane::engine::Limits;
use haldane::engine::event::{Event, Ticket};
use haldane::engine::record::DeliveryEnd;
use haldane::engine::verdict::Verdict;
use haldane::time::{Span, Timestamp};
use haldane::webhook::key::private_text;
use haldane::webhook::signature::{TOLERANCE, sign_all};
use haldane::webhook::{
    Disposition, KeyError, Message, Options, Policy, Reply, Sender, SignedHeaders, SigningKey,
    VerifyError, VerifyingKey, verify_with,
};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue};

const SECRET: &str = "whsec_Y2FuYXJ5LWRhZW1vbi1leGFtcGxlLXNlY3JldC0zMmI=";
const PUBLIC: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
const ID: &str = "msg_cr_01_3";
const AT: Timestamp = Timestamp::from_s(1_767_323_045);
const BODY: &str = r#"{"type":"canary.verdict.decided","timestamp":"2026-01-02T03:04:05Z","data":{"run":"cr_01","verdict":"rollback","score":41.5}}"#;
/// By the specification's Go library.
const V1: &str = "v1,QktGeMb6BYYrG9iyQId7enGutLnWi0spHl7gT1hYfa4=";
/// By a Python library from the seed 0, 1, … 31; accepted by OpenSSL.
const V1A: &str =
    "v1a,h1hO8IhOarpRJjhJ9gK1JvlgtDwvKkFQsnWs93ZrN+SJ75rnFLY59Ku/vlQ2qhPQHx2S4irMB4Su9LGX3h6ECA==";

fn seed() -> Vec<u8> {
    (0..32).collect()
}

fn shared() -> SigningKey {
    SigningKey::parse(SECRET).unwrap()
}

fn private() -> SigningKey {
    SigningKey::parse(&private_text(&seed()).unwrap()).unwrap()
}

fn believed(
    keys: &[VerifyingKey],
    signatures: &str,
    body: &str,
    now: Timestamp,
) -> Result<(), VerifyError> {
    let headers = SignedHeaders {
        id: ID,
        timestamp: "1767323045",
        signatures,
    };
    verify_with(keys, headers, body.as_bytes(), now, TOLERANCE)
}

fn public() -> VerifyingKey {
    VerifyingKey::parse(PUBLIC).unwrap()
}

/// Whether the library that only knows Ed25519 accepts an entry `v1a,…` of `id.seconds.body`.
fn dalek_accepts(public: &str, entry: &str, signed: &[u8]) -> bool {
    let public = STANDARD
        .decode(public.strip_prefix("whpk_").unwrap())
        .unwrap();
    let tag = STANDARD
        .decode(entry.strip_prefix("v1a,").unwrap())
        .unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let tag = ed25519_dalek::Signature::from_slice(&tag).unwrap();
    key.verify_strict(signed, &tag).is_ok()
}

#[test]
fn sw_1_both_kinds_of_signature_are_those_of_other_libraries() {
    assert_eq!(shared().sign(ID, AT, BODY.as_bytes()), V1);
    assert_eq!(private().sign(ID, AT, BODY.as_bytes()), V1A);
    assert_eq!(private().public_text().as_deref(), Some(PUBLIC));
    assert_eq!(shared().public_text(), None);
    assert_eq!(believed(&[shared().verifying()], V1, BODY, AT), Ok(()));
    assert_eq!(believed(&[public()], V1A, BODY, AT), Ok(()));
    assert_eq!(believed(&[private().verifying()], V1A, BODY, AT), Ok(()));
    let theirs = standardwebhooks::Webhook::new(SECRET).unwrap();
    let signed = theirs.sign(ID, 1_767_323_045, BODY.as_bytes()).unwrap();
    assert_eq!(signed, V1);
    let text = format!("{ID}.1767323045.{BODY}");
    assert!(dalek_accepts(PUBLIC, V1A, text.as_bytes()));
    assert!(!dalek_accepts(PUBLIC, V1A, format!("{text} ").as_bytes()));
    let tampered = BODY.replace("rollback", "promote");
    assert_eq!(
        believed(&[public()], V1A, &tampered, AT),
        Err(VerifyError::Mismatch)
    );
}

#[test]
fn sw_2_one_right_signature_of_a_list_is_enough() {
    let wrong = SigningKey::from_bytes(&[7; 32]).unwrap();
    let wrong = wrong.sign(ID, AT, BODY.as_bytes());
    for list in [
        format!("{wrong} {V1}"),
        format!("{V1} {wrong}"),
        format!("{wrong} {V1A} {V1}"),
    ] {
        assert_eq!(
            believed(&[shared().verifying()], &list, BODY, AT),
            Ok(()),
            "{list}"
        );
    }
    let other = VerifyingKey::parse(&private_text(&[9; 32]).unwrap()).unwrap();
    assert_eq!(
        believed(std::slice::from_ref(&other), V1A, BODY, AT),
        Err(VerifyError::Mismatch)
    );
    assert_eq!(believed(&[other, public()], V1A, BODY, AT), Ok(()));
    // A signature of one kind is never checked with a key of the other.
    let renamed = V1A.replace("v1a,", "v1,");
    assert_eq!(
        believed(&[public()], &renamed, BODY, AT),
        Err(VerifyError::NoSignature)
    );
    assert_eq!(
        believed(&[public()], V1, BODY, AT),
        Err(VerifyError::NoSignature)
    );
}

#[test]
fn sw_3_an_old_message_is_not_believed() {
    let keys = [shared().verifying(), public()];
    for list in [V1, V1A] {
        assert_eq!(believed(&keys, list, BODY, AT.plus(TOLERANCE)), Ok(()));
        let late = AT.plus(TOLERANCE).plus(Span::from_ms(1));
        let refused = believed(&keys, list, BODY, late);
        assert!(
            matches!(refused, Err(VerifyError::TooOld { .. })),
            "{refused:?}"
        );
    }
}

fn sender() -> Sender {
    let policy = Policy {
        allow_private: true,
        ..Policy::default()
    };
    Sender::new(Options {
        policy,
        ..Options::default()
    })
    .unwrap()
}

/// One attempt at `at` against a receiver that says this.
async fn attempt(to: &Receiver, at: Timestamp, keys: &[SigningKey]) -> Reply {
    let url = to.url("127.0.0.1");
    let message = Message {
        url: &url,
        id: ID,
        at,
        body: BODY.as_bytes(),
        secrets: keys,
        headers: &[],
    };
    sender().send(message).await
}

#[tokio::test]
async fn sw_4_a_repeat_keeps_its_id_and_gets_a_new_signature() {
    let to = Receiver::start("127.0.0.1:0", say("503 Busy", "", "")).await;
    let mut seen = Vec::new();
    for at in [AT, AT.plus(Span::from_s(2))] {
        attempt(&to, at, &[shared()]).await;
        let last = to.last();
        let header = |name: &str| last.header(name).unwrap().to_owned();
        assert_eq!(header("webhook-id"), ID);
        seen.push((header("webhook-timestamp"), header("webhook-signature")));
    }
    assert_eq!((seen[0].0.as_str(), seen[0].1.as_str()), ("1767323045", V1));
    assert_eq!(seen[1].0, "1767323047");
    assert_ne!(seen[0].1, seen[1].1);
}

#[tokio::test]
async fn sw_5_to_7_answers_end_or_delay_a_delivery() {
    let wait = |seconds| Disposition::Retry {
        after: Some(Span::from_s(seconds)),
    };
    for (status, headers, wanted) in [
        ("410 Gone", "", Disposition::GiveUp), // SW-5
        ("307 Elsewhere", "location: /other\r\n", Disposition::GiveUp), // SW-6
        (
            "301 Elsewhere",
            "location: http://127.0.0.1:9/\r\n",
            Disposition::GiveUp,
        ),
        ("429 Slowly", "retry-after: 7\r\n", wait(7)), // SW-7
        ("503 Busy", "retry-after: 120\r\n", wait(120)),
        ("503 Busy", "", Disposition::Retry { after: None }),
        ("200 OK", "", Disposition::Done),
    ] {
        let to = Receiver::start("127.0.0.1:0", say(status, headers, "")).await;
        let reply = attempt(&to, AT, &[shared()]).await;
        assert_eq!(reply.disposition(), wanted, "{status}");
        assert_eq!(to.hits(), 1, "{status}: nothing is followed");
    }
}

#[tokio::test]
async fn sw_8_every_active_key_signs() {
    let new = SigningKey::from_bytes(&[3; 32]).unwrap();
    let to = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    attempt(&to, AT, &[shared(), new.clone(), private()]).await;
    let list = to.last().header("webhook-signature").unwrap().to_owned();
    let entries: Vec<&str> = list.split(' ').collect();
    assert_eq!(entries.len(), 3);
    assert_eq!((entries[0], entries[2]), (V1, V1A));
    for key in [shared().verifying(), new.verifying(), public()] {
        assert_eq!(believed(&[key], &list, BODY, AT), Ok(()));
    }
}

/// The specification's own library finds its signature in a list of all kinds.
#[test]
fn sw_8_an_implementation_that_knows_one_kind_passes_over_the_other() {
    let now_s = jiff::Timestamp::now().as_second(); // theirs reads the clock itself
    let list = sign_all(
        &[private(), shared()],
        ID,
        Timestamp::from_s(now_s),
        BODY.as_bytes(),
    );
    let mut headers = HeaderMap::new();
    for (name, text) in [
        ("webhook-id", ID),
        ("webhook-timestamp", &now_s.to_string()),
        ("webhook-signature", &list),
    ] {
        headers.insert(name, HeaderValue::from_str(text).unwrap());
    }
    let theirs = standardwebhooks::Webhook::new(SECRET).unwrap();
    theirs.verify(BODY.as_bytes(), &headers).unwrap();
    assert!(theirs.verify(b"{}", &headers).is_err());
}

#[test]
fn sw_9_what_has_expired_is_not_sent_but_listed() {
    let limits = Limits::default();
    let life = limits.message_life;
    let mut desk = Desk::new(limits, Timestamp::from_s(1_000));
    desk.tell(Event::Submitted {
        ticket: Ticket(1),
        submission: Box::new(submission("a1", None, "600:10:x", 1)),
    });
    while desk.append_ok() {}
    desk.tell(Event::Overridden {
        ticket: Ticket(2),
        id: id("a1"),
        verdict: Verdict::Rollback,
        author: "ada".to_owned(),
        reason: "a test".to_owned(),
    });
    // The record is durable, the message was never sent, and the daemon is away for too long.
    while desk.append_ok() {}
    desk.now = desk.now.plus(life).plus(Span::from_s(1));
    desk.crash();
    while desk.append_ok() {}
    assert!(desk.sends.is_empty(), "{:?}", desk.sends);
    let view = &desk.published[&id("a1")];
    let [message] = view.deliveries.as_slice() else {
        panic!("{:?}", view.deliveries);
    };
    let end = message.end.as_ref();
    assert!(matches!(end, Some(DeliveryEnd::Expired { .. })), "{end:?}");
}

#[test]
fn halves_that_do_not_belong_together_are_refused() {
    let mut pair = STANDARD
        .decode(
            private_text(&seed())
                .unwrap()
                .strip_prefix("whsk_")
                .unwrap(),
        )
        .unwrap();
    pair[40] ^= 1;
    let text = format!("whsk_{}", STANDARD.encode(&pair));
    assert_eq!(SigningKey::parse(&text).unwrap_err(), KeyError::Halves);
    let alone = format!("whsk_{}", STANDARD.encode(seed()));
    let alone = SigningKey::parse(&alone).unwrap();
    assert_eq!(alone.sign(ID, AT, BODY.as_bytes()), V1A);
    assert_eq!(SigningKey::parse(PUBLIC).unwrap_err(), KeyError::Public);
    assert_eq!(
        format!("{:?} {:?}", private(), public()),
        "SigningKey(redacted) VerifyingKey(redacted)"
    );
}

proptest! {
    #[test]
    fn another_implementation_accepts_what_we_sign(
        seed in proptest::array::uniform32(any::<u8>()),
        id in "[A-Za-z0-9_-]{1,40}",
        seconds in 0_i64..4_102_444_800,
        body in ".{0,200}",
    ) {
        let key = SigningKey::parse(&private_text(&seed).unwrap()).unwrap();
        let theirs = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public = key.public_text().unwrap();
        prop_assert_eq!(&public, &format!("whpk_{}", STANDARD.encode(theirs.verifying_key())));
        let entry = key.sign(&id, Timestamp::from_s(seconds), body.as_bytes());
        let signed = format!("{id}.{seconds}.{body}");
        prop_assert!(dalek_accepts(&public, &entry, signed.as_bytes()));
    }
}
