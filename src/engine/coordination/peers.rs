//! The engine's side of how analyses stand to one another: who waits for whom, who ends for whom,
//! and whose hold has changed.

use crate::engine::Engine;
use crate::engine::analysis::{Analysis, Phase};
use crate::engine::coordination::hold::{Held, Peer, Shows, hold};
use crate::engine::coordination::register::{Bond, bonds};
use crate::engine::coordination::{Concurrent, Coordination, spoken};
use crate::engine::ledger;
use crate::engine::record::{Conclusion, Fact, Seq};
use crate::engine::verdict::{Hold, Source, Verdict};
use crate::ids::AnalysisId;
use crate::judge::explain::Stand;
use crate::plan::rollout::Deploy;
use std::sync::Arc;

impl Engine {
    /// Unresolved deploys of the same place that an analysis has to reckon with, the newest first.
    pub(in crate::engine) fn rivals<'a>(
        &'a self,
        deploy: &'a Deploy,
        coordination: &Coordination,
    ) -> impl Iterator<Item = &'a Analysis> {
        let alone = coordination.shadow || coordination.concurrent == Concurrent::Allow;
        let rivals = (!alone).then(|| self.peers.rivals(deploy, &self.analyses));
        rivals.into_iter().flatten()
    }

    /// Unresolved deploys of the same place that were submitted before this one, the newest first.
    fn rivals_before<'a>(&'a self, me: &'a Analysis) -> impl Iterator<Item = &'a Analysis> {
        let rivals = self.rivals(&me.plan.rollout.deploy, &me.coordination);
        rivals.filter(|other| other.submitted_seq < me.submitted_seq)
    }

    /// Carries out what the policy says of an analysis and those submitted before it: it waits for
    /// the newest of them, or they end. Says the same again when it was carried out already.
    pub(in crate::engine) fn make_room(&mut self, id: &AnalysisId) {
        let Some(me) = self.analyses.get(id).filter(|a| a.conclusion.is_none()) else {
            return;
        };
        let newest = self.rivals_before(me).next().map(|other| other.id.clone());
        let Some(newest) = newest else {
            return;
        };
        match me.coordination.concurrent {
            Concurrent::Allow | Concurrent::Refuse => {}
            Concurrent::Queue => {
                if me.behind.is_none() && !me.begun && me.looks == 0 && !me.has_samples {
                    self.queue(id, newest);
                }
            }
            Concurrent::Supersede => {
                let by = format!("{}, analysis {id}", spoken(&me.plan.rollout.deploy));
                let older = self.rivals_before(me).map(|other| other.id.clone());
                let older: Vec<AnalysisId> = older.collect();
                for older in older.into_iter().rev() {
                    self.supersede(&older, &by);
                }
            }
        }
    }

    /// It waits for another from now on.
    fn queue(&mut self, id: &AnalysisId, behind: AnalysisId) {
        let Some(seq) = self.analyses.get(id).map(|me| me.submitted_seq) else {
            return;
        };
        self.peers.waits((seq, id), &behind);
        self.write(id, Fact::Queued { behind });
    }

    fn supersede(&mut self, id: &AnalysisId, by: &str) {
        let Some(analysis) = self.analyses.get(id).filter(|a| a.conclusion.is_none()) else {
            return;
        };
        let decision = analysis.decision(Source::Answering);
        // What the newer deploy left undecided is undecided, even if the table was about to speak.
        let evidence = analysis.sentence(match decision.verdict {
            Some(_) => Stand::Pending,
            None => decision.stand(),
        });
        let conclusion = Conclusion {
            verdict: Verdict::Inconclusive,
            row: 1,
            sentence: format!("superseded by {by}; evidence so far: {evidence}"),
            hold: Some(Hold::Superseded),
            author: None,
            look: analysis.judged_look(),
            at: self.clock,
        };
        self.conclude(id, conclusion);
    }

    /// An analysis has its verdict: whoever waited for it goes on, whoever is bound to it looks
    /// again.
    pub(in crate::engine) fn resolved(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        let waiting = self.peers.resolved(analysis);
        self.stir_peers(id);
        for waiting in waiting {
            let waits = self.analyses.get(&waiting).and_then(|a| a.behind.as_ref());
            if waits == Some(id) {
                self.move_up(&waiting);
            }
        }
    }

    /// The one a queued analysis waited for is out of the way: it waits for the next, or begins.
    pub(in crate::engine) fn move_up(&mut self, id: &AnalysisId) {
        let Some(me) = self.analyses.get(id) else {
            return;
        };
        if me.behind.is_none() || me.conclusion.is_some() {
            return;
        }
        let next = self.rivals_before(me).next().map(|other| other.id.clone());
        match next {
            Some(behind) if me.behind.as_ref() == Some(&behind) => {}
            Some(behind) => self.queue(id, behind),
            None => {
                self.write(id, Fact::Begun { at: self.clock });
                let seq = self.ledger.last();
                self.ledger.hold(seq, ledger::Held::Start(id.clone()));
                // What held it while it waited was nobody's business.
                self.peers.stir(id);
            }
        }
    }

    /// Those bound to an analysis look again whether they are held.
    pub(in crate::engine) fn stir_peers(&mut self, id: &AnalysisId) {
        if let Some(analysis) = self.analyses.get(id) {
            self.peers.stir_others(analysis);
        }
    }

    /// The same when it shows them something else than it did.
    pub(in crate::engine) fn stir_peers_if_new(&mut self, id: &AnalysisId, before: Option<Shows>) {
        if self.shows(id) != before {
            self.stir_peers(id);
        }
    }

    /// What an analysis shows to those bound to it.
    pub(in crate::engine) fn shows(&self, id: &AnalysisId) -> Option<Shows> {
        self.analyses
            .get(id)
            .map(|analysis| analysis.as_peer().shows)
    }

    /// Looks again at everything a freeze may hold.
    pub(in crate::engine) fn stir_all(&mut self) {
        self.peers.stir_all();
    }

    /// Decides anew about those whose hold may have changed. Whoever is being looked at decides
    /// when that look ends; whoever cannot be read, or whose next look is due, decides at that
    /// look: nothing is promoted on evidence that is no longer new (A5).
    pub(in crate::engine) fn settle_peers(&mut self) {
        while let Some(id) = self.peers.next_stirred() {
            let Some(analysis) = self.analyses.get(&id) else {
                continue;
            };
            if analysis.conclusion.is_some() || analysis.behind.is_some() {
                continue;
            }
            self.hold_anew(&id, false);
            self.announce(&id);
            let Some(analysis) = self.analyses.get(&id) else {
                continue;
            };
            let rests = analysis.phase == Phase::Resting && analysis.failing_since.is_none();
            if rests
                && self.clock < analysis.next_look_at()
                && let Some(conclusion) =
                    analysis.conclusion_by_table(Source::Answering, self.clock)
            {
                self.conclude(&id, conclusion);
            }
        }
    }

    /// Writes down what holds an analysis back, when that has changed. A hold is let go of only
    /// when evidence is `fresh`, or still new. One that is queued is held by nothing else: what
    /// holds it is found out when its clock starts.
    pub(in crate::engine) fn hold_anew(&mut self, id: &AnalysisId, fresh: bool) {
        let runs = |a: &&Analysis| a.conclusion.is_none() && a.behind.is_none();
        let Some(analysis) = self.analyses.get(id).filter(runs) else {
            return;
        };
        let free = analysis.coordination == Coordination::default() && self.freezes.is_empty();
        if free && analysis.held.is_none() {
            return;
        }
        let held = self.held(analysis);
        let stale = !fresh && self.clock >= analysis.next_look_at();
        if held == analysis.held || held.is_none() && stale {
            return;
        }
        self.write(id, Fact::Held { held });
        self.announce(id);
    }

    fn held(&self, analysis: &Analysis) -> Option<Held> {
        let bonds = bonds(&analysis.coordination, &analysis.plan.rollout.deploy);
        let (mut release, mut waves) = (Vec::new(), Vec::new());
        for bond in &bonds {
            let shown = self.peers.shown(bond, &self.analyses);
            match bond.0 {
                Bond::Release(_) => release = shown,
                Bond::Wave(_) => waves = shown,
            }
        }
        let freezes: Vec<_> = self.freezes.values().collect();
        hold(&analysis.as_peer(), &release, &waves, &freezes, self.clock)
    }

    /// After a restart: what the log left half done between analyses is carried out.
    pub(in crate::engine) fn resume_peers(&mut self) {
        let mut ids: Vec<_> = self
            .analyses
            .values()
            .map(|analysis| (analysis.submitted_seq, analysis.id.clone()))
            .collect();
        ids.sort();
        for (_, id) in &ids {
            if let Some(analysis) = self.analyses.get(id) {
                self.peers.enter(analysis);
            }
        }
        for (_, id) in &ids {
            self.make_room(id);
            self.move_up(id);
        }
        // Before anybody decides: a judgement may be durable and the hold that followed it not.
        for (_, id) in &ids {
            self.hold_anew(id, false);
        }
    }
}

impl Analysis {
    /// What the others see of it.
    pub(super) fn as_peer(&self) -> Peer<'_> {
        Peer {
            deploy: &self.plan.rollout.deploy,
            coordination: &self.coordination,
            shows: match &self.conclusion {
                Some(conclusion) => Shows::Verdict(conclusion.verdict),
                None if self.would_promote => Shows::Health,
                None => Shows::Nothing,
            },
        }
    }

    /// Works out anew whether it would be promoted if nobody outside held it.
    pub(in crate::engine) fn weigh(&mut self) {
        let decision = self.decision_alone(Source::Answering);
        self.would_promote = decision.verdict == Some(Verdict::Promote);
    }

    /// Takes in what a record says of it and others.
    pub(in crate::engine) fn coordinated(&mut self, seq: Seq, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Queued { behind } => self.behind = Some(behind.clone()),
            Fact::Begun { at } => self.begin(*at),
            Fact::Stepped { step } => {
                self.plan = Arc::new(self.plan.stepping(*step));
                self.weigh(); // nothing of the new step was seen yet
            }
            Fact::Held { held } => {
                self.held.clone_from(held);
                self.forget_told_hold();
            }
            _ => return Err(format!("record {} is not about an analysis", seq.0)),
        }
        Ok(())
    }

    /// Its clock starts at `at`: everything planned moves along.
    fn begin(&mut self, at: crate::time::Timestamp) {
        self.plan = Arc::new(self.plan.starting(at));
        self.windows = Some(Arc::new(crate::judge::windows::Windows::new(&self.plan)));
        self.behind = None;
        self.begun = true;
    }
}
