//! The daemon that is measured, on a free port, and the Prometheus it asks: a stand-in that answers
//! every range query with the same values, so that the daemon alone is measured.

use axum::body::Bytes;
use axum::http::Uri;
use haldane::cli::conformance::vectors::TEMPLATE;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The binding of controllers that know only a name; Spinnaker sends no `name`.
const BINDINGS: &str = r#"
[[bindings]]
name = "load"
template = "conformance"
service = "{{name}}"
baseline = 'pod=~"{{name}}-primary-.*"'
canary = 'pod=~"{{name}}-[0-9a-f]+-.*"'

[[bindings]]
name = "monitor"
template = "conformance"
service = "{{application}}"
baseline = 'group="{{oldServerGroup}}"'
canary = 'group="{{newServerGroup}}"'
"#;

/// A daemon of its own on a free port, ended with this process.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) url: String,
    _dir: tempfile::TempDir,
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        let prometheus = prometheus().await;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let templates = dir.path().join("templates");
        std::fs::create_dir(&templates).expect("a folder");
        std::fs::write(templates.join("conformance.yaml"), TEMPLATE).expect("a template");
        let config = dir.path().join("haldane.toml");
        std::fs::write(&config, BINDINGS).expect("a configuration");
        let mut child = Command::new(env!("CARGO_BIN_EXE_haldane"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--prometheus",
                &prometheus,
            ])
            .arg("--config")
            .arg(&config)
            .arg("--store")
            .arg(dir.path().join("haldane.db"))
            .arg("--templates")
            .arg(&templates)
            .current_dir(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let url = loop {
            let line = log.next().expect("it says where it listens").expect("text");
            if let Some((_, url)) = line.split_once("haldane listens on ") {
                break url.to_owned();
            }
        };
        // Read to the end, or a full pipe would stop it.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        Self {
            child,
            url,
            _dir: dir,
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts the stand-in; its URL.
async fn prometheus() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = axum::Router::new().fallback(|uri: Uri, body: Bytes| async move {
        axum::Json(answer(&uri, &String::from_utf8_lossy(&body)))
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A value at each step asked for, of both versions that [`crate::crowd`] names.
fn answer(uri: &Uri, form: &str) -> Value {
    if !uri.path().ends_with("/query_range") {
        return json!({ "status": "success", "data": { "version": "2.53.0" } });
    }
    let asked = |name: &str| -> f64 {
        let mut pairs = form.split('&');
        let found = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    let (from, to, step) = (asked("start"), asked("end"), asked("step").max(1.0));
    let series = ["v1", "v2"].map(|version| {
        let mut values = Vec::new();
        let mut at = from;
        while at <= to && values.len() < 1000 {
            // Spread evenly, so that neither arm is constant.
            let value = 1.0 + 0.1 * (at / step * 0.618_033_988_749_895).fract();
            values.push(json!([at, value.to_string()]));
            at += step;
        }
        json!({ "metric": { "version": version }, "values": values })
    });
    json!({ "status": "success", "data": { "resultType": "matrix", "result": series } })
}
