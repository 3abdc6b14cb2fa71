//! Which hook was called, and about which version of which canary.

use super::super::binding::{Binding, Values};
use super::super::named::{Named, deploy_id};
use super::super::query::shown;
use super::super::refused::{Code, Refused};
use super::wire::HookInput;
use crate::diagnostic::closest;
use crate::ids::DeployId;

/// Bytes of a canary's name and namespace; a longer one is refused (Kubernetes' own limit of the
/// name of an object, RFC 1123).
const OBJECT_NAME_LEN_MAX: usize = 253;

/// Bytes of a checksum; a longer one is refused. Flagger's have ten.
pub(crate) const CHECKSUM_LEN_MAX: usize = 64;

/// Flagger's types of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    ConfirmRollout,
    PreRollout,
    Rollout,
    ConfirmTrafficIncrease,
    ConfirmPromotion,
    PostRollout,
    Rollback,
    Event,
}

impl Hook {
    const ALL: [Self; 8] = [
        Self::ConfirmRollout,
        Self::PreRollout,
        Self::Rollout,
        Self::ConfirmTrafficIncrease,
        Self::ConfirmPromotion,
        Self::PostRollout,
        Self::Rollback,
        Self::Event,
    ];

    /// Flagger's own word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::ConfirmRollout => "confirm-rollout",
            Self::PreRollout => "pre-rollout",
            Self::Rollout => "rollout",
            Self::ConfirmTrafficIncrease => "confirm-traffic-increase",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::PostRollout => "post-rollout",
            Self::Rollback => "rollback",
            Self::Event => "event",
        }
    }

    /// The hook with this word.
    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.word() == word)
    }
}

/// There is no such hook.
pub(super) fn unknown_hook(word: &str) -> Refused {
    let words = || Hook::ALL.iter().map(|hook| hook.word());
    let way_out = match closest(word, words()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it is one of {}", words().collect::<Vec<_>>().join(", ")),
    };
    let detail = format!("there is no hook {}; {way_out}", shown(word));
    Refused::new(Code::UnknownHook, detail)
}

/// A call about one version of one canary.
pub(super) struct Call {
    /// Who it is about, for people: `shop.prod 7f9c44d1b2`.
    pub(super) shown: String,
    /// The deploy id of its analyses.
    pub(super) id: DeployId,
    checksum: String,
    values: Values,
}

impl Call {
    /// Checks what the identity is made of; everything else fills holes and is checked there.
    pub(super) fn read(binding: &str, input: &HookInput) -> Result<Self, Refused> {
        let HookInput {
            name,
            namespace,
            checksum,
            ..
        } = input;
        for (field, value) in [("name", name), ("namespace", namespace)] {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            let sized = (1..=OBJECT_NAME_LEN_MAX).contains(&value.len());
            if !sized || !value.chars().all(legal) {
                let detail = format!("{field} {} is no name of a Kubernetes object", shown(value));
                return Err(Refused::new(Code::InvalidSubmission, detail));
            }
        }
        if checksum.is_empty() {
            let detail = "checksum is missing, which says which version it is about; an older \
                          Flagger sends none, update it";
            return Err(Refused::new(Code::InvalidSubmission, detail));
        }
        let legal = checksum.chars().all(|c| c.is_ascii_alphanumeric());
        if !legal || checksum.len() > CHECKSUM_LEN_MAX {
            let detail = format!(
                "checksum {} must have at most {CHECKSUM_LEN_MAX} letters and digits",
                shown(checksum)
            );
            return Err(Refused::new(Code::InvalidSubmission, detail));
        }
        let canary = format!("{namespace}/{name}");
        Ok(Self {
            shown: format!("{name}.{namespace} {checksum}"),
            id: deploy_id("flagger", &[binding, &canary, checksum]),
            checksum: checksum.clone(),
            values: values(input),
        })
    }

    /// The rollout, with what `binding` makes of it.
    pub(super) fn of(self, binding: &Binding) -> Named<'_> {
        Named {
            binding,
            id: self.id,
            revision: Some(self.checksum),
            values: self.values,
        }
    }
}

/// What fills holes: `{{name}}`, `{{namespace}}`, `{{checksum}}`, `{{phase}}`, `{{metadata.x}}`.
fn values(input: &HookInput) -> Values {
    let own = [
        ("name", &input.name),
        ("namespace", &input.namespace),
        ("checksum", &input.checksum),
        ("phase", &input.phase),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
    let metadata = input.metadata.iter().flatten();
    let metadata = metadata.map(|(name, value)| (format!("metadata.{name}"), value.clone()));
    own.into_iter().chain(metadata).collect()
}
