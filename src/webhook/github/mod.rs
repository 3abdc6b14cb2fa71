//! A GitHub App as a caller of GitHub's API: it signs for itself ([`signature`]), gets a token for
//! the installation that covers a repository, keeps it until shortly before it ends, and posts
//! with it.

mod app;
mod signature;

pub use app::{App, Post};
pub use signature::{AppKey, AppKeyError};
