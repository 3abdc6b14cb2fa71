//! One webhook attempt against a stand-in receiver on loopback: what is sent, and what each kind of
//! answer, silence or breakage is called.

use crate::webhook_receiver::{Act, Receiver, say};
use haldane::time::{Span, Timestamp};
use haldane::webhook::resolver::Looking;
use haldane::webhook::sender::BODY_BYTES_MAX;
use haldane::webhook::{
    Disposition, FailedKind, HostRule, Lookup, Message, Network, Options, Policy, Refusal, Reply,
    Sender, SenderError, SignedHeaders, SigningKey, verify,
};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use url::Url;

/// Id, body and further headers of a message.
type Parts<'a> = (&'a str, &'a [u8], &'a [(&'a str, &'a str)]);

/// 2026-01-02T03:04:05.250Z
const AT: Timestamp = Timestamp::from_ms(1_767_323_045_250);
const BODY: &[u8] = b"{\"specversion\":\"1.0\"}";

/// Loopback allowed, nothing else changed.
fn open() -> Options {
    Options {
        policy: Policy {
            allow_private: true,
            ..Policy::default()
        },
        ..Options::default()
    }
}

fn hasty() -> Options {
    Options {
        timeout: Span::from_ms(150),
        ..open()
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32]).unwrap()
}

async fn send(sender: &Sender, url: &Url) -> Reply {
    let secrets = [key()];
    let message = Message {
        url,
        id: "dlv_1",
        at: AT,
        body: BODY,
        secrets: &secrets,
        headers: &[("traceparent", "00-01-02-01")],
    };
    sender.send(message).await
}

async fn send_to(act: Act, options: Options) -> (Reply, Receiver) {
    let receiver = Receiver::start("127.0.0.1:0", act).await;
    let sender = Sender::new(options).unwrap();
    let reply = send(&sender, &receiver.url("127.0.0.1")).await;
    (reply, receiver)
}

#[tokio::test]
async fn a_message_arrives_signed_and_as_it_was_made() {
    let (reply, receiver) = send_to(say("202 Accepted", "", "thanks"), open()).await;
    assert_eq!(reply, Reply::Accepted { status: 202 });
    let seen = receiver.last();
    assert_eq!(seen.line, "POST /hook?token=s3cr3t HTTP/1.1");
    assert_eq!(seen.body, BODY);
    let wanted = [
        ("webhook-id", "dlv_1"),
        ("webhook-timestamp", "1767323045"),
        (
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        ),
        ("user-agent", concat!("haldane/", env!("CARGO_PKG_VERSION"))),
        ("traceparent", "00-01-02-01"),
        ("host", &format!("127.0.0.1:{}", receiver.address.port())),
    ];
    for (name, value) in wanted {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let headers = SignedHeaders {
        id: seen.header("webhook-id").unwrap(),
        timestamp: seen.header("webhook-timestamp").unwrap(),
        signatures: seen.header("webhook-signature").unwrap(),
    };
    verify(&[key()], headers, &seen.body, AT, Span::from_s(1)).unwrap();
}

#[tokio::test]
async fn one_signature_for_each_key_and_none_without() {
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    let sender = Sender::new(open()).unwrap();
    let url = receiver.url("127.0.0.1");
    let two = [key(), SigningKey::from_bytes(&[8; 64]).unwrap()];
    for (secrets, count) in [(&two[..], Some(2)), (&two[..1], Some(1)), (&[], None)] {
        let message = Message {
            url: &url,
            id: "dlv_1",
            at: AT,
            body: BODY,
            secrets,
            headers: &[],
        };
        let reply = sender.send(message).await;
        assert_eq!(reply, Reply::Accepted { status: 200 });
        let seen = receiver.last();
        let signatures = seen.header("webhook-signature");
        assert_eq!(signatures.map(|list| list.split(' ').count()), count);
    }
}

#[tokio::test]
async fn answers_are_sorted() {
    let date = "retry-after: Fri, 02 Jan 2026 03:05:05 GMT\r\n"; // 59.75 s after the attempt
    let wait = |after| Disposition::Retry { after };
    let cases = [
        ("301 Moved", "", Refusal::Permanent, Disposition::GiveUp),
        ("400 Bad", "", Refusal::Permanent, Disposition::GiveUp),
        (
            "404 Not Found",
            "retry-after: 9\r\n",
            Refusal::Permanent,
            Disposition::GiveUp,
        ),
        ("408 Timeout", "", Refusal::Server, wait(None)),
        ("410 Gone", "", Refusal::Gone, Disposition::GiveUp),
        ("429 Slow", "", Refusal::Throttled, wait(None)),
        (
            "429 Slow",
            "Retry-After: 17\r\n",
            Refusal::Throttled,
            wait(Some(Span::from_s(17))),
        ),
        (
            "503 Busy",
            "retry-after: soon\r\n",
            Refusal::Server,
            wait(None),
        ),
        (
            "503 Busy",
            date,
            Refusal::Server,
            wait(Some(Span::from_ms(59_750))),
        ),
        ("500 Oops", "", Refusal::Server, wait(None)),
    ];
    for (status, headers, wanted, next) in cases {
        let (reply, receiver) = send_to(say(status, headers, "no\r\nthanks"), open()).await;
        assert_eq!(receiver.hits(), 1, "{status}: one attempt is one request");
        assert_eq!(reply.disposition(), next, "{status}");
        let Reply::Refused {
            kind,
            status: code,
            detail,
            ..
        } = reply
        else {
            panic!("{status}: {reply:?}");
        };
        assert_eq!((kind, code), (wanted, status[..3].parse().unwrap()));
        if code != 301 {
            assert_eq!(detail, "no thanks");
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in ["301 a", "302 b", "303 c", "307 d", "308 e"] {
        let target = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
        let location = format!("location: {}\r\n", target.url("127.0.0.1"));
        let (reply, receiver) = send_to(say(status, &location, ""), open()).await;
        assert_eq!(
            reply.disposition(),
            Disposition::GiveUp,
            "{status}: {reply:?}"
        );
        assert_eq!((receiver.hits(), target.hits()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn a_silent_receiver_runs_into_the_time_limit() {
    let (reply, receiver) = send_to(Act::Silence, hasty()).await;
    let Reply::Failed { kind, detail } = &reply else {
        panic!("{reply:?}");
    };
    assert_eq!(*kind, FailedKind::Timeout);
    assert!(
        detail.contains("150ms") && detail.contains("127.0.0.1"),
        "{detail}"
    );
    assert!(!detail.contains("s3cr3t"), "{detail}");
    assert_eq!(reply.disposition(), Disposition::Retry { after: None });
    assert_eq!(receiver.hits(), 1);
}

#[tokio::test]
async fn a_status_counts_even_when_its_body_never_ends() {
    // The attempt may take an hour, so what ends it is the patience with the body, or the test.
    let patient = || Options {
        timeout: Span::from_s(3600),
        body_wait: Span::from_ms(150),
        ..open()
    };
    let limit = std::time::Duration::from_secs(20);
    let attempt =
        |status, options| tokio::time::timeout(limit, send_to(Act::Stall(status), options));
    let both: [fn() -> Options; 2] = [patient, hasty];
    for options in both {
        let (reply, _receiver) = attempt("200 OK", options()).await.unwrap();
        assert_eq!(reply, Reply::Accepted { status: 200 });
        let (reply, _receiver) = attempt("503 Busy", options()).await.unwrap();
        let Reply::Refused { status, detail, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!((status, detail.as_str()), (503, "busy, but"));
    }
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let (reply, receiver) = send_to(Act::Flood("500 Oops"), open()).await;
    let Reply::Refused { detail, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(detail, "x".repeat(200));
    // What was written beyond the cap sits in the sockets' own buffers.
    let written = receiver.flooded.load(Ordering::SeqCst);
    assert!(written < 16_000_000, "{written} bytes were taken");
}

#[tokio::test]
async fn breakage_has_a_name() {
    let cases = [
        (Act::Close, FailedKind::Protocol),
        (
            Act::Say("SSH-2.0-OpenSSH\r\n".to_owned()),
            FailedKind::Protocol,
        ),
    ];
    for (act, wanted) in cases {
        let (reply, receiver) = send_to(act, open()).await;
        assert_eq!(receiver.hits(), 1);
        let Reply::Failed { kind, detail } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(kind, wanted, "{detail}");
        assert!(!detail.contains("s3cr3t"), "{detail}");
    }
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/s3cr3t", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let reply = send(&Sender::new(open()).unwrap(), &url).await;
    let Reply::Failed { kind, detail } = &reply else {
        panic!("{reply:?}");
    };
    assert_eq!(*kind, FailedKind::Connect, "{detail}");
    assert!(
        detail.contains("refused") && !detail.contains("s3cr3t"),
        "{detail}"
    );
    assert_eq!(reply.disposition(), Disposition::Retry { after: None });
}

#[tokio::test]
async fn messages_that_cannot_be_sent_are_not() {
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    let (sender, url) = (Sender::new(open()).unwrap(), receiver.url("127.0.0.1"));
    let large = vec![b'x'; BODY_BYTES_MAX + 1];
    let many = [("x-a", "b"); 17];
    let long_id = "i".repeat(201);
    let cases: [Parts<'_>; 10] = [
        ("", BODY, &[]),
        ("a.b", BODY, &[]),
        ("a b", BODY, &[]),
        ("a\r\nx: y", BODY, &[]),
        (&long_id, BODY, &[]),
        ("a", &large, &[]),
        ("a", BODY, &many),
        ("a", BODY, &[("x y", "z")]),
        ("a", BODY, &[("x-y", "z\r\nhost: evil")]),
        ("a", BODY, &[("Webhook-ID", "b")]),
    ];
    for (id, body, headers) in cases {
        let message = Message {
            url: &url,
            id,
            at: AT,
            body,
            secrets: &[key()],
            headers,
        };
        let reply = sender.send(message).await;
        let Reply::Failed { kind, .. } = &reply else {
            panic!("{id:?} {headers:?}: {reply:?}");
        };
        assert_eq!(*kind, FailedKind::Message);
        assert_eq!(reply.disposition(), Disposition::GiveUp);
    }
    assert_eq!(receiver.hits(), 0);
}

/// Gives these answers one after the other, the last one for ever.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Scripted {
    fn lookup(&self, host: &str) -> Looking {
        assert_eq!(host, "hook.test");
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(turn).or(self.answers.last());
        let answer = answer.cloned().unwrap();
        Box::pin(async move { Ok(answer) })
    }
}

fn scripted(policy: Policy, answers: &[&[&str]]) -> Sender {
    let read = |texts: &&[&str]| texts.iter().map(|ip| ip.parse().unwrap()).collect();
    let lookup = Scripted {
        answers: answers.iter().map(read).collect(),
        asked: AtomicUsize::new(0),
    };
    let options = Options {
        policy,
        ..Options::default()
    };
    Sender::with_lookup(options, Arc::new(lookup)).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_dialled() {
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    for answer in [
        &["127.0.0.1"][..],
        &["::ffff:127.0.0.1"],
        &["10.0.0.1", "127.0.0.1", "169.254.169.254"],
    ] {
        let sender = scripted(Policy::default(), &[answer]);
        let reply = send(&sender, &receiver.url("hook.test")).await;
        let Reply::Failed { kind, detail } = &reply else {
            panic!("{reply:?}");
        };
        assert_eq!(*kind, FailedKind::AddressForbidden, "{detail}");
        assert!(detail.contains("`hook.test` resolves to"), "{detail}");
        assert_eq!(reply.disposition(), Disposition::GiveUp);
    }
    assert_eq!(receiver.hits(), 0);
}

#[tokio::test]
async fn a_literal_address_is_not_dialled_either() {
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    let sender = Sender::new(Options::default()).unwrap();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let reply = send(&sender, &receiver.url(host)).await;
        let Reply::Failed { kind, detail } = reply else {
            panic!("{host}: {reply:?}");
        };
        assert_eq!(kind, FailedKind::AddressForbidden, "{host}: {detail}");
    }
    assert_eq!(receiver.hits(), 0);
}

#[tokio::test]
async fn every_attempt_is_checked_anew() {
    // The name first shows an allowed address and then a forbidden one.
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    let policy = Policy {
        allowed_networks: vec![Network::parse("127.0.0.1").unwrap()],
        ..Policy::default()
    };
    let sender = scripted(policy, &[&["127.0.0.1"], &["127.0.0.3"]]);
    let url = receiver.url("hook.test");
    assert_eq!(send(&sender, &url).await, Reply::Accepted { status: 200 });
    let reply = send(&sender, &url).await;
    assert_eq!(reply.disposition(), Disposition::GiveUp, "{reply:?}");
    assert_eq!(receiver.hits(), 1);
}

#[tokio::test]
async fn allowed_names_and_networks_are_dialled() {
    let receiver = Receiver::start("127.0.0.1:0", say("200 OK", "", "")).await;
    let url = receiver.url("hook.test");
    let by_name = Policy {
        allowed_hosts: vec![HostRule::parse("*.test").unwrap()],
        ..Policy::default()
    };
    let by_network = Policy {
        allowed_networks: vec![Network::parse("127.0.0.0/8").unwrap()],
        ..Policy::default()
    };
    for policy in [by_name, by_network] {
        let reply = send(&scripted(policy, &[&["127.0.0.1"]]), &url).await;
        assert_eq!(reply, Reply::Accepted { status: 200 });
        let host = format!("hook.test:{}", receiver.address.port());
        let seen = receiver.last();
        assert_eq!(
            seen.header("host"),
            Some(host.as_str()),
            "the name, not the address"
        );
    }
    assert_eq!(receiver.hits(), 2);
}

#[tokio::test]
async fn a_name_without_an_address_is_dns() {
    let sender = scripted(Policy::default(), &[&[]]);
    let reply = send(&sender, &Url::parse("https://hook.test/").unwrap()).await;
    let Reply::Failed { kind, detail } = &reply else {
        panic!("{reply:?}");
    };
    assert_eq!(*kind, FailedKind::Dns, "{detail}");
    assert_eq!(detail, "cannot resolve hook.test: the name has no address");
    assert_eq!(reply.disposition(), Disposition::Retry { after: None });
}

/// A certificate for `hook.test`: the acceptor, and the PEM a client has to trust.
fn certificate() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["hook.test".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn tls_is_trusted_only_with_the_given_authority() {
    let (acceptor, pem) = certificate();
    let tls = Some(acceptor);
    let receiver = Receiver::start_tls("127.0.0.1:0", say("200 OK", "", ""), tls).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let options = |ca_file| Options { ca_file, ..open() };
    let lookup = || {
        Arc::new(Scripted {
            answers: vec![vec!["127.0.0.1".parse().unwrap()]],
            asked: AtomicUsize::new(0),
        })
    };
    let port = receiver.address.port();
    let url = Url::parse(&format!("https://hook.test:{port}/")).unwrap();

    let trusting = Sender::with_lookup(options(Some(ca_file)), lookup()).unwrap();
    assert_eq!(send(&trusting, &url).await, Reply::Accepted { status: 200 });

    let other_name = Url::parse(&format!("https://127.0.0.1:{port}/")).unwrap();
    let stranger = Sender::with_lookup(options(None), lookup()).unwrap();
    for (sender, url) in [(&stranger, &url), (&trusting, &other_name)] {
        let reply = send(sender, url).await;
        let Reply::Failed { kind, detail } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(kind, FailedKind::Tls, "{detail}");
    }
    assert_eq!(receiver.hits(), 1);
}

#[test]
fn a_bad_authority_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing here").unwrap();
    for path in [directory.path().join("missing.pem"), empty] {
        let name = path.display().to_string();
        let options = Options {
            ca_file: Some(path),
            ..Options::default()
        };
        let error = Sender::new(options).err().unwrap();
        assert!(matches!(error, SenderError::CaFile { .. }), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
}
