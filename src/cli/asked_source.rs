//! The source that the flags name.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::serve::source::Source;
use crate::serve::{config, sources};
use std::path::Path;

/// `--prometheus URL` over what the configuration says of the source. Nothing is dialled yet.
pub(crate) fn open(prometheus: Option<&str>, file: Option<&Path>) -> Result<Source, Fault> {
    let flags: Vec<(&str, String)> = prometheus.map_or_else(Vec::new, |url| {
        vec![
            ("source.url", url.to_owned()),
            ("source.kind", "prometheus".to_owned()),
        ]
    });
    let usage = |message| (Exit::Usage, message);
    let config = config::load(file, &flags).map_err(usage)?;
    sources::open(&config.source).map_err(usage)
}
