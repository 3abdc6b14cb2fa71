//! Accounts, judges, and the series and results that Deck's report reads.

use super::config::{KAYENTA, SEQUENTIAL};
use super::execution::{execution, told};
use super::said::{Key, Said, double, ok};
use super::tree::{Names, pair_id, records, values, windows};
use crate::http::office::Office;
use crate::plan::{Plan, Slot};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// The account that is always there.
const ACCOUNT: &str = "haldane";

/// `GET /credentials`
pub(super) async fn credentials(State(office): State<Arc<Office>>) -> Response<Body> {
    let configured = office.desk.kayenta.accounts.iter().map(String::as_str);
    let account = |name: &str| {
        json!({
            "name": name,
            "type": "prometheus",
            "supportedTypes": ["METRICS_STORE", "OBJECT_STORE", "CONFIGURATION_STORE"],
            "locations": [],
            "recommendedLocations": [],
        })
    };
    let all = std::iter::once(ACCOUNT).chain(configured.filter(|name| *name != ACCOUNT));
    ok(&all.map(account).collect())
}

/// `GET /judges`
pub(super) async fn judges() -> Response<Body> {
    let judge = |name: &str| json!({ "name": name, "visible": true });
    ok(&[KAYENTA, SEQUENTIAL].map(judge).into_iter().collect())
}

/// `GET /canaryJudgeResult/{id}`
pub(super) async fn result(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let whole = told(&office, &id).await?;
    match whole.document.pointer("/result/judgeResult") {
        Some(result) => Ok(ok(result)),
        None => Err(Said::missing(format!(
            "Canary execution '{id}' has no result."
        ))),
    }
}

/// `GET /metricSetPairList/{id}`
pub(super) async fn pairs(
    State(office): State<Arc<Office>>,
    Key(id): Key,
) -> Result<Response<Body>, Said> {
    let execution = execution(&office, &id)?;
    let Ok(_place) = office.reports.acquire().await else {
        return Err(Said::later("the daemon is stopping"));
    };
    let Some(records) = records(&office, &execution.view.id).await else {
        return Err(Said::later(format!(
            "the records of '{id}' cannot be read at present"
        )));
    };
    let work = move || {
        let plan = &execution.view.plan;
        let windows = windows(plan, &records);
        let names = Names::of(&execution.sent, plan);
        let of = |idx: usize| {
            let (baseline, canary) = values(plan, &windows, idx);
            json!({
                "name": names.metric(idx),
                "id": pair_id(&execution.view.id, idx),
                "tags": {},
                "values": { "control": doubles(&baseline), "experiment": doubles(&canary) },
                "scopes": { "control": times(plan, true), "experiment": times(plan, false) },
                "attributes": queries(plan, idx),
            })
        };
        (0..plan.metrics.len()).map(of).collect::<Value>()
    };
    let made = tokio::task::spawn_blocking(work).await;
    made.map(|list| ok(&list)).map_err(|fault| {
        tracing::error!(execution = %id, %fault, "a list of series could not be made");
        Said::failed("the series cannot be shown; the daemon's log says why")
    })
}

fn doubles(values: &[Option<f64>]) -> Vec<Value> {
    let all = values.iter().map(|value| double(value.unwrap_or(f64::NAN)));
    all.collect()
}

fn times(plan: &Plan, control: bool) -> Value {
    let start = plan.timing.judged_from;
    let start = if control {
        start.minus(plan.back())
    } else {
        start
    };
    json!({
        "startTimeMillis": start.ms(),
        "startTimeIso": start.to_string(),
        "stepMillis": plan.timing.step.span().ms(),
    })
}

/// The queries of a metric; one covers both sides, unless the baseline is of another time.
fn queries(plan: &Plan, idx: usize) -> Value {
    let of = |all: &[(Slot, &str)]| {
        let own = all.iter().filter(|(slot, _)| slot.metric_idx == idx);
        let texts: Vec<&str> = own.map(|(_, query)| *query).collect();
        json!({ "query": texts.join(" / ") })
    };
    let experiment = plan.queries();
    let control = plan
        .baseline_queries()
        .unwrap_or_else(|| experiment.clone());
    json!({ "control": of(&control), "experiment": of(&experiment) })
}
