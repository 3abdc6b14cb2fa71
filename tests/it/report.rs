//! Reports: pages that are well-formed, sealed and complete, whatever strangers wrote; pictures and
//! comments of the same documents. `UPDATE_CASES=1` writes the golden files anew.

use crate::chart::check_document;
use crate::docs::read;
use crate::engine_desk::{Desk, id, submission};
use crate::engine_plans::START;
use crate::http_fixture::{Setup, open, submission as http_submission};
use crate::support::daemon::{Site, haldane};
use clap::Parser as _;
use haldane::chart::escaped;
use haldane::cli::args::Args;
use haldane::digest::Digest;
use haldane::engine::Limits;
use haldane::engine::event::{Event, Ticket};
use haldane::judge::judgement::Label;
use haldane::report::{details, html, policy, svg};
use haldane::time::Span;
use haldane::wire::report::ReportDocument;
use std::path::Path;

/// The bytes a page of twenty metrics may have, from the budget that pages are held to.
const PAGE_BYTES: usize = 300_000;

fn document(name: &str) -> ReportDocument {
    serde_json::from_str(&read(&format!("tests/reports/{name}.json"))).unwrap()
}

fn check_page(report: &ReportDocument) -> String {
    let page = html(report);
    let body = page.strip_prefix("<!DOCTYPE html>\n").unwrap();
    check_document(body);
    let parsed = roxmltree::Document::parse(body).unwrap();
    let one = |name: &str| {
        let mut found = parsed
            .descendants()
            .filter(|node| node.has_tag_name((XHTML, name)));
        let node = found.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(found.next().is_none(), "more than one {name}");
        node
    };
    // A10: the sentence is the headline, byte for byte.
    let headline = one("h1").text().unwrap_or_default();
    if !report
        .reason
        .chars()
        .any(|c| c.is_control() || c > '\u{2000}')
    {
        assert_eq!(headline, report.reason);
    }
    // The policy names the one style there is, so the page looks as it was made.
    let style = one("style").text().unwrap();
    let digest = Digest::of(style.as_bytes());
    let encoded =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest.bytes());
    assert!(
        policy().contains(&format!("'sha256-{encoded}'")),
        "{}",
        policy()
    );
    for far in ["@import", "url(", "expression"] {
        assert!(!style.contains(far), "{far}");
    }
    for metric in &report.metrics {
        let named = parsed.descendants().any(|node| {
            node.has_tag_name((XHTML, "h3"))
                && node.text().is_some_and(|t| t == shown(&metric.name))
        });
        assert!(named, "{} is missing", metric.name);
    }
    page
}

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A name without what is replaced in it.
fn shown(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '\u{202e}' => '\u{fffd}',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(name);
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let different = wanted.lines().zip(text.lines()).position(|(l, r)| l != r);
    assert!(
        wanted == text,
        "{name} differs from line {different:?} on; UPDATE_CASES=1 rewrites it"
    );
}

#[test]
fn a_report_is_written_as_before() {
    let report = document("pair");
    golden("pair.html", &check_page(&report));
    golden("pair.svg", &svg(&report, None).unwrap());
    golden("pair.md", &details(&report));
}

/// Units a letter of DejaVu Sans, the widest font a chart names, takes on the average at 11 units.
const WIDE_LETTER: f64 = 6.4;

#[test]
fn no_key_of_a_chart_runs_over_its_edge() {
    let page = html(&document("checkout"));
    let body = page.split_once("<body").unwrap().1;
    let mut seen = 0;
    for chart in body.split("<svg ").skip(1) {
        for text in chart.split("<text ").skip(1) {
            let Some((x, rest)) = text
                .strip_prefix("x=\"")
                .and_then(|text| text.split_once("\" y=\"30\">"))
            else {
                continue;
            };
            let name = rest.split_once('<').unwrap().0;
            let end = x.parse::<f64>().unwrap() + WIDE_LETTER * name.chars().count() as f64;
            assert!(end <= haldane::chart::WIDTH, "{name} ends at {end}");
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen} keys");
}

#[test]
fn a_whole_analysis_is_there() {
    let report = document("checkout");
    let page = check_page(&report);
    assert!(page.len() < PAGE_BYTES, "{}", page.len());
    for part in [
        "13 of 30",
        "Looks as a table",
        "availability, burn of the error budget",
        "demo-service",
        "PROMETHEUS_URL",
        "track=&quot;stable&quot;",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for query in report.metrics.iter().flat_map(|metric| &metric.queries) {
        assert!(page.contains(&escaped(&query.query)), "{}", query.query);
    }
    let picture = svg(&report, None).unwrap();
    check_document(&picture);
    let one = svg(&report, Some("errors")).unwrap();
    check_document(&one);
    assert!(one.len() < picture.len() && one.contains("errors, bad events"));
    assert_eq!(svg(&report, Some("nothing")), None);
}

#[test]
fn strangers_write_no_mark_up() {
    let evil = "<script>alert(1)</script>\"'&]]>\u{202e}\u{0}--><h1>";
    let mut report = document("checkout");
    for (idx, metric) in report.metrics.iter_mut().enumerate() {
        let name = format!("{evil}{idx}");
        for look in &mut report.looks {
            look.metrics[idx].name.clone_from(&name);
        }
        report.series[idx].name.clone_from(&name);
        metric.name = name;
        metric.unit = evil.to_owned();
        metric.test = evil.to_owned();
        metric.notes = vec![evil.to_owned()];
        metric.no_data = Some(evil.to_owned());
        metric.label = if idx == 0 {
            evil.to_owned()
        } else {
            "no_data".to_owned()
        };
        metric.role = evil.to_owned();
        metric
            .queries
            .iter_mut()
            .for_each(|query| query.query = evil.to_owned());
    }
    for objective in &mut report.objectives {
        objective.name = evil.to_owned();
        objective
            .rungs
            .iter_mut()
            .for_each(|rung| rung.state = evil.to_owned());
    }
    for field in [
        &mut report.service,
        &mut report.reason,
        &mut report.baseline,
        &mut report.template.name,
        &mut report.plan_digest,
        &mut report.timing.start,
        &mut report.verdict,
        &mut report.version,
    ] {
        *field = evil.to_owned();
    }
    report.deploy.revision = Some(evil.to_owned());
    report.template_text = Some(evil.to_owned());
    report.suspect = vec![evil.to_owned()];
    report.hold = Some(evil.to_owned());
    report.author = Some(evil.to_owned());
    report.decided_at = Some(evil.to_owned());
    report
        .sentences
        .iter_mut()
        .for_each(|sentence| *sentence = evil.to_owned());
    report
        .settings
        .iter_mut()
        .for_each(|setting| setting.value = evil.to_owned());
    report
        .again
        .iter_mut()
        .for_each(|again| again.command = evil.to_owned());
    report
        .deliveries
        .iter_mut()
        .for_each(|told| told.url = evil.to_owned());
    let page = check_page(&report);
    assert!(!page.contains("<script") && !page.contains('\u{202e}'));
    check_document(&svg(&report, None).unwrap());
    let folded = details(&report);
    let outside: String = folded.split("```").step_by(2).collect();
    assert!(!outside.contains("<script"), "{outside}");
}

#[test]
fn silence_and_doubt_are_on_the_page() {
    let mut report = document("pair");
    let quiet = check_page(&report);
    assert!(!quiet.contains("In doubt"), "nothing is in doubt");
    report.hold = Some("data_suspect".to_owned());
    report.suspect = vec!["partial response".to_owned()];
    report.metrics[0].label = "no_data".to_owned();
    report.metrics[0].no_data = Some("canary has 0 of 5 required samples".to_owned());
    report.metrics[0].effect = None;
    report.source_fault = Some("no answer in time".to_owned());
    report.looks.clear();
    report.series[0].canary.fill(None);
    let page = check_page(&report);
    for part in [
        "In doubt",
        "Held: data suspect",
        "The source warned: partial response",
        "value is silent: canary has 0 of 5 required samples",
        "The source does not answer: no answer in time",
        "No look has been judged",
        "Canary: no value.",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn every_size_of_analysis_is_a_page() {
    let mut long = document("checkout");
    let look = long.looks.last().unwrap().clone();
    while long.looks.len() < 700 {
        long.looks.push(look.clone());
    }
    for series in &mut long.series {
        let value = |idx: u32| (!idx.is_multiple_of(90)).then_some(f64::from(idx % 13) / 100.0);
        series.baseline = (0..11_000).map(value).collect();
        series.canary = (0..11_000).map(|idx| value(idx + 5)).collect();
    }
    let page = check_page(&long);
    assert!(page.len() < PAGE_BYTES, "{}", page.len());
    let mut short = document("checkout");
    short.looks.clear();
    short.metrics.clear();
    short.sentences.clear();
    short.series.clear();
    short.objectives.clear();
    short.verdict = "pending".to_owned();
    short.reason = "no look has been taken yet".to_owned();
    check_page(&short);
    check_document(&svg(&short, None).unwrap());
}

#[test]
fn numbers_that_are_none_are_never_written() {
    let mut report = document("checkout");
    for metric in &mut report.metrics {
        if let Some(effect) = &mut metric.effect {
            for one in [Some(&mut effect.absolute), effect.relative.as_mut()] {
                let Some(one) = one else { continue };
                (one.low, one.high) = (None, None);
            }
        }
        metric.evidence = None;
        metric.baseline.level = None;
    }
    for look in &mut report.looks {
        for said in &mut look.metrics {
            if let Some(evidence) = &mut said.evidence {
                (evidence.p_harm, evidence.p_safe) = (Some(0.0), Some(f64::MAX));
                evidence.alpha = Some(1.0);
            }
        }
    }
    check_page(&report);
    check_document(&svg(&report, None).unwrap());
}

/// The commands parse; what a shell would do to words is done here.
fn check_again(report: &ReportDocument) {
    for again in &report.again {
        let address = "http://prometheus:9090";
        let command = again.command.replace("\"$PROMETHEUS_URL\"", address);
        let words: Vec<String> = command
            .split('\'')
            .enumerate()
            .flat_map(|(idx, part)| -> Vec<String> {
                if idx % 2 == 1 {
                    vec![part.to_owned()]
                } else {
                    part.split_whitespace().map(str::to_owned).collect()
                }
            })
            .collect();
        Args::try_parse_from(&words).unwrap_or_else(|fault| panic!("{command}: {fault}"));
    }
}

#[test]
fn the_command_of_a_report_is_one() {
    for name in ["pair", "checkout"] {
        check_again(&document(name));
    }
}

#[test]
fn a_comment_stays_short() {
    let mut report = document("checkout");
    for metric in &mut report.metrics {
        metric.queries[0].query = "x".repeat(40_000);
    }
    let text = details(&report);
    assert!(text.len() < 60_000, "{}", text.len());
    assert!(text.contains("Queries are left out"), "{}", text.len());
    assert!(text.contains("haldane judge"));
}

#[test]
fn the_records_of_an_analysis_are_its_report() {
    let mut desk = Desk::new(Limits::default(), START);
    let submission = Box::new(submission("a1", Some("a1"), "600:10:x", 0));
    desk.tell(Event::Submitted {
        ticket: Ticket(1),
        submission,
    });
    while desk.append_ok() {}
    let report = |desk: &Desk| {
        let view = desk.published[&id("a1")].clone();
        ReportDocument::of_analysis(&view, &desk.disk)
    };
    let early = report(&desk);
    assert_eq!((early.looks.len(), early.verdict.as_str()), (0, "pending"));
    assert!(check_page(&early).contains("No look has been judged"));
    desk.pass(Span::from_s(70));
    let order = desk.fetches[0].clone();
    desk.fetch_fails(&order, true, "the source is <away>");
    desk.pass(Span::from_s(2));
    let order = desk.fetches.last().unwrap().clone();
    desk.fetched(&order);
    let order = desk.judges[0].clone();
    desk.judged(&order, Label::Undecided);
    while desk.append_ok() {}
    let late = report(&desk);
    assert_eq!(late.looks.len(), 1);
    assert_eq!(late.again.len(), 3);
    check_again(&late);
    assert_eq!(late.looks[0].metrics.len(), late.metrics.len());
    assert_eq!(late.sentences.len(), late.metrics.len());
    assert_eq!(late.template_text.as_deref(), Some("600:10:x"));
    let page = check_page(&late);
    assert!(page.contains("the source is &lt;away&gt;"), "{page}");
    // What is read back is what was written.
    let text = serde_json::to_string(&late).unwrap();
    assert_eq!(serde_json::from_str::<ReportDocument>(&text).unwrap(), late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_gives_its_reports() {
    let site = Site::simulated(&read("simulations/demo.yaml"));
    site.template("demo", &read("simulations/demo-template.yaml"));
    let daemon = site.start().await;
    let server = ["--url", daemon.url()];
    let flags = [
        "submit",
        "-t",
        "demo-service",
        "--service",
        "checkout",
        "--input",
        "service=checkout",
        "--baseline",
        "track=\"stable\"",
        "--canary",
        "track=\"canary\"",
        "--traffic-share",
        "25%",
    ];
    let submitted = haldane(&[&flags[..], &server].concat()).await;
    submitted.check(0, &[]);
    let id = submitted.out.trim().to_owned();
    let page = haldane(&[&["report", &id][..], &server].concat()).await;
    page.check(0, &["No look has been judged", "demo-service"]);
    check_document(page.out.strip_prefix("<!DOCTYPE html>\n").unwrap());
    let picture = haldane(&[&["report", &id, "-f", "svg"][..], &server].concat()).await;
    picture.check(0, &["<svg"]);
    check_document(&picture.out);
    let comment = haldane(&[&["report", &id, "-f", "markdown"][..], &server].concat()).await;
    comment.check(0, &["<!-- haldane:checkout -->", "<details>"]);
    let wrong = haldane(&[&["report", "nobody"][..], &server].concat()).await;
    wrong.check(2, &["there is no analysis nobody"]);
}

#[tokio::test]
async fn a_page_comes_with_its_policy() {
    let door = open(Setup::default()).await;
    let id = door.submitted(&http_submission("")).await;
    let page = door.get(&format!("/v1/analyses/{id}/report.html")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("content-security-policy"), policy());
    let picture = door.get(&format!("/v1/analyses/{id}/report.svg")).await;
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    let document = door.get(&format!("/v1/analyses/{id}/report")).await.json();
    assert_eq!(document["schema"], "haldane.report/1");
    let none = door
        .get(&format!("/v1/analyses/{id}/report.svg?metric=x"))
        .await;
    assert_eq!(
        (none.status, &none.json()["code"]),
        (400, &"invalid_query".into())
    );
    let unknown = door.get("/v1/analyses/none/report.html").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
}

/// The relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2).
fn luminance(color: &str) -> f64 {
    let digits = color.trim_start_matches('#');
    let wide: String = if digits.len() == 3 {
        digits.chars().flat_map(|c| [c, c]).collect()
    } else {
        digits.to_owned()
    };
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            libm::pow((value + 0.055) / 1.055, 2.4)
        }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

/// WCAG 2.2: text needs a contrast of 4.5 with what is behind it, lines one of 3, in light and in
/// dark.
#[test]
fn colours_are_told_apart_from_paper() {
    let mut seen = 0;
    for file in ["chart/chart.css", "report/page.css", "report/picture.css"] {
        let text = read(&format!("src/{file}"));
        let blocks = text.split('{').filter(|block| block.contains("--paper:"));
        for block in blocks {
            let block = block.split('}').next().unwrap();
            let colors: Vec<(&str, &str)> = block
                .split(';')
                .filter_map(|one| one.trim().strip_prefix("--")?.split_once(':'))
                .filter(|(_, value)| value.starts_with('#'))
                .collect();
            let color = |name: &str| colors.iter().find(|(n, _)| *n == name).map(|(_, c)| *c);
            let check = |name: &str, behind: &str, least: f64| {
                let (Some(fore), Some(back)) = (color(name), color(behind)) else {
                    return 0;
                };
                let (a, b) = (luminance(fore), luminance(back));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(
                    contrast >= least,
                    "{file}: {name} on {behind} has {contrast:.2}"
                );
                1
            };
            for name in ["ink", "soft", "bad", "good", "doubt", "open", "link"] {
                let least = if file.contains("chart") && name == "open" {
                    3.0
                } else {
                    4.5
                };
                seen += check(name, "paper", least);
                seen += check(name, &format!("{name}-wash"), 4.5);
            }
            seen += check("can", "paper", 3.0) + check("base", "paper", 3.0);
            seen += check("soft", "shade", 4.5) + check("soft", "panel", 4.5);
        }
    }
    assert!(seen > 40, "only {seen} pairs were found");
}
