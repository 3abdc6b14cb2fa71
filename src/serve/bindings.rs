//! Bindings from the configuration.

use crate::http::Binding;
use crate::serve::config::BindingConfig;
use crate::wire::submission::{DeployInput, ScopeInput, SubmissionDocument};

/// Bindings of one configuration; more are refused.
const BINDINGS_MAX: usize = 10_000;

/// The longest name in bytes; a longer one is refused.
const NAME_LEN_MAX: usize = 128;

/// Reads every binding; each name legal and used once.
pub(crate) fn read(written: &[BindingConfig]) -> Result<Vec<Binding>, String> {
    if written.len() > BINDINGS_MAX {
        let count = written.len();
        return Err(format!(
            "bindings: there are {count}, the limit is {BINDINGS_MAX}; give `service` a hole \
             instead of a binding for each"
        ));
    }
    let mut out: Vec<Binding> = Vec::new();
    for (idx, one) in written.iter().enumerate() {
        let key = format!("bindings[{idx}].name");
        let name = &one.name;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=NAME_LEN_MAX).contains(&name.len()) || !name.chars().all(legal) {
            return Err(format!(
                "{key}: `{name}` is no name; 1 to {NAME_LEN_MAX} letters, digits and any of - _ ."
            ));
        }
        if out.iter().any(|other| other.name == *name) {
            return Err(format!("{key}: `{name}` is used twice; rename one"));
        }
        out.push(Binding {
            name: name.clone(),
            submission: submission(one),
        });
    }
    Ok(out)
}

fn submission(one: &BindingConfig) -> SubmissionDocument {
    SubmissionDocument {
        template: Some(one.template.clone()),
        inputs: one.inputs.clone(),
        baseline: one.baseline.clone().map(ScopeInput::Text),
        canary: Some(ScopeInput::Text(one.canary.clone())),
        deploy: DeployInput {
            service: one.service.clone(),
            environment: one.environment.clone(),
            region: one.region.clone(),
            change_type: one.change_type.clone(),
            traffic_share: one.traffic_share,
            ..DeployInput::default()
        },
        ..SubmissionDocument::default()
    }
}
