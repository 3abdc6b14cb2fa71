//! What leaves memory, and the way back for a message that somebody wants sent once more.
//!
//! Memory keeps the newest analyses, and of a message about a look or a hold only what the next
//! one has not made worthless. The decision log keeps everything. So what a message said is found
//! by going through the records of its analysis once more, up to the one it was born of: the same
//! `apply` over the same records gives the same view, and that the same bytes. The driver reads the
//! records ([`Effect::Rebuild`], [`Effect::Recall`]); nothing else is stored for this, and nothing
//! is ever removed from the log, so its bound is the log's.

use crate::engine::analysis::Analysis;
use crate::engine::effect::{Effect, Refusal};
use crate::engine::event::Ticket;
use crate::engine::good::{Good, Goods};
use crate::engine::guard::guarded;
use crate::engine::record::{DeliveryEnd, Fact, Record, Seq, Trip};
use crate::engine::timers::Waiter;
use crate::engine::verdict::Verdict;
use crate::engine::view::View;
use crate::engine::{Engine, Limits};
use crate::ids::{AnalysisId, DeliveryId};
use crate::plan::Plan;
use crate::plan::rollout::{Deploy, Rollout};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages that may be looked for in the log at a time; a further request is refused. Each is a
/// walk over all attempts there ever were, and recordings are made in the same places.
pub const RECALLS_MAX: usize = 8;

/// Every record of one analysis, with the plan they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    records: Vec<(Seq, Record)>,
    plan: Arc<Plan>,
    last_good: Option<Arc<Good>>,
}

impl Recalled {
    /// Takes all records of one analysis, in order, and binds its plan; `last_good` is what was
    /// good before its rollback, as [`GoodBefore`] finds it.
    ///
    /// # Errors
    ///
    /// Why the records cannot be used.
    pub fn new(
        records: Vec<(Seq, Record)>,
        last_good: Option<Arc<Good>>,
        bind: impl FnOnce(&str, &Rollout) -> Result<Arc<Plan>, String>,
    ) -> Result<Self, String> {
        let Some(Fact::Submitted {
            template_text,
            rollout,
            plan_digest,
            ..
        }) = records.first().map(|(_, record)| &record.fact)
        else {
            return Err("its records do not begin with its submission".to_owned());
        };
        let plan = bind(template_text, rollout)?;
        if plan.digest != *plan_digest {
            return Err(
                "its plan is another one in this version; ask the version that wrote it".to_owned(),
            );
        }
        Ok(Self {
            records,
            plan,
            last_good,
        })
    }

    /// What the message of this name said, and every attempt at it carries.
    ///
    /// # Errors
    ///
    /// Why it cannot be told any more.
    pub fn said(&self, name: &DeliveryId) -> Result<Arc<View>, String> {
        let mut said = None;
        let look = |analysis: &Analysis, seq: Seq| {
            let born = |message: &&crate::engine::delivery::Delivery| {
                message.name == *name && message.born_of == seq
            };
            let message = analysis.deliveries.iter().find(born);
            said = message.and_then(|message| analysis.body_of(message));
            said.is_some()
        };
        guarded(|| self.replayed(&Limits::default(), look)).flatten()?;
        said.ok_or_else(|| "the records of its analysis do not tell of it".to_owned())
    }

    /// The analysis after its records, or after the first one at which `enough` says so.
    fn replayed(
        &self,
        limits: &Limits,
        mut enough: impl FnMut(&Analysis, Seq) -> bool,
    ) -> Result<Analysis, String> {
        let mut records = self.records.iter();
        let Some((
            seq,
            Record {
                id,
                at,
                fact:
                    Fact::Submitted {
                        key,
                        receivers,
                        coordination,
                        ..
                    },
            },
        )) = records.next()
        else {
            return Err("its records do not begin with its submission".to_owned());
        };
        let mut analysis = Analysis::submitted(
            id.clone(),
            (*at, *seq, limits.message_life),
            Arc::clone(&self.plan),
            key.clone(),
            (receivers.clone(), (**coordination).clone()),
        );
        let mut done = enough(&analysis, *seq);
        for (seq, record) in records {
            if done {
                break;
            }
            analysis.apply(*seq, record, limits)?;
            if matches!(record.fact, Fact::Concluded { .. }) {
                analysis.last_good.clone_from(&self.last_good);
            }
            done = enough(&analysis, *seq);
        }
        Ok(analysis)
    }
}

/// Finds what was good in the place of a rollback before it, in the records of the whole log.
#[derive(Debug)]
pub struct GoodBefore {
    place: Deploy,
    rollback: Seq,
    there: BTreeMap<AnalysisId, Deploy>,
    goods: Goods,
}

impl GoodBefore {
    /// For the analysis with these records; of none that is not a rollback, or only watched.
    pub fn of(records: &[(Seq, Record)]) -> Option<Self> {
        let rollback = records
            .iter()
            .find_map(|(seq, record)| match &record.fact {
                Fact::Concluded { conclusion } if conclusion.verdict == Verdict::Rollback => {
                    Some(*seq)
                }
                _ => None,
            })?;
        match records.first().map(|(_, record)| &record.fact) {
            Some(Fact::Submitted {
                rollout,
                coordination,
                ..
            }) if !coordination.shadow => Some(Self {
                place: rollout.deploy.clone(),
                rollback,
                there: BTreeMap::new(),
                goods: Goods::default(),
            }),
            _ => None,
        }
    }

    /// The place in the log of the rollback: what comes after it was not there before.
    pub const fn until(&self) -> Seq {
        self.rollback
    }

    /// Takes note of a record of any analysis; they come in the order of the log.
    pub fn note(&mut self, seq: Seq, record: &Record) {
        if seq >= self.rollback {
            return;
        }
        match &record.fact {
            Fact::Submitted {
                rollout,
                coordination,
                ..
            } if !coordination.shadow && self.is_there(&rollout.deploy) => {
                let deploy = rollout.deploy.clone();
                self.there.insert(record.id.clone(), deploy);
            }
            Fact::Concluded { conclusion } => {
                if let Some(deploy) = self.there.remove(&record.id) {
                    drop(self.goods.promoted(&record.id, &deploy, conclusion));
                }
            }
            _ => {}
        }
    }

    fn is_there(&self, deploy: &Deploy) -> bool {
        let place = &self.place;
        place.service == deploy.service
            && place.environment == deploy.environment
            && place.region == deploy.region
    }

    /// What was found.
    pub fn found(&self) -> Option<Arc<Good>> {
        self.goods.before(&self.place)
    }
}

impl Engine {
    /// Lets go of the analyses that concluded first, once nothing about them is owed. The oldest
    /// one may hold up the others for as long as its messages live.
    pub(super) fn forget_oldest(&mut self) {
        while self.concluded.len() > self.limits.concluded_max {
            let oldest = self.concluded.first().map(|(_, id)| id.clone());
            let Some((id, analysis)) = oldest.and_then(|id| self.analyses.get_key_value(&id))
            else {
                return;
            };
            let owes = analysis.owes_messages() || analysis.is_watched();
            if !self.ledger.is_durable(analysis.last_seq) || owes {
                return;
            }
            if let Some(key) = &analysis.key
                && self.keys.get(key) == Some(id)
            {
                self.keys.remove(key);
            }
            for message in &analysis.deliveries {
                self.messages.remove(&message.name);
            }
            let id = id.clone();
            self.peers.forget(analysis);
            self.analyses.remove(&id);
            self.concluded.pop_first();
            self.out.push(Effect::Forget(id));
        }
    }

    /// Asks the log whose message it is; of those whose answer was lost the place is free again.
    pub(super) fn look_for(&mut self, ticket: Ticket, name: &DeliveryId, author: String) {
        let (now, patience) = (self.clock, self.limits.patience);
        self.recalling.retain(|_, since| now < since.plus(patience));
        if self.recalling.len() >= RECALLS_MAX {
            let why = format!(
                "{RECALLS_MAX} messages are being looked for in the log, as many as may be at a \
                 time; ask again in a minute"
            );
            return self.refuse(ticket, Refusal::NotAgain { why });
        }
        self.recalling.insert(ticket, now);
        self.out.push(Effect::Recall {
            ticket,
            delivery: name.clone(),
            author,
        });
    }

    /// Asks for what a message said; asks again when no answer comes.
    pub(super) fn rebuild(&mut self, id: &AnalysisId, name: &DeliveryId) {
        let patient_until = self.clock.plus(self.limits.patience);
        self.timers
            .set(Waiter::Delivery(name.clone()), patient_until);
        self.out.push(Effect::Rebuild {
            id: id.clone(),
            delivery: name.clone(),
        });
    }

    /// What a message said is here, or cannot be told any more.
    pub(super) fn on_rebuilt(&mut self, name: &DeliveryId, said: Result<Arc<View>, String>) {
        let Some(message) = self.message(name) else {
            return;
        };
        if message.end.is_some() || message.body.is_some() || !message.moment.is_passing() {
            return; // an answer that came twice, or late
        }
        match said {
            Ok(view) => {
                message.body = Some(view);
                self.timers.clear(&Waiter::Delivery(name.clone()));
                self.outbox.push_back(name.clone());
            }
            Err(why) => {
                self.timers.clear(&Waiter::Delivery(name.clone()));
                let detail = format!("not sent once more: {why}");
                self.settle_message(name, DeliveryEnd::Expired { detail }, Trip::default());
            }
        }
    }

    /// The analysis of a message that memory does not know is here, or is not in the log either.
    pub(super) fn on_recalled(
        &mut self,
        ticket: Ticket,
        (name, author): (&DeliveryId, String),
        found: Result<Option<Recalled>, String>,
    ) {
        self.recalling.remove(&ticket);
        let recalled = match found {
            Ok(Some(recalled)) => recalled,
            Ok(None) => return self.refuse(ticket, Refusal::UnknownMessage),
            Err(why) => {
                let why = format!("what it said cannot be read any more: {why}");
                return self.refuse(ticket, Refusal::NotAgain { why });
            }
        };
        if let Err(why) = self.recall(&recalled) {
            let why = format!("what it said cannot be read any more: {why}");
            return self.refuse(ticket, Refusal::NotAgain { why });
        }
        if self.messages.contains_key(name) {
            return self.on_redelivered(ticket, name, author);
        }
        let why = format!(
            "of messages about looks and holds the newest {} of a receiver are kept; read what it \
             said from the analysis",
            crate::engine::telling::PASSING_KEPT_MAX
        );
        self.refuse(ticket, Refusal::NotAgain { why });
    }

    /// Takes an analysis back into memory, unless it is there.
    fn recall(&mut self, recalled: &Recalled) -> Result<(), String> {
        let Some(id) = recalled
            .records
            .first()
            .map(|(_, record)| record.id.clone())
        else {
            return Err("it has no records".to_owned());
        };
        if self.analyses.contains_key(&id) {
            return Ok(());
        }
        let replayed = guarded(|| recalled.replayed(&self.limits, |_, _| false));
        let mut analysis = replayed.flatten()?;
        if analysis.is_watched() {
            analysis.watch = None; // there was no room for it, or it would be in memory
        }
        if analysis.conclusion.is_none() {
            return Err("its analysis has no verdict, and is not under way".to_owned());
        }
        self.analyses.insert(id.clone(), analysis);
        self.readmit(&id)
    }
}
