//! What the controllers conclude from an answer, worked out again: Argo's web and prometheus
//! providers, Flagger's metrics, Kargo's http step, and Argo's assessment of a row of
//! measurements. The vectors say what each must conclude; here it is computed from status, body
//! and conditions, from answers of a started daemon and from those no daemon gives.

use crate::conformance::{conform, site};
use haldane::cli::conformance::vectors::FILES;
use haldane::wire::conformance;
use serde_json::{Value, json};

/// An answer; none when there was none in time.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Got {
    fn of(answer: &Value) -> Option<Self> {
        Some(Self {
            status: u16::try_from(answer.get("status")?.as_u64()?).ok()?,
            body: answer["body"].as_str()?.to_owned(),
        })
    }

    const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }
}

// ---- conditions: the part of expr-lang that samples and vectors use

/// A comparison chain with `&&`; `Err` is what expr-lang throws.
fn holds(condition: &str, root: &Value) -> Result<bool, ()> {
    for term in condition.split("&&") {
        if !compares(term.trim(), root)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn compares(term: &str, root: &Value) -> Result<bool, ()> {
    let operators = ["==", "!=", ">=", "<=", ">", "<"];
    let found = operators
        .iter()
        .find_map(|op| Some((*op, term.split_once(op)?)));
    let (operator, (left, right)) = found.unwrap_or_else(|| panic!("no comparison: {term}"));
    let (left, right) = (value(left.trim(), root)?, value(right.trim(), root)?);
    match operator {
        "==" => Ok(same(&left, &right)),
        "!=" => Ok(!same(&left, &right)),
        _ => {
            // Ordering anything but numbers throws.
            let (left, right) = (number(&left).ok_or(())?, number(&right).ok_or(())?);
            Ok(match operator {
                ">=" => left >= right,
                "<=" => left <= right,
                ">" => left > right,
                _ => left < right,
            })
        }
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// NaN travels as the text that JSON has no number for.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Object(one) => one.get("float")?.as_str()?.parse().ok(),
        value => value.as_f64(),
    }
}

fn value(text: &str, root: &Value) -> Result<Value, ()> {
    if let Some(inside) = text.strip_prefix("len(").and_then(|t| t.strip_suffix(')')) {
        let list = value(inside, root)?;
        return list.as_array().map(|all| json!(all.len())).ok_or(());
    }
    if let Some(inside) = text
        .strip_prefix("default(")
        .and_then(|t| t.strip_suffix(')'))
    {
        let (of, otherwise) = inside.split_once(',').unwrap();
        let found = value(of.trim(), root)?;
        return if found.is_null() {
            value(otherwise.trim(), root)
        } else {
            Ok(found)
        };
    }
    if let Some(quoted) = text.strip_prefix(['"', '\'']) {
        return Ok(json!(quoted.trim_end_matches(['"', '\''])));
    }
    if let Ok(plain) = serde_json::from_str::<Value>(text) {
        return Ok(plain);
    }
    let mut at = root.clone();
    for part in text.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, Some(rest.trim_end_matches(']').parse::<usize>())),
            None => (part, None),
        };
        at = match &at {
            Value::Object(members) => members.get(name).cloned().unwrap_or(Value::Null),
            Value::Null => Value::Null, // optional chaining of Kargo; Argo has no deeper path here
            _ => return Err(()),
        };
        if let Some(index) = index {
            at = at.get(index.unwrap()).cloned().ok_or(())?; // beyond the end throws
        }
    }
    Ok(at)
}

// ---- Argo Rollouts

/// One measurement by its conditions: failure wins, neither is inconclusive, none at all passes.
fn measured(root: &Value, conditions: &Value) -> &'static str {
    let told = |name: &str| {
        let condition = conditions.get(name).and_then(Value::as_str);
        condition.map(|condition| holds(condition, root))
    };
    match (told("success"), told("failure")) {
        (Some(Err(())), _) | (_, Some(Err(()))) => "Error",
        (_, Some(Ok(true))) => "Failed",
        (None, _) | (Some(Ok(true)), _) => "Successful",
        (Some(Ok(false)), None) => "Failed",
        (Some(Ok(false)), Some(Ok(false))) => "Inconclusive",
    }
}

/// Status outside 2xx is an error; JSON by its path, anything else as the raw text.
pub(crate) fn argo_web(got: Option<&Got>, conditions: &Value) -> &'static str {
    let Some(got) = got.filter(|got| got.is_success()) else {
        return "Error";
    };
    if got.status == 204 {
        return "Error"; // nothing to find a path in
    }
    let Some(whole) = got.json() else {
        return measured(&json!({ "result": got.body }), conditions);
    };
    let path = conditions["jsonPath"].as_str().unwrap();
    let pointer = path.trim_matches(['{', '}', '$']).replace('.', "/");
    match whole.pointer(&pointer) {
        None => "Error",
        Some(found) => measured(&json!({ "result": found }), conditions),
    }
}

/// The values of a vector as a list, of a scalar as a number.
pub(crate) fn argo_prometheus(got: Option<&Got>, conditions: &Value) -> &'static str {
    let read = got.filter(|got| got.is_success()).and_then(|got| {
        let whole = got.json()?;
        let data = &whole["data"];
        let float = |value: &Value| -> Option<Value> {
            let number: f64 = value[1].as_str()?.parse().ok()?;
            Some(match number.is_finite() {
                true => json!(number),
                false => json!({ "float": number.to_string() }),
            })
        };
        let list = data["result"].as_array()?;
        Some(match data["resultType"].as_str()? {
            "scalar" => float(&data["result"])?,
            "vector" => list
                .iter()
                .map(|one| float(&one["value"]))
                .collect::<Option<_>>()?,
            "matrix" => {
                let all = list
                    .iter()
                    .flat_map(|one| one["values"].as_array().unwrap());
                all.map(float).collect::<Option<_>>()?
            }
            _ => return None,
        })
    });
    read.map_or("Error", |result| {
        measured(&json!({ "result": result }), conditions)
    })
}

/// A metric from its measurements (P, F, I, E), as the analysis controller assesses it.
pub(crate) fn argo_metric(metric: &Value, measured: &str, terminated: bool) -> &'static str {
    let setting = |name: &str, default: usize| {
        let found = metric.get(name).and_then(Value::as_u64);
        found.map_or(default, |n| usize::try_from(n).unwrap())
    };
    let interval = metric.get("interval").is_some();
    let count = setting("count", usize::from(!interval)); // 0: no end
    let in_a_row = setting("consecutiveSuccessLimit", 0);
    let (mut failed, mut unclear, mut errors, mut successes, mut taken) = (0, 0, 0, 0, 0);
    for one in measured.chars() {
        errors = if one == 'E' { errors + 1 } else { 0 };
        successes = if one == 'P' { successes + 1 } else { 0 };
        taken += usize::from(one != 'E');
        failed += usize::from(one == 'F');
        unclear += usize::from(one == 'I');
        if errors > setting("consecutiveErrorLimit", 4) {
            return "Error";
        }
        if unclear > setting("inconclusiveLimit", 0) {
            return "Inconclusive";
        }
        if failed > setting("failureLimit", 0) {
            return "Failed";
        }
        if in_a_row > 0 && successes >= in_a_row {
            return "Successful";
        }
        if count > 0 && taken >= count {
            return if in_a_row > 0 {
                "Inconclusive"
            } else {
                "Successful"
            };
        }
    }
    if terminated { "Successful" } else { "Running" }
}

// ---- Flagger and Kargo

/// The last series' value; it must be a text and a number.
fn flagger_metric(got: Option<&Got>) -> String {
    let Some(got) = got.filter(|got| got.status < 400) else {
        return "error".to_owned();
    };
    let Some(whole) = got.json() else {
        return "error".to_owned();
    };
    if whole["data"]["resultType"] != "vector" {
        return "error".to_owned();
    }
    let last = whole["data"]["result"]
        .as_array()
        .and_then(|all| all.last());
    let value = last.and_then(|one| one["value"][1].as_str());
    let number = value.and_then(|text| text.parse::<f64>().ok());
    match number.filter(|number| !number.is_nan()) {
        Some(number) => number.to_string(),
        None => "no values found".to_owned(),
    }
}

/// Failure ends it, success ends it, anything else is asked again.
pub(crate) fn kargo_http(got: Option<&Got>, conditions: &Value) -> &'static str {
    let Some(got) = got else {
        return "Errored";
    };
    let body = got.json().unwrap_or(Value::Null);
    let root = json!({ "response": { "status": got.status, "body": body } });
    let told = |name: &str| {
        let condition = conditions.get(name).and_then(Value::as_str).unwrap();
        holds(condition, &root)
    };
    match (told("failure"), told("success")) {
        (Ok(true), _) => "Failed",
        (Ok(false), Ok(true)) => "Succeeded",
        (Ok(false), Ok(false)) => "Running",
        _ => "Errored",
    }
}

/// What a controller of the files concludes; none when nobody here knows it.
fn concludes(controller: &str, got: Option<&Got>, conditions: &Value) -> Option<String> {
    Some(match controller {
        "argo-rollouts-web" => argo_web(got, conditions).to_owned(),
        "argo-rollouts-prometheus" => argo_prometheus(got, conditions).to_owned(),
        "flagger-metrics" => flagger_metric(got),
        "kargo-http" => kargo_http(got, conditions).to_owned(),
        _ => return None,
    })
}

fn chosen<'a>(own: &'a Value, all: &'a Value) -> &'a Value {
    if own.is_null() { all } else { own }
}

#[test]
fn answers_that_nobody_gives_are_read_as_the_controllers_read_them() {
    let mut read = 0;
    for (name, text) in FILES {
        let suite = conformance::read(text).unwrap();
        for one in &suite.reads {
            let wanted = one["concludes"].as_str().unwrap();
            let got = if let Some(row) = one["measured"].as_str() {
                let terminated = one["terminated"] == true;
                argo_metric(&one["metric"], row, terminated).to_owned()
            } else {
                let got = Got::of(&one["answer"]);
                let conditions = chosen(&one["conditions"], &suite.conditions);
                let Some(got) = concludes(&suite.controller, got.as_ref(), conditions) else {
                    continue;
                };
                got
            };
            assert_eq!(got, wanted, "{name} {one}");
            read += 1;
        }
    }
    assert!(read >= 30, "{read} were read");
}

#[tokio::test]
async fn answers_of_a_daemon_lead_to_what_the_vectors_say() {
    let site = site();
    let daemon = site.start().await;
    let document = conform(&daemon, &["-o", "json"]).await.json();
    let mut read = 0;
    for suite in document["controllers"].as_array().unwrap() {
        let controller = suite["controller"].as_str().unwrap();
        for case in suite["cases"].as_array().unwrap() {
            assert_ne!(case["result"], "differs", "{controller} {case:#}");
            if case["result"] == "skipped" {
                continue;
            }
            let got = Got::of(&case["answer"]);
            let conditions = chosen(&case["conditions"], &suite["conditions"]);
            if let Some(found) = concludes(controller, got.as_ref(), conditions) {
                assert_eq!(found, case["concludes"], "{controller} {case:#}");
                read += 1;
            }
        }
    }
    assert!(read >= 50, "{read} were read");
}
