//! Properties of templates: whatever the text or the value, the answer is well-formed.

use crate::templates::{base, rollout};
use haldane::diagnostic::Diagnostic;
use haldane::plan::bind::bind;
use haldane::plan::scope::{Matcher, Scope};
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use haldane::template::query::fill;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;

/// A PromQL reader nobody shares with the sources: which text stands in which string.
fn strings_of(query: &str) -> Option<Vec<String>> {
    let mut chars = query.chars();
    let (mut out, mut rest) = (Vec::new(), String::new());
    while let Some(c) = chars.next() {
        if !"\"'`".contains(c) {
            rest.push(c);
            continue;
        }
        let mut text = String::new();
        loop {
            match chars.next()? {
                end if end == c => break,
                '\\' if c != '`' => match chars.next()? {
                    'n' => text.push('\n'),
                    escaped if escaped == c || escaped == '\\' => text.push(escaped),
                    _ => return None,
                },
                '\n' if c != '`' => return None,
                other => text.push(other),
            }
        }
        out.push(text);
    }
    out.push(rest);
    Some(out)
}

proptest! {
    #[test]
    fn no_value_breaks_out_of_its_string(value in any::<String>(), tail in "[\"'`\\\\{}(),${a-z ]{0,8}") {
        let value = value + &tail;
        let query = "x{a=\"${v}\",b='${v}',${selector}}";
        let inputs = BTreeMap::from([("v".to_owned(), value.clone())]);
        match fill(query, "s=\"1\"", "s", &inputs) {
            Ok(filled) => {
                let wanted = vec![value.clone(), value, "1".to_owned(), "x{a=,b=,s=}".to_owned()];
                prop_assert_eq!(strings_of(&filled), Some(wanted));
            }
            Err(fault) => prop_assert_eq!(fault.code, "C062"),
        }
    }

    #[test]
    fn no_value_changes_the_structure_around_it(value in "[a-z\"'`\\\\{}(),${:. \n]{0,12}") {
        let inputs = BTreeMap::from([("v".to_owned(), value.clone())]);
        match fill("a${v}{c=`${v}`,${selector}}", "s=\"1\"", "s", &inputs) {
            Ok(filled) => {
                let rest = format!("a{value}{{c=,s=}}");
                prop_assert_eq!(strings_of(&filled), Some(vec![value, "1".to_owned(), rest]));
            }
            Err(fault) => prop_assert_eq!(fault.code, "C062"),
        }
    }

    #[test]
    fn no_scope_breaks_out_of_its_string(left in any::<String>(), right in any::<String>()) {
        let (_, template) = base();
        let mut rollout = rollout();
        rollout.baseline = Scope::new(vec![Matcher::equals("l", &left).unwrap()]).unwrap();
        rollout.canary = Scope::new(vec![Matcher::equals("l", &right).unwrap()]).unwrap();
        match bind(&template, &rollout) {
            Ok(plan) => for (_, query) in plan.queries() {
                let strings = strings_of(query);
                let strings = strings.expect("well-formed");
                let pattern = &strings[strings.len() - 2];
                let pattern = regex::Regex::new(&format!("^(?s:{pattern})$")).unwrap();
                prop_assert!(pattern.is_match(&left) && pattern.is_match(&right));
            },
            Err(found) => prop_assert!(found.iter().all(|d| ["C063", "C013"].contains(&d.code))),
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        check_answer(&text)?;
    }

    #[test]
    fn any_yaml_like_text_is_answered(text in "([ \n:{}\\[\\]\\-,&*!|>#\"'%@`a-c0-9~?$.]{0,3}(metrics|spec|name|\n  )?){0,30}") {
        check_answer(&text)?;
    }

    #[test]
    fn a_mutated_template_is_answered(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, "\\PC{0,4}|[\n:{}\\[\\]\"'$&*-]{1,3}"), 1..6)
    ) {
        let (mut text, _) = base();
        for (at, remove, insert) in edits {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, insert.chars());
            text = chars.into_iter().collect();
        }
        check_answer(&text)?;
    }
}

/// A template exactly when there is no error, every error in the text, and a good one binds or
/// says why not.
fn check_answer(text: &str) -> Result<(), TestCaseError> {
    let (template, found) = parse(text);
    prop_assert_eq!(template.is_some(), !found.iter().any(Diagnostic::is_error));
    let lines = text.lines().count();
    let mut all = found;
    if let Some(template) = template {
        all.extend(lint(&template, text));
        if let Err(found) = bind(&template, &rollout()) {
            prop_assert!(!found.is_empty());
        }
    }
    for diagnostic in all {
        let place = diagnostic.place.expect("every complaint has a place");
        prop_assert!(place.line >= 1 && place.line <= lines + 1, "{diagnostic:?}");
        prop_assert!(place.column >= 1 && place.len >= 1);
        prop_assert!(
            !diagnostic.message.chars().any(char::is_control),
            "{diagnostic:?}"
        );
    }
    Ok(())
}
