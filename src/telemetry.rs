//! Logs and the daemon's own metrics.
#![allow(clippy::disallowed_methods, reason = "door: does I/O")]

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sets up logs on stderr, once per process; `Err` says what is wrong with the filter.
pub fn init_logs(filter: &str, format: LogFormat) -> Result<(), String> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|fault| format!("log.filter `{filter}`: {fault}; write info or haldane=debug"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second set-up in one process (tests, the demo) keeps the first.
    drop(done);
    Ok(())
}

/// Histograms of what follows a verdict: people and controllers take minutes where a program takes
/// microseconds.
const AFTERMATH: [&str; 2] = ["haldane_acknowledge_seconds", "haldane_recovery_seconds"];

/// Their bounds in seconds: 2 min is the usual wish for "decided to acknowledged", 10 min the one
/// for "decided to recovered", 15 min and 1 h how long is looked by default and at most.
const AFTERMATH_BOUNDS: [f64; 11] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
];

/// Installs the recorder, once per process, and gives what renders it. The first bucket bounds of
/// the histograms are those of the targets in the design: 60 µs, 300 µs, 1 s.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let bounds = [6e-5, 3e-4, 1e-3, 5e-3, 2e-2, 1e-1, 5e-1, 1.0, 5.0, 30.0];
            let builder = PrometheusBuilder::new();
            let minutes = |builder: PrometheusBuilder| {
                let matched = |name: &str| Matcher::Full(name.to_owned());
                AFTERMATH.iter().try_fold(builder, |builder, name| {
                    builder.set_buckets_for_metric(matched(name), &AFTERMATH_BOUNDS)
                })
            };
            let recorder = match builder.set_buckets(&bounds).and_then(minutes) {
                Ok(builder) => builder.build_recorder(),
                Err(_) => PrometheusBuilder::new().build_recorder(),
            };
            let handle = recorder.handle();
            // Another recorder may already be there (a library user's); ours then counts nothing.
            drop(metrics::set_global_recorder(recorder));
            describe();
            handle
        })
        .clone()
}

/// How often [`upkeep`] has to run; the exporter keeps raw histogram samples until then.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Folds raw samples into buckets.
pub fn upkeep() {
    metrics().run_upkeep();
}

#[expect(clippy::too_many_lines, reason = "a table of metrics")]
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("haldane_analyses", "analyses by status");
    describe_gauge!(
        "haldane_deliveries_owed",
        "messages that are neither delivered nor given up"
    );
    describe_gauge!(
        "haldane_records_unacknowledged",
        "records that are not durable yet"
    );
    describe_gauge!("haldane_templates", "templates that can be submitted");
    describe_gauge!(
        "haldane_templates_refused",
        "template files that are refused; what was good before stays in use"
    );
    describe_counter!(
        "haldane_template_changes_total",
        "templates that were new, changed or removed while the daemon ran"
    );
    describe_counter!("haldane_submissions_total", "submissions accepted");
    describe_counter!("haldane_looks_total", "looks judged");
    describe_counter!("haldane_verdicts_total", "verdicts by word");
    describe_counter!(
        "haldane_judge_failures_total",
        "looks that the judge failed at"
    );
    describe_counter!("haldane_source_faults_total", "fetches that failed");
    describe_counter!("haldane_store_faults_total", "appends that failed");
    describe_counter!(
        "haldane_delivery_attempts_failed_total",
        "delivery attempts that failed"
    );
    describe_counter!("haldane_deliveries_settled_total", "deliveries that ended");
    describe_counter!("haldane_deliveries_total", "deliveries by how they ended");
    describe_counter!(
        "haldane_redeliveries_total",
        "messages sent once more by hand"
    );
    describe_gauge!(
        "haldane_deliveries_dead",
        "messages that were refused or expired, of analyses in memory"
    );
    describe_gauge!("haldane_rollbacks_watched", "rollbacks under watch");
    describe_gauge!(
        "haldane_rollbacks_unacknowledged",
        "rollbacks nobody took note of in the time their template gives"
    );
    describe_counter!(
        "haldane_rollbacks_seen_through_total",
        "watches of rollbacks that ended, by outcome"
    );
    describe_histogram!(
        "haldane_acknowledge_seconds",
        "time from a verdict until somebody took note of it"
    );
    describe_histogram!(
        "haldane_recovery_seconds",
        "time from a rollback verdict until what was wrong was right"
    );
    describe_counter!(
        "haldane_http_requests_total",
        "requests answered, by route and status"
    );
    describe_histogram!("haldane_http_request_seconds", "time to answer a request");
    describe_histogram!(
        "haldane_fetch_seconds",
        "time to fetch the samples of one look"
    );
    describe_histogram!("haldane_judge_seconds", "time to judge one look");
}
