//! Names and identifiers: text that was checked once.

use std::fmt;

/// The longest name or identifier; a longer one is refused where it enters.
pub const NAME_LEN_MAX: usize = 200;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Letters, digits, `.`, `_`, `-`, `:`, `/` and `@`; 1 to [`NAME_LEN_MAX`] bytes.
            pub fn new(text: &str) -> Option<Self> {
                let legal = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
                (!text.is_empty() && text.len() <= NAME_LEN_MAX && text.chars().all(legal))
                    .then(|| Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One analysis; made by the shell, unique in a store.
    AnalysisId
}
text_id! {
    /// The owner's name of one deploy; makes a submission repeatable.
    DeployId
}
text_id! {
    /// The name in a template's metadata.
    TemplateName
}
text_id! {
    /// A metric's name, unique in its template.
    MetricName
}
text_id! {
    /// An objective's name, unique in its template.
    ObjectiveName
}
text_id! {
    /// A group of metrics that are scored together.
    GroupName
}
text_id! {
    /// Somebody who hears of verdicts, as the daemon's configuration names them.
    ReceiverName
}
text_id! {
    /// One message to one receiver, stable over its attempts (the `webhook-id`); no full stop.
    DeliveryId
}
