//! Domain values that the tests of shapes and store are written against. The facts here are what
//! `tests/recordings/v1` holds: they are as frozen as those files.

use haldane::digest::Digest;
use haldane::engine::after::{self, After, Ending, Glance, Seen};
use haldane::engine::coordination::freeze::Freeze;
use haldane::engine::coordination::hold::Held;
use haldane::engine::coordination::{Concurrent, Coordination, Release, Wave};
use haldane::engine::record::{
    Conclusion, DeliveryEnd, Fact, Receiver, Record, SecretRef, Seq, Trip,
};
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::{Hold, Outside, Verdict};
use haldane::engine::view::{DeliveryView, Status, View};
use haldane::ids::{
    AnalysisId, DeliveryId, DeployId, GroupName, MetricName, ObjectiveName, TemplateName,
};
use haldane::judge::judgement::{
    ArmSummary, Breakdown, Effect, Evidence, Finding, Interval, Judgement, Label, Needs,
    ObjectiveFinding, Outcome, RungFinding, StepFinding, StepMetric, TrafficFinding, ValueFinding,
};
use haldane::judge::windows::Batch;
use haldane::plan::rollout::{Deploy, Rollout, TrafficStep};
use haldane::plan::scope::{Matcher, Scope};
use haldane::plan::{MetricPlan, Part, Plan, Queries, Slot, Timing};
use haldane::secret::Secret;
use haldane::series::raw::{Answer, RawSeries, Sample};
use haldane::template::{Combine, GapPolicy, JudgeSpec, Method, MinEvidence, OnInconclusive, Role};
use haldane::time::{Span, Step, Timestamp};
use haldane::units::{Harm, MinEffect, Probability, Score, Weight};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const START: Timestamp = Timestamp::from_ms(1_772_366_400_000); // 2026-03-01T12:00:00Z

pub(crate) fn id(text: &str) -> AnalysisId {
    AnalysisId::new(text).unwrap()
}

fn share(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

pub(crate) fn rollout() -> Rollout {
    Rollout {
        deploy: Deploy {
            id: DeployId::new("checkout-4711"),
            service: "checkout".to_owned(),
            environment: Some("production".to_owned()),
            revision: Some("v2".to_owned()),
            traffic_share: Probability::new(0.05),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            ..Deploy::default()
        },
        inputs: BTreeMap::from([("service".to_owned(), "checkout".to_owned())]),
        baseline: Scope::new(vec![Matcher::equals("track", "stable").unwrap()]).unwrap(),
        canary: Scope::new(vec![
            Matcher::equals("track", "canary").unwrap(),
            Matcher::regex("pod", "checkout-\"v2\"-.*\\d").unwrap(),
        ])
        .unwrap(),
        start: START,
        duration: Some(Span::from_s(1800)),
    }
}

pub(crate) fn batch() -> Batch {
    let at = |ms| START.plus(Span::from_ms(ms));
    let sample = |ms, value| Sample { at: at(ms), value };
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let answer = Answer {
        series: vec![
            RawSeries {
                labels: BTreeMap::from([
                    ("pod".to_owned(), "checkout-v1-ä".to_owned()),
                    ("track".to_owned(), "stable".to_owned()),
                ]),
                samples: vec![
                    sample(0, 0.1 + 0.2),
                    sample(15_000, f64::NAN),
                    sample(30_000, f64::INFINITY),
                    sample(45_001, -0.0),
                    sample(60_000, stale),
                ],
            },
            RawSeries {
                labels: BTreeMap::new(),
                samples: Vec::new(),
            },
        ],
        warnings: vec!["PromQL warning: partial".to_owned()],
        infos: vec!["metric might not be a counter".to_owned()],
        histogram_series: 2,
        histograms: Vec::new(),
    };
    let slot = |metric_idx, part| Slot { metric_idx, part };
    Batch {
        from: START,
        to: at(60_000),
        answers: vec![
            (slot(0, Part::Grid), answer),
            (slot(1, Part::Bad), Answer::default()),
            (slot(1, Part::Total), Answer::default()),
            (slot(2, Part::Buckets), Answer::default()),
        ],
    }
}

pub(crate) fn finding(name: &str, label: Label) -> Finding {
    Finding {
        metric: MetricName::new(name).unwrap(),
        role: Role::Required,
        group: GroupName::new("latency").unwrap(),
        weight: Weight::ONE,
        harm: Harm::Increase,
        limit: MinEffect::Relative(0.1),
        unit: "s".to_owned(),
        label,
        no_data: None,
        baseline: ArmSummary {
            n: 66,
            n_eff: 19.25,
            level: Some(0.212),
            bad: None,
            coverage: 1.0,
            spark: vec![0.2; 12],
        },
        canary: ArmSummary {
            n: 65,
            n_eff: 18.5,
            level: Some(0.278),
            bad: None,
            coverage: 0.984_848_484_848_484_8,
            spark: vec![0.25, 0.3, f64::NAN],
        },
        effect: Some(Effect {
            absolute: Interval {
                value: 0.066,
                low: 0.031,
                high: f64::INFINITY,
            },
            relative: Some(Interval {
                value: 0.31,
                low: 0.18,
                high: f64::INFINITY,
            }),
            confidence: share(0.99),
        }),
        evidence: Some(Evidence {
            p_harm: 1.25e-7,
            alpha: 0.002,
            p_safe: 1.0,
            beta: 0.1,
        }),
        test: "mann-whitney normal",
        needs: Needs::Nothing,
        both_degraded: false,
        breakdown: None,
        notes: vec!["3 counter resets".to_owned()],
    }
}

/// A metric of which one route of three is worse, and one had no room.
pub(crate) fn broken_down(name: &str) -> Finding {
    let value = |value: &str, label: Label| {
        let whole = finding(name, label);
        let finding = match label {
            Label::NoData => Finding {
                no_data: Some("canary has 3 of 50 events".to_owned()),
                effect: None,
                evidence: None,
                ..whole
            },
            _ => whole,
        };
        ValueFinding {
            value: value.to_owned(),
            finding,
        }
    };
    let breakdown = Breakdown {
        by: "route".to_owned(),
        max: 3,
        whole: Label::Within,
        values: vec![
            value("/cart", Label::Within),
            value("/pay\u{e9}", Label::Worse),
            value("/rare", Label::NoData),
        ],
        left_out: 7,
        left_out_named: vec!["/a".to_owned(), "/b".to_owned()],
    };
    Finding {
        breakdown: Some(Box::new(breakdown)),
        ..finding(name, Label::Worse)
    }
}

pub(crate) fn judgement() -> Judgement {
    let mut starved = finding("errors", Label::NoData);
    starved.no_data = Some("canary has 3 events, needs 50".to_owned());
    starved.limit = MinEffect::Absolute(0.005);
    starved.effect = None;
    starved.evidence = None;
    starved.test = "conditional binomial";
    starved.needs = Needs::Data(47);
    Judgement {
        look: 7,
        covered_to: START.plus(Span::from_s(660)),
        findings: vec![finding("latency_p99", Label::Worse), starved],
        objectives: vec![ObjectiveFinding {
            objective: ObjectiveName::new("availability").unwrap(),
            metric: MetricName::new("errors").unwrap(),
            target: share(0.999),
            canary_burn: Some(3.1),
            baseline_burn: None,
            rungs: vec![RungFinding {
                burn: 14.4,
                long: Span::from_s(3600),
                short: Span::from_s(300),
                rolls_back: true,
                burn_long: Some(1.2),
                burn_short: None,
                bad_short: 2,
                log_e: f64::NEG_INFINITY,
                proven: false,
                unreachable: false,
            }],
            p_worse_than_baseline: 0.25,
            worse_than_baseline: false,
            baseline_burns_too: true,
            log_bound: 4.605_170_185_988_092,
        }],
        traffic: Some(TrafficFinding {
            declared: 0.05,
            observed: Some(0.047),
            mismatch: false,
        }),
        steps: Vec::new(),
        suspect: vec!["partial answer".to_owned()],
        score: Score::new(40),
        outcome: Outcome::Fail,
    }
}

pub(crate) fn conclusion() -> Conclusion {
    Conclusion {
        verdict: Verdict::Rollback,
        row: 2,
        sentence: "latency_p99 is 31 % higher, at least 18 %; allowed 10 %".to_owned(),
        hold: None,
        author: None,
        look: 7,
        at: START.plus(Span::from_ms(661_234)),
    }
}

/// Every kind of fact, with the name of its frozen file.
pub(crate) fn facts() -> Vec<(&'static str, Fact)> {
    let receiver = |url: &str, secret| Receiver::new(url.to_owned(), secret);
    let delivery = DeliveryId::new("a1-0").unwrap();
    let settled = |end| Fact::Settled {
        delivery: delivery.clone(),
        attempts: 3,
        end,
        trip: Trip::default(),
    };
    let submitted = Fact::Submitted {
        key: Some("deploy:checkout-4711".to_owned()),
        template_text: "metadata:\n  name: \"checkout\"\n".into(),
        rollout: Box::new(rollout()),
        plan_digest: Digest::of(b"plan"),
        receivers: vec![
            receiver("https://a.example/hook", SecretRef::Default),
            receiver("https://b.example/hook", SecretRef::Named("ops".to_owned())),
            receiver(
                "https://c.example/hook",
                SecretRef::Inline(Secret::new("whsec_aGFsZGFuZQ==")),
            ),
        ],
        coordination: Box::default(),
    };
    let held = Conclusion {
        verdict: Verdict::Inconclusive,
        hold: Some(Hold::TrafficMismatch),
        author: Some("maja".to_owned()),
        ..conclusion()
    };
    let detail = || "503 Service Unavailable".to_owned();
    vec![
        ("submitted", submitted),
        ("captured", captured(1, batch())),
        (
            "source_failed",
            Fact::SourceFailed {
                look: 2,
                message: "connection refused".to_owned(),
            },
        ),
        ("judged", judged(judgement())),
        (
            "concluded",
            Fact::Concluded {
                conclusion: conclusion(),
            },
        ),
        ("concluded-held", Fact::Concluded { conclusion: held }),
        (
            "ignored",
            Fact::Ignored {
                what: "samples for look 3".to_owned(),
            },
        ),
        (
            "attempted",
            Fact::Attempted {
                delivery: delivery.clone(),
                attempt: 1,
                detail: detail(),
                trip: Trip::default(),
            },
        ),
        (
            "settled-delivered",
            settled(DeliveryEnd::Delivered { status: 202 }),
        ),
        (
            "settled-refused",
            settled(DeliveryEnd::Refused { detail: detail() }),
        ),
        (
            "settled-expired",
            settled(DeliveryEnd::Expired { detail: detail() }),
        ),
        ("attempted-timed", attempted_timed(&delivery)),
        (
            "announced",
            Fact::Announced {
                moment: Moment::Hold,
                look: 3,
            },
        ),
        (
            "redelivered",
            Fact::Redelivered {
                delivery: delivery.clone(),
                author: "maja".to_owned(),
            },
        ),
        (
            "acknowledged",
            Fact::Acknowledged {
                author: "argo".to_owned(),
            },
        ),
        (
            "watched",
            Fact::Watched {
                glance: Glance {
                    number: 2,
                    to: START,
                    seen: Seen::Burning,
                    detail: "objective availability burns at 14.4".to_owned(),
                    by: None,
                    figures: Vec::new(),
                },
            },
        ),
        (
            "watched-figures",
            Fact::Watched {
                glance: Glance {
                    number: 3,
                    to: START,
                    seen: Seen::Gone,
                    detail: "the canary gets no traffic any more, the baseline does".to_owned(),
                    by: Some(after::By::Traffic),
                    figures: figures(),
                },
            },
        ),
        (
            "seen_through",
            Fact::SeenThrough {
                ending: Ending {
                    outcome: after::Outcome::Ineffective,
                    at: START,
                    detail: "objective availability burns at 14.4".to_owned(),
                    by: None,
                    figures: Vec::new(),
                },
            },
        ),
        (
            "seen_through-figures",
            Fact::SeenThrough {
                ending: Ending {
                    outcome: after::Outcome::Recovered,
                    at: START,
                    detail: "objective availability burns at 0.30, under 1".to_owned(),
                    by: Some(after::By::Burn),
                    figures: figures(),
                },
            },
        ),
    ]
    .into_iter()
    .chain(together())
    .collect()
}

fn figures() -> Vec<after::Figure> {
    let figure = |of: &str, by, canary, limit| after::Figure {
        of: of.to_owned(),
        by,
        canary,
        baseline: Some(0.1),
        limit,
        n: 1_200,
    };
    vec![
        figure(
            "availability",
            after::By::Burn,
            Some(0.3),
            MinEffect::Absolute(1.0),
        ),
        figure(
            "latency (route /cart)",
            after::By::Comparison,
            None,
            MinEffect::Relative(0.1),
        ),
    ]
}

/// Facts about how analyses stand to one another.
fn together() -> Vec<(&'static str, Fact)> {
    let share = Probability::new(0.25).unwrap();
    let coordination = Coordination {
        shadow: true,
        concurrent: Concurrent::Queue,
        release: Some(Release {
            group: "r1".to_owned(),
            members: vec!["pay".to_owned()],
            order: Some(2),
        }),
        wave: Some(Wave {
            name: "v2".to_owned(),
            index: 3,
        }),
    };
    let stepped = Judgement {
        steps: vec![StepFinding {
            share: Some(0.25),
            from: START,
            to: START.plus(Span::from_s(60)),
            traffic: Some(TrafficFinding {
                declared: 0.25,
                observed: Some(0.2),
                mismatch: false,
            }),
            metrics: vec![StepMetric {
                levels: [None, None],
                metric: MetricName::new("errors").unwrap(),
                baseline: 7,
                canary: 3,
                needed: 5,
                enough: false,
            }],
        }],
        ..judgement()
    };
    let freeze = Freeze {
        id: id("freeze-1"),
        service: Some("pay".to_owned()),
        environment: None,
        region: Some("eu-1".to_owned()),
        from: START,
        until: Some(START.plus(Span::from_s(3600))),
        author: "ada".to_owned(),
        reason: "incident 4711".to_owned(),
    };
    let held = Held {
        by: Outside::Release,
        why: "waits for cart in release r1".to_owned(),
    };
    vec![
        (
            "submitted-together",
            Fact::Submitted {
                key: None,
                template_text: "metadata: { name: checkout }".into(),
                rollout: Box::new(rollout()),
                plan_digest: Digest::of(b"plan"),
                receivers: Vec::new(),
                coordination: Box::new(coordination),
            },
        ),
        ("queued", Fact::Queued { behind: id("a0") }),
        ("begun", Fact::Begun { at: START }),
        (
            "stepped",
            Fact::Stepped {
                step: TrafficStep { at: START, share },
            },
        ),
        ("judged-steps", judged(stepped)),
        ("held", Fact::Held { held: Some(held) }),
        ("held-no-more", Fact::Held { held: None }),
        (
            "frozen",
            Fact::Frozen {
                freeze: Box::new(freeze),
            },
        ),
        (
            "lifted",
            Fact::Lifted {
                author: "ada".to_owned(),
                reason: "over".to_owned(),
            },
        ),
    ]
}

fn attempted_timed(delivery: &DeliveryId) -> Fact {
    Fact::Attempted {
        delivery: delivery.clone(),
        attempt: 2,
        detail: "answered 503".to_owned(),
        trip: Trip {
            status: Some(503),
            took: Some(Span::from_ms(412)),
        },
    }
}

pub(crate) fn captured(look: u32, batch: Batch) -> Fact {
    Fact::Captured {
        look,
        batch: Arc::new(batch),
    }
}

pub(crate) fn judged(judgement: Judgement) -> Fact {
    Fact::Judged {
        judgement: Arc::new(judgement),
    }
}

pub(crate) fn record(analysis: &str, fact: Fact) -> Record {
    Record {
        id: id(analysis),
        at: START,
        fact,
    }
}

/// Facts of one analysis at consecutive places from `first` on.
pub(crate) fn at(first: u64, analysis: &str, facts: Vec<Fact>) -> Vec<(Seq, Record)> {
    (first..)
        .map(Seq)
        .zip(facts.into_iter().map(|fact| record(analysis, fact)))
        .collect()
}

pub(crate) fn plan(metrics: &[&str]) -> Plan {
    let metric = |name: &&str| MetricPlan {
        name: MetricName::new(name).unwrap(),
        role: Role::Required,
        harm: Harm::Increase,
        min_effect: MinEffect::Relative(0.1),
        unit: "s".to_owned(),
        group: GroupName::new("latency").unwrap(),
        weight: Weight::ONE,
        evidence: MinEvidence {
            samples: 20,
            events: 50,
            coverage: share(0.8),
        },
        per: None,
        group_by: None,
        queries: Queries::Series {
            query: format!("avg by (track) ({name}{{track=~\"stable|canary\"}})"),
            combine: Combine::Mean,
            gaps: GapPolicy::Drop,
        },
        alpha: share(0.01),
        kayenta: None,
        lag: haldane::time::Span::ZERO,
        judge: None,
    };
    Plan {
        template: TemplateName::new("checkout").unwrap(),
        template_digest: Digest::of(b"template"),
        rollout: rollout(),
        timing: Timing {
            start: START,
            step: Step::new(Span::from_s(15)).unwrap(),
            look_every: Span::from_s(60),
            judged_from: START,
            bake_until: START.plus(Span::from_s(600)),
            deadline: START.plus(Span::from_s(1440)),
            lag: Span::from_s(30),
            source_grace: Span::from_s(300),
            extension: haldane::time::Span::ZERO,
        },
        judge: JudgeSpec {
            method: Method::MannWhitney,
            false_rollback: share(0.01),
            false_promote: share(0.05),
            accept_no_harm: None,
        },
        metrics: metrics.iter().map(metric).collect(),
        objectives: Vec::new(),
        traffic: None,
        history: None,
        allowed_warnings: Vec::new(),
        on_inconclusive: OnInconclusive::Hold,
        recovery: None,
        digest: Digest::of(b"plan"),
        exceptions: haldane::template::inconclusive::Exceptions::default(),
        shifted: None,
        steps: None,
    }
}

/// A concluded analysis of `judgement`.
pub(crate) fn view(judgement: Judgement) -> View {
    let names: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| finding.metric.to_string())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    View {
        id: id("a1"),
        plan: Arc::new(plan(&names)),
        status: Status::Concluded,
        submitted_at: START,
        looks: judgement.look,
        next_look_at: None,
        judgement: Some(Arc::new(judgement)),
        sentence: conclusion().sentence,
        hold: None,
        conclusion: Some(conclusion()),
        source_fault: None,
        after: After::default(),
        deliveries: vec![DeliveryView {
            delivery: DeliveryId::new("a1-0").unwrap(),
            moment: Moment::Verdict,
            look: 7,
            born: START,
            expires: START.plus(Span::from_s(3600)),
            log: Vec::new(),
            redelivered: 0,
            url: "https://a.example/hook".to_owned(),
            attempts: 1,
            end: Some(DeliveryEnd::Delivered { status: 202 }),
            detail: None,
        }],
        coordination: haldane::engine::coordination::Coordination::default(),
        behind: None,
    }
}
