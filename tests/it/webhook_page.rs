//! `docs/webhooks.md`: its messages are written, and a daemon is started with each of its samples.

use crate::docs::{check_block, root};
use crate::wire_samples::{judgement, view};
use haldane::engine::subscription::Moment;
use haldane::ids::DeliveryId;
use haldane::serve::start::StartFault;
use haldane::time::Timestamp;
use haldane::wire::cdevents::{Told, suite};
use haldane::wire::event::moment_event;
use serde_json::{Value, json};
use std::path::Path;

/// The TOML blocks of the page with templates in them.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/webhooks.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    blocks
        .filter(|block| block.contains("[webhooks.templates."))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_documented_samples_start_a_daemon() {
    let samples = documented();
    assert!(samples.len() >= 5, "{}", samples.len());
    for sample in samples {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "https://chat.example.org/hooks/T0/B0/s3cr3t\n").unwrap();
        let known = started(&with_secrets(&sample, &secret), dir.path()).await;
        assert_eq!(known, Ok(()), "{sample}");
        // A typo does not start.
        let broken = sample.replacen("{{ service }}", "{{ servise }}", 1);
        if broken != sample {
            let why = started(&with_secrets(&broken, &secret), dir.path())
                .await
                .unwrap_err();
            assert!(
                why.contains("webhooks.templates.") && why.contains("servise"),
                "{why}"
            );
        }
    }
}

/// Every reference to a secret leads to this file.
fn with_secrets(sample: &str, file: &Path) -> String {
    let mut out = String::new();
    let mut rest = sample;
    while let Some(at) = rest.find("\"file:") {
        let (before, behind) = rest.split_at(at + 1);
        let end = behind.find('"').unwrap();
        out.push_str(before);
        out.push_str(&format!("file:{}", file.display()));
        rest = behind.get(end..).unwrap();
    }
    out + rest
}

async fn started(sample: &str, dir: &Path) -> Result<(), String> {
    let templates = root().join("analysis-templates");
    let file = dir.join("haldane.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n\
         [templates]\ndir = \"{}\"\n{sample}\n",
        dir.join("log.db").display(),
        templates.display(),
    );
    std::fs::write(&file, text).unwrap();
    let config = haldane::serve::config::load(Some(&file), &[])?;
    let clock = haldane::serve::clock::Clock::system();
    let metrics: haldane::serve::start::RenderMetrics = std::sync::Arc::new(String::new);
    match haldane::serve::start::start(&config, clock, None, metrics).await {
        Ok(daemon) => {
            daemon.stop().await;
            Ok(())
        }
        Err(StartFault::Config(why) | StartFault::World(why)) => Err(why),
    }
}

/// The examples of the page are messages as they are sent.
#[test]
fn the_page_shows_messages_as_they_are_sent() {
    let delivery = DeliveryId::new("msg_5f0c1d2e3b4a59687766554433").unwrap();
    let view = view({
        let mut judgement = judgement();
        judgement.findings.truncate(1);
        judgement
    });
    let born = Timestamp::from_s(1_767_323_701);
    let source = "https://haldane.example.org";
    let event = moment_event(Moment::Verdict, (&view, born), &delivery, source);
    check_message("cloudevents", &serde_json::from_slice(&event).unwrap());
    let told = Told {
        moment: Moment::Verdict,
        view: &view,
        delivery: &delivery,
        source,
        born,
    };
    let mut event: Value = serde_json::from_slice(&suite(&told)).unwrap();
    event["data"]["customData"] = json!({ "schema": "haldane.verdict/1", "…": "as above" });
    check_message("cdevents", &event);
}

fn check_message(form: &str, event: &Value) {
    let block = format!("```json\n{event:#}\n```\n");
    check_block("docs/webhooks.md", &format!("message {form}"), &block);
}
