//! The sentence (A10): computed once from the evidence, the same in every door.
//!
//! It leads with the worst metric, its effect with interval and the limit; one sentence, without a
//! full stop, in ASCII but for `×`, `±` and what a metric's unit brings.

use crate::judge::judgement::{
    ArmSummary, Finding, Interval, Judgement, Label, Needs, ObjectiveFinding, RungFinding,
};
use crate::plan::Plan;
use crate::time::Span;
use crate::units::{Harm, MinEffect, trim_number};

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
pub fn sentence(plan: &Plan, judgement: Option<&Judgement>, stand: Stand) -> String {
    let Some(judgement) = judgement else {
        return match stand {
            Stand::Pending => "no look has been taken yet".to_owned(),
            _ => "time is up and no data was ever read".to_owned(),
        };
    };
    match stand {
        Stand::Pending => pending(judgement),
        Stand::Promote => promote(judgement),
        Stand::RollbackMetric => rollback(judgement),
        Stand::RollbackBurn => burning(judgement, true),
        Stand::BudgetBurning => burning(judgement, false),
        Stand::EnvironmentDegraded => environment(judgement),
        Stand::TrafficMismatch => traffic(plan, judgement),
        Stand::ArmAbsent => absent(judgement),
        Stand::DataSuspect => suspect(judgement),
        Stand::Inconclusive => inconclusive(judgement),
    }
}

/// The line of one metric in a table, without its name: the effect with interval and limit, or
/// why there is none.
pub fn headline(finding: &Finding) -> String {
    match (finding.label, &finding.no_data) {
        (Label::NoData, Some(reason)) => reason.clone(),
        (Label::NoData, None) => "no data".to_owned(),
        (Label::Worse, _) => format!(
            "{} ({}; {})",
            moved(finding),
            bounds(finding),
            base(finding)
        ),
        _ => format!("{} ({})", estimate(finding), bounds(finding)),
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
    format!("{} is {}{more}", worst.metric, headline(worst))
}

/// Critical metrics first, then by the strength of the evidence.
fn urgency(finding: &Finding) -> f64 {
    let share = finding
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
    match count {
        1 => format!(
            "{} is within its limit at {}",
            closest.metric,
            headline(closest)
        ),
        2 => format!("both required metrics are within their limits; closest is {line}"),
        _ => format!("all {count} required metrics are within their limits; closest is {line}"),
    }
}

fn pending(judgement: &Judgement) -> String {
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
    match closest(gates(judgement)) {
        Some(closest) => format!(
            "nothing is worse so far and the bake time is not over; closest is {} at {}",
            closest.metric,
            headline(closest)
        ),
        None => "no required metric has been judged yet".to_owned(),
    }
}

fn inconclusive(judgement: &Judgement) -> String {
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
        None => "time is up and neither harm nor its absence is shown".to_owned(),
    }
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

/// The effect on the scale of the limit, with the size of the limit; a relative limit without a
/// relative effect has no size on that scale.
fn shown(finding: &Finding) -> Option<(Interval, f64)> {
    let effect = finding.effect?;
    match finding.limit {
        MinEffect::Absolute(limit) => Some((effect.absolute, limit)),
        MinEffect::Relative(limit) => Some((effect.relative.unwrap_or(effect.absolute), limit)),
    }
}

/// Whether the effect is said in percent of the baseline.
fn is_relative(finding: &Finding) -> bool {
    matches!(finding.limit, MinEffect::Relative(_))
        && finding
            .effect
            .is_some_and(|effect| effect.relative.is_some())
}

/// A difference without its sign.
fn size(finding: &Finding, value: f64) -> String {
    let value = value.abs();
    if is_relative(finding) {
        return percent(value);
    }
    if finding.canary.bad.is_some() {
        return format!("{} points", trim_number(rounded(value * 100.0)));
    }
    with_unit(trim_number(rounded(value)), &finding.unit)
}

fn signed(finding: &Finding, value: f64) -> String {
    let text = size(finding, value);
    // What is shown as zero has no sign.
    if text.starts_with("0 ") || text == "0" {
        return text;
    }
    format!("{}{text}", if value < 0.0 { '-' } else { '+' })
}

/// `31.4 % higher on the canary`
fn moved(finding: &Finding) -> String {
    let value = shown(finding).map_or(0.0, |(interval, _)| interval.value);
    let word = if value < 0.0 { "lower" } else { "higher" };
    format!("{} {word} on the canary", size(finding, value))
}

fn estimate(finding: &Finding) -> String {
    shown(finding).map_or_else(|| "unknown".to_owned(), |(i, _)| signed(finding, i.value))
}

/// `interval +18 % to +46 %, limit +10 %`
fn bounds(finding: &Finding) -> String {
    let interval = match shown(finding) {
        None => "interval unknown".to_owned(),
        Some((i, _)) => match (i.low.is_finite(), i.high.is_finite()) {
            (true, true) => {
                format!(
                    "interval {} to {}",
                    signed(finding, i.low),
                    signed(finding, i.high)
                )
            }
            (true, false) => format!("at least {}", signed(finding, i.low)),
            (false, true) => format!("at most {}", signed(finding, i.high)),
            (false, false) => "interval unbounded so far".to_owned(),
        },
    };
    format!("{interval}, limit {}", limit(finding))
}

fn limit(finding: &Finding) -> String {
    let sign = match finding.harm {
        Harm::Increase => "+",
        Harm::Decrease => "-",
        Harm::Either => "±",
    };
    match finding.limit {
        MinEffect::Relative(share) => format!("{sign}{}", percent(share)),
        MinEffect::Absolute(value) => format!("{sign}{}", size(finding, value)),
    }
}

/// `212 ms -> 278 ms, 66 samples each, effective 19`
fn base(finding: &Finding) -> String {
    let level = |arm: &ArmSummary| match arm.level {
        None => "none".to_owned(),
        Some(level) if arm.bad.is_some() => percent(level),
        Some(level) => with_unit(trim_number(level), &finding.unit),
    };
    let (b, c) = (&finding.baseline, &finding.canary);
    let levels = format!("{} -> {}", level(b), level(c));
    if let (Some(bad_b), Some(bad_c)) = (b.bad, c.bad) {
        return format!("{levels}, {bad_b} of {} events -> {bad_c} of {}", b.n, c.n);
    }
    let samples = if b.n == c.n {
        format!("{} samples each", c.n)
    } else {
        format!("{} and {} samples", b.n, c.n)
    };
    let effective = trim_number(b.n_eff.min(c.n_eff).floor());
    format!("{levels}, {samples}, effective {effective}")
}

/// `; needs about 9 more minutes`
fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => String::new(),
        Needs::Time(span) => format!("; needs about {}", more(span)),
        Needs::MoreThanThereIs => "; needs more time than there is".to_owned(),
        Needs::Data(count) => format!("; needs {count} more"),
    }
}

fn more(span: Span) -> String {
    let seconds = span.ms() / 1000;
    let (count, unit) = match seconds {
        0..120 => (seconds.max(1), "second"),
        120..7200 => ((seconds + 59) / 60, "minute"),
        _ => ((seconds + 3599) / 3600, "hour"),
    };
    format!("{count} more {unit}{}", if count == 1 { "" } else { "s" })
}

fn percent(share: f64) -> String {
    format!("{} %", trim_number(rounded(share * 100.0)))
}

fn with_unit(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// Three significant digits: more would only look exact.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
