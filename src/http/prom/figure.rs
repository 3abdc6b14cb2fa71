//! Which figure of which analysis: metrics, the labels that select, and the value.

use super::answer::{Fault, Kind};
use crate::dialect::{Dialect, State, Word};
use crate::engine::view::View;
use crate::http::binding::{Values, bound};
use crate::http::office::Office;
use crate::ids::AnalysisId;
use crate::plan::scope::{Matcher, Scope};
use crate::series::raw::Labels;
use crate::time::Timestamp;
use crate::units::Score;
use crate::wire::submission::{CheckedSubmission, TemplateChoice};
use std::sync::Arc;

/// The score of an analysis that is told `stop`, at most: under Kayenta's own marginal of 50, so
/// that no threshold in use takes a rollback for a yes because few metrics failed.
const STOPPED_SCORE_MAX: u8 = 49;

/// The score of a promote that was decided without data, by a person.
const DECIDED_SCORE: u8 = 100;

/// A metric of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// 0 to 100, once decided.
    Score,
    /// 1 for go, 0 for stop, once decided.
    Verdict,
    /// 1 for stop, 0 for everything else.
    Rollback,
}

impl Figure {
    /// Every name.
    pub(super) const ALL: [(&'static str, Self); 4] = [
        ("haldane_score", Self::Score),
        ("canary_score", Self::Score),
        ("haldane_verdict", Self::Verdict),
        ("haldane_rollback", Self::Rollback),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, figure)| *figure)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Score => "haldane_score",
            Self::Verdict => "haldane_verdict",
            Self::Rollback => "haldane_rollback",
        }
    }
}

/// Labels that every analysis has, or has as empty text.
const LABELS: [&str; 9] = [
    "id",
    "service",
    "deploy_id",
    "template",
    "environment",
    "region",
    "revision",
    "commit",
    "verdict",
];

/// The label that names a binding; the other exact labels fill its holes.
const BINDING: &str = "binding";

/// A figure with what selects the analysis.
#[derive(Debug)]
pub(super) struct Selected {
    figure: Figure,
    scope: Scope,
}

/// One series.
pub(super) struct Series {
    /// With the metric's name.
    pub(super) labels: Vec<(&'static str, String)>,
    value: Option<f64>,
    /// Before it had another value.
    since: Timestamp,
    before: Option<f64>,
    submitted: Timestamp,
}

impl Series {
    /// The present sample.
    pub(super) fn now(&self) -> Option<(&[(&'static str, String)], f64)> {
        self.value.map(|value| (self.labels.as_slice(), value))
    }

    /// The sample at an instant.
    pub(super) fn at(&self, at: Timestamp) -> Option<f64> {
        if at >= self.since {
            self.value
        } else if at >= self.submitted {
            self.before
        } else {
            None
        }
    }
}

impl Selected {
    /// Refuses labels there are not: one that is misspelt selects nothing, or too much.
    pub(super) fn new(figure: Figure, scope: Scope) -> Result<Self, Fault> {
        let by_binding = scope.matchers().iter().any(|one| one.label() == BINDING);
        let unknown = |one: &&Matcher| !LABELS.contains(&one.label()) && !by_binding;
        if let Some(one) = scope.matchers().iter().find(unknown) {
            let why = format!(
                "label {} is unknown; it is one of {}, {BINDING}",
                super::super::query::shown(one.label()),
                LABELS.join(", ")
            );
            return Err(Fault::new(Kind::BadData, why));
        }
        Ok(Self { figure, scope })
    }

    /// The newest analysis that is selected, as a series; none when there is none. Two services or
    /// environments are refused: which of them is meant is not for us to guess.
    pub(super) fn find(&self, office: &Office) -> Result<Option<Series>, Fault> {
        let behind = self.behind_binding(office)?;
        let wanted = |view: &Arc<View>| {
            let matches = self.scope.matchers().iter().all(|one| fits(one, view));
            matches && behind.as_ref().is_none_or(|checked| led_to(checked, view))
        };
        let exact = |one: &&Matcher| one.label() == "id";
        let id = self.scope.matchers().iter().find(exact);
        let id = id.and_then(Matcher::exact);
        let all = if let Some(id) = id {
            let one = AnalysisId::new(id).and_then(|id| office.desk.readings.get(&id));
            one.into_iter().collect()
        } else {
            office.desk.readings.all()
        };
        let found: Vec<Arc<View>> = all.into_iter().filter(wanted).collect();
        let Some(newest) = found.last() else {
            return Ok(None);
        };
        let place = |view: &View| {
            let deploy = &view.plan.rollout.deploy;
            let place = (&deploy.service, &deploy.environment, &deploy.region);
            (place.0.clone(), place.1.clone(), place.2.clone())
        };
        if found.iter().any(|view| place(view) != place(newest)) {
            let why = "the labels select analyses of several services, environments or regions; \
                       add what tells them apart, best the id or the deploy_id";
            return Err(Fault::new(Kind::Execution, why));
        }
        self.series(office, newest).map(Some)
    }

    /// What a `binding` label stands for: the service and the template of its submission.
    fn behind_binding(&self, office: &Office) -> Result<Option<CheckedSubmission>, Fault> {
        let matchers = self.scope.matchers();
        let Some(one) = matchers.iter().find(|one| one.label() == BINDING) else {
            return Ok(None);
        };
        let named = one.exact().ok_or_else(|| {
            Fault::new(
                Kind::BadData,
                "label binding takes = with a name and nothing else",
            )
        })?;
        let exact = |one: &Matcher| Some((one.label().to_owned(), one.exact()?.to_owned()));
        let mut values: Values = matchers.iter().filter_map(exact).collect();
        if let Some(service) = values.get("service").cloned() {
            values.entry("name".to_owned()).or_insert(service);
        }
        let filled = bound(office, named).and_then(|binding| binding.fill(&values));
        filled
            .map(Some)
            .map_err(|refused| Fault::new(Kind::BadData, refused.detail()))
    }

    fn series(&self, office: &Office, view: &View) -> Result<Series, Fault> {
        let word = office.desk.dialects.word(Dialect::Query, State::of(view));
        let value = match (word, self.figure) {
            (Word::Fault, _) => {
                let why = format!("analysis {}: {}", view.id, view.sentence);
                return Err(Fault::new(Kind::Unavailable, why));
            }
            (Word::Go, Figure::Score) => Some(f64::from(score(view).unwrap_or(DECIDED_SCORE))),
            (Word::Stop, Figure::Score) => {
                let score = score(view).unwrap_or(0).min(STOPPED_SCORE_MAX);
                Some(f64::from(score))
            }
            (Word::Go, Figure::Verdict) | (Word::Stop, Figure::Rollback) => Some(1.0),
            (Word::Stop, Figure::Verdict) | (_, Figure::Rollback) => Some(0.0),
            (Word::Wait | Word::Doubt, _) => None,
        };
        let ended = view.conclusion.as_ref().map(|end| end.at);
        Ok(Series {
            labels: labels(self.figure, view),
            value,
            since: ended.unwrap_or(view.submitted_at),
            before: (self.figure == Figure::Rollback).then_some(0.0),
            submitted: view.submitted_at,
        })
    }
}

fn score(view: &View) -> Option<u8> {
    let judgement = view.judgement.as_deref()?;
    judgement.score.map(Score::get)
}

/// Whether the analysis is one that the submission behind a binding leads to.
fn led_to(checked: &CheckedSubmission, view: &View) -> bool {
    let template = match &checked.template {
        TemplateChoice::Named(name) => *name == view.plan.template,
        TemplateChoice::Inline(_) => false,
    };
    template && checked.deploy.service == view.plan.rollout.deploy.service
}

/// Whether one matcher selects the analysis; what belongs to a binding alone does not count.
fn fits(one: &Matcher, view: &View) -> bool {
    let Some(value) = label(one.label(), view) else {
        return true;
    };
    match one.exact() {
        Some(wanted) => wanted == value,
        None => one.matches(&Labels::from([(one.label().to_owned(), value)])),
    }
}

/// The value of one of [`LABELS`].
fn label(name: &str, view: &View) -> Option<String> {
    let deploy = &view.plan.rollout.deploy;
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(match name {
        "id" => view.id.to_string(),
        "service" => deploy.service.clone(),
        "deploy_id" => deploy
            .id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        "template" => view.plan.template.to_string(),
        "environment" => or_empty(&deploy.environment),
        "region" => or_empty(&deploy.region),
        "revision" => or_empty(&deploy.revision),
        "commit" => or_empty(&deploy.commit),
        "verdict" => State::of(view).word().to_owned(),
        _ => return None,
    })
}

fn labels(figure: Figure, view: &View) -> Vec<(&'static str, String)> {
    let mut out = vec![("__name__", figure.name().to_owned())];
    let own = LABELS
        .into_iter()
        .filter_map(|name| Some((name, label(name, view)?)));
    out.extend(own.filter(|(_, value)| !value.is_empty()));
    out
}
