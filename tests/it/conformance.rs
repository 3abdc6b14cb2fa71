//! `haldane conformance` against a started daemon: every vector of every controller is answered as
//! it must be, and the command says so when one is not.

use crate::docs::root;
use crate::serve_drain::SCENARIO;
use crate::support::daemon::{Daemon, Site, haldane};
use haldane::cli::conformance::vectors::{FILES, TEMPLATE};
use haldane::wire::conformance;
use serde_json::Value;
use std::collections::BTreeSet;

const BINDING: &str = r#"
[[bindings]]
name = "conformance"
template = "conformance"
service = "{{name}}"
baseline = 'pod=~"{{name}}-primary-.*"'
canary = 'pod=~"{{name}}-[0-9a-f]+-.*"'
"#;

/// A daemon set up as the vectors want it, and the flags that say so.
pub(crate) fn site() -> Site {
    let mut site = Site::simulated(SCENARIO);
    site.template("conformance", TEMPLATE);
    site.configure(BINDING);
    site
}

pub(crate) async fn conform(daemon: &Daemon, more: &[&str]) -> crate::support::daemon::Said {
    let own = ["conformance", daemon.url(), "--binding", "conformance"];
    let mut args = own.to_vec();
    args.extend(["--template", "conformance"]);
    args.extend(more);
    haldane(&args).await
}

#[test]
fn every_file_is_part_of_the_program() {
    let folder = std::fs::read_dir(root().join("tests/conformance")).unwrap();
    let there: BTreeSet<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let built: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, built, "src/cli/conformance/vectors.rs lists them");
    let mut ids = BTreeSet::new();
    for (name, text) in FILES {
        let suite = conformance::read(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!suite.cases.is_empty() || !suite.reads.is_empty(), "{name}");
        for case in suite.cases {
            assert!(ids.insert(case.id.clone()), "{name}: {} twice", case.id);
        }
    }
}

#[tokio::test]
async fn a_started_daemon_conforms() {
    let site = site();
    let daemon = site.start().await;
    let said = conform(&daemon, &["-o", "json"]).await;
    let document = said.json();
    let differing: Vec<String> = cases(&document)
        .filter(|(_, case)| case["result"] == "differs")
        .map(|(controller, case)| format!("{controller} {case:#}"))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    // Nothing is left under way.
    let left = daemon.get("/v1/analyses?verdict=pending").await.unwrap();
    assert_eq!(
        left.body["analyses"].as_array().unwrap().len(),
        0,
        "{left:?}"
    );
}

/// Every case of a JSON answer, with its controller.
pub(crate) fn cases(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let suites = document["controllers"].as_array().unwrap().iter();
    suites.flat_map(|suite| {
        let name = suite["controller"].as_str().unwrap();
        let all = suite["cases"].as_array().unwrap().iter();
        all.map(move |case| (name, case))
    })
}

#[tokio::test]
async fn tables_and_xml_say_the_same() {
    let site = site();
    let daemon = site.start().await;
    let said = conform(&daemon, &["--only", "AW-1", "--only", "AW-5"]).await;
    said.check(
        0,
        &[
            "argo-rollouts-web",
            "AW-1",
            "promote",
            "Successful",
            "2 ok, 0 differ",
        ],
    );
    assert!(!said.out.contains("AW-2"), "{}", said.out);
    let said = conform(&daemon, &["--only", "AW-5", "-o", "junit"]).await;
    said.check(0, &[]);
    let document = roxmltree::Document::parse(&said.out).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("tests"), Some("1"));
    assert_eq!(root.attribute("failures"), Some("0"));
    let said = conform(&daemon, &["--only", "AW-0"]).await;
    said.check(2, &["--only `AW-0`", "argo-rollouts-web"]);
}

#[tokio::test]
async fn a_difference_is_exit_code_1_and_no_daemon_is_4() {
    // A policy that is not the default is a difference, and rightly so.
    let mut site = site();
    site.configure("[dialects.verdict]\npending = \"stop\"\ninconclusive = \"fault\"\n");
    let daemon = site.start().await;
    let said = conform(&daemon, &["--only", "AW-4"]).await;
    said.check(1, &["AW-4", "differs", "rollback", "0 ok, 1 differ"]);
    let said = conform(&daemon, &["--only", "AW-3"]).await;
    said.check(1, &["status 503, wanted 200"]);
    daemon.stop().await;
    let said = haldane(&["conformance", "http://127.0.0.1:9", "--only", "AW-1"]).await;
    said.check(4, &["no daemon at"]);
}

#[tokio::test]
async fn it_shows_its_token_and_needs_the_right_to_override() {
    let mut site = site();
    for (author, right) in [("ada", "override"), ("argo", "submit")] {
        let token = site.path(&format!("{author}.token"));
        std::fs::write(&token, format!("a-token-of-{author}\n")).unwrap();
        let token = token.display();
        site.configure(&format!(
            "[[server.credentials]]\nauthor = \"{author}\"\ntoken = \"file:{token}\"\n\
             right = \"{right}\"\n"
        ));
    }
    let daemon = site.start().await;
    let only = ["--only", "AW-2", "--only", "AW-20", "--only", "KG-1"];
    for (author, code, part) in [("ada", 0, "3 ok, 0 differ"), ("argo", 2, "forbidden")] {
        let token = site.path(&format!("{author}.token")).display().to_string();
        let more = ["--token-file", token.as_str()];
        let said = conform(&daemon, &[&only[..], &more[..]].concat()).await;
        said.check(code, &[part]);
    }
    conform(&daemon, &only).await.check(2, &["unauthenticated"]);
}

/// Vectors of one's own, in a file of the site.
fn vectors(site: &Site, name: &str, cases: &str) -> String {
    let path = site.path(name);
    let text = format!("controller: \"own\\e[2J<&\"\nabout: \"\\e[31mred\"\ncases:{cases}\n");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn who_asked_nothing_has_shown_nothing() {
    let site = site();
    let daemon = site.start().await;
    let empty = vectors(&site, "empty.yaml", " []");
    let held = "
  - { id: H-1, given: held, needs: [github], concludes: waits, request: { path: /x }, answer: { status: 200 } }";
    let held = vectors(&site, "held.yaml", held);
    for (file, part) in [(&empty, "there is no case"), (&held, "1 skipped")] {
        let said = conform(&daemon, &["--vectors", file]).await;
        said.check(3, &["nothing was asked, so nothing is shown", part]);
    }
    // Nothing of a stranger's file moves the cursor or ends the XML.
    let said = conform(&daemon, &["--vectors", &held]).await;
    assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    let said = conform(&daemon, &["--vectors", &held, "-o", "junit"]).await;
    let document = roxmltree::Document::parse(&said.out).unwrap();
    let suite = document.root_element().first_element_child().unwrap();
    assert_eq!(suite.attribute("name"), Some("own [2J<&"));
    let large = site.path("large.yaml");
    std::fs::write(&large, " ".repeat((4 << 20) + 1)).unwrap();
    let large = large.display().to_string();
    let said = conform(&daemon, &["--vectors", &large]).await;
    said.check(2, &["more than 4194304 bytes", "part it"]);
    let many = ["--vectors", &empty].repeat(101);
    let said = conform(&daemon, &many).await;
    said.check(2, &["101 files, and 100 is the most"]);
}

#[tokio::test]
async fn a_fault_leaves_nothing_under_way_and_the_token_stays_here() {
    let site = site();
    let daemon = site.start().await;
    let case = "
  - id: X-1
    given: pending
    concludes: nothing
    request: { path: \"http://127.0.0.1:9/v1/analyses\" }
    answer: { status: 200 }";
    let file = vectors(&site, "elsewhere.yaml", case);
    let said = conform(&daemon, &["--vectors", &file]).await;
    said.check(2, &["leads to http://127.0.0.1:9 instead of", daemon.url()]);
    let all = daemon.get("/v1/analyses").await.unwrap();
    let all = all.body["analyses"].as_array().unwrap().clone();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["verdict"], "inconclusive", "{all:?}");
}

#[tokio::test]
async fn a_template_that_needs_an_input_is_refused() {
    let site = site();
    let needs = TEMPLATE.replace("spec:", "spec:\n  inputs: { service: {} }");
    site.template("web", &needs.replace("name: conformance", "name: web"));
    let daemon = site.start().await;
    for (name, part) in [
        ("web", "--template `web` needs the input `service`"),
        ("nobody", "there is no template nobody"),
    ] {
        let args = ["conformance", daemon.url(), "--template", name];
        haldane(&args).await.check(2, &[part]);
    }
}

#[test]
fn the_template_is_that_of_the_page() {
    let page = std::fs::read_to_string(root().join("docs/controllers.md")).unwrap();
    assert!(page.contains(&format!("```yaml\n{TEMPLATE}```")));
}
