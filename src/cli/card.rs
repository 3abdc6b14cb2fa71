//! What is shown of an analysis or a judgement, whichever document it came in: one shape, so that
//! the table, Markdown and the explanation are written once.

use crate::cli::figures::about;
use crate::time::{Span, Timestamp};
use crate::wire::report::ReportDocument;
use crate::wire::verdict::{
    JudgeDocument, MetricDocument, ObjectiveDocument, TemplateDocument, TrafficDocument,
    VerdictDocument,
};

/// One analysis or judgement.
pub(crate) struct Card<'d> {
    /// The word shown: the verdict, or `no_data` when no gate has any.
    pub(crate) word: &'d str,
    /// The sentence (A10).
    pub(crate) sentence: &'d str,
    /// The service.
    pub(crate) service: &'d str,
    /// The revision.
    pub(crate) revision: Option<&'d str>,
    /// The template.
    pub(crate) template: &'d TemplateDocument,
    /// What holds a promote back.
    pub(crate) hold: Option<&'d str>,
    /// How far it is, of an analysis.
    pub(crate) progress: Option<String>,
    /// The judged window, as text.
    pub(crate) window: (&'d str, Option<&'d str>),
    /// One per metric.
    pub(crate) metrics: &'d [MetricDocument],
    /// One per objective.
    pub(crate) objectives: &'d [ObjectiveDocument],
    /// Observed traffic.
    pub(crate) traffic: Option<&'d TrafficDocument>,
    /// Warnings of the source.
    pub(crate) suspect: &'d [String],
}

impl<'d> Card<'d> {
    /// A judgement on its own.
    pub(crate) fn of_judgement(document: &'d JudgeDocument) -> Self {
        Self {
            word: shown_word(&document.verdict, &document.metrics),
            sentence: &document.reason,
            service: &document.service,
            revision: document.deploy.revision.as_deref(),
            template: &document.template,
            hold: document.hold.as_deref(),
            progress: None,
            window: (&document.started_at, Some(&document.covered_to)),
            metrics: &document.metrics,
            objectives: &document.objectives,
            traffic: document.traffic.as_ref(),
            suspect: &document.suspect,
        }
    }

    /// An analysis as it stands at `now`.
    pub(crate) fn of_analysis(document: &'d VerdictDocument, now: Timestamp) -> Self {
        let metrics = document.metrics.as_deref().unwrap_or_default();
        let look = format!("look {} of {}", document.look, document.looks_planned);
        Self {
            word: shown_word(&document.verdict, metrics),
            sentence: &document.reason,
            service: &document.service,
            revision: document.deploy.revision.as_deref(),
            template: &document.template,
            hold: document.hold.as_deref(),
            progress: Some(format!("{look}, {}", time_left(document, now))),
            window: (&document.started_at, document.covered_to.as_deref()),
            metrics,
            objectives: document.objectives.as_deref().unwrap_or_default(),
            traffic: document.traffic.as_ref(),
            suspect: document.suspect.as_deref().unwrap_or_default(),
        }
    }

    /// What a report is made from.
    pub(crate) fn of_report(document: &'d ReportDocument) -> Self {
        let timing = &document.timing;
        let look = document.looks.last().map_or(0, |look| look.look);
        let planned = document.looks_planned;
        Self {
            word: shown_word(&document.verdict, &document.metrics),
            sentence: &document.reason,
            service: &document.service,
            revision: document.deploy.revision.as_deref(),
            template: &document.template,
            hold: document.hold.as_deref(),
            progress: document
                .id
                .as_ref()
                .map(|_| format!("look {look} of {planned}")),
            window: (&timing.start, timing.covered_to.as_deref()),
            metrics: &document.metrics,
            objectives: &document.objectives,
            traffic: document.traffic.as_ref(),
            suspect: &document.suspect,
        }
    }

    /// Metrics that decide first, then by label, the worst first; the plan's order among equals.
    pub(crate) fn worst_first(&self) -> Vec<&'d MetricDocument> {
        let mut metrics: Vec<&MetricDocument> = self.metrics.iter().collect();
        metrics.sort_by_key(|metric| (!is_gate(metric), severity(&metric.label)));
        metrics
    }
}

/// Whether a metric can decide.
pub(crate) fn is_gate(metric: &MetricDocument) -> bool {
    matches!(metric.role.as_str(), "critical" | "required")
}

fn severity(label: &str) -> u8 {
    match label {
        "worse" => 0,
        "no_data" => 1,
        "undecided" => 2,
        _ => 3,
    }
}

/// Inconclusive for want of any data is worth its own word.
fn shown_word<'d>(verdict: &'d str, metrics: &[MetricDocument]) -> &'d str {
    let mut gates = metrics.iter().filter(|metric| is_gate(metric)).peekable();
    let blind = gates.peek().is_some() && gates.all(|metric| metric.label == "no_data");
    if verdict == "inconclusive" && blind {
        "no_data"
    } else {
        verdict
    }
}

/// `12m left`, `decided 3m ago`.
pub(crate) fn time_left(document: &VerdictDocument, now: Timestamp) -> String {
    let instant = |text: &str| Timestamp::parse(text);
    if let Some(at) = document.decided_at.as_deref().and_then(instant) {
        return format!("decided {} ago", about(now.since(at)));
    }
    match instant(&document.deadline) {
        Some(deadline) if deadline > now => format!("{} left", about(deadline.since(now))),
        Some(_) => "time is up".to_owned(),
        None => String::new(),
    }
}

/// `in 42s`, `now`.
pub(crate) fn next_look(document: &VerdictDocument, now: Timestamp) -> Option<String> {
    let at = Timestamp::parse(document.next_look_at.as_deref()?)?;
    let wait = at.since(now);
    Some(if wait > Span::ZERO {
        format!("in {}", about(wait))
    } else {
        "now".to_owned()
    })
}
