//! Entries of `objectives` with `from` become objectives as a template writes them, and what they
//! count becomes a metric, which the template may override by its name as one it had inherited.

use super::files::{Section, is_beside};
use super::promise::{Indicator, Policy, Promise, Reading, action_word, at, broken, words};
use super::windows::{self, AlertWindows};
use super::{openslo, pyrra, sloth};
use crate::diagnostic::{Diagnostic, Place, closest};
use crate::slo::objective::{Rung, RungAction};
use crate::slo::rungs;
use crate::template::default;
use crate::template::document::{Node, Value};
use crate::template::extends::{self, entry, text_of};
use crate::template::fields::shorten;
use crate::template::merge::{metric_under, objective_under};
use crate::template::metrics::MEASURES;
use crate::time::Span;

/// A template's tree without `from`.
pub(in crate::template) struct Expanded {
    /// The tree.
    pub(in crate::template) root: Node,
    /// Why something could not be read.
    pub(in crate::template) errors: Vec<Diagnostic>,
    /// What the files say that is not read (C038).
    pub(in crate::template) notes: Vec<Diagnostic>,
    /// The metrics that count what a file says.
    pub(in crate::template) made: Vec<String>,
}

/// Replaces every objective that stands in a file.
pub(in crate::template) fn expanded(root: Node, text: &str, files: &[Section<'_>]) -> Expanded {
    let mut work = Work {
        files,
        reading: Reading {
            text,
            errors: Vec::new(),
            notes: Vec::new(),
        },
        made: Vec::new(),
    };
    let mut root = root;
    if let Some(spec) = field_mut(&mut root, "spec") {
        work.spec(spec);
        if let Some(Value::Map(rules)) = field_mut(spec, "changes").map(|node| &mut node.value) {
            for (_, _, rule) in rules {
                work.spec(rule);
            }
        }
    }
    Expanded {
        root,
        errors: work.reading.errors,
        notes: work.reading.notes,
        made: work.made,
    }
}

struct Work<'t> {
    files: &'t [Section<'t>],
    reading: Reading<'t>,
    made: Vec<String>,
}

/// An objective of a file: name, longer name, and what it is.
struct Listed<'n> {
    name: String,
    id: String,
    kind: Kind<'n>,
}

enum Kind<'n> {
    Sloth(&'n Node, &'n Node),
    OpenSlo(&'n Node, openslo::Version),
    Pyrra(&'n Node),
}

impl Work<'_> {
    /// The objectives of `spec`, or of a rule of its changes.
    fn spec(&mut self, spec: &mut Node) {
        let reads = |item: &Node| entry(item, "from").is_some();
        let key = entry(spec, "objectives").and_then(|node| node.key);
        let Some(Value::List(items)) = field_mut(spec, "objectives").map(|node| &mut node.value)
        else {
            return;
        };
        if !items.iter().any(reads) {
            return;
        }
        let written: Vec<Node> = std::mem::take(items);
        let own: Vec<Node> = match entry(spec, "metrics").map(|node| &node.value) {
            Some(Value::List(metrics)) => metrics.clone(),
            _ => Vec::new(),
        };
        let mut objectives = Vec::new();
        let mut metrics = Vec::new();
        for item in written {
            if !reads(&item) {
                objectives.push(item);
            } else if let Some((objective, metric)) = self.one(&item, &own) {
                objectives.push(objective);
                metrics.extend(metric);
            }
        }
        if let Some(node) = field_mut(spec, "objectives") {
            node.value = Value::List(objectives);
        }
        add_metrics(spec, metrics, key);
    }

    /// One entry: the objective, and the metric if there is none of its own.
    fn one(&mut self, item: &Node, own: &[Node]) -> Option<(Node, Option<Node>)> {
        let docs = self.file(entry(item, "from")?)?;
        let listed = listed(&docs);
        let chosen = self.chosen(item, &listed)?;
        let reading = &mut self.reading;
        let promise = match &chosen.kind {
            Kind::Sloth(body, slo) => sloth::read(reading, body, slo),
            Kind::OpenSlo(root, version) => openslo::read(reading, (root, *version), &docs),
            Kind::Pyrra(root) => pyrra::read(reading, root),
        }?;
        let beside = match entry(item, "windows") {
            Some(node) => self.file(node)?,
            None => docs.clone(),
        };
        let found = beside.iter().find(|root| windows::is_one(root));
        let policy = match found {
            Some(root) => Some(windows::read(&mut self.reading, root)?),
            None => None,
        };
        if let (Some(node), None) = (entry(item, "windows"), found) {
            let message = "the file has no `kind: AlertWindows`".to_owned();
            self.reading.fails(
                node.place,
                message,
                "leave `windows` out for the usual ones",
            );
            return None;
        }
        let name = entry(item, "name")?;
        let metric_node = entry(item, "metric").unwrap_or(name);
        let metric_name = text_of(metric_node)?.to_owned();
        let objective = objective(item, &promise, policy, metric_node);
        let has_name = |metric: &&Node| words(metric, &["name"]) == Some(&metric_name);
        let mine = own.iter().find(has_name);
        let measures = |metric: &Node| MEASURES.iter().any(|kind| entry(metric, kind).is_some());
        if mine.is_some_and(measures) {
            return Some((objective, None));
        }
        let counted = match promise.counted {
            Ok(counted) => counted,
            Err(said) => {
                self.reading.errors.push(said);
                return None;
            }
        };
        let target = entry(item, "objective").unwrap_or(&promise.target);
        let metric = metric(metric_node, &counted, budget(target));
        self.made.push(metric_name);
        Some((objective, Some(metric)))
    }

    /// The documents of the file that a field names.
    fn file(&mut self, node: &Node) -> Option<Vec<Node>> {
        let Some(path) = text_of(node) else {
            let message = format!("the path of a file is {}, not text", node.value.kind());
            let help = "write the name of the file beside the template, such as `slo.yaml`";
            self.reading.fails(at(node), message, help);
            return None;
        };
        let Some(section) = self.files.iter().find(|section| section.name == path) else {
            let shown = shorten(path);
            let message = if is_beside(path) {
                format!("there is no file `{shown}` beside the template")
            } else {
                format!("`{shown}` does not lie beside the template")
            };
            let help = "a relative path such as `slo.yaml`, without `..`; a submission brings its \
                        files along when `haldane submit` reads the template from a file";
            self.reading.fails(node.place, message, help);
            return None;
        };
        let before = (section.lines_before, section.bytes_before);
        let mut out = Vec::new();
        for read in extends::read_documents(section.text, before) {
            match read {
                Ok(root) => out.push(root),
                Err(said) => {
                    self.reading.errors.push(said);
                    return None;
                }
            }
        }
        Some(out)
    }

    /// The objective an entry means.
    fn chosen<'l, 'n>(&mut self, item: &Node, listed: &'l [Listed<'n>]) -> Option<&'l Listed<'n>> {
        let from = entry(item, "from")?;
        let file = shorten(text_of(from).unwrap_or(""));
        if listed.is_empty() {
            let message = format!("`{file}` holds no objective that can be read");
            let help = "Sloth `prometheus/v1` and `sloth.slok.dev/v1`, OpenSLO `openslo/v1` and \
                        `openslo/v1alpha`, Pyrra `pyrra.dev/v1alpha1`";
            self.reading.fails(from.place, message, help);
            return None;
        }
        let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
        let all = || format!("`{file}` has `{}`", names.join("`, `"));
        let Some((node, name)) = entry(item, "name").and_then(|n| Some((n, text_of(n)?))) else {
            let message = "an objective needs `name`".to_owned();
            let said = Diagnostic::error("C004", message).at(Some(from.place));
            self.reading.errors.push(said.help(all()));
            return None;
        };
        let mut hits: Vec<&Listed<'n>> = listed.iter().filter(|one| one.name == name).collect();
        if hits.len() != 1 {
            let by_id: Vec<_> = listed.iter().filter(|one| one.id == name).collect();
            hits = if by_id.is_empty() { hits } else { by_id };
        }
        match hits.as_slice() {
            [one] => Some(*one),
            [] => {
                let shown = shorten(name);
                let message = match closest(name, names.iter().copied()) {
                    Some(near) => {
                        format!("`{file}` has no objective `{shown}`, did you mean `{near}`?")
                    }
                    None => format!("`{file}` has no objective `{shown}`"),
                };
                self.reading
                    .errors
                    .push(broken(node.place, message, &all()));
                None
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
                let message = format!("`{file}` has several objectives `{}`", shorten(name));
                let help = format!("name one of them: `{}`", ids.join("`, `"));
                self.reading.errors.push(broken(node.place, message, &help));
                None
            }
        }
    }
}

fn listed(docs: &[Node]) -> Vec<Listed<'_>> {
    let mut out = Vec::new();
    for root in docs {
        if let Some(body) = sloth::body(root) {
            for (name, id, slo) in sloth::listed(body) {
                let kind = Kind::Sloth(body, slo);
                out.push(Listed { name, id, kind });
            }
        }
        let kind = match openslo::version(root) {
            Some(version) => Some(Kind::OpenSlo(root, version)),
            None => pyrra::is_one(root).then_some(Kind::Pyrra(root)),
        };
        if let (Some(kind), Some(name)) = (kind, words(root, &["metadata", "name"])) {
            let owner = ["service", "namespace"];
            let owner =
                words(root, &["spec", owner[0]]).or_else(|| words(root, &["metadata", owner[1]]));
            let id = owner.map_or_else(|| name.to_owned(), |owner| format!("{owner}-{name}"));
            let name = name.to_owned();
            out.push(Listed { name, id, kind });
        }
    }
    out
}

fn field_mut<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Map(entries) => entries
            .iter_mut()
            .find(|(key, _, _)| key == name)
            .map(|(_, _, node)| node),
        _ => None,
    }
}

/// Made metrics go behind the template's own, or under those of the same name.
fn add_metrics(spec: &mut Node, made: Vec<Node>, key: Option<Place>) {
    if made.is_empty() {
        return;
    }
    let at = key.unwrap_or(spec.place);
    let has_list = |node: &Node| matches!(node.value, Value::List(_));
    if let Value::Map(entries) = &mut spec.value
        && !entries
            .iter()
            .any(|(name, _, node)| name == "metrics" && has_list(node))
    {
        entries.retain(|(name, _, _)| name != "metrics");
        let list = node(at, Value::List(Vec::new()));
        entries.push(("metrics".to_owned(), at, list));
    }
    let list = field_mut(spec, "metrics").map(|node| &mut node.value);
    let Some(Value::List(metrics)) = list else {
        return;
    };
    for made in made {
        let name = words(&made, &["name"]).map(str::to_owned);
        let mine = metrics
            .iter()
            .position(|metric| words(metric, &["name"]) == name.as_deref());
        match mine {
            None => metrics.push(made),
            Some(idx) => {
                let own = metrics.remove(idx);
                metrics.insert(idx, metric_under(made, own));
            }
        }
    }
}

fn node(place: Place, value: Value) -> Node {
    Node {
        place,
        bytes: None,
        key: Some(place),
        value,
    }
}

fn text(place: Place, value: &str) -> Node {
    node(place, Value::Text(value.to_owned()))
}

fn map(place: Place, entries: Vec<(&str, Node)>) -> Node {
    let entries = entries
        .into_iter()
        .map(|(name, node)| (name.to_owned(), node.place, node));
    node(place, Value::Map(entries.collect()))
}

/// The share of events that may be bad, without the dust of subtracting decimals.
fn budget(target: &Node) -> f64 {
    let share = match &target.value {
        Value::Number(share) => *share,
        Value::Text(text) => {
            let number = text.trim().trim_end_matches('%').parse::<f64>();
            number.map_or(0.0, |percent| percent / 100.0)
        }
        _ => 0.0,
    };
    ((1.0 - share) * 1e12).round() / 1e12
}

/// The objective as a template writes it, under what the entry itself says.
fn objective(item: &Node, promise: &Promise, windows: Option<AlertWindows>, metric: &Node) -> Node {
    let target = &promise.target;
    let (theirs, own_rungs) = match windows {
        Some(windows) => (Some(windows.period), Some(windows.rungs)),
        None => (None, None),
    };
    let period = entry(item, "period").cloned();
    let period = period.or(theirs).or_else(|| promise.period.clone());
    let span = period.as_ref().and_then(text_of).and_then(Span::parse);
    let span = span.unwrap_or(default::PERIOD);
    let rungs = match (own_rungs, &promise.rungs) {
        (Some(rungs), Policy::Own(_)) => rungs,
        (Some(rungs), Policy::Workbook { pages, tickets }) => kept(rungs, *pages, *tickets),
        (None, Policy::Own(rungs)) => rungs.clone(),
        (None, Policy::Workbook { pages, tickets }) => {
            let mut rungs = rungs::workbook(span);
            // Nobody wrote these: those that can never fire are left out.
            rungs.retain(|rung| rungs::reachable(rung.burn, budget(target)));
            kept(rungs, *pages, *tickets)
        }
    };
    let place = target.place;
    let rung = |rung: &Rung| {
        let burn = node(place, Value::Number(rung.burn.get()));
        map(
            place,
            vec![
                ("burn", burn),
                ("long", text(place, &rung.long.to_string())),
                ("short", text(place, &rung.short.to_string())),
                ("action", text(place, action_word(rung.action))),
            ],
        )
    };
    let rungs = Value::List(rungs.iter().map(rung).collect());
    let mut fields = vec![
        ("metric", metric.clone()),
        ("objective", target.clone()),
        ("rungs", node(place, rungs)),
    ];
    if let Some(period) = period {
        fields.push(("period", period));
    }
    let mut own = item.clone();
    if let Value::Map(entries) = &mut own.value {
        entries.retain(|(name, _, _)| name != "from" && name != "windows");
    }
    objective_under(map(item.place, fields), own)
}

fn kept(mut rungs: Vec<Rung>, pages: bool, tickets: bool) -> Vec<Rung> {
    rungs.retain(|rung| match rung.action {
        RungAction::Rollback => pages,
        RungAction::Hold => tickets,
    });
    rungs
}

/// A metric that counts what the promise is about. More bad events than the promise allows, beside
/// the baseline's, are harm: that much more burns the budget once over.
fn metric(name: &Node, counted: &Indicator, budget: f64) -> Node {
    let at = name.place;
    let effect = map(at, vec![("absolute", node(at, Value::Number(budget)))]);
    let (kind, measure) = match counted {
        Indicator::Events { bad, total, place } => {
            let fields = vec![("bad", text(*place, bad)), ("total", text(*place, total))];
            ("events", map(*place, fields))
        }
        Indicator::Distribution {
            buckets,
            threshold,
            place,
        } => {
            let bound = node(*place, Value::Number(*threshold));
            let fields = vec![("buckets", text(*place, buckets)), ("threshold", bound)];
            ("distribution", map(*place, fields))
        }
    };
    map(
        at,
        vec![
            ("name", name.clone()),
            ("harm", text(at, "increase")),
            ("min_effect", effect),
            (kind, measure),
        ],
    )
}
