//! The sequential judge for another Kayenta: its pairs of series become the samples of a template
//! that is made of its config, one metric for each pair.
//!
//! Each request is judged on its own, as the last look of an analysis. A Kayenta that asks again
//! and again about a growing window spends the error budget anew each time; only an analysis of
//! Haldane's own looks again without that.

use super::bound::{Window, made, read};
use super::config::SEQUENTIAL;
use super::remote::{Asked, metric_of, side};
use super::said::{Said, sparse, text, texts};
use super::score::{class, honest};
use super::tree::{Member, evidence, groups, label, stats};
use crate::dialect::Word;
use crate::engine::verdict::Verdict;
use crate::http::office::Office;
use crate::http::{Ask, OnceFault, bind};
use crate::judge::explain::headline;
use crate::judge::judgement::{Finding, Label as Judged};
use crate::judge::kayenta::describe::summary;
use crate::judge::windows::Batch;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::plan::{Part, Plan, Slot};
use crate::series::raw::{Answer, Labels, RawSeries, Sample};
use crate::template::Role;
use crate::template::baseline::BaselineMode;
use crate::time::{Span, Step, Timestamp};
use crate::units::Score;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The distance between points; the judge sees their order, and a minute is Kayenta's usual one.
const STEP: Span = Span::from_s(60);

/// The label that tells the sides apart, and its values.
const ARM: &str = "arm";
const SIDES: [&str; 2] = ["control", "experiment"];

/// The values of a pair, as [`SIDES`].
type Values = [Vec<f64>; 2];

/// Judges what was asked.
pub(super) async fn judged(office: &Office, asked: &Asked<'_>) -> Result<Value, Said> {
    let mut sides: Vec<Values> = Vec::new();
    for pair in asked.pairs {
        let [control, experiment] = SIDES;
        sides.push([side(pair, control)?, side(pair, experiment)?]);
    }
    let plan = plan(asked, &sides)?;
    let samples = Some(Box::new(batch(&plan, &sides)));
    let question = |reply| Ask::Judge {
        plan,
        samples,
        reply,
    };
    let once = office.ask(question).await?.map_err(|fault| match fault {
        OnceFault::Source(fault) => Said::bad(fault.message),
        OnceFault::Judge(message) => Said::failed(message),
    })?;
    let word = match once.verdict {
        Verdict::Promote => Word::Go,
        Verdict::Rollback => Word::Stop,
        Verdict::Inconclusive => Word::Doubt,
    };
    let score = once.judgement.score.map_or(0, Score::get);
    let judged = asked.pairs.iter().zip(&once.judgement.findings);
    let members = judged
        .clone()
        .map(|(pair, finding)| member(asked, pair, finding));
    let rows = judged.zip(&sides);
    let rows = rows.map(|((pair, finding), sides)| row(asked.config, pair, finding, sides));
    Ok(json!({
        "judgeName": SEQUENTIAL,
        "results": rows.collect::<Result<Vec<Value>, Said>>()?,
        "groupScores": groups(&members.collect::<Result<Vec<Member>, Said>>()?),
        "score": {
            "score": honest(word, f64::from(score), asked.thresholds),
            "classification": class(word),
            "classificationReason": once.sentence,
        },
    }))
}

/// The plan of one look at all pairs.
fn plan(asked: &Asked<'_>, sides: &[Values]) -> Result<Arc<Plan>, Said> {
    let points = sides.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let step = Step::new(STEP).filter(|_| points > 0);
    let step = step.ok_or_else(|| Said::bad("metricSetPairList holds no values"))?;
    let window = Window {
        start: Timestamp::from_ms(0),
        length: STEP.times(i64::try_from(points).unwrap_or(i64::MAX)),
        step,
        mode: BaselineMode::Concurrent,
    };
    let made = made(&config(asked)?, true, asked.thresholds, &window)?;
    let template = read(&made.text)?;
    let arm = |side: &str| {
        let matcher = Matcher::equals(ARM, side);
        let scope = matcher.and_then(|matcher| Scope::new(vec![matcher]));
        scope.ok_or_else(|| Said::bad("no scope"))
    };
    let [control, experiment] = SIDES;
    let rollout = Rollout {
        deploy: Deploy::default(),
        inputs: BTreeMap::new(),
        baseline: arm(control)?,
        canary: arm(experiment)?,
        start: window.start,
        duration: Some(window.length),
    };
    Ok(bind::plan_once(&template, &rollout)?)
}

/// The pairs as the source would have answered them.
fn batch(plan: &Plan, sides: &[Values]) -> Batch {
    let answers = sides.iter().enumerate().map(|(metric_idx, sides)| {
        let series = SIDES
            .iter()
            .zip(sides)
            .map(|(arm, values)| raw(arm, values));
        let answer = Answer {
            series: series.collect(),
            ..Answer::default()
        };
        let part = Part::Grid;
        (Slot { metric_idx, part }, answer)
    });
    Batch {
        from: plan.timing.start,
        to: plan.timing.deadline,
        answers: answers.collect(),
    }
}

/// A config with a metric for each pair: one that is kept apart by labels has several.
fn config(asked: &Asked<'_>) -> Result<Value, Said> {
    let metrics = asked.pairs.iter().enumerate().map(|(idx, pair)| {
        let metric = metric_of(asked.config, &text(pair, "name").unwrap_or_default())?;
        let query = format!("PromQL:avg(pair{{number=\"{idx}\",{ARM}=\"${{scope}}\"}})");
        Ok(json!({
            "name": format!("{}-{idx}", text(pair, "name").unwrap_or_default()),
            "groups": metric.get("groups"),
            "analysisConfigurations": metric.get("analysisConfigurations"),
            "query": { "type": "prometheus", "customInlineTemplate": query },
        }))
    });
    let mut out = Map::new();
    out.insert("name".to_owned(), json!("remote"));
    let metrics: Result<Vec<Value>, Said> = metrics.collect();
    out.insert("metrics".to_owned(), Value::Array(metrics?));
    if let Some(weights) = asked.config.pointer("/classifier/groupWeights") {
        out.insert("classifier".to_owned(), json!({ "groupWeights": weights }));
    }
    Ok(Value::Object(out))
}

/// One side as the source would have answered it: a value a minute, none where there is none.
fn raw(arm: &str, values: &[f64]) -> RawSeries {
    let mut at = Timestamp::from_ms(0);
    let samples = values.iter().map(|value| {
        at = at.plus(STEP);
        Sample { at, value: *value }
    });
    RawSeries {
        labels: Labels::from([(ARM.to_owned(), arm.to_owned())]),
        samples: samples.filter(|sample| sample.value.is_finite()).collect(),
    }
}

fn row(config: &Value, pair: &Value, finding: &Finding, sides: &Values) -> Result<Value, Said> {
    let name = text(pair, "name").unwrap_or_default();
    let [control, experiment] = sides.each_ref().map(|values| {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        summary(&finite)
    });
    Ok(sparse(json!({
        "name": name,
        "id": text(pair, "id"),
        "tags": pair.get("tags").cloned().unwrap_or_else(|| json!({})),
        "groups": texts(metric_of(config, &name)?, "groups"),
        "classification": label(finding).word(),
        "classificationReason": headline(finding),
        "experimentMetadata": { "stats": stats(&experiment) },
        "controlMetadata": { "stats": stats(&control) },
        "resultMetadata": {
            "ratio": super::said::double(experiment.mean / control.mean),
            "haldane": evidence(finding),
        },
        "critical": finding.role == Role::Critical && finding.label == Judged::Worse,
        "muted": finding.role == Role::Info,
    })))
}

/// A pair as the scores of groups see it.
fn member(asked: &Asked<'_>, pair: &Value, finding: &Finding) -> Result<Member, Said> {
    let metric = metric_of(asked.config, &text(pair, "name").unwrap_or_default())?;
    Ok(Member {
        label: label(finding),
        groups: texts(metric, "groups"),
        muted: finding.role == Role::Info,
    })
}
