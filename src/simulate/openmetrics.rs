//! Simulated traffic in the OpenMetrics text format (1.0.0): as history with timestamps, for
//! `promtool tsdb create-blocks-from openmetrics`, and as the page of one scrape target.

use crate::series::raw::{Labels, RawSeries};
use crate::simulate::run::scrape_step;
use crate::simulate::traffic::{Kind, Replica, Traffic, Window};
use crate::time::Timestamp;
use std::fmt::Write as _;

/// The content type of a page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The history of all services in `(from, to]`; `start` is the instant times of the scenario are
/// counted from. Labels of targets are written with each series, as a scrape would add them.
pub fn history(traffic: &Traffic, start: Timestamp, from: Timestamp, to: Timestamp) -> String {
    let window = Window {
        start: from,
        end: to,
        step: scrape_step(traffic.scenario()),
        changed_at: start,
    };
    let mut out = String::new();
    for (name, kind) in traffic.families() {
        head(&mut out, &name, kind);
        for replica in traffic.replicas() {
            for series in traffic.family((&name, kind), &replica, window) {
                for sample in &series.samples {
                    let at = sample.at.seconds();
                    line(&mut out, &name, kind, &series.labels, sample.value);
                    let _ = writeln!(out, " {at:.3}");
                }
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

/// What a scrape of one replica gets at `now`; nothing when it cannot be scraped. Labels of the
/// target are left out: the scraping server adds them.
pub fn page(
    traffic: &Traffic,
    replica: &Replica<'_>,
    start: Timestamp,
    now: Timestamp,
) -> Option<String> {
    if !traffic.is_up(replica, now, start) {
        return None;
    }
    let step = scrape_step(traffic.scenario());
    let end = now.align_down(step);
    let window = Window {
        start: end.minus(step.span()),
        end,
        step,
        changed_at: start,
    };
    let target = replica.target_labels();
    let mut out = String::new();
    for (name, kind) in traffic.families() {
        let found = traffic.family((&name, kind), replica, window);
        if found.is_empty() {
            continue;
        }
        head(&mut out, &name, kind);
        for RawSeries { labels, samples } in found {
            let own = labels
                .into_iter()
                .filter(|(name, _)| !target.contains_key(name));
            let own: Labels = own.collect();
            if let Some(sample) = samples.last() {
                line(&mut out, &name, kind, &own, sample.value);
                out.push('\n');
            }
        }
    }
    out.push_str("# EOF\n");
    Some(out)
}

/// A counter's family is its name without `_total`; one without that ending is no counter to
/// OpenMetrics, so its kind is not told.
fn head(out: &mut String, name: &str, kind: Kind) {
    let (family, word) = match kind {
        Kind::Gauge => (name, "gauge"),
        Kind::Counter => match name.strip_suffix("_total") {
            Some(family) => (family, "counter"),
            None => (name, "unknown"),
        },
        Kind::Histogram => (name, "histogram"),
    };
    let _ = writeln!(out, "# TYPE {family} {word}");
}

fn line(out: &mut String, name: &str, kind: Kind, labels: &Labels, value: f64) {
    let suffix = if kind == Kind::Histogram {
        "_bucket"
    } else {
        ""
    };
    let _ = write!(out, "{name}{suffix}");
    if !labels.is_empty() {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let _ = write!(out, "{{{}}}", pairs.join(","));
    }
    let _ = write!(out, " {value}");
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
