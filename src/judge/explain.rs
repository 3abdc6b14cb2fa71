//! The sentence (A10): computed once from the evidence, the same in every door.
//!
//! It leads with the worst metric, its effect with interval and the limit; one sentence, without a
//! full stop, in ASCII but for `×`, `±` and what a metric's unit brings.

use crate::judge::extension;
use crate::judge::finding::ACCEPTED;
use crate::judge::judgement::{
    Breakdown, Finding, Judgement, Label, ObjectiveFinding, RungFinding,
};
use crate::judge::kayenta;
use crate::judge::phrase::{base, bounds, estimate, moved, needs, percent, rounded, shown};
use crate::judge::sequential::combine::TOGETHER;
use crate::judge::steps;
use crate::plan::Plan;
use crate::template::Method;
use crate::units::{Harm, trim_number};

/// As what the sentence is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Not decided, time left.
    Pending,
    /// Promote.
    Promote,
    /// Roll back because a gate metric is shown worse (row 2).
    RollbackMetric,
    /// Roll back because an abort rung is proven (row 3).
    RollbackBurn,
    /// Both arms degrade alike (row 4).
    EnvironmentDegraded,
    /// The observed traffic contradicts the declared share (row 5).
    TrafficMismatch,
    /// An arm has no series (row 5).
    ArmAbsent,
    /// The source warned and nobody allowed that warning.
    DataSuspect,
    /// A hold rung is proven.
    BudgetBurning,
    /// Time is up, neither side is shown (rows 7, 9).
    Inconclusive,
}

/// The sentence for a verdict, a hold, or an analysis that goes on; without a judgement there has
/// been no look yet.
///
/// A comparison with a baseline of another time says in every sentence how weak it is, and an
/// analysis that was extended by how much.
pub fn sentence(plan: &Plan, judgement: Option<&Judgement>, stand: Stand) -> String {
    let mut text = said(plan, judgement, stand);
    if let Some(extra) = extension::extended_by(plan, judgement) {
        let regular = plan.timing.deadline_regular().since(plan.timing.start);
        let more = format!("; the deadline of {regular} was extended once, by {extra}");
        text.push_str(&more);
    }
    match plan.baseline_mode().weakness() {
        Some(weakness) if judgement.is_some() => format!("{text}; {weakness}"),
        _ => text,
    }
}

fn said(plan: &Plan, judgement: Option<&Judgement>, stand: Stand) -> String {
    let Some(judgement) = judgement else {
        return match stand {
            Stand::Pending => "no look has been taken yet".to_owned(),
            _ => "time is up and no data was ever read".to_owned(),
        };
    };
    if let Method::Kayenta(spec) = &plan.judge.method
        && let Some(sentence) = kayenta::explain::sentence(spec, judgement, stand)
    {
        return sentence;
    }
    match stand {
        Stand::Pending => pending(plan, judgement),
        Stand::Promote => promote(judgement),
        Stand::RollbackMetric => rollback(judgement),
        Stand::RollbackBurn => burning(judgement, true),
        Stand::BudgetBurning => burning(judgement, false),
        Stand::EnvironmentDegraded => environment(judgement),
        Stand::TrafficMismatch => traffic(plan, judgement),
        Stand::ArmAbsent => absent(judgement),
        Stand::DataSuspect => suspect(judgement),
        Stand::Inconclusive => inconclusive(plan, judgement),
    }
}

/// The line of one metric in a table, without its name: the effect with interval and limit, or
/// why there is none.
pub fn headline(finding: &Finding) -> String {
    let (Some(breakdown), Some(lead)) = (&finding.breakdown, finding.lead()) else {
        return line(finding);
    };
    let (by, value) = (&breakdown.by, spoken(&lead.value));
    let others = others(breakdown);
    format!("{by}={value}: {}{others}", line(&lead.finding))
}

/// What else is worse beside the value that leads.
fn others(breakdown: &Breakdown) -> String {
    let worse = breakdown.worse();
    let by = &breakdown.by;
    let more = match worse.get(1..).unwrap_or_default() {
        [] => String::new(),
        [one] => format!("; {by}={} is worse too", spoken(&one.value)),
        [one, others @ ..] => format!(
            "; {by}={} and {} more are worse too",
            spoken(&one.value),
            others.len()
        ),
    };
    let whole = if breakdown.whole == Label::Worse {
        "; so is the whole"
    } else {
        ""
    };
    format!("{more}{whole}")
}

/// A label's value in a sentence: in ASCII, and short.
fn spoken(value: &str) -> String {
    /// Characters of a label's value that are repeated; the rest is in the judgement.
    const VALUE_LEN_MAX: usize = 60;
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    let mut out: String = value.chars().take(VALUE_LEN_MAX).map(plain).collect();
    if value.chars().nth(VALUE_LEN_MAX).is_some() {
        out.push_str("...");
    }
    out
}

fn line(finding: &Finding) -> String {
    match (finding.label, &finding.no_data) {
        (Label::NoData, Some(reason)) => reason.clone(),
        (Label::NoData, None) => "no data".to_owned(),
        (Label::Worse, _) => {
            let mut notes = finding.notes.iter();
            let together = notes.find(|note| note.starts_with(TOGETHER));
            let how = together.map_or_else(String::new, |note| format!("; {note}"));
            format!(
                "{} ({}; {}{how})",
                moved(finding),
                bounds(finding),
                base(finding)
            )
        }
        _ => {
            let accepted = finding.notes.iter().find(|note| note.starts_with(ACCEPTED));
            let how = accepted.map_or_else(String::new, |note| format!("; {note}"));
            format!("{} ({}{how})", estimate(finding), bounds(finding))
        }
    }
}

fn rollback(judgement: &Judgement) -> String {
    let mut worse: Vec<&Finding> = gates(judgement)
        .filter(|f| f.label == Label::Worse)
        .collect();
    worse.sort_by(|l, r| urgency(l).total_cmp(&urgency(r)));
    let Some((worst, rest)) = worse.split_first() else {
        return "a required metric is worse than its limit".to_owned();
    };
    let more = match rest {
        [] => String::new(),
        [one] => format!("; {} is worse too", one.metric),
        [one, others @ ..] => format!("; {} and {} more are worse too", one.metric, others.len()),
    };
    let (Some(breakdown), Some(lead)) = (&worst.breakdown, worst.lead()) else {
        return format!("{} is {}{more}", worst.metric, line(worst));
    };
    format!(
        "{}, {}={} is {}{}{more}",
        worst.metric,
        breakdown.by,
        spoken(&lead.value),
        line(&lead.finding),
        others(breakdown)
    )
}

/// Critical metrics first, then by the strength of the evidence.
fn urgency(finding: &Finding) -> f64 {
    let share = finding
        .decisive()
        .evidence
        .map_or(1.0, |e| e.p_harm / e.alpha.max(f64::MIN_POSITIVE));
    let critical = finding.role == crate::template::Role::Critical;
    share.min(1.0) + if critical { 0.0 } else { 2.0 }
}

fn promote(judgement: &Judgement) -> String {
    let count = gates(judgement).count();
    let Some(closest) = closest(gates(judgement)) else {
        return "every required metric is within its limit".to_owned();
    };
    let line = format!("{} at {}", closest.metric, headline(closest));
    let untold = untold(judgement);
    let said = match count {
        1 => format!(
            "{} is within its limit at {}",
            closest.metric,
            headline(closest)
        ),
        2 => format!("both required metrics are within their limits; closest is {line}"),
        _ => format!("all {count} required metrics are within their limits; closest is {line}"),
    };
    said + &untold
}

/// Values of `group_by` of which nothing was shown: they hold nothing up, and a reader must know.
fn untold(judgement: &Judgement) -> String {
    let breakdowns = gates(judgement).filter_map(|f| Some((f, f.breakdown.as_ref()?)));
    let open = breakdowns.filter_map(|(finding, breakdown)| {
        let told = breakdown.with(Label::Within).count();
        let (all, out) = (breakdown.values.len(), breakdown.left_out);
        let open = all - told + out;
        (open > 0).then(|| {
            format!(
                "; by {} {open} of {} values of {} are not shown within the limit, which holds \
                 nothing up",
                breakdown.by,
                all + out,
                finding.metric
            )
        })
    });
    open.collect()
}

fn pending(plan: &Plan, judgement: &Judgement) -> String {
    let undecided = || gates(judgement).filter(|f| f.label == Label::Undecided);
    if let Some(open) = closest(undecided()) {
        return format!(
            "{} is not decided: {}{}",
            open.metric,
            headline(open),
            needs(open.needs)
        );
    }
    if let Some(empty) = gates(judgement).find(|f| f.label == Label::NoData) {
        return format!("{} has no data yet: {}", empty.metric, headline(empty));
    }
    if let Some(step) = steps::lacking(judgement) {
        return format!("nothing is worse so far, and {step}");
    }
    if let Some(step) = steps::unfinished(plan, judgement) {
        return format!("nothing is worse so far, and {step}");
    }
    match closest(gates(judgement)) {
        Some(closest) => format!(
            "nothing is worse so far and the bake time is not over; closest is {} at {}",
            closest.metric,
            headline(closest)
        ),
        None => "no required metric has been judged yet".to_owned(),
    }
}

fn inconclusive(plan: &Plan, judgement: &Judgement) -> String {
    if let Some(empty) = gates(judgement).find(|f| f.label == Label::NoData) {
        return format!("{} has no data: {}", empty.metric, headline(empty));
    }
    let undecided = gates(judgement).filter(|f| f.label == Label::Undecided);
    match closest(undecided) {
        Some(open) => format!(
            "time is up and {} is not shown within its limit: {}{}",
            open.metric,
            headline(open),
            needs(open.needs)
        ),
        None => unguarded(judgement)
            .or_else(|| Some(format!("time is up and {}", steps::lacking(judgement)?)))
            .or_else(|| {
                Some(format!(
                    "time is up and {}",
                    steps::unfinished(plan, judgement)?
                ))
            })
            .unwrap_or_else(|| "time is up and neither harm nor its absence is shown".to_owned()),
    }
}

/// What guards a promote beside the gates and has nothing to see.
fn unguarded(judgement: &Judgement) -> Option<String> {
    let blind = judgement.objectives.iter().find_map(|objective| {
        let finding = judgement
            .findings
            .iter()
            .find(|f| f.metric == objective.metric)?;
        let empty = finding.label == Label::NoData || finding.canary.n == 0;
        empty.then(|| {
            format!(
                "objective {} cannot be checked: {} has no data: {}",
                objective.objective,
                finding.metric,
                headline(finding)
            )
        })
    });
    let unobserved = judgement
        .traffic
        .filter(|traffic| traffic.observed.is_none())
        .map(|traffic| {
            format!(
                "no traffic was observed, and {} was declared for the canary",
                percent(traffic.declared)
            )
        });
    blind.or(unobserved)
}

fn environment(judgement: &Judgement) -> String {
    let degraded = judgement.findings.iter().filter(|f| f.both_degraded);
    match closest(degraded) {
        Some(finding) => format!(
            "{} degrades alike on both arms, so it is not the canary: canary against baseline {}",
            finding.metric,
            headline(finding)
        ),
        None => "both arms degrade alike, so it is not the canary".to_owned(),
    }
}

fn traffic(plan: &Plan, judgement: &Judgement) -> String {
    let Some(traffic) = judgement.traffic else {
        return "the observed traffic contradicts the declared share".to_owned();
    };
    let observed = traffic.observed.map_or_else(|| "no".to_owned(), percent);
    let within = plan.traffic.map_or_else(String::new, |plan| {
        format!(" (allowed factor {}×)", trim_number(plan.tolerance_factor))
    });
    format!(
        "the canary gets {observed} of the traffic but {} was declared{within}",
        percent(traffic.declared)
    )
}

fn absent(judgement: &Judgement) -> String {
    let arm = match judgement.arms_absent() {
        (true, true) => "either arm",
        (true, false) => "the baseline",
        _ => "the canary",
    };
    format!("no metric has data of {arm}")
}

fn suspect(judgement: &Judgement) -> String {
    /// Letters of a warning that are repeated; the rest is in the judgement.
    const WARNING_LEN_MAX: usize = 160;
    let first = judgement.suspect.first().map_or("", String::as_str);
    let plain: String = first
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .take(WARNING_LEN_MAX)
        .collect();
    format!(
        "the source warned, so its data may be partial: {}",
        plain.trim()
    )
}

fn burning(judgement: &Judgement, abort: bool) -> String {
    let proven = judgement.objectives.iter().find_map(|objective| {
        let mut rungs = objective.rungs.iter();
        let rung = rungs.find(|r| r.proven && (r.rolls_back || !abort))?;
        Some((objective, rung))
    });
    match proven {
        Some((objective, rung)) => burn_line(objective, rung),
        None => "an objective burns its error budget too fast".to_owned(),
    }
}

fn burn_line(objective: &ObjectiveFinding, rung: &RungFinding) -> String {
    let times = |burn: Option<f64>| {
        burn.map_or_else(
            || "unknown".to_owned(),
            |b| format!("{}×", trim_number(rounded(b))),
        )
    };
    format!(
        "{} burns its error budget {} over {} and {} over {} on the canary (limit {}×, {} bad \
         events in the short window); the baseline burns {}",
        objective.objective,
        times(rung.burn_long),
        rung.long,
        times(rung.burn_short),
        rung.short,
        trim_number(rung.burn),
        rung.bad_short,
        times(objective.baseline_burn)
    )
}

fn gates(judgement: &Judgement) -> impl Iterator<Item = &Finding> {
    judgement
        .findings
        .iter()
        .filter(|finding| finding.role.is_gate())
}

/// The finding whose estimate comes nearest to its limit, or is farthest beyond it.
fn closest<'f>(findings: impl Iterator<Item = &'f Finding>) -> Option<&'f Finding> {
    findings.fold(None, |best: Option<&Finding>, next| match best {
        Some(best) if nearness(best) >= nearness(next) => Some(best),
        _ => Some(next),
    })
}

/// Estimate in the direction of harm as a multiple of the limit.
fn nearness(finding: &Finding) -> f64 {
    let Some((interval, limit)) = shown(finding) else {
        return f64::NEG_INFINITY;
    };
    let signed = match finding.harm {
        Harm::Increase => interval.value,
        Harm::Decrease => -interval.value,
        Harm::Either => interval.value.abs(),
    };
    signed / limit.max(f64::MIN_POSITIVE)
}
