//! `haldane demo`: the whole job on simulated traffic. The daemon is the real one, on a real
//! store; only the clock is fast and the traffic is made up.

use crate::cli::args::DemoArgs;
use crate::cli::card::Card;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::receiver::Receiver;
use crate::cli::serve::{self, stop_signal};
use crate::cli::style::Style;
use crate::cli::table;
use crate::engine::view::View;
use crate::ids::AnalysisId;
use crate::serve::clock::Clock;
use crate::serve::config;
use crate::serve::source::Source;
use crate::serve::start::{Daemon, start};
use crate::simulate::scenario::RolloutSpec;
use crate::simulate::traffic::Traffic;
use crate::telemetry::{self, LogFormat};
use crate::time::{Span, Step, Timestamp};
use crate::webhook::signature::{SigningKey, secret_text};
use crate::wire::verdict::VerdictDocument;
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

/// Everything under way.
struct Stage {
    daemon: Daemon,
    receiver: Receiver,
    shown: Vec<Shown>,
    clock: Clock,
}

/// Runs the command.
pub(crate) async fn run(args: &DemoArgs, output: &mut Output) -> Exit {
    let done = demo(args, output).await;
    crate::cli::ended(done, output)
}

async fn demo(args: &DemoArgs, output: &mut Output) -> Result<Exit, Fault> {
    telemetry::init_logs("warn", LogFormat::Text).map_err(internal)?;
    let dir = tempfile::tempdir()
        .map_err(|fault| (Exit::Unavailable, format!("temporary directory: {fault}")))?;
    // One signal ends it wherever it is; the daemon is drained and its folder goes with it.
    let stopped = stop_signal();
    tokio::pin!(stopped);
    let stage = tokio::select! {
        biased;
        () = &mut stopped => return Ok(Exit::Interrupted),
        stage = set_up(args, dir.path(), output) => stage?,
    };
    let told = async {
        watch(&stage, output).await;
        let exit = report(&stage, output);
        if args.keep {
            let server = format!("http://{}", stage.daemon.address);
            output.note(&format!(
                "the daemon goes on at {server} until Ctrl-C; try: haldane status --server {server}"
            ));
        }
        exit
    };
    let ended = tokio::select! {
        biased;
        () = &mut stopped => None,
        exit = told => Some(exit),
    };
    if ended.is_some() && args.keep {
        stopped.await;
    }
    tokio::select! {
        () = stage.daemon.stop() => {}
        () = stop_signal() => {}
    }
    Ok(ended.unwrap_or(Exit::Interrupted))
}

fn internal(message: String) -> Fault {
    (Exit::Internal, message)
}

/// Daemon, receiver, and one submission per service of the scenario.
async fn set_up(args: &DemoArgs, dir: &Path, output: &mut Output) -> Result<Stage, Fault> {
    let minute = Step::new(Span::from_s(60)).expect("a minute is a step");
    let clock = Clock::fast(Clock::system().now().align_down(minute), args.speed);
    let (key, key_file) = make_key(dir).map_err(internal)?;
    let (receiver, hook) = Receiver::start(key, clock.clone())
        .await
        .map_err(|fault| (Exit::Unavailable, format!("receiver: {fault}")))?;
    let traffic = Traffic::parse(SCENARIO).map_err(internal)?;
    let truths: Vec<(String, String)> = traffic
        .scenario()
        .spec
        .rollouts
        .iter()
        .map(|rollout| (rollout.service.value.clone(), required_verdict(rollout)))
        .collect();
    let daemon = start_daemon(args, dir, &key_file, clock.clone(), traffic).await?;
    output.note(&format!(
        "daemon on http://{}, store in {}, receiver on http://{hook}/hook, clock {}× life",
        daemon.address,
        dir.display(),
        args.speed
    ));
    let mut shown = Vec::new();
    for (service, truth) in truths {
        let id = submit(&daemon, &service, &clock, &hook.to_string())
            .await
            .map_err(internal)?;
        shown.push(Shown { id, service, truth });
    }
    Ok(Stage {
        daemon,
        receiver,
        shown,
        clock,
    })
}

/// The verdict a rollout of the scenario must end with.
fn required_verdict(rollout: &RolloutSpec) -> String {
    let verdicts = rollout.expect.verdict.0.first();
    verdicts.map_or("", |verdict| verdict.word()).to_owned()
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
) -> Result<Daemon, Fault> {
    let templates = dir.join("templates");
    std::fs::create_dir(&templates)
        .and_then(|()| std::fs::write(templates.join("demo.yaml"), TEMPLATE))
        .map_err(|fault| (Exit::Unavailable, format!("templates: {fault}")))?;
    let flags = [
        ("server.listen", args.listen.clone()),
        ("store.path", dir.join("demo.db").display().to_string()),
        ("templates.dir", templates.display().to_string()),
        ("webhooks.key", format!("file:{}", key_file.display())),
        ("webhooks.allow_private", "true".to_owned()),
    ];
    let config = config::load(None, &flags).map_err(|message| (Exit::Usage, message))?;
    let handle = telemetry::metrics();
    let source = Source::Simulated(Arc::new(traffic));
    let metrics = Arc::new(move || handle.render());
    start(&config, clock, Some(source), metrics)
        .await
        .map_err(serve::fault)
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
async fn watch(stage: &Stage, output: &mut Output) {
    let mut drawn = Frame::default();
    for _ in 0..FRAMES_MAX {
        let views: Vec<Arc<View>> = stage
            .shown
            .iter()
            .filter_map(|one| stage.daemon.readings.get(&one.id))
            .collect();
        let heard = |one: &Shown| stage.receiver.verdict_of(one.id.as_str()).is_some();
        let done = stage.shown.iter().all(heard);
        drawn.draw(&views, &stage.clock, done, output);
        if done {
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
    fn draw(&mut self, views: &[Arc<View>], clock: &Clock, last: bool, output: &mut Output) {
        let looks: Vec<(u32, bool)> = views
            .iter()
            .map(|view| (view.looks, view.conclusion.is_some()))
            .collect();
        if !output.terminal {
            // A log is spared most of the looks: every tenth, and each conclusion.
            let concluded = |looks: &[(u32, bool)]| looks.iter().filter(|(_, done)| *done).count();
            let tenth = |(look, done): &(u32, bool)| !done && look % 10 == 1;
            let is_new = looks != self.looks && looks.iter().any(tenth);
            let is_worth = is_new || concluded(&looks) != concluded(&self.looks);
            self.looks = looks;
            if is_worth {
                output.data(&text(views, clock.now(), output.style));
            }
            return;
        }
        let (width, height) = Output::size();
        let style = Style {
            width,
            ..output.style
        };
        let text = text(views, clock.now(), style);
        // What is redrawn must fit: a line that wraps or scrolls away cannot be gone back to. The
        // last frame stays, and may be as long as it likes.
        let limit = if last {
            usize::MAX
        } else {
            height.saturating_sub(1).max(1)
        };
        let mut frame = String::new();
        if self.lines > 0 {
            let _ = write!(frame, "\u{1b}[{}A", self.lines);
        }
        self.lines = 0;
        for line in text.lines().take(limit) {
            let shown = if last {
                line.to_owned()
            } else {
                style.cut(line, width)
            };
            let _ = writeln!(frame, "{shown}\u{1b}[K");
            self.lines += 1;
        }
        frame.push_str("\u{1b}[J");
        output.write(&frame);
    }
}

fn text(views: &[Arc<View>], now: Timestamp, style: Style) -> String {
    views.iter().fold(String::new(), |mut out, view| {
        let document = VerdictDocument::from_view(view, true);
        let _ = writeln!(
            out,
            "{}",
            table::whole(&Card::of_analysis(&document, now), style)
        );
        out
    })
}

/// What came of it: the sentence as the receiver got it, against the truth of the scenario.
fn report(stage: &Stage, output: &mut Output) -> Exit {
    let style = output.style;
    let mut text = String::from("what the receiver got, each signature verified:\n");
    let mut right = true;
    for one in &stage.shown {
        let Some(event) = stage.receiver.verdict_of(one.id.as_str()) else {
            let reason = stage.daemon.readings.get(&one.id);
            let reason = reason.map_or_else(String::new, |view| view.sentence.clone());
            let _ = writeln!(text, "  {}: nothing yet ({reason})", one.service);
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
            style.painted(style.symbol(&verdict), &verdict),
            one.service,
            verdict,
            field("reason")
        );
    }
    for refused in stage.receiver.refused() {
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
