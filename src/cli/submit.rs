//! `haldane submit`: a rollout from flags to the daemon.

use crate::cli::args::{Format, SubmitArgs};
use crate::cli::client::{Client, Fault};
use crate::cli::exit_code::Exit;
use crate::cli::judge::inputs;
use crate::cli::output::Output;
use crate::cli::wait::{Waiting, until_final};
use crate::http::wire::SubmittedDocument;
use crate::serve::template_files;
use crate::units::Probability;
use crate::wire::submission::{DeployInput, ScopeInput, SubmissionDocument, WebhookInput};
use std::path::Path;

/// Runs the command.
pub(crate) async fn run(args: &SubmitArgs, output: &mut Output) -> Exit {
    let done = submit(args, output).await;
    crate::cli::ended(done, output)
}

async fn submit(args: &SubmitArgs, output: &mut Output) -> Result<Exit, Fault> {
    let client = Client::new(&args.daemon)?;
    let document = submission(args)?;
    let body = serde_json::to_string(&document)
        .map_err(|fault| (Exit::Internal, format!("the submission: {fault}")))?;
    let reply = client.post("v1/analyses", body).await?;
    let submitted: SubmittedDocument = reply.read()?;
    let id = submitted.id;
    if args.wait {
        output.note(&format!("analysis {id}"));
        let waiting = Waiting {
            timeout: None,
            format: args.output,
            end: args.end,
        };
        return until_final(&client, &id, waiting, output).await;
    }
    if args.output == Format::Json {
        output.data(&reply.0);
    } else {
        output.data(&id);
        output.note(&format!("wait for its verdict with: haldane wait {id}"));
    }
    Ok(Exit::Clean)
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
    };
    let deploy = &args.deploy;
    Ok(SubmissionDocument {
        template,
        template_inline,
        inputs: inputs(&args.inputs)?,
        baseline: args.baseline.clone().map(ScopeInput::Text),
        canary: Some(ScopeInput::Text(args.canary.clone())),
        deploy: DeployInput {
            id: deploy.deploy_id.clone(),
            service: args.service.clone(),
            environment: deploy.environment.clone(),
            revision: deploy.revision.clone(),
            commit: deploy.commit.clone(),
            change_type: deploy.change_type.clone(),
            traffic_share: deploy.traffic_share.as_deref().map(share).transpose()?,
            ..DeployInput::default()
        },
        start: args.start.clone(),
        duration: args.duration.clone(),
        webhooks: args.webhooks.iter().map(webhook).collect(),
    })
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
             --deploy-id d1 --input a=b=c --duration 30m",
        );
        let body = serde_json::to_vec(&sent.unwrap()).unwrap();
        let checked = crate::wire::submission::parse(&body).unwrap();
        assert_eq!(checked.deploy.traffic_share, Probability::new(0.1));
        assert_eq!(checked.inputs.get("a").unwrap(), "b=c");
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
        ] {
            let (exit, message) = document(flags).unwrap_err();
            assert_eq!(exit, Exit::Usage);
            assert!(message.contains(wanted), "{flags}: {message}");
        }
    }
}
