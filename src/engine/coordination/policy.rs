//! What the configuration says of concurrent deploys and of shadows, for all templates and for
//! some of them.

use crate::engine::coordination::Concurrent;
use std::collections::BTreeMap;

/// What is said; the usual holds for what is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of a second deploy of the same place.
    pub concurrent: Option<Concurrent>,
    /// Whether analyses are in shadow unless their submission says otherwise.
    pub shadow: Option<bool>,
}

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Of all templates.
    pub usual: Policy,
    /// Of some, by name.
    pub templates: BTreeMap<String, Policy>,
}

impl Policies {
    /// What becomes of a second deploy under a template.
    pub fn concurrent(&self, template: &str) -> Concurrent {
        let own = self.templates.get(template).and_then(|p| p.concurrent);
        own.or(self.usual.concurrent).unwrap_or_default()
    }

    /// Whether analyses under a template are in shadow by themselves.
    pub fn shadow(&self, template: &str) -> bool {
        let own = self.templates.get(template).and_then(|p| p.shadow);
        own.or(self.usual.shadow).unwrap_or(false)
    }
}
