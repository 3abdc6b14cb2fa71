//! Who hears of which moment: the birth of messages, and what their bodies are rendered from.
//!
//! Every birth is a consequence of a record, so the same records give the same messages, and none
//! leaves before its record is durable (A3). Submission, conclusion and what follows a rollback
//! are records anyway; looks and holds get one of their own, and only when somebody hears of them.

use crate::engine::Engine;
use crate::engine::analysis::Analysis;
use crate::engine::delivery::{Birth, Delivery};
use crate::engine::github::GithubForm;
use crate::engine::record::{DeliveryEnd, Fact, Receiver, Record, Seq};
use crate::engine::subscription::{Form, Moment};
use crate::engine::verdict::{Source, Verdict};
use crate::engine::view::View;
use crate::ids::AnalysisId;
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// Messages about looks and holds that one analysis keeps for each receiver; the oldest that are
/// over are dropped from memory and stay in the decision log.
pub const PASSING_KEPT_MAX: usize = 8;

impl Analysis {
    /// Takes in what a record says of messages and of what followed the verdict.
    pub(super) fn follow(&mut self, seq: Seq, record: &Record, lives: Span) -> Result<(), String> {
        match &record.fact {
            Fact::Attempted {
                delivery,
                attempt,
                detail,
                trip,
            } => self
                .message(seq, delivery)?
                .failed(*attempt, detail, (record.at, *trip)),
            Fact::Settled {
                delivery,
                attempts,
                end,
                trip,
            } => {
                let message = self.message(seq, delivery)?;
                message.settled(*attempts, end, (record.at, *trip));
                let taken = matches!(end, DeliveryEnd::Delivered { .. });
                let by = origin(&message.receiver.url);
                if taken && message.moment.is_verdict() {
                    self.acknowledged(record.at, by);
                }
            }
            Fact::Redelivered { delivery, .. } => {
                self.message(seq, delivery)?.revived(record.at, lives);
            }
            Fact::Acknowledged { author } => self.acknowledged(record.at, author.clone()),
            Fact::Watched { glance } => self.watched(glance),
            Fact::SeenThrough { ending } => self.seen_through((record.at, seq), ending, lives),
            _ => {}
        }
        Ok(())
    }

    /// Gives birth to the messages about a moment of an analysis with this verdict, if it has one.
    pub(super) fn bear(&mut self, birth: &Birth, verdict: Option<Verdict>) {
        let receivers = self.receivers.iter().enumerate();
        let born: Vec<_> = receivers
            .filter(|(_, to)| self.tells(to, birth.moment, verdict))
            .map(|to| Delivery::born(&self.id, to, birth))
            .collect();
        self.deliveries.extend(born);
    }

    /// A look or a hold is to be heard of. Earlier messages of the same kind are worthless now.
    pub(super) fn announced(
        &mut self,
        (moment, look): (Moment, u32),
        (at, seq): (Timestamp, Seq),
        lives: Span,
    ) {
        match moment {
            Moment::Hold => {
                self.told_hold = self.decision(Source::Answering).hold;
                self.told_hold_at = Some(look);
            }
            _ => self.told_look = look,
        }
        let older = self.deliveries.iter_mut();
        for message in older.filter(|message| message.moment == moment) {
            message.overtaken("a newer one has come");
        }
        self.drop_oldest(moment);
        let body = View {
            deliveries: Vec::new(),
            ..self.view()
        };
        let birth = Birth {
            moment,
            look,
            at,
            seq,
            lives,
            body: Some(Arc::new(body)),
        };
        self.bear(&birth, None);
    }

    /// Keeps room for one more message of this kind for each receiver; all of them are over, but
    /// for those that somebody wants once more.
    fn drop_oldest(&mut self, moment: Moment) {
        let kept = (PASSING_KEPT_MAX - 1).saturating_mul(self.receivers.len());
        let of_kind = self.deliveries.iter().filter(|m| m.moment == moment);
        let mut surplus = of_kind.count().saturating_sub(kept);
        let dropped = &mut self.dropped;
        self.deliveries.retain(|message| {
            let goes = surplus > 0 && message.moment == moment && message.end.is_some();
            if goes {
                surplus -= 1;
                dropped.push(message.name.clone());
            }
            !goes
        });
    }

    /// What a body is rendered from: the analysis as it was when the message was born, so every
    /// attempt, before and after a restart, carries the same bytes. `None` of a look or hold after
    /// the verdict: the log tells what it said.
    pub(super) fn body_of(&self, message: &Delivery) -> Option<Arc<View>> {
        if message.moment.is_passing() || message.moment == Moment::Started {
            return message.body.clone();
        }
        Some(Arc::new(View {
            deliveries: Vec::new(),
            after: self.after_at_birth(message.moment),
            ..self.view()
        }))
    }

    /// A hold that is over may begin anew, and then it is news again.
    pub(super) fn forget_told_hold(&mut self) {
        if self.decision(Source::Answering).hold.is_none() {
            self.told_hold = None;
        }
    }

    pub(super) fn is_heard_of(&self, moment: Moment) -> bool {
        self.receivers.iter().any(|to| self.tells(to, moment, None))
    }

    /// Whether a receiver hears of a moment. A deployment that waits for an analysis which is only
    /// watched is told at once to go on, and nothing afterwards.
    fn tells(&self, to: &Receiver, moment: Moment, verdict: Option<Verdict>) -> bool {
        if self.coordination.shadow && matches!(to.form, Form::Github(GithubForm::Rule(_))) {
            return moment == Moment::Started;
        }
        to.hears_of(moment, verdict)
    }
}

impl Engine {
    /// Announces the newest look and hold of an analysis that goes on, as far as somebody hears of
    /// them and they are not announced yet. After a crash between a judgement and its announcement
    /// this makes up for it.
    pub(super) fn announce(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        let look = analysis.judged_look();
        if analysis.conclusion.is_some() {
            return;
        }
        let hold = analysis.decision(Source::Answering).hold;
        // One at a look, because that is what it is named by: what changes twice between two looks
        // is told at the next.
        let room = analysis.told_hold_at != Some(look);
        let held = hold.is_some() && hold != analysis.told_hold && room;
        let news = [
            (Moment::Look, look > analysis.told_look),
            (Moment::Hold, held),
        ];
        let news: Vec<Moment> = news
            .into_iter()
            .filter(|(moment, new)| *new && analysis.is_heard_of(*moment))
            .map(|(moment, _)| moment)
            .collect();
        for moment in news {
            self.write(id, Fact::Announced { moment, look });
        }
    }

    /// Enters the messages that the record at `seq` gave birth to; they leave once it is durable.
    pub(super) fn enter_messages(&mut self, id: &AnalysisId, seq: Seq) {
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        for name in analysis.dropped.drain(..) {
            self.messages.remove(&name);
        }
        for message in analysis.deliveries.iter().filter(|m| m.born_of == seq) {
            self.messages.insert(message.name.clone(), id.clone());
            let send = crate::engine::ledger::Held::Send(message.name.clone());
            self.ledger.hold(seq, send);
        }
    }
}

/// Scheme, host and port of an address: receivers put secrets into what comes behind.
fn origin(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let behind = url.get(host..).unwrap_or_default();
    let end = behind
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or_default().to_owned()
}
