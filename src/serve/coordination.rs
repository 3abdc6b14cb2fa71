//! What becomes of concurrent deploys, from the configuration.

use crate::diagnostic::closest;
use crate::engine::coordination::Concurrent;
use crate::engine::coordination::policy::{Policies, Policy};
use crate::serve::config::CoordinationConfig;

/// Reads `[coordination]`.
pub(crate) fn read(written: &CoordinationConfig) -> Result<Policies, String> {
    let mut out = Policies {
        usual: Policy {
            concurrent: Some(policy("coordination.concurrent", &written.concurrent)?),
            shadow: Some(written.shadow),
        },
        ..Policies::default()
    };
    for (name, own) in &written.templates {
        let key = format!("coordination.templates.{name}.concurrent");
        let concurrent = own.concurrent.as_deref();
        let concurrent = concurrent.map(|word| policy(&key, word)).transpose()?;
        let shadow = own.shadow;
        let own = Policy { concurrent, shadow };
        out.templates.insert(name.clone(), own);
    }
    Ok(out)
}

fn policy(key: &str, word: &str) -> Result<Concurrent, String> {
    Concurrent::from_word(word).ok_or_else(|| {
        let words = Concurrent::ALL.map(Concurrent::word);
        let way_out = match closest(word, words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", words.join(", ")),
        };
        format!("{key}: `{word}` is no policy; {way_out}")
    })
}
