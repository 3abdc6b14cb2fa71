//! Effect → the door it goes through → event.

use crate::engine::Engine;
use crate::engine::after::{By, Outcome};
use crate::engine::effect::{Effect, FetchOrder, JudgeOrder, SendOrder};
use crate::engine::event::{Event, Ticket};
use crate::engine::guard::guarded;
use crate::engine::record::{DeliveryEnd, Record, Seq, Trip};
use crate::engine::recover::bind_text;
use crate::engine::view::View;
use crate::http::{Change, Health, OnceFault, OneShot, Papers, Readings, RecordingFault};
use crate::ids::{AnalysisId, DeliveryId};
use crate::judge::judge_again;
use crate::judge::judgement::Judgement;
use crate::judge::sequential::{Detail, Memory, Tables};
use crate::judge::windows::{Batch, Windows};
use crate::plan::Plan;
use crate::plan::rollout::Rollout;
use crate::recording;
use crate::serve::letters;
use crate::serve::one_shot;
use crate::serve::outbox::Outbox;
use crate::serve::source::Source;
use crate::store::{self, Store};
use crate::time::{Span, Timestamp};
use crate::wire::recording::{Made, Maker, Recording};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// Hands effects to the doors; every piece of work under way is tracked for the drain.
pub(crate) struct Performer {
    pub(crate) source: Source,
    pub(crate) store: Arc<Store>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) readings: Readings,
    pub(crate) papers: Papers,
    pub(crate) health: Arc<Health>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: TaskTracker,
    /// What the judge works out of no data, shared by all analyses.
    pub(crate) tables: Tables,
    /// Places for recordings in the making.
    pub(crate) recordings: Arc<Semaphore>,
}

/// Recordings in the making at once; more wait. Each holds all samples of its analysis.
pub(super) const RECORDINGS_AT_ONCE_MAX: usize = 2;

impl Performer {
    /// Starts one effect; its end is an event again.
    pub(crate) fn perform(&self, effect: Effect) {
        match effect {
            Effect::Append(records) => self.append(records),
            Effect::Fetch(order) => self.fetch(order),
            Effect::Judge(order) => self.judge(order),
            Effect::Send(order) => self.send(order),
            Effect::Rebuild { id, delivery } => self.rebuild(id, delivery),
            Effect::Recall {
                ticket,
                delivery,
                author,
            } => self.recall(ticket, delivery, author),
            Effect::Publish(view) => {
                if let Some(conclusion) = &view.conclusion {
                    tracing::debug!(analysis = %view.id, verdict = conclusion.verdict.word());
                }
                note_aftermath(self.readings.get(&view.id).as_deref(), &view);
                self.readings.publish(view);
            }
            Effect::Good(good) => self.readings.note_good(good),
            Effect::Forget(id) => self.readings.forget(&id),
            Effect::Freezes(all) => self.readings.freeze(all),
            // The loop keeps these two for itself.
            Effect::WakeAt(_) | Effect::Answer { .. } => {}
        }
    }

    fn append(&self, records: Vec<(Seq, Record)>) {
        for (_, record) in &records {
            log_record(record);
        }
        let events = self.events.clone();
        let health = self.health.clone();
        let (told, heard) = oneshot::channel();
        self.store
            .append(records, Box::new(move |result| drop(told.send(result))));
        self.tasks.spawn(async move {
            let event = match heard.await {
                Ok(Ok(up_to)) => {
                    set(&health.store_fault, None);
                    Event::Appended { up_to }
                }
                Ok(Err(fault)) => {
                    let message = fault.message;
                    tracing::error!(fault = %message, "the decision log cannot be written");
                    metrics::counter!("haldane_store_faults_total").increment(1);
                    set(&health.store_fault, Some(message.clone()));
                    Event::AppendFailed { message }
                }
                Err(_) => Event::AppendFailed {
                    message: "the store's writer has ended".into(),
                },
            };
            // The loop outlives its tasks; a closed channel means that it is gone for good.
            let _ = events.send(event).await;
        });
    }

    fn fetch(&self, order: FetchOrder) {
        let (source, events, health) = (
            self.source.clone(),
            self.events.clone(),
            self.health.clone(),
        );
        self.tasks.spawn(async move {
            let (id, look) = (order.id.clone(), order.look);
            let begun = std::time::Instant::now();
            let event = match source.fetch(&order).await {
                Ok(batch) => {
                    set(&health.source_fault, None);
                    Event::Fetched {
                        id,
                        look,
                        batch: Arc::new(batch),
                    }
                }
                Err(fault) => {
                    tracing::warn!(
                        analysis = %id, look, transient = fault.transient,
                        fault = %fault.message, "samples could not be read"
                    );
                    metrics::counter!("haldane_source_faults_total").increment(1);
                    set(&health.source_fault, Some(fault.message.clone()));
                    Event::FetchFailed { id, look, fault }
                }
            };
            metrics::histogram!("haldane_fetch_seconds").record(begun.elapsed().as_secs_f64());
            let _ = events.send(event).await;
        });
    }

    fn judge(&self, order: JudgeOrder) {
        let events = self.events.clone();
        let mut memory = Memory::sharing(Detail::Full, &self.tables);
        let (told, heard) = oneshot::channel();
        rayon::spawn(move || {
            let begun = std::time::Instant::now();
            let event = judged(order, |plan, windows, look| {
                judge_again(plan, windows, look, &mut memory)
            });
            metrics::histogram!("haldane_judge_seconds").record(begun.elapsed().as_secs_f64());
            drop(told.send(event));
        });
        self.tasks.spawn(async move {
            let Ok(event) = heard.await else {
                return; // cannot be: the work above always tells
            };
            let _ = events.send(event).await;
        });
    }

    fn send(&self, order: SendOrder) {
        let (outbox, events) = (self.outbox.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let (begun, mut status) = (std::time::Instant::now(), None);
            let reply = outbox.send(&order, &mut status).await;
            let (delivery, attempt) = (order.delivery, order.attempt);
            let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
            let trip = Trip {
                status,
                took: Some(Span::from_ms(took)),
            };
            let _ = events
                .send(Event::Sent {
                    delivery,
                    attempt,
                    reply,
                    trip,
                })
                .await;
        });
    }

    /// Judges once, outside the engine: nothing is recorded.
    pub(crate) fn judge_once(
        &self,
        plan: Arc<Plan>,
        samples: Option<Box<Batch>>,
        reply: oneshot::Sender<Result<OneShot, OnceFault>>,
    ) {
        let source = self.source.clone();
        self.tasks.spawn(async move {
            let batch = match samples {
                Some(batch) => Ok(*batch),
                None => one_shot::fetch(&plan, &source).await,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(fault) => {
                    drop(reply.send(Err(OnceFault::Source(fault))));
                    return;
                }
            };
            rayon::spawn(move || {
                let judged = one_shot::judge_batch(plan, &batch);
                if let Err(message) = &judged {
                    tracing::error!(%message, "the judge failed; this is a bug");
                }
                drop(reply.send(judged.map_err(OnceFault::Judge)));
            });
        });
    }

    /// Makes the recording of an analysis from the log.
    pub(crate) fn record(
        &self,
        id: AnalysisId,
        reply: oneshot::Sender<Result<Vec<u8>, RecordingFault>>,
    ) {
        let (store, places) = (self.store.clone(), self.recordings.clone());
        self.tasks.spawn(async move {
            let Ok(_place) = places.acquire_owned().await else {
                return; // cannot be: nobody closes it
            };
            let made = tokio::task::spawn_blocking(move || recording_of(&store, &id)).await;
            let failed = |fault: tokio::task::JoinError| {
                Err(RecordingFault::Unusable(format!(
                    "it cannot be made: {fault}"
                )))
            };
            drop(reply.send(made.unwrap_or_else(failed)));
        });
    }

    /// Reads every record of an analysis, on the pool for blocking work.
    pub(crate) fn read_records(
        &self,
        id: AnalysisId,
        reply: oneshot::Sender<Result<Vec<(Seq, Record)>, String>>,
    ) {
        let store = self.store.clone();
        self.tasks.spawn_blocking(move || {
            let read = store.records_of(&id).map_err(|fault| fault.message);
            drop(reply.send(read));
        });
    }

    /// Reads what a message said, from the log.
    fn rebuild(&self, id: AnalysisId, delivery: DeliveryId) {
        self.read_log(move |store| {
            let said = letters::said(store, &id, &delivery);
            Event::Rebuilt { delivery, said }
        });
    }

    /// Reads the analysis of a message, from the log.
    fn recall(&self, ticket: Ticket, delivery: DeliveryId, author: String) {
        self.read_log(move |store| {
            let found = letters::found(store, &delivery);
            Event::Recalled {
                ticket,
                delivery,
                author,
                found,
            }
        });
    }

    /// Work on the log that ends in an event; as many at once as recordings, which are as large.
    fn read_log(&self, work: impl FnOnce(&Store) -> Event + Send + 'static) {
        let (store, places) = (self.store.clone(), self.recordings.clone());
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let Ok(_place) = places.acquire_owned().await else {
                return; // cannot be: nobody closes it
            };
            if let Ok(event) = tokio::task::spawn_blocking(move || work(&store)).await {
                let _ = events.send(event).await;
            }
        });
    }

    /// Keeps a paper, or keeps it no longer, on the pool for blocking work. Readers see it once it
    /// is durable (A3).
    pub(crate) fn keep(&self, change: Change, reply: oneshot::Sender<Result<(), String>>) {
        let (store, papers) = (self.store.clone(), self.papers.clone());
        self.tasks.spawn_blocking(move || {
            let written = match &change {
                Change::Keep(paper) => store.keep(&store::Paper {
                    kind: paper.kind.clone(),
                    name: paper.name.clone(),
                    at: paper.at,
                    body: paper.body.to_string(),
                }),
                Change::Remove(paper) => store.remove(&paper.kind, &paper.name),
            };
            if written.is_ok() {
                papers.apply(&change);
            }
            drop(reply.send(written.map_err(|fault| fault.message)));
        });
    }

    /// Gauges of the engine's state.
    pub(crate) fn note_counts(engine: &Engine) {
        let counts = engine.stats();
        metrics::gauge!("haldane_analyses", "status" => "waiting").set(counts.waiting as f64);
        metrics::gauge!("haldane_analyses", "status" => "looking").set(counts.looking as f64);
        metrics::gauge!("haldane_analyses", "status" => "concluded").set(counts.concluded as f64);
        metrics::gauge!("haldane_deliveries_owed").set(counts.messages_owed as f64);
        metrics::gauge!("haldane_deliveries_dead").set(counts.messages_dead as f64);
        metrics::gauge!("haldane_rollbacks_watched").set(counts.watched as f64);
        metrics::gauge!("haldane_rollbacks_unacknowledged").set(counts.unacknowledged as f64);
        metrics::gauge!("haldane_records_unacknowledged").set(counts.unacked as f64);
    }

    /// No further work will be started.
    pub(crate) fn close(&self) {
        self.tasks.close();
    }

    /// Resolves when everything under way has ended.
    pub(crate) async fn idle(&self) {
        self.tasks.wait().await;
    }
}

/// The bytes of the recording of an analysis.
fn recording_of(store: &Store, id: &AnalysisId) -> Result<Vec<u8>, RecordingFault> {
    let read = store.history_of(id);
    let (records, semantics) = read.map_err(|fault| RecordingFault::Store(fault.message))?;
    if records.is_empty() {
        return Err(RecordingFault::Unknown);
    }
    let made = Made {
        maker: Maker::Daemon,
        version: env!("CARGO_PKG_VERSION"),
        semantics,
    };
    let bind = |text: &str, rollout: &Rollout| bind_text(text, rollout);
    let recording = guarded(|| Recording::of_records(&records, made, bind)).flatten();
    let recording = recording.map_err(RecordingFault::Unusable)?;
    recording::encode(&recording).map_err(|fault| RecordingFault::Unusable(fault.message))
}

/// The event that ends a judge order. A panic of the judge would end the process from a thread of
/// the pool; caught here it costs one look of one analysis, which is then never promoted (A5, A11).
fn judged(order: JudgeOrder, judge: impl FnOnce(&Plan, &Windows, u32) -> Judgement) -> Event {
    let JudgeOrder {
        id,
        look,
        plan,
        windows,
    } = order;
    match guarded(|| judge(&plan, &windows, look)) {
        Ok(judgement) => Event::Judged {
            id,
            judgement: Arc::new(judgement),
        },
        Err(message) => {
            tracing::error!(analysis = %id, look, %message, "the judge failed; this is a bug");
            metrics::counter!("haldane_judge_failures_total").increment(1);
            Event::JudgeFailed { id, look, message }
        }
    }
}

/// How long it took until somebody took note of a verdict, and until a rollback helped. Only what
/// this process has seen happen is counted: the first state after a restart is not news.
fn note_aftermath(before: Option<&View>, now: &View) {
    let (Some(before), Some(conclusion)) = (before, &now.conclusion) else {
        return;
    };
    // What is only watched is nobody's to act on.
    if now.coordination.shadow {
        return;
    }
    let since = |at: Timestamp| at.since(conclusion.at).seconds().max(0.0);
    let word = conclusion.verdict.word();
    if let (None, Some(noted)) = (&before.after.acknowledged, &now.after.acknowledged) {
        metrics::histogram!("haldane_acknowledge_seconds", "verdict" => word)
            .record(since(noted.at));
    }
    let ending = |view: &View| {
        view.after
            .watch
            .as_ref()
            .and_then(|watch| watch.ending.clone())
    };
    if let (None, Some(ending)) = (ending(before), ending(now))
        && ending.outcome == Outcome::Recovered
    {
        metrics::histogram!("haldane_recovery_seconds").record(since(ending.at));
    }
}

fn set(cell: &std::sync::RwLock<Option<String>>, value: Option<String>) {
    *cell.write().unwrap_or_else(PoisonError::into_inner) = value;
}

/// One structured line per fact that people search for.
#[expect(clippy::too_many_lines, reason = "a table of records and their lines")]
fn log_record(record: &Record) {
    use crate::engine::record::Fact;
    match &record.fact {
        Fact::Submitted {
            rollout,
            plan_digest,
            ..
        } => {
            metrics::counter!("haldane_submissions_total").increment(1);
            let deploy = &rollout.deploy;
            tracing::info!(
                analysis = %record.id, service = %deploy.service,
                deploy = deploy.id.as_ref().map_or("", crate::ids::DeployId::as_str),
                trace = deploy.traceparent.as_deref().unwrap_or(""),
                plan = %plan_digest.short(), "submitted"
            );
        }
        Fact::Judged { judgement } => {
            metrics::counter!("haldane_looks_total").increment(1);
            tracing::info!(
                analysis = %record.id, look = judgement.look,
                outcome = judgement.outcome.word(),
                score = judgement.score.map(crate::units::Score::get), "judged"
            );
        }
        Fact::Concluded { conclusion } => {
            let verdict = conclusion.verdict.word();
            metrics::counter!("haldane_verdicts_total", "verdict" => verdict).increment(1);
            tracing::info!(
                analysis = %record.id, verdict, row = conclusion.row, look = conclusion.look,
                sentence = %conclusion.sentence, "concluded"
            );
        }
        Fact::Attempted {
            delivery,
            attempt,
            detail,
            ..
        } => {
            metrics::counter!("haldane_delivery_attempts_failed_total").increment(1);
            tracing::warn!(analysis = %record.id, %delivery, attempt, %detail, "not delivered yet");
        }
        Fact::Settled {
            delivery,
            attempts,
            end,
            ..
        } => {
            metrics::counter!("haldane_deliveries_settled_total").increment(1);
            let word = match end {
                DeliveryEnd::Delivered { .. } => "delivered",
                DeliveryEnd::Refused { .. } => "refused",
                DeliveryEnd::Expired { .. } => "expired",
            };
            metrics::counter!("haldane_deliveries_total", "end" => word).increment(1);
            tracing::info!(analysis = %record.id, %delivery, attempts, ?end, "delivery settled");
        }
        Fact::Queued { .. }
        | Fact::Begun { .. }
        | Fact::Stepped { .. }
        | Fact::Held { .. }
        | Fact::Frozen { .. }
        | Fact::Lifted { .. } => log_together(record),
        Fact::Redelivered { delivery, author } => {
            metrics::counter!("haldane_redeliveries_total").increment(1);
            tracing::info!(analysis = %record.id, %delivery, %author, "to be delivered once more");
        }
        Fact::Acknowledged { author } => {
            tracing::info!(analysis = %record.id, %author, "acknowledged");
        }
        Fact::Watched { glance } => {
            tracing::info!(
                analysis = %record.id, number = glance.number, seen = glance.seen.word(),
                detail = %glance.detail, "looked at after the rollback"
            );
        }
        Fact::SeenThrough { ending } => {
            let outcome = ending.outcome.word();
            let by = ending.by.map_or("", By::word);
            metrics::counter!("haldane_rollbacks_seen_through_total", "outcome" => outcome)
                .increment(1);
            tracing::info!(
                analysis = %record.id, outcome, by, detail = %ending.detail,
                "rollback seen through"
            );
        }
        Fact::SourceFailed { .. }
        | Fact::Captured { .. }
        | Fact::Announced { .. }
        | Fact::Ignored { .. } => {}
    }
}

/// The same of facts about how analyses stand to one another.
fn log_together(record: &Record) {
    use crate::engine::record::Fact;
    match &record.fact {
        Fact::Queued { behind } => tracing::info!(analysis = %record.id, %behind, "queued"),
        Fact::Begun { .. } => tracing::info!(analysis = %record.id, "begun"),
        Fact::Stepped { step } => {
            tracing::info!(analysis = %record.id, share = step.share.get(), "stepped");
        }
        Fact::Held { held } => {
            let why = held.as_ref().map_or("", |held| &held.why);
            tracing::info!(analysis = %record.id, why, "held");
        }
        Fact::Frozen { freeze } => {
            tracing::info!(
                freeze = %record.id, what = %freeze.spoken(), author = %freeze.author,
                reason = %freeze.reason, "frozen"
            );
        }
        Fact::Lifted { author, reason } => {
            tracing::info!(freeze = %record.id, %author, %reason, "freeze lifted");
        }
        _ => {}
    }
}
