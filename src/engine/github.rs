//! What a receiver on GitHub is told: an answer to a deployment protection rule, or a status.
//!
//! The words here stand in configurations and records, so they are never renamed.

use std::fmt;

/// The forms of messages that GitHub's API takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GithubForm {
    /// The answer to a deployment protection rule, sent to the rule's callback.
    Rule(GithubRule),
    /// The status of a commit; the receiver's address is that of the repository.
    CommitStatus,
    /// The status of a deployment; the receiver's address is that of the repository.
    DeploymentStatus,
}

/// Which deployment waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubRule {
    /// The environment as GitHub calls it.
    pub environment: String,
    /// The installation of the app that may answer; looked up by repository without it.
    pub installation: Option<u64>,
}

/// What the word of an answer begins with; the installation (or nothing) and the environment
/// follow, parted by a colon.
const RULE: &str = "github-rule:";
/// The word of the status of a commit.
const COMMIT: &str = "github-commit-status";
/// The word of the status of a deployment.
const DEPLOYMENT: &str = "github-deployment-status";

impl GithubForm {
    /// The forms that a configuration may name; an answer to a rule only ever follows a question.
    pub const WORDS: [&'static str; 2] = [COMMIT, DEPLOYMENT];

    /// The reverse of the word: `github-commit-status`, `github-deployment-status`, or
    /// `github-rule:INSTALLATION:ENVIRONMENT` with an installation that may be empty.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(RULE) {
            let (installation, environment) = rest.split_once(':')?;
            let installation = match installation {
                "" => None,
                digits => Some(digits.parse().ok()?),
            };
            return (!environment.is_empty()).then(|| {
                Self::Rule(GithubRule {
                    environment: environment.to_owned(),
                    installation,
                })
            });
        }
        match text {
            COMMIT => Some(Self::CommitStatus),
            DEPLOYMENT => Some(Self::DeploymentStatus),
            _ => None,
        }
    }
}

impl fmt::Display for GithubForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommitStatus => f.write_str(COMMIT),
            Self::DeploymentStatus => f.write_str(DEPLOYMENT),
            Self::Rule(rule) => {
                f.write_str(RULE)?;
                if let Some(id) = rule.installation {
                    write!(f, "{id}")?;
                }
                write!(f, ":{}", rule.environment)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GithubForm;

    #[test]
    fn words_lead_back() {
        for word in [
            "github-commit-status",
            "github-deployment-status",
            "github-rule:42:production",
            "github-rule::staging: eu",
        ] {
            let form = GithubForm::parse(word);
            assert_eq!(form.map(|form| form.to_string()).as_deref(), Some(word));
        }
        for word in [
            "github",
            "github-rule:",
            "github-rule:42:",
            "github-rule:x:production",
        ] {
            assert_eq!(GithubForm::parse(word), None, "{word}");
        }
    }
}
