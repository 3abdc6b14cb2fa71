//! `POST /judge`: what an existing Kayenta asks of a remote judge. It fetches and stores as
//! before; only the judging is ours.

use super::config::KAYENTA;
use super::said::{Said, double, list, number, ok, read_up_to, sparse, text, texts};
use super::tree::stats;
use super::wanted::Thresholds;
use crate::http::office::Office;
use crate::judge::kayenta::classify::{Classification, Label, Pair, Rule, classify};
use crate::judge::kayenta::describe::{Summary, summary};
use crate::judge::kayenta::score::{Scored, class, summarise};
use crate::judge::kayenta::settings::{Fault, MetricSettings, Setting};
use crate::judge::kayenta::shifted::Scratch;
use crate::judge::kayenta::transform;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pairs of series in one request; more are refused. One metric kept apart by ten labels is ten.
const PAIRS_MAX: usize = 2000;

/// `POST /judge`
pub(super) async fn judge(
    State(office): State<Arc<Office>>,
    request: Request,
) -> Result<Response<Body>, Said> {
    let (_, fields) = read_up_to(&office, request, usize::MAX).await?;
    let Ok(_place) = office.reports.acquire().await else {
        return Err(Said::later("the daemon is stopping"));
    };
    let body = Value::Object(fields);
    let asked = Asked::of(&body)?;
    if asked.sequential {
        return Ok(ok(&super::remote_sequential::judged(&office, &asked).await?));
    }
    let judged = tokio::task::spawn_blocking(move || faithful(&Asked::of(&body)?)).await;
    judged
        .map_err(|fault| {
            tracing::error!(%fault, "the judge failed; this is a bug");
            Said::failed("the judge failed; the daemon's log says why")
        })?
        .map(|result| ok(&result))
}

/// What a body asks.
pub(super) struct Asked<'b> {
    pub(super) config: &'b Value,
    pub(super) thresholds: Thresholds,
    pub(super) pairs: &'b [Value],
    /// `judgeConfigurations.method` of the config says so.
    sequential: bool,
}

impl<'b> Asked<'b> {
    fn of(body: &'b Value) -> Result<Self, Said> {
        let part = |name: &str| {
            let value = body.get(name).filter(|value| !value.is_null());
            value.ok_or_else(|| Said::bad(format!("the request must contain {name}")))
        };
        let config = part("canaryConfig")?;
        let thresholds = Thresholds::of(part("scoreThresholds")?)?;
        // A list, or the whole document that holds one.
        let pairs = match part("metricSetPairList")? {
            Value::Array(pairs) => pairs.as_slice(),
            whole => list(whole, "metricSetPairList"),
        };
        if pairs.len() > PAIRS_MAX {
            let count = pairs.len();
            return Err(Said::bad(format!(
                "there are {count} pairs of series, the limit is {PAIRS_MAX}"
            )));
        }
        let method = config.pointer("/judge/judgeConfigurations");
        let method = method.and_then(|judge| text(judge, "method"));
        let sequential = match method.as_deref() {
            None | Some("kayenta") => false,
            Some("sequential") => true,
            Some(other) => {
                return Err(Said::bad(format!(
                    "judgeConfigurations.method `{other}` is none of kayenta, sequential"
                )));
            }
        };
        Ok(Self {
            config,
            thresholds,
            pairs,
            sequential,
        })
    }
}

fn faithful(asked: &Asked<'_>) -> Result<Value, Said> {
    let mut scratch = Scratch::default();
    let pairs = asked.pairs.iter();
    let rows: Result<Vec<Row>, Said> = pairs
        .map(|pair| Row::of(asked.config, pair, &mut scratch))
        .collect();
    Ok(result(asked.config, &rows?, asked.thresholds))
}

/// What the config says of the metric of a pair.
pub(super) fn metric_of<'c>(config: &'c Value, name: &str) -> Result<&'c Value, Said> {
    let mut metrics = list(config, "metrics").iter();
    metrics
        .find(|metric| text(metric, "name").as_deref() == Some(name))
        .ok_or_else(|| Said::bad(format!("Could not find metric config for {name}")))
}

/// The values of one side of a pair.
pub(super) fn side(pair: &Value, field: &str) -> Result<Vec<f64>, Said> {
    let name = text(pair, "name").unwrap_or_default();
    let values = pair.get("values").unwrap_or(&Value::Null);
    let all = list(values, field)
        .iter()
        .map(|value| value_of(value, &name));
    all.collect()
}

/// One pair, judged.
struct Row {
    name: String,
    id: Option<String>,
    tags: Value,
    groups: Vec<String>,
    muted: bool,
    said: Classification,
    control: Summary,
    experiment: Summary,
}

impl Row {
    fn of(config: &Value, pair: &Value, scratch: &mut Scratch) -> Result<Self, Said> {
        let name = text(pair, "name").unwrap_or_default();
        let metric = metric_of(config, &name)?;
        let none = json!({});
        let options = setting(metric.get("analysisConfigurations").unwrap_or(&none));
        let settings = MetricSettings::read(&options).map_err(|fault| {
            let what = match fault {
                Fault::WrongType => "a value of the wrong type",
                Fault::Null => "a word that is null",
                Fault::Factor => "an outlierFactor that is not above 0",
            };
            Said::bad(format!(
                "analysisConfigurations of metric {name} have {what}"
            ))
        })?;
        let control = transform::apply(&side(pair, "control")?, &settings);
        let experiment = transform::apply(&side(pair, "experiment")?, &settings);
        let both = Pair::new(&control, &experiment);
        Ok(Self {
            said: classify(&name, both, &settings, Rule::kayenta(), scratch),
            id: text(pair, "id"),
            tags: pair.get("tags").cloned().unwrap_or(none.clone()),
            groups: texts(metric, "groups"),
            muted: settings.muted,
            control: summary(&control),
            experiment: summary(&experiment),
            name,
        })
    }

    fn document(&self) -> Value {
        let said = &self.said;
        let ratio = match said.label {
            Label::Error => json!({}),
            _ => json!({ "ratio": double(said.ratio.unwrap_or(f64::NAN)) }),
        };
        sparse(json!({
            "name": self.name,
            "id": self.id,
            "tags": self.tags,
            "groups": self.groups,
            "classification": said.label.word(),
            "classificationReason": said.reason,
            "experimentMetadata": { "stats": stats(&self.experiment) },
            "controlMetadata": { "stats": stats(&self.control) },
            "resultMetadata": ratio,
            "critical": said.critical,
            "muted": self.muted,
        }))
    }
}

/// A value of a series; what Jackson writes as a word is one, too.
fn value_of(value: &Value, name: &str) -> Result<f64, Said> {
    let found = match value {
        Value::Null => Some(f64::NAN),
        Value::Number(number) => number.as_f64(),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        _ => None,
    };
    found.ok_or_else(|| Said::bad(format!("a value of metric {name} is no number: {value}")))
}

fn setting(value: &Value) -> Setting {
    match value {
        Value::Null => Setting::Null,
        Value::Bool(flag) => Setting::Flag(*flag),
        Value::Number(number) => Setting::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Setting::Text(text.clone()),
        Value::Array(items) => Setting::List(items.iter().map(setting).collect()),
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(name, value)| (name.clone(), setting(value)));
            Setting::Map(entries.collect())
        }
    }
}

fn result(config: &Value, rows: &[Row], thresholds: Thresholds) -> Value {
    let scored: Vec<Scored<'_>> = rows
        .iter()
        .map(|row| Scored {
            label: row.said.label,
            groups: row.groups.iter().map(String::as_str).collect(),
            reason: row.said.reason.as_deref(),
            critical: row.said.critical,
            muted: row.muted,
        })
        .collect();
    let weights = config.pointer("/classifier/groupWeights");
    let weights = weights.and_then(Value::as_object).into_iter().flatten();
    let weights: BTreeMap<&str, f64> = weights
        .filter_map(|(group, weight)| {
            let weight = number(&json!({ "weight": weight }), "weight")?;
            Some((group.as_str(), weight))
        })
        .collect();
    let whole = summarise(&scored, &weights);
    let groups = whole.groups.iter().map(|group| {
        json!({ "name": group.name, "score": group.score, "classification": "",
            "classificationReason": "" })
    });
    let class = class(
        whole.score,
        Some(thresholds.pass),
        Some(thresholds.marginal),
    );
    json!({
        "judgeName": KAYENTA,
        "results": rows.iter().map(Row::document).collect::<Vec<_>>(),
        "groupScores": groups.collect::<Vec<_>>(),
        "score": {
            "score": whole.score,
            "classification": class.word(),
            "classificationReason": whole.reason.unwrap_or_default(),
        },
    })
}
