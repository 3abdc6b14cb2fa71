//! The HTTP door: what handlers see of the daemon, and what they may ask of it.
//!
//! Handlers never touch the engine. A write becomes an [`Ask`] with a reply channel; a read is
//! answered from [`Readings`], the views published so far, so it never waits for anything.
//!
//! | file | what |
//! |---|---|
//! | `server` | the accept loop: connection cap, header time-out, graceful stop |
//! | `routes` | the one table of endpoints; routing, rights and the OpenAPI document come from it |
//! | `office` | what all handlers share, and how they ask the driver |
//! | `guard` | what every request passes: request id, caps, credentials, time-out |
//! | `auth` | who is calling, and what they may do |
//! | `refused` | every way to say no, as problem details |
//! | `query` `body` | reading query strings and bodies strictly |
//! | `bind` `submit` `judge_once` | from a body to a plan, to an analysis, to one judgement |
//! | `github` | the webhook of a GitHub App: deployment protection rules |
//! | `binding` `join` | from a name to a submission; create an analysis or join it |
//! | `analyses` `events` `decisions` | reading, following, cancelling and overriding |
//! | `freezes` `steps` | what keeps promotes back for a while; steps of traffic |
//! | `deliveries` `acknowledge` `last_good` | who was told, who took note, what was good before |
//! | `recordings` | everything a verdict was made from, as a file |
//! | `reports` | what an analysis said, as a page and a picture |
//! | `named` `origin` | the analysis of a rollout that has a name; what address we have |
//! | `flagger` `gates` `spinnaker` | Flagger's hooks, its load tester's gates, Spinnaker's calls |
//! | `papers` | what callers have us keep |
//! | `kayenta` | Kayenta's API |
//! | `templates` `status` `openapi` | templates, health and metrics, the document |
//! | `verdict_answer` `verdict_join` | a gate's answer, and an address that begins too |
//! | `prom` | the same as a Prometheus query |
//! | `wire` | JSON shapes that only this door has |
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

mod acknowledge;
mod analyses;
mod auth;
mod bind;
mod binding;
mod body;
mod decisions;
mod deliveries;
pub mod deliveries_wire;
mod events;
mod flagger;
mod freezes;
mod gates;
mod github;
mod guard;
mod join;
mod judge_once;
mod kayenta;
mod last_good;
mod named;
mod office;
mod openapi;
mod origin;
mod papers;
mod prom;
mod query;
mod recordings;
mod refused;
mod reports;
mod routes;
mod server;
mod spinnaker;
mod status;
mod steps;
mod submit;
mod templates;
mod verdict_answer;
mod verdict_join;
pub mod wire;

pub use binding::Binding;
pub use github::{Github, GithubEnvironment};
pub use kayenta::Settings as KayentaSettings;
pub use papers::{Change, Paper, Papers};
pub use refused::Code;
pub use routes::{endpoints, router};
pub use server::serve;

use crate::dialect::Dialects;
use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::policy::Policies;
use crate::engine::effect::Answer;
use crate::engine::event::{SourceFault, Submission};
use crate::engine::good::{Good, Goods};
use crate::engine::record::{Record, Seq};
use crate::engine::verdict::{Hold, Verdict};
use crate::engine::view::View;
use crate::ids::{AnalysisId, DeliveryId, DeployId, TemplateName};
use crate::judge::judgement::Judgement;
use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::units::Probability;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot, watch};

/// The OpenAPI document of the API, as text.
pub fn openapi_json() -> String {
    openapi::document().to_pretty_json().unwrap_or_default()
}

/// The views published so far. Cheap to clone; readers never block writers for long.
#[derive(Clone, Debug)]
pub struct Readings {
    views: Arc<RwLock<Views>>,
    freezes: Arc<RwLock<Arc<[Freeze]>>>,
    goods: Arc<RwLock<Goods>>,
    changed: watch::Sender<u64>,
}

/// The views, and which of them are about the same deploy.
#[derive(Debug, Default)]
struct Views {
    by_id: BTreeMap<AnalysisId, Arc<View>>,
    by_deploy: BTreeMap<DeployId, BTreeSet<AnalysisId>>,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            views: Arc::default(),
            freezes: Arc::new(RwLock::new(Arc::from([]))),
            goods: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Readings {
    /// Puts a newer view in place of the old one and wakes everybody who waits.
    pub fn publish(&self, view: Arc<View>) {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let (id, deploy) = (view.id.clone(), view.plan.rollout.deploy.id.clone());
        let new = views.by_id.insert(id.clone(), view).is_none();
        if let Some(deploy) = deploy.filter(|_| new) {
            views.by_deploy.entry(deploy).or_default().insert(id);
        }
        drop(views);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Drops an old view; it can still be read from the decision log.
    pub fn forget(&self, id: &AnalysisId) {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        let gone = views.by_id.remove(id);
        if let Some(deploy) = gone
            .as_ref()
            .and_then(|v| v.plan.rollout.deploy.id.as_ref())
            && let Some(about_it) = views.by_deploy.get_mut(deploy)
        {
            about_it.remove(id);
            if about_it.is_empty() {
                views.by_deploy.remove(deploy);
            }
        }
    }

    /// The newest analysis of a deploy, by the owner's identifier of it.
    pub fn newest_of(&self, deploy: &DeployId) -> Option<Arc<View>> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let newest = views.by_deploy.get(deploy)?.last()?;
        views.by_id.get(newest).cloned()
    }

    /// All analyses of a deploy, the oldest first.
    pub fn all_of(&self, deploy: &DeployId) -> Vec<Arc<View>> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let about_it = views.by_deploy.get(deploy).into_iter().flatten();
        about_it
            .filter_map(|id| views.by_id.get(id).cloned())
            .collect()
    }

    /// The newest analysis of those deploys whose identifiers begin with that of `first`.
    pub fn newest_under(&self, first: &DeployId) -> Option<Arc<View>> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let under = views.by_deploy.range(first..);
        let under = under.take_while(|(id, _)| id.as_str().starts_with(first.as_str()));
        let newest = under.filter_map(|(_, about_it)| about_it.last()).max()?;
        views.by_id.get(newest).cloned()
    }

    /// The view of one analysis.
    pub fn get(&self, id: &AnalysisId) -> Option<Arc<View>> {
        self.views
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .get(id)
            .cloned()
    }

    /// All views, by id (which sorts by time of submission).
    pub fn all(&self) -> Vec<Arc<View>> {
        self.views
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .values()
            .cloned()
            .collect()
    }

    /// Puts other freezes in place of those there were.
    pub fn freeze(&self, all: Arc<[Freeze]>) {
        let mut freezes = self.freezes.write().unwrap_or_else(PoisonError::into_inner);
        *freezes = all;
    }

    /// The freezes there are.
    pub fn freezes(&self) -> Arc<[Freeze]> {
        let freezes = self.freezes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&freezes)
    }

    /// Puts a last good artefact in its place.
    pub fn note_good(&self, good: Arc<Good>) {
        let mut goods = self.goods.write().unwrap_or_else(PoisonError::into_inner);
        goods.note(good);
    }

    /// What was promoted last in a place.
    pub fn last_good(
        &self,
        service: &str,
        environment: Option<&str>,
        region: Option<&str>,
    ) -> Option<Arc<Good>> {
        let goods = self.goods.read().unwrap_or_else(PoisonError::into_inner);
        goods.of(service, environment, region)
    }

    /// Changes whenever a view is published.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// One template as the daemon has it.
#[derive(Clone, Debug)]
pub struct TemplateFile {
    /// The text.
    pub text: Arc<str>,
    /// The text, parsed.
    pub template: Arc<crate::template::Template>,
}

/// A template file that is refused; what was good before it stays in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFile {
    /// The file.
    pub file: String,
    /// The template that stays in use as it was, when there is one.
    pub keeps: Option<TemplateName>,
    /// Every error, with its source line.
    pub why: String,
}

/// The templates the daemon has.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// By name.
    pub known: BTreeMap<TemplateName, TemplateFile>,
    /// Files that are refused, in the order of their names.
    pub refused: Vec<RefusedFile>,
}

/// The templates the daemon has, which may change while it runs.
pub type Templates = Arc<RwLock<Shelf>>;

/// What handlers may ask of the driver.
#[derive(Debug)]
pub enum Ask {
    /// Analyse a rollout.
    Submit {
        /// What.
        submission: Box<Submission>,
        /// Where the answer goes; it is sent once the submission is durable (A3).
        reply: oneshot::Sender<Answer>,
    },
    /// Stop an analysis.
    Cancel {
        /// Which.
        id: AnalysisId,
        /// Who.
        author: String,
        /// Why.
        reason: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Decide instead.
    Override {
        /// Which.
        id: AnalysisId,
        /// The verdict.
        verdict: Verdict,
        /// Who.
        author: String,
        /// Why.
        reason: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Say that the canary gets another share of the traffic.
    Step {
        /// Which analysis.
        id: AnalysisId,
        /// The share.
        share: Probability,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Keep promotes back for a while.
    Freeze {
        /// What, and how long.
        freeze: Box<Freeze>,
        /// Where the answer goes; it is sent once the freeze is durable (A3).
        reply: oneshot::Sender<Answer>,
    },
    /// End a freeze before its time.
    Lift {
        /// Which.
        id: AnalysisId,
        /// Who.
        author: String,
        /// Why.
        reason: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Send a message once more.
    Redeliver {
        /// Which.
        delivery: DeliveryId,
        /// Who.
        author: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Take note of a verdict.
    Acknowledge {
        /// Of which analysis.
        id: AnalysisId,
        /// Who.
        author: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Answer>,
    },
    /// Judge once, without a record.
    Judge {
        /// The bound plan.
        plan: Arc<Plan>,
        /// Inline samples; without them the plan's queries are asked.
        samples: Option<Box<Batch>>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<OneShot, OnceFault>>,
    },
    /// Make the recording of an analysis.
    Recording {
        /// Which.
        id: AnalysisId,
        /// Where its bytes go.
        reply: oneshot::Sender<Result<Vec<u8>, RecordingFault>>,
    },
    /// Keep a paper, or keep it no longer.
    Paper {
        /// What.
        change: Change,
        /// Whether that is durable, or why not.
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Read every record of an analysis, samples included.
    Records {
        /// Which.
        id: AnalysisId,
        /// Where they go, or why they cannot be read.
        reply: oneshot::Sender<Result<Vec<(Seq, Record)>, String>>,
    },
}

/// Why a recording could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingFault {
    /// There is no such analysis, not in the log either.
    Unknown,
    /// The log could not be read.
    Store(String),
    /// It is more than a recording may hold, or its records cannot be used any more.
    Unusable(String),
}

/// Why a judgement made once came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnceFault {
    /// Samples could not be read.
    Source(SourceFault),
    /// The judge failed, which is a mistake of ours.
    Judge(String),
}

/// A judgement made once, with the verdict its table gives at the end of the window.
#[derive(Clone, Debug, PartialEq)]
pub struct OneShot {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The judgement.
    pub judgement: Judgement,
    /// The verdict.
    pub verdict: Verdict,
    /// The row of the verdict table.
    pub row: u8,
    /// What held a promote back, when something did.
    pub hold: Option<Hold>,
    /// The sentence.
    pub sentence: String,
}

/// Whether the daemon is well; set by the driver, read by `/readyz`.
#[derive(Debug, Default)]
pub struct Health {
    /// Set once recovery is done and the listener is open.
    pub ready: AtomicBool,
    /// Set when a drain has begun.
    pub draining: AtomicBool,
    /// Why records cannot be made durable at present, if so.
    pub store_fault: RwLock<Option<String>>,
    /// Why the source cannot be read at present, if so.
    pub source_fault: RwLock<Option<String>>,
}

impl Health {
    /// Whether new submissions can be taken.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
            && !self.draining.load(Ordering::Acquire)
            && self
                .store_fault
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .is_none()
    }
}

/// What a bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read everything.
    Read,
    /// Also submit, cancel and judge.
    Submit,
    /// Also override.
    Override,
}

/// One accepted credential.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Who it is, for the decision log.
    pub author: String,
    /// The bearer token, or the password of Basic auth with `author` as the user.
    pub token: Secret,
    /// What it may do.
    pub right: Right,
}

/// The limits of the door; beyond each the request is refused with a status that says so.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "every limit is a named `..._max` (A7)"
)]
pub struct Limits {
    /// Largest request body in bytes (413).
    pub body_bytes_max: usize,
    /// Connections at once; more wait in the accept queue.
    pub connections_max: usize,
    /// Requests at once; more are answered 503.
    pub requests_max: usize,
    /// Longest `?wait=` in seconds; a longer wish is shortened.
    pub wait_s_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // One template of 256 KiB plus samples; the rest are sizes of one small machine.
        Self {
            body_bytes_max: 8 << 20,
            connections_max: 1024,
            requests_max: 512,
            wait_s_max: 60,
        }
    }
}

/// Refuses a receiver that came with a submission, for its address or its form: `Err` names the
/// field and says why.
pub type CheckReceiver = Arc<
    dyn Fn(&crate::engine::record::Receiver) -> Result<(), (&'static str, String)> + Send + Sync,
>;

/// A receiver of the configuration.
#[derive(Clone, Debug)]
pub struct KnownReceiver {
    /// What templates call it; without a name it hears of every verdict.
    pub name: Option<crate::ids::ReceiverName>,
    /// Who it is.
    pub receiver: crate::engine::record::Receiver,
    /// Whose analyses it hears of.
    pub filter: crate::engine::subscription::Filter,
}

/// Everything a handler sees.
#[derive(Clone)]
pub struct Desk {
    /// Published views.
    pub readings: Readings,
    /// Templates by name.
    pub templates: Templates,
    /// To the driver.
    pub ask: mpsc::Sender<Ask>,
    /// Accepted credentials; empty means that nobody has to show one.
    pub credentials: Arc<[Credential]>,
    /// Health.
    pub health: Arc<Health>,
    /// Limits.
    pub limits: Limits,
    /// Renders our own metrics in the Prometheus text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The daemon's clock (A1: even here time is an argument, so that a demo can run fast).
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Makes the next analysis id.
    pub next_id: Arc<dyn Fn() -> AnalysisId + Send + Sync>,
    /// Refuses receivers at submission.
    pub check_receiver: CheckReceiver,
    /// Names of configured webhook keys, for a clear error when one is unknown.
    pub key_names: Arc<[String]>,
    /// Receivers of the configuration, besides those of the submission.
    pub receivers: Arc<[KnownReceiver]>,
    /// Whether a receiver may name no key.
    pub has_default_key: bool,
    /// What callers that know only a name get.
    pub bindings: Arc<[Binding]>,
    /// What callers are told in each state.
    pub dialects: Arc<Dialects>,
    /// What becomes of concurrent deploys, and who is in shadow.
    pub coordination: Arc<Policies>,
    /// GitHub, when it is configured.
    pub github: Option<Arc<Github>>,
    /// What callers have us keep.
    pub papers: Papers,
    /// Kayenta's API.
    pub kayenta: Arc<KayentaSettings>,
}
