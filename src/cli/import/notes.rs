//! The notes of an import, for people.

use crate::cli::figures::counted;
use crate::import::{Kind, Note, Outcome};
use std::fmt::Write as _;

/// Every note: those of no template first.
pub(super) fn all(outcome: &Outcome) -> impl Iterator<Item = &Note> {
    let own = outcome
        .templates
        .iter()
        .flat_map(|template| &template.notes);
    outcome.notes.iter().chain(own)
}

/// One line: how much came of it, and what there is to do.
pub(super) fn summary(outcome: &Outcome) -> String {
    let count = |kind: Kind| all(outcome).filter(|note| note.kind == kind).count();
    let mut out = counted(outcome.templates.len(), "template");
    let _ = write!(out, ", {} not imported", count(Kind::Refused));
    let _ = write!(out, ", {} to choose", counted(count(Kind::Choose), "value"));
    out
}

/// A page: one section for each template, one list for each metric.
pub(super) fn markdown(outcome: &Outcome) -> String {
    let mut out = String::new();
    if !outcome.notes.is_empty() {
        out.push_str("# Left out\n\n");
        list(&mut out, outcome.notes.iter());
    }
    for template in &outcome.templates {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "# {}\n", template.name);
        list(
            &mut out,
            template.notes.iter().filter(|note| note.metric.is_none()),
        );
        let mut names: Vec<&str> = Vec::new();
        for name in template
            .notes
            .iter()
            .filter_map(|note| note.metric.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let _ = writeln!(out, "\n## {name}\n");
            let own = |note: &&Note| note.metric.as_deref() == Some(name);
            list(&mut out, template.notes.iter().filter(own));
        }
    }
    out
}

fn list<'n>(out: &mut String, notes: impl Iterator<Item = &'n Note>) {
    for note in notes {
        let place = note.at.as_ref().map_or_else(String::new, |(file, place)| {
            format!(" ({file}:{}:{})", place.line, place.column)
        });
        let _ = writeln!(out, "- **{}**: {}{place}", note.kind.word(), note.text);
    }
}
