//! `group_by`: one bad route among twenty is found and named while the sum of all routes is within
//! its limit; twenty healthy ones are rolled back no more often than one metric may be; values come
//! late, go, are too many, or lack their label.

use crate::judge_background::{PAST, POINTS};
use crate::judge_plans::{Noise, START, STEP, rollout};
use haldane::engine::verdict::{Situation, Source, Verdict, decide};
use haldane::judge::explain;
use haldane::judge::judge_again;
use haldane::judge::judgement::{Breakdown, Finding, Judgement, Label};
use haldane::judge::sequential::{Detail, Memory, Tables};
use haldane::judge::windows::{Batch, Windows};
use haldane::plan::bind::bind;
use haldane::plan::{Part, Plan, Slot};
use haldane::series::raw::{Answer, Labels, RawSeries, Sample};
use haldane::template::parse::parse;
use haldane::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Errors by route.
pub(crate) const EVENTS: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: routes }
spec:
  schedule: { step: 60s, look_every: 5m, lag: 0s, bake: 40m, deadline: 60m }
  judge: { accept_no_harm: { power: 80% } }
  metrics:
    - name: errors
      harm: increase
      min_effect: { absolute: 0.5% }
      group_by: route
      events: { bad: 'requests_total{${selector}}', total: 'requests_total{${selector}}' }
";

/// The level of something by route.
pub(crate) const SERIES: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: routes }
spec:
  schedule: { step: 60s, look_every: 5m, lag: 0s, bake: 40m, deadline: 60m }
  judge: { accept_no_harm: { power: 80% } }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 10% }
      group_by: { label: route, max: 20 }
      series: { query: 'avg by (${arm_labels},route) (latency{${selector}})', combine: mean }
";

/// Latencies by route.
pub(crate) const BUCKETS: &str = r"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: routes }
spec:
  schedule: { step: 60s, look_every: 5m, lag: 0s, bake: 40m, deadline: 60m }
  judge: { accept_no_harm: { power: 80% } }
  metrics:
    - name: slow
      harm: increase
      min_effect: { absolute: 1% }
      group_by: route
      distribution: { buckets: 'latency_bucket{${selector}}', threshold: 1 }
";

pub(crate) fn bound(template: &str, changes: &[(&str, &str)]) -> Plan {
    let mut text = template.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in the template");
        text = text.replace(from, to);
    }
    let (template, found) = parse(&text);
    let template = template.unwrap_or_else(|| panic!("{text}: {found:?}"));
    bind(&template, &rollout()).unwrap()
}

/// One route of one service.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) name: Option<String>,
    /// Requests of each arm in a step.
    pub(crate) load: f64,
    /// The share of bad ones, baseline and canary.
    pub(crate) bad: (f64, f64),
    /// The steps between which it has samples, baseline and canary.
    pub(crate) there: [(i64, i64); 2],
}

pub(crate) const ALWAYS: (i64, i64) = (-PAST, POINTS);

/// `count` healthy routes, `/r00` with most traffic and each with less than the one before.
pub(crate) fn healthy(count: usize) -> Vec<Route> {
    let route = |idx: usize| Route {
        name: Some(format!("/r{idx:02}")),
        load: 400.0 / (1.0 + idx as f64),
        bad: (0.002, 0.002),
        there: [ALWAYS; 2],
    };
    (0..count).map(route).collect()
}

pub(crate) fn changed(routes: Vec<Route>, idx: usize, change: impl Fn(&mut Route)) -> Vec<Route> {
    let mut routes = routes;
    change(&mut routes[idx]);
    routes
}

fn poisson(noise: &mut Noise, mean: f64) -> f64 {
    if mean > 50.0 {
        return libm::round(mean + libm::sqrt(mean) * noise.normal()).max(0.0);
    }
    let (limit, mut product, mut count) = (libm::exp(-mean), noise.uniform(), 0.0);
    while product > limit {
        product *= noise.uniform();
        count += 1.0;
    }
    count
}

/// Bad events in clusters of three on average.
fn clustered(noise: &mut Noise, mean: f64) -> f64 {
    let clusters = poisson(noise, mean / 3.0);
    let mut sum = 0.0;
    let mut left = clusters;
    while left > 0.0 {
        sum += 1.0;
        while noise.uniform() < 2.0 / 3.0 {
            sum += 1.0;
        }
        left -= 1.0;
    }
    sum
}

fn series(labels: &[(&str, &str)], values: impl Iterator<Item = (i64, f64)>) -> RawSeries {
    let labels: Labels = labels
        .iter()
        .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
        .collect();
    let sample = |(t, value): (i64, f64)| Sample {
        at: Timestamp::from_ms(START.ms() + STEP.ms() * t),
        value,
    };
    RawSeries {
        labels,
        samples: values.map(sample).collect(),
    }
}

/// What one route does in one arm: requests and bad ones of each step from `from` on. Load wanders,
/// bad events come in clusters.
fn behaviour(route: &Route, canary: bool, from: i64, noise: &mut Noise) -> Vec<(i64, f64, f64)> {
    let steps = usize::try_from(POINTS + 1 - from).unwrap();
    let wander = noise.ar1(0.7, steps);
    let ratio = |t: i64| {
        if canary && t > 0 {
            route.bad.1
        } else {
            route.bad.0
        }
    };
    let there = route.there[usize::from(canary)];
    let step = |(idx, wander): (usize, f64)| {
        let t = i64::try_from(idx).unwrap() + from;
        let all = poisson(noise, route.load * libm::exp(0.2 * wander));
        let bad = clustered(noise, route.load * ratio(t)).min(all);
        (t, all, bad)
    };
    let all = wander.into_iter().enumerate().map(step);
    all.filter(|(t, ..)| there.0 <= *t && *t <= there.1)
        .collect()
}

/// Raw samples of all parts of a plan's only metric.
pub(crate) type World = BTreeMap<Part, Vec<RawSeries>>;

fn labelled<'a>(route: &'a Route, arm: &'a str) -> Vec<(&'a str, &'a str)> {
    let name = route.name.as_deref().map(|name| ("route", name));
    let own = [("arm", arm), ("pod", arm)];
    own.into_iter().chain(name).collect()
}

pub(crate) fn world(plan: &Plan, routes: &[Route], seed: u64) -> World {
    let parts: Vec<Part> = plan.queries().iter().map(|(slot, _)| slot.part).collect();
    // Without a history two steps before the start are enough.
    let from = if plan.history.is_some() { -PAST } else { -2 };
    let mut out = World::new();
    for (idx, route) in routes.iter().enumerate() {
        for (canary, arm) in [(false, "baseline"), (true, "canary")] {
            let stream = 1000 * seed + 2 * u64::try_from(idx).unwrap() + u64::from(canary);
            let steps = behaviour(route, canary, from, &mut Noise(7919 * stream + 1));
            let labels = labelled(route, arm);
            let summed = |pick: fn(&(i64, f64, f64)) -> f64| {
                let mut sum = 0.0;
                let sums = steps.iter().map(move |step| {
                    sum += pick(step);
                    (step.0, sum)
                });
                sums.collect::<Vec<_>>()
            };
            let with = |label: &'static str, value: &'static str| {
                let more = [(label, value)];
                labels.iter().copied().chain(more).collect::<Vec<_>>()
            };
            let mut push = |part: Part, one: RawSeries| {
                if parts.contains(&part) {
                    out.entry(part).or_default().push(one);
                }
            };
            let bad = summed(|step| step.2).into_iter();
            push(Part::Bad, series(&with("code", "500"), bad));
            push(
                Part::Total,
                series(&labels, summed(|step| step.1).into_iter()),
            );
            let within = summed(|step| step.1 - step.2).into_iter();
            push(Part::Buckets, series(&with("le", "1"), within));
            let all = summed(|step| step.1).into_iter();
            push(Part::Buckets, series(&with("le", "+Inf"), all));
            let mut noise = Noise(31 * stream + 7);
            let wander = noise.ar1(0.3, steps.len());
            let level = if canary {
                1.0 + 50.0 * (route.bad.1 - 0.002)
            } else {
                1.0
            };
            let levels = steps.iter().zip(wander);
            let levels = levels.map(|((t, ..), z)| (*t, level * libm::exp(0.05 * z)));
            push(Part::Grid, series(&labels, levels));
        }
    }
    out
}

/// What a source of this world answers for `(from, to]`.
pub(crate) fn answered(plan: &Plan, world: &World, from: Timestamp, to: Timestamp) -> Batch {
    let cut = |one: &RawSeries| RawSeries {
        labels: one.labels.clone(),
        samples: one
            .samples
            .iter()
            .copied()
            .filter(|sample| from < sample.at && sample.at <= to)
            .collect(),
    };
    let answer = |(slot, _): (Slot, &str)| {
        let series = world[&slot.part].iter().map(cut);
        let answer = Answer {
            series: series.filter(|one| !one.samples.is_empty()).collect(),
            ..Answer::default()
        };
        (slot, answer)
    };
    Batch {
        from,
        to,
        answers: plan.queries().into_iter().map(answer).collect(),
    }
}

pub(crate) static TABLES: LazyLock<Tables> = LazyLock::new(Tables::default);

/// How an analysis ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) verdict: Verdict,
    pub(crate) sentence: String,
    pub(crate) judgement: Judgement,
    pub(crate) minutes: u32,
}

impl Ended {
    pub(crate) fn finding(&self) -> &Finding {
        &self.judgement.findings[0]
    }

    pub(crate) fn breakdown(&self) -> &Breakdown {
        self.finding().breakdown.as_ref().unwrap()
    }
}

pub(crate) fn first_from() -> Timestamp {
    START.minus(STEP.times(PAST + 1))
}

/// All looks until the verdict.
pub(crate) fn judged(plan: &Plan, world: &World, detail: Detail) -> Ended {
    let mut windows = Windows::new(plan);
    let mut memory = Memory::sharing(detail, &TABLES);
    let mut from = first_from();
    for look in 1..=plan.timing.looks_planned() {
        let to = START.plus(plan.timing.look_every.times(i64::from(look)));
        windows.absorb(plan, &answered(plan, world, from, to));
        from = to;
        let judgement = judge_again(plan, &windows, look, &mut memory);
        let decision = decide(&Situation::of(plan, Some(&judgement), Source::Answering));
        if let Some(verdict) = decision.verdict {
            return Ended {
                verdict,
                sentence: explain::sentence(plan, Some(&judgement), decision.stand()),
                judgement,
                minutes: look * u32::try_from(plan.timing.look_every.ms() / 60_000).unwrap(),
            };
        }
    }
    panic!("the deadline gave no verdict");
}

pub(crate) fn bad(ratio: f64) -> impl Fn(&mut Route) {
    move |route| route.bad.1 = ratio
}

/// 120 letters of a name, what breaks the line replaced.
const LONG: &str = "/caf\u{e9}  \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...";

struct Case {
    what: &'static str,
    template: &'static str,
    changes: &'static [(&'static str, &'static str)],
    routes: Vec<Route>,
    verdict: Verdict,
    /// What the sentence says.
    says: &'static [&'static str],
    /// What the notes say.
    notes: &'static [&'static str],
    /// What the metric says as a whole, and which value leads.
    whole: Label,
    lead: Option<&'static str>,
}

const COLUMNS: Case = Case {
    what: "",
    template: EVENTS,
    changes: &[],
    routes: Vec::new(),
    verdict: Verdict::Promote,
    says: &[],
    notes: &[],
    whole: Label::Within,
    lead: None,
};

fn cases() -> Vec<Case> {
    let late = |from: i64, ratio: f64| {
        move |route: &mut Route| {
            route.there = [(from, POINTS); 2];
            route.bad = (0.002, ratio);
        }
    };
    let nameless = |routes: Vec<Route>, arms: [bool; 2]| -> Vec<Route> {
        let both = routes.into_iter().flat_map(move |route| {
            [0, 1].map(|arm| {
                let mut one = route.clone();
                one.there[1 - arm] = (0, -1);
                one.name = one.name.filter(|_| !arms[arm]);
                one
            })
        });
        both.collect()
    };
    vec![
        Case {
            what: "healthy routes",
            routes: healthy(6),
            says: &["errors is within its limit at"],
            notes: &["by route: 6 values, "],
            ..COLUMNS
        },
        Case {
            what: "one bad route of twenty",
            routes: changed(healthy(20), 12, bad(0.1)),
            verdict: Verdict::Rollback,
            says: &[
                "errors, route=/r12 is ",
                "points higher on the canary",
                "limit +0.5 points",
            ],
            notes: &["by route: 20 values, 1 worse"],
            whole: Label::Undecided,
            lead: Some("/r12"),
            ..COLUMNS
        },
        Case {
            what: "two bad routes, the stronger evidence first",
            changes: &[("look_every: 5m", "look_every: 30m")],
            routes: changed(changed(healthy(20), 1, bad(0.2)), 2, bad(0.2)),
            verdict: Verdict::Rollback,
            says: &["errors, route=/r0", " is worse too; so is the whole"],
            whole: Label::Worse,
            lead: Some("/r01"),
            ..COLUMNS
        },
        Case {
            what: "all routes are bad: the whole is worse as well",
            changes: &[("look_every: 5m", "look_every: 30m")],
            routes: healthy(6)
                .into_iter()
                .map(|route| Route {
                    bad: (0.002, 0.1),
                    ..route
                })
                .collect(),
            verdict: Verdict::Rollback,
            says: &[
                "errors, route=/r00 is ",
                "more are worse too; so is the whole",
            ],
            whole: Label::Worse,
            lead: Some("/r00"),
            ..COLUMNS
        },
        Case {
            what: "a route that comes late takes the next slot and is found",
            changes: &[("bake: 40m", "bake: 55m")],
            routes: changed(healthy(20), 4, late(25, 0.2)),
            verdict: Verdict::Rollback,
            says: &["errors, route=/r04 is "],
            notes: &["by route: 20 values, 1 worse"],
            whole: Label::Undecided,
            lead: Some("/r04"),
            ..COLUMNS
        },
        Case {
            what: "a route that goes holds nothing up",
            routes: changed(healthy(6), 2, |route| route.there = [(-PAST, 3); 2]),
            says: &["within its limit", "by route ", "which holds nothing up"],
            notes: &["with too little data"],
            ..COLUMNS
        },
        Case {
            what: "a route only the canary has",
            routes: changed(healthy(6), 5, |route| {
                route.there = [(0, -1), ALWAYS];
                route.bad = (0.0, 0.002);
            }),
            says: &["within its limit", "by route ", "of 6 values of errors"],
            notes: &["1 with too little data"],
            ..COLUMNS
        },
        Case {
            what: "more than there are slots",
            changes: &[("group_by: route", "group_by: { label: route, max: 3 }")],
            routes: changed(healthy(12), 11, bad(0.03)),
            says: &[
                "errors is within its limit",
                "of 12 values of errors are not shown within the limit",
            ],
            notes: &[
                "by route: 3 values, ",
                "more than 3 values of route: /r03, /r04, /r05, /r06, /r07 and 4 more are in the \
                 whole only",
            ],
            ..COLUMNS
        },
        Case {
            what: "a label that is not there is no health",
            changes: &[("group_by: route", "group_by: handler")],
            routes: healthy(6),
            verdict: Verdict::Inconclusive,
            says: &[
                "errors has no data: no series of the baseline has the label `handler` of \
                 `group_by`; keep it in the query, or remove `group_by`",
            ],
            ..COLUMNS
        },
        Case {
            what: "a label that is not there on the canary",
            routes: nameless(healthy(1), [false, true]),
            verdict: Verdict::Inconclusive,
            says: &["no series of the canary has the label `route`"],
            ..COLUMNS
        },
        Case {
            what: "without its label the whole still rolls back",
            changes: &[("group_by: route", "group_by: handler")],
            routes: changed(healthy(6), 0, bad(0.1)),
            verdict: Verdict::Rollback,
            says: &["errors is "],
            whole: Label::Worse,
            ..COLUMNS
        },
        Case {
            what: "some series without the label",
            routes: changed(healthy(6), 5, |route| route.name = None),
            notes: &["series without the label `route` are in the whole only"],
            ..COLUMNS
        },
        Case {
            what: "a metric that is no gate shows it and ends nothing",
            changes: &[("harm: increase", "harm: increase\n      role: optional")],
            routes: changed(healthy(20), 12, bad(0.2)),
            verdict: Verdict::Inconclusive,
            says: &["neither harm nor its absence is shown"],
            notes: &["by route: 20 values, 1 worse"],
            whole: Label::Undecided,
            lead: Some("/r12"),
            ..COLUMNS
        },
        Case {
            what: "strange and long names stay in one line of ASCII",
            routes: changed(changed(healthy(6), 0, bad(0.2)), 0, |route| {
                route.name = Some(format!("/caf\u{e9} \n\"{}", "x".repeat(500)));
            }),
            verdict: Verdict::Rollback,
            says: &[
                "errors, route=/caf???\"xxx",
                "xxx... is ",
                "; so is the whole",
            ],
            whole: Label::Worse,
            lead: Some(LONG),
            ..COLUMNS
        },
        Case {
            what: "the classic test",
            changes: &[("judge: {", "judge: { method: mann-whitney,")],
            routes: changed(healthy(20), 12, bad(0.2)),
            verdict: Verdict::Rollback,
            says: &["errors, route=/r12 is "],
            whole: Label::Undecided,
            lead: Some("/r12"),
            ..COLUMNS
        },
        Case {
            what: "series by route",
            template: SERIES,
            routes: changed(healthy(20), 12, bad(0.012)),
            verdict: Verdict::Rollback,
            says: &[
                "latency, route=/r12 is ",
                " % higher on the canary",
                "limit +10 %",
            ],
            whole: Label::Undecided,
            lead: Some("/r12"),
            ..COLUMNS
        },
        Case {
            what: "healthy series by route",
            template: SERIES,
            routes: healthy(20),
            says: &["latency is within its limit"],
            ..COLUMNS
        },
        Case {
            what: "a share of slow requests by route",
            template: BUCKETS,
            routes: changed(healthy(20), 8, bad(0.15)),
            verdict: Verdict::Rollback,
            says: &["slow, route=/r08 is "],
            whole: Label::Undecided,
            lead: Some("/r08"),
            ..COLUMNS
        },
        Case {
            what: "whole distributions by route",
            template: BUCKETS,
            changes: &[(", threshold: 1", "")],
            routes: changed(healthy(20), 8, bad(0.15)),
            verdict: Verdict::Rollback,
            says: &["slow, route=/r08 is "],
            whole: Label::Undecided,
            lead: Some("/r08"),
            ..COLUMNS
        },
        Case {
            what: "with a history that says how far healthy arms may differ",
            changes: &[(
                "  judge:",
                "  history: { lookback: 2h, offset: true }\n  judge:",
            )],
            routes: changed(healthy(20), 12, bad(0.2)),
            verdict: Verdict::Rollback,
            says: &["errors, route=/r12 is "],
            whole: Label::Undecided,
            lead: Some("/r12"),
            ..COLUMNS
        },
    ]
}

/// What of a case is not as it should be.
fn wrong(case: &Case, ended: &Ended) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{}: {what}", case.what));
        }
    };
    let (sentence, notes) = (&ended.sentence, &ended.finding().notes);
    check(
        ended.verdict == case.verdict,
        format!("{:?}: {sentence}", ended.verdict),
    );
    for part in case.says {
        check(
            sentence.contains(part),
            format!("{part:?} is not in {sentence}"),
        );
    }
    for part in case.notes {
        let noted = notes.iter().any(|note| note.contains(part));
        check(noted, format!("{part:?} is not in {notes:?}"));
    }
    let lead = ended.finding().lead().map(|lead| lead.value.as_str());
    check(lead == case.lead, format!("led by {lead:?}"));
    let whole = ended.breakdown().whole;
    let same = (whole == Label::Worse) == (case.whole == Label::Worse);
    check(same, format!("as a whole {whole:?}"));
    wrong
}

#[test]
fn values_are_judged_beside_the_whole() {
    let mut all = Vec::new();
    for case in cases() {
        let plan = bound(case.template, case.changes);
        let ended = judged(&plan, &world(&plan, &case.routes, 5), Detail::Full);
        println!(
            "{}: {:?} after {} min: {}",
            case.what, ended.verdict, ended.minutes, ended.sentence
        );
        for note in &ended.finding().notes {
            println!("    {note}");
        }
        all.extend(wrong(&case, &ended));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
