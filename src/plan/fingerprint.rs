//! The digest of a plan: canonical bytes of every field but the digest itself. Each struct is
//! taken apart by name, so that a new field does not compile until it is part of the digest.

use crate::digest::{Canonical, Digest};
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::Scope;
use crate::plan::{MetricPlan, ObjectivePlan, Plan, Queries, Shifted, Timing, TrafficPlan};
use crate::slo::objective::{Rung, RungAction};
use crate::template::kayenta::{EffectSize, KayentaOptions, KayentaSpec};
use crate::template::metric_judge::{Acceptance, MetricJudge, MetricMethod};
use crate::template::recovery::Recovery;
use crate::template::steps::{PlannedStep, StepPlan};
use crate::template::{Combine, GapPolicy, GroupBy, History, JudgeSpec, Method, MinEvidence};
use crate::time::Span;
use crate::units::MinEffect;

/// Raised when these bytes change their meaning (A12).
const VERSION: i64 = 1;

/// The digest of everything in the plan except `plan.digest`.
pub(super) fn of(plan: &Plan) -> Digest {
    let Plan {
        template,
        template_digest,
        rollout,
        timing,
        judge,
        metrics,
        objectives,
        traffic,
        steps: _,
        history: _,
        allowed_warnings,
        on_inconclusive,
        exceptions: _,
        shifted: _,
        recovery: _, // below: plans did not always have it
        digest: _,
    } = plan;
    let mut out = Canonical::new().text("haldane plan").int(VERSION);
    out = out
        .text(template.as_str())
        .text(&template_digest.to_string());
    out = add_timing(add_rollout(out, rollout), timing);
    out = add_judge(out, judge);
    out = count(out, metrics.len());
    out = metrics.iter().fold(out, add_metric);
    out = count(out, objectives.len());
    out = objectives.iter().fold(out, add_objective);
    out = match traffic {
        None => out.int(0),
        Some(TrafficPlan {
            metric_idx,
            declared,
            tolerance_factor,
        }) => count(out.int(1), *metric_idx)
            .bits(declared.get())
            .bits(*tolerance_factor),
    };
    out = count(out, allowed_warnings.len());
    out = allowed_warnings
        .iter()
        .fold(out, |out, text| out.text(text));
    add_later(out.text(on_inconclusive.word()), plan).digest()
}

/// What plans did not always have.
fn add_later(mut out: Canonical, plan: &Plan) -> Canonical {
    let Plan {
        history,
        metrics,
        exceptions,
        shifted,
        timing,
        steps,
        recovery,
        ..
    } = plan;
    // Only what is there is added: plans without a history or replicas keep the digest they had
    // before there were any.
    if let Some(History { lookback, offset }) = history {
        out = out
            .text("history")
            .int(lookback.ms())
            .int(i64::from(*offset));
    }
    for (metric_idx, metric) in metrics.iter().enumerate() {
        if let Some(label) = &metric.per {
            out = count(out.text("per"), metric_idx).text(label);
        }
        if let Some(own) = &metric.judge {
            out = add_own_judge(count(out.text("judge"), metric_idx), own);
        }
    }
    for (metric_idx, metric) in metrics.iter().enumerate() {
        if let Some(GroupBy { label, max }) = &metric.group_by {
            out = count(out.text("group_by"), metric_idx).text(label);
            out = count(out, *max);
        }
    }
    for (reason, policy) in exceptions.iter() {
        out = out
            .text("inconclusive")
            .text(reason.word())
            .text(policy.word());
    }
    if let Some(shifted) = shifted {
        out = add_shifted(out, shifted);
    }
    for (metric_idx, metric) in metrics.iter().enumerate() {
        if metric.lag != Span::ZERO {
            out = count(out.text("lag"), metric_idx).int(metric.lag.ms());
        }
    }
    if timing.extension != Span::ZERO {
        out = out.text("extension").int(timing.extension.ms());
    }
    if let Some(StepPlan { by, steps }) = steps {
        out = count(out.text("steps").text(by.word()), steps.len());
        out = steps.iter().fold(out, |out, PlannedStep { weight, bake }| {
            out.bits(weight.get()).int(bake.ms())
        });
    }
    match recovery {
        Some(recovery) => add_recovery(out, recovery),
        None => out,
    }
}

fn add_recovery(out: Canonical, recovery: &Recovery) -> Canonical {
    let Recovery {
        within,
        well_for,
        burn_under,
        acknowledge_within,
    } = recovery;
    let mut out = out.text("recovery").bits(burn_under.get());
    for (name, span) in [
        ("within", within),
        ("for", well_for),
        ("acknowledge_within", acknowledge_within),
    ] {
        if let Some(span) = span {
            out = out.text(name).int(span.ms());
        }
    }
    out
}

fn add_shifted(out: Canonical, shifted: &Shifted) -> Canonical {
    let Shifted {
        mode,
        back,
        queries,
    } = shifted;
    let out = out.text("baseline").text(mode.word()).int(back.ms());
    queries.iter().fold(out, add_queries)
}

fn count(out: Canonical, n: usize) -> Canonical {
    out.int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn maybe(out: Canonical, text: Option<&str>) -> Canonical {
    match text {
        None => out.int(0),
        Some(text) => out.int(1).text(text),
    }
}

fn add_rollout(out: Canonical, rollout: &Rollout) -> Canonical {
    let Rollout {
        deploy,
        inputs,
        baseline,
        canary,
        start,
        duration,
    } = rollout;
    let mut out = count(add_deploy(out, deploy), inputs.len());
    for (name, value) in inputs {
        out = out.text(name).text(value);
    }
    let out = add_scope(add_scope(out, baseline), canary).int(start.ms());
    match duration {
        None => out.int(0),
        Some(span) => out.int(1).int(span.ms()),
    }
}

fn add_scope(out: Canonical, scope: &Scope) -> Canonical {
    let out = count(out, scope.matchers().len());
    let matchers = scope.matchers().iter();
    matchers.fold(out, |out, matcher| out.text(&matcher.to_string()))
}

fn add_deploy(out: Canonical, deploy: &Deploy) -> Canonical {
    let Deploy {
        id,
        service,
        environment,
        region,
        revision,
        commit,
        artifact_digest,
        change_type,
        actor,
        traffic_share,
        traffic_steps,
        planned_steps,
        traceparent,
    } = deploy;
    let mut out = maybe(out, id.as_ref().map(crate::ids::DeployId::as_str)).text(service);
    for text in [
        environment,
        region,
        revision,
        commit,
        artifact_digest,
        change_type,
        actor,
        traceparent,
    ] {
        out = maybe(out, text.as_deref());
    }
    let out = match traffic_share {
        None => out.int(0),
        Some(share) => out.int(1).bits(share.get()),
    };
    // Only what is there is added: plans of one step keep the digest they had.
    let out = traffic_steps.iter().fold(out, |out, step| {
        out.text("step").int(step.at.ms()).bits(step.share.get())
    });
    planned_steps.iter().fold(out, |out, step| {
        let PlannedStep { weight, bake } = step;
        out.text("planned").bits(weight.get()).int(bake.ms())
    })
}

fn add_timing(out: Canonical, timing: &Timing) -> Canonical {
    let Timing {
        start,
        step,
        look_every,
        judged_from,
        bake_until,
        deadline,
        lag,
        source_grace,
        extension: _,
    } = timing;
    out.int(start.ms())
        .int(step.span().ms())
        .int(look_every.ms())
        .int(judged_from.ms())
        .int(bake_until.ms())
        .int(deadline.ms())
        .int(lag.ms())
        .int(source_grace.ms())
}

fn add_judge(out: Canonical, judge: &JudgeSpec) -> Canonical {
    let JudgeSpec {
        method,
        false_rollback,
        false_promote,
        accept_no_harm,
    } = judge;
    let out = out
        .text(method.word())
        .bits(false_rollback.get())
        .bits(false_promote.get());
    let out = match accept_no_harm {
        None => out.int(0),
        Some(power) => out.int(1).bits(power.get()),
    };
    match method {
        Method::Sequential | Method::MannWhitney => out,
        Method::Kayenta(spec) => add_kayenta(out, spec),
    }
}

fn add_own_judge(out: Canonical, own: &MetricJudge) -> Canonical {
    let MetricJudge {
        method,
        share,
        accept_no_harm,
    } = own;
    let out = maybe(out, method.map(MetricMethod::word));
    let out = match share {
        None => out.int(0),
        Some(share) => out.int(1).bits(*share),
    };
    match accept_no_harm {
        None => out.int(0),
        Some(Acceptance::Never) => out.int(1),
        Some(Acceptance::WithPower(power)) => out.int(2).bits(power.get()),
    }
}

fn add_kayenta(out: Canonical, spec: &KayentaSpec) -> Canonical {
    let KayentaSpec {
        pass,
        marginal,
        group_weights,
    } = spec;
    let out = count(out.bits(*pass).bits(*marginal), group_weights.len());
    let weights = group_weights.iter();
    weights.fold(out, |out, (group, weight)| {
        out.text(group.as_str()).bits(*weight)
    })
}

/// Nothing for a metric without options, so that plans of the other judges keep their digests.
fn add_kayenta_options(out: Canonical, options: Option<&KayentaOptions>) -> Canonical {
    let Some(KayentaOptions {
        outlier_factor,
        must_have_data,
        effect_size,
    }) = options
    else {
        return out;
    };
    let out = out.text("kayenta").int(i64::from(*must_have_data));
    let out = match outlier_factor {
        None => out.int(0),
        Some(factor) => out.int(1).bits(*factor),
    };
    match effect_size {
        None => out.int(0),
        Some(EffectSize {
            measure,
            allowed_increase,
            allowed_decrease,
            critical_increase,
            critical_decrease,
        }) => out
            .int(1)
            .text(measure.word())
            .bits(*allowed_increase)
            .bits(*allowed_decrease)
            .bits(*critical_increase)
            .bits(*critical_decrease),
    }
}

fn add_metric(out: Canonical, metric: &MetricPlan) -> Canonical {
    let MetricPlan {
        name,
        role,
        harm,
        min_effect,
        unit,
        group,
        weight,
        evidence,
        queries,
        per: _,
        group_by: _,
        lag: _,
        alpha,
        kayenta,
        judge: _,
    } = metric;
    let MinEvidence {
        samples,
        events,
        coverage,
    } = evidence;
    let out = out.text(name.as_str()).text(role.word()).text(harm.word());
    let out = match min_effect {
        MinEffect::Relative(share) => out.text("relative").bits(*share),
        MinEffect::Absolute(value) => out.text("absolute").bits(*value),
    };
    let out = out.text(unit).text(group.as_str()).bits(weight.get());
    let out = count(out, *samples)
        .int(i64::try_from(*events).unwrap_or(i64::MAX))
        .bits(coverage.get());
    let out = add_queries(out, queries).bits(alpha.get());
    add_kayenta_options(out, kayenta.as_ref())
}

fn add_queries(out: Canonical, queries: &Queries) -> Canonical {
    match queries {
        Queries::Series {
            query,
            combine,
            gaps,
        } => out
            .text("series")
            .text(query)
            .text(match combine {
                Combine::Mean => "mean",
                Combine::Sum => "sum",
                Combine::Max => "max",
                Combine::Min => "min",
                Combine::Median => "median",
            })
            .text(match gaps {
                GapPolicy::Drop => "drop",
                GapPolicy::Zero => "zero",
                GapPolicy::Fail => "fail",
            }),
        Queries::Events { bad, total } => out.text("events").text(bad).text(total),
        Queries::Distribution { buckets, threshold } => {
            let out = out.text("distribution").text(buckets);
            match threshold {
                Some(threshold) => out.bits(*threshold),
                None => out.text("whole"),
            }
        }
    }
}

fn add_objective(out: Canonical, plan: &ObjectivePlan) -> Canonical {
    let ObjectivePlan {
        name,
        metric_idx,
        objective,
        alpha,
    } = plan;
    let out = count(out.text(name.as_str()), *metric_idx)
        .bits(objective.target().get())
        .int(objective.period.ms())
        .int(i64::try_from(objective.bad_events_min).unwrap_or(i64::MAX))
        .bits(alpha.get());
    let out = count(out, objective.rungs.len());
    objective.rungs.iter().fold(out, |out, rung| {
        let Rung {
            burn,
            long,
            short,
            action,
        } = rung;
        out.bits(burn.get())
            .int(long.ms())
            .int(short.ms())
            .text(match action {
                RungAction::Rollback => "rollback",
                RungAction::Hold => "hold",
            })
    })
}
