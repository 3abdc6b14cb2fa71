//! Config × request = submission: the config's queries become a template, its scopes the arms,
//! its window the start and the duration.
//!
//! A rollout has one pair of arms and one time for both. What a request can say beyond that (scopes
//! of other populations, another location or variable on one side, an offset that is no usual one)
//! is refused, never guessed.

use super::config::{Config, is_sequential};
use super::said::{Said, list};
use super::scopes::{Chosen, no_project, value};
use super::wanted::{Scopes, Side, Thresholds, Wanted, used};
use crate::http::body::invalid;
use crate::http::office::Office;
use crate::ids::DeployId;
use crate::import::{self, Kind, Source, Wish, import};
use crate::template::Template;
use crate::template::baseline::BaselineMode;
use crate::template::parse::parse;
use crate::time::{Span, Step, Timestamp};
use crate::wire::submission::{CheckedSubmission, DeployInput, ScopeInput, SubmissionDocument};
use serde_json::Value;

/// The window with which a config is tried before it is kept; any that is long enough.
const TRIED: (Span, Span) = (Span::from_s(60), Span::from_s(3600));

/// How long after its end a window is read at the earliest: what Prometheus scrapes every 15 s or
/// 30 s is there then. A shorter window waits a quarter of its length.
const LAG: Span = Span::from_s(30);

/// The least evidence asked of a window that Kayenta's judge is to judge: four fifths of its
/// points, which is the usual coverage; never fewer than 3 (the fewest a template can ask for) nor
/// more than 10 (the usual number). Kayenta itself asks for one.
const SAMPLES: (i64, i64) = (3, 10);

/// Steps of the window with which a config is imported, which is replaced by its own: more than
/// the usual least evidence, of 10.
const IMPORTED: i64 = 20;

/// What stands for the scope in a matcher.
const HOLE: &str = "${scope}";

/// A template made of a config.
pub(super) struct Made {
    pub(super) text: String,
    /// The matcher that picks an arm, with [`HOLE`] for the scope.
    arm: String,
}

/// Who asks, and for what.
pub(super) struct Asked<'a> {
    pub(super) config: &'a Config,
    pub(super) wanted: &'a Wanted,
    pub(super) application: &'a str,
    pub(super) deploy: Option<&'a DeployId>,
}

/// Whether a config can be made a template at all.
pub(super) fn tried(config: &Value, sequential: bool, scores: Thresholds) -> Result<(), Said> {
    let (step, window) = TRIED;
    let step = Step::new(step).ok_or_else(|| Said::bad("no step"))?;
    let window = Window {
        start: Timestamp::from_ms(0),
        length: window,
        step,
        mode: BaselineMode::Concurrent,
    };
    made(config, sequential, scores, &window).map(|_| ())
}

/// The window of an analysis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) length: Span,
    pub(super) step: Step,
    pub(super) mode: BaselineMode,
}

/// The template of a config for one window.
pub(super) fn made(
    config: &Value,
    sequential: bool,
    scores: Thresholds,
    window: &Window,
) -> Result<Made, Said> {
    let whole = config.to_string();
    let source = Source {
        name: "canary config",
        text: &whole,
    };
    let wish = Wish {
        from: import::From::Kayenta {
            faithful: !sequential,
            scores: Some((scores.pass, scores.marginal)),
        },
        only: None,
        name: None,
        step: Some(window.step),
        deadline: Some(window.step.span().times(IMPORTED)),
    };
    let mut outcome = import(&[source], &wish).map_err(Said::bad)?;
    let notes = outcome.templates.iter().flat_map(|made| &made.notes);
    let refused: Vec<String> = notes
        .chain(&outcome.notes)
        .filter(|note| note.kind == Kind::Refused)
        .map(|note| match &note.metric {
            Some(metric) => format!("metric {metric}: {}", note.text),
            None => note.text.clone(),
        })
        .collect();
    if !refused.is_empty() {
        return Err(Said::bad(refused.join("; ")));
    }
    let Some(made) = outcome.templates.pop() else {
        return Err(Said::bad("Canary config must contain at least one metric."));
    };
    let [arm] = made.picked.as_slice() else {
        let all = made.picked.join(", ");
        return Err(Said::bad(if all.is_empty() {
            "no query uses ${scope} as the value of a label, so nothing tells the two sides apart"
                .to_owned()
        } else {
            format!(
                "the queries tell the two sides apart by different matchers: {all}; use the same \
                 in all of them"
            )
        }));
    };
    if arm.contains("$${") {
        return Err(Said::bad(format!(
            "the matcher {arm} has a literal `${{` besides the scope, which cannot be told apart"
        )));
    }
    Ok(Made {
        arm: arm.clone(),
        text: fitted(&made.text, sequential, window),
    })
}

/// The template for one window: judged once, at its end, by Kayenta's judge; and against the
/// baseline's own time. The lines are those that `import` writes: a section of `spec` begins with
/// two spaces, and what comes from the config is quoted or stands deeper.
fn fitted(text: &str, sequential: bool, window: &Window) -> String {
    let length = window.length;
    let points = length.ms() / window.step.span().ms();
    let (least, most) = SAMPLES;
    let samples = (points * 4 / 5).clamp(least, most);
    let lag = LAG.min(Span::from_ms(length.ms() / 4));
    let mut schedule = vec![format!("    lag: {lag}")];
    if !sequential {
        schedule.push(format!("    look_every: {length}\n    bake: {length}"));
    }
    let mut out: Vec<String> = Vec::new();
    let mut section = "";
    for line in text.lines() {
        let own = line.strip_prefix("  ").unwrap_or_default();
        if own.starts_with(|first: char| first.is_ascii_alphabetic()) {
            section = own.split(':').next().unwrap_or_default();
        }
        match (section, line) {
            (_, "  schedule:") => {
                if window.mode != BaselineMode::Concurrent {
                    out.push(format!("  baseline: {{ mode: {} }}\n", window.mode.word()));
                }
                out.push(line.to_owned());
                out.append(&mut schedule);
            }
            ("schedule", _) if line.starts_with("    deadline:") => {
                out.push(format!("    deadline: {length}"));
            }
            ("metrics", _) if line.starts_with("      min_effect:") && !sequential => {
                out.push(line.to_owned());
                out.push(format!("      min_samples: {samples}"));
            }
            _ => out.push(line.to_owned()),
        }
    }
    out.push(String::new());
    out.join("\n")
}

/// The submission.
pub(super) fn submission(office: &Office, asked: &Asked<'_>) -> Result<CheckedSubmission, Said> {
    let wanted = asked.wanted;
    let mut document = SubmissionDocument::default();
    let scopes = match asked.config {
        Config::Kept(config) => {
            let chosen = Chosen::of(wanted, used(config))?;
            let scopes = chosen.first();
            let window = window(scopes)?;
            no_project(config, wanted)?;
            let sequential = is_sequential(office, config)?;
            let own = chosen.config(config)?;
            let made = made(&own, sequential, wanted.thresholds, &window)?;
            let template = read(&made.text)?;
            document.inputs = chosen.inputs(&template, asked)?;
            document.baseline = Some(arm(&made.arm, &scopes.control)?);
            document.canary = Some(arm(&made.arm, &scopes.experiment)?);
            document.template_inline = Some(made.text);
            take(&mut document, &window);
            scopes
        }
        Config::Template(known) => {
            let chosen = Chosen::only(wanted)?;
            let scopes = chosen.first();
            let window = window(scopes)?;
            let template = &known.template;
            if template.baseline != window.mode {
                return Err(Said::bad(format!(
                    "the window of the control is {} and the template's baseline {}; give both \
                     sides the times that fit",
                    window.mode.word(),
                    template.baseline.word()
                )));
            }
            document.template = Some(template.name.to_string());
            document.inputs = chosen.inputs(template, asked)?;
            document.baseline = Some(matchers(&scopes.control)?);
            document.canary = Some(matchers(&scopes.experiment)?);
            take(&mut document, &window);
            scopes
        }
    };
    document.deploy = DeployInput {
        id: asked.deploy.map(ToString::to_string),
        service: asked.application.to_owned(),
        region: scopes.experiment.location.clone(),
        ..DeployInput::default()
    };
    Ok(document.check().map_err(invalid)?)
}

fn take(document: &mut SubmissionDocument, window: &Window) {
    document.start = Some(window.start.to_string());
    document.duration = Some(window.length.to_string());
}

/// The template, or what its own reader says of it, in a line.
pub(super) fn read(text: &str) -> Result<Template, Said> {
    let (template, found) = parse(text);
    template.ok_or_else(|| {
        let errors = found.iter().filter(|diagnostic| diagnostic.is_error());
        let all: Vec<String> = errors.map(ToString::to_string).collect();
        Said::bad(format!("this window cannot be judged: {}", all.join("; ")))
    })
}

/// The window: whole steps of both sides, at the same time or a usual time apart.
fn window(scopes: &Scopes) -> Result<Window, Said> {
    let (control, experiment) = (&scopes.control, &scopes.experiment);
    let (Some(start), Some(end)) = (experiment.start, experiment.end) else {
        return Err(Said::bad(
            "experimentScope must have start and end, such as 2026-03-01T12:00:00Z",
        ));
    };
    let step = experiment.step;
    if control.step != step {
        return Err(Said::bad("both sides must have the same step"));
    }
    let first = start.align_up(step);
    let length = end.align_down(step).since(first);
    if length < step.span() {
        return Err(Said::bad(format!(
            "the window from {start} to {end} holds no whole step of {step}"
        )));
    }
    let (from, to) = (control.start.unwrap_or(start), control.end.unwrap_or(end));
    if from > start || to > end {
        return Err(Said::bad(format!(
            "the control's window, {from} to {to}, lies after the experiment's, {start} to {end}; \
             it can be the same, the one right before, or one day or one week earlier"
        )));
    }
    let back = start.since(from);
    if end.since(to) != back {
        return Err(Said::bad("the windows of both sides must be equally long"));
    }
    let known = [BaselineMode::PreviousDay, BaselineMode::PreviousWeek];
    let mode = if back == Span::ZERO {
        BaselineMode::Concurrent
    } else if let Some(mode) = known.into_iter().find(|mode| mode.back() == Some(back)) {
        mode
    } else if back == end.since(start) {
        BaselineMode::Before
    } else {
        return Err(Said::bad(format!(
            "the control's window begins {back} earlier; it can be the same, the one right \
             before, or one day or one week earlier"
        )));
    };
    Ok(Window {
        start: first,
        length,
        step,
        mode,
    })
}

/// The matchers of one side of a config.
fn arm(pattern: &str, side: &Side) -> Result<ScopeInput, Said> {
    Ok(ScopeInput::Text(pattern.replace(HOLE, &value(side)?)))
}

/// The matchers of one side for a template: they are the scope itself.
fn matchers(side: &Side) -> Result<ScopeInput, Said> {
    let scope = side.scope.trim();
    if scope.contains('=') {
        return Ok(ScopeInput::Text(scope.to_owned()));
    }
    Err(Said::bad(format!(
        "scope {scope:?} must be matchers for a template, such as track=canary or pod=~\"v2-.*\""
    )))
}

/// The application of a request: as asked, else the config's first.
pub(super) fn application(asked: Option<&str>, config: &Config) -> String {
    let own = match config {
        Config::Kept(config) => {
            let mut all = list(config, "applications").iter();
            all.find_map(|name| name.as_str().map(str::to_owned))
        }
        Config::Template(_) => None,
    };
    asked
        .map(str::to_owned)
        .or(own)
        .unwrap_or_else(|| "ad-hoc".to_owned())
}
