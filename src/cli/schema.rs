//! `haldane schema`: what editors need for completion and checks.

use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use clap::ValueEnum;

/// `haldane schema`
#[derive(Clone, Debug, clap::Args)]
pub struct SchemaArgs {
    /// Of which files
    #[arg(long, value_enum, default_value_t = SchemaKind::Template)]
    pub kind: SchemaKind,
}

/// Which files a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Templates.
    Template,
    /// Tests of templates.
    Test,
}

/// Runs the command.
pub(crate) fn run(args: &SchemaArgs, output: &mut Output) -> Exit {
    let schema = match args.kind {
        SchemaKind::Template => crate::template::schema::json(),
        SchemaKind::Test => crate::rehearse::schema::json(),
    };
    output.data(&format!("{schema:#}"));
    Exit::Clean
}
