//! `notify`: who hears of which verdict, and that a name nobody has is refused where it is used.

use crate::engine_desk::{Desk, id, submission};
use crate::http_fixture::{Asked, Setup, TEMPLATE, open, submission as body};
use crate::templates::base;
use haldane::engine::Limits;
use haldane::engine::event::{Event, Ticket};
use haldane::engine::record::{Receiver, SecretRef};
use haldane::engine::subscription::Filter;
use haldane::engine::verdict::Verdict;
use haldane::http::KnownReceiver;
use haldane::ids::ReceiverName;
use haldane::serve::templates::Folder;
use haldane::template::notify::unknown_receivers;
use haldane::template::parse::parse;
use haldane::time::Timestamp;

fn name(text: &str) -> ReceiverName {
    ReceiverName::new(text).unwrap()
}

fn known(name: Option<&str>, host: &str) -> KnownReceiver {
    KnownReceiver {
        name: name.and_then(ReceiverName::new),
        receiver: Receiver::new(format!("https://{host}.example/hook"), SecretRef::Default),
        filter: Filter::default(),
    }
}

fn setup() -> Setup {
    Setup {
        receivers: vec![
            known(None, "audit"),
            known(Some("team"), "team"),
            known(Some("pager"), "pager"),
        ],
        ..Setup::default()
    }
}

/// Host and verdicts of everybody who would hear.
fn heard(receivers: &[Receiver]) -> String {
    let one = |receiver: &Receiver| {
        let host = receiver.url.trim_start_matches("https://");
        let host = host.split('.').next().unwrap();
        let on: Vec<&str> = receiver.on.iter().map(|verdict| verdict.word()).collect();
        format!("{host} {}", on.join(" ")).trim().to_owned()
    };
    receivers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A body that brings the template with these lines of `spec`, and a receiver of its own.
fn with_template(spec: &str, deploy: &str) -> String {
    let text = serde_json::to_string(&format!("{TEMPLATE}{spec}")).unwrap();
    let more = r#","webhooks":[{"url":"https://own.example/hook"}]"#;
    let body = body(more).replace(
        r#""template":"checkout""#,
        &format!(r#""template_inline":{text}"#),
    );
    let fuller = format!(r#""deploy":{{"service":"shop"{deploy}}}"#);
    body.replace(r#""deploy":{"service":"shop"}"#, &fuller)
}

#[tokio::test]
async fn a_template_chooses_among_the_named_receivers() {
    let rule = "  notify: [team]\n  changes: { database: { notify: [pager] } }\n";
    for (spec, deploy, wanted) in [
        ("", "", "own, audit, team, pager"),
        ("  notify:\n", "", "own, audit, team, pager"),
        ("  notify: []\n", "", "own, audit"),
        ("  notify: [pager]\n", "", "own, audit, pager"),
        (
            "  notify: [pager, { webhook: team, on: [rollback, inconclusive] }]\n",
            "",
            "own, audit, team rollback inconclusive, pager",
        ),
        (rule, "", "own, audit, team"),
        (rule, r#","change_type":"database""#, "own, audit, pager"),
    ] {
        let door = open(setup()).await;
        let reply = door
            .post("/v1/analyses", &with_template(spec, deploy))
            .await;
        assert_eq!(reply.status, 201, "{spec}: {reply:?}");
        let asked = door.asked.lock().unwrap();
        let [Asked::Submit(submission)] = asked.as_slice() else {
            panic!("{asked:?}");
        };
        assert_eq!(heard(&submission.receivers), wanted, "{spec}{deploy}");
    }
}

#[tokio::test]
async fn a_name_nobody_has_is_refused_with_those_there_are() {
    let door = open(setup()).await;
    for spec in [
        "  notify: [pagr]\n",
        "  notify: [team]\n  changes: { database: { notify: [pagr] } }\n",
    ] {
        let reply = door.post("/v1/analyses", &with_template(spec, "")).await;
        assert_eq!(reply.status, 422, "{reply:?}");
        let detail = reply.json()["detail"].to_string();
        for part in [
            "C066",
            "`pagr`, did you mean `pager`?",
            "the daemon has `team`, `pager`",
        ] {
            assert!(detail.contains(part), "{detail}");
        }
    }
    assert!(door.asked.lock().unwrap().is_empty());
}

#[test]
fn unknown_names_are_found_wherever_they_stand() {
    let spec = "  notify: [team, nobody]\n  changes: { a: { notify: [team] }, b: {}, c: { notify: [tame] } }\n";
    let (template, found) = parse(&(base().0 + spec));
    assert_eq!(found, []);
    let template = template.unwrap();
    let said = |known: &[ReceiverName]| -> Vec<String> {
        let found = unknown_receivers(&template, known);
        found.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        said(&[name("team")]),
        [
            "52:18: no receiver is named `nobody` [C066]; the daemon has `team`",
            "53:58: no receiver is named `tame`, did you mean `team`? [C066]; the daemon has `team`",
        ]
    );
    let none = said(&[]);
    assert_eq!(none.len(), 4, "{none:?}");
    assert!(
        none[0].contains("give one of `webhooks.receivers` a `name`"),
        "{none:?}"
    );
}

#[test]
fn a_folder_is_refused_for_a_name_the_daemon_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), base().0 + "  notify: [team]\n").unwrap();
    let message = Folder::open(dir.path(), vec![name("tema")]).unwrap_err();
    assert!(
        message.contains("[C066]: no receiver is named `team`, did you mean `tema`?"),
        "{message}"
    );
    assert!(message.contains("a.yaml:52:12"), "{message}");
    Folder::open(dir.path(), vec![name("team")]).unwrap();
}

#[test]
fn only_those_who_want_a_verdict_get_a_message() {
    for (verdict, wanted) in [
        (Verdict::Rollback, ["receiver-0", "receiver-1"].as_slice()),
        (Verdict::Inconclusive, &["receiver-0", "receiver-2"]),
        (Verdict::Promote, &["receiver-0"]),
    ] {
        let mut desk = Desk::new(Limits::default(), Timestamp::from_s(1_000));
        let mut new = submission("a1", None, "600:10:x", 3);
        for (idx, on) in [(1, Verdict::Rollback), (2, Verdict::Inconclusive)] {
            new.receivers[idx] = new.receivers[idx].only(vec![on]);
        }
        desk.tell(Event::Submitted {
            ticket: Ticket(1),
            submission: Box::new(new),
        });
        while desk.append_ok() {}
        desk.tell(Event::Overridden {
            ticket: Ticket(2),
            id: id("a1"),
            verdict,
            author: "ada".to_owned(),
            reason: "a test".to_owned(),
        });
        while desk.append_ok() {}
        let told = |desk: &Desk| -> Vec<String> {
            let sends = desk.sends.iter().map(|order| order.receiver.url.clone());
            sends.collect()
        };
        let wanted: Vec<String> = wanted
            .iter()
            .map(|host| format!("https://{host}.example/hook"))
            .collect();
        assert_eq!(told(&desk), wanted, "{verdict:?}");
        let deliveries = |desk: &Desk| {
            let view = &desk.published[&id("a1")];
            let messages = view
                .deliveries
                .iter()
                .map(|message| message.delivery.clone());
            messages.collect::<Vec<_>>()
        };
        let before = deliveries(&desk);
        assert_eq!(before.len(), wanted.len());
        // The same people, by the same messages, after a crash.
        desk.crash();
        assert_eq!(told(&desk), wanted, "{verdict:?} after a crash");
        assert_eq!(deliveries(&desk), before);
    }
}
