//! What `haldane record` was asked: one rollout from flags, or many from a list.

use crate::cli::args::{DaemonArgs, DeployArgs};
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::judge::{arm_scope, baseline_scope, inputs, parse_instant, read_template};
use crate::cli::record::list::{Fields, entries};
use crate::ids::DeployId;
use crate::plan::rollout::{Deploy, Rollout};
use crate::replay::labels::{Label, Onset};
use crate::serve::template_files;
use crate::template::Template;
use crate::time::{Span, Timestamp};
use crate::units::Probability;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// `haldane record`
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Analyses of a daemon (see --server); a source is asked without
    #[arg(value_name = "ID", conflicts_with_all = ["template", "list", "prometheus"])]
    pub ids: Vec<String>,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The template
    #[arg(
        short = 't',
        long,
        value_name = "FILE",
        required_unless_present = "ids"
    )]
    pub template: Option<PathBuf>,
    /// A value for an input of the template, as name=value; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// Label matchers of the baseline, as in PromQL
    #[arg(long, value_name = "MATCHERS")]
    pub baseline: Option<String>,
    /// Label matchers of the canary
    #[arg(long, value_name = "MATCHERS")]
    pub canary: Option<String>,
    /// The service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// When the canary began to take traffic: RFC 3339, seconds since the epoch, or -2h
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Ends earlier or later than the template says
    #[arg(long, value_name = "LENGTH")]
    pub duration: Option<String>,
    /// What the deploy was.
    #[command(flatten)]
    pub deploy: DeployArgs,
    /// Many rollouts: CSV or YAML, one each line or entry (see below)
    #[arg(long, value_name = "FILE", conflicts_with = "start")]
    pub list: Option<PathBuf>,
    /// The Prometheus to ask; source settings come from the configuration otherwise
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// Configuration file (for source.*)
    #[arg(
        long,
        env = "HALDANE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// The file; of a list, or with a slash at its end, the folder
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
}

/// One rollout to be recorded.
pub(super) struct Wanted {
    /// How it is called in messages.
    pub(super) shown: String,
    /// The name of its file; the analysis' without one.
    pub(super) name: Option<String>,
    pub(super) label: Option<Label>,
    pub(super) onset: Option<String>,
    pub(super) template_text: Arc<str>,
    pub(super) rollout: Rollout,
}

/// A fault of what was asked.
pub(super) fn usage(message: impl Into<String>) -> Fault {
    (Exit::Usage, message.into())
}

/// Every rollout that is asked for; all of them are read before the first is recorded.
pub(super) fn wanted(args: &RecordArgs, now: Timestamp) -> Result<Vec<Wanted>, Fault> {
    let Some(path) = &args.template else {
        return Err(usage("-t TEMPLATE is missing"));
    };
    let template = read_template(path)?;
    // With what it extends: the recording stands for itself.
    let text: Arc<str> = template_files::bundle_of(path).map_err(usage)?.text.into();
    let Some(list) = &args.list else {
        return Ok(vec![one(
            args,
            &Fields::default(),
            (&template, &text),
            now,
        )?]);
    };
    let shown = list.display();
    let listed = entries(list).map_err(|why| usage(format!("--list {shown}: {why}")))?;
    let mut names = BTreeMap::new();
    let mut out = Vec::with_capacity(listed.len());
    for entry in &listed {
        let place = entry.place.clone();
        let wanted = one(args, entry, (&template, &text), now)
            .map_err(|(exit, why)| (exit, format!("--list {shown}, {place}: {why}")))?;
        let known = wanted
            .name
            .clone()
            .and_then(|name| names.insert(name, place.clone()));
        if let Some(other) = known {
            let message = format!("--list {shown}, {place}: its name is that of {other}");
            return Err(usage(message));
        }
        out.push(wanted);
    }
    Ok(out)
}

/// One rollout: what the entry says, and the flags where it says nothing.
fn one(
    args: &RecordArgs,
    entry: &Fields,
    (template, template_text): (&Template, &Arc<str>),
    now: Timestamp,
) -> Result<Wanted, Fault> {
    let or = |name: &str, flag: &Option<String>| entry.get(name).or_else(|| flag.clone());
    let mut values = inputs(&args.inputs)?;
    values.extend(entry.inputs.clone());
    let service = or("service", &args.service).or_else(|| values.get("service").cloned());
    let service = service.ok_or_else(|| usage("--service is missing"))?;
    let start = or("start", &args.start).ok_or_else(|| usage("--start is missing"))?;
    let instant = parse_instant(&start, now).ok_or_else(|| {
        usage(format!(
            "start `{start}` is no instant; write 2026-03-01T12:00:00Z, seconds since the epoch, \
             or -2h"
        ))
    })?;
    let duration = or("duration", &args.duration).map(|text| {
        let why = || usage(format!("duration `{text}` is no length of time; write 30m"));
        Span::parse(&text).ok_or_else(why)
    });
    let deploy_id = or("deploy_id", &args.deploy.deploy_id).map(|text| {
        let why = || usage(format!("deploy id `{text}` is no identifier"));
        DeployId::new(&text).ok_or_else(why)
    });
    let (baseline, canary) = (or("baseline", &args.baseline), or("canary", &args.canary));
    let share = or("traffic_share", &args.deploy.traffic_share).map(|text| share(&text));
    let label = entry.get("label").map(|text| {
        let why = || usage(format!("label `{text}` is none of good, bad, nodata"));
        Label::from_word(&text).ok_or_else(why)
    });
    let onset = entry.get("onset");
    if let Some(text) = onset.as_deref().filter(|text| Onset::parse(text).is_none()) {
        return Err(usage(format!(
            "onset `{text}` is no instant; write 2026-03-01T12:00:00Z, or +10m after the start"
        )));
    }
    Ok(Wanted {
        shown: format!("{service} at {start}"),
        name: entry.get("name"),
        label: label.transpose()?,
        onset,
        template_text: Arc::clone(template_text),
        rollout: Rollout {
            deploy: Deploy {
                id: deploy_id.transpose()?,
                service,
                environment: or("environment", &args.deploy.environment),
                revision: or("revision", &args.deploy.revision),
                commit: or("commit", &args.deploy.commit),
                change_type: or("change_type", &args.deploy.change_type),
                traffic_share: share.transpose()?,
                ..Deploy::default()
            },
            inputs: values,
            baseline: baseline_scope(template, baseline.as_deref(), canary.as_deref())?,
            canary: arm_scope("canary", canary.as_deref())?,
            start: instant,
            duration: duration.transpose()?,
        },
    })
}

fn share(text: &str) -> Result<Probability, Fault> {
    crate::cli::submit::share(text).and_then(|share| {
        Probability::new(share).ok_or_else(|| usage(format!("traffic share {share} is none")))
    })
}
