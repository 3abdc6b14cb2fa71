//! A verdict as the XML that CI systems show as tests: a case for the verdict itself, and one for
//! each metric.

use crate::chart::escaped;
use crate::cli::exit_code::Exit;
use crate::cli::figures;
use crate::cli::style::{Style, plain};
use crate::time::Timestamp;
use crate::wire::verdict::{MetricDocument, VerdictDocument};
use std::fmt::Write as _;

/// How a case came out.
enum Came {
    Passed,
    /// It says no.
    Failure(String),
    /// It says nothing, and that is taken for a no.
    Error(String),
    /// It says nothing, or nothing that counts.
    Skipped(String),
}

/// One case: class, name, how it came out.
struct Case(String, String, Came);

/// The final verdict that ends with `exit`.
pub(crate) fn of_verdict(document: &VerdictDocument, exit: Exit) -> String {
    let class = format!("haldane.{}", document.service);
    let reason = || format!("{}: {}", document.verdict, plain(&document.reason));
    let came = match (exit, document.verdict.as_str()) {
        (Exit::Clean, "promote") => Came::Passed,
        (Exit::Clean, _) => Came::Skipped(reason()),
        (Exit::Rollback, _) => Came::Failure(reason()),
        _ => Came::Error(reason()),
    };
    let mut cases = vec![Case(class.clone(), "verdict".to_owned(), came)];
    // What is worse and yet let the job go on did not count, by whatever flag or policy it did.
    let promoted = exit == Exit::Clean;
    for metric in document.metrics.iter().flatten() {
        let class = format!("{class}.metrics");
        cases.push(Case(
            class,
            metric.name.clone(),
            of_metric(metric, promoted),
        ));
    }
    let score = document.score.map(|score| score.to_string());
    let properties = [
        ("analysis", document.id.as_str()),
        ("verdict", document.verdict.as_str()),
        ("score", score.as_deref().unwrap_or_default()),
        ("template", document.template.name.as_str()),
        ("template.digest", document.template.digest.as_str()),
        ("plan.digest", document.plan_digest.as_str()),
    ];
    let mut name = document.service.clone();
    if let Some(revision) = &document.deploy.revision {
        let _ = write!(name, " {revision}");
    }
    suite(&name, &lasted(document), &properties, &cases)
}

/// No verdict, because of a fault.
pub(crate) fn of_fault(message: &str, exit: Exit) -> String {
    let came = if exit == Exit::Clean {
        Came::Skipped(plain(message))
    } else {
        Came::Error(plain(message))
    };
    let case = Case("haldane".to_owned(), "verdict".to_owned(), came);
    suite("haldane", "", &[], &[case])
}

/// What is worse and yet ended like a promote did not count.
fn of_metric(metric: &MetricDocument, promoted: bool) -> Came {
    let style = Style::DOCUMENT;
    let message = format!(
        "{}, {}: {} in {}, limit {}",
        metric.label.replace('_', " "),
        metric.role,
        figures::effect(metric),
        figures::interval(metric, style),
        figures::limit(metric, style)
    );
    match metric.label.as_str() {
        "within" => Came::Passed,
        "worse" if !promoted => Came::Failure(message),
        "no_data" => {
            let why = metric.no_data.as_deref().unwrap_or_default();
            Came::Skipped(format!("no data, {}: {}", metric.role, plain(why)))
        }
        _ => Came::Skipped(message),
    }
}

/// The attributes that say when it was, and how long it took.
fn lasted(document: &VerdictDocument) -> String {
    let began = Timestamp::parse(&document.started_at);
    let ended = document.decided_at.as_deref().and_then(Timestamp::parse);
    let (Some(began), Some(ended)) = (began, ended) else {
        return String::new();
    };
    // The instant without a zone, as the schema of Jenkins has it; it is in UTC.
    let at = began.to_string();
    let at = at.trim_end_matches('Z');
    let seconds = ended.since(began).seconds().max(0.0);
    format!(" timestamp=\"{at}\" time=\"{seconds:.3}\"")
}

fn suite(name: &str, attributes: &str, properties: &[(&str, &str)], cases: &[Case]) -> String {
    let count = |wanted: fn(&Came) -> bool| cases.iter().filter(|case| wanted(&case.2)).count();
    let (tests, failures, errors, skipped) = (
        cases.len(),
        count(|came| matches!(came, Came::Failure(_))),
        count(|came| matches!(came, Came::Error(_))),
        count(|came| matches!(came, Came::Skipped(_))),
    );
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"haldane\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">\n  \
         <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\"{attributes}>\n",
        escaped(name)
    );
    if !properties.is_empty() {
        out.push_str("    <properties>\n");
        for (name, value) in properties {
            let value = escaped(value);
            let _ = writeln!(out, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        out.push_str("    </properties>\n");
    }
    for Case(class, name, came) in cases {
        let (class, name) = (escaped(class), escaped(name));
        let open = format!("    <testcase classname=\"{class}\" name=\"{name}\"");
        let (element, message) = match came {
            Came::Passed => {
                let _ = writeln!(out, "{open}/>");
                continue;
            }
            Came::Failure(message) => ("failure", message),
            Came::Error(message) => ("error", message),
            Came::Skipped(message) => ("skipped", message),
        };
        let message = escaped(message);
        let _ = writeln!(
            out,
            "{open}>\n      <{element} message=\"{message}\">{message}</{element}>\n    \
             </testcase>"
        );
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_fails_only_where_the_job_does() {
        let arm = r#"{"n":1,"n_eff":1,"level":1,"bad":null,"coverage":1}"#;
        let text = format!(
            r#"{{"schema":"haldane.verdict/1","id":"a","verdict":"inconclusive","final":true,
            "score":80,"reason":"","row":1,"hold":null,"on_inconclusive":"hold",
            "status":"concluded","service":"s","deploy":{{"id":null,"environment":null,
            "region":null,"revision":null,"commit":null,"artifact_digest":null,
            "change_type":null,"actor":null,"traffic_share":null,"traceparent":null}},
            "template":{{"name":"t","digest":"d"}},"plan_digest":"d","look":1,"looks_planned":1,
            "started_at":"","submitted_at":"","deadline":"","covered_to":null,"decided_at":null,
            "next_look_at":null,"author":null,"source_fault":null,"metrics":[{{"name":"errors",
            "label":"worse","role":"info","group":"","weight":1,"harm":"increase",
            "limit":{{"relative":0.1}},"unit":"","test":"","baseline":{arm},"canary":{arm},
            "effect":null,"evidence":null,"needs":{{"what":"nothing"}},"no_data":null,
            "both_degraded":"no","notes":[]}}]}}"#
        );
        let document: VerdictDocument = serde_json::from_str(&text).expect("A9: a document");
        for (exit, wanted) in [
            (Exit::Rollback, "failures=\"2\" errors=\"0\" skipped=\"0\""),
            (
                Exit::Inconclusive,
                "failures=\"1\" errors=\"1\" skipped=\"0\"",
            ),
            // A policy that lets the job go on lets the metric be.
            (Exit::Clean, "failures=\"0\" errors=\"0\" skipped=\"2\""),
        ] {
            let xml = of_verdict(&document, exit);
            assert!(xml.contains(wanted), "{exit:?}: {xml}");
        }
    }
}
