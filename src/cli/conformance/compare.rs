//! An answer against what a case says it must be, and against the rules that hold for every
//! answer a controller reads.

use super::stage::{Values, filled};
use crate::cli::client::Exchange;
use crate::wire::conformance::Answer;
use serde_json::Value;

/// Everything in which `got` differs; empty when it is as it must be.
pub(crate) fn differences(wanted: &Answer, got: &Exchange, values: &Values) -> Vec<String> {
    let mut out = rules(got);
    if got.status != wanted.status {
        out.push(format!("status {}, wanted {}", got.status, wanted.status));
    }
    if let Some(media) = &wanted.media
        && media != media_type(got)
    {
        out.push(format!("type {}, wanted {media}", media_type(got)));
    }
    for (name, value) in &wanted.headers {
        let found = got.header(name).unwrap_or("none");
        if filled(value, values).as_deref() != Ok(found) {
            out.push(format!("header {name} is {found}, wanted {value}"));
        }
    }
    out.extend(text(wanted, got, values));
    if wanted.json.is_some() || !wanted.absent.is_empty() || !wanted.between.is_empty() {
        match serde_json::from_slice(&got.body) {
            Ok(document) => out.extend(document_differences(wanted, &document, values)),
            Err(_) => out.push("the body is no JSON".to_owned()),
        }
    }
    out
}

/// What must never happen: a redirect is followed to a page that a controller takes for a yes, a
/// 204 is a failure without a reason, and a body without a type is guessed at.
fn rules(got: &Exchange) -> Vec<String> {
    let mut out = Vec::new();
    if (300..400).contains(&got.status) || got.status == 204 {
        out.push(format!(
            "status {} is never sent to controllers",
            got.status
        ));
    }
    let media = media_type(got);
    if media.is_empty() {
        out.push("there is no Content-Type".to_owned());
    }
    if media == "text/plain" && got.body.ends_with(b"\n") {
        out.push("the text ends with a line end".to_owned());
    }
    out
}

fn media_type(got: &Exchange) -> &str {
    let whole = got.header("content-type").unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim()
}

fn text(wanted: &Answer, got: &Exchange, values: &Values) -> Vec<String> {
    let body = String::from_utf8_lossy(&got.body);
    let mut out = Vec::new();
    if let Some(text) = &wanted.text {
        match filled(text, values) {
            Ok(text) if text == body => {}
            Ok(text) => out.push(format!("body {body:?}, wanted {text:?}")),
            Err(why) => out.push(why),
        }
    }
    for part in &wanted.contains {
        match filled(part, values) {
            Ok(part) if body.contains(&part) => {}
            Ok(part) => out.push(format!("{part:?} is not in body {body:?}")),
            Err(why) => out.push(why),
        }
    }
    out
}

fn document_differences(wanted: &Answer, got: &Value, values: &Values) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(part) = &wanted.json {
        within(part, got, "", values, &mut out);
    }
    for pointer in &wanted.absent {
        if let Some(found) = got.pointer(pointer) {
            out.push(format!("{pointer} is {found}, and must not be there"));
        }
    }
    for (pointer, (least, most)) in &wanted.between {
        let found = got.pointer(pointer);
        let number = found.and_then(|value| match value.as_str() {
            Some(text) => text.parse().ok(),
            None => value.as_f64(),
        });
        if !number.is_some_and(|number: f64| (*least..=*most).contains(&number)) {
            let found = found.map_or_else(|| "missing".to_owned(), Value::to_string);
            out.push(format!("{pointer} is {found}, wanted {least} to {most}"));
        }
    }
    out
}

/// Whether `got` holds `wanted`; `at` is where in the document.
fn within(wanted: &Value, got: &Value, at: &str, values: &Values, out: &mut Vec<String>) {
    let fits = match wanted {
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}/{name}");
                match got.get(name) {
                    Some(found) => within(member, found, &at, values, out),
                    None => out.push(format!("{at} is missing")),
                }
            }
            got.is_object()
        }
        Value::Array(entries) => {
            let found = got.as_array();
            for (idx, entry) in entries.iter().enumerate() {
                if let Some(found) = found.and_then(|all| all.get(idx)) {
                    within(entry, found, &format!("{at}/{idx}"), values, out);
                }
            }
            found.is_some_and(|all| all.len() == entries.len())
        }
        Value::String(text) => match text.as_str() {
            "${any}" => !got.is_null(),
            "${number}" => got.is_number(),
            "${text}" => got.is_string(),
            "${list}" => got.is_array(),
            "${object}" => got.is_object(),
            text => filled(text, values).as_deref() == got.as_str().ok_or(&String::new()),
        },
        plain => plain == got,
    };
    if !fits {
        let at = if at.is_empty() { "the document" } else { at };
        out.push(format!("{at} is {got}, wanted {wanted}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use serde_json::json;

    fn exchange(status: u16, media: &str, body: &str) -> Exchange {
        Exchange {
            status,
            headers: vec![("content-type".to_owned(), media.to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn every_difference_is_said() {
        let values = Values::from([("id".to_owned(), "a1".to_owned())]);
        let wanted = |json: Value| Answer {
            status: 200,
            media: Some("application/json".to_owned()),
            json: Some(json),
            ..Answer::default()
        };
        let body = r#"{"id":"a1","score":97.5,"list":[1,2],"none":null,"sample":[0,"91"]}"#;
        let got = exchange(200, "application/json; charset=utf-8", body);
        for (part, differ) in [
            (json!({"id": "${id}", "list": [1, 2]}), 0),
            (
                json!({"id": "${text}", "score": "${number}", "list": "${list}"}),
                0,
            ),
            (json!({"id": "a2"}), 1),
            (json!({"list": [1]}), 1),
            (json!({"list": [1, 3]}), 1),
            (json!({"none": "${any}", "missing": "${any}"}), 2),
            (json!({"id": "${what}"}), 1),
        ] {
            let found = differences(&wanted(part.clone()), &got, &values);
            assert_eq!(found.len(), differ, "{part}: {found:?}");
        }
        let bounded = Answer {
            absent: vec!["/id".to_owned()],
            between: [("/sample/1".to_owned(), (90.0, 100.0))].into(),
            ..wanted(json!({}))
        };
        assert_eq!(differences(&bounded, &got, &values).len(), 1);
        let other = exchange(302, "text/plain", "moved\n");
        assert_eq!(differences(&wanted(json!({})), &other, &values).len(), 5);
    }
}
