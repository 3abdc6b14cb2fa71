//! What a receiver asked for: of which moments it hears, of whose analyses, and in which form.
//!
//! The words here stand in configurations, submissions and records, so they are never renamed.

use crate::engine::github::GithubForm;
use std::fmt;

/// Something in the life of an analysis that somebody may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// It has its verdict.
    Verdict,
    /// It was accepted and is under way.
    Started,
    /// A look was judged, and there is no verdict yet.
    Look,
    /// Something outside the statistics began to hold it.
    Hold,
    /// A person decided instead.
    Override,
    /// A person stopped it.
    Cancelled,
    /// After a rollback verdict the service is well again.
    Recovered,
    /// After a rollback verdict the service is no better.
    RollbackIneffective,
}

impl Moment {
    /// Every moment, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Verdict,
        Self::Started,
        Self::Look,
        Self::Hold,
        Self::Override,
        Self::Cancelled,
        Self::Recovered,
        Self::RollbackIneffective,
    ];

    /// The word in configurations, records and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Started => "started",
            Self::Look => "look",
            Self::Hold => "hold",
            Self::Override => "override",
            Self::Cancelled => "cancelled",
            Self::Recovered => "recovered",
            Self::RollbackIneffective => "rollback_ineffective",
        }
    }

    /// The reverse of [`Moment::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.word() == word)
    }
}

/// What a message looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A CloudEvent whose data is the verdict document.
    #[default]
    CloudEvents,
    /// A CloudEvent whose data is a CDEvent about a test suite run.
    CdEvents,
    /// A batch of CloudEvents: the test suite run, and one test case run for each metric.
    CdEventsCases,
    /// A CloudEvent whose data is a CDEvent about an approval (a draft of the specification).
    CdEventsApproval,
    /// What the daemon's configuration says under this name in `webhooks.templates`.
    Templated(String),
    /// What GitHub's API takes, sent with a token of the app instead of a signature.
    Github(GithubForm),
}

/// What the word of a templated form begins with; the name follows.
const TEMPLATED: &str = "template:";

impl Form {
    /// The forms that are a single word.
    const PLAIN: [(&'static str, Self); 4] = [
        ("cloudevents", Self::CloudEvents),
        ("cdevents", Self::CdEvents),
        ("cdevents-cases", Self::CdEventsCases),
        ("cdevents-approval", Self::CdEventsApproval),
    ];

    /// Reads `cloudevents`, `cdevents`, `cdevents-cases`, `cdevents-approval`, `template:` and a
    /// name, or a word of [`GithubForm`].
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(TEMPLATED) {
            return (!name.is_empty()).then(|| Self::Templated(name.to_owned()));
        }
        let found = Self::PLAIN.into_iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, form)| form);
        found.or_else(|| GithubForm::parse(text).map(Self::Github))
    }

    /// All words, for a message about one that is none of them.
    pub fn words() -> String {
        let plain = Self::PLAIN.iter().map(|(word, _)| *word);
        let plain: Vec<&str> = plain.chain(GithubForm::WORDS).collect();
        format!("{}, {TEMPLATED}NAME", plain.join(", "))
    }

    /// Whether its message may move something by itself: a gate, a merge, a switch. Of an analysis
    /// that is only watched none is sent. The answer to a rule moves something too, but is owed,
    /// and says from the start to go on.
    pub const fn moves(&self) -> bool {
        match self {
            Self::CdEventsApproval
            | Self::Templated(_)
            | Self::Github(GithubForm::CommitStatus | GithubForm::DeploymentStatus) => true,
            Self::CloudEvents
            | Self::CdEvents
            | Self::CdEventsCases
            | Self::Github(GithubForm::Rule(_)) => false,
        }
    }

    /// What a receiver hears of that does not say: of verdicts, and a test run begins as well.
    pub const fn usual_moments(&self) -> &'static [Moment] {
        match self {
            Self::CloudEvents | Self::Templated(_) | Self::Github(GithubForm::Rule(_)) => {
                &[Moment::Verdict]
            }
            Self::CdEvents
            | Self::CdEventsCases
            | Self::CdEventsApproval
            | Self::Github(GithubForm::CommitStatus | GithubForm::DeploymentStatus) => {
                &[Moment::Started, Moment::Verdict]
            }
        }
    }
}

impl fmt::Display for Form {
    /// The reverse of [`Form::parse`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Templated(name) => return write!(f, "{TEMPLATED}{name}"),
            Self::Github(form) => return form.fmt(f),
            _ => {}
        }
        let found = Self::PLAIN.iter().find(|(_, form)| form == self);
        f.write_str(found.map_or("", |(word, _)| word))
    }
}

/// Whose analyses a receiver hears of. Nothing is written means: of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Services.
    pub services: Vec<Pattern>,
    /// Names of templates.
    pub templates: Vec<Pattern>,
    /// Environments; an analysis that names none is not in any of them.
    pub environments: Vec<Pattern>,
}

impl Filter {
    /// Whether an analysis of this service, template and environment gets through.
    pub fn passes(&self, service: &str, template: &str, environment: Option<&str>) -> bool {
        let any = |patterns: &[Pattern], text: Option<&str>| {
            let matches = |pattern: &Pattern| text.is_some_and(|text| pattern.matches(text));
            patterns.is_empty() || patterns.iter().any(matches)
        };
        any(&self.services, Some(service))
            && any(&self.templates, Some(template))
            && any(&self.environments, environment)
    }
}

/// A name, or a name with `*` for any run of characters, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Any text but the empty one, which no name is.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// Whether `text` is it. Each part between stars is taken where it first occurs, which is
    /// enough when a star follows; the last part must be the end.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Form, Moment, Pattern};

    #[test]
    fn words_lead_back() {
        for moment in Moment::ALL {
            assert_eq!(Moment::from_word(moment.word()), Some(moment));
        }
        assert_eq!(Moment::from_word("verdicts"), None);
        for word in [
            "cloudevents",
            "cdevents",
            "cdevents-cases",
            "template:chat",
            "github-rule:7:eu",
        ] {
            let form = Form::parse(word);
            assert_eq!(form.map(|form| form.to_string()).as_deref(), Some(word));
        }
        for word in ["", "template:", "CloudEvents", "slack"] {
            assert_eq!(Form::parse(word), None, "{word}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("checkout", "checkout", true),
            ("checkout", "checkout2", false),
            ("check*", "checkout", true),
            ("*out", "checkout", true),
            ("*", "anything", true),
            ("c*k*t", "checkout", true),
            ("c*k*k", "checkout", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
            ("*ab*", "xxabyy", true),
            ("shop-*-api", "shop-eu-api", true),
            ("shop-*-api", "shop-api", false),
        ] {
            let matches = Pattern::new(pattern).map(|pattern| pattern.matches(text));
            assert_eq!(matches, Some(wanted), "{pattern} {text}");
        }
        assert_eq!(Pattern::new(""), None);
    }

    #[test]
    fn a_filter_wants_all_three() {
        let list = |text: &str| -> Vec<Pattern> { Pattern::new(text).into_iter().collect() };
        let filter = Filter {
            services: list("shop-*"),
            templates: Vec::new(),
            environments: list("production"),
        };
        for (service, environment, wanted) in [
            ("shop-api", Some("production"), true),
            ("shop-api", Some("staging"), false),
            ("shop-api", None, false),
            ("blog", Some("production"), false),
        ] {
            assert_eq!(filter.passes(service, "any", environment), wanted);
        }
        assert!(Filter::default().passes("blog", "any", None));
    }
}
