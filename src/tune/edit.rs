//! A template's text with a few values changed: at the places the parser knows, so that comments,
//! order and layout stay as they are; and the difference of two texts.

use crate::diagnostic::Place;
use crate::template::field_place;
use crate::template::parse::parse;
use crate::template::{Role, Template};
use crate::units::{MinEffect, trim_number};
use std::fmt::Write as _;

/// Lines shown around a change, as `diff -u` does.
const CONTEXT: usize = 3;

/// One value to be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// `judge.false_rollback`.
    FalseRollback(f64),
    /// A metric's `min_effect`; of the kind it has.
    MinEffect(String, MinEffect),
    /// A metric's `role`.
    Role(String, Role),
}

impl Edit {
    /// As people say it.
    pub fn text(&self) -> String {
        match self {
            Self::FalseRollback(share) => format!("judge.false_rollback: {}", percent(*share)),
            Self::MinEffect(metric, effect) => format!("{metric}: min_effect {effect}"),
            Self::Role(metric, role) => format!("{metric}: role {}", role.word()),
        }
    }

    /// The template with it.
    pub fn on(&self, template: &mut Template) {
        match self {
            Self::FalseRollback(share) => {
                if let Some(share) = crate::units::Probability::new(*share) {
                    template.judge.false_rollback = share;
                }
            }
            Self::MinEffect(name, effect) => {
                let mine = template
                    .metrics
                    .iter_mut()
                    .find(|m| m.name.as_str() == name);
                if let Some(metric) = mine {
                    metric.min_effect = *effect;
                }
            }
            Self::Role(name, role) => {
                let mine = template
                    .metrics
                    .iter_mut()
                    .find(|m| m.name.as_str() == name);
                if let Some(metric) = mine {
                    metric.role = *role;
                }
            }
        }
    }
}

/// `12.5%`
fn percent(share: f64) -> String {
    format!("{}%", trim_number(share * 100.0))
}

/// The text with all edits; what it says is read again and compared with what was meant.
///
/// # Errors
/// A value that stands elsewhere (in a template this one extends) or cannot be changed in place.
pub fn applied(text: &str, edits: &[Edit]) -> Result<String, String> {
    let mut out = text.to_owned();
    for edit in edits {
        out = one(&out, edit)?;
    }
    let read = |text: &str| {
        parse(text)
            .0
            .ok_or_else(|| "the changed text is no template; change it by hand".to_owned())
    };
    let mut meant = read(text)?;
    for edit in edits {
        edit.on(&mut meant);
    }
    let found = read(&out)?;
    let same = found.judge == meant.judge
        && found.metrics.len() == meant.metrics.len()
        && found
            .metrics
            .iter()
            .zip(&meant.metrics)
            .all(|(found, meant)| {
                (&found.name, found.role, found.min_effect)
                    == (&meant.name, meant.role, meant.min_effect)
            });
    if same {
        Ok(out)
    } else {
        let all: Vec<String> = edits.iter().map(Edit::text).collect();
        let all = all.join(", ");
        Err(format!(
            "the text cannot be changed in place; change by hand: {all}"
        ))
    }
}

fn one(text: &str, edit: &Edit) -> Result<String, String> {
    match edit {
        Edit::FalseRollback(share) => {
            let value = percent(*share);
            if let Some(place) = field_place(text, None, &["spec", "judge", "false_rollback"]) {
                return replaced(text, place, &value);
            }
            let entry = format!("false_rollback: {value}");
            let fields = ["method", "false_promote", "accept_no_harm", "score"];
            let inside = fields
                .iter()
                .find_map(|field| key_of(text, &["spec", "judge", field], field));
            if let Some(place) = inside {
                return inserted(text, place, &entry);
            }
            let before = key_of(text, &["spec", "metrics"], "metrics");
            let before = before.ok_or_else(|| elsewhere("judge.false_rollback"))?;
            inserted(text, before, &format!("judge: {{ {entry} }}"))
        }
        Edit::MinEffect(name, effect) => {
            let idx = metric_at(text, name)?;
            let (field, value) = match effect {
                MinEffect::Relative(share) => ("relative", *share),
                MinEffect::Absolute(value) => ("absolute", *value),
            };
            let path = ["spec", "metrics", &idx, "min_effect", field];
            let place = field_place(text, None, &path)
                .ok_or_else(|| elsewhere(&format!("{name}: min_effect")))?;
            let was = covered(text, place).unwrap_or_default();
            let written = if was.contains('%') || field == "relative" {
                percent(value)
            } else {
                trim_number(value)
            };
            replaced(text, place, &written)
        }
        Edit::Role(name, role) => {
            let idx = metric_at(text, name)?;
            if let Some(place) = field_place(text, None, &["spec", "metrics", &idx, "role"]) {
                return replaced(text, place, role.word());
            }
            let place = key_of(text, &["spec", "metrics", &idx, "min_effect"], "min_effect");
            let place = place.ok_or_else(|| elsewhere(&format!("{name}: role")))?;
            inserted(text, place, &format!("role: {}", role.word()))
        }
    }
}

fn elsewhere(what: &str) -> String {
    format!("{what} does not stand in this file, but in a template it extends; change it there")
}

/// The position of a metric in the text's own list.
fn metric_at(text: &str, name: &str) -> Result<String, String> {
    for idx in 0.. {
        let idx = usize::to_string(&idx);
        if field_place(text, None, &["spec", "metrics", &idx]).is_none() {
            break;
        }
        let place = field_place(text, None, &["spec", "metrics", &idx, "name"]);
        let written = place.and_then(|place| covered(text, place));
        if written.is_some_and(|written| written.trim_matches(['"', '\'', ' ']) == name) {
            return Ok(idx);
        }
    }
    Err(elsewhere(&format!("metric {name}")))
}

/// The text a place covers.
fn covered(text: &str, place: Place) -> Option<&str> {
    let (start, end) = bytes(text, place)?;
    text.get(start..end)
}

/// The bytes a place covers.
fn bytes(text: &str, place: Place) -> Option<(usize, usize)> {
    let mut start = 0;
    for line in text.split_inclusive('\n').take(place.line.checked_sub(1)?) {
        start += line.len();
    }
    let line = text.get(start..)?.split('\n').next()?;
    let at = |chars: usize| {
        line.char_indices()
            .nth(chars)
            .map_or(line.len(), |(at, _)| at)
    };
    let from = at(place.column.checked_sub(1)?);
    let to = at(place.column - 1 + place.len);
    Some((start + from, start + to))
}

/// Where the key of a field stands: for maps and lists the parser knows, for values it is the word
/// before them on their line.
fn key_of(text: &str, path: &[&str], key: &str) -> Option<usize> {
    let place = field_place(text, None, path)?;
    let (at, end) = bytes(text, place)?;
    if text.get(at..end)?.starts_with(key) {
        return Some(at);
    }
    let line = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let found = text.get(line..at)?.rfind(&format!("{key}:"))?;
    Some(line + found)
}

fn replaced(text: &str, place: Place, value: &str) -> Result<String, String> {
    let why = || format!("line {}: the value cannot be changed in place", place.line);
    let (from, to) = bytes(text, place).ok_or_else(why)?;
    let (before, after) = (text.get(..from), text.get(to..));
    let was = text.get(from..to).ok_or_else(why)?;
    // The place of a plain value may reach to the comment behind it.
    let kept = was
        .find(" #")
        .map_or("", |at| was.get(at..).unwrap_or_default());
    let end = if kept.is_empty() {
        was.len() - was.trim_end().len()
    } else {
        0
    };
    let space = was.get(was.len() - end..).unwrap_or_default();
    Ok(format!(
        "{}{value}{space}{kept}{}",
        before.ok_or_else(why)?,
        after.ok_or_else(why)?
    ))
}

/// A new entry before the key at byte `at`: on a line of its own, or within braces.
fn inserted(text: &str, at: usize, entry: &str) -> Result<String, String> {
    let why = || format!("`{entry}` cannot be put in place");
    let before = text.get(..at).ok_or_else(why)?;
    let after = text.get(at..).ok_or_else(why)?;
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let indent = before.get(line..).ok_or_else(why)?;
    let block = indent.chars().all(|c| c == ' ' || c == '-');
    if block {
        let width = indent.chars().count();
        let rest = " ".repeat(width);
        Ok(format!("{before}{entry}\n{rest}{after}"))
    } else {
        Ok(format!("{before}{entry}, {after}"))
    }
}

/// The difference as `diff -u` shows it; empty when there is none.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let steps = steps(&a, &b);
    let is_change = |at: usize| steps.get(at).is_some_and(|(mark, _)| *mark != ' ');
    let mut out = String::new();
    let (mut at, mut a_line, mut b_line) = (0, 1, 1);
    while at < steps.len() {
        if !(at..=at + CONTEXT).any(is_change) {
            at += 1;
            a_line += 1;
            b_line += 1;
            continue;
        }
        let mut end = at;
        while (end..=end + 2 * CONTEXT).any(is_change) {
            end += 1;
        }
        // Back from the look ahead to as many lines as are shown behind the last change.
        let last = (at..end).rev().find(|idx| is_change(*idx)).unwrap_or(at);
        let hunk = steps
            .get(at..(last + 1 + CONTEXT).min(steps.len()))
            .unwrap_or_default();
        let count = |other: char| hunk.iter().filter(|(mark, _)| *mark != other).count();
        if out.is_empty() {
            let _ = writeln!(out, "--- {name}\n+++ {name}");
        }
        let (of_a, of_b) = (count('+'), count('-'));
        let _ = writeln!(out, "@@ -{a_line},{of_a} +{b_line},{of_b} @@");
        for (mark, line) in hunk {
            let _ = writeln!(out, "{mark}{line}");
        }
        at += hunk.len();
        a_line += of_a;
        b_line += of_b;
    }
    out
}

/// Lines kept, taken away and added: the longest common subsequence between the parts that differ.
fn steps<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a_rest, b_rest) = (
        a.get(head..).unwrap_or_default(),
        b.get(head..).unwrap_or_default(),
    );
    let tail = a_rest.iter().rev().zip(b_rest.iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    let (x, y) = (
        a_rest.get(..a_rest.len() - tail).unwrap_or_default(),
        b_rest.get(..b_rest.len() - tail).unwrap_or_default(),
    );
    let width = y.len() + 1;
    let mut common = vec![0_usize; (x.len() + 1) * width];
    let value =
        |common: &[usize], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for i in (0..x.len()).rev() {
        for j in (0..y.len()).rev() {
            let longest = if x.get(i) == y.get(j) {
                value(&common, i + 1, j + 1) + 1
            } else {
                value(&common, i + 1, j).max(value(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(i * width + j) {
                *cell = longest;
            }
        }
    }
    let mut out: Vec<(char, &str)> = a.iter().take(head).map(|line| (' ', *line)).collect();
    let (mut i, mut j) = (0, 0);
    loop {
        match (x.get(i), y.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push((' ', a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || value(&common, i + 1, j) >= value(&common, i, j + 1) => {
                out.push(('-', a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(('+', b));
                j += 1;
            }
            (_, None) => break,
        }
    }
    out.extend(a_rest.iter().skip(x.len()).map(|line| (' ', *line)));
    out
}
