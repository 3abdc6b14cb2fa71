//! The live driver: select one event, call the engine, hand its effects on. Every decision is
//! the engine's; this file only waits.

use crate::engine::Engine;
use crate::engine::effect::{Answer, Effect};
use crate::engine::event::{Event, Ticket};
use crate::http::{Ask, Health};
use crate::serve::clock::Clock;
use crate::serve::perform::Performer;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Events waiting for the engine; a full queue makes the tasks that report wait.
pub(super) const EVENTS_QUEUED_MAX: usize = 4096;
/// Questions waiting for the engine; a full queue makes the HTTP handlers wait.
pub(super) const ASKS_QUEUED_MAX: usize = 1024;

/// Everything the loop owns.
pub(crate) struct EventLoop {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) performer: Performer,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) health: Arc<Health>,
    pub(crate) stop: CancellationToken,
    pub(crate) tickets: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    pub(crate) next_ticket: u64,
    pub(crate) wake_at: Option<Timestamp>,
}

/// How often the gauges are brought up to date: they walk over all analyses, and nobody scrapes
/// more often.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// One thing to do next.
enum Next {
    Event(Event),
    Ask(Ask),
    Stop,
}

impl EventLoop {
    /// A loop over what arrives, until the token fires.
    pub(crate) fn new(
        engine: Engine,
        performer: Performer,
        (events, asks): (mpsc::Receiver<Event>, mpsc::Receiver<Ask>),
        (clock, stop): (Clock, CancellationToken),
    ) -> Self {
        Self {
            engine,
            clock,
            health: performer.health.clone(),
            performer,
            events,
            asks,
            stop,
            tickets: BTreeMap::new(),
            next_ticket: 1,
            wake_at: None,
        }
    }

    /// Runs until the stop token fires and what was under way has ended; `owed` is what recovery
    /// asked for.
    pub(crate) async fn run(mut self, owed: Vec<Effect>) {
        self.perform(owed);
        let mut count = tokio::time::interval(COUNT_EVERY);
        loop {
            let next = tokio::select! {
                next = self.next() => next,
                _ = count.tick() => {
                    Performer::note_counts(&self.engine);
                    continue;
                }
            };
            match next {
                Next::Event(event) => self.handle(event),
                Next::Ask(ask) => self.ask(ask),
                Next::Stop => break,
            }
        }
        self.drain().await;
    }

    /// Waits for one thing to happen.
    async fn next(&mut self) -> Next {
        let nap = self.wake_at.map(|at| self.clock.wait_for(at));
        tokio::select! {
            () = self.stop.cancelled() => Next::Stop,
            Some(event) = self.events.recv() => Next::Event(event),
            Some(ask) = self.asks.recv() => Next::Ask(ask),
            () = tokio::time::sleep(nap.unwrap_or_default()), if nap.is_some() => {
                Next::Event(Event::Woke)
            }
        }
    }

    fn handle(&mut self, event: Event) {
        if let Event::Woke = event {
            let due = self.wake_at.is_some_and(|at| at <= self.clock.now());
            if !due {
                return; // a nap was cut short on purpose; look at the clock again
            }
            self.wake_at = None;
        }
        let mut effects = Vec::new();
        self.engine.handle(self.clock.now(), event, &mut effects);
        self.perform(effects);
    }

    fn ask(&mut self, ask: Ask) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let (reply, event) = match ask {
            Ask::Submit { submission, reply } => (reply, Event::Submitted { ticket, submission }),
            Ask::Cancel {
                id,
                author,
                reason,
                reply,
            } => (
                reply,
                Event::Cancelled {
                    ticket,
                    id,
                    author,
                    reason,
                },
            ),
            Ask::Override {
                id,
                verdict,
                author,
                reason,
                reply,
            } => (
                reply,
                Event::Overridden {
                    ticket,
                    id,
                    verdict,
                    author,
                    reason,
                },
            ),
            Ask::Judge {
                plan,
                samples,
                reply,
            } => {
                self.performer.judge_once(plan, samples, reply);
                return;
            }
            Ask::Recording { id, reply } => {
                self.performer.record(id, reply);
                return;
            }
            Ask::Paper { change, reply } => return self.performer.keep(change, reply),
            Ask::Records { id, reply } => {
                self.performer.read_records(id, reply);
                return;
            }
            other => match further(ticket, other) {
                Some(asked) => asked,
                None => return,
            },
        };
        self.tickets.insert(ticket, reply);
        self.handle(event);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::Answer { ticket, answer } => {
                    if let Some(reply) = self.tickets.remove(&ticket) {
                        // The asker may have gone; its answer then goes nowhere.
                        let _ = reply.send(*answer);
                    }
                }
                other => self.performer.perform(other),
            }
        }
    }

    /// Lets what is under way end: no new looks, but records become durable and messages that
    /// are already on their way are heard of.
    async fn drain(mut self) {
        self.health.draining.store(true, Ordering::Release);
        self.performer.close();
        loop {
            let event = tokio::select! {
                biased; // what has been reported is heard, even when nothing else is under way
                Some(event) = self.events.recv() => event,
                () = self.performer.idle() => match self.events.try_recv() {
                    Ok(event) => event,
                    Err(_) => break,
                },
            };
            let mut effects = Vec::new();
            self.engine.handle(self.clock.now(), event, &mut effects);
            // New looks and messages wait for the next start; they are owed, not lost.
            effects.retain(|effect| {
                !matches!(
                    effect,
                    Effect::Fetch(_)
                        | Effect::Send(_)
                        | Effect::Rebuild { .. }
                        | Effect::Recall { .. }
                        | Effect::WakeAt(_)
                )
            });
            self.perform(effects);
        }
    }
}

/// The rest of the questions that the engine answers.
fn further(ticket: Ticket, ask: Ask) -> Option<(oneshot::Sender<Answer>, Event)> {
    Some(match ask {
        Ask::Step { id, share, reply } => (reply, Event::Stepped { ticket, id, share }),
        Ask::Freeze { freeze, reply } => (reply, Event::Frozen { ticket, freeze }),
        Ask::Lift {
            id,
            author,
            reason,
            reply,
        } => (
            reply,
            Event::Lifted {
                ticket,
                id,
                author,
                reason,
            },
        ),
        Ask::Redeliver {
            delivery,
            author,
            reply,
        } => (
            reply,
            Event::Redelivered {
                ticket,
                delivery,
                author,
            },
        ),
        Ask::Acknowledge { id, author, reply } => {
            (reply, Event::Acknowledged { ticket, id, author })
        }
        Ask::Submit { .. }
        | Ask::Cancel { .. }
        | Ask::Override { .. }
        | Ask::Paper { .. }
        | Ask::Judge { .. }
        | Ask::Recording { .. }
        | Ask::Records { .. } => return None,
    })
}
