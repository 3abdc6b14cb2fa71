//! What `haldane lint` was asked.

use clap::ValueEnum;
use std::path::PathBuf;

/// `haldane lint`
#[derive(Debug, clap::Args)]
pub struct LintArgs {
    /// Templates, or folders of them
    #[arg(required_unless_present = "explain")]
    pub files: Vec<PathBuf>,
    /// Say what a code such as C012 means, with examples
    #[arg(long, value_name = "CODE", conflicts_with = "files")]
    pub explain: Option<String>,
    /// Warnings fail too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Ask this Prometheus too: whether queries are accepted, series are there, arms are disjoint,
    /// and the minimum effect can be shown before the deadline
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// With --prometheus: label matchers of the baseline, as in PromQL; those of the canary, with a
    /// template whose baseline is of another time
    #[arg(long, value_name = "MATCHERS", requires = "prometheus")]
    pub baseline: Option<String>,
    /// With --prometheus: label matchers of the canary
    #[arg(long, value_name = "MATCHERS", requires = "prometheus")]
    pub canary: Option<String>,
    /// With --prometheus: the end of what is asked for, such as that of a past rollout: RFC 3339,
    /// seconds since the epoch, or relative to now (-2d)
    #[arg(
        long,
        value_name = "INSTANT",
        allow_hyphen_values = true,
        default_value = "now",
        requires = "prometheus"
    )]
    pub end: String,
    /// With --prometheus: a value for an input, as name=value; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE", requires = "prometheus")]
    pub inputs: Vec<String>,
    /// Configuration file (for source.*, and the receivers that `notify` names)
    #[arg(
        long,
        env = "HALDANE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// How the answer is written
    #[arg(short = 'o', long, value_enum, default_value_t = LintFormat::Text, value_name = "FORMAT")]
    pub output: LintFormat,
}

/// How lint findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// With source lines.
    Text,
    /// For programs.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}
