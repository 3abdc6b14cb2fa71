//! Flags as data: one source for parsing, help and completions.

use crate::cli::conformance::ConformanceArgs;
use crate::cli::deliveries::DeliveriesArgs;
use crate::cli::dialects::DialectsArgs;
use crate::cli::ending::EndingArgs;
use crate::cli::evaluate::EvaluateArgs;
use crate::cli::examples;
use crate::cli::exit_code::{self, Exit};
use crate::cli::freeze::{FreezeArgs, TogetherArgs};
use crate::cli::hook_verify::HookVerifyArgs;
use crate::cli::import::ImportArgs;
use crate::cli::keys::KeysArgs;
use crate::cli::lint::LintArgs;
use crate::cli::output::Output;
use crate::cli::record::RecordArgs;
use crate::cli::replay::ReplayArgs;
use crate::cli::schema::SchemaArgs;
use crate::cli::simulate::SimulateArgs;
use crate::cli::test::TestArgs;
use crate::cli::tune::TuneArgs;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Judges a canary against its baseline and says promote or rollback, and why.
#[derive(Debug, Parser)]
#[command(
    name = "haldane",
    version,
    about,
    after_help = exit_code::TABLE,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Colour on stdout; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto, global = true)]
    pub color: ColorChoice,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole job on simulated traffic: two rollouts, two verdicts, signed and verified
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Run the daemon
    #[command(after_help = examples::SERVE)]
    Serve(ServeArgs),
    /// Judge once, from Prometheus or from a CSV file
    #[command(after_help = examples::JUDGE)]
    Judge(JudgeArgs),
    /// Ask a daemon to analyse a rollout
    #[command(after_help = examples::SUBMIT)]
    Submit(SubmitArgs),
    /// Show the analyses of a daemon, or one of them
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Write what an analysis said as a page, a picture or a comment
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Wait for a verdict and end with its exit code
    #[command(after_help = examples::WAIT)]
    Wait(WaitArgs),
    /// Stop an analysis; it concludes inconclusive
    #[command(after_help = examples::CANCEL)]
    Cancel(CancelArgs),
    /// Keep promotes back for a while; rollbacks go on
    #[command(after_help = examples::FREEZE)]
    Freeze(FreezeArgs),
    /// Decide an analysis by hand; the log keeps who and why
    #[command(after_help = examples::OVERRIDE)]
    Override(OverrideArgs),
    /// Show whom a daemon told of what, and send a message once more
    #[command(after_help = examples::DELIVERIES)]
    Deliveries(DeliveriesArgs),
    /// Record a past rollout from Prometheus, or fetch recordings from a daemon
    #[command(after_help = examples::RECORD)]
    Record(RecordArgs),
    /// Compute verdicts again from recordings, or judge them another way
    #[command(after_help = examples::REPLAY)]
    Replay(ReplayArgs),
    /// Check templates
    #[command(after_help = examples::LINT)]
    Lint(LintArgs),
    /// Write templates from files of Kayenta, Argo Rollouts or Flagger
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),
    /// Run the unit tests of templates
    #[command(after_help = examples::TEST)]
    Test(TestArgs),
    /// Compare judges on simulated generators and on labelled pairs
    #[command(after_help = examples::EVALUATE)]
    Evaluate(EvaluateArgs),
    /// Judge scenarios with known truth in simulated time, or show them to a Prometheus
    #[command(after_help = examples::SIMULATE)]
    Simulate(SimulateArgs),
    /// Measure how often a template is wrong, and propose a better one
    #[command(after_help = examples::TUNE)]
    Tune(TuneArgs),
    /// Make a key that signs webhooks, or print the public half of one
    #[command(after_help = examples::KEYS)]
    Keys(KeysArgs),
    /// Check the signature of a webhook that was received, and say what is wrong with it
    #[command(after_help = examples::HOOK_VERIFY)]
    HookVerify(HookVerifyArgs),
    /// Print what every controller is told in each state
    #[command(after_help = examples::DIALECTS)]
    Dialects(DialectsArgs),
    /// Ask a daemon what every rollout controller would ask, and check the answers
    #[command(after_help = examples::CONFORMANCE)]
    Conformance(ConformanceArgs),
    /// Print every configuration key with its default
    #[command(after_help = examples::CONFIG)]
    Config,
    /// Print the JSON Schema of templates or of their tests, for completion and checks in editors
    #[command(after_help = examples::SCHEMA)]
    Schema(SchemaArgs),
    /// Print the OpenAPI document of the HTTP API
    #[command(after_help = examples::OPENAPI)]
    Openapi,
    /// Print a completion script
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it takes the signal itself, because it has something to drain or to say.
    pub(crate) const fn listens(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Demo(_) | Self::Wait(_) | Self::Submit(_) => true,
            Self::Simulate(args) => args.serve.is_some(),
            _ => false,
        }
    }
}

/// `haldane demo`
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Leave the daemon running afterwards, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// How many times faster than life
    #[arg(
        long,
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..=600),
        value_name = "FACTOR"
    )]
    pub speed: u32,
    /// Where the daemon listens; a free port by default
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: String,
}

/// `haldane serve`
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Configuration file; ./haldane.toml is read when it exists
    #[arg(
        long,
        env = "HALDANE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Where to listen (server.listen)
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The decision log (store.path)
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// The folder of templates (templates.dir)
    #[arg(long, value_name = "FOLDER")]
    pub templates: Option<PathBuf>,
    /// The Prometheus to ask (source.url)
    #[arg(long, conflicts_with = "scenario", value_name = "URL")]
    pub prometheus: Option<String>,
    /// Simulated traffic instead of a Prometheus (source.scenario)
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For comments and job summaries.
    Markdown,
}

/// How a judgement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JudgeFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For comments and job summaries.
    Markdown,
    /// A page with charts, one file.
    Html,
    /// The charts as one picture.
    Svg,
}

/// What an inconclusive verdict ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InconclusiveAs {
    /// Exit code 3.
    #[value(name = "3")]
    Own,
    /// Exit code 1, also for no verdict within --timeout.
    Rollback,
    /// Exit code 0; no data, a hold and a time-out never end so.
    Promote,
}

impl InconclusiveAs {
    /// The exit code.
    pub const fn exit(self) -> Exit {
        match self {
            Self::Own => Exit::Inconclusive,
            Self::Rollback => Exit::Rollback,
            Self::Promote => Exit::Clean,
        }
    }
}

/// What is judged from a file; the template and its inputs also serve a source.
#[derive(Clone, Debug, clap::Args)]
pub struct FileArgs {
    /// The template; without one --csv is judged by a built-in template of one metric
    #[arg(short = 't', long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// A value for an input of the template, as name=value; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// Samples from a file with the columns timestamp_s,baseline,canary (- reads stdin)
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// With --csv: so many of the first rows are history, from when both arms were healthy; they
    /// are not judged
    #[arg(long, value_name = "ROWS", requires = "csv",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub history: Option<u32>,
    /// With --csv and no template: the direction of harm
    #[arg(long, value_parser = ["increase", "decrease", "either"], default_value = "increase",
        conflicts_with = "template", requires = "csv")]
    pub harm: String,
    /// With --csv and no template: the smallest change that counts, as 10%, or abs:0.02
    #[arg(
        long,
        value_name = "EFFECT",
        allow_hyphen_values = true,
        default_value = "10%",
        conflicts_with = "template",
        requires = "csv"
    )]
    pub min_effect: String,
}

/// `haldane judge`
#[derive(Clone, Debug, clap::Args)]
pub struct JudgeArgs {
    /// What is judged, and by which template.
    #[command(flatten)]
    pub file: FileArgs,
    /// Label matchers of the baseline, as in PromQL: track="stable" or pod=~"v1-.*"; those of the
    /// canary, with a template whose baseline is of another time
    #[arg(
        long,
        value_name = "MATCHERS",
        required_unless_present_any = ["csv", "canary"],
        conflicts_with = "csv"
    )]
    pub baseline: Option<String>,
    /// Label matchers of the canary
    #[arg(
        long,
        value_name = "MATCHERS",
        required_unless_present = "csv",
        conflicts_with = "csv"
    )]
    pub canary: Option<String>,
    /// The Prometheus to ask; source settings come from the configuration otherwise
    #[arg(long, value_name = "URL", conflicts_with = "csv")]
    pub prometheus: Option<String>,
    /// Configuration file (for source.*)
    #[arg(
        long,
        env = "HALDANE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Start of the window: RFC 3339, seconds since the epoch, or relative to now (-30m)
    #[arg(
        long,
        value_name = "INSTANT",
        allow_hyphen_values = true,
        default_value = "-30m",
        conflicts_with = "csv"
    )]
    pub start: String,
    /// End of the window
    #[arg(
        long,
        value_name = "INSTANT",
        allow_hyphen_values = true,
        default_value = "now",
        conflicts_with = "csv"
    )]
    pub end: String,
    /// How the answer is written
    #[arg(
        short = 'o',
        long,
        value_enum,
        default_value_t = JudgeFormat::Table,
        value_name = "FORMAT"
    )]
    pub output: JudgeFormat,
    /// With the table: which test said what of each metric, and what it would take to pass
    #[arg(long)]
    pub explain: bool,
    /// What an inconclusive verdict ends with
    #[arg(long, value_enum, default_value_t = InconclusiveAs::Own, value_name = "END")]
    pub inconclusive_as: InconclusiveAs,
}

/// What is said of a deploy beside its service.
#[derive(Clone, Debug, clap::Args)]
pub struct DeployArgs {
    /// The deploy's id; makes a submission repeatable
    #[arg(long, value_name = "ID")]
    pub deploy_id: Option<String>,
    /// The revision shown to people
    #[arg(long, value_name = "NAME")]
    pub revision: Option<String>,
    /// The commit
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// The environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// What was changed, such as database: the template may have rules for it (spec.changes)
    #[arg(long, value_name = "TYPE")]
    pub change_type: Option<String>,
    /// The share of traffic the canary is meant to get, as 10% or 0.1
    #[arg(long, value_name = "SHARE")]
    pub traffic_share: Option<String>,
}

/// How to reach a daemon.
#[derive(Clone, Debug, clap::Args)]
pub struct DaemonArgs {
    /// The daemon's address
    #[arg(
        long,
        visible_alias = "url",
        env = "HALDANE_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:7070",
        value_name = "URL"
    )]
    pub server: String,
    /// A file with a bearer token
    #[arg(
        long,
        env = "HALDANE_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub token_file: Option<PathBuf>,
}

/// `haldane submit`
#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The template: a name the daemon knows, or a file
    #[arg(short = 't', long, value_name = "NAME|FILE")]
    pub template: String,
    /// A value for an input of the template, as name=value; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// Label matchers of the baseline, as in PromQL; those of the canary, with a template whose
    /// baseline is of another time
    #[arg(long, value_name = "MATCHERS")]
    pub baseline: Option<String>,
    /// Label matchers of the canary
    #[arg(long, value_name = "MATCHERS")]
    pub canary: String,
    /// The service
    #[arg(long, value_name = "NAME")]
    pub service: String,
    /// What the deploy is.
    #[command(flatten)]
    pub deploy: DeployArgs,
    /// The region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// How it stands to others.
    #[command(flatten)]
    pub together: TogetherArgs,
    /// Where the verdict is sent
    #[arg(long = "webhook", value_name = "URL")]
    pub webhooks: Vec<String>,
    /// The name of the key that signs it, of the daemon's webhooks.keys; its default key without
    #[arg(long, value_name = "NAME")]
    pub webhook_key: Option<String>,
    /// When the canary began to take traffic: RFC 3339, seconds since the epoch, or relative to now
    /// (-5m); now without
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// Ends earlier or later than the template says
    #[arg(long, value_name = "LENGTH")]
    pub duration: Option<String>,
    /// Wait for the verdict
    #[arg(long)]
    pub wait: bool,
    /// With --wait: give up after this long (exit code 3); as long as it takes without
    #[arg(long, requires = "wait", value_name = "LENGTH")]
    pub timeout: Option<String>,
    /// With --wait: what the verdict ends with.
    #[command(flatten)]
    pub ending: EndingArgs,
}

/// `haldane status`
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// One analysis; all without it
    pub id: Option<String>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
}

/// `haldane report`
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The analysis
    #[arg(required_unless_present_any = ["csv", "document"],
        conflicts_with_all = ["csv", "document", "template", "inputs"])]
    pub id: Option<String>,
    /// Instead of an analysis: a file that is judged, and by which template.
    #[command(flatten)]
    pub file: FileArgs,
    /// Report what an earlier --format json wrote (- reads stdin)
    #[arg(long, value_name = "FILE",
        conflicts_with_all = ["csv", "template", "inputs"])]
    pub document: Option<PathBuf>,
    /// How the report is written
    #[arg(short = 'f', long, value_enum, default_value_t = ReportFormat::Html)]
    pub format: ReportFormat,
    /// With --format svg: the charts of one metric only
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// Where the report goes; stdout without it
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A page with charts, one file.
    Html,
    /// The charts as one picture.
    Svg,
    /// For comments and job summaries.
    Markdown,
    /// What the others are made from.
    Json,
}

/// `haldane wait`
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The analysis
    pub id: String,
    /// Give up after this long (exit code 3)
    #[arg(long, default_value = "2h", value_name = "LENGTH")]
    pub timeout: String,
    /// What the verdict ends with.
    #[command(flatten)]
    pub ending: EndingArgs,
}

/// What a person who decides has to say, and how the answer is written.
#[derive(Clone, Debug, clap::Args)]
pub struct ByArgs {
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who, when the daemon asks for no credentials
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
}

/// `haldane cancel`
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The analysis
    pub id: String,
    /// Who and why.
    #[command(flatten)]
    pub by: ByArgs,
}

/// `haldane override`
#[derive(Debug, clap::Args)]
pub struct OverrideArgs {
    /// Which daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The analysis
    pub id: String,
    /// The verdict
    #[arg(value_parser = ["promote", "rollback", "inconclusive"])]
    pub verdict: String,
    /// Who and why.
    #[command(flatten)]
    pub by: ByArgs,
}

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell, output: &mut Output) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "haldane", &mut script);
    output.data(&String::from_utf8_lossy(&script));
    Exit::Clean
}
