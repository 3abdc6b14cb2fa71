//! Verdicts computed again: to the same bytes under their own plan, another way under another.
//!
//! `tests/recordings/verdicts/semantics-N/` holds recordings that were made under semantics N and
//! are never edited. A change that raises `SEMANTICS` adds a folder: `UPDATE_RECORDINGS=1` makes
//! what is missing in the newest one.

use crate::docs::{read, root};
use futures_util::FutureExt as _;
use haldane::engine::verdict::Verdict;
use haldane::judge::SEMANTICS;
use haldane::judge::sequential::Tables;
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::recording;
use haldane::replay::again::again;
use haldane::replay::anew::anew;
use haldane::replay::course::{Depth, Replayed};
use haldane::replay::differences;
use haldane::replay::labels::Label;
use haldane::replay::lines::{self, Line, Part};
use haldane::replay::make::{Past, make};
use haldane::replay::plans::{Change, MethodName, Plans};
use haldane::replay::summary::Summary;
use haldane::serve::one_shot;
use haldane::serve::source::Source;
use haldane::simulate::traffic::Traffic;
use haldane::template::parse::parse;
use haldane::time::{Span, Timestamp};
use haldane::wire::recording::{Kept, Recording};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// A quiet Sunday.
const START: Timestamp = Timestamp::from_s(1_767_520_800);

fn arm(track: &str) -> Scope {
    Scope::new(vec![Matcher::equals("track", track).unwrap()]).unwrap()
}

pub(crate) fn rollout(service: &str) -> Rollout {
    Rollout {
        deploy: Deploy {
            service: service.to_owned(),
            ..Deploy::default()
        },
        inputs: [("service".to_owned(), service.to_owned())].into(),
        baseline: arm("stable"),
        canary: arm("canary"),
        start: START,
        duration: None,
    }
}

pub(crate) fn recorded(template: &str, scenario: &str, service: &str) -> Recording {
    let (parsed, found) = parse(template);
    let parsed = parsed.unwrap_or_else(|| panic!("{found:?}"));
    let plan: Arc<Plan> = Arc::new(bind(&parsed, &rollout(service)).unwrap());
    let source = Source::Simulated(Arc::new(Traffic::parse(scenario).unwrap()));
    // Simulated answers are there at once.
    let fetched = one_shot::fetch(&plan, &source).now_or_never();
    let whole = fetched.unwrap().unwrap();
    let past = Past {
        template_text: template.into(),
        plan,
        version: "0.1.0",
    };
    make(&past, whole).unwrap()
}

/// One of the demo's rollouts: `catalog` is healthy, `checkout` is not.
pub(crate) fn demo(service: &str) -> Recording {
    let template = read("simulations/demo-template.yaml");
    recorded(&template, &read("simulations/demo.yaml"), service)
}

fn own(recording: &Recording, depth: Depth) -> Replayed {
    let plan = Plans::default().own(recording).unwrap();
    again(recording, &plan, None, depth, &Tables::default()).unwrap()
}

fn changed(recording: &Recording, change: &Change) -> Replayed {
    let plan = Plans::default().changed(recording, change).unwrap();
    anew(recording, &plan, None, Depth::Looks, &Tables::default()).unwrap()
}

#[test]
fn the_same_again_is_the_same_byte_for_byte() {
    for (service, wanted) in [
        ("catalog", Verdict::Promote),
        ("checkout", Verdict::Rollback),
    ] {
        let recording = demo(service);
        assert_eq!(recording.conclusion().unwrap().verdict, wanted, "{service}");
        for depth in [Depth::Looks, Depth::Verdict] {
            let replayed = own(&recording, depth);
            assert_eq!(
                differences::of(&recording, &replayed),
                [],
                "{service} {depth:?}"
            );
            assert_eq!(replayed.standing.text(), recording.verdict);
        }
        // Samples cut into other batches are the same samples (A6).
        let replayed = changed(&recording, &Change::default());
        assert_eq!(differences::of(&recording, &replayed), [], "{service} anew");
    }
}

#[test]
fn one_other_sample_is_a_difference() {
    let mut recording = demo("checkout");
    let batch = recording.kept.iter_mut().find_map(|(_, kept)| match kept {
        Kept::Captured { batch, look: 2 } => Some(Arc::make_mut(batch)),
        _ => None,
    });
    let sample = &mut batch.unwrap().answers[0].1.series[0].samples[0];
    sample.value *= 1.5;
    let found = differences::of(&recording, &own(&recording, Depth::Looks));
    assert!(found.iter().any(|one| one.place == "look 2"), "{found:?}");
    assert!(!found.iter().any(|one| one.place == "look 1"), "{found:?}");
}

/// Documents may gain fields; one that goes is a difference.
#[test]
fn a_document_that_gained_a_field_is_the_same() {
    let mut recording = demo("checkout");
    let mut document: Value = serde_json::from_str(&recording.verdict).unwrap();
    document.as_object_mut().unwrap().remove("service");
    recording.verdict = document.to_string();
    assert_eq!(
        differences::of(&recording, &own(&recording, Depth::Looks)),
        []
    );
    document["mood"] = "good".into();
    document["metrics"].as_array_mut().unwrap().pop();
    recording.verdict = document.to_string();
    let found = differences::of(&recording, &own(&recording, Depth::Verdict));
    let places: Vec<&str> = found.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(places, ["metrics[3]", "mood"]);
}

fn frozen() -> PathBuf {
    root().join(format!("tests/recordings/verdicts/semantics-{SEMANTICS}"))
}

/// What stands frozen: every kind of metric, every verdict, every method.
fn to_freeze() -> Vec<(&'static str, Recording)> {
    let template = read("simulations/demo-template.yaml");
    let scenario = read("simulations/demo.yaml");
    // A shorter rollout: these files live for ever.
    let short = template
        .replace("bake: 10m, deadline: 30m", "bake: 6m, deadline: 16m")
        .replace("lookback: 1h", "lookback: 10m");
    let by = |method: &str| short.replace("method: sequential", &format!("method: {method}"));
    vec![
        ("healthy", recorded(&template, &scenario, "catalog")),
        ("regressed", recorded(&short, &scenario, "checkout")),
        (
            "textbook",
            recorded(&by("mann-whitney"), &scenario, "checkout"),
        ),
        ("kayenta", recorded(&by("kayenta"), &scenario, "catalog")),
        ("no-data", recorded(&short, &scenario, "nobody")),
    ]
}

#[test]
fn frozen_recordings_give_the_verdict_they_gave() {
    if std::env::var_os("UPDATE_RECORDINGS").is_some() {
        std::fs::create_dir_all(frozen()).unwrap();
        for (name, recording) in to_freeze() {
            let path = frozen().join(format!("{name}{}", recording::EXTENSION));
            if !path.exists() {
                recording::write(&path, &recording).unwrap();
            }
        }
    }
    let (mut seen, mut verdicts) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(frozen()).unwrap() {
        let path = entry.unwrap().path();
        let recording = recording::read(&path).unwrap();
        assert_eq!(recording.semantics, SEMANTICS, "{}", path.display());
        let found = differences::of(&recording, &own(&recording, Depth::Looks));
        assert_eq!(found, [], "{}", path.display());
        seen += 1;
        verdicts.insert(recording.conclusion().unwrap().verdict.word());
    }
    assert_eq!(seen, to_freeze().len());
    assert_eq!(verdicts.len(), 3, "every verdict is there: {verdicts:?}");
}

/// Recordings of older semantics can be read and judged; that they may differ is why semantics
/// have a version (A12).
#[test]
fn older_recordings_are_judged_still() {
    let folder = root().join("tests/recordings/verdicts");
    for entry in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let recording = recording::read(&path).unwrap();
            let plan = Plans::default().changed(&recording, &Change::default());
            let judged = anew(
                &recording,
                &plan.unwrap(),
                None,
                Depth::Verdict,
                &Tables::default(),
            );
            assert!(judged.unwrap().standing.judgement.is_some(), "{path:?}");
        }
    }
}

#[test]
fn another_judge_and_another_template_judge_the_same_samples() {
    let recording = demo("checkout");
    let method = |method| Change {
        method: Some(method),
        ..Change::default()
    };
    // Kayenta's score of a canary with one bad metric of four lies between its thresholds.
    let verdicts = ["rollback", "rollback", "inconclusive"];
    for ((name, word), wanted) in MethodName::ALL.into_iter().zip(verdicts) {
        let replayed = changed(&recording, &method(name));
        assert_eq!(replayed.standing.plan.judge.method.word(), word);
        assert_eq!(replayed.word(), wanted, "{word}");
        assert_eq!(replayed.notes, [""; 0], "{word}");
    }
    // One judge for all, also for metrics with their own and for the rule of the rollout's change.
    let own_judge = read("simulations/demo-template.yaml").replacen(
        "      harm: increase\n",
        "      harm: increase\n      judge: { method: mann-whitney, share: 2 }\n",
        1,
    );
    let mut odd = recording.clone();
    odd.rollout.deploy.change_type = Some("database".to_owned());
    let rule = "  changes: { database: { judge: { method: mann-whitney } } }\n";
    let text: Arc<str> = (own_judge + rule).into();
    for (name, word) in MethodName::ALL {
        let change = Change {
            template: Some(text.clone()),
            ..method(name)
        };
        let plan = Plans::default().changed(&odd, &change).unwrap();
        assert_eq!(plan.judge.method.word(), word);
        assert!(!plan.has_own_judges(), "{word}");
    }
    // Half as many looks, a coarser limit, and a metric nobody recorded.
    let text = read("simulations/demo-template.yaml")
        .replace("look_every: 1m", "look_every: 2m")
        .replace(
            "http_requests_total{service=\"${service}\",code",
            "hits{service=\"${service}\",code",
        );
    let other = Change {
        template: Some(text.into()),
        ..Change::default()
    };
    let replayed = changed(&recording, &other);
    assert!(
        replayed
            .notes
            .iter()
            .any(|note| note.starts_with("errors: its query is not in")),
        "{:?}",
        replayed.notes
    );
    let pairs = differences::side_by_side(&own(&recording, Depth::Looks).looks, &replayed.looks)
        .iter()
        .map(|pair| (pair.old.is_some(), pair.new.is_some()))
        .collect::<Vec<_>>();
    assert_eq!(pairs[..2], [(true, false), (true, true)]);
}

#[test]
fn a_recording_that_ends_early_leaves_a_patient_template_pending() {
    let mut recording = demo("checkout");
    recording.kept.truncate(6);
    let patient = Change {
        method: Some(MethodName::Kayenta),
        ..Change::default()
    };
    let replayed = changed(&recording, &patient);
    assert_eq!(replayed.word(), "pending");
    assert!(
        replayed.notes[0].contains("before look 4 of 30"),
        "{:?}",
        replayed.notes
    );
}

#[test]
fn as_of_any_moment_it_stands_as_it_stood() {
    let recording = demo("checkout");
    let end = recording.conclusion().unwrap().clone();
    let plan = Plans::default().own(&recording).unwrap();
    for (at, wanted) in [
        (START, "pending"),
        (end.at.minus(Span::from_ms(1)), "pending"),
        (end.at, "rollback"),
    ] {
        for replayed in [
            again(
                &recording,
                &plan,
                Some(at),
                Depth::Looks,
                &Tables::default(),
            ),
            anew(
                &recording,
                &plan,
                Some(at),
                Depth::Looks,
                &Tables::default(),
            ),
        ] {
            let replayed = replayed.unwrap();
            assert_eq!(replayed.word(), wanted, "{at}");
            assert!(replayed.looks.iter().all(|look| look.at <= at));
        }
    }
}

#[test]
fn what_was_decided_by_hand_stays_decided() {
    let mut recording = demo("catalog");
    let last = recording
        .kept
        .iter()
        .position(|(_, kept)| matches!(kept, Kept::Concluded(_)));
    let at = last.unwrap();
    if let Kept::Concluded(conclusion) = &mut recording.kept[at].1 {
        conclusion.verdict = Verdict::Rollback;
        conclusion.author = Some("ada".to_owned());
    }
    // The look before was not the deciding one: somebody was faster.
    recording.kept.remove(at - 1);
    assert_eq!(own(&recording, Depth::Looks).word(), "rollback");
}

fn line(place: usize, label: Option<Label>, verdict: &str, decided: i64) -> Line {
    let at = |minute| Some(START.plus(Span::from_s(60 * minute)));
    Line {
        place,
        recording: format!("r{place}"),
        service: "web".to_owned(),
        label,
        onset: (label == Some(Label::Bad)).then(|| at(10).unwrap()),
        recorded: "promote".to_owned(),
        verdict: verdict.to_owned(),
        look: 3,
        looks_planned: 30,
        started_at: at(0),
        covered_to: at(decided),
        decided_at: at(decided),
        same: Some(verdict == "promote"),
        notes: vec!["a \"note\"".to_owned()],
        fault: None,
    }
}

/// By hand: three healthy, one of them rolled back; four bad, one alarm before the onset, one
/// missed, two found 5 and 10 minutes after it; one unreadable.
fn lines_by_hand() -> Vec<Line> {
    let (good, bad) = (Some(Label::Good), Some(Label::Bad));
    vec![
        line(0, good, "promote", 20),
        line(1, good, "rollback", 5),
        line(2, good, "inconclusive", 30),
        line(3, bad, "rollback", 10),
        line(4, bad, "promote", 20),
        line(5, bad, "rollback", 15),
        line(6, bad, "rollback", 20),
        Line::unreadable(7, "r7", "recording r7: it is empty".to_owned()),
    ]
}

#[test]
fn the_table_by_hand() {
    let summary = Summary::of(&lines_by_hand());
    let rows: Vec<_> = summary
        .labels
        .iter()
        .map(|row| (row.name, row.counts))
        .collect();
    assert_eq!(
        rows,
        [
            ("good", [1, 1, 1, 0, 0]),
            ("bad", [1, 3, 0, 0, 0]),
            ("unlabelled", [0, 0, 0, 0, 1]),
        ]
    );
    let rates: Vec<_> = summary
        .rates
        .iter()
        .map(|rate| (rate.name, rate.share.count, rate.share.of))
        .collect();
    assert_eq!(
        rates,
        [
            ("false rollback (good)", 1, 3),
            ("promoted (good)", 1, 3),
            ("found (bad)", 2, 4),
            ("alarm before onset (bad)", 1, 4),
            ("missed, promoted (bad)", 1, 4),
            ("verdict as recorded", 2, 7),
            ("byte for byte as recorded", 2, 7),
        ]
    );
    assert_eq!(summary.delay, Some((Span::from_s(300), Span::from_s(300))));
    assert_eq!((summary.different.len(), summary.unreadable.len()), (5, 1));
}

#[test]
fn parts_put_together_are_the_whole() {
    let whole = lines_by_hand();
    let part = |shard, of| Part {
        shard,
        of,
        all: whole.len(),
        asked: "judge kayenta".to_owned(),
    };
    let text = |part: &Part| {
        let mine: Vec<Line> = whole
            .iter()
            .filter(|l| part.has(l.place))
            .cloned()
            .collect();
        lines::text(part, &mine)
    };
    let named = |(idx, text): (usize, String)| {
        let (part, lines) = lines::parse(&text).unwrap();
        (format!("part-{idx}"), part, lines)
    };
    for of in [1, 2, 3, 8, 11] {
        // In any order.
        let texts = (0..of).rev().map(|shard| text(&part(shard, of)));
        let parts = texts.enumerate().map(named).collect();
        assert_eq!(lines::merge(parts).unwrap(), whole, "{of}");
    }
    let two = |first: Part, second: Part| {
        let texts = [text(&first), text(&second)];
        lines::merge(texts.into_iter().enumerate().map(named).collect()).unwrap_err()
    };
    let other = Part {
        asked: "judge sequential".to_owned(),
        ..part(1, 2)
    };
    for (fault, wanted) in [
        (
            two(part(0, 2), part(0, 2)),
            "part-1 and part-0 are both shard 0",
        ),
        (
            two(part(0, 3), part(1, 3)),
            "2 of 3 parts are there; shard 2 is missing",
        ),
        (
            two(part(0, 2), other),
            "part-1 is a part of something else than part-0",
        ),
        (lines::merge(Vec::new()).unwrap_err(), "there are no parts"),
    ] {
        assert!(fault.contains(wanted), "{fault}");
    }
    let cut = text(&part(0, 1));
    let cut = &cut[..cut.len() - 5];
    let short: String = cut
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    for (text, wanted) in [
        (cut, "line 9 is cut off or no JSON"),
        (&short, "it has 2 of its 8 recordings"),
        ("", "its first line is not that of a part"),
        (
            "{\"schema\":\"haldane.replay-part/1\",\"shard\":2,\"of\":2,\"all\":1,\"asked\":\"\"}",
            "it says it is shard 2 of 2",
        ),
    ] {
        let fault = lines::parse(text).unwrap_err();
        assert!(fault.contains(wanted), "{text}: {fault}");
    }
}
