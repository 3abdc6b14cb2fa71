//! What stands under `deploy` fits the program: configuration loads, manifests agree with it and
//! with each other, alert rules hold what they promise.

use crate::docs::{metrics, read, root};
use clap::Parser as _;
use haldane::cli::args::{Args, Command};
use haldane::cli::replay::ReplayFormat;
use haldane::serve::config;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const SAMPLE: &str = "deploy/haldane.toml";

fn sample() -> config::Config {
    config::load(Some(&root().join(SAMPLE)), &[]).unwrap()
}

/// The documents of a YAML file.
fn yaml(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// The only document of a manifest.
fn manifest(name: &str) -> Value {
    let mut documents = yaml(&format!("deploy/kubernetes/{name}"));
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

/// What stands at a JSON pointer.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("nothing at {pointer}"))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer)
        .as_str()
        .unwrap_or_else(|| panic!("no text at {pointer}"))
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer)
        .as_array()
        .unwrap_or_else(|| panic!("no list at {pointer}"))
}

/// Whole numbers that follow `key` in a text.
fn number_after(text: &str, key: &str) -> u64 {
    let pattern = Regex::new(&format!(r"(?m)^{key}\D{{0,3}}(\d+)")).unwrap();
    let found = pattern
        .captures(text)
        .unwrap_or_else(|| panic!("{key} is missing"));
    found[1].parse().unwrap()
}

fn drain_s(config: &config::Config) -> u64 {
    u64::try_from(
        config::span("limits.drain", &config.limits.drain)
            .unwrap()
            .ms(),
    )
    .unwrap()
        / 1000
}

#[test]
fn the_sample_configuration_is_safe_to_expose() {
    let config = sample();
    let addresses: std::net::SocketAddr = config.server.listen.parse().unwrap();
    assert!(
        addresses.ip().is_unspecified(),
        "a container listens on all its addresses"
    );
    assert!(
        !config.server.credentials.is_empty(),
        "an exposed daemon asks for credentials"
    );
    for credential in &config.server.credentials {
        // The references are files; a missing one is named, and no secret stands in the text.
        let fault = credential.token.read("token").unwrap_err();
        assert!(fault.contains("/etc/haldane/secrets/"), "{fault}");
    }
    let fault = config.webhooks.key.as_slice()[0]
        .read("webhooks.key")
        .unwrap_err();
    assert!(fault.contains("webhook.whsec"), "{fault}");
    assert!(config.store.path.starts_with("/var/lib/haldane"));
    assert!(config.templates.dir.starts_with("/etc/haldane"));
}

#[test]
fn the_image_fits_the_configuration() {
    let dockerfile = read("deploy/Dockerfile");
    let config = sample();
    let cargo = read("Cargo.toml");
    let rust = Regex::new(r#"rust-version = "([0-9.]+)""#).unwrap();
    let rust = &rust.captures(&cargo).unwrap()[1];
    assert!(
        dockerfile.contains(&format!("FROM rust:{rust}-")),
        "the toolchain is {rust}"
    );
    assert!(cargo.contains("[profile.dist]") && dockerfile.contains("--profile dist --locked"));
    let port = config.server.listen.rsplit(':').next().unwrap();
    assert_eq!(number_after(&dockerfile, "EXPOSE").to_string(), port);
    let store = config.store.path.parent().unwrap().display().to_string();
    assert!(dockerfile.contains(&format!("VOLUME {store}\n")));
    let deployment = manifest("deployment.yaml");
    let user = at(&deployment, "/spec/template/spec/securityContext/runAsUser")
        .as_u64()
        .unwrap();
    assert_eq!(number_after(&dockerfile, "USER"), user);
    assert_ne!(user, 0);
    // Everything copied from the repository is there, and not kept out by the ignore file.
    let ignore = read("deploy/Dockerfile.dockerignore");
    let copied = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "));
    for line in copied.filter(|line| !line.starts_with("--from")) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.pop();
        for source in words {
            assert!(
                root().join(source).exists(),
                "the Dockerfile copies {source}"
            );
            assert!(
                ignore.lines().any(|l| l == format!("!{source}")),
                "{source} is ignored"
            );
        }
    }
}

#[test]
fn the_unit_leaves_time_to_drain() {
    let unit = read("deploy/systemd/haldane.service");
    // The unit reads its own configuration, which has the default drain unless it says otherwise.
    let drain = drain_s(&config::load(Some(Path::new("/dev/null")), &[]).unwrap());
    assert!(number_after(&unit, "TimeoutStopSec") > drain + 10);
    for line in [
        "User=haldane",
        "StateDirectory=haldane",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "ReadWritePaths=/var/lib/haldane",
        "Restart=on-failure",
        "KillSignal=SIGTERM",
        "CapabilityBoundingSet=",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
    for line in unit
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
    {
        assert!(
            line.split_once('=')
                .is_some_and(|(key, _)| !key.contains(' ')),
            "{line}"
        );
    }
    assert!(read("deploy/systemd/haldane.sysusers").contains("u haldane "));
    // A sharper check where systemd is at hand; a missing program stands in for ours.
    let Ok(output) = std::process::Command::new("systemd-analyze")
        .arg("--version")
        .output()
    else {
        return;
    };
    if output.status.success() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haldane.service");
        std::fs::write(&path, unit.replace("/usr/local/bin/haldane", "/bin/true")).unwrap();
        let said = std::process::Command::new("systemd-analyze")
            .arg("verify")
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("haldane.service:"))
            .collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}

#[test]
fn the_pod_fits_the_configuration() {
    let config = sample();
    let deployment = manifest("deployment.yaml");
    assert_eq!(
        at(&deployment, "/spec/replicas"),
        1,
        "the store is one file"
    );
    assert_eq!(text(&deployment, "/spec/strategy/type"), "Recreate");
    let pod = at(&deployment, "/spec/template/spec");
    let grace = at(pod, "/terminationGracePeriodSeconds").as_u64().unwrap();
    assert!(grace > drain_s(&config) + 10, "{grace}");
    assert_eq!(at(pod, "/securityContext/runAsNonRoot"), true);
    assert_eq!(
        text(pod, "/securityContext/seccompProfile/type"),
        "RuntimeDefault"
    );
    let container = at(pod, "/containers/0");
    let guard = at(container, "/securityContext");
    assert_eq!(at(guard, "/readOnlyRootFilesystem"), true);
    assert_eq!(at(guard, "/allowPrivilegeEscalation"), false);
    assert_eq!(at(guard, "/capabilities/drop/0"), "ALL");
    assert_eq!(text(container, "/livenessProbe/httpGet/path"), "/healthz");
    assert_eq!(text(container, "/readinessProbe/httpGet/path"), "/readyz");
    let port = at(container, "/ports/0/containerPort").as_u64().unwrap();
    assert!(config.server.listen.ends_with(&format!(":{port}")));
    assert!(container.pointer("/resources/requests").is_some());
    // What the configuration names is mounted, and every mount has its volume.
    let mounts = list(container, "/volumeMounts");
    let mounted = |path: &Path| {
        mounts
            .iter()
            .any(|mount| path.starts_with(text(mount, "/mountPath")))
    };
    assert!(mounted(&config.store.path) && mounted(&config.templates.dir));
    assert!(mounted(Path::new("/etc/haldane/secrets")) && mounted(Path::new("/tmp")));
    let args: Vec<&str> = list(container, "/args")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(mounted(Path::new(args.last().unwrap())), "{args:?}");
    let volumes: BTreeSet<&str> = list(pod, "/volumes")
        .iter()
        .map(|v| text(v, "/name"))
        .collect();
    let used: BTreeSet<&str> = mounts.iter().map(|mount| text(mount, "/name")).collect();
    assert_eq!(volumes, used);
}

const REPLAY_JOB: &str = "replay-job.yaml";

/// Its arguments are ones the program takes, it has as many parts as it says, and what it mounts
/// is there.
#[test]
fn the_replay_job_runs_every_part() {
    let job = manifest(REPLAY_JOB);
    assert_eq!(text(&job, "/spec/completionMode"), "Indexed");
    let parts = at(&job, "/spec/completions").as_u64().unwrap();
    let pod = at(&job, "/spec/template/spec");
    let variable = text(pod, "/containers/0/env/0/name");
    let field = text(pod, "/containers/0/env/0/valueFrom/fieldRef/fieldPath");
    assert!(field.contains("batch.kubernetes.io/job-completion-index"));
    let args = list(pod, "/containers/0/args");
    let last = (parts - 1).to_string();
    let filled = args.iter().map(|arg| {
        let arg = arg.as_str().unwrap();
        arg.replace(&format!("$({variable})"), &last)
    });
    let line = std::iter::once("haldane".to_owned()).chain(filled);
    let Command::Replay(replay) = Args::try_parse_from(line).unwrap().command else {
        panic!("the job replays");
    };
    assert_eq!(replay.shard, Some(format!("{last}/{parts}")));
    assert_eq!(replay.output, ReplayFormat::Jsonl);
    let mounted: Vec<&str> = list(pod, "/containers/0/volumeMounts")
        .iter()
        .map(|mount| text(mount, "/mountPath"))
        .collect();
    let list = replay.recordings[0].strip_prefix('@').unwrap().to_owned();
    let to = replay.to.unwrap().display().to_string();
    for path in [list, to] {
        assert!(
            mounted.iter().any(|mount| path.starts_with(mount)),
            "{path}"
        );
    }
}

#[test]
fn the_manifests_hang_together() {
    let kustomization = manifest("kustomization.yaml");
    let folder = root().join("deploy/kubernetes");
    // The job is no part of the daemon: it is applied by whoever wants one.
    let mut listed = BTreeSet::from(["kustomization.yaml", REPLAY_JOB].map(str::to_owned));
    let mut names = BTreeSet::new();
    for resource in list(&kustomization, "/resources") {
        let name = resource.as_str().unwrap();
        listed.insert(name.to_owned());
        let one = manifest(name);
        assert!(
            one.pointer("/metadata/namespace").is_none(),
            "{name} names a namespace"
        );
        names.insert((
            text(&one, "/kind").to_owned(),
            text(&one, "/metadata/name").to_owned(),
        ));
    }
    let found: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, listed, "every manifest is a resource");
    for generator in list(&kustomization, "/configMapGenerator") {
        names.insert(("ConfigMap".to_owned(), text(generator, "/name").to_owned()));
        for file in list(generator, "/files") {
            assert!(folder.join(file.as_str().unwrap()).is_file(), "{file}");
        }
    }
    let deployment = manifest("deployment.yaml");
    for volume in list(&deployment, "/spec/template/spec/volumes") {
        for (kind, pointer) in [
            ("PersistentVolumeClaim", "/persistentVolumeClaim/claimName"),
            ("ConfigMap", "/configMap/name"),
        ] {
            if let Some(name) = volume.pointer(pointer).and_then(Value::as_str) {
                let wanted = (kind.to_owned(), name.to_owned());
                assert!(names.contains(&wanted), "{wanted:?} is not made");
            }
        }
    }
    // Selectors select the pod.
    let labels = at(&deployment, "/spec/template/metadata/labels");
    for (name, pointer) in [
        ("deployment.yaml", "/spec/selector/matchLabels"),
        ("service.yaml", "/spec/selector"),
        ("network-policy.yaml", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(at(&manifest(name), pointer), labels, "{name}");
    }
    assert_eq!(
        text(&manifest("service.yaml"), "/spec/ports/0/targetPort"),
        "http"
    );
}

/// Kustomize reads only below its own folder, so two files stand there a second time.
#[test]
fn copies_are_copies() {
    for (copy, original) in [
        ("deploy/kubernetes/haldane.toml", SAMPLE),
        (
            "deploy/kubernetes/templates/http-service.yaml",
            "analysis-templates/http-service.yaml",
        ),
    ] {
        assert!(
            read(copy) == read(original),
            "{copy} differs from {original}; copy it again"
        );
    }
}

fn promtool(args: &[&str]) -> String {
    let output = std::process::Command::new("promtool")
        .args(args)
        .current_dir(root().join("deploy/prometheus"))
        .output()
        .unwrap_or_else(|fault| {
            panic!("promtool: {fault}; install it with `apt-get install -y prometheus`")
        });
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "promtool {}:\n{said}",
        args.join(" ")
    );
    said
}

#[test]
fn the_alert_rules_hold() {
    assert!(promtool(&["check", "rules", "rules.yaml"]).contains("rules found"));
    promtool(&["test", "rules", "rules_test.yaml"]);
}

#[test]
fn the_alert_rules_use_metrics_there_are() {
    let name = Regex::new(r"\bhaldane_\w+").unwrap();
    let known = metrics();
    let rules = read("deploy/prometheus/rules.yaml");
    let used: BTreeSet<&str> = name.find_iter(&rules).map(|found| found.as_str()).collect();
    assert!(used.len() >= 5, "{used:?}");
    for metric in used {
        let part = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| metric.strip_suffix(part));
        let histogram = part
            .and_then(|base| known.get(base))
            .is_some_and(|m| m.kind == "histogram");
        assert!(
            known.contains_key(metric) || histogram,
            "{metric} does not exist"
        );
    }
}
