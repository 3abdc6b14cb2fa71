//! Text to tests. Every mistake that can be told apart is reported in one pass, with its line and
//! column, under the codes of templates where the mistake is one a template can have, else T001:
//! parts that do not fit together.

use crate::diagnostic::{Diagnostic, Place};
use crate::ids::DeployId;
use crate::plan::rollout::Deploy;
use crate::rehearse::spec::{MetricData, Source, Test, TestFile, Written};
use crate::rehearse::{arms, expectations};
use crate::simulate::scenario::{Fault, Offset, Positive, SourceAnswer};
use crate::template::document::{self, Node, TEXT_BYTES_MAX, Value};
use crate::template::fields::{Fields, Reader, shorten, words};
use crate::template::parse::DEADLINE_MAX;
use crate::time::{Span, Step, Timestamp};
use crate::units::Probability;
use std::collections::BTreeMap;

/// Tests of one file; more are refused (C013).
pub const TESTS_MAX: usize = 500;

/// The longest name of a test in bytes; a longer one is refused (C008).
pub const TEST_NAME_BYTES_MAX: usize = 300;

/// Faults of one test; more are refused (C013).
pub const FAULTS_MAX: usize = 100;

/// When a test begins without `start`: a Monday morning, as scenarios do.
pub const START: &str = "2026-03-02T09:00:00Z";

/// The fields of a file.
pub const FILE_FIELDS: &[&str] = &[
    "template",
    "inputs",
    "deploy",
    "change_type",
    "start",
    "duration",
    "step",
    "metrics",
    "tests",
];

/// The fields of a test.
pub const TEST_FIELDS: &[&str] = &[
    "name",
    "inputs",
    "deploy",
    "change_type",
    "start",
    "duration",
    "step",
    "seed",
    "metrics",
    "recording",
    "scenario",
    "service",
    "fault",
    "expect",
];

/// The fields of `deploy`.
pub const DEPLOY_FIELDS: &[&str] = &[
    "service",
    "id",
    "environment",
    "region",
    "revision",
    "commit",
    "traffic_share",
];

/// What the file says for all its tests.
struct Defaults {
    inputs: BTreeMap<String, String>,
    deploy: Deploy,
    start: Option<Timestamp>,
    duration: Option<Span>,
    step: Option<Step>,
    metrics: BTreeMap<String, MetricData>,
}

/// Reads a test file. `Some` exactly when nothing is wrong with it.
pub fn read(text: &str) -> (Option<TestFile>, Vec<Diagnostic>) {
    if text.len() > TEXT_BYTES_MAX {
        let found = text.len();
        let message = format!("the file has {found} bytes, the limit is {TEXT_BYTES_MAX}");
        let said = Diagnostic::error("C001", message).help("split it into several files");
        return (None, vec![said]);
    }
    let root = match document::read(text) {
        Ok(root) => root,
        Err(said) => return (None, vec![said]),
    };
    let mut reader = Reader::new(text);
    let file = read_file(&mut reader, &root);
    let file = file.filter(|_| !reader.has_errors());
    (file, reader.into_found())
}

fn read_file(reader: &mut Reader<'_>, root: &Node) -> Option<TestFile> {
    let fields = reader.map(root, "a test file", FILE_FIELDS)?;
    let help = "write `template: ../checkout.yaml`, relative to this file";
    let template = reader.need(&fields, "template", help);
    let template = template.and_then(|node| written(reader, node, "template"));
    let nothing = Defaults {
        inputs: BTreeMap::new(),
        deploy: Deploy::default(),
        start: None,
        duration: None,
        step: None,
        metrics: BTreeMap::new(),
    };
    let defaults = circumstances(reader, &fields, &nothing);
    let tests = reader.need(&fields, "tests", "write at least one test");
    let mut out: Vec<Test> = Vec::new();
    let items = reader.list(tests, "tests", TESTS_MAX);
    for node in items {
        let Some(test) = read_test(reader, node, &defaults) else {
            continue;
        };
        if out.iter().any(|other| other.name.value == test.name.value) {
            let message = format!("two tests are called `{}`", shorten(&test.name.value));
            reader.error("C011", test.name.place, message, "rename one of them");
        }
        out.push(test);
    }
    if let (Some(node), true) = (tests, items.is_empty() && !reader.has_errors()) {
        let at = node.key.unwrap_or(node.place);
        misfit(
            reader,
            at,
            "there is no test".to_owned(),
            "write at least one",
        );
    }
    Some(TestFile {
        template: template?,
        tests: out,
    })
}

/// What a file says for all its tests, and a test for itself.
fn circumstances(reader: &mut Reader<'_>, fields: &Fields<'_>, above: &Defaults) -> Defaults {
    let mut inputs = above.inputs.clone();
    if let Some(node) = fields.get("inputs") {
        inputs.extend(texts(reader, node, "inputs"));
    }
    let mut deploy = above.deploy.clone();
    if let Some(node) = fields.get("deploy") {
        read_deploy(reader, node, &mut deploy);
    }
    if let Some(node) = fields.get("change_type") {
        deploy.change_type = reader.text(node, "change_type").map(str::to_owned);
    }
    let start = fields.get("start").and_then(|node| instant(reader, node));
    let positive = Span::from_ms(1);
    let mut span = |name: &str| {
        let node = fields.get(name)?;
        reader.span(node, name, positive, DEADLINE_MAX)
    };
    let (duration, step) = (span("duration"), span("step"));
    let mut metrics = above.metrics.clone();
    if let Some(node) = fields.get("metrics") {
        for (name, data) in arms::metrics(reader, node) {
            let merged = match metrics.remove(&name) {
                Some(usual) => arms::merged(usual, data),
                None => data,
            };
            metrics.insert(name, merged);
        }
    }
    Defaults {
        inputs,
        deploy,
        start: start.or(above.start),
        duration: duration.or(above.duration),
        step: step.and_then(Step::new).or(above.step),
        metrics,
    }
}

fn read_test(reader: &mut Reader<'_>, node: &Node, defaults: &Defaults) -> Option<Test> {
    let fields = reader.map(node, "a test", TEST_FIELDS)?;
    let name = reader.need(&fields, "name", "say in a sentence what is tested");
    let name = name.and_then(|node| read_name(reader, node));
    let own = circumstances(reader, &fields, defaults);
    let seed = fields.get("seed").and_then(|node| {
        let seed = reader.whole(node, "seed", 0, u32::MAX)?;
        Some(u64::from(seed))
    });
    let faults = fields
        .get("fault")
        .map_or_else(Vec::new, |node| read_faults(reader, node));
    let expect = reader.need(&fields, "expect", "write `expect: { verdict: promote }`");
    let expect = expect.map(|node| expectations::read(reader, node));
    let source = source(reader, &fields, own.metrics, &faults);
    Some(Test {
        name: name?,
        inputs: own.inputs,
        deploy: own.deploy,
        start: own.start,
        duration: own.duration,
        step: own.step,
        seed,
        source: source?,
        faults,
        expect: expect?,
    })
}

fn read_name(reader: &mut Reader<'_>, node: &Node) -> Option<Written<String>> {
    let name = written(reader, node, "name")?;
    let bytes = name.value.len();
    if name.value.trim().is_empty() || bytes > TEST_NAME_BYTES_MAX {
        let message =
            format!("the name has {bytes} bytes, the limits are 1 and {TEST_NAME_BYTES_MAX}");
        reader.error(
            "C008",
            node.place,
            message,
            "say in a sentence what is tested",
        );
        return None;
    }
    Some(name)
}

/// Where the samples come from: one of three.
fn source(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    metrics: BTreeMap<String, MetricData>,
    faults: &[Fault],
) -> Option<Source> {
    let given: Vec<(&str, &Node)> = ["metrics", "recording", "scenario"]
        .into_iter()
        .filter_map(|name| Some((name, fields.get(name)?)))
        .collect();
    if let [(first, _), (second, node), ..] = given.as_slice() {
        let message = format!("`{second}` beside `{first}`: samples come from one of them");
        misfit(
            reader,
            node.key.unwrap_or(node.place),
            message,
            "remove one",
        );
        return None;
    }
    let service = fields.get("service");
    let file = |reader: &mut Reader<'_>, name: &str| {
        let node = fields.get(name)?;
        written(reader, node, name)
    };
    let stray = |reader: &mut Reader<'_>, node: &Node, what: &str| {
        let message = format!("`{what}` belongs to a test with `scenario`");
        misfit(reader, node.key.unwrap_or(node.place), message, "remove it");
    };
    match given.first() {
        Some(("scenario", _)) => {
            let service = service.and_then(|node| written(reader, node, "service"));
            return Some(Source::Scenario(file(reader, "scenario")?, service));
        }
        Some(("recording", node)) if !faults.is_empty() => {
            let message = "`fault` beside `recording`: a recording has its own".to_owned();
            misfit(
                reader,
                node.key.unwrap_or(node.place),
                message,
                "remove one",
            );
        }
        _ => {}
    }
    if let Some(node) = service {
        stray(reader, node, "service");
    }
    match given.first() {
        Some(("recording", _)) => Some(Source::Recording(file(reader, "recording")?)),
        _ if metrics.is_empty() && !reader.has_errors() => {
            let message = "the test has no data".to_owned();
            let help = "write `metrics`, for all tests or for this one, or `recording`, or \
                        `scenario`";
            misfit(reader, fields.place(), message, help);
            None
        }
        _ => Some(Source::Metrics(metrics)),
    }
}

fn read_deploy(reader: &mut Reader<'_>, node: &Node, deploy: &mut Deploy) {
    let Some(fields) = reader.map(node, "`deploy`", DEPLOY_FIELDS) else {
        return;
    };
    let mut text = |name: &str| {
        let node = fields.get(name)?;
        reader.text(node, name).map(str::to_owned)
    };
    if let Some(service) = text("service") {
        deploy.service = service;
    }
    for (name, into) in [
        ("environment", &mut deploy.environment),
        ("region", &mut deploy.region),
        ("revision", &mut deploy.revision),
        ("commit", &mut deploy.commit),
    ] {
        if let Some(value) = text(name) {
            *into = Some(value);
        }
    }
    if let Some(node) = fields.get("id") {
        let id = reader.name(node, "the deploy's id", DeployId::new);
        deploy.id = id.or_else(|| deploy.id.take());
    }
    if let Some(node) = fields.get("traffic_share") {
        let range = "a share from 0 to 1, such as `20%`";
        deploy.traffic_share = reader.share(node, "traffic_share", range, Probability::new);
    }
}

fn read_faults(reader: &mut Reader<'_>, node: &Node) -> Vec<Fault> {
    let items = match &node.value {
        Value::List(_) => reader.list(Some(node), "faults", FAULTS_MAX),
        _ => std::slice::from_ref(node),
    };
    items
        .iter()
        .filter_map(|node| read_fault(reader, node))
        .collect()
}

/// `unreachable from 5m to 10m`
fn read_fault(reader: &mut Reader<'_>, node: &Node) -> Option<Fault> {
    const ANSWERS: &[(&str, SourceAnswer)] = &[
        ("unreachable", SourceAnswer::Unavailable),
        ("unauthorized", SourceAnswer::Unauthorized),
        ("empty", SourceAnswer::Empty),
        ("partial", SourceAnswer::Partial),
    ];
    let text = reader.text(node, "fault")?;
    let said: Vec<&str> = text.split_whitespace().collect();
    let (answer, from, to) = match said.as_slice() {
        [answer] => (*answer, "0", None),
        [answer, "from", from] => (*answer, *from, None),
        [answer, "to", to] => (*answer, "0", Some(*to)),
        [answer, "from", from, "to", to] => (*answer, *from, Some(*to)),
        _ => ("", "", None),
    };
    let known = ANSWERS.iter().find(|(word, _)| *word == answer);
    let from = Span::parse(from);
    let to = to.map(Span::parse);
    let (Some((_, answer)), Some(from), None | Some(Some(_))) = (known, from, to) else {
        let message = format!("fault `{}` is not known", shorten(text));
        let all: Vec<&str> = ANSWERS.iter().map(|(word, _)| *word).collect();
        let help = format!(
            "write `unreachable from 5m to 10m`; the words are {}",
            words(&all)
        );
        reader.error("C006", node.place, message, &help);
        return None;
    };
    let lasts = to.flatten().map(|to| to.ms() - from.ms());
    if lasts.is_some_and(|lasts| lasts <= 0) {
        let message = format!("fault `{}` ends before it begins", shorten(text));
        misfit(reader, node.place, message, "swap the times");
        return None;
    }
    Some(Fault {
        at: Offset(from),
        lasts: lasts.map(|ms| Positive(Span::from_ms(ms))),
        answer: *answer,
    })
}

fn instant(reader: &mut Reader<'_>, node: &Node) -> Option<Timestamp> {
    let text = reader.text(node, "start")?;
    let parsed = Timestamp::parse(text);
    if parsed.is_none() {
        let message = format!("start `{}` is no instant", shorten(text));
        reader.error(
            "C010",
            node.place,
            message,
            &format!("write it as `{START}`"),
        );
    }
    parsed
}

/// A map from names to text; numbers and truth values are taken as they are written.
pub(super) fn texts(reader: &mut Reader<'_>, node: &Node, what: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let Value::Map(entries) = &node.value else {
        reader.shape(node, what, "a map");
        return out;
    };
    for (name, _, node) in entries {
        if let Some(value) = reader.text(node, &format!("{what}, `{}`", shorten(name))) {
            out.insert(name.clone(), value.to_owned());
        }
    }
    out
}

/// Text with its place.
pub(super) fn written(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Written<String>> {
    let value = reader.text(node, what)?.to_owned();
    Some(placed(node, value))
}

/// What a node says, with its place.
pub(super) fn placed<T>(node: &Node, value: T) -> Written<T> {
    Written {
        value,
        place: node.place,
        bytes: node.bytes,
    }
}

/// T001: parts that do not fit together.
pub(super) fn misfit(reader: &mut Reader<'_>, at: Place, message: String, help: &str) {
    reader.error("T001", at, message, help);
}
