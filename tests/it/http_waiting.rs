//! What takes time: long polls, event streams, caps, and stopping while somebody waits.

use crate::http_fixture::{Door, Mood, Reply, Setup, open, request, submission};
use haldane::engine::verdict::Verdict;
use haldane::http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads until `wanted` has come.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut all = String::new();
    let mut part = [0_u8; 4096];
    while !all.contains(wanted) {
        let n = stream.read(&mut part).await.unwrap();
        assert!(n > 0, "ended before {wanted:?}: {all}");
        all.push_str(&String::from_utf8_lossy(&part[..n]));
    }
    all
}

async fn rest(mut stream: TcpStream) -> String {
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

async fn waiting_for(door: &Door, id: &str, wait: &str) -> TcpStream {
    let path = format!("/v1/analyses/{id}/verdict?wait={wait}");
    door.connect(&request("GET", &path, "", "")).await
}

#[tokio::test]
async fn a_long_poll_ends_with_the_verdict() {
    let door = open(Setup::default()).await;
    let (id, other) = (
        door.submitted(&submission("")).await,
        door.submitted(&submission("")).await,
    );
    let waits = [
        waiting_for(&door, &id, "60s").await,
        waiting_for(&door, &id, "60").await,
    ];
    // Another analysis' verdict wakes nobody for good.
    door.conclude(&other, Verdict::Promote);
    door.conclude(&id, Verdict::Rollback);
    for stream in waits {
        let reply = Reply::read(&rest(stream).await);
        assert_eq!(reply.status, 200);
        let json = reply.json();
        assert_eq!(json["verdict"], "rollback");
        assert_eq!(json["final"], true);
        assert_eq!(json["reason"], "rollback it is");
    }
    // What is concluded is answered at once, however long the wait.
    let reply = door
        .get(&format!(
            "/v1/analyses/{id}/verdict?wait=9999999999999999999999"
        ))
        .await;
    assert_eq!(reply.json()["verdict"], "rollback");
}

#[tokio::test]
async fn events_follow_the_analysis_to_its_end() {
    let door = open(Setup::default()).await;
    let id = door.submitted(&submission("")).await;
    let path = format!("/v1/analyses/{id}/events");
    let mut stream = door.connect(&request("GET", &path, "", "")).await;
    let first = read_until(&mut stream, "\n\n").await;
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    assert!(
        first.contains("event: view") && first.contains("id: "),
        "{first}"
    );
    assert!(first.contains("\"verdict\":\"pending\""), "{first}");
    door.conclude(&id, Verdict::Promote);
    let last = rest(stream).await;
    assert!(last.contains("\"verdict\":\"promote\""), "{last}");
    assert_eq!(last.matches("event: view").count(), 1, "{last}");
    // A concluded analysis has one event.
    let whole = door.raw(&request("GET", &path, "", "")).await;
    assert_eq!(whole.matches("event: view").count(), 1, "{whole}");
}

#[tokio::test]
async fn a_stop_ends_every_wait_and_the_server() {
    let door = open(Setup::default()).await;
    let id = door.submitted(&submission("")).await;
    let path = format!("/v1/analyses/{id}/events");
    let mut stream = door.connect(&request("GET", &path, "", "")).await;
    read_until(&mut stream, "\n\n").await;
    // Nobody can see a poll wait, but connections are taken in order: once the last of them was
    // answered, those before it have been taken and read.
    let silent = door.connect(b"").await;
    let mut poll = waiting_for(&door, &id, "60s").await;
    let mut idle = door
        .connect(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    read_until(&mut idle, "ok").await;
    door.stop.cancel();
    door.server.await.unwrap();
    let reply = Reply::read(&read_until(&mut poll, "}").await);
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("\"verdict\":\"pending\""), "{reply:?}");
    rest(stream).await;
    rest(idle).await;
    rest(silent).await;
    assert!(
        TcpStream::connect(door.address).await.is_err(),
        "the port is free again"
    );
}

#[tokio::test]
async fn requests_beyond_the_cap_are_shed_but_health_is_not() {
    let limits = Limits {
        requests_max: 1,
        ..Limits::default()
    };
    let door = open(Setup {
        mood: Mood::Mute,
        limits,
        ..Setup::default()
    })
    .await;
    let body = submission("");
    let stuck = door
        .connect(&request("POST", "/v1/analyses", "", &body))
        .await;
    // The stuck request holds the only place from some moment on.
    let shed = loop {
        let reply = door.get("/v1/templates").await;
        if reply.status == 503 {
            break reply;
        }
        assert_eq!(reply.status, 200);
        tokio::task::yield_now().await;
    };
    assert_eq!(shed.json()["code"], "overloaded");
    assert_eq!(shed.header("retry-after"), "1");
    assert_eq!(door.get("/healthz").await.status, 200);
    assert_eq!(door.get("/readyz").await.status, 200);
    drop(stuck);
    while door.get("/v1/templates").await.status == 503 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let door = open(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let mut first = door
        .connect(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    read_until(&mut first, "ok").await;
    let second = door.connect(&request("GET", "/healthz", "", "")).await;
    // The first is still served while the second waits.
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut first, "ok").await;
    drop(first);
    assert_eq!(Reply::read(&rest(second).await).status, 200);
}

#[tokio::test]
async fn a_stop_is_noticed_while_every_place_is_taken() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let door = open(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let mut idle = door
        .connect(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    read_until(&mut idle, "ok").await;
    door.stop.cancel();
    door.server.await.unwrap();
    assert_eq!(rest(idle).await, "");
}

#[tokio::test]
async fn a_mistake_in_one_answer_stays_there() {
    let door = open(Setup {
        metrics_panic: true,
        ..Setup::default()
    })
    .await;
    for _ in 0..2 {
        let reply = door.get("/metrics").await;
        assert_eq!(reply.status, 500, "{reply:?}");
        assert_eq!(reply.json()["code"], "internal");
        assert!(!reply.body.contains("on purpose"), "{reply:?}");
    }
    assert_eq!(door.get("/v1/templates").await.status, 200);
}

#[tokio::test]
async fn both_versions_of_the_protocol_are_spoken() {
    let door = open(Setup::default()).await;
    let address = format!("http://{}/healthz", door.address);
    // The client wants one even where nothing is encrypted; another test may have been first.
    let _second = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    for client in [
        reqwest::Client::builder().http1_only(),
        reqwest::Client::builder().http2_prior_knowledge(),
    ] {
        let reply = client.build().unwrap().get(&address).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.text().await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn long_polls_never_keep_others_out() {
    let limits = Limits {
        requests_max: 4,
        ..Limits::default()
    };
    let door = open(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let id = door.submitted(&submission("")).await;
    // Half the requests may wait; a further poll is answered with what is known.
    let mut polls = Vec::new();
    for _ in 0..2 {
        polls.push(waiting_for(&door, &id, "60s").await);
    }
    let pending = loop {
        let one_more = waiting_for(&door, &id, "100ms").await;
        let reply = Reply::read(&rest(one_more).await);
        if reply.status == 200 {
            break reply;
        }
    };
    assert_eq!(pending.json()["verdict"], "pending");
    assert_eq!(door.get("/v1/templates").await.status, 200);
    door.conclude(&id, Verdict::Promote);
    for poll in polls {
        assert_eq!(Reply::read(&rest(poll).await).json()["verdict"], "promote");
    }
}
