//! One attempt at telling one receiver: the body is signed, the address is checked, the answer is
//! sorted.
//!
//! A message is a CloudEvents 1.0 event in structured mode (the whole event is the body, because
//! Standard Webhooks signs only the body) with the three Standard Webhooks headers. The body is
//! made elsewhere; here it is bytes that are signed and sent as they are. So is the schedule: this
//! door makes one attempt and says what came of it, the engine decides when the next one is due.
//!
//! | file | what |
//! |---|---|
//! | [`key`] | shared secrets and Ed25519 pairs |
//! | [`signature`] | signing, and the check a receiver makes |
//! | [`address_guard`] | which addresses may be called, before and after DNS |
//! | [`resolver`] | the guard between DNS and dialling |
//! | [`sender`] | one HTTP attempt: time limits, no redirects, no proxy, capped answer |
//! | [`reply`] | what an attempt came to, and whether another one makes sense |
//! | [`template`] [`call`] | other shapes than ours: filled templates, and what counts as success |
//! | `exchange` | one exchange with an interface of somebody else's, its answer read |
//! | [`github`] | a GitHub App: its own signature, tokens of its installations, posting |
//! | [`retry_after`] | the header that asks for patience |
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

pub mod address_guard;
pub mod call;
mod exchange;
pub mod github;
pub mod key;
pub mod reply;
pub mod resolver;
pub mod retry_after;
pub mod sender;
pub mod signature;
pub mod template;

pub use address_guard::{AddressError, HostRule, Network, Policy, check_url};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use reply::{Disposition, FailedKind, Refusal, Reply};
pub use resolver::{Lookup, SystemLookup};
pub use sender::{Message, Options, Sender, SenderError};
pub use signature::{SignedHeaders, VerifyError, verify, verify_with};
