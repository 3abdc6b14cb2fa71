//! The samples for CI systems under `deploy/` are what they claim: every command line of ours in
//! them is one the program takes, the configuration loads, the pages quote the files.

use clap::Parser as _;
use haldane::cli::args::{Args, Command};
use haldane::serve::config;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// The words of a line as a shell would see them: quotes are taken away, variables stay.
fn words(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (' ', None) => out.push(String::new()),
            (c, _) => out.last_mut().unwrap().push(c),
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

/// Every command line of ours in a text; lines that end with a backslash go on.
fn commands(text: &str) -> Vec<Command> {
    let text = text.replace("\\\n", " ");
    let ours = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("haldane "));
    ours.map(|line| {
        let args = Args::try_parse_from(words(line));
        args.unwrap_or_else(|fault| panic!("{line}: {fault}"))
            .command
    })
    .collect()
}

/// Every text in a document.
fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, out)),
        Value::Object(all) => all.values().for_each(|one| texts(one, out)),
        _ => {}
    }
}

#[test]
fn every_command_line_is_one_of_ours() {
    for name in [
        "deploy/github/workflow-wait.yaml",
        "deploy/gitlab/.gitlab-ci.yml",
        "deploy/gitlab/doubt-is-a-warning.gitlab-ci.yml",
        "deploy/jenkins/Jenkinsfile",
    ] {
        let mut all = Vec::new();
        if name.ends_with("Jenkinsfile") {
            all.push(read(name));
        } else {
            texts(&yaml(name), &mut all);
        }
        let found: Vec<Command> = all.iter().flat_map(|text| commands(text)).collect();
        assert!(!found.is_empty(), "{name} has no command of ours");
        for command in found {
            let Command::Submit(args) = command else {
                panic!("{name}: {command:?}");
            };
            // What makes a job repeatable, and what keeps it from waiting for ever.
            assert!(args.wait && args.timeout.is_some(), "{name}");
            assert!(args.deploy.deploy_id.is_some(), "{name}");
        }
    }
}

#[test]
fn doubt_goes_on_nowhere_without_a_person() {
    let plain = yaml("deploy/gitlab/.gitlab-ci.yml");
    assert!(plain["verdict"]["allow_failure"].is_null());
    assert_eq!(
        plain["verdict"]["artifacts"]["reports"]["junit"],
        "verdict.xml"
    );
    let warning = yaml("deploy/gitlab/doubt-is-a-warning.gitlab-ci.yml");
    assert_eq!(warning["verdict"]["allow_failure"]["exit_codes"], 3);
    assert_eq!(warning["everybody"]["when"], "manual");
    for name in ["rule", "wait"] {
        let text = read(&format!("deploy/github/workflow-{name}.yaml"));
        assert!(
            !text.contains("continue-on-error") && !text.contains("|| true"),
            "{name}"
        );
    }
}

#[test]
fn the_configuration_for_github_loads() {
    let path = root().join("deploy/github/haldane.toml");
    let loaded = config::load(Some(Path::new(&path)), &[]).unwrap();
    let line = &loaded.github.environments[0];
    let binding = loaded
        .bindings
        .iter()
        .find(|binding| binding.name == line.binding);
    assert_eq!(binding.unwrap().template, "http-service");
    let rule = yaml("deploy/github/workflow-rule.yaml");
    assert_eq!(
        rule["jobs"]["everybody"]["environment"],
        Value::from(&*line.environment)
    );
    let manifest: Value = serde_json::from_str(&read("deploy/github/app-manifest.json")).unwrap();
    assert_eq!(manifest["default_events"][0], "deployment_protection_rule");
    let hook = manifest["hook_attributes"]["url"].as_str().unwrap();
    assert!(hook.ends_with("/github/hook"));
    for (permission, wanted) in [("deployments", "write"), ("actions", "read")] {
        assert_eq!(manifest["default_permissions"][permission], wanted);
    }
}

/// The lines of a file without the comment it begins with.
fn body(name: &str) -> String {
    let text = read(name);
    let lines = text.lines().skip_while(|line| line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pages_quote_the_samples() {
    for (page, name) in [
        ("github", "deploy/github/workflow-rule.yaml"),
        ("gitlab-and-ci", "deploy/gitlab/.gitlab-ci.yml"),
    ] {
        let text = read(&format!("docs/controllers/{page}.md"));
        assert!(
            text.contains(&body(name)),
            "{page} does not quote {name} as it is"
        );
    }
}
