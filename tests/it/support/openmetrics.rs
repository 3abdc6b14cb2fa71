//! History to be loaded into a real Prometheus before it starts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Families and their samples, in the text format that `promtool` makes blocks from.
#[derive(Default)]
pub(crate) struct History(BTreeMap<String, String>);

impl History {
    /// Adds one series; counters are named `…_total`, everything else becomes a gauge.
    /// Samples are (seconds since 1970, value).
    pub(crate) fn series(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        samples: impl IntoIterator<Item = (f64, f64)>,
    ) {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = if family == name { "gauge" } else { "counter" };
        let text = self
            .0
            .entry(family.to_owned())
            .or_insert_with(|| format!("# TYPE {family} {kind}\n"));
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        for (at, value) in samples {
            writeln!(text, "{name}{{{}}} {value} {at:.3}", labels.join(",")).unwrap();
        }
    }

    /// A whole file that somebody else wrote.
    pub(crate) fn of(text: &str) -> Self {
        let families = text.strip_suffix("# EOF\n").unwrap();
        Self([(String::new(), families.to_owned())].into())
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let families: String = self.0.values().map(String::as_str).collect();
        families + "# EOF\n"
    }
}
