//! Judgements as text: a table for people, Markdown for comments. Symbol, word and colour, never
//! colour alone.

use crate::engine::verdict::Verdict;
use crate::http::OneShot;
use crate::judge::judgement::{ArmSummary, Effect, Finding, Interval, Judgement, Label, Needs};
use crate::plan::Plan;
use crate::units::{MinEffect, trim_number};
use crate::wire::verdict::JudgeDocument;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write as _;

/// The symbol of a word.
pub(crate) fn symbol(word: &str) -> &'static str {
    match word {
        "promote" | "within" => "✔",
        "rollback" | "worse" => "✖",
        "inconclusive" => "?",
        "no_data" => "∅",
        _ => "…",
    }
}

/// The text in the colour of its word (ANSI green, red, yellow).
pub(crate) fn painted(text: &str, word: &str, color: bool) -> String {
    let code = match word {
        "promote" | "within" => "32",
        "rollback" | "worse" => "31",
        "inconclusive" | "no_data" => "33",
        _ => return text.to_owned(),
    };
    if color {
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// `✖ ROLLBACK  checkout v2`
pub(crate) fn headline(word: &str, plan: &Plan, color: bool) -> String {
    let deploy = &plan.rollout.deploy;
    let mut what = deploy.service.clone();
    if let Some(revision) = &deploy.revision {
        let _ = write!(what, " {revision}");
    }
    let verdict = format!("{} {}", symbol(word), word.to_uppercase());
    format!(
        "{}  {what}   template {}@{}",
        painted(&verdict, word, color),
        plan.template,
        plan.template_digest.short()
    )
}

/// One row per metric, the worst first, then one line per objective.
pub(crate) fn findings(plan: &Plan, judgement: &Judgement, color: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let head = [
        "", "metric", "baseline", "canary", "effect", "interval", "limit", "n/n_eff", "evidence",
    ];
    table.set_header(head);
    for at in 2..8 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for finding in worst_first(judgement) {
        table.add_row(row(finding, color));
    }
    let mut out: String = table.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "  {}", line.trim_end());
        out
    });
    for finding in &judgement.findings {
        for note in &finding.notes {
            let _ = writeln!(out, "    {}: {note}", finding.metric);
        }
    }
    out.push_str(&objectives(plan, judgement));
    for warning in &judgement.suspect {
        let _ = writeln!(out, "  source warning: {warning}");
    }
    out
}

fn worst_first(judgement: &Judgement) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = judgement.findings.iter().collect();
    findings.sort_by_key(|finding| (!finding.role.is_gate(), finding.label));
    findings
}

fn row(finding: &Finding, color: bool) -> Vec<String> {
    let word = finding.label.word();
    let unit = &finding.unit;
    let (effect, interval) = finding.effect.as_ref().map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |effect| shown_effect(effect, finding),
    );
    let counts = finding.baseline.bad.is_some();
    let n = if counts {
        format!("{}+{}", finding.baseline.n, finding.canary.n)
    } else {
        let n_eff = finding.baseline.n_eff.min(finding.canary.n_eff);
        format!(
            "{}/{}",
            finding.baseline.n.min(finding.canary.n),
            trim_number(n_eff.round())
        )
    };
    vec![
        painted(symbol(word), word, color),
        format!("{}{}", finding.metric, role_mark(finding)),
        level(&finding.baseline, unit),
        level(&finding.canary, unit),
        effect,
        interval,
        limit(finding),
        n,
        evidence(finding),
    ]
}

fn role_mark(finding: &Finding) -> String {
    if finding.role.is_gate() {
        String::new()
    } else {
        format!(" ({})", finding.role.word())
    }
}

fn level(arm: &ArmSummary, unit: &str) -> String {
    match (arm.level, arm.bad) {
        (Some(ratio), Some(_)) => format!("{} %", trim_number(ratio * 100.0)),
        (Some(value), None) if unit.is_empty() => trim_number(value),
        (Some(value), None) => format!("{} {unit}", trim_number(value)),
        (None, _) => "∅".to_owned(),
    }
}

/// Relative where the limit is relative, else in the unit; ratios in percentage points.
fn shown_effect(effect: &Effect, finding: &Finding) -> (String, String) {
    let (interval, scale, unit) = match (finding.limit, effect.relative) {
        (MinEffect::Relative(_), Some(relative)) => (relative, 100.0, " %"),
        _ if finding.baseline.bad.is_some() => (effect.absolute, 100.0, " pp"),
        _ => (effect.absolute, 1.0, ""),
    };
    let Interval { value, low, high } = interval;
    (
        format!("{}{unit}", signed(value * scale)),
        format!("[{}, {}]", signed(low * scale), signed(high * scale)),
    )
}

fn signed(value: f64) -> String {
    if value == f64::INFINITY {
        return "+∞".to_owned();
    }
    if value == f64::NEG_INFINITY {
        return "−∞".to_owned();
    }
    let text = trim_number((value * 1000.0).round() / 1000.0);
    if value > 0.0 && text != "0" {
        format!("+{text}")
    } else {
        text
    }
}

fn limit(finding: &Finding) -> String {
    let sign = match finding.harm {
        crate::units::Harm::Increase => "+",
        crate::units::Harm::Decrease => "−",
        crate::units::Harm::Either => "±",
    };
    match finding.limit {
        MinEffect::Relative(share) => format!("{sign}{} %", trim_number(share * 100.0)),
        MinEffect::Absolute(value) if finding.baseline.bad.is_some() => {
            format!("{sign}{} pp", trim_number(value * 100.0))
        }
        MinEffect::Absolute(value) => format!("{sign}{}", trim_number(value)),
    }
}

fn evidence(finding: &Finding) -> String {
    if finding.label == Label::NoData {
        return finding
            .no_data
            .clone()
            .unwrap_or_else(|| "no data".to_owned());
    }
    let p = finding
        .evidence
        .map_or_else(String::new, |evidence| match finding.label {
            Label::Within => format!("p {} ≤ {}", tiny(evidence.p_safe), tiny(evidence.beta)),
            Label::Worse => format!("p {} ≤ {}", tiny(evidence.p_harm), tiny(evidence.alpha)),
            Label::Undecided | Label::NoData => {
                let least = evidence.p_harm.min(evidence.p_safe);
                format!("p {}", tiny(least))
            }
        });
    match finding.needs {
        Needs::Nothing => p,
        Needs::Time(span) => format!("{p}, about {span} more"),
        Needs::MoreThanThereIs => format!("{p}, more time than there is"),
        Needs::Data(n) => format!("{p}, {n} more samples"),
    }
}

fn tiny(p: f64) -> String {
    if p == 0.0 {
        "0".to_owned()
    } else if p < 1e-3 {
        format!("{p:.0e}")
    } else {
        trim_number((p * 1e4).round() / 1e4)
    }
}

fn objectives(plan: &Plan, judgement: &Judgement) -> String {
    let mut out = String::new();
    for (objective, planned) in judgement.objectives.iter().zip(&plan.objectives) {
        let burn = |burn: Option<f64>| {
            burn.map_or_else(
                || "∅".to_owned(),
                |value| format!("{}×", trim_number(value)),
            )
        };
        let _ = write!(
            out,
            "  objective {} {} %: burn canary {}, baseline {}",
            objective.objective,
            trim_number(planned.objective.target().get() * 100.0),
            burn(objective.canary_burn),
            burn(objective.baseline_burn)
        );
        for rung in &objective.rungs {
            let state = match (rung.proven, rung.unreachable) {
                (true, _) => "proven",
                (false, true) => "unreachable",
                (false, false) => "no",
            };
            let action = if rung.rolls_back { "rollback" } else { "hold" };
            let _ = write!(out, "; {}× ({action}): {state}", trim_number(rung.burn));
        }
        out.push('\n');
    }
    out
}

/// The whole answer of `haldane judge` for people.
pub(crate) fn one_shot_table(shot: &OneShot, color: bool) -> String {
    let word = word_of(shot);
    format!(
        "{}\n  {}\n\n{}",
        headline(word, &shot.plan, color),
        shot.sentence,
        findings(&shot.plan, &shot.judgement, color)
    )
}

/// The same for programs.
pub(crate) fn one_shot_json(shot: &OneShot) -> String {
    let (plan, judgement) = (&shot.plan, &shot.judgement);
    let document = JudgeDocument::new(
        plan,
        judgement,
        shot.verdict.word(),
        shot.row,
        &shot.sentence,
    );
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn word_of(shot: &OneShot) -> &'static str {
    let gates = || shot.judgement.findings.iter().filter(|f| f.role.is_gate());
    let blind = gates().next().is_some() && gates().all(|f| f.label == Label::NoData);
    if shot.verdict == Verdict::Inconclusive && blind {
        "no_data"
    } else {
        shot.verdict.word()
    }
}

/// The same for a comment or a job summary.
pub(crate) fn one_shot_markdown(shot: &OneShot) -> String {
    markdown(
        shot.verdict.word(),
        &shot.sentence,
        &shot.plan,
        Some(&shot.judgement),
    )
}

/// Markdown: heading, sentence, table. A marker lets the next run edit its own comment.
pub(crate) fn markdown(
    word: &str,
    sentence: &str,
    plan: &Plan,
    judgement: Option<&Judgement>,
) -> String {
    let escape = |text: &str| {
        text.replace('|', "\\|")
            .replace('<', "&lt;")
            .replace('\n', " ")
    };
    let service = escape(&plan.rollout.deploy.service);
    let mut out = format!(
        "<!-- haldane:{} -->\n### {} {} {service}\n\n{}\n",
        service.replace("--", ""),
        symbol(word),
        word.to_uppercase(),
        escape(sentence)
    );
    let Some(judgement) = judgement else {
        return out;
    };
    out.push_str("\n| | metric | baseline | canary | effect | interval | limit | n |\n");
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    for finding in worst_first(judgement) {
        let cells = row(finding, false);
        let shown: Vec<String> = cells.iter().take(8).map(|cell| escape(cell)).collect();
        let _ = writeln!(out, "| {} |", shown.join(" | "));
    }
    out
}
