//! Who may do what: every endpoint with every credential, and every way to show one.

use crate::http_fixture::{Asked, Setup, credential, open, submission};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haldane::http::{Right, endpoints};

fn guarded() -> Setup {
    Setup {
        credentials: vec![
            credential("grafana", "token-r", Right::Read),
            credential("argo", "token-s", Right::Submit),
            credential("ada", "token-o", Right::Override),
        ],
        ..Setup::default()
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn basic(user: &str, password: &str) -> String {
    let text = STANDARD.encode(format!("{user}:{password}"));
    format!("authorization: Basic {text}\r\n")
}

#[tokio::test]
async fn every_endpoint_with_every_right() {
    let door = open(guarded()).await;
    let shown = [
        (None, String::new()),
        (None, bearer("nonsense")),
        (Some(Right::Read), bearer("token-r")),
        (Some(Right::Submit), bearer("token-s")),
        (Some(Right::Override), bearer("token-o")),
    ];
    for (method, path, needed) in endpoints() {
        let path = path.replace("{id}", "none").replace("{name}", "none");
        for (right, header) in &shown {
            let reply = door.send(method, &path, header, "{}").await;
            let what = format!("{method} {path} needs {needed:?}, shown {right:?}: {reply:?}");
            match (needed, right) {
                // Open to everybody who signs.
                _ if path == "/github/hook" => assert_eq!(reply.status, 404, "{what}"),
                (None, _) => assert!(reply.status == 200, "{what}"),
                (Some(_), None) => {
                    assert_eq!(reply.status, 401, "{what}");
                    let ways = reply.header("www-authenticate");
                    assert!(ways.contains("Bearer") && ways.contains("Basic"), "{what}");
                    assert_eq!(reply.json()["code"], "unauthenticated", "{what}");
                }
                (Some(needed), Some(right)) if *right < needed => {
                    assert_eq!(reply.status, 403, "{what}");
                    let json = reply.json();
                    assert_eq!(json["code"], "forbidden", "{what}");
                    let detail = json["detail"].as_str().unwrap();
                    assert!(
                        detail.contains(&format!("needs {}", needed.word())),
                        "{what}"
                    );
                }
                // A closed gate is 403 as well, in its own words.
                _ => assert!(
                    reply.status != 401 && !reply.body.contains("\"forbidden\""),
                    "{what}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn every_way_to_show_a_credential() {
    let door = open(guarded()).await;
    let twice = format!("{}{}", bearer("token-r"), bearer("token-r"));
    let cases = [
        (bearer("token-r"), 200),
        ("authorization: bearer   token-r\r\n".to_owned(), 200),
        (basic("grafana", "token-r"), 200),
        (basic("ada", "token-o"), 200),
        (basic("ada", "token-r"), 401),
        (basic("grafana", ""), 401),
        (basic("", "token-r"), 401),
        (bearer(""), 401),
        (bearer("token-"), 401),
        (bearer("token-r2"), 401),
        (bearer("TOKEN-R"), 401),
        ("authorization: token-r\r\n".to_owned(), 401),
        ("authorization: Digest token-r\r\n".to_owned(), 401),
        ("authorization: Basic !!!\r\n".to_owned(), 401),
        ("authorization: Basic bm9jb2xvbg==\r\n".to_owned(), 401),
        (twice, 401),
    ];
    for (header, status) in cases {
        let reply = door.send("GET", "/v1/templates", &header, "").await;
        assert_eq!(reply.status, status, "{header}: {reply:?}");
        assert!(!reply.body.contains("token-r"), "{reply:?}");
    }
    let none = door.send("GET", "/v1/templates", "", "").await;
    assert!(none.body.contains("no credential was sent"), "{none:?}");
    // Where there is nothing and where the method is wrong, nothing is given away either.
    assert_eq!(door.get("/v2").await.status, 404);
    assert_eq!(door.send("DELETE", "/metrics", "", "").await.status, 405);
}

#[tokio::test]
async fn the_author_is_the_credentials() {
    let door = open(guarded()).await;
    let (argo, ada) = (bearer("token-s"), bearer("token-o"));
    let reply = door
        .send("POST", "/v1/analyses", &argo, &submission(""))
        .await;
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/analyses/{id}/override");
    let body = |author: &str| format!(r#"{{"verdict":"promote","reason":"x"{author}}}"#);
    let wrong = door
        .send("POST", &path, &ada, &body(r#","author":"bob""#))
        .await;
    assert_eq!(
        (wrong.status, wrong.json()["errors"][0]["field"].as_str()),
        (422, Some("author"))
    );
    let right = door.send("POST", &path, &ada, &body("")).await;
    assert_eq!(right.status, 200, "{right:?}");
    let asked = door.asked.lock().unwrap();
    let by = asked.iter().find_map(|asked| match asked {
        Asked::Override(_, _, author, _) => Some(author.as_str()),
        _ => None,
    });
    assert_eq!(by, Some("ada"));
}

#[tokio::test]
async fn readiness_says_why_only_to_readers() {
    let door = open(guarded()).await;
    *door.health.store_fault.write().unwrap() = Some("disk at /place is full".to_owned());
    let stranger = door.get("/readyz").await;
    assert_eq!(stranger.status, 503);
    assert!(stranger.body.contains("store_fault"), "{stranger:?}");
    assert!(!stranger.body.contains("/place"), "{stranger:?}");
    let reader = door.send("GET", "/readyz", &bearer("token-r"), "").await;
    assert!(reader.body.contains("/place"), "{reader:?}");
}
