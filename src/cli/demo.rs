//! `haldane demo`: the whole job on simulated traffic. The daemon is the real one, on a real
//! store; only the clock is fast and the traffic is made up.

use crate::cli::args::DemoArgs;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::receiver::Receiver;
use crate::cli::{render, serve};
use crate::engine::view::View;
use crate::ids::AnalysisId;
use crate::serve::clock::Clock;
use crate::serve::config;
use crate::serve::source::Source;
use crate::serve::start::{Daemon, StartFault, start};
use crate::simulate::traffic::Traffic;
use crate::telemetry::{self, LogFormat};
use crate::time::{Span, Step};
use crate::webhook::signature::{SigningKey, secret_text};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SCENARIO: &str = include_str!("../../simulations/demo.yaml");
const TEMPLATE: &str = include_str!("../../simulations/demo-template.yaml");

/// How often the table is drawn.
const FRAME: Duration = Duration::from_millis(500);
/// Frames until the demo gives up: 55 s, so that it ends within a minute.
const FRAMES_MAX: u32 = 110;

/// One rollout of the demo.
struct Shown {
    id: AnalysisId,
    service: String,
    truth: String,
}

/// Runs the command.
pub(crate) async fn run(args: &DemoArgs, output: &mut Output) -> Exit {
    match demo(args, output).await {
        Ok(exit) => exit,
        Err(message) => {
            output.complain(&message);
            Exit::Internal
        }
    }
}

async fn demo(args: &DemoArgs, output: &mut Output) -> Result<Exit, String> {
    telemetry::init_logs("warn", LogFormat::Text)?;
    let dir = tempfile::tempdir().map_err(|fault| format!("temporary directory: {fault}"))?;
    let minute = Step::new(Span::from_s(60)).ok_or("a minute is a step")?;
    let clock = Clock::fast(Clock::system().now().align_down(minute), args.speed);
    let (key, key_file) = make_key(dir.path())?;
    let (receiver, hook) = Receiver::start(key, clock.clone())
        .await
        .map_err(|f| format!("receiver: {f}"))?;
    let traffic = Traffic::parse(SCENARIO)?;
    let truths: Vec<(String, String)> = traffic
        .scenario()
        .spec
        .services
        .iter()
        .map(|service| (service.name.clone(), service.truth.clone()))
        .collect();
    let daemon = start_daemon(args, dir.path(), &key_file, clock.clone(), traffic).await?;
    output.note(&format!(
        "daemon on http://{}, store in {}, receiver on http://{hook}/hook, clock {}× life",
        daemon.address,
        dir.path().display(),
        args.speed
    ));
    let mut shown = Vec::new();
    for (service, truth) in truths {
        let id = submit(&daemon, &service, &clock, &hook.to_string()).await?;
        shown.push(Shown { id, service, truth });
    }
    watch(&daemon, &receiver, &shown, &clock, output).await;
    let exit = report(&daemon, &receiver, &shown, output);
    if args.keep {
        output.note(&format!(
            "the daemon goes on at http://{} until Ctrl-C; try: haldane status --server http://{}",
            daemon.address, daemon.address
        ));
        serve::stop_signal().await;
    }
    daemon.stop().await;
    Ok(exit)
}

/// A fresh key, in a file as the configuration wants it.
fn make_key(dir: &Path) -> Result<(SigningKey, std::path::PathBuf), String> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system has no randomness".to_owned())?;
    let text = secret_text(&bytes).map_err(|fault| fault.to_string())?;
    let path = dir.join("demo.whsec");
    std::fs::write(&path, &text).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let key = SigningKey::parse(&text).map_err(|fault| fault.to_string())?;
    Ok((key, path))
}

async fn start_daemon(
    args: &DemoArgs,
    dir: &Path,
    key_file: &Path,
    clock: Clock,
    traffic: Traffic,
) -> Result<Daemon, String> {
    let templates = dir.join("templates");
    std::fs::create_dir(&templates).map_err(|fault| format!("templates: {fault}"))?;
    std::fs::write(templates.join("demo.yaml"), TEMPLATE).map_err(|f| format!("templates: {f}"))?;
    let flags = [
        ("server.listen", args.listen.clone()),
        ("store.path", dir.join("demo.db").display().to_string()),
        ("templates.dir", templates.display().to_string()),
        ("webhooks.key", format!("file:{}", key_file.display())),
        ("webhooks.allow_private", "true".to_owned()),
    ];
    let config = config::load(None, &flags)?;
    let handle = telemetry::metrics();
    let source = Source::Simulated(Arc::new(traffic));
    start(
        &config,
        clock,
        Some(source),
        Arc::new(move || handle.render()),
    )
    .await
    .map_err(|fault| match fault {
        StartFault::Config(message) | StartFault::World(message) => message,
    })
}

async fn submit(
    daemon: &Daemon,
    service: &str,
    clock: &Clock,
    hook: &str,
) -> Result<AnalysisId, String> {
    let body = json!({
        "template": "demo-service",
        "inputs": {"service": service},
        "baseline": {"track": "stable"},
        "canary": {"track": "canary"},
        "deploy": {
            "id": format!("{service}-42"), "service": service, "revision": "v42",
            "environment": "demo", "traffic_share": 0.25,
        },
        "start": clock.now().to_string(),
        "webhooks": [{"url": format!("http://{hook}/hook")}],
    });
    let url = format!("http://{}/v1/analyses", daemon.address);
    let answer = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .map_err(|fault| format!("submit {service}: {fault}"))?;
    let status = answer.status();
    let document: Value = answer
        .json()
        .await
        .map_err(|fault| format!("submit {service}: {fault}"))?;
    let id = document
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    AnalysisId::new(id).ok_or_else(|| format!("submit {service}: {status} {document}"))
}

/// Draws the table until both verdicts have arrived.
async fn watch(
    daemon: &Daemon,
    receiver: &Receiver,
    shown: &[Shown],
    clock: &Clock,
    output: &mut Output,
) {
    let mut drawn = Frame::default();
    for _ in 0..FRAMES_MAX {
        let views: Vec<Arc<View>> = shown
            .iter()
            .filter_map(|one| daemon.readings.get(&one.id))
            .collect();
        drawn.draw(&views, clock, output);
        if shown
            .iter()
            .all(|one| receiver.verdict_of(one.id.as_str()).is_some())
        {
            return;
        }
        tokio::time::sleep(FRAME).await;
    }
}

/// The last frame, so that a terminal is redrawn in place and a log gets one frame per change.
#[derive(Default)]
struct Frame {
    lines: usize,
    looks: Vec<(u32, bool)>,
}

impl Frame {
    fn draw(&mut self, views: &[Arc<View>], clock: &Clock, output: &mut Output) {
        let looks: Vec<(u32, bool)> = views
            .iter()
            .map(|view| (view.looks, view.conclusion.is_some()))
            .collect();
        // A log is spared most of the looks: every fifth, and each conclusion.
        let concluded = looks.iter().filter(|(_, done)| *done).count();
        let before = self.looks.iter().filter(|(_, done)| *done).count();
        let fifth = looks != self.looks && looks.iter().any(|(look, done)| !done && look % 5 == 1);
        if !output.terminal && concluded == before && !fifth {
            return;
        }
        self.looks = looks;
        let mut text = String::new();
        for view in views {
            text.push_str(&panel(view, clock, output.color));
        }
        if output.terminal && self.lines > 0 {
            // Up to where the last frame began, and clear from there.
            let up = format!("\u{1b}[{}A\u{1b}[J", self.lines);
            output.data(&format!("{up}{text}"));
        } else {
            output.data(&text);
        }
        self.lines = text.lines().count();
    }
}

fn panel(view: &View, clock: &Clock, color: bool) -> String {
    let plan = &view.plan;
    let word = view
        .conclusion
        .as_ref()
        .map_or("pending", |c| c.verdict.word());
    let left = plan.timing.deadline.since(clock.now());
    let time = if view.conclusion.is_some() {
        "done".to_owned()
    } else {
        format!("at most {} left", Span::from_s(left.ms() / 1000))
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}   look {} of {}, {time}",
        render::headline(word, plan, color),
        view.looks,
        plan.timing.looks_planned()
    );
    let _ = writeln!(out, "  {}", view.sentence);
    if let Some(judgement) = &view.judgement {
        out.push_str(&render::findings(plan, judgement, color));
    }
    out.push('\n');
    out
}

/// What came of it: the sentence as the receiver got it, against the truth of the scenario.
fn report(daemon: &Daemon, receiver: &Receiver, shown: &[Shown], output: &mut Output) -> Exit {
    let mut text = String::from("what the receiver got, each signature verified:\n");
    let mut right = true;
    for one in shown {
        let Some(event) = receiver.verdict_of(one.id.as_str()) else {
            let state = daemon.readings.get(&one.id);
            let _ = writeln!(text, "  {}: nothing yet ({state:?})", one.service);
            right = false;
            continue;
        };
        let field = |key: &str| {
            let data = event.get("data");
            data.and_then(|d| d.get(key))
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let verdict = field("verdict");
        right &= verdict == one.truth;
        let _ = writeln!(
            text,
            "  {} {} {}: {}",
            render::painted(render::symbol(&verdict), &verdict, output.color),
            one.service,
            verdict,
            field("reason")
        );
    }
    for refused in receiver.refused() {
        let _ = writeln!(text, "  refused: {refused}");
        right = false;
    }
    output.data(&text);
    if right {
        Exit::Clean
    } else {
        output.complain("the demo did not end with the verdicts its scenario promises");
        Exit::Internal
    }
}
