//! A freeze: for as long as it lasts nothing is promoted where it applies. Rollbacks go on.

use crate::ids::AnalysisId;
use crate::plan::rollout::Deploy;
use crate::time::Timestamp;

/// Freezes at once; a further one is refused. People keep a handful.
pub const FREEZES_MAX: usize = 1_000;

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its name in the decision log, which it shares with analyses.
    pub id: AnalysisId,
    /// The service; all without.
    pub service: Option<String>,
    /// The environment; all without.
    pub environment: Option<String>,
    /// The region; all without.
    pub region: Option<String>,
    /// Since when.
    pub from: Timestamp,
    /// Until when; until somebody lifts it without.
    pub until: Option<Timestamp>,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl Freeze {
    /// Whether it applies to a deploy.
    pub fn applies(&self, deploy: &Deploy) -> bool {
        let fits = |wanted: &Option<String>, given: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == given
        };
        fits(&self.service, Some(&deploy.service))
            && fits(&self.environment, deploy.environment.as_deref())
            && fits(&self.region, deploy.region.as_deref())
    }

    /// Whether it lasts at `now`.
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.from <= now && !self.is_over(now)
    }

    /// Whether it ended before `now`, by itself.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// What it is about, in a sentence.
    pub fn spoken(&self) -> String {
        let parts = [
            ("service", &self.service),
            ("environment", &self.environment),
            ("region", &self.region),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_deref()?)))
            .collect();
        match parts.as_slice() {
            [] => "everything".to_owned(),
            some => some.join(", "),
        }
    }
}
