//! The register of analyses that belong together, and the engine's side of it: who waits for whom,
//! who ends for whom, and whose hold has changed.

use crate::engine::Engine;
use crate::engine::analysis::{Analysis, Phase};
use crate::engine::coordination::hold::{Held, Peer, Shows, hold};
use crate::engine::coordination::{Concurrent, Coordination, same_deploy, spoken};
use crate::engine::ledger;
use crate::engine::record::{Conclusion, Fact, Seq};
use crate::engine::verdict::{Hold, Source, Verdict};
use crate::ids::AnalysisId;
use crate::judge::explain::Stand;
use crate::plan::rollout::Deploy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Service, environment, region.
type Place = (String, Option<String>, Option<String>);

fn place(deploy: &Deploy) -> Place {
    (
        deploy.service.clone(),
        deploy.environment.clone(),
        deploy.region.clone(),
    )
}

/// What is shared by those that belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Release(String),
    Wave(String),
}

fn bonds(coordination: &Coordination) -> impl Iterator<Item = Bond> {
    let release = coordination.release.as_ref();
    let wave = coordination.wave.as_ref();
    let release = release.map(|release| Bond::Release(release.group.clone()));
    let bonds = [release, wave.map(|wave| Bond::Wave(wave.name.clone()))];
    let shadow = coordination.shadow;
    bonds.into_iter().flatten().filter(move |_| !shadow)
}

/// Who belongs together, by identifier.
#[derive(Debug, Default)]
pub(in crate::engine) struct Peers {
    /// Those without a verdict, by place.
    open: BTreeMap<Place, BTreeSet<AnalysisId>>,
    /// The newest of each place, by release and wave.
    bound: BTreeMap<Bond, BTreeMap<Place, AnalysisId>>,
    /// Those whose hold may have changed.
    stirred: BTreeSet<AnalysisId>,
}

impl Peers {
    /// Enters an analysis; those of one place in the order in which they were submitted.
    pub(in crate::engine) fn enter(&mut self, analysis: &Analysis) {
        if analysis.coordination.shadow {
            return;
        }
        let place = place(&analysis.plan.rollout.deploy);
        for bond in bonds(&analysis.coordination) {
            let newest = self.bound.entry(bond).or_default();
            newest.insert(place.clone(), analysis.id.clone());
        }
        if analysis.conclusion.is_none() {
            self.open
                .entry(place)
                .or_default()
                .insert(analysis.id.clone());
        }
    }

    fn resolved(&mut self, analysis: &Analysis) {
        let place = place(&analysis.plan.rollout.deploy);
        if let Some(open) = self.open.get_mut(&place) {
            open.remove(&analysis.id);
            if open.is_empty() {
                self.open.remove(&place);
            }
        }
    }

    /// Lets go of an analysis that is forgotten.
    pub(in crate::engine) fn forget(&mut self, analysis: &Analysis) {
        self.resolved(analysis);
        let place = place(&analysis.plan.rollout.deploy);
        for bond in bonds(&analysis.coordination) {
            let Some(newest) = self.bound.get_mut(&bond) else {
                continue;
            };
            if newest.get(&place) == Some(&analysis.id) {
                newest.remove(&place);
            }
            if newest.is_empty() {
                self.bound.remove(&bond);
            }
        }
    }

    fn others<'a>(&'a self, me: &'a Analysis, bond: &Bond) -> Vec<&'a AnalysisId> {
        let all = self.bound.get(bond).into_iter().flat_map(BTreeMap::values);
        all.filter(|id| **id != me.id).collect()
    }
}

impl Engine {
    /// Unresolved deploys of the same place, in the order in which they were submitted.
    pub(in crate::engine) fn rivals(
        &self,
        deploy: &Deploy,
        coordination: &Coordination,
    ) -> Vec<&Analysis> {
        if coordination.shadow || coordination.concurrent == Concurrent::Allow {
            return Vec::new();
        }
        let open = self.peers.open.get(&place(deploy)).into_iter().flatten();
        let mut rivals: Vec<&Analysis> = open
            .filter_map(|id| self.analyses.get(id))
            .filter(|other| !same_deploy(&other.plan.rollout.deploy, deploy))
            .collect();
        rivals.sort_by_key(|analysis| analysis.submitted_seq);
        rivals
    }

    /// Unresolved deploys of the same place that were submitted before this one.
    fn rivals_before(&self, me: &Analysis) -> Vec<&Analysis> {
        let mut rivals = self.rivals(&me.plan.rollout.deploy, &me.coordination);
        rivals.retain(|other| other.submitted_seq < me.submitted_seq);
        rivals
    }

    /// Carries out what the policy says of an analysis and those submitted before it: it waits for
    /// the newest of them, or they end. Says the same again when it was carried out already.
    pub(in crate::engine) fn make_room(&mut self, id: &AnalysisId) {
        let Some(me) = self.analyses.get(id).filter(|a| a.conclusion.is_none()) else {
            return;
        };
        let before = self.rivals_before(me);
        let Some(newest) = before.last().map(|other| other.id.clone()) else {
            return;
        };
        match me.coordination.concurrent {
            Concurrent::Allow | Concurrent::Refuse => {}
            Concurrent::Queue => {
                if me.behind.is_none() && !me.begun && me.looks == 0 && !me.has_samples {
                    self.write(id, Fact::Queued { behind: newest });
                }
            }
            Concurrent::Supersede => {
                let by = format!("{}, analysis {id}", spoken(&me.plan.rollout.deploy));
                let older: Vec<AnalysisId> = before.iter().map(|a| a.id.clone()).collect();
                for older in older {
                    self.supersede(&older, &by);
                }
            }
        }
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
        self.peers.resolved(analysis);
        let place = place(&analysis.plan.rollout.deploy);
        let open = self.peers.open.get(&place).into_iter().flatten();
        let behind = open.filter_map(|other| self.analyses.get(other));
        let behind = behind.filter(|other| other.behind.as_ref() == Some(id));
        let mut behind: Vec<_> = behind.map(|a| (a.submitted_seq, a.id.clone())).collect();
        behind.sort();
        self.stir_peers(id);
        for (_, waiting) in behind {
            self.move_up(&waiting);
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
        let next = self.rivals_before(me).last().map(|other| other.id.clone());
        match next {
            Some(behind) if me.behind.as_ref() == Some(&behind) => {}
            Some(behind) => self.write(id, Fact::Queued { behind }),
            None => {
                self.write(id, Fact::Begun { at: self.clock });
                let seq = self.ledger.last();
                self.ledger.hold(seq, ledger::Held::Start(id.clone()));
                // What held it while it waited was nobody's business.
                self.peers.stirred.insert(id.clone());
            }
        }
    }

    /// Those bound to an analysis look again whether they are held.
    pub(in crate::engine) fn stir_peers(&mut self, id: &AnalysisId) {
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        let bonds = bonds(&analysis.coordination);
        let others: Vec<AnalysisId> = bonds
            .flat_map(|bond| self.peers.others(analysis, &bond))
            .cloned()
            .collect();
        self.peers.stirred.extend(others);
    }

    /// Looks again at everything a freeze may hold.
    pub(in crate::engine) fn stir_all(&mut self) {
        let open = self.peers.open.values().flatten().cloned();
        self.peers.stirred.extend(open);
    }

    /// Decides anew about those whose hold may have changed. Whoever is being looked at decides
    /// when that look ends; whoever cannot be read, or whose next look is due, decides at that
    /// look: nothing is promoted on evidence that is no longer new (A5).
    pub(in crate::engine) fn settle_peers(&mut self) {
        while let Some(id) = self.peers.stirred.pop_first() {
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
    /// when evidence is `fresh`, or still new.
    pub(in crate::engine) fn hold_anew(&mut self, id: &AnalysisId, fresh: bool) {
        let Some(analysis) = self.analyses.get(id).filter(|a| a.conclusion.is_none()) else {
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
        let of = |bond: Option<Bond>| {
            let others = bond.map(|bond| self.peers.others(analysis, &bond));
            let others = others.unwrap_or_default().into_iter();
            others
                .filter_map(|id| self.analyses.get(id))
                .map(peer)
                .collect::<Vec<_>>()
        };
        let coordination = &analysis.coordination;
        let release = coordination.release.as_ref();
        let wave = coordination.wave.as_ref();
        let freezes: Vec<_> = self.freezes.values().collect();
        hold(
            &peer(analysis),
            &of(release.map(|release| Bond::Release(release.group.clone()))),
            &of(wave.map(|wave| Bond::Wave(wave.name.clone()))),
            &freezes,
            self.clock,
        )
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

fn peer(analysis: &Analysis) -> Peer<'_> {
    Peer {
        deploy: &analysis.plan.rollout.deploy,
        coordination: &analysis.coordination,
        shows: match &analysis.conclusion {
            Some(conclusion) => Shows::Verdict(conclusion.verdict),
            None if analysis.would_promote() => Shows::Health,
            None => Shows::Nothing,
        },
    }
}

impl Analysis {
    /// Whether it would be promoted if nobody outside held it.
    fn would_promote(&self) -> bool {
        let decision = self.decision_alone(Source::Answering);
        decision.verdict == Some(Verdict::Promote)
    }

    /// Takes in what a record says of it and others.
    pub(in crate::engine) fn coordinated(&mut self, seq: Seq, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Queued { behind } => self.behind = Some(behind.clone()),
            Fact::Begun { at } => self.begin(*at),
            Fact::Stepped { step } => self.plan = Arc::new(self.plan.stepping(*step)),
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
