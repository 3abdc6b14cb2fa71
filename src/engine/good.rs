//! The last good artefact: what was promoted last, per service, environment and region. Derived
//! from conclusions in the order of the log, so a restart knows the same.

use crate::engine::record::Conclusion;
use crate::engine::verdict::Verdict;
use crate::ids::{AnalysisId, DeployId};
use crate::plan::rollout::Deploy;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places whose last good artefact is known; beyond, the one promoted longest ago is forgotten, and
/// a rollback there names none. Fifty regions and environments of 200 services.
pub const LAST_GOOD_MAX: usize = 10_000;

/// What was promoted last in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The analysis that promoted it.
    pub analysis: AnalysisId,
    /// The owner's identifier of the deploy.
    pub deploy: Option<DeployId>,
    /// The revision shown to people.
    pub revision: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// The artefact's digest.
    pub artifact_digest: Option<String>,
    /// When it was promoted.
    pub at: Timestamp,
}

type Place = (String, Option<String>, Option<String>);

fn place(deploy: &Deploy) -> Place {
    let deploy = deploy.clone();
    (deploy.service, deploy.environment, deploy.region)
}

/// The last good artefact of every place.
#[derive(Clone, Debug, Default)]
pub struct Goods {
    known: BTreeMap<Place, (u64, Arc<Good>)>,
    /// The places by when they were noted, the oldest first.
    order: BTreeMap<u64, Place>,
    noted: u64,
}

impl Goods {
    /// Takes note of a conclusion: of a promote it becomes the last good artefact of its place,
    /// which is returned. A deploy that names no service is of no place.
    pub fn promoted(
        &mut self,
        id: &AnalysisId,
        deploy: &Deploy,
        conclusion: &Conclusion,
    ) -> Option<Arc<Good>> {
        if conclusion.verdict != Verdict::Promote || deploy.service.is_empty() {
            return None;
        }
        let from = deploy.clone();
        let good = Arc::new(Good {
            service: from.service,
            environment: from.environment,
            region: from.region,
            analysis: id.clone(),
            deploy: from.id,
            revision: from.revision,
            commit: from.commit,
            artifact_digest: from.artifact_digest,
            at: conclusion.at,
        });
        self.note(Arc::clone(&good));
        Some(good)
    }

    /// Puts an artefact in the place of the one that was good there before.
    pub fn note(&mut self, good: Arc<Good>) {
        let of = Good::clone(&good);
        let place = (of.service, of.environment, of.region);
        self.noted += 1;
        self.order.insert(self.noted, place.clone());
        if let Some((before, _)) = self.known.insert(place, (self.noted, good)) {
            self.order.remove(&before);
        }
        while self.known.len() > LAST_GOOD_MAX {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.known.remove(&oldest);
        }
    }

    /// What was promoted last where this deploy goes.
    pub fn before(&self, deploy: &Deploy) -> Option<Arc<Good>> {
        self.known
            .get(&place(deploy))
            .map(|(_, good)| Arc::clone(good))
    }

    /// What was promoted last there.
    pub fn of(
        &self,
        service: &str,
        environment: Option<&str>,
        region: Option<&str>,
    ) -> Option<Arc<Good>> {
        let place = (
            service.to_owned(),
            environment.map(str::to_owned),
            region.map(str::to_owned),
        );
        self.known.get(&place).map(|(_, good)| Arc::clone(good))
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Good>> {
        self.order
            .values()
            .filter_map(|place| self.known.get(place).map(|(_, good)| good))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn good(number: usize) -> Arc<Good> {
        Arc::new(Good {
            service: format!("s{number}"),
            environment: None,
            region: None,
            analysis: AnalysisId::new(&format!("a{number}")).unwrap(),
            deploy: None,
            revision: None,
            commit: None,
            artifact_digest: None,
            at: Timestamp::from_s(0),
        })
    }

    #[test]
    fn the_one_promoted_longest_ago_makes_room() {
        let mut goods = Goods::default();
        for number in 0..LAST_GOOD_MAX {
            goods.note(good(number));
        }
        goods.note(good(0)); // promoted again: now the newest
        goods.note(good(LAST_GOOD_MAX));
        assert_eq!(goods.all().count(), LAST_GOOD_MAX);
        assert!(goods.of("s0", None, None).is_some());
        assert!(goods.of("s1", None, None).is_none());
        assert!(goods.of("s2", None, None).is_some());
        assert!(goods.of("s2", Some("prod"), None).is_none());
    }
}
