//! `haldane keys`: keys for webhooks. A secret goes to stdout or into a file of the owner's, and
//! nowhere else.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::serve::config::SecretText;
use crate::webhook::key::{SigningKey, private_text, secret_text};
use clap::ValueEnum;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Bytes of a new key: what Ed25519 needs (RFC 8032), and within what a shared secret may have.
const NEW_BYTES: usize = 32;

/// `haldane keys`
#[derive(Clone, Debug, clap::Args)]
pub struct KeysArgs {
    /// Which kind to make: shared is one secret that both sides hold, ed25519 a private key for
    /// the daemon and a public one for receivers
    #[arg(value_enum, default_value_t = KeyKind::Shared)]
    pub kind: KeyKind,
    /// Write the secret into a new file that only its owner can read, instead of to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Make nothing; print the public key of this private one, as file:PATH or env:NAME
    #[arg(long, value_name = "KEY", conflicts_with_all = ["kind", "out"])]
    pub public_of: Option<String>,
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// whsec_: signatures v1, HMAC-SHA256
    Shared,
    /// whsk_ and whpk_: signatures v1a
    Ed25519,
}

/// Runs the command.
pub(crate) fn run(args: &KeysArgs, output: &mut Output) -> Exit {
    let done = match &args.public_of {
        Some(key) => public_of(key, output),
        None => make(args, output),
    };
    crate::cli::ended(done, output)
}

fn public_of(key: &str, output: &mut Output) -> Result<Exit, Fault> {
    let usage = |message: String| (Exit::Usage, message);
    let secret = SecretText::new(key).read("--public-of").map_err(usage)?;
    let secret = secret.ok_or_else(|| usage("--public-of names no key".to_owned()))?;
    let key = SigningKey::parse(secret.expose()).map_err(|why| usage(why.to_string()))?;
    let text = key
        .public_text()
        .ok_or_else(|| usage("a shared secret has no public half".to_owned()))?;
    output.data(&text);
    Ok(Exit::Clean)
}

fn make(args: &KeysArgs, output: &mut Output) -> Result<Exit, Fault> {
    let internal = |message: String| (Exit::Internal, message);
    let mut bytes = [0_u8; NEW_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| internal("the system gives no random bytes".to_owned()))?;
    let secret = match args.kind {
        KeyKind::Shared => secret_text(&bytes),
        KeyKind::Ed25519 => private_text(&bytes),
    }
    .map_err(|why| internal(why.to_string()))?;
    let key = SigningKey::parse(&secret).map_err(|why| internal(why.to_string()))?;
    match &args.out {
        None => output.data(&secret),
        Some(path) => {
            write_new(path, &secret).map_err(|why| (Exit::Usage, why))?;
            output.note(&format!("the secret is in {}", path.display()));
        }
    }
    if let Some(public) = key.public_text() {
        output.data(&public);
    }
    Ok(Exit::Clean)
}

/// A new file that only its owner can read. One that exists is left alone: it may be a key in use.
fn write_new(path: &Path, secret: &str) -> Result<(), String> {
    let fail = |why: std::io::Error| {
        format!(
            "--out {}: {why}; name a file that does not exist",
            path.display()
        )
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(fail)?;
    writeln!(file, "{secret}").map_err(fail)
}
