//! Start: configuration in, running daemon out. Four visible stages: parse, open, recover, run.

use crate::dialect::Dialects;
use crate::engine::coordination::policy::Policies;
use crate::engine::effect::Effect;
use crate::engine::glance::RECOVERY_WITHIN;
use crate::engine::recover::Recovery;
use crate::engine::{Engine, Limits as EngineLimits};
use crate::http::{
    self, Ask, Binding, Credential, Desk, Health, KayentaSettings, KnownReceiver, Paper, Papers,
    Right, Templates,
};
use crate::ids::AnalysisId;
use crate::judge::sequential::Tables;
use crate::serve::clock::Clock;
use crate::serve::config::{self, Config, KayentaConfig};
use crate::serve::event_loop::{ASKS_QUEUED_MAX, EVENTS_QUEUED_MAX, EventLoop};
use crate::serve::hook_templates::HookTemplates;
use crate::serve::outbox::Outbox;
use crate::serve::perform::{Performer, RECORDINGS_AT_ONCE_MAX};
use crate::serve::source::Source;
use crate::serve::{bindings, coordination, github, hook_templates, keys, sources, templates};
use crate::store::{self, Loaded, Store};
use crate::time::{Span, Timestamp};
use crate::webhook::Sender;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why the daemon did not start.
#[derive(Debug)]
pub enum StartFault {
    /// Something in the configuration: exit code 2.
    Config(String),
    /// Something of the world (port, store, file): exit code 4.
    World(String),
}

/// A daemon under way.
pub struct Daemon {
    /// Where it listens.
    pub address: SocketAddr,
    /// The views it has published.
    pub readings: http::Readings,
    /// How many templates it has.
    pub templates: usize,
    over: CancellationToken,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    store: Arc<Store>,
    drain: Duration,
}

impl Daemon {
    /// Resolves when the engine's loop has ended by itself, which it never should.
    pub async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Drains: answers what is under way, makes every record durable, ends. Work that does not
    /// end in time is left; it is owed at the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        let all = futures_util::future::join_all(self.tasks);
        if tokio::time::timeout(self.drain, all).await.is_err() {
            tracing::warn!("the drain took too long; what is left is owed at the next start");
        }
        if let Some(store) = Arc::into_inner(self.store) {
            store.close();
        }
    }
}

/// Renders the daemon's own metrics.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Starts the daemon. `source` stands in for the configured one (the demo brings its own).
pub async fn start(
    config: &Config,
    clock: Clock,
    source: Option<Source>,
    metrics: RenderMetrics,
) -> Result<Daemon, StartFault> {
    let mut parsed = parse(config, source).map_err(StartFault::Config)?;
    // The port first: the cheapest thing that can be taken already.
    let (listener, address) = listen(&config.server.listen).await?;
    let (store, loaded) = Store::open(store::Options::new(&config.store.path))
        .map_err(|fault| StartFault::World(fault.message))?;
    let store = Arc::new(store);
    let (engine, owed) = recover(config, loaded, clock.now());

    let (ask, asks) = mpsc::channel(ASKS_QUEUED_MAX);
    let (events_in, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let stop = CancellationToken::new();
    let (drain, templates) = (parsed.drain, count(&parsed.templates));
    let desk = desk(config, &parsed, (clock.clone(), ask, metrics));
    fill(&desk.papers, &store)?;
    let watch = parsed.watch(&stop);
    let performer = Performer {
        source: parsed.source.clone(),
        store: store.clone(),
        outbox: Arc::new(outbox(config, parsed, clock.clone())),
        readings: desk.readings.clone(),
        papers: desk.papers.clone(),
        health: desk.health.clone(),
        events: events_in,
        tasks: TaskTracker::new(),
        tables: Tables::default(),
        recordings: Arc::new(Semaphore::new(RECORDINGS_AT_ONCE_MAX)),
    };
    let event_loop = EventLoop::new(engine, performer, (events, asks), (clock, stop.clone()));
    let (health, readings) = (desk.health.clone(), desk.readings.clone());
    let over = CancellationToken::new();
    let guard = over.clone().drop_guard();
    let looping = async move {
        event_loop.run(owed).await;
        drop(guard);
    };
    let serving = http::serve(listener, desk, stop.clone());
    let tasks = vec![
        tokio::spawn(looping),
        tokio::spawn(serving),
        tokio::spawn(watch),
    ];
    health.ready.store(true, Ordering::Release);
    tracing::info!(%address, "listening");
    Ok(Daemon {
        address,
        readings,
        templates,
        over,
        stop,
        tasks,
        store,
        drain,
    })
}

/// Everything a person wrote, read before anything is touched.
struct Parsed {
    credentials: Vec<Credential>,
    keys: keys::Keys,
    sender: Sender,
    receivers: Vec<KnownReceiver>,
    hook_templates: HookTemplates,
    drain: Duration,
    templates: Templates,
    folder: templates::Folder,
    reload: Duration,
    source: Source,
    bindings: Vec<Binding>,
    dialects: Dialects,
    coordination: Policies,
    github: github::Parsed,
    kayenta: KayentaSettings,
}

impl Parsed {
    /// Keeps the templates up to date; to be called once.
    fn watch(&mut self, stop: &CancellationToken) -> impl Future<Output = ()> + use<> {
        let folder = std::mem::take(&mut self.folder);
        folder.watch(self.templates.clone(), self.reload, stop.clone())
    }
}

fn parse(config: &Config, source: Option<Source>) -> Result<Parsed, String> {
    let drain = config::span("limits.drain", &config.limits.drain)?;
    let receivers = config::receiver_names(&config.webhooks)?;
    let (folder, templates) = templates::Folder::open(&config.templates.dir, receivers)?;
    let policy = keys::policy(&config.webhooks);
    let hook_templates = hook_templates::read(&config.webhooks, &policy)?;
    let bindings = bindings::read(&config.bindings)?;
    let dialects = Dialects::with(&config.dialects)?;
    Ok(Parsed {
        credentials: credentials(config)?,
        github: github::read(
            &config.github,
            &config.webhooks.receivers,
            &bindings,
            &dialects,
        )?,
        bindings,
        dialects,
        coordination: coordination::read(&config.coordination)?,
        kayenta: kayenta(&config.kayenta)?,
        keys: keys::read(&config.webhooks)?,
        sender: keys::sender(&config.webhooks)?,
        receivers: keys::receivers(&config.webhooks, &hook_templates)?,
        hook_templates,
        drain: Duration::from_millis(u64::try_from(drain.ms()).unwrap_or(0)),
        templates,
        folder,
        reload: reload(&config.templates.reload)?,
        source: match source {
            Some(source) => source,
            None => sources::open(&config.source)?,
        },
    })
}

/// How often changed templates are looked for; zero for never.
fn reload(text: &str) -> Result<Duration, String> {
    if Span::parse(text) == Some(Span::ZERO) {
        return Ok(Duration::ZERO);
    }
    let every = config::span("templates.reload", text)?;
    Ok(Duration::from_millis(
        u64::try_from(every.ms()).unwrap_or(0),
    ))
}

fn count(templates: &Templates) -> usize {
    let templates = templates.read();
    let templates = templates.unwrap_or_else(PoisonError::into_inner);
    templates.known.len()
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), StartFault> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|at| (listener, at)),
        Err(fault) => Err(fault),
    };
    bound.map_err(|fault| {
        StartFault::World(format!(
            "server.listen {address}: {fault}; stop what listens there or choose another address"
        ))
    })
}

/// Folds the log. What cannot be read is said and left alone (A11).
fn recover(config: &Config, loaded: Loaded, now: Timestamp) -> (Engine, Vec<Effect>) {
    let limits = EngineLimits {
        analyses_max: config.limits.analyses_max,
        recovery_within: RECOVERY_WITHIN,
        ..EngineLimits::default()
    };
    let mut recovery = Recovery::new(limits);
    for damage in loaded.damaged {
        if let Some(id) = AnalysisId::new(&damage.analysis) {
            recovery.damaged(damage.seq, &id, damage.message);
        } else {
            tracing::error!(why = %damage.message, "a record of no analysis is damaged");
        }
    }
    recovery.continue_after(loaded.last);
    for (from, to) in &loaded.holes {
        tracing::error!(
            from = from.0,
            to = to.0,
            "records are missing from the decision log"
        );
    }
    for (seq, record) in &loaded.records {
        recovery.record(*seq, record);
    }
    let mut owed = Vec::new();
    let (engine, unreadable) = recovery.finish(now, &mut owed);
    for lost in &unreadable {
        tracing::error!(analysis = %lost.id, why = %lost.why, "analysis is unreadable");
    }
    (engine, owed)
}

/// Reads the papers. What is damaged is said and left alone (A11).
fn fill(papers: &Papers, store: &Store) -> Result<(), StartFault> {
    let read = store.all_papers();
    let (all, damaged) = read.map_err(|fault| StartFault::World(fault.message))?;
    for why in damaged {
        tracing::error!(%why, "a paper is damaged");
    }
    for paper in all {
        let paper = Paper {
            kind: paper.kind,
            name: paper.name,
            at: paper.at,
            body: paper.body.into(),
        };
        papers.apply(&http::Change::Keep(Arc::new(paper)));
    }
    Ok(())
}

fn kayenta(config: &KayentaConfig) -> Result<KayentaSettings, String> {
    let sequential = match config.judge.as_str() {
        "kayenta" => false,
        "sequential" => true,
        other => {
            return Err(format!(
                "kayenta.judge: `{other}` is none of kayenta, sequential"
            ));
        }
    };
    Ok(KayentaSettings {
        sequential,
        accounts: config.accounts.clone(),
        applications: config.applications.clone(),
    })
}

/// What signs and sends messages.
fn outbox(config: &Config, parsed: Parsed, clock: Clock) -> Outbox {
    Outbox {
        sender: parsed.sender,
        clock,
        default_keys: parsed.keys.default,
        named_keys: parsed.keys.named,
        source: config.webhooks.source.clone(),
        templates: parsed.hook_templates,
        github: parsed.github.outgoing,
    }
}

/// What the HTTP door sees.
fn desk(
    config: &Config,
    parsed: &Parsed,
    (clock, ask, metrics): (Clock, mpsc::Sender<Ask>, RenderMetrics),
) -> Desk {
    Desk {
        readings: http::Readings::default(),
        templates: parsed.templates.clone(),
        ask,
        credentials: parsed.credentials.clone().into(),
        health: Arc::new(Health::default()),
        limits: http::Limits {
            body_bytes_max: config.server.body_bytes_max,
            connections_max: config.server.connections_max,
            requests_max: config.server.requests_max,
            ..http::Limits::default()
        },
        metrics,
        now: Arc::new(move || clock.now()),
        next_id: Arc::new(next_id),
        check_receiver: keys::receiver_check(&config.webhooks, parsed.hook_templates.clone()),
        key_names: config.webhooks.keys.keys().cloned().collect(),
        receivers: parsed.receivers.clone().into(),
        has_default_key: !parsed.keys.default.is_empty(),
        bindings: parsed.bindings.clone().into(),
        dialects: Arc::new(parsed.dialects.clone()),
        coordination: Arc::new(parsed.coordination.clone()),
        github: parsed.github.door.clone(),
        papers: Papers::default(),
        kayenta: Arc::new(parsed.kayenta.clone()),
    }
}

/// A fresh id: time-ordered (UUID version 7), so that a list of ids is a list in time.
fn next_id() -> AnalysisId {
    AnalysisId::new(&uuid::Uuid::now_v7().simple().to_string())
        .expect("thirty-two hexadecimal digits are a legal id")
}

fn credentials(config: &Config) -> Result<Vec<Credential>, String> {
    let mut out = Vec::new();
    for (idx, written) in config.server.credentials.iter().enumerate() {
        let key = format!("server.credentials[{idx}]");
        let right = match written.right.as_str() {
            "read" => Right::Read,
            "submit" => Right::Submit,
            "override" => Right::Override,
            other => {
                return Err(format!(
                    "{key}.right: `{other}` is none of read, submit, override"
                ));
            }
        };
        let token = written
            .token
            .read(&format!("{key}.token"))?
            .ok_or_else(|| format!("{key}.token: missing; write file:/path or env:NAME"))?;
        out.push(Credential {
            author: written.author.clone(),
            token,
            right,
        });
    }
    Ok(out)
}
