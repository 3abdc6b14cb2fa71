//! A desk on which an engine's effects are laid out, checked, and answered as a test wishes.
//!
//! Every effect is checked when it appears, against the records that are durable at that moment:
//! nothing may leave before its record (A3), no verdict may change (A4), what readers see is what
//! the log says.

use crate::engine_plans::plan;
use haldane::engine::coordination::freeze::Freeze;
use haldane::engine::effect::{
    ANCHOR_LOOKBACK, Answer, Effect, FetchOrder, JudgeOrder, Refusal, SendOrder, first_from,
};
use haldane::engine::event::{Event, SendReply, SourceFault, Submission, Ticket};
use haldane::engine::good::Good;
use haldane::engine::recall::{GoodBefore, Recalled};
use haldane::engine::record::{Conclusion, Fact, Receiver, Record, SecretRef, Seq, Trip};
use haldane::engine::recover::{Recovery, Unreadable};
use haldane::engine::subscription::Moment;
use haldane::engine::verdict::Verdict;
use haldane::engine::view::View;
use haldane::engine::{Engine, Limits};
use haldane::ids::{AnalysisId, DeliveryId};
use haldane::judge::judgement::{Judgement, Label};
use haldane::judge::windows::Batch;
use haldane::plan::Plan;
use haldane::plan::rollout::Rollout;
use haldane::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) fn id(name: &str) -> AnalysisId {
    AnalysisId::new(name).unwrap()
}

/// A template text of these tests is `length:looks:tag`; that is all a plan needs.
pub(crate) fn bind(text: &str, rollout: &Rollout) -> Result<Arc<Plan>, String> {
    let mut parts = text.split(':');
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    let (Some(length), Some(looks)) = (number(), number()) else {
        return Err(format!("no template: {text}"));
    };
    let plan = plan(text, length, looks);
    let mut moved = plan.starting(rollout.start);
    moved.rollout = rollout.clone();
    moved.digest = plan.digest; // of the text alone
    Ok(Arc::new(moved))
}

pub(crate) fn submission(
    name: &str,
    key: Option<&str>,
    text: &str,
    receivers: usize,
) -> Submission {
    let url = |n| format!("https://receiver-{n}.example/hook");
    let receiver = |n| Receiver::new(url(n), SecretRef::Default);
    let template = plan(text, 600, 10);
    Submission {
        id: id(name),
        key: key.map(str::to_owned),
        template_text: text.into(),
        plan: bind(text, &template.rollout).unwrap(),
        receivers: (0..receivers).map(receiver).collect(),
        coordination: haldane::engine::coordination::Coordination::default(),
    }
}

/// An engine, its disk, and everything it has asked for and not yet got.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    limits: Limits,
    pub(crate) now: Timestamp,
    /// What would survive a crash.
    pub(crate) disk: Vec<(Seq, Record)>,
    /// How much of the disk the engine has been told of.
    told: Seq,
    pub(crate) append: Option<Vec<(Seq, Record)>>,
    pub(crate) fetches: Vec<FetchOrder>,
    pub(crate) judges: Vec<JudgeOrder>,
    pub(crate) sends: Vec<SendOrder>,
    pub(crate) answers: BTreeMap<Ticket, Answer>,
    pub(crate) published: BTreeMap<AnalysisId, Arc<View>>,
    pub(crate) wake: Option<Timestamp>,
    pub(crate) forgotten: BTreeSet<AnalysisId>,
    /// The view every attempt of a message must carry.
    bodies: BTreeMap<DeliveryId, Arc<View>>,
    /// Answers of the log that are on their way.
    from_log: Vec<Event>,
    pub(crate) freezes: Arc<[Freeze]>,
    /// The last good artefact by service.
    pub(crate) good: BTreeMap<String, Arc<Good>>,
    /// Effects of the last event, in short words.
    pub(crate) said: Vec<String>,
}

impl Desk {
    pub(crate) fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            engine: Engine::new(limits),
            limits,
            now,
            disk: Vec::new(),
            told: Seq(0),
            append: None,
            fetches: Vec::new(),
            judges: Vec::new(),
            sends: Vec::new(),
            answers: BTreeMap::new(),
            published: BTreeMap::new(),
            wake: None,
            forgotten: BTreeSet::new(),
            bodies: BTreeMap::new(),
            from_log: Vec::new(),
            freezes: Arc::from([]),
            good: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if let Event::Appended { up_to } = &event {
            self.told = self.told.max(*up_to);
        }
        let mut effects = Vec::new();
        self.engine.handle(self.now, event, &mut effects);
        self.lay_out(effects);
        self.read_log();
    }

    /// The log answers at once.
    fn read_log(&mut self) {
        while let Some(event) = self.from_log.pop() {
            self.tell(event);
        }
    }

    /// All durable records of an analysis, as a driver reads them.
    fn recalled(&self, id: &AnalysisId) -> Result<Recalled, String> {
        let of = |one: &&(Seq, Record)| one.1.id == *id;
        let records: Vec<_> = self.disk.iter().filter(of).cloned().collect();
        let before = GoodBefore::of(&records).and_then(|mut before| {
            for (seq, record) in &self.disk {
                before.note(*seq, record);
            }
            before.found()
        });
        Recalled::new(records, before, bind)
    }

    /// Whose message it is, as far as the disk has an attempt at it.
    fn owner(&self, name: &DeliveryId) -> Option<AnalysisId> {
        let about = |one: &&(Seq, Record)| {
            matches!(&one.1.fact, Fact::Attempted { delivery, .. } | Fact::Settled { delivery, .. }
                if delivery == name)
        };
        self.disk
            .iter()
            .find(about)
            .map(|(_, record)| record.id.clone())
    }

    /// Messages that were ever sent.
    pub(crate) fn ever_sent(&self) -> Vec<DeliveryId> {
        self.bodies.keys().cloned().collect()
    }

    /// Drops the engine and everything under way, and recovers from the disk.
    pub(crate) fn crash(&mut self) -> Vec<Unreadable> {
        self.append = None;
        self.fetches.clear();
        self.judges.clear();
        self.sends.clear();
        self.published.clear();
        self.forgotten.clear();
        self.good.clear();
        self.wake = None;
        self.told = Seq(self.disk.len() as u64);
        let mut recovery = Recovery::with_binder(self.limits, Box::new(bind));
        for (seq, record) in &self.disk {
            recovery.record(*seq, record);
        }
        let mut effects = Vec::new();
        let (engine, unreadable) = recovery.finish(self.now, &mut effects);
        self.engine = engine;
        self.from_log.clear();
        self.lay_out(effects);
        self.read_log();
        unreadable
    }

    fn lay_out(&mut self, effects: Vec<Effect>) {
        self.said.clear();
        for effect in effects {
            self.said.push(words(&effect));
            match effect {
                Effect::Append(records) => self.offered(records),
                Effect::Fetch(order) => self.asked(order),
                Effect::Judge(order) => {
                    assert!(
                        self.conclusion(&order.id).is_none() || self.is_watched(&order.id),
                        "judged after the verdict"
                    );
                    self.judges.push(order);
                }
                Effect::Send(order) => self.sent(order),
                Effect::Rebuild { id, delivery } => {
                    let said = self.recalled(&id).and_then(|found| found.said(&delivery));
                    self.from_log.push(Event::Rebuilt { delivery, said });
                }
                Effect::Recall {
                    ticket,
                    delivery,
                    author,
                } => {
                    let found = self
                        .owner(&delivery)
                        .map(|id| self.recalled(&id))
                        .transpose();
                    self.from_log.push(Event::Recalled {
                        ticket,
                        delivery,
                        author,
                        found,
                    });
                }
                Effect::WakeAt(at) => self.wake = Some(at),
                Effect::Freezes(all) => self.freezes = all,
                Effect::Answer { ticket, answer } => self.answered(ticket, *answer),
                Effect::Good(good) => {
                    let promoted = self.conclusion(&good.analysis);
                    assert_eq!(promoted.map(|c| c.verdict), Some(Verdict::Promote), "A3");
                    self.good.insert(good.service.clone(), good);
                }
                Effect::Forget(id) => {
                    let view = self.published.remove(&id).expect("forgotten unseen");
                    assert!(view.conclusion.is_some(), "forgotten before its verdict");
                    assert!(view.deliveries.iter().all(|message| message.end.is_some()));
                    self.forgotten.insert(id);
                }
                Effect::Publish(view) => {
                    self.check_view(&view);
                    self.published.insert(view.id.clone(), view);
                }
            }
        }
    }

    fn offered(&mut self, records: Vec<(Seq, Record)>) {
        assert!(self.append.is_none(), "two appends at a time");
        let first = records[0].0.0;
        assert!(first <= self.disk.len() as u64 + 1, "a hole in the log");
        for (n, (seq, record)) in records.iter().enumerate() {
            assert_eq!(seq.0, first + n as u64);
            if let Some(durable) = self.disk.get(usize::try_from(seq.0).unwrap() - 1) {
                assert_eq!(durable, &(*seq, record.clone()), "a place used twice");
            }
        }
        self.append = Some(records);
    }

    /// Whether it is a rollback that may be looked at again: what is seen then changes nothing.
    fn is_watched(&self, id: &AnalysisId) -> bool {
        let rolled_back = |c: &Conclusion| c.verdict == Verdict::Rollback;
        self.limits.recovery_within > Span::ZERO && self.conclusion(id).is_some_and(rolled_back)
    }

    fn asked(&mut self, order: FetchOrder) {
        assert!(self.submitted(&order.id), "A3: fetched before durable");
        assert!(order.from < order.to && order.to <= order.plan.timing.deadline);
        if self.is_watched(&order.id) {
            let verdict = self.conclusion(&order.id).expect("A3: it was watched");
            assert!(
                order.plan.timing.start >= verdict.at,
                "a glance at the past"
            );
            self.fetches.push(order);
            return;
        }
        assert!(
            self.conclusion(&order.id).is_none(),
            "fetched after the verdict"
        );
        let captured = self
            .facts(&order.id)
            .filter_map(|record| match &record.fact {
                Fact::Captured { batch, .. } => Some(batch.to),
                _ => None,
            });
        // What was captured and is durable is not asked for again.
        let before = order.plan.timing.start.minus(ANCHOR_LOOKBACK);
        let seen = captured.last();
        assert!(order.from >= seen.unwrap_or(first_from(&order.plan)));
        assert_eq!(order.first, order.from <= before);
        self.fetches.push(order);
    }

    /// Whether the record that a message is born of is durable.
    fn is_justified(&self, order: &SendOrder) -> bool {
        let (moment, look) = (order.moment, order.look);
        match moment {
            Moment::Started => self.submitted(&order.view.id),
            Moment::Look | Moment::Hold => self
                .facts(&order.view.id)
                .any(|record| record.fact == Fact::Announced { moment, look }),
            _ => {
                let durable = self.conclusion(&order.view.id);
                assert_eq!(durable, order.view.conclusion.as_ref(), "A3");
                let person = durable.and_then(Conclusion::by_person);
                let ended = self.facts(&order.view.id).find_map(|r| match &r.fact {
                    Fact::SeenThrough { ending } => Some(ending.outcome.word()),
                    _ => None,
                });
                if matches!(moment, Moment::Recovered | Moment::RollbackIneffective) {
                    return ended == Some(moment.word());
                }
                durable.is_some() && (moment == Moment::Verdict || person == Some(moment))
            }
        }
    }

    fn sent(&mut self, order: SendOrder) {
        assert!(self.is_justified(&order), "A3: sent before durable");
        assert!(order.receiver.hears_of(order.moment, None), "told unasked");
        assert!(self.now < order.expires, "sent when worthless");
        let counted = self.facts(&order.view.id).filter_map(|r| match &r.fact {
            Fact::Attempted {
                delivery, attempt, ..
            } => Some((delivery, *attempt)),
            Fact::Settled {
                delivery, attempts, ..
            } => Some((delivery, *attempts)),
            _ => None,
        });
        let counted = counted.filter(|(delivery, _)| **delivery == order.delivery);
        let last = counted.map(|(_, attempt)| attempt).max().unwrap_or(0);
        assert_eq!(order.attempt, last + 1, "attempts must go on counting");
        let body = self
            .bodies
            .entry(order.delivery.clone())
            .or_insert_with(|| Arc::clone(&order.view));
        assert_eq!(body, &order.view, "every attempt carries the same bytes");
        self.sends.push(order);
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer) {
        match &answer {
            Answer::Accepted { view, .. } => {
                assert!(self.submitted(&view.id), "A3: accepted before durable");
                assert_eq!(self.conclusion(&view.id), view.conclusion.as_ref(), "A3");
            }
            Answer::Refused(Refusal::KeyConflict { holder }) => {
                assert!(
                    self.submitted(holder),
                    "A3: refused for what is not durable"
                );
            }
            Answer::Freeze(_) | Answer::Refused(_) => {}
        }
        let before = self.answers.insert(ticket, answer);
        assert!(before.is_none(), "answered twice");
    }

    /// What readers see is what the durable records say: counted here a second way.
    fn check_view(&self, view: &View) {
        let judged: Vec<_> = self
            .facts(&view.id)
            .filter_map(|record| match &record.fact {
                Fact::Judged { judgement } => Some(judgement),
                _ => None,
            })
            .collect();
        assert_eq!(view.conclusion.as_ref(), self.conclusion(&view.id));
        assert_eq!(view.looks, judged.last().map_or(0, |newest| newest.look));
        assert_eq!(view.judgement.as_ref(), judged.last().copied());
        let looks_no_more = view.conclusion.is_some() || view.behind.is_some();
        assert_eq!(view.next_look_at.is_none(), looks_no_more);
        for message in &view.deliveries {
            let mut settled = None;
            for record in self.facts(&view.id) {
                match &record.fact {
                    Fact::Settled { delivery, end, .. } if *delivery == message.delivery => {
                        settled = Some(end);
                    }
                    Fact::Redelivered { delivery, .. } if *delivery == message.delivery => {
                        settled = None;
                    }
                    _ => {}
                }
            }
            let overtaken = message.moment.is_passing() && settled.is_none();
            assert!(overtaken || message.end.as_ref() == settled, "{message:?}");
        }
    }

    /// The records of an analysis that the engine knows to be durable.
    pub(crate) fn facts(&self, id: &AnalysisId) -> impl Iterator<Item = &Record> {
        self.disk
            .iter()
            .take_while(|(seq, _)| *seq <= self.told)
            .map(|(_, record)| record)
            .filter(move |record| record.id == *id)
    }

    pub(crate) fn submitted(&self, id: &AnalysisId) -> bool {
        self.facts(id)
            .any(|record| matches!(record.fact, Fact::Submitted { .. }))
    }

    /// The durable conclusion; also checks A4 on the log.
    pub(crate) fn conclusion(&self, id: &AnalysisId) -> Option<&Conclusion> {
        let mut found = None;
        for record in self.facts(id) {
            match &record.fact {
                Fact::Concluded { conclusion } => {
                    assert!(found.is_none(), "A4: two conclusions");
                    found = Some(conclusion);
                }
                Fact::Ignored { .. }
                | Fact::Attempted { .. }
                | Fact::Settled { .. }
                | Fact::Redelivered { .. } => {}
                Fact::Acknowledged { .. } | Fact::Watched { .. } | Fact::SeenThrough { .. } => {
                    assert!(found.is_some(), "it follows nothing");
                }
                _ => assert!(found.is_none(), "A4: evidence after the verdict"),
            }
        }
        found
    }

    // -- answering the engine

    /// The first `n` records of the append under way reach the disk.
    pub(crate) fn persist(&mut self, n: usize) {
        let records = self.append.iter().flatten().take(n);
        for (seq, record) in records {
            if seq.0 > self.disk.len() as u64 {
                self.disk.push((*seq, record.clone()));
            }
        }
    }

    /// The append under way ends well. Returns whether there was one.
    pub(crate) fn append_ok(&mut self) -> bool {
        self.persist(usize::MAX);
        let last = self
            .append
            .take()
            .and_then(|records| records.last().map(|r| r.0));
        if let Some(up_to) = last {
            self.tell(Event::Appended { up_to });
        }
        last.is_some()
    }

    /// The append under way fails after `n` of its records reached the disk.
    pub(crate) fn append_fails(&mut self, n: usize) {
        self.persist(n);
        self.append = None;
        let message = "disk full; free some space".to_owned();
        self.tell(Event::AppendFailed { message });
    }

    pub(crate) fn fetched(&mut self, order: &FetchOrder) {
        let batch = Arc::new(Batch {
            from: order.from,
            to: order.to,
            answers: Vec::new(),
        });
        self.tell(Event::Fetched {
            id: order.id.clone(),
            look: order.look,
            batch,
        });
    }

    pub(crate) fn fetch_fails(&mut self, order: &FetchOrder, transient: bool, message: &str) {
        let fault = match transient {
            true => SourceFault::passing(message),
            false => SourceFault::of_query(message),
        };
        self.fetch_fails_with(order, fault);
    }

    pub(crate) fn fetch_fails_with(&mut self, order: &FetchOrder, fault: SourceFault) {
        self.tell(Event::FetchFailed {
            id: order.id.clone(),
            look: order.look,
            fault,
        });
    }

    pub(crate) fn judge_fails(&mut self, order: &JudgeOrder, message: &str) {
        self.tell(Event::JudgeFailed {
            id: order.id.clone(),
            look: order.look,
            message: message.to_owned(),
        });
    }

    pub(crate) fn judged(&mut self, order: &JudgeOrder, label: Label) {
        self.judged_but(order, label, |_| {});
    }

    /// A judgement with something particular in it.
    pub(crate) fn judged_but(
        &mut self,
        order: &JudgeOrder,
        label: Label,
        change: impl FnOnce(&mut Judgement),
    ) {
        let mut judgement = Judgement {
            covered_to: order.windows.covered_to,
            ..crate::engine_plans::judgement(&order.plan, order.look, label)
        };
        change(&mut judgement);
        self.tell(Event::Judged {
            id: order.id.clone(),
            judgement: Arc::new(judgement),
        });
    }

    pub(crate) fn replied(&mut self, order: &SendOrder, reply: SendReply) {
        self.tell(Event::Sent {
            delivery: order.delivery.clone(),
            attempt: order.attempt,
            reply,
            trip: Trip::default(),
        });
    }

    pub(crate) fn at(&mut self, now: Timestamp) {
        self.now = now;
        if self.wake.is_some_and(|at| at <= now) {
            self.wake = None;
        }
        self.tell(Event::Woke);
    }

    pub(crate) fn pass(&mut self, span: Span) {
        self.at(self.now.plus(span));
    }
}

/// An effect in a few words, for scripts.
fn words(effect: &Effect) -> String {
    match effect {
        Effect::Append(records) => {
            let facts: Vec<_> = records
                .iter()
                .map(|(seq, record)| fact(*seq, record))
                .collect();
            format!("append {}", facts.join(", "))
        }
        Effect::Fetch(order) => {
            let start = order.plan.timing.start;
            let since = |at: Timestamp| at.since(start);
            let (from, to) = (since(order.from), since(order.to));
            let first = if order.first { " first" } else { "" };
            format!(
                "fetch {} look {} ({from}, {to}]{first}",
                order.id, order.look
            )
        }
        Effect::Judge(order) => format!("judge {} look {}", order.id, order.look),
        Effect::Send(order) => {
            let verdict = order.view.conclusion.as_ref().map(|c| c.verdict.word());
            let verdict = match order.moment {
                Moment::Verdict => verdict.unwrap_or("nothing"),
                other => other.word(),
            };
            format!(
                "send {verdict} of {} attempt {}",
                order.view.id, order.attempt
            )
        }
        Effect::WakeAt(at) => {
            format!("wake at {}", at.since(crate::engine_plans::START))
        }
        Effect::Answer { ticket, answer } => format!("answer {}: {}", ticket.0, reply(answer)),
        Effect::Rebuild { delivery, .. } => format!("rebuild {delivery}"),
        Effect::Recall { delivery, .. } => format!("recall {delivery}"),
        Effect::Forget(id) => format!("forget {id}"),
        Effect::Freezes(all) => format!("{} freezes", all.len()),
        Effect::Good(good) => format!("good {}", good.analysis),
        Effect::Publish(view) => {
            let verdict = view
                .conclusion
                .as_ref()
                .map_or("pending", |c| c.verdict.word());
            format!("publish {} {} {verdict}", view.id, view.status.word())
        }
    }
}

fn reply(answer: &Answer) -> String {
    match answer {
        Answer::Accepted { view, repeated } => {
            let again = if *repeated { " again" } else { "" };
            format!("accepted{again} {}", view.id)
        }
        Answer::Refused(Refusal::Unknown) => "unknown".to_owned(),
        Answer::Refused(Refusal::KeyConflict { holder }) => format!("key held by {holder}"),
        Answer::Freeze(freeze) => format!("{} freezes {}", freeze.author, freeze.spoken()),
        Answer::Refused(Refusal::Busy { holder }) => format!("busy with {holder}"),
        Answer::Refused(Refusal::NoStep { message }) => message.clone(),
        Answer::Refused(Refusal::UnknownFreeze) => "unknown freeze".to_owned(),
        Answer::Refused(Refusal::Concluded) => "concluded".to_owned(),
        Answer::Refused(Refusal::Undecided) => "undecided".to_owned(),
        Answer::Refused(Refusal::UnknownMessage) => "unknown message".to_owned(),
        Answer::Refused(Refusal::NotAgain { why }) => format!("not again: {why}"),
        Answer::Refused(Refusal::TooMany { limit }) => format!("too many, limit {limit}"),
        Answer::Refused(Refusal::Crowded { bond }) => format!("{bond} is crowded"),
        Answer::Refused(Refusal::StoreFault { message }) => format!("store fault: {message}"),
    }
}

fn fact(seq: Seq, record: &Record) -> String {
    let n = seq.0;
    match &record.fact {
        Fact::Submitted { .. } => format!("#{n} submitted {}", record.id),
        Fact::Stepped { step } => format!("#{n} stepped to {}", step.share.get()),
        Fact::Queued { behind } => format!("#{n} queued behind {behind}"),
        Fact::Begun { .. } => format!("#{n} begun"),
        Fact::Held { held } => {
            let by = held.as_ref().map_or("nothing".to_owned(), |held| {
                held.by.hold().word().to_owned()
            });
            format!("#{n} held by {by}")
        }
        Fact::Frozen { freeze } => format!("#{n} frozen {}", freeze.spoken()),
        Fact::Lifted { author, .. } => format!("#{n} lifted by {author}"),
        Fact::Captured { look, .. } => format!("#{n} captured look {look}"),
        Fact::SourceFailed { message, .. } => format!("#{n} source failed: {message}"),
        Fact::Judged { judgement } => format!("#{n} judged look {}", judgement.look),
        Fact::Concluded { conclusion } => {
            let verdict = conclusion.verdict.word();
            format!("#{n} concluded {verdict} row {}", conclusion.row)
        }
        Fact::Announced { moment, look } => format!("#{n} announced {} at {look}", moment.word()),
        Fact::Ignored { what } => format!("#{n} ignored {what}"),
        Fact::Attempted {
            attempt, detail, ..
        } => format!("#{n} attempt {attempt}: {detail}"),
        Fact::Redelivered { author, .. } => format!("#{n} redelivered by {author}"),
        Fact::Acknowledged { author } => format!("#{n} acknowledged by {author}"),
        Fact::Watched { glance } => {
            format!("#{n} glance {} {}", glance.number, glance.seen.word())
        }
        Fact::SeenThrough { ending } => format!("#{n} {}", ending.outcome.word()),
        Fact::Settled { attempts, end, .. } => format!("#{n} settled after {attempts}: {end:?}"),
    }
}
