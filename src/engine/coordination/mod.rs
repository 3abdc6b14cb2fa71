//! How analyses stand to one another: which one goes first when a service is deployed twice at a
//! time, which ones promote together or one region after the other, which are only watched, and
//! what a freeze keeps back.
//!
//! `hold` is the pure rule of what holds a promote back, `freeze` what a freeze is, `register` who
//! belongs together, `peers` the engine's side of it. A hold of this kind keeps a
//! promote back and never turns into a rollback: what is shown harmful goes back at once, and an
//! analysis that is still held at its deadline ends inconclusive with the reason named.
//!
//! An analysis in shadow takes part in nothing of this: it holds nobody back and waits for nobody.

pub mod freeze;
mod freezes;
pub mod hold;
mod peers;
pub mod policy;
pub mod register;
pub mod steps;

pub(super) use register::Peers;

use crate::plan::rollout::Deploy;

/// How an analysis stands to others, as it was submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coordination {
    /// It is judged and recorded as any other, and every caller is told to go on.
    pub shadow: bool,
    /// What becomes of it when another deploy of the same service is not resolved yet.
    pub concurrent: Concurrent,
    /// The release it belongs to.
    pub release: Option<Release>,
    /// The wave it belongs to.
    pub wave: Option<Wave>,
}

impl Coordination {
    /// Whether a repeat of a submission asks for the same; what becomes of concurrent deploys is
    /// the configuration's and may have changed since.
    pub fn repeats(&self, other: &Self) -> bool {
        (self.shadow, &self.release, &self.wave) == (other.shadow, &other.release, &other.wave)
    }
}

/// What becomes of a deploy while another of the same service, environment and region is not
/// resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concurrent {
    /// Both go on.
    #[default]
    Allow,
    /// The newer waits; its clock starts when the earlier one is resolved.
    Queue,
    /// The older ends as inconclusive.
    Supersede,
    /// The newer is refused.
    Refuse,
}

impl Concurrent {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Queue, Self::Supersede, Self::Refuse];

    /// The word in configuration and records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Queue => "queue",
            Self::Supersede => "supersede",
            Self::Refuse => "refuse",
        }
    }

    /// The reverse of [`Concurrent::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.word() == word)
    }
}

/// Services that are promoted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The name that its members share.
    pub group: String,
    /// The services that must be shown healthy before any is promoted; those that were submitted,
    /// when empty.
    pub members: Vec<String>,
    /// Lower ones are promoted first; all at once without.
    pub order: Option<u32>,
}

/// Deploys that are promoted one wave after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The name that all waves of one deploy share.
    pub name: String,
    /// Which one, from 1.
    pub index: u32,
}

/// Whether both are about the same place: service, environment and region.
pub fn same_place(l: &Deploy, r: &Deploy) -> bool {
    place(l) == place(r)
}

/// Whether both describe one and the same deploy, which is never in its own way: by identifier,
/// or by revision where neither has one.
pub fn same_deploy(l: &Deploy, r: &Deploy) -> bool {
    match (&l.id, &r.id) {
        (Some(l), Some(r)) => l == r,
        (None, None) => l.revision.is_some() && l.revision == r.revision,
        _ => false,
    }
}

fn place(deploy: &Deploy) -> (&str, Option<&str>, Option<&str>) {
    (
        &deploy.service,
        deploy.environment.as_deref(),
        deploy.region.as_deref(),
    )
}

/// A deploy in a sentence: `payments in eu-1 (v2)`.
pub fn spoken(deploy: &Deploy) -> String {
    let mut out = spoken_place(deploy);
    if let Some(revision) = &deploy.revision {
        out.push_str(" (");
        out.push_str(revision);
        out.push(')');
    }
    out
}

/// Where it is deployed, in a sentence: `payments in production, eu-1`.
fn spoken_place(deploy: &Deploy) -> String {
    let parts = [&deploy.environment, &deploy.region];
    let parts: Vec<&str> = parts
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    if parts.is_empty() {
        return deploy.service.clone();
    }
    format!("{} in {}", deploy.service, parts.join(", "))
}
