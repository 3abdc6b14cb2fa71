//! Lists of past rollouts: CSV with a head, or YAML.

use crate::cli::read;
use crate::diagnostic::closest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Rollouts of one list; a longer one is refused. Part it: each asks the source a few times.
const ROLLOUTS_MAX: usize = 100_000;

/// Bytes of a list; a longer one is refused. So many rollouts of 640 bytes.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// What an entry may say.
const FIELDS: [&str; 14] = [
    "service",
    "start",
    "duration",
    "baseline",
    "canary",
    "deploy_id",
    "revision",
    "commit",
    "environment",
    "change_type",
    "traffic_share",
    "name",
    "label",
    "onset",
];

/// What comes before the name of an input.
const INPUT: &str = "input.";

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Where it stands: `line 7`, `entry 3`.
    pub(super) place: String,
    fields: BTreeMap<String, String>,
    /// Values for inputs of the template.
    pub(super) inputs: BTreeMap<String, String>,
}

impl Fields {
    /// What it says of `name`; nothing counts as not said.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.fields.get(name).cloned()
    }

    fn put(&mut self, name: &str, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Ok(());
        }
        if let Some(input) = name.strip_prefix(INPUT) {
            self.inputs.insert(input.to_owned(), value.to_owned());
            return Ok(());
        }
        if !FIELDS.contains(&name) {
            return Err(unknown(name));
        }
        self.fields.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    match closest(name, FIELDS) {
        Some(near) => format!("unknown field `{name}`, did you mean `{near}`?"),
        None => format!(
            "unknown field `{name}`; there are {}, {INPUT}NAME",
            FIELDS.join(", ")
        ),
    }
}

/// Reads a list: YAML when the name says so, else CSV.
pub(super) fn entries(path: &Path) -> Result<Vec<Fields>, String> {
    let text = read::text(path, LIST_BYTES_MAX, "part it")?;
    let is_yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    let out = if is_yaml {
        of_yaml(&text)
    } else {
        of_csv(&text)
    }?;
    if out.is_empty() {
        return Err("it names no rollout".to_owned());
    }
    if out.len() > ROLLOUTS_MAX {
        let count = out.len();
        return Err(format!("{count} rollouts, at most {ROLLOUTS_MAX}; part it"));
    }
    Ok(out)
}

fn of_csv(text: &str) -> Result<Vec<Fields>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let head = reader.headers().map_err(|fault| fault.to_string())?.clone();
    for name in &head {
        if !name.starts_with(INPUT) && !FIELDS.contains(&name) {
            return Err(format!("its head: {}", unknown(name)));
        }
    }
    let mut out = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|fault| fault.to_string())?;
        let mut entry = Fields {
            place: format!("line {}", row.position().map_or(0, csv::Position::line)),
            ..Fields::default()
        };
        for (name, value) in head.iter().zip(&row) {
            entry.put(name, value)?;
        }
        out.push(entry);
    }
    Ok(out)
}

/// A list of maps; `inputs` may be a map of its own.
fn of_yaml(text: &str) -> Result<Vec<Fields>, String> {
    let root: Value = serde_saphyr::from_str(text).map_err(|fault| fault.to_string())?;
    let list = root.as_array().ok_or("it is no list of rollouts")?;
    let mut out = Vec::with_capacity(list.len());
    for (idx, item) in list.iter().enumerate() {
        let place = format!("entry {}", idx + 1);
        let map = item
            .as_object()
            .ok_or_else(|| format!("{place} is no map"))?;
        let mut entry = Fields {
            place: place.clone(),
            ..Fields::default()
        };
        let mut put = |name: &str, value: &Value| -> Result<(), String> {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!("{place}: `{name}` is no text"));
                }
            };
            entry
                .put(name, &text)
                .map_err(|why| format!("{place}: {why}"))
        };
        for (name, value) in map {
            match value {
                Value::Object(inputs) if name == "inputs" => {
                    for (input, value) in inputs {
                        put(&format!("{INPUT}{input}"), value)?;
                    }
                }
                value => put(name, value)?,
            }
        }
        out.push(entry);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn both_kinds_of_list_say_the_same() {
        let csv = "service,start,baseline,input.service,label\n\
                   web,2026-03-01T12:00:00Z,\"track=\"\"a\"\"\",web,good\n# done\n";
        let yaml = "- service: web\n  start: 2026-03-01T12:00:00Z\n  baseline: 'track=\"a\"'\n  \
                    inputs: { service: web }\n  label: good\n  onset:\n";
        let mut from_csv = of_csv(csv).unwrap();
        let from_yaml = of_yaml(yaml).unwrap();
        from_csv[0].place.clone_from(&from_yaml[0].place);
        assert_eq!(from_csv, from_yaml);
        assert_eq!(from_csv[0].get("baseline").unwrap(), "track=\"a\"");
        assert_eq!(from_csv[0].get("onset"), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            (
                "service,strat\n",
                "unknown field `strat`, did you mean `start`?",
            ),
            ("service,start\nweb\n", "found record with 1 fields"),
        ] {
            let fault = of_csv(text).unwrap_err();
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
        for (text, wanted) in [
            ("service: web", "it is no list"),
            ("- web", "entry 1 is no map"),
            ("- service: [1]", "entry 1: `service` is no text"),
            ("- servce: web", "did you mean `service`?"),
        ] {
            let fault = of_yaml(text).unwrap_err();
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
    }
}
