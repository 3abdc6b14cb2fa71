//! A real Prometheus on a free loopback port, with history if wanted; it ends with its owner.

use super::openmetrics::History;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use url::Url;

/// Starts tried before giving up: the free port may be taken between finding and using it.
const STARTS_MAX: usize = 3;

/// What the server says on its log once queries are answered.
const READY: &str = "Server is ready to receive web requests.";

/// What a test wants of its server.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    /// Loaded before the start.
    pub(crate) history: Option<&'a History>,
    /// Scraped as job `app` every second.
    pub(crate) target: Option<SocketAddr>,
    /// Where an `http_sd` document names targets, scraped every second.
    pub(crate) discovery: Option<Url>,
    /// Such as `/prometheus`.
    pub(crate) prefix: &'a str,
    /// Native histograms are scraped and kept.
    pub(crate) native: bool,
}

/// The running server.
pub(crate) struct PrometheusServer {
    child: Child,
    url: Url,
    _dir: tempfile::TempDir,
}

impl PrometheusServer {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(wanted: &Wanted<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if let Some(history) = wanted.history {
            load(history, dir.path(), &data);
        }
        let config = dir.path().join("prometheus.yml");
        std::fs::write(&config, configuration(wanted)).unwrap();
        let mut said = String::new();
        for _ in 0..STARTS_MAX {
            let port = free_port();
            match launch(&config, &data, port, wanted) {
                Ok(child) => {
                    let url = format!("http://127.0.0.1:{port}{}", wanted.prefix);
                    return Self {
                        child,
                        url: url.parse().unwrap(),
                        _dir: dir,
                    };
                }
                Err(log) => said = log,
            }
        }
        panic!("prometheus did not become ready:\n{said}");
    }

    /// Where it answers, prefix included.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(wanted: &Wanted<'_>) -> String {
    let of_target = |address: SocketAddr| {
        format!("scrape_configs:\n- job_name: app\n  static_configs:\n  - targets: ['{address}']\n")
    };
    let of_document = |url: &Url| {
        format!("scrape_configs:\n- job_name: app\n  http_sd_configs:\n  - url: '{url}'\n")
    };
    let scrape = wanted.target.map(of_target);
    let scrape = scrape.or_else(|| wanted.discovery.as_ref().map(of_document));
    let scrape = scrape.unwrap_or_default();
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{scrape}")
}

/// Makes blocks of the history.
fn load(history: &History, dir: &Path, data: &Path) {
    let file = dir.join("history.om");
    std::fs::write(&file, history.text()).unwrap();
    let mut command = Command::new("promtool");
    command.args(["tsdb", "create-blocks-from", "openmetrics"]);
    let output = command
        .arg(&file)
        .arg(data)
        .output()
        .unwrap_or_else(|e| missing("promtool", &e));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "promtool refused the history: {said}"
    );
}

/// The child once it is ready, or what it said before it ended.
fn launch(config: &Path, data: &Path, port: u16, wanted: &Wanted<'_>) -> Result<Child, String> {
    let prefix = wanted.prefix;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        // History is older than any sensible retention.
        .args([
            "--storage.tsdb.retention.time=100y",
            "--no-storage.tsdb.use-lockfile",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if wanted.native {
        command.arg("--enable-feature=native-histograms");
    }
    if !prefix.is_empty() {
        command.arg(format!(
            "--web.external-url=http://127.0.0.1:{port}{prefix}"
        ));
    }
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| missing("prometheus", &error));
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    for line in log.by_ref().map_while(Result::ok) {
        if line.contains(READY) {
            // Its log is read to the end, or a full pipe would stop it.
            std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
            return Ok(child);
        }
        said.push_str(&line);
        said.push('\n');
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(said)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn missing(program: &str, error: &std::io::Error) -> ! {
    panic!(
        "{program} cannot be run ({error}); these tests need a real server: \
         apt-get install -y prometheus"
    );
}
