//! A draft as YAML that people go on editing: stable order, one comment for each thing that is
//! different, and the same bytes for the same source.

use crate::import::draft::{
    Above, Draft, Effect, Judging, Kind, Measure, Metric, Note, Objective, percent, plain,
};
use crate::import::measure::holes;
use crate::import::rewrite::Arm;
use std::fmt::Write as _;

/// Columns of a comment, its indentation included.
const COLUMNS: usize = 98;

/// Columns of a query in one line; a longer one is broken at its operators.
const QUERY_COLUMNS: usize = 110;

/// More objectives than this are a warning (C043), which is silenced: the source had as many.
const OBJECTIVES_USUAL: usize = 3;

/// The template.
pub(super) fn write(draft: &Draft) -> String {
    let mut out = Yaml::default();
    head(&mut out, draft);
    out.line(0, "apiVersion: haldane/v1");
    out.line(0, "kind: AnalysisTemplate");
    out.line(0, "metadata:");
    out.line(2, &format!("name: {}", quoted(&draft.name)));
    if !draft.description.is_empty() {
        out.line(2, &format!("description: {}", quoted(&draft.description)));
    }
    out.line(0, "spec:");
    inputs(&mut out, draft);
    out.line(2, "schedule:");
    for timed in &draft.schedule {
        let text = format!("{}: {}", timed.field, timed.span);
        out.beside(4, &text, &timed.why);
    }
    out.blank();
    judge(&mut out, draft);
    if !has_gate(draft) {
        out.line(
            2,
            "# haldane-ignore C042: nothing in the source could fail a canary either",
        );
    }
    out.line(2, "metrics:");
    for (idx, metric) in draft.metrics.iter().enumerate() {
        if idx > 0 {
            out.blank();
        }
        write_metric(&mut out, metric, &draft.notes);
    }
    out.blank();
    objectives(&mut out, &draft.objectives);
    out.line(
        2,
        "on_inconclusive: hold   # a person decides; `rollback` takes the canary back",
    );
    out.text
}

/// Whether any metric can decide.
pub(super) fn has_gate(draft: &Draft) -> bool {
    let gates = ["critical", "required"];
    draft
        .metrics
        .iter()
        .any(|metric| gates.contains(&metric.role))
}

#[derive(Default)]
struct Yaml {
    text: String,
}

impl Yaml {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A field with a remark, in its line when there is room.
    fn beside(&mut self, indent: usize, text: &str, why: &str) {
        if why.is_empty() {
            self.line(indent, text);
        } else if indent + text.len() + why.len() + 5 <= COLUMNS {
            self.line(indent, &format!("{text}   # {why}"));
        } else {
            self.comment(indent, why);
            self.line(indent, text);
        }
    }

    fn comment(&mut self, indent: usize, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && indent + 3 + line.chars().count() + word.len() > COLUMNS {
                self.line(indent, &format!("# {line}"));
                line.clear();
                line.push_str("  ");
            }
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(indent, format!("# {line}").trim_end());
    }
}

fn head(out: &mut Yaml, draft: &Draft) {
    out.comment(0, &format!("Imported from {}.", draft.from));
    let whole = |note: &&Note| note.metric.is_none() && note.kind != Kind::Unread;
    for note in draft.notes.iter().filter(whole) {
        out.comment(0, &format!("- {}: {}", note.kind.word(), note.text));
    }
    let refused = |note: &&Note| note.kind == Kind::Refused && note.metric.is_some();
    for note in draft.notes.iter().filter(refused) {
        let name = note.metric.as_deref().unwrap_or("");
        out.comment(0, &format!("- {name} is not here: {}", note.text));
    }
    let mut said: Vec<&(Arm, String)> = Vec::new();
    for pick in &draft.arms {
        if !said.contains(&pick) {
            said.push(pick);
        }
    }
    if !said.is_empty() {
        out.line(0, "#");
        out.comment(
            0,
            "The rollout names the arms (--baseline, --canary). The source told them apart by:",
        );
        for (arm, matcher) in said {
            let word = match arm {
                Arm::Canary => "canary",
                Arm::Baseline => "baseline",
            };
            out.line(0, &format!("#   {word:<8} {matcher}"));
        }
    }
}

fn inputs(out: &mut Yaml, draft: &Draft) {
    if draft.inputs.is_empty() {
        return;
    }
    out.line(2, "inputs:");
    for input in &draft.inputs {
        let mut fields = Vec::new();
        if let Some(default) = &input.default {
            fields.push(format!("default: {}", quoted(default)));
        }
        fields.push(format!("description: {}", quoted(&input.description)));
        out.line(4, &format!("{}: {{ {} }}", input.name, fields.join(", ")));
    }
    out.blank();
}

fn judge(out: &mut Yaml, draft: &Draft) {
    out.line(2, "judge:");
    match &draft.judging {
        Judging::Sequential => {
            out.line(4, "method: sequential");
            out.beside(
                4,
                "false_rollback: 5%",
                "of a healthy canary, over all metrics and looks",
            );
            out.beside(4, "false_promote: 5%", "of a gate beyond its limit");
            out.beside(
                4,
                "accept_no_harm: { power: 80% }",
                "\"no harm found\" is enough, as it was in the source",
            );
        }
        Judging::Kayenta {
            pass,
            marginal,
            weights,
        } => {
            out.line(4, "method: kayenta");
            out.line(4, "score:");
            out.line(6, &format!("pass: {}", plain(*pass)));
            out.line(6, &format!("marginal: {}", plain(*marginal)));
            if !weights.is_empty() {
                out.line(6, "group_weights:");
                for (group, weight) in weights {
                    out.line(8, &format!("{}: {}", quoted(group), plain(*weight)));
                }
            }
        }
    }
    out.blank();
}

fn write_metric(out: &mut Yaml, metric: &Metric, notes: &[Note]) {
    let own = notes
        .iter()
        .filter(|note| note.metric.as_deref() == Some(metric.name.as_str()));
    // What was said of an earlier metric is said in short: the file is for people.
    for note in own.filter(|note| note.kind != Kind::Unread) {
        let mut before = notes.iter().take_while(|other| !std::ptr::eq(*other, note));
        let same = |other: &&Note| (other.kind, &other.text) == (note.kind, &note.text);
        let text = match before.find(same).and_then(|other| other.metric.as_deref()) {
            Some(other) => {
                let short = note.text.split([';', ':']).next().unwrap_or("");
                format!("{short} (as for {other})")
            }
            None => note.text.clone(),
        };
        out.comment(4, &format!("{}: {text}", note.kind.word()));
    }
    out.line(4, &format!("- name: {}", quoted(&metric.name)));
    out.line(6, &format!("role: {}", metric.role));
    silence(out, 6, metric, Above::Harm);
    out.line(6, &format!("harm: {}", metric.harm.word()));
    let effect = match metric.min_effect {
        Effect::Relative(share) => format!("{{ relative: {} }}", percent(share)),
        Effect::Absolute(value) if matches!(metric.measure, Measure::Series { .. }) => {
            format!("{{ absolute: {} }}", plain(value))
        }
        Effect::Absolute(value) => format!("{{ absolute: {} }}", percent(value)),
    };
    silence(out, 6, metric, Above::MinEffect);
    out.line(6, &format!("min_effect: {effect}"));
    if !metric.unit.is_empty() {
        out.line(6, &format!("unit: {}", quoted(&metric.unit)));
    }
    if let Some(group) = &metric.group {
        out.line(6, &format!("group: {}", quoted(group)));
    }
    if let Some(weight) = metric.weight {
        out.line(6, &format!("weight: {}", plain(weight)));
    }
    write_measure(out, metric);
    if !metric.kayenta.is_empty() {
        out.line(6, "kayenta:");
        for (field, value) in &metric.kayenta {
            out.line(8, &format!("{field}: {value}"));
        }
    }
}

fn silence(out: &mut Yaml, indent: usize, metric: &Metric, above: Above) {
    // A comment silences one line below it; two of them stand in one another's way, and the
    // second goes beside the line.
    for (_, code, reason) in metric
        .silenced
        .iter()
        .filter(|(at, _, _)| *at == above)
        .take(1)
    {
        out.line(indent, &format!("# haldane-ignore {code}: {reason}"));
    }
}

fn write_measure(out: &mut Yaml, metric: &Metric) {
    match &metric.measure {
        Measure::Series { query, zero_gaps } => {
            out.line(6, "series:");
            silence(out, 8, metric, Above::Query);
            let at_query = metric
                .silenced
                .iter()
                .filter(|(at, _, _)| *at == Above::Query);
            let beside: Vec<&(Above, &str, String)> = at_query.clone().skip(1).collect();
            if at_query.count() == 0 && query.len() > QUERY_COLUMNS {
                out.line(8, "query: |");
                for line in broken(query) {
                    out.line(10, &line);
                }
            } else {
                let mut line = format!("query: {}", single_quoted(query));
                for (_, code, reason) in beside {
                    let _ = write!(line, "   # haldane-ignore {code}: {reason}");
                }
                out.line(8, &line);
            }
            if *zero_gaps {
                out.line(8, "gaps: zero");
            }
        }
        Measure::Events { bad, total } => {
            out.line(6, "events:");
            out.line(8, &format!("bad: {}", single_quoted(bad)));
            out.line(8, &format!("total: {}", single_quoted(total)));
        }
        Measure::Distribution { buckets, threshold } => {
            out.line(6, "distribution:");
            out.line(8, &format!("buckets: {}", single_quoted(buckets)));
            if let Some(threshold) = threshold {
                out.line(8, &format!("threshold: {}", plain(*threshold)));
            }
        }
    }
}

/// A long query in lines, broken before operators outside of brackets and strings.
fn broken(query: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut depth, mut quote) = (0_usize, None);
    let mut before = ' ';
    for (at, c) in query.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open && before != '\\' => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '{' | '[') => depth += 1,
            (None, ')' | '}' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let rest = query.get(at..).unwrap_or("");
        let operator = [" / ", " * ", " + ", " - ", " and ", " or ", " unless "];
        let here = quote.is_none() && depth == 0;
        if here && operator.iter().any(|op| rest.starts_with(op)) {
            lines.push(String::new());
        } else if let Some(line) = lines.last_mut() {
            line.push(c);
        }
        before = c;
    }
    lines
}

fn objectives(out: &mut Yaml, objectives: &[Objective]) {
    if objectives.is_empty() {
        return;
    }
    if objectives.len() > OBJECTIVES_USUAL {
        let reason = "the source had as many limits";
        out.line(2, &format!("# haldane-ignore C043: {reason}"));
    }
    out.line(2, "objectives:");
    for objective in objectives {
        out.line(4, &format!("- name: {}", quoted(&objective.metric)));
        out.line(6, &format!("metric: {}", quoted(&objective.metric)));
        out.line(6, &format!("objective: {}", percent(objective.target)));
        out.line(6, "rungs:");
        for rung in &objective.rungs {
            let action = if rung.rolls_back { "rollback" } else { "hold" };
            out.line(
                8,
                &format!(
                    "- {{ burn: {}, long: {}, short: {}, action: {action} }}",
                    plain(rung.burn),
                    objective.long,
                    objective.short
                ),
            );
        }
    }
    out.blank();
}

/// A text as it may stand in YAML: bare when nothing could be meant but text.
fn quoted(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if bare {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

/// A query in single quotes, which need no escapes but their own.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Keeps the inputs that a query needs; the names of the others.
pub(super) fn keep_used_inputs(draft: &mut Draft) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for metric in &draft.metrics {
        match &metric.measure {
            Measure::Series { query, .. } => used.extend(holes(query)),
            Measure::Events { bad, total } => {
                used.extend(holes(bad));
                used.extend(holes(total));
            }
            Measure::Distribution { buckets, .. } => used.extend(holes(buckets)),
        }
    }
    let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut draft.inputs)
        .into_iter()
        .partition(|input| used.contains(&input.name));
    draft.inputs = kept;
    gone.into_iter().map(|input| input.name).collect()
}
