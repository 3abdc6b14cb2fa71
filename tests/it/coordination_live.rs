//! Steps, queues and holds with the real judge over simulated traffic; and the recordings of what
//! came of them, judged again to the same bytes.

use crate::docs::read;
use crate::engine_plans::START;
use crate::replay::rollout;
use futures_util::FutureExt as _;
use haldane::engine::coordination::freeze::Freeze;
use haldane::engine::coordination::{Concurrent, Coordination};
use haldane::engine::effect::Effect;
use haldane::engine::event::{Event, Submission, Ticket};
use haldane::engine::record::{Conclusion, Fact, Record, Seq};
use haldane::engine::recover::bind_text;
use haldane::engine::verdict::{Hold, Verdict};
use haldane::engine::view::View;
use haldane::engine::{Engine, Limits};
use haldane::ids::AnalysisId;
use haldane::judge::judge_again;
use haldane::judge::sequential::{Detail, Memory, Tables};
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::plan::rollout::{Deploy, Rollout};
use haldane::replay::again::again;
use haldane::replay::course::Depth;
use haldane::replay::differences;
use haldane::serve::source::Source;
use haldane::simulate::traffic::Traffic;
use haldane::template::parse::parse;
use haldane::time::{Span, Timestamp};
use haldane::units::Probability;
use haldane::wire::record::{RECORD_FORMAT, decode, encode};
use haldane::wire::recording::{Made, Maker, Recording};
use haldane::wire::verdict::VerdictDocument;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// An engine, a source and a judge that answer at once.
pub(crate) struct Live {
    engine: Engine,
    source: Source,
    pub(crate) template: Arc<str>,
    pub(crate) log: Vec<(Seq, Record)>,
    pub(crate) views: BTreeMap<AnalysisId, Arc<View>>,
    memories: BTreeMap<AnalysisId, Memory>,
    tables: Tables,
    wake: Option<Timestamp>,
    now: Timestamp,
    tickets: u64,
}

pub(crate) fn id(name: &str) -> AnalysisId {
    AnalysisId::new(name).unwrap()
}

impl Live {
    pub(crate) fn new() -> Self {
        let traffic = Traffic::parse(&read("simulations/demo.yaml")).unwrap();
        Self {
            engine: Engine::new(Limits::default()),
            source: Source::Simulated(Arc::new(traffic)),
            template: read("simulations/demo-template.yaml").into(),
            log: Vec::new(),
            views: BTreeMap::new(),
            memories: BTreeMap::new(),
            tables: Tables::default(),
            wake: None,
            now: START,
            tickets: 0,
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(crate) fn submit(&mut self, name: &str, deploy: Deploy, coordination: Coordination) {
        let template = parse(&self.template).0.unwrap();
        let rollout = Rollout {
            deploy,
            start: self.now,
            ..rollout("catalog")
        };
        let ticket = self.ticket();
        let submission = Box::new(Submission {
            id: id(name),
            key: None,
            template_text: Arc::clone(&self.template),
            plan: Arc::new(bind(&template, &rollout).unwrap()),
            receivers: Vec::new(),
            coordination,
        });
        self.tell(Event::Submitted { ticket, submission });
    }

    pub(crate) fn step(&mut self, name: &str, share: f64) {
        let (ticket, id) = (self.ticket(), id(name));
        let share = Probability::new(share).unwrap();
        self.tell(Event::Stepped { ticket, id, share });
    }

    fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.engine.handle(self.now, event, &mut effects);
            for effect in effects {
                events.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Append(records) => {
                let up_to = records.last()?.0;
                self.log.extend(records);
                Some(Event::Appended { up_to })
            }
            Effect::Fetch(order) => {
                let batch = self.source.fetch(&order).now_or_never().unwrap();
                let batch = Arc::new(batch.unwrap());
                let (id, look) = (order.id, order.look);
                Some(Event::Fetched { id, look, batch })
            }
            Effect::Judge(order) => {
                let tables = &self.tables;
                let memory = self.memories.entry(order.id.clone());
                let memory = memory.or_insert_with(|| Memory::sharing(Detail::Full, tables));
                let judged = judge_again(&order.plan, &order.windows, order.look, memory);
                let (id, judgement) = (order.id, Arc::new(judged));
                Some(Event::Judged { id, judgement })
            }
            Effect::WakeAt(at) => {
                self.wake = Some(at);
                None
            }
            Effect::Publish(view) => {
                self.views.insert(view.id.clone(), view);
                None
            }
            Effect::Good(_)
            | Effect::Answer { .. }
            | Effect::Send(_)
            | Effect::Rebuild { .. }
            | Effect::Recall { .. }
            | Effect::Forget(_)
            | Effect::Freezes(_) => None,
        }
    }

    pub(crate) fn until(&mut self, minutes: i64) {
        let end = START.plus(Span::from_s(60 * minutes));
        while let Some(wake) = self.wake.take().filter(|wake| *wake <= end) {
            self.now = wake.max(self.now);
            self.tell(Event::Woke);
        }
        self.now = end;
        self.tell(Event::Woke);
    }

    pub(crate) fn end(&self, name: &str) -> &Conclusion {
        let view = &self.views[&id(name)];
        let end = view.conclusion.as_ref();
        end.unwrap_or_else(|| panic!("no verdict: {}", view.sentence))
    }

    /// The recording of an analysis, from records that were written and read again.
    fn recording(&self, name: &str) -> Recording {
        let own = self.log.iter().filter(|(_, record)| record.id == id(name));
        let records: Vec<(Seq, Record)> = own
            .map(|(seq, record)| {
                let (kind, body) = encode(record);
                let fact = decode(kind, &body, RECORD_FORMAT).unwrap();
                assert_eq!(fact, record.fact, "{kind} is read as it was written");
                (
                    *seq,
                    Record {
                        fact,
                        ..record.clone()
                    },
                )
            })
            .collect();
        let made = Made {
            maker: Maker::Daemon,
            version: "0.1.0",
            semantics: haldane::judge::SEMANTICS,
        };
        Recording::of_records(&records, made, bind_text).unwrap()
    }

    /// The same verdict comes of the recording, byte for byte, also after it was a file.
    #[track_caller]
    pub(crate) fn replays(&self, name: &str) {
        let bytes = haldane::recording::encode(&self.recording(name)).unwrap();
        let recording = haldane::recording::decode(bytes).unwrap();
        let template = parse(&recording.template_text).0.unwrap();
        let plan = Arc::new(bind(&template, &recording.rollout).unwrap());
        assert_eq!(
            plan.digest, recording.plan_digest,
            "the plan it had in the end"
        );
        let replayed = again(&recording, &plan, None, Depth::Looks, &self.tables).unwrap();
        assert_eq!(differences::of(&recording, &replayed), []);
        assert_eq!(replayed.standing.conclusion.as_ref(), Some(self.end(name)));
    }
}

fn share(share: f64) -> Deploy {
    Deploy {
        service: "catalog".to_owned(),
        traffic_share: Probability::new(share),
        ..Deploy::default()
    }
}

fn revision(revision: &str) -> Deploy {
    Deploy {
        revision: Some(revision.to_owned()),
        ..share(0.25)
    }
}

#[test]
fn traffic_is_held_against_the_share_of_the_step() {
    // The canary gets a quarter from the start; 5 % are declared until somebody says better.
    let mut live = Live::new();
    live.submit("a", share(0.05), Coordination::default());
    live.until(5);
    let view = &live.views[&id("a")];
    assert_eq!(view.hold, Some(Hold::TrafficMismatch), "{}", view.sentence);
    live.step("a", 0.25);
    live.step("a", 0.25);
    let stepped = live
        .log
        .iter()
        .filter(|(_, r)| matches!(r.fact, Fact::Stepped { .. }));
    assert_eq!(stepped.count(), 1, "the same share again is no new step");
    live.until(31);
    assert_eq!(live.end("a").verdict, Verdict::Promote);
    let document = VerdictDocument::from_view(&live.views[&id("a")], true);
    let steps: Vec<_> = document
        .steps
        .iter()
        .map(|step| (step.share, step.evidence.as_str(), step.traffic.as_ref()))
        .map(|(share, evidence, traffic)| (share, evidence, traffic.unwrap().state.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            (Some(0.05), "shown", "mismatch"),
            (Some(0.25), "shown", "plausible")
        ]
    );
    assert!(
        document.steps[1]
            .metrics
            .iter()
            .all(|metric| metric.canary >= metric.needed)
    );
    live.replays("a");
}

#[test]
fn a_step_without_evidence_of_its_own_is_not_promoted() {
    // When it is promoted with one step only.
    let mut live = Live::new();
    live.submit("a", share(0.25), Coordination::default());
    live.until(31);
    let alone = live.end("a");
    assert_eq!(alone.verdict, Verdict::Promote);
    let minutes = alone.at.since(START).ms() / 60_000;
    let mut live = Live::new();
    live.submit("a", share(0.25), Coordination::default());
    live.until(minutes - 1);
    live.step("a", 0.24);
    live.until(minutes + 1);
    let view = &live.views[&id("a")];
    assert_eq!(view.conclusion, None);
    let says = "nothing is worse so far, and the step of 24 % has too little of latency-p99";
    assert!(view.sentence.contains(says), "{}", view.sentence);
    live.until(31);
    assert_eq!(live.end("a").verdict, Verdict::Promote);
    live.replays("a");
}

#[test]
fn what_was_held_or_queued_is_judged_again_to_the_same_bytes() {
    let mut live = Live::new();
    live.submit("a", revision("v1"), Coordination::default());
    let queue = Coordination {
        concurrent: Concurrent::Queue,
        ..Coordination::default()
    };
    live.submit("b", revision("v2"), queue);
    let ticket = live.ticket();
    let freeze = Box::new(Freeze {
        id: id("f1"),
        service: None,
        environment: None,
        region: None,
        from: START,
        until: Some(START.plus(Span::from_s(16 * 60 + 35))),
        author: "ada".to_owned(),
        reason: "incident 4711".to_owned(),
    });
    live.tell(Event::Frozen { ticket, freeze });
    live.until(16);
    assert_eq!(live.views[&id("a")].hold, Some(Hold::Frozen));
    live.until(17);
    // Let go of between two looks.
    assert_eq!(live.end("a").verdict, Verdict::Promote);
    live.replays("a");
    let (ticket, until) = (live.ticket(), None);
    let freeze = Box::new(Freeze {
        id: id("f2"),
        service: Some("catalog".to_owned()),
        environment: None,
        region: None,
        from: live.now,
        until,
        author: "ada".to_owned(),
        reason: "until tomorrow".to_owned(),
    });
    live.tell(Event::Frozen { ticket, freeze });
    live.until(50);
    assert_eq!(live.end("b").hold, Some(Hold::Frozen));
    assert_eq!(live.end("b").verdict, Verdict::Inconclusive);
    live.replays("b");
}

#[test]
fn what_was_superseded_is_what_the_recording_says() {
    let mut live = Live::new();
    live.submit("a", revision("v1"), Coordination::default());
    live.until(5);
    let supersede = Coordination {
        concurrent: Concurrent::Supersede,
        ..Coordination::default()
    };
    live.submit("b", revision("v2"), supersede);
    assert_eq!(live.end("a").hold, Some(Hold::Superseded));
    live.replays("a");
}

/// A plan whose clock starts later is the plan of a rollout that began as much later.
#[test]
fn a_plan_that_starts_later_is_the_plan_of_a_later_rollout() {
    for file in [
        "simulations/demo-template.yaml",
        "analysis-templates/http-service.yaml",
        "simulations/templates/day-before.yaml",
    ] {
        let template = parse(&read(file)).0.unwrap();
        let at = |ms: i64| Rollout {
            start: START.plus(Span::from_ms(ms)),
            ..rollout("catalog")
        };
        for (first, later_ms) in [(0, 0), (0, 1), (7_001, 60_000), (14_999, 3_600_123)] {
            let plan: Plan = bind(&template, &at(first)).unwrap();
            let begun = START.plus(Span::from_ms(first + later_ms));
            let moved = plan.starting(begun);
            let delta = moved.timing.start.since(plan.timing.start);
            let bound = bind(&template, &at(first + delta.ms())).unwrap();
            assert_eq!(moved, bound, "{file} {first} {later_ms}");
            assert!(moved.timing.start >= begun);
        }
    }
}
