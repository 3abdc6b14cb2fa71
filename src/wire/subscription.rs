//! The words with which somebody subscribes, as configurations and submissions write them.

use crate::diagnostic::closest;
use crate::engine::github::GithubForm;
use crate::engine::subscription::{Form, Moment};
use crate::engine::verdict::Verdict;

/// The verdicts that `words` name; each once.
///
/// # Errors
///
/// Which word is none, or stands twice, with the way out.
pub fn verdicts(words: &[String]) -> Result<Vec<Verdict>, String> {
    let all = [Verdict::Promote, Verdict::Rollback, Verdict::Inconclusive];
    each(
        words,
        "verdict",
        &all.map(|verdict| (verdict.word(), verdict)),
    )
}

/// The moments that `words` name; each once.
///
/// # Errors
///
/// As for [`verdicts`].
pub fn moments(words: &[String]) -> Result<Vec<Moment>, String> {
    each(
        words,
        "moment",
        &Moment::ALL.map(|moment| (moment.word(), moment)),
    )
}

/// The form of this word; the usual one without.
///
/// # Errors
///
/// The word is none.
pub fn form(word: Option<&str>) -> Result<Form, String> {
    let Some(word) = word else {
        return Ok(Form::default());
    };
    // An answer to a rule of GitHub's only ever follows a question.
    let rule = |form: &Form| matches!(form, Form::Github(GithubForm::Rule(_)));
    Form::parse(word).filter(|form| !rule(form)).ok_or_else(|| {
        let shown: String = word.chars().take(64).collect();
        format!("{shown:?} is no form; write one of {}", Form::words())
    })
}

fn each<T: Copy + PartialEq>(
    words: &[String],
    what: &str,
    known: &[(&str, T)],
) -> Result<Vec<T>, String> {
    let mut out = Vec::new();
    for word in words {
        let Some((_, value)) = known.iter().find(|(name, _)| name == word) else {
            let shown: String = word.chars().take(64).collect();
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let way_out = match closest(word, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("write one of {}", names.join(", ")),
            };
            return Err(format!("{shown:?} is no {what}; {way_out}"));
        };
        if out.contains(value) {
            return Err(format!("{word:?} stands there twice; remove one"));
        }
        out.push(*value);
    }
    Ok(out)
}
