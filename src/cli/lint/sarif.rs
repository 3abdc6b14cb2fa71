//! Findings as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the lines they are about.

use crate::diagnostic::{Diagnostic, Severity};
use crate::template::codes::{Code, codes};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Where the form is described.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/\
                      sarif-schema-2.1.0.json";

/// A whole log of one run.
pub(super) fn log(results: &[Value]) -> Value {
    let rules: Vec<Value> = codes().map(|code| rule(&code)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "haldane",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.code,
        "shortDescription": { "text": code.title },
        "fullDescription": { "text": code.reason() },
        "help": { "text": code.text, "markdown": code.text },
    })
}

/// One finding in a file.
pub(super) fn result(file: &str, diagnostic: &Diagnostic) -> Value {
    let help = diagnostic.help.as_ref();
    let text = help.map_or_else(
        || diagnostic.message.clone(),
        |help| format!("{}; {help}", diagnostic.message),
    );
    let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
    if let Some(place) = diagnostic.place {
        physical["region"] = json!({
            "startLine": place.line,
            "startColumn": place.column,
            // The column after the last one.
            "endColumn": place.column + place.len,
        });
    }
    json!({
        "ruleId": diagnostic.code,
        "ruleIndex": codes().position(|code| code.code == diagnostic.code),
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text },
        "locations": [{ "physicalLocation": physical }],
    })
}

/// A path as a relative reference (RFC 3986): what is not unreserved is escaped.
fn uri(file: &str) -> String {
    let path = file.strip_prefix("./").unwrap_or(file);
    let mut out = String::new();
    for byte in path.bytes() {
        let byte = if byte == b'\\' { b'/' } else { byte };
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
