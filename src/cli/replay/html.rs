//! What was replayed as a page: one recording with its charts, many as tables.

use crate::cli::figures::counted;
use crate::cli::replay::flags::ReplayArgs;
use crate::replay::course::Replayed;
use crate::replay::lines::Line;
use crate::replay::summary::{Rate, Row, Summary, VERDICTS};
use crate::report::{Many, ManyLine, ManyRate, ManyTable, html, many};
use crate::wire::recording::Recording;
use crate::wire::report::{CommandDocument, EventDocument, ReportDocument, quoted};

/// The page of one recording as it was judged last; none before its looks were worked out.
pub(super) fn one(args: &ReplayArgs, recording: &Recording, said: &Replayed) -> Option<String> {
    let whole = said.whole.as_ref()?;
    let again = CommandDocument {
        what: "Compute it again from the recording".to_owned(),
        command: command(args),
    };
    let template = args
        .template
        .is_none()
        .then(|| recording.template_text.to_string());
    let mut document = ReportDocument::of_looks(
        &said.standing,
        template,
        &whole.judgements,
        &whole.windows,
        vec![again],
    );
    let note = |note: &String| EventDocument {
        at: said.covered_to.to_string(),
        what: "note".to_owned(),
        detail: note.clone(),
    };
    document.events.extend(said.notes.iter().map(note));
    Some(html(&document))
}

/// The page of many.
pub(super) fn all(args: &ReplayArgs, summary: &Summary, lines: &[Line]) -> String {
    let about = match (&args.template, &args.judge) {
        (Some(path), _) => format!("replayed under {}", path.display()),
        (None, Some(judge)) => format!("replayed by {judge}"),
        (None, None) => "replayed as recorded".to_owned(),
    };
    let table = |title: &str, first: &str, rows: &[Row]| ManyTable {
        title: title.to_owned(),
        head: std::iter::once(first)
            .chain(VERDICTS)
            .map(str::to_owned)
            .collect(),
        rows: rows
            .iter()
            .map(|row| (row.name.to_owned(), row.counts.to_vec()))
            .collect(),
    };
    let rate = |rate: &Rate| ManyRate {
        name: rate.name.to_owned(),
        count: rate.share.count,
        of: rate.share.of,
        interval: (rate.share.low, rate.share.high),
    };
    // What is not as recorded is looked for first.
    let mut ordered: Vec<&Line> = lines.iter().collect();
    ordered.sort_by_key(|line| {
        let same = line.verdict == line.recorded;
        (line.fault.is_none(), same, line.place)
    });
    let (sentence, facts) = headline(summary, lines);
    many(&Many {
        sentence,
        about,
        facts,
        rates: summary.rates.iter().map(rate).collect(),
        tables: vec![
            table("Labels against verdicts", "label", &summary.labels),
            table("Recorded against verdicts", "recorded", &summary.recorded),
        ],
        lines: ordered.into_iter().map(shown).collect(),
        again: command(args),
    })
}

/// What came of them in a sentence, and in numbers.
fn headline(summary: &Summary, lines: &[Line]) -> (String, Vec<(String, String)>) {
    let read = || lines.iter().filter(|line| line.fault.is_none());
    let differ = read().filter(|line| line.verdict != line.recorded).count();
    let unreadable = summary.unreadable.len();
    let others = match differ {
        0 => "none has".to_owned(),
        count => format!("{count} with"),
    };
    let lost = match unreadable {
        0 => String::new(),
        count => format!(", {count} unreadable"),
    };
    let sentence = format!(
        "{}: {others} another verdict than was recorded{lost}",
        counted(lines.len(), "recording")
    );
    let mut facts = vec![
        ("Recordings".to_owned(), lines.len().to_string()),
        ("Other verdict".to_owned(), differ.to_string()),
        ("Unreadable".to_owned(), unreadable.to_string()),
    ];
    if let Some((median, ninth)) = summary.delay {
        let text = format!("{median} (90 %: {ninth})");
        facts.push(("Bad ones found after".to_owned(), text));
    }
    (sentence, facts)
}

fn shown(line: &Line) -> ManyLine {
    let notes = line.fault.iter().chain(&line.notes);
    ManyLine {
        name: line.recording.clone(),
        service: line.service.clone(),
        label: line
            .label
            .map_or("", crate::replay::labels::Label::word)
            .to_owned(),
        recorded: line.recorded.clone(),
        verdict: line.verdict.clone(),
        notes: notes.cloned().collect::<Vec<_>>().join("; "),
    }
}

/// The command that does the same again.
fn command(args: &ReplayArgs) -> String {
    let mut parts = vec!["haldane replay".to_owned()];
    parts.extend(args.recordings.iter().map(|name| quoted(name)));
    let path = args
        .template
        .as_ref()
        .map(|path| path.display().to_string());
    let named = [
        ("--template", path.as_deref()),
        ("--judge", args.judge.as_deref()),
        ("--as-of", args.as_of.as_deref()),
    ];
    for (flag, value) in named {
        parts.extend(value.map(|value| format!("{flag} {}", quoted(value))));
    }
    parts.extend(
        args.inputs
            .iter()
            .map(|input| format!("--input {}", quoted(input))),
    );
    if args.merge {
        parts.push("--merge".to_owned());
    }
    parts.join(" ")
}
