//! The real program as a child process: started on a free port with a store of its own, ended by
//! its own process id, and reaped. Nothing here knows the inside of the daemon.

use reqwest::Method;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The daemon's default key in tests: `whsec_` and 32 bytes in base64.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// What the daemon says on stderr once it listens.
const LISTENS: &str = "haldane listens on ";

/// A start that takes longer is a fault of its own.
const START_MAX: Duration = Duration::from_secs(30);

/// A place to run a daemon in: configuration, templates, key and store. It outlives its daemons.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    settings: Vec<(String, String)>,
    /// Further lines of the configuration, such as arrays of tables.
    more: String,
}

impl Site {
    /// `settings` are `section.key` and value; loopback webhooks are allowed unless they say else.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("templates")).unwrap();
        std::fs::write(dir.path().join("key.whsec"), SECRET).unwrap();
        let mut site = Self {
            dir,
            settings: Vec::new(),
            more: String::new(),
        };
        let own = [
            ("server.listen", "127.0.0.1:0".to_owned()),
            ("store.path", site.store().display().to_string()),
            (
                "templates.dir",
                site.path("templates").display().to_string(),
            ),
            (
                "webhooks.key",
                format!("file:{}", site.path("key.whsec").display()),
            ),
            ("webhooks.allow_private", "true".to_owned()),
        ];
        for (key, value) in own {
            site.set(key, &value);
        }
        for (key, value) in settings {
            site.set(key, value);
        }
        site
    }

    /// A site whose source is the scenario in `text`.
    pub(crate) fn simulated(text: &str) -> Self {
        let mut site = Self::new(&[("source.kind", "simulated")]);
        let path = site.path("scenario.yaml");
        std::fs::write(&path, text).unwrap();
        site.set("source.scenario", &path.display().to_string());
        site
    }

    /// Changes a setting; the next start sees it.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Adds lines to the end of the configuration; the next start sees them.
    pub(crate) fn configure(&mut self, lines: &str) {
        self.more.push_str(lines);
    }

    /// A file of the site.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The decision log.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("haldane.db")
    }

    /// Writes a template that the next start knows by its `metadata.name`.
    pub(crate) fn template(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("templates").join(format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `haldane serve` with the site's settings, not yet started.
    fn serve(&self) -> Command {
        let mut command = program();
        let mut file: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
        for (key, value) in &self.settings {
            let (section, name) = key.split_once('.').unwrap();
            let plain = ["true", "false"].contains(&value.as_str())
                || (!value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()))
                || value.starts_with('[')
                || value.starts_with("{ ");
            let text = if plain {
                value.clone()
            } else {
                format!("{value:?}")
            };
            writeln!(file.entry(section).or_default(), "{name} = {text}").unwrap();
        }
        let mut text = String::new();
        for (section, lines) in &file {
            writeln!(text, "[{section}]\n{lines}").unwrap();
        }
        text.push_str(&self.more);
        std::fs::write(self.path("haldane.toml"), text).unwrap();
        command
            .arg("serve")
            .arg("--config")
            .arg(self.path("haldane.toml"));
        command
    }

    /// Starts the daemon and waits until it takes submissions.
    pub(crate) async fn start(&self) -> Daemon {
        let daemon = self
            .spawn()
            .await
            .unwrap_or_else(|ended| panic!("no start: {ended:?}"));
        daemon.ready().await;
        daemon
    }

    /// Starts it and waits until it listens, or has ended.
    pub(crate) async fn spawn(&self) -> Result<Daemon, Ended> {
        launch(self.serve()).await
    }

    /// The same with these environment variables.
    pub(crate) async fn spawn_with(&self, names: &[(&str, &str)]) -> Result<Daemon, Ended> {
        let mut command = self.serve();
        command.envs(names.iter().copied());
        launch(command).await
    }

    /// The same under a shell that runs `limits` first (`ulimit`); it becomes the daemon.
    pub(crate) async fn spawn_under(&self, limits: &str) -> Result<Daemon, Ended> {
        let serve = self.serve();
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("{limits}; exec \"$@\""))
            .arg("sh")
            .arg(serve.get_program());
        shell.args(serve.get_args()).env_remove("HALDANE_CONFIG");
        launch(shell).await
    }

    /// Starts it without waiting for anything.
    pub(crate) fn begin(&self) -> Starting {
        Starting::new(self.serve())
    }
}

/// The program, in an environment that says nothing of Haldane.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haldane"));
    for name in ["HALDANE_CONFIG", "HALDANE_SERVER", "HALDANE_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// Runs a command of the program to its end.
pub(crate) async fn haldane(args: &[&str]) -> Said {
    haldane_in(Path::new("/"), args).await
}

/// The same in a directory.
pub(crate) async fn haldane_in(dir: &Path, args: &[&str]) -> Said {
    let mut command = program();
    command.args(args).current_dir(dir).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    Said::from(&output)
}

/// Starts a command, interrupts it (Ctrl-C) once it has said something on stderr, and waits for
/// its end.
pub(crate) async fn interrupted(args: &[&str]) -> Said {
    signalled("-INT", args).await
}

/// The same with any signal.
pub(crate) async fn signalled(name: &'static str, args: &[&str]) -> Said {
    let mut command = program();
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let ended = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        err.read_line(&mut said).unwrap();
        assert!(!said.is_empty(), "it ended by itself");
        signal(name, pid);
        err.read_to_string(&mut said).unwrap();
        Said {
            code: child.wait().unwrap().code(),
            out: String::new(),
            err: said,
        }
    });
    let ended = tokio::time::timeout(Duration::from_secs(50), ended).await;
    ended.expect("a command that is signalled ends").unwrap()
}

/// Sends a signal to a child of ours.
fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args([name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<&Output> for Said {
    fn from(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

impl Said {
    /// Checks the exit code and that every part was said on stderr or stdout.
    pub(crate) fn check(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            let said = self.err.contains(part) || self.out.contains(part);
            assert!(said, "{part:?} is missing in {self:?}");
        }
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }
}

/// A daemon that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// A child that may not listen yet.
pub(crate) struct Starting {
    child: Child,
    said: Arc<Mutex<String>>,
    listens: oneshot::Receiver<String>,
    reader: std::thread::JoinHandle<()>,
}

impl Starting {
    fn new(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (told, listens) = oneshot::channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        let heard = Arc::clone(&said);
        // Its log is read to the end, or a full pipe would stop it.
        let reader = std::thread::spawn(move || {
            let mut told = Some(told);
            for line in log.lines().map_while(Result::ok) {
                if let (Some((_, url)), true) = (line.split_once(LISTENS), told.is_some()) {
                    drop(told.take().unwrap().send(url.to_owned()));
                }
                let mut text = heard.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self {
            child,
            said,
            listens,
            reader,
        }
    }

    /// Kills it wherever it is, and reaps it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
    }

    /// Waits until it listens, or has ended.
    pub(crate) async fn listening(mut self) -> Result<Daemon, Ended> {
        let listens = (&mut self.listens).await;
        if let Ok(url) = listens {
            return Ok(Daemon {
                url,
                child: self.child,
                said: self.said,
                client: client(),
            });
        }
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let said = out + &self.said.lock().unwrap();
        Err(Ended {
            code: status.code(),
            said,
        })
    }
}

async fn launch(command: Command) -> Result<Daemon, Ended> {
    let starting = Starting::new(command);
    tokio::time::timeout(START_MAX, starting.listening())
        .await
        .expect("a start takes seconds")
}

/// An HTTP client for tests.
pub(crate) fn client() -> reqwest::Client {
    haldane::prometheus::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// Checks the status, the stable code of the problem, and that every part is said.
    pub(crate) fn check(&self, status: u16, code: &str, parts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
        let text = self.body.to_string();
        let plain = text.replace("\\\"", "\"");
        for part in parts {
            let said = text.contains(part) || plain.contains(part);
            assert!(said, "{part:?} is missing in {text}");
        }
    }

    /// A text field.
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field}: {self:?}"))
            .to_owned()
    }
}

/// The running daemon.
pub(crate) struct Daemon {
    url: String,
    child: Child,
    said: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Daemon {
    /// Its address, `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until `/readyz` says yes.
    pub(crate) async fn ready(&self) {
        let asked = async {
            while !matches!(self.get("/readyz").await, Ok(Answer { status: 200, .. })) {
                // Nothing announces readiness but this answer.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(START_MAX, asked).await;
        done.unwrap_or_else(|_| panic!("never ready:\n{}", self.log()));
    }

    /// One request.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        request(&self.client, &self.url, Method::GET, path, &[], None).await
    }

    /// One request with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = Some(body.to_string().into_bytes());
        let json = [("content-type", "application/json")];
        request(&self.client, &self.url, Method::POST, path, &json, body)
            .await
            .unwrap()
    }

    /// The same without waiting for the answer.
    pub(crate) fn post_later(&self, path: &str, body: &Value) -> JoinHandle<Answer> {
        let (client, url, path) = (self.client.clone(), self.url.clone(), path.to_owned());
        let body = Some(body.to_string().into_bytes());
        tokio::spawn(async move {
            let json = [("content-type", "application/json")];
            request(&client, &url, Method::POST, &path, &json, body)
                .await
                .unwrap()
        })
    }

    /// Waits until `/readyz` says no, and why.
    pub(crate) async fn not_ready(&self, parts: &[&str]) {
        let asked = async {
            loop {
                let answer = self.get("/readyz").await.unwrap();
                if answer.status == 503 {
                    return answer;
                }
                // Nothing announces it but this answer.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let answer = tokio::time::timeout(START_MAX, asked)
            .await
            .expect("it stays ready");
        for part in parts {
            assert!(
                answer.body.to_string().contains(part),
                "{part:?} in {answer:?}"
            );
        }
    }

    /// Submits and gives the analysis' id.
    pub(crate) async fn submit(&self, body: &Value) -> String {
        let answer = self.post("/v1/analyses", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("id")
    }

    /// Waits for the final verdict; the document without metrics.
    pub(crate) async fn verdict(&self, id: &str) -> Value {
        for _ in 0..6 {
            let answer = self
                .get(&format!("/v1/analyses/{id}/verdict?wait=20s"))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            if answer.body["final"] == true {
                return answer.body;
            }
        }
        panic!("{id} has no verdict:\n{}", self.log());
    }

    /// SIGKILL, and reaped.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        signal("-TERM", self.child.id());
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self, within: Duration) -> Ended {
        let said = Arc::clone(&self.said);
        let waiting = tokio::task::spawn_blocking(move || {
            let status = self.child.wait().unwrap();
            drop(self); // only now: its drop would kill
            status
        });
        let status = tokio::time::timeout(within, waiting).await;
        let said = said.lock().unwrap().clone();
        let status = status.unwrap_or_else(|_| panic!("still there after {within:?}:\n{said}"));
        Ended {
            code: status.unwrap().code(),
            said,
        }
    }

    /// SIGTERM, waits for the end, and checks that it was a clean one.
    pub(crate) async fn stop(self) {
        self.terminate();
        let ended = self.ended(Duration::from_secs(30)).await;
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request; a body that is no JSON becomes a text.
pub(crate) async fn request(
    client: &reqwest::Client,
    url: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Result<Answer, reqwest::Error> {
    let mut request = client.request(method, format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, body })
}
