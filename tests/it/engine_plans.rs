//! Plans and judgements for the engine's tests: made up, so that no statistics are needed.

use haldane::digest::Digest;
use haldane::ids::{GroupName, MetricName, ObjectiveName, TemplateName};
use haldane::judge::judgement::{
    ArmSummary, Evidence, Finding, Judgement, Label, Needs, ObjectiveFinding, Outcome, RungFinding,
};
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{MetricPlan, Plan, Queries, Timing};
use haldane::template::recovery::Recovery;
use haldane::template::{
    Combine, GapPolicy, History, JudgeSpec, Method, MinEvidence, OnInconclusive, Role,
};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::{Harm, MinEffect, Probability, Weight};
use std::collections::BTreeMap;

/// Where all plans of these tests begin, on the grid.
pub(crate) const START: Timestamp = Timestamp::from_s(1_770_000_000);
const STEP: Span = Span::from_s(15);

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn arm(version: &str) -> Scope {
    Scope::new(vec![Matcher::equals("version", version).unwrap()]).unwrap()
}

/// An hour.
const HOUR: History = History {
    lookback: Span::from_s(3600),
    offset: true,
};

/// A plan with two required metrics whose digest is that of `text`: `looks` looks in `length_s`
/// seconds, no promote before half of it, 10 s of lag, 120 s of grace; a text that has the word
/// `history` reaches an hour back, one that has `extend` may go on for half of the length more.
pub(crate) fn plan(text: &str, length_s: i64, looks: i64) -> Plan {
    let after = |s: i64| START.plus(Span::from_s(s));
    let extra_s = if text.contains("extend") {
        length_s / 2
    } else {
        0
    };
    Plan {
        template: TemplateName::new("web").unwrap(),
        template_digest: Digest::of(text.as_bytes()),
        rollout: Rollout {
            deploy: Deploy {
                service: "web".to_owned(),
                revision: Some(text.to_owned()),
                ..Deploy::default()
            },
            inputs: BTreeMap::new(),
            baseline: arm("v1"),
            canary: arm("v2"),
            start: START,
            duration: None,
        },
        timing: Timing {
            start: START,
            step: Step::new(STEP).unwrap(),
            look_every: Span::from_ms(length_s * 1000 / looks),
            judged_from: START,
            bake_until: after(length_s / 2),
            deadline: after(length_s + extra_s),
            lag: Span::from_s(10),
            source_grace: Span::from_s(120),
            extension: Span::from_s(extra_s),
        },
        judge: JudgeSpec {
            method: Method::MannWhitney,
            false_rollback: p(0.05),
            false_promote: p(0.05),
            accept_no_harm: None,
        },
        metrics: vec![metric("latency"), metric("errors")],
        objectives: Vec::new(),
        traffic: None,
        history: text.contains("history").then_some(HOUR),
        allowed_warnings: Vec::new(),
        on_inconclusive: OnInconclusive::Hold,
        recovery: text.contains("acknowledge").then(|| Recovery {
            acknowledge_within: Some(Span::from_s(120)),
            ..Recovery::usual()
        }),
        digest: Digest::of(text.as_bytes()),
        exceptions: haldane::template::inconclusive::Exceptions::default(),
        shifted: None,
        steps: None,
    }
}

fn metric(name: &str) -> MetricPlan {
    MetricPlan {
        name: MetricName::new(name).unwrap(),
        role: Role::Required,
        harm: Harm::Increase,
        min_effect: MinEffect::Relative(0.1),
        unit: "s".to_owned(),
        group: GroupName::new("all").unwrap(),
        weight: Weight::ONE,
        evidence: MinEvidence {
            samples: 10,
            events: 100,
            coverage: p(0.5),
        },
        per: None,
        group_by: None,
        queries: Queries::Series {
            query: format!("{name}{{version=~\"v1|v2\"}}"),
            combine: Combine::Mean,
            gaps: GapPolicy::Drop,
        },
        alpha: p(0.025),
        kayenta: None,
        lag: haldane::time::Span::ZERO,
        judge: None,
    }
}

/// A finding with evidence in both arms.
pub(crate) fn finding(name: &str, role: Role, label: Label) -> Finding {
    let arm = ArmSummary {
        n: 40,
        n_eff: 40.0,
        level: Some(1.0),
        coverage: 1.0,
        ..ArmSummary::default()
    };
    Finding {
        metric: MetricName::new(name).unwrap(),
        role,
        group: GroupName::new("all").unwrap(),
        weight: Weight::ONE,
        harm: Harm::Increase,
        limit: MinEffect::Relative(0.1),
        unit: "s".to_owned(),
        label,
        no_data: None,
        baseline: arm.clone(),
        canary: arm,
        effect: None,
        evidence: Some(Evidence {
            p_harm: 0.5,
            alpha: 0.01,
            p_safe: 0.5,
            beta: 0.01,
        }),
        test: "mann-whitney exact",
        needs: Needs::Nothing,
        both_degraded: false,
        breakdown: None,
        notes: Vec::new(),
    }
}

/// A judgement of `look` that has read all the schedule allows, every metric with this label.
pub(crate) fn judgement(plan: &Plan, look: u32, label: Label) -> Judgement {
    let timing = &plan.timing;
    let findings = plan.metrics.iter();
    Judgement {
        look,
        covered_to: timing.readable_to(haldane::engine::schedule::due(timing, look)),
        findings: findings
            .map(|m| finding(m.name.as_str(), m.role, label))
            .collect(),
        objectives: Vec::new(),
        traffic: None,
        steps: Vec::new(),
        suspect: Vec::new(),
        score: None,
        outcome: match label {
            Label::Worse => Outcome::Fail,
            Label::NoData | Label::Lagging => Outcome::NoData,
            Label::Undecided => Outcome::Marginal,
            Label::Within => Outcome::Pass,
        },
    }
}

/// A proven rung.
pub(crate) fn rung(rolls_back: bool) -> RungFinding {
    RungFinding {
        burn: 14.4,
        long: Span::from_s(3600),
        short: Span::from_s(300),
        rolls_back,
        burn_long: Some(20.0),
        burn_short: Some(20.0),
        bad_short: 100,
        log_e: 10.0,
        proven: true,
        unreachable: false,
    }
}

/// An objective with these rungs.
pub(crate) fn objective(worse: bool, both: bool, rungs: Vec<RungFinding>) -> ObjectiveFinding {
    ObjectiveFinding {
        objective: ObjectiveName::new("availability").unwrap(),
        metric: MetricName::new("errors").unwrap(),
        target: p(0.999),
        canary_burn: Some(20.0),
        baseline_burn: Some(1.0),
        rungs,
        p_worse_than_baseline: 0.001,
        worse_than_baseline: worse,
        baseline_burns_too: both,
        log_bound: 3.0,
    }
}
