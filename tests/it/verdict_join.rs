//! `/v1/verdict`: one address that creates or joins, answered from memory the second time, and
//! clear about what is wrong with a request.

use crate::http_fixture::{Asked, Door, NOW, Setup, TEMPLATE, credential, open};
use haldane::engine::verdict::Verdict;
use haldane::http::{Binding, Right};
use haldane::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};
use std::sync::atomic::Ordering;

/// What a web metric asks, without what names the rollout.
const PATH: &str = "/v1/verdict?template=checkout&service=shop&input.service=shop\
                    &baseline.track=stable&canary.track=canary";

async fn id(door: &Door, path: &str, verdict: &str) -> String {
    let reply = door.get(path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let document = reply.json();
    assert_eq!(document["verdict"], verdict, "{document}");
    document["id"].as_str().unwrap().to_owned()
}

fn submissions(door: &Door) -> usize {
    let asked = door.asked.lock().unwrap();
    let submitted = |one: &&Asked| matches!(one, Asked::Submit(_));
    asked.iter().filter(submitted).count()
}

#[tokio::test]
async fn the_second_answer_comes_from_memory() {
    let door = open(Setup::default()).await;
    let path = format!("{PATH}&deploy.id=d-1");
    let first = id(&door, &path, "pending").await;
    for _ in 0..5 {
        assert_eq!(id(&door, &path, "pending").await, first);
        assert_eq!(id(&door, &format!("{path}&wait=0"), "pending").await, first);
    }
    assert_eq!(submissions(&door), 1);
    door.conclude(&first, Verdict::Rollback);
    assert_eq!(id(&door, &path, "rollback").await, first);
    let other = id(&door, &format!("{PATH}&deploy.id=d-2"), "pending").await;
    assert_ne!(other, first, "another rollout of the same version");
}

#[tokio::test]
async fn the_same_words_are_another_rollout_after_an_hour() {
    const HOUR_MS: i64 = 3_600_000;
    let door = open(Setup::default()).await;
    let first = id(&door, PATH, "pending").await;
    door.conclude(&first, Verdict::Promote);
    assert_eq!(id(&door, PATH, "promote").await, first);
    door.clock.store(NOW.ms() + HOUR_MS, Ordering::SeqCst);
    assert_eq!(id(&door, PATH, "promote").await, first);
    door.clock.store(NOW.ms() + HOUR_MS + 1, Ordering::SeqCst);
    let second = id(&door, PATH, "pending").await;
    assert_ne!(second, first);
    assert_eq!(id(&door, PATH, "pending").await, second);
    // A rollout that has a name keeps its verdict.
    let named = format!("{PATH}&deploy.id=d-1");
    let third = id(&door, &named, "pending").await;
    door.conclude(&third, Verdict::Promote);
    door.clock.store(NOW.ms() + 9 * HOUR_MS, Ordering::SeqCst);
    assert_eq!(id(&door, &named, "promote").await, third);
}

/// The same words under another text of the template are another rollout; they were a conflict for
/// ever.
#[tokio::test]
async fn an_edited_template_is_no_conflict() {
    const HOUR_MS: i64 = 3_600_000;
    let door = open(Setup::default()).await;
    let first = id(&door, PATH, "pending").await;
    door.edit(&TEMPLATE.replace("relative: 10%", "relative: 12%"));
    assert_eq!(id(&door, PATH, "pending").await, first, "it goes on");
    door.conclude(&first, Verdict::Promote);
    door.clock.store(NOW.ms() + HOUR_MS + 1, Ordering::SeqCst);
    let second = id(&door, PATH, "pending").await;
    assert_ne!(second, first);
    door.edit(TEMPLATE);
    door.conclude(&second, Verdict::Promote);
    door.clock.store(NOW.ms() + 3 * HOUR_MS, Ordering::SeqCst);
    let third = id(&door, PATH, "pending").await;
    assert!(third != first && third != second, "back to the first text");
}

#[tokio::test]
async fn a_binding_is_filled_by_what_is_asked() {
    let binding = Binding {
        name: "shop".to_owned(),
        submission: SubmissionDocument {
            template: Some("checkout".to_owned()),
            inputs: [("service".to_owned(), "{{name}}".to_owned())].into(),
            baseline: Some(ScopeInput::Text("pod=~\"{{name}}-old-.*\"".to_owned())),
            canary: Some(ScopeInput::Text("pod=~\"{{name}}-{{hash}}-.*\"".to_owned())),
            deploy: DeployInput {
                service: "{{name}}".to_owned(),
                ..DeployInput::default()
            },
            ..SubmissionDocument::default()
        },
    };
    let door = open(Setup {
        bindings: vec![binding],
        ..Setup::default()
    })
    .await;
    let path = "/v1/verdict?binding=shop&service=cart&input.hash=75d1&deploy.id=d-1";
    let made = id(&door, path, "pending").await;
    let whole = door.get(&format!("/v1/analyses/{made}")).await.json();
    assert_eq!(whole["service"], "cart");
    assert_eq!(whole["canary"], "pod=~\"cart-75d1-.*\"");
    let path = "/v1/verdict?binding=shop&service=cart&input.hash=1.2%2Bx&deploy.id=d-2";
    let made = id(&door, path, "pending").await;
    let whole = door.get(&format!("/v1/analyses/{made}")).await.json();
    assert_eq!(
        whole["canary"], "pod=~\"cart-1[.]2[+]x-.*\"",
        "1.2 is not 1x2"
    );
    for (path, status, part) in [
        ("/v1/verdict?binding=shop&service=cart", 422, "{{hash}}"),
        (
            "/v1/verdict?binding=shop&service=cart&input.hash=1&input.hsah=2",
            400,
            "no hole {{hsah}}",
        ),
        (
            "/v1/verdict?binding=shop&service=cart&input.hash=",
            422,
            "{{hash}}",
        ),
        (
            "/v1/verdict?binding=shop&service=cart&input.hash=1&deploy.id=flagger:shop:a/b:1",
            422,
            "kept for what these controllers begin",
        ),
        (
            "/v1/verdict?binding=shop&service=a%22b&input.hash=1",
            422,
            "letters",
        ),
        (
            "/v1/verdict?binding=shop&canary.track=x",
            400,
            "leave it out",
        ),
        (
            "/v1/verdict?binding=shops&service=cart",
            404,
            "did you mean shop?",
        ),
    ] {
        let reply = door.get(path).await;
        assert_eq!(reply.status, status, "{path} {reply:?}");
        assert!(reply.body.contains(part), "{path} {reply:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let door = open(Setup::default()).await;
    for (more, status, part) in [
        ("&canary=track%3D%22x%22", 400, "given whole and by label"),
        ("&deploy.traffic_share=much", 400, "write 0.1"),
        ("&baseline.=x", 400, "unknown"),
        ("&basline.track=x", 400, "unknown"),
        ("&binding=shop", 400, "give one of them"),
        ("&as=words", 400, "verdict, exit"),
        ("&template.digest=0011223344", 409, "0011223344"),
        ("&input.servise=x", 422, "servise"),
        ("&start=yesterday", 422, "start"),
    ] {
        let reply = door.get(&format!("{PATH}{more}")).await;
        assert_eq!(reply.status, status, "{more} {reply:?}");
        assert!(reply.body.contains(part), "{more} {reply:?}");
    }
    assert_eq!(submissions(&door), 0, "nothing was begun");
    let body = r#"{"template":"checkout"}"#;
    let reply = door.post("/v1/verdict?service=shop", body).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.contains("the body says what"), "{reply:?}");
}

#[tokio::test]
async fn it_takes_the_right_to_submit() {
    let door = open(Setup {
        credentials: vec![
            credential("grafana", "token-r", Right::Read),
            credential("argo", "token-s", Right::Submit),
        ],
        ..Setup::default()
    })
    .await;
    for (token, status) in [("token-r", 403), ("token-s", 200), ("none", 401)] {
        let header = format!("authorization: Bearer {token}\r\n");
        let reply = door.send("GET", PATH, &header, "").await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}
