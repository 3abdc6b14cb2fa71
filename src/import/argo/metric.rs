//! One metric of an analysis template: its query, its conditions, and what is around them.

use super::args::Args;
use crate::import::condition::{Condition, read};
use crate::import::draft::{Draft, Kind, Note, plain};
use crate::import::insert::insert;
use crate::import::measure::{Asked, Limit, Measured, measure};
use crate::import::source::{Fields, go_span};
use crate::template::document::{Node, Value};
use crate::time::Span;

/// A metric with what Argo does around it.
pub(super) struct Planned<'n> {
    pub(super) fields: Fields<'n>,
    pub(super) name: String,
    pub(super) interval: Option<Span>,
    pub(super) initial_delay: Option<Span>,
    pub(super) count: Option<f64>,
    failure_limit: f64,
    unread: Vec<String>,
}

impl<'n> Planned<'n> {
    pub(super) fn read(file: &'n str, node: &'n Node, args: &Args) -> Result<Self, String> {
        let fields = Fields::of(file, "a metric", node)?;
        let name = fields.need("name")?;
        let mut unread = Vec::new();
        let mut value = |field: &str| -> Result<Option<String>, String> {
            let Some(text) = fields.text(field)? else {
                return Ok(None);
            };
            let filled = args.filled(&text);
            if filled.is_none() {
                unread.push(format!("`{field}: {text}` has no value here"));
            }
            Ok(filled)
        };
        let span = |text: Option<String>| text.and_then(|text| go_span(&text));
        let number = |text: Option<String>| text.and_then(|text| text.parse::<f64>().ok());
        let interval = span(value("interval")?);
        let initial_delay = span(value("initialDelay")?);
        let count = number(value("count")?);
        let failure_limit = number(value("failureLimit")?).unwrap_or(0.0).max(0.0);
        Ok(Self {
            fields,
            name,
            interval,
            initial_delay,
            count,
            failure_limit,
            unread,
        })
    }

    /// Failed measurements that end it.
    fn failures(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        let allowed = self.failure_limit.clamp(0.0, 10_000.0) as i64;
        allowed + 1
    }
}

/// What limits are known from both conditions.
fn conditions(plan: &Planned<'_>, args: &Args) -> Result<(Condition, bool), String> {
    let get = |name: &str| -> Result<Option<String>, String> {
        let text = plan
            .fields
            .text(name)?
            .filter(|text| !text.trim().is_empty());
        Ok(text.map(|text| args.filled(&text).unwrap_or(text)))
    };
    let (success, failure) = (get("successCondition")?, get("failureCondition")?);
    let any = success.is_some() || failure.is_some();
    let both = success.is_some() && failure.is_some();
    let mut out = Condition::default();
    // With both, what is neither is inconclusive: beyond the first a promote is withheld.
    let parts = [(failure, false, true), (success, true, !both)];
    for (text, good, rolls_back) in parts {
        let Some(text) = text else { continue };
        let found = read(&text, good, rolls_back);
        let same = |limit: &Limit| {
            let known =
                |l: &&Limit| l.above == limit.above && l.value.total_cmp(&limit.value).is_eq();
            out.limits.iter().any(|l| known(&l))
        };
        let fresh: Vec<Limit> = found
            .limits
            .into_iter()
            .filter(|limit| !same(limit))
            .collect();
        out.limits.extend(fresh);
        out.empty_passes |= found.empty_passes;
        out.all_series |= found.all_series;
        out.unread.extend(found.unread);
    }
    Ok((out, any))
}

/// Puts one metric into the draft; one that cannot be imported is a note.
pub(super) fn add(
    draft: &mut Draft,
    plan: &Planned<'_>,
    args: &Args,
    step: Span,
    shown: bool,
) -> Result<(), String> {
    let name = draft.fresh_name(&plan.name);
    let (condition, any) = conditions(plan, args)?;
    say_limits(draft, plan, &name)?;
    let query = query(draft, plan, &name)?;
    draft.notes.extend(plan.fields.rest(Some(&name)));
    let measured = query.and_then(|query| measured(&query, args, step, &condition));
    let measured = match measured {
        Ok(measured) => measured,
        Err(text) => {
            draft.notes.push(Note {
                metric: Some(name),
                kind: Kind::Refused,
                text,
                at: Some(plan.fields.at()),
            });
            return Ok(());
        }
    };
    say_condition(draft, &name, &condition, any);
    let window = measured.window.unwrap_or(step);
    let long = plan
        .interval
        .map_or(window, |interval| interval.times(plan.failures()));
    let role = if shown { "info" } else { "required" };
    if shown {
        draft.of(&name, Kind::Changed, "`dryRun`: only shown");
    }
    insert(draft, &name, role, measured, (long.max(window), window));
    Ok(())
}

fn measured(
    query: &str,
    args: &Args,
    step: Span,
    condition: &Condition,
) -> Result<Measured, String> {
    let is_number = |default: &Option<String>| {
        let default = default.as_deref();
        default.is_some_and(|text| text.parse::<f64>().is_ok())
    };
    let numbers = args
        .known
        .iter()
        .filter(|(_, _, default)| is_number(default));
    let numbers: Vec<&str> = numbers.map(|(_, hole, _)| hole.as_str()).collect();
    measure(&Asked {
        query: &args.holed(query)?,
        numbers: &numbers,
        picks: &args.picks,
        step,
        faithful: false,
        harm: None,
        limits: &condition.limits,
        equal_arms: false,
    })
}

/// The PromQL of a metric; inside, why there is none.
fn query(
    draft: &mut Draft,
    plan: &Planned<'_>,
    name: &str,
) -> Result<Result<String, String>, String> {
    let Some(provider) = plan.fields.map("provider")? else {
        return Ok(Err("no `provider`".to_owned()));
    };
    if let Some(prometheus) = provider.map("prometheus")? {
        let query = prometheus.text("query")?;
        let skipped = [
            "address",
            "timeout",
            "insecure",
            "headers",
            "authentication",
        ];
        prometheus.skip(&skipped);
        if let Some(range) = prometheus.get("rangeQuery")
            && matches!(range.value, Value::Map(_))
        {
            let text = "`rangeQuery`: a metric is always asked over the whole rollout";
            draft.of(name, Kind::Unread, text);
        }
        draft.notes.extend(prometheus.rest(Some(name)));
        return Ok(query.ok_or_else(|| "`prometheus` has no `query`".to_owned()));
    }
    let kind = provider
        .entries()
        .first()
        .map_or("none", |(kind, _, _)| kind.as_str());
    let help = match kind {
        "kayenta" => "; import the canary config itself: `haldane import kayenta`",
        "web" | "job" => "; it asks no metrics",
        _ => "; Haldane reads Prometheus",
    };
    Ok(Err(format!("the provider is `{kind}`{help}")))
}

fn say_limits(draft: &mut Draft, plan: &Planned<'_>, name: &str) -> Result<(), String> {
    for text in &plan.unread {
        draft.of(name, Kind::Unread, text.clone());
    }
    let fields = &plan.fields;
    if plan.failure_limit > 0.0 {
        let text = format!(
            "`failureLimit: {}` is the long window of the objective: how long it must be bad",
            plain(plan.failure_limit)
        );
        draft.of(name, Kind::Changed, text);
    }
    let others = [
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "consecutiveSuccessLimit",
    ];
    for field in others {
        let Some(value) = fields.text(field)? else {
            continue;
        };
        let instead = match field {
            "consecutiveErrorLimit" => "`schedule.source_grace` says how long the source may fail",
            "consecutiveSuccessLimit" => "`schedule.bake` says how long it must have been good",
            _ => "an undecided analysis ends at the deadline",
        };
        draft.of(name, Kind::Unread, format!("`{field}: {value}`: {instead}"));
    }
    Ok(())
}

fn say_condition(draft: &mut Draft, name: &str, condition: &Condition, any: bool) {
    if !any {
        let text = "no condition: any answer passed, so harm in either direction is watched for";
        draft.of(name, Kind::Better, text);
    }
    if condition.empty_passes {
        let text = "an empty or undefined answer passed; here silence is no data, and no gate \
                    passes without data";
        draft.of(name, Kind::Better, text);
    }
    if condition.all_series {
        let text = "the condition held for each series; here the series of an arm are one";
        draft.of(name, Kind::Changed, text);
    }
    for part in &condition.unread {
        let text =
            format!("`{part}` is no limit of a value that is known here; nothing stands for it");
        draft.of(name, Kind::Changed, text);
    }
}
