//! Which figure of which analysis: metrics, the labels that select, and the value.

use super::answer::{Fault, Kind};
use crate::dialect::{Dialect, State, Word};
use crate::digest::Digest;
use crate::engine::view::View;
use crate::http::bind::chosen;
use crate::http::binding::{Values, bound, name_after_service};
use crate::http::office::Office;
use crate::http::query::shown;
use crate::http::refused::Refused;
use crate::ids::{AnalysisId, DeployId};
use crate::plan::scope::{Matcher, Scope};
use crate::series::raw::Labels;
use crate::time::Timestamp;
use crate::units::Score;
use crate::wire::submission::CheckedSubmission;
use std::sync::Arc;

/// The score of an analysis that is told `stop`, at most: under Kayenta's own marginal of 50, so
/// that no threshold in use takes a rollback for a yes because few metrics failed.
const STOPPED_SCORE_MAX: u8 = 49;

/// The score of a go that the evidence did not decide: by a person, or in shadow. No threshold may
/// turn it into a stop.
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

/// The label that names a binding. Other labels than [`LABELS`] are then its holes.
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
    /// Refuses labels there are not: one that is misspelt selects nothing, or too much. Those that
    /// fill holes are looked at once the binding is known.
    pub(super) fn new(figure: Figure, scope: Scope) -> Result<Self, Fault> {
        let by_binding = scope.matchers().iter().any(|one| one.label() == BINDING);
        let unknown = |one: &&Matcher| !LABELS.contains(&one.label()) && !by_binding;
        if let Some(one) = scope.matchers().iter().find(unknown) {
            return Err(no_label(one, &[BINDING]));
        }
        Ok(Self { figure, scope })
    }

    /// The newest analysis that is selected, as a series; none when there is none. Two services or
    /// environments are refused: which of them is meant is not for us to guess.
    pub(super) fn find(&self, office: &Office) -> Result<Option<Series>, Fault> {
        let behind = self.behind_binding(office)?;
        let wanted = |view: &Arc<View>| {
            let matches = self.scope.matchers().iter().all(|one| fits(one, view));
            matches && behind.as_ref().is_none_or(|behind| behind.led_to(view))
        };
        let readings = &office.desk.readings;
        let all = match (self.exact("id"), self.exact("deploy_id")) {
            (Some(id), _) => {
                let one = AnalysisId::new(id).and_then(|id| readings.get(&id));
                one.into_iter().collect()
            }
            (None, Some(id)) if !id.is_empty() => {
                let deploy = DeployId::new(id);
                deploy.map_or_else(Vec::new, |id| readings.all_of(&id))
            }
            _ => readings.all(),
        };
        let found: Vec<Arc<View>> = all.into_iter().filter(wanted).collect();
        let Some(newest) = found.last() else {
            return Ok(None);
        };
        let elsewhere = |view: &&Arc<View>| {
            let place = ["service", "environment", "region"];
            place
                .into_iter()
                .any(|name| label(name, view) != label(name, newest))
        };
        if found.iter().any(|view| elsewhere(&view)) {
            let why = "the labels select analyses of several services, environments or regions; \
                       add what tells them apart, best the id or the deploy_id";
            return Err(Fault::new(Kind::Execution, why));
        }
        self.series(office, newest).map(Some)
    }

    /// The exact value of a label.
    fn exact(&self, label: &str) -> Option<&str> {
        let matchers = self.scope.matchers();
        matchers.iter().find(|one| one.label() == label)?.exact()
    }

    /// What a `binding` label stands for.
    fn behind_binding(&self, office: &Office) -> Result<Option<Behind>, Fault> {
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
        let bad = |refused: &Refused| Fault::new(Kind::BadData, refused.detail());
        let binding = bound(office, named).map_err(|refused| bad(&refused))?;
        for one in matchers.iter().filter(|one| one.label() != BINDING) {
            let is_hole = binding.has_hole(one.label());
            if !is_hole && !LABELS.contains(&one.label()) {
                return Err(no_label(one, &[BINDING, "a hole of the binding"]));
            }
            if is_hole && one.exact().is_none() {
                let why = format!(
                    "label {} fills a hole of binding {named}; it takes = and nothing else",
                    one.label()
                );
                return Err(Fault::new(Kind::BadData, why));
            }
        }
        let exact = |one: &Matcher| Some((one.label().to_owned(), one.exact()?.to_owned()));
        let mut values: Values = matchers.iter().filter_map(exact).collect();
        name_after_service(&mut values);
        let mut checked = binding.fill(&values).map_err(|refused| bad(&refused))?;
        let deploy = &mut checked.deploy;
        let said = |label: &str| self.exact(label).filter(|value| !value.is_empty());
        for (place, label) in [
            (&mut deploy.environment, "environment"),
            (&mut deploy.region, "region"),
        ] {
            *place = place.take().or(said(label).map(str::to_owned));
        }
        let chosen = chosen(office, &checked.template).map_err(|refused| bad(&refused))?;
        let template = &chosen.template;
        let shadow = office.desk.coordination.shadow(template.name.as_str());
        Ok(Some(Behind {
            template: template.digest,
            shadow: checked.shadow.unwrap_or(shadow),
            checked,
        }))
    }

    fn series(&self, office: &Office, view: &View) -> Result<Series, Fault> {
        let word = office.desk.dialects.word(Dialect::Query, State::of(view));
        let value = match (word, self.figure) {
            (Word::Fault, _) => {
                let why = format!("analysis {}: {}", view.id, view.sentence);
                return Err(Fault::new(Kind::Unavailable, why));
            }
            (Word::Go, Figure::Score) => Some(f64::from(promoted_score(view))),
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

fn promoted_score(view: &View) -> u8 {
    let end = view.conclusion.as_ref();
    let by_person = end.is_some_and(|end| end.author.is_some());
    if by_person || view.coordination.shadow {
        return DECIDED_SCORE;
    }
    score(view).unwrap_or(DECIDED_SCORE)
}

fn score(view: &View) -> Option<u8> {
    let judgement = view.judgement.as_deref()?;
    judgement.score.map(Score::get)
}

/// What a binding stands for, with its holes filled.
struct Behind {
    checked: CheckedSubmission,
    /// The digest of its template as it is now: an analysis that brought a template of its own may
    /// have called it the same.
    template: Digest,
    shadow: bool,
}

impl Behind {
    /// Whether the analysis is one that the binding leads to: everything the binding says of a
    /// rollout must be so.
    fn led_to(&self, view: &View) -> bool {
        let (checked, held) = (&self.checked, &view.plan.rollout);
        let (said, deploy) = (&checked.deploy, &held.deploy);
        self.template == view.plan.template_digest
            && self.shadow == view.coordination.shadow
            && said.service == deploy.service
            && said.environment == deploy.environment
            && said.region == deploy.region
            && said.change_type == deploy.change_type
            && checked.inputs == held.inputs
            && checked.baseline == held.baseline
            && checked.canary == held.canary
    }
}

fn no_label(one: &Matcher, more: &[&str]) -> Fault {
    let why = format!(
        "label {} is unknown; it is one of {}, {}",
        shown(one.label()),
        LABELS.join(", "),
        more.join(", ")
    );
    Fault::new(Kind::BadData, why)
}

/// Whether one matcher selects the analysis; what belongs to a binding alone does not count.
/// Asked of every analysis in memory, so nothing is copied to compare.
fn fits(one: &Matcher, view: &View) -> bool {
    let Some(value) = label(one.label(), view) else {
        return true;
    };
    match one.exact() {
        Some(wanted) => wanted == value,
        None => one.matches(&Labels::from([(one.label().to_owned(), value.to_owned())])),
    }
}

/// The value of one of [`LABELS`].
fn label<'a>(name: &str, view: &'a View) -> Option<&'a str> {
    let deploy = &view.plan.rollout.deploy;
    let value = match name {
        "id" => Some(view.id.as_str()),
        "service" => Some(deploy.service.as_str()),
        "deploy_id" => deploy.id.as_ref().map(DeployId::as_str),
        "template" => Some(view.plan.template.as_str()),
        "environment" => deploy.environment.as_deref(),
        "region" => deploy.region.as_deref(),
        "revision" => deploy.revision.as_deref(),
        "commit" => deploy.commit.as_deref(),
        "verdict" => Some(State::of(view).word()),
        _ => return None,
    };
    Some(value.unwrap_or_default())
}

fn labels(figure: Figure, view: &View) -> Vec<(&'static str, String)> {
    let mut out = vec![("__name__", figure.name().to_owned())];
    let own = LABELS
        .into_iter()
        .filter_map(|name| Some((name, label(name, view)?)));
    let there = own.filter(|(_, value)| !value.is_empty());
    out.extend(there.map(|(name, value)| (name, value.to_owned())));
    out
}
