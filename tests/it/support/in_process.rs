//! The whole daemon inside the test: engine, store and door, with a clock and a source of its own.

use haldane::http::Readings;
use haldane::serve::clock::Clock;
use haldane::serve::config::{self, Config};
use haldane::serve::source::Source;
use haldane::serve::start::{Daemon, start};
use haldane::simulate::traffic::Traffic;
use std::path::Path;
use std::sync::Arc;

/// Where a daemon runs; it outlives its daemons.
pub(crate) struct Place {
    _dir: tempfile::TempDir,
    config: Config,
    scenario: String,
}

impl Place {
    /// With templates by file name, further lines of configuration, and simulated traffic.
    pub(crate) fn new(templates: &[(&str, &str)], lines: &str, scenario: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("templates");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in templates {
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
        let file = dir.path().join("haldane.toml");
        std::fs::write(&file, lines).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let flags = [
            ("server.listen", "127.0.0.1:0".to_owned()),
            ("store.path", shown(&dir.path().join("haldane.db"))),
            ("templates.dir", shown(&folder)),
        ];
        let config = config::load(Some(&file), &flags).unwrap();
        Self {
            _dir: dir,
            config,
            scenario: scenario.to_owned(),
        }
    }

    /// Starts a daemon on what is there.
    pub(crate) async fn start(&self, clock: Clock) -> Living {
        let traffic = Traffic::parse(&self.scenario).unwrap();
        let source = Source::Simulated(Arc::new(traffic));
        let metrics = Arc::new(String::new);
        let daemon = start(&self.config, clock, Some(source), metrics)
            .await
            .unwrap();
        Living {
            url: format!("http://{}", daemon.address),
            daemon,
        }
    }
}

/// A daemon under way.
pub(crate) struct Living {
    pub(crate) url: String,
    daemon: Daemon,
}

impl Living {
    /// What it has published.
    pub(crate) fn readings(&self) -> Readings {
        self.daemon.readings.clone()
    }

    /// Drains it.
    pub(crate) async fn stop(self) {
        self.daemon.stop().await;
    }
}
