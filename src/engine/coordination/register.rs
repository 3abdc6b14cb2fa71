//! The register of analyses that belong together: who is open in one place, who waits for whom,
//! who shares a release or a wave. Everything is found without a walk over all analyses.

use crate::engine::analysis::Analysis;
use crate::engine::coordination::hold::{Peer, Shows};
use crate::engine::coordination::{Coordination, same_deploy};
use crate::engine::record::Seq;
use crate::engine::verdict::Verdict;
use crate::ids::AnalysisId;
use crate::plan::rollout::Deploy;
use std::collections::{BTreeMap, BTreeSet};

/// Places (service, environment, region) of one release, or of all waves of one name; a further
/// one is refused. The 64 services that a release may name, in four regions.
pub const BOUND_MAX: usize = 256;

/// Releases and waves of which every analysis has been let go of; of these the one that was let go
/// of first is forgotten, and a later wave of it finds nothing before it. Ten a day for years.
pub const BONDS_IDLE_MAX: usize = 10_000;

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
pub(super) enum Bond {
    Release(String),
    Wave(String),
}

impl Bond {
    /// As it is called in a message.
    fn spoken(&self) -> String {
        match self {
            Self::Release(name) => format!("release {name}"),
            Self::Wave(name) => format!("wave {name}"),
        }
    }
}

/// Where in a release or wave: the number of the wave (0 in a release), and the place. One place
/// may have a part in several waves.
type Seat = (u32, Place);

/// What binds an analysis to others, and its seat in each.
pub(super) fn bonds(coordination: &Coordination, deploy: &Deploy) -> Vec<(Bond, Seat)> {
    if coordination.shadow {
        return Vec::new();
    }
    let release = coordination.release.as_ref();
    let release = release.map(|release| (Bond::Release(release.group.clone()), 0));
    let wave = coordination.wave.as_ref();
    let wave = wave.map(|wave| (Bond::Wave(wave.name.clone()), wave.index));
    let seated = |(bond, index)| (bond, (index, place(deploy)));
    release.into_iter().chain(wave).map(seated).collect()
}

/// The newest analysis of a seat.
#[derive(Debug)]
enum Member {
    Here(AnalysisId),
    /// It concluded so long ago that it was let go of; how it ended still counts.
    Gone(Box<Gone>),
}

#[derive(Debug)]
struct Gone {
    deploy: Deploy,
    coordination: Coordination,
    verdict: Verdict,
}

/// A release, or all waves of one name.
#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<Seat, Member>,
    /// Members that were not let go of.
    here: usize,
    /// All without a verdict, those whose seat was taken by a newer one among them.
    open: BTreeSet<AnalysisId>,
    /// Its place among the idle ones, once nobody is here.
    idle: Option<u64>,
}

/// Who belongs together, by identifier.
#[derive(Debug, Default)]
pub(in crate::engine) struct Peers {
    /// Those without a verdict, by place, in the order of submission.
    open: BTreeMap<Place, BTreeMap<Seq, AnalysisId>>,
    /// Who was queued behind an open analysis. Some of them may have gone on since.
    waiting: BTreeMap<AnalysisId, BTreeSet<(Seq, AnalysisId)>>,
    bound: BTreeMap<Bond, Group>,
    /// Those of which nobody is here, the oldest first.
    idle: BTreeMap<u64, Bond>,
    idled: u64,
    /// Those whose hold may have changed.
    stirred: BTreeSet<AnalysisId>,
}

impl Peers {
    /// Enters an analysis; those of one seat in the order in which they were submitted.
    pub(in crate::engine) fn enter(&mut self, analysis: &Analysis) {
        if analysis.coordination.shadow {
            return;
        }
        let deploy = &analysis.plan.rollout.deploy;
        for (bond, seat) in bonds(&analysis.coordination, deploy) {
            let group = self.bound.entry(bond).or_default();
            let before = group
                .members
                .insert(seat, Member::Here(analysis.id.clone()));
            if !matches!(before, Some(Member::Here(_))) {
                group.here += 1;
            }
            if analysis.conclusion.is_none() {
                group.open.insert(analysis.id.clone());
            }
            if let Some(stamp) = group.idle.take() {
                self.idle.remove(&stamp);
            }
        }
        if analysis.conclusion.is_none() {
            let open = self.open.entry(place(deploy)).or_default();
            open.insert(analysis.submitted_seq, analysis.id.clone());
            if let Some(behind) = &analysis.behind {
                self.waits((analysis.submitted_seq, &analysis.id), behind);
            }
        }
    }

    /// The release or wave in which there is no room for another place.
    pub(in crate::engine) fn crowded(
        &self,
        coordination: &Coordination,
        deploy: &Deploy,
    ) -> Option<String> {
        let full = |(bond, seat): &(Bond, Seat)| {
            let group = self.bound.get(bond)?;
            let full = group.members.len() >= BOUND_MAX && !group.members.contains_key(seat);
            full.then(|| bond.spoken())
        };
        bonds(coordination, deploy).iter().find_map(full)
    }

    /// An analysis has its verdict. Returns those that were queued behind it, the oldest first.
    pub(super) fn resolved(&mut self, analysis: &Analysis) -> Vec<AnalysisId> {
        let deploy = &analysis.plan.rollout.deploy;
        let place = place(deploy);
        if let Some(open) = self.open.get_mut(&place) {
            open.remove(&analysis.submitted_seq);
            if open.is_empty() {
                self.open.remove(&place);
            }
        }
        for (bond, _) in bonds(&analysis.coordination, deploy) {
            if let Some(group) = self.bound.get_mut(&bond) {
                group.open.remove(&analysis.id);
            }
        }
        let waiting = self.waiting.remove(&analysis.id).unwrap_or_default();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// An analysis is queued behind another.
    pub(super) fn waits(&mut self, (seq, id): (Seq, &AnalysisId), behind: &AnalysisId) {
        let waiting = self.waiting.entry(behind.clone()).or_default();
        waiting.insert((seq, id.clone()));
    }

    /// Lets go of a concluded analysis; to those bound to it its verdict still counts.
    pub(in crate::engine) fn forget(&mut self, analysis: &Analysis) {
        self.resolved(analysis);
        self.stirred.remove(&analysis.id);
        let deploy = &analysis.plan.rollout.deploy;
        for (bond, seat) in bonds(&analysis.coordination, deploy) {
            let Some(group) = self.bound.get_mut(&bond) else {
                continue;
            };
            if let Some(member) = group.members.get_mut(&seat)
                && let (Member::Here(id), Some(end)) = (&*member, &analysis.conclusion)
                && *id == analysis.id
            {
                *member = Member::Gone(Box::new(Gone {
                    deploy: deploy.clone(),
                    coordination: analysis.coordination.clone(),
                    verdict: end.verdict,
                }));
                group.here = group.here.saturating_sub(1);
            }
            if group.here == 0 && group.open.is_empty() && group.idle.is_none() {
                self.idled += 1;
                group.idle = Some(self.idled);
                self.idle.insert(self.idled, bond);
            }
        }
        while self.idle.len() > BONDS_IDLE_MAX {
            if let Some((_, bond)) = self.idle.pop_first() {
                self.bound.remove(&bond);
            }
        }
    }

    /// The others bound to an analysis by its release or wave, in the order of their seats.
    fn others<'a>(
        &'a self,
        (bond, seat): &'a (Bond, Seat),
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let group = self.bound.get(bond);
        let all = group.into_iter().flat_map(|group| &group.members);
        all.filter(move |(other, _)| *other != seat)
            .map(|(_, member)| member)
    }

    /// What the others of its release, or of its waves, show to an analysis.
    pub(super) fn shown<'a>(
        &'a self,
        bond: &'a (Bond, Seat),
        analyses: &'a BTreeMap<AnalysisId, Analysis>,
    ) -> Vec<Peer<'a>> {
        let others = self.others(bond);
        let shown = others.filter_map(|member| match member {
            Member::Here(id) => analyses.get(id).map(Analysis::as_peer),
            Member::Gone(gone) => Some(Peer {
                deploy: &gone.deploy,
                coordination: &gone.coordination,
                shows: Shows::Verdict(gone.verdict),
            }),
        });
        shown.collect()
    }

    /// Open analyses of other deploys in a place, the newest first.
    pub(super) fn rivals<'a>(
        &'a self,
        deploy: &'a Deploy,
        analyses: &'a BTreeMap<AnalysisId, Analysis>,
    ) -> impl Iterator<Item = &'a Analysis> {
        let open = self.open.get(&place(deploy)).into_iter();
        let open = open.flat_map(|open| open.values().rev());
        open.filter_map(|id| analyses.get(id))
            .filter(|other| !same_deploy(&other.plan.rollout.deploy, deploy))
    }

    /// The hold of the open ones bound to an analysis may have changed.
    pub(super) fn stir_others(&mut self, analysis: &Analysis) {
        let deploy = &analysis.plan.rollout.deploy;
        for (bond, _) in bonds(&analysis.coordination, deploy) {
            let open = self.bound.get(&bond).into_iter();
            let open = open.flat_map(|group| &group.open);
            let others = open.filter(|other| **other != analysis.id);
            self.stirred.extend(others.cloned());
        }
    }

    /// The hold of an analysis may have changed.
    pub(super) fn stir(&mut self, id: &AnalysisId) {
        self.stirred.insert(id.clone());
    }

    /// The hold of every open analysis may have changed.
    pub(super) fn stir_all(&mut self) {
        let open = self.open.values().flat_map(BTreeMap::values).cloned();
        self.stirred.extend(open);
    }

    /// The next one whose hold may have changed.
    pub(super) fn next_stirred(&mut self) -> Option<AnalysisId> {
        self.stirred.pop_first()
    }
}
