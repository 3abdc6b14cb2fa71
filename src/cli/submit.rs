//! `haldane submit`: a rollout from flags to the daemon.

use crate::cli::args::{DeployArgs, SubmitArgs};
use crate::cli::client::{Client, Fault, Reply};
use crate::cli::ending::WaitFormat;
use crate::cli::exit_code::Exit;
use crate::cli::judge::{inputs, instant};
use crate::cli::output::Output;
use crate::cli::serve::stop_signal;
use crate::cli::wait::{self, FIRST_ANSWER_MAX, PAUSE, Waiting, timeout, until_final};
use crate::http::wire::SubmittedDocument;
use crate::serve::clock::Clock;
use crate::serve::template_files;
use crate::time::Timestamp;
use crate::units::Probability;
use crate::wire::submission::{DeployInput, ScopeInput, SubmissionDocument, WebhookInput};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

/// Runs the command.
pub(crate) async fn run(args: &SubmitArgs, output: &mut Output) -> Exit {
    let known = OnceLock::new();
    let done = tokio::select! {
        biased;
        () = stop_signal() => Err(interrupted(known.get())),
        done = submit(args, &known, output) => done,
    };
    args.ending.ended(done, output)
}

/// A signal ended it; `known` is the analysis, if the daemon had answered.
fn interrupted(known: Option<&String>) -> Fault {
    known.map_or_else(
        || {
            let message = "interrupted before the daemon had answered; `haldane status` shows \
                           whether it has the analysis";
            (Exit::Interrupted, message.to_owned())
        },
        |id| wait::interrupted(id),
    )
}

async fn submit(
    args: &SubmitArgs,
    known: &OnceLock<String>,
    output: &mut Output,
) -> Result<Exit, Fault> {
    let client = Client::new(&args.daemon)?;
    if let Some(flag) = args.ending.needs_waiting().filter(|_| !args.wait) {
        return Err((
            Exit::Usage,
            format!("{flag} is about a verdict; add --wait"),
        ));
    }
    let timeout = args.timeout.as_deref().map(timeout).transpose()?;
    let document = submission(args)?;
    args.ending.begin()?;
    let body = serde_json::to_string(&document)
        .map_err(|fault| (Exit::Internal, format!("the submission: {fault}")))?;
    let reply = posted(&client, body, args, output).await?;
    let submitted: SubmittedDocument = reply.read()?;
    let id = known.get_or_init(|| submitted.id);
    if args.wait {
        output.note(&format!("analysis {id}"));
        let waiting = Waiting {
            timeout,
            ending: &args.ending,
        };
        return until_final(&client, id, waiting, output).await;
    }
    if args.ending.output == WaitFormat::Json {
        output.data(&reply.0);
    } else {
        output.data(id);
        output.note(&format!("wait for its verdict with: haldane wait {id}"));
    }
    Ok(Exit::Clean)
}

/// The answer to the submission. With a deploy id it may be sent again, so a daemon that is just
/// being restarted is waited for.
async fn posted(
    client: &Client,
    body: String,
    args: &SubmitArgs,
    output: &mut Output,
) -> Result<Reply, Fault> {
    let began = Instant::now();
    let mut said = false;
    loop {
        let (exit, message) = match client.post("v1/analyses", body.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(fault) => fault,
        };
        let again = args.wait && args.deploy.deploy_id.is_some() && exit == Exit::Unavailable;
        if !again || began.elapsed() >= FIRST_ANSWER_MAX {
            return Err((exit, message));
        }
        if !said {
            output.note(&format!("{message}; trying again"));
            said = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the flags say, in the shape the API takes. What is wrong with a value is the daemon's to
/// say; only what has a spelling of its own on the command line is read here.
fn submission(args: &SubmitArgs) -> Result<SubmissionDocument, Fault> {
    let path = Path::new(&args.template);
    let (template, template_inline) = if path.is_file() {
        // With the templates of its folder that it extends, which the daemon may not have, and the
        // files it reads objectives from, which it never has.
        let bundle = template_files::bundle_of(path).map_err(|why| (Exit::Usage, why))?;
        (None, Some(bundle.text))
    } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
        let message = format!(
            "template {}: there is no such file; a template the daemon has is named without .yaml",
            args.template
        );
        return Err((Exit::Usage, message));
    } else {
        (Some(args.template.clone()), None)
    };
    if args.webhook_key.is_some() && args.webhooks.is_empty() {
        let message = "--webhook-key names the key of a --webhook, and there is none";
        return Err((Exit::Usage, message.to_owned()));
    }
    let webhook = |url: &String| WebhookInput {
        url: url.clone(),
        secret: None,
        secret_name: args.webhook_key.clone(),
        ..WebhookInput::default()
    };
    let deploy = &args.deploy;
    Ok(SubmissionDocument {
        steps: Vec::new(), // the template's
        template,
        template_inline,
        inputs: inputs(&args.inputs)?,
        baseline: args.baseline.clone().map(ScopeInput::Text),
        canary: Some(ScopeInput::Text(args.canary.clone())),
        deploy: DeployInput {
            id: deploy.deploy_id.clone(),
            service: args.service.clone(),
            environment: deploy.environment.clone(),
            region: args.region.clone(),
            revision: deploy.revision.clone(),
            commit: deploy.commit.clone(),
            change_type: deploy.change_type.clone(),
            traffic_share: deploy.traffic_share.as_deref().map(share).transpose()?,
            ..DeployInput::default()
        },
        start: args
            .start
            .as_deref()
            .map(|text| start(text, deploy))
            .transpose()?,
        duration: args.duration.clone(),
        webhooks: args.webhooks.iter().map(webhook).collect(),
        shadow: args.together.shadow.then_some(true),
        release: args.together.release(),
        wave: args.together.wave()?,
    })
}

/// As other commands read it, in the one form the API takes.
fn start(text: &str, deploy: &DeployArgs) -> Result<String, Fault> {
    let relative = Timestamp::parse(text).is_none();
    let at = instant("start", text, Clock::system().now())?;
    if relative && deploy.deploy_id.is_some() {
        let message = format!(
            "--start `{text}` is another instant whenever the job runs again, which --deploy-id \
             makes one analysis of; write {at}, or leave one of them out"
        );
        return Err((Exit::Usage, message));
    }
    Ok(at.to_string())
}

/// `10%` or `0.1`.
pub(crate) fn share(text: &str) -> Result<f64, Fault> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|p: f64| p / 100.0),
        None => text.parse(),
    };
    let share = number.ok().and_then(Probability::new);
    share.map(Probability::get).ok_or_else(|| {
        let message = format!("--traffic-share `{text}` is no share from 0 to 1; write 10% or 0.1");
        (Exit::Usage, message)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::cli::args::{Args, Command};
    use clap::Parser as _;

    fn document(flags: &str) -> Result<SubmissionDocument, Fault> {
        let line = format!(
            "haldane submit -t web --service web --baseline track=\"a\" \
             --canary track=\"b\" {flags}"
        );
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Submit(args) = args.command else {
            unreachable!("the line says submit");
        };
        submission(&args)
    }

    #[test]
    fn the_api_takes_what_the_flags_make() {
        let sent = document(
            "--traffic-share 10% --webhook http://h.example/x --webhook-key argo \
             --deploy-id d1 --input a=b=c --duration 30m --start=1772366400",
        );
        let sent = sent.unwrap();
        let sent_start = sent.start.clone();
        let body = serde_json::to_vec(&sent).unwrap();
        let checked = crate::wire::submission::parse(&body).unwrap();
        assert_eq!(checked.deploy.traffic_share, Probability::new(0.1));
        assert_eq!(checked.inputs.get("a").unwrap(), "b=c");
        assert_eq!(sent_start.as_deref(), Some("2026-03-01T12:00:00Z"));
        assert!(document("--start -5m").is_ok());
        let receiver = checked.receivers.first().unwrap();
        assert_eq!(
            receiver.secret,
            crate::engine::record::SecretRef::Named("argo".to_owned())
        );
    }

    #[test]
    fn what_only_the_flags_can_get_wrong_is_said_here() {
        for (flags, wanted) in [
            ("--traffic-share 110%", "--traffic-share `110%`"),
            ("--traffic-share much", "--traffic-share `much`"),
            ("--input a", "--input `a`"),
            ("--webhook-key argo", "--webhook-key"),
            ("--start soon", "--start `soon` is no instant"),
            ("--start=-5m --deploy-id a", "another instant whenever"),
        ] {
            let (exit, message) = document(flags).unwrap_err();
            assert_eq!(exit, Exit::Usage);
            assert!(message.contains(wanted), "{flags}: {message}");
        }
    }
}
