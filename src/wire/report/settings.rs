//! What was configured, and the command that judges the same again, as text.

use super::{CommandDocument, SettingDocument, TimingDocument};
use crate::judge::extension;
use crate::judge::judgement::Judgement;
use crate::plan::{MetricPlan, Plan, Timing};
use crate::template::metric_judge::Acceptance;
use crate::time::Span;
use crate::units::{Probability, trim_number};
use std::fmt::Write as _;

/// Everything of a plan that its metrics do not say.
pub(super) fn of(plan: &Plan) -> Vec<SettingDocument> {
    let mut out = Vec::new();
    let mut line = |name: &str, value: String| out.push(setting(name, value));
    line("judge.method", plan.judge.method.word().to_owned());
    line("judge.false_rollback", percent(plan.judge.false_rollback));
    line("judge.false_promote", percent(plan.judge.false_promote));
    if let Some(power) = plan.judge.accept_no_harm {
        line("judge.accept_no_harm", percent(power));
    }
    out.extend(plan.metrics.iter().flat_map(of_metric));
    schedule(&plan.timing, &mut out);
    let mut line = |name: &str, value: String| out.push(setting(name, value));
    if let Some(history) = &plan.history {
        line("history.lookback", history.lookback.to_string());
    }
    if let Some(shifted) = &plan.shifted {
        line("baseline.mode", shifted.mode.word().to_owned());
        line("baseline is earlier by", shifted.back.to_string());
    }
    if let Some(traffic) = &plan.traffic {
        line("declared traffic share", percent(traffic.declared));
    }
    line("on_inconclusive", plan.on_inconclusive.word().to_owned());
    for (reason, policy) in plan.exceptions.iter() {
        let name = format!("on_inconclusive.{}", reason.word());
        line(&name, policy.word().to_owned());
    }
    if let Some(recovery) = &plan.recovery {
        line("recovery.burn_under", recovery.burn_under.to_string());
        for (name, span) in [
            ("recovery.within", recovery.within),
            ("recovery.for", recovery.well_for),
            ("recovery.acknowledge_within", recovery.acknowledge_within),
        ] {
            if let Some(span) = span {
                line(name, span.to_string());
            }
        }
    }
    for (name, value) in &plan.rollout.inputs {
        line(&format!("input {name}"), value.clone());
    }
    out
}

/// What a metric has of its own.
fn of_metric(metric: &MetricPlan) -> Vec<SettingDocument> {
    let Some(own) = &metric.judge else {
        return Vec::new();
    };
    let accepts = own.accept_no_harm.map(|own| match own {
        Acceptance::Never => "no".to_owned(),
        Acceptance::WithPower(power) => percent(power),
    });
    let all = [
        ("method", own.method.map(|method| method.word().to_owned())),
        ("share", own.share.map(trim_number)),
        ("accept_no_harm", accepts),
    ];
    let line = |(field, value): (&str, Option<String>)| {
        Some(setting(&format!("{}: judge.{field}", metric.name), value?))
    };
    all.into_iter().filter_map(line).collect()
}

fn schedule(timing: &Timing, out: &mut Vec<SettingDocument>) {
    let mut line = |name: &str, value: String| out.push(setting(name, value));
    line("schedule.step", timing.step.span().to_string());
    line("schedule.look_every", timing.look_every.to_string());
    line(
        "schedule.warmup",
        timing.judged_from.since(timing.start).to_string(),
    );
    line(
        "schedule.bake",
        timing.bake_until.since(timing.start).to_string(),
    );
    line(
        "schedule.deadline",
        timing.deadline_regular().since(timing.start).to_string(),
    );
    if timing.extension > Span::ZERO {
        line("schedule.extend_once", timing.extension.to_string());
    }
    line("schedule.lag", timing.lag.to_string());
    line("source grace", timing.source_grace.to_string());
}

fn setting(name: &str, value: String) -> SettingDocument {
    SettingDocument {
        name: name.to_owned(),
        value,
    }
}

fn percent(share: Probability) -> String {
    format!("{} %", trim_number(share.get() * 100.0))
}

/// The instants of `plan`, with how far it was judged.
pub(super) fn timing(plan: &Plan, judgement: Option<&Judgement>) -> TimingDocument {
    let timing = &plan.timing;
    TimingDocument {
        start: timing.start.to_string(),
        judged_from: timing.judged_from.to_string(),
        bake_until: timing.bake_until.to_string(),
        deadline: extension::end(plan, judgement).0.to_string(),
        covered_to: judgement.map(|judgement| judgement.covered_to.to_string()),
        step_ms: timing.step.span().ms(),
        look_every_ms: timing.look_every.ms(),
    }
}

/// Keeps everything a verdict was made from, and computes it from that again.
pub(super) fn replayed(id: &str) -> [CommandDocument; 2] {
    let file = quoted(&format!("{}.haldane.parquet", id.replace(['/', ':'], "-")));
    let said = |what: &str, command: String| CommandDocument {
        what: what.to_owned(),
        command,
    };
    let keep = "Keep everything the verdict was made from in one file";
    let again = "Compute the verdict from that file again, bit for bit";
    [
        said(keep, format!("haldane record {} --to {file}", quoted(id))),
        said(again, format!("haldane replay {file}")),
    ]
}

/// Asks the source for the same window again. The address of the source is not known here, so the
/// shell fills it in.
pub(super) fn asked_again(plan: &Plan, judgement: Option<&Judgement>) -> CommandDocument {
    let end = judgement.map_or(plan.timing.deadline, |judgement| judgement.covered_to);
    let mut command = format!(
        "haldane judge -t {}",
        quoted(&format!("{}.yaml", plan.template))
    );
    for (name, value) in &plan.rollout.inputs {
        let _ = write!(command, " --input {}", quoted(&format!("{name}={value}")));
    }
    let _ = write!(
        command,
        " --baseline {} --canary {} --prometheus \"$PROMETHEUS_URL\" --start {} --end {end} \
         --explain",
        quoted(&plan.rollout.baseline.to_string()),
        quoted(&plan.rollout.canary.to_string()),
        plan.timing.start
    );
    CommandDocument {
        what: "Ask the source for the same window again and judge it in one look".to_owned(),
        command,
    }
}

/// One word for a POSIX shell, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell_stay_words() {
        for (text, wanted) in [
            ("a.yaml", "a.yaml"),
            ("", "''"),
            ("track=\"stable\"", "'track=\"stable\"'"),
            ("it's $(rm)", "'it'\\''s $(rm)'"),
        ] {
            assert_eq!(quoted(text), wanted);
        }
    }
}
