//! The queries of a template: what each kind must look like, and how their holes are filled.

use crate::diagnostic::closest;
pub use crate::template::promql::Fault;
use crate::template::promql::{Edit, Lexed, Token, lex};
use std::collections::BTreeMap;

/// The longest query, before and after its holes are filled; a longer one is refused (C013).
/// Servers and proxies begin to refuse form bodies well above this.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// The longest value of an input in bytes; a longer one is refused (C062). The longest label
/// value a well-kept Prometheus accepts is far shorter.
pub const INPUT_BYTES_MAX: usize = 500;

/// The hole that becomes the matchers covering both arms.
pub const SELECTOR: &str = "selector";

/// The hole that becomes the label names that tell the arms apart.
pub const ARM_LABELS: &str = "arm_labels";

/// The aggregation operators that drop every label they are not told to keep (`topk`, `bottomk`
/// and `limitk` keep them). Source: Prometheus documentation, "Aggregation operators".
const AGGREGATIONS: [&str; 10] = [
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "stddev",
    "stdvar",
    "group",
    "quantile",
    "count_values",
];

const RAW_HELP: &str = "raw counters are fetched and their increments are computed here: give \
                        `name{…,${selector}}` without functions, ranges or offsets";

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// Any expression.
    Expression,
    /// A bare selector whose raw samples are fetched.
    Selector,
    /// A bare selector of histogram buckets: all of them are needed, so no `le` matcher.
    Buckets,
}

/// Everything wrong with a query of a template with these inputs.
pub fn check(query: &str, kind: QueryKind, inputs: &[&str]) -> Vec<Fault> {
    if query.len() > QUERY_BYTES_MAX {
        let message = format!("{} bytes, the limit is {QUERY_BYTES_MAX}", query.len());
        let help = "use a recording rule";
        return vec![Fault::new("C013", 0, 1, message, help)];
    }
    let lexed = match lex(query) {
        Ok(lexed) => lexed,
        Err(fault) => return vec![fault],
    };
    let mut faults: Vec<Fault> = Vec::new();
    if lexed.tokens.is_empty() {
        faults.push(Fault::new(
            "C024",
            0,
            1,
            "the query is empty".to_owned(),
            "write one",
        ));
        return faults;
    }
    faults.extend(
        lexed
            .edits
            .iter()
            .filter_map(|edit| hole_fault(edit, inputs)),
    );
    let has = |name| lexed.edits.iter().any(|edit| edit.hole == Some(name));
    if !has(SELECTOR) {
        let message = "the query has no `${selector}`".to_owned();
        let help = "put `${selector}` into the braces of each selector: it limits the query to \
                    the two arms";
        faults.push(Fault::new("C021", 0, 1, message, help));
    }
    match kind {
        QueryKind::Expression if breaks_off(&lexed).is_some() => faults.extend(breaks_off(&lexed)),
        QueryKind::Expression if !has(ARM_LABELS) => faults.extend(lost_labels(&lexed)),
        QueryKind::Expression => {}
        QueryKind::Selector => faults.extend(selector_fault(&lexed, false)),
        QueryKind::Buckets => faults.extend(selector_fault(&lexed, true)),
    }
    faults
}

fn hole_fault(edit: &Edit<'_>, inputs: &[&str]) -> Option<Fault> {
    let name = edit.hole?;
    let fault = |code, message, help: &str| {
        Some(Fault::new(code, edit.start, name.len() + 3, message, help))
    };
    if name == SELECTOR && (edit.quote.is_some() || edit.bracket != Some('{')) {
        let message = "`${selector}` stands outside of the braces of a selector".to_owned();
        return fault("C025", message, "write `name{…,${selector}}`");
    }
    if name == ARM_LABELS && (edit.quote.is_some() || edit.bracket != Some('(')) {
        let message = "`${arm_labels}` stands outside of a list of labels".to_owned();
        return fault("C025", message, "write `by (${arm_labels})`");
    }
    let known = [SELECTOR, ARM_LABELS];
    if known.contains(&name) || inputs.contains(&name) {
        return None;
    }
    let near = closest(name, known.iter().chain(inputs).copied());
    let message = match near {
        Some(near) => format!("unknown hole `${{{name}}}`, did you mean `${{{near}}}`?"),
        None => format!("unknown hole `${{{name}}}`"),
    };
    fault(
        "C020",
        message,
        "declare it under `inputs`, or write `$${` for a literal `${`",
    )
}

/// An aggregation that keeps no label merges the two arms.
fn lost_labels(lexed: &Lexed<'_>) -> Option<Fault> {
    let is_word = |token: &Token<'_>, word: &str| match token {
        Token::Word(text) => text.eq_ignore_ascii_case(word),
        _ => false,
    };
    if lexed
        .tokens
        .iter()
        .any(|(_, token)| is_word(token, "without"))
    {
        return None;
    }
    lexed.tokens.windows(2).find_map(|pair| {
        let [(at, first), (_, second)] = pair else {
            return None;
        };
        let name = AGGREGATIONS.iter().find(|name| is_word(first, name))?;
        let kept = if is_word(second, "by") {
            kept_labels(lexed, *at)
        } else {
            Vec::new()
        };
        (*second == Token::Sign('(') || is_word(second, "by")).then(|| {
            let message = format!("`{name}` merges the two arms");
            let labels = kept.iter().copied().chain(["${arm_labels}"]);
            let labels = labels.collect::<Vec<_>>().join(", ");
            let help = format!("keep the labels of the arms: `by ({labels})`");
            Fault::new("C022", *at, name.len(), message, &help)
        })
    })
}

/// The labels that the aggregation at byte `at` keeps.
fn kept_labels<'a>(lexed: &Lexed<'a>, at: usize) -> Vec<&'a str> {
    let behind = lexed.tokens.iter().skip_while(|(place, _)| *place <= at);
    let inside = behind
        .skip_while(|(_, token)| *token != Token::Sign('('))
        .take_while(|(_, token)| *token != Token::Sign(')'));
    let words = inside.filter_map(|(_, token)| match token {
        Token::Word(text) => Some(*text),
        _ => None,
    });
    words.collect()
}

/// The first aggregation of a query that certainly drops `label`: one that keeps other labels
/// only, that names it after `without`, or that keeps none. Offset and length. A list with the hole
/// of an input may hold anything and is let pass.
pub(super) fn merged_label(lexed: &Lexed<'_>, label: &str) -> Option<(usize, usize)> {
    let tokens = &lexed.tokens;
    let is_word = |idx: usize, word: &str| match tokens.get(idx) {
        Some((_, Token::Word(text))) => text.eq_ignore_ascii_case(word),
        _ => false,
    };
    let opens = |idx: usize| matches!(tokens.get(idx), Some((_, Token::Sign('('))));
    (0..tokens.len()).find_map(|idx| {
        let name = AGGREGATIONS.iter().find(|name| is_word(idx, name))?;
        let (at, _) = tokens.get(idx)?;
        // `sum by (a) (x)` or `sum (x) by (a)`.
        let clause = if opens(idx + 1) {
            after_group(tokens, idx + 1)
        } else {
            idx + 1
        };
        let keeps = is_word(clause, "by");
        if !keeps && !is_word(clause, "without") {
            return opens(idx + 1).then_some((*at, name.len()));
        }
        let list = tokens.get(clause + 2..after_group(tokens, clause + 1))?;
        let named = list.iter().any(|(_, token)| *token == Token::Word(label));
        let open = list
            .iter()
            .any(|(_, token)| matches!(token, Token::Hole(name) if *name != ARM_LABELS));
        (named != keeps && !(keeps && open)).then_some((*at, name.len()))
    })
}

/// The index after the bracket that closes the one at `idx`.
fn after_group(tokens: &[(usize, Token<'_>)], idx: usize) -> usize {
    let mut depth = 0_usize;
    for (ahead, (_, token)) in tokens.iter().enumerate().skip(idx) {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return ahead + 1;
        }
    }
    tokens.len()
}

/// Says what stands where a bare selector goes on or ends.
fn not_bare(tokens: &[(usize, Token<'_>)], idx: usize) -> Fault {
    let end = tokens.last().map_or(0, |(at, _)| *at);
    let (at, what) = tokens.get(idx).map_or((end, "its end"), |(at, token)| {
        let what = match token {
            Token::Sign('(') => "a function call",
            Token::Sign('[') => "a range",
            Token::Sign('@') => "an `@` instant",
            Token::Word("offset") => "an offset",
            Token::Sign('+' | '-' | '*' | '/' | '%' | '^' | '>' | '<' | '=') => "an operator",
            Token::Word(_) => "a word",
            Token::Hole(_) => "a hole",
            _ => "something else",
        };
        (*at, what)
    });
    let message = format!("not a bare selector: found {what}");
    Fault::new("C023", at, 1, message, RAW_HELP)
}

/// Reads `name{matcher, …}`; says what stands there instead.
fn selector_fault(lexed: &Lexed<'_>, buckets: bool) -> Option<Fault> {
    let tokens = &lexed.tokens;
    let not_bare = |idx| Some(not_bare(tokens, idx));
    let mut idx = 0;
    while matches!(tokens.get(idx), Some((_, Token::Word(_) | Token::Hole(_)))) {
        // Words and holes side by side are one name, such as `${app}_errors_total`; a word that
        // stands apart is something else, such as an `offset`.
        if idx > 0 && !touches(tokens, idx) {
            return not_bare(idx);
        }
        idx += 1;
    }
    if !matches!(tokens.get(idx), Some((_, Token::Sign('{')))) {
        return not_bare(idx);
    }
    idx += 1;
    loop {
        match tokens.get(idx) {
            Some((_, Token::Sign('}'))) => break,
            Some((_, Token::Hole(SELECTOR) | Token::Text)) => idx += 1,
            Some((_, Token::Hole(_))) => match matcher_end(tokens, idx) {
                Some(end) => idx = end,
                None => return not_bare(idx),
            },
            Some((at, Token::Word(label))) => {
                if buckets && *label == "le" {
                    let message = "a matcher on `le` hides buckets".to_owned();
                    let help = "remove it: all buckets are needed, `threshold` picks the bound";
                    return Some(Fault::new("C023", *at, 2, message, help));
                }
                idx = match matcher_end(tokens, idx) {
                    Some(end) => end,
                    None => return not_bare(idx + 1),
                };
            }
            _ => return not_bare(idx),
        }
        match tokens.get(idx) {
            Some((_, Token::Sign(','))) => idx += 1,
            Some((_, Token::Sign('}'))) => {}
            _ => return not_bare(idx),
        }
    }
    (idx + 1 < tokens.len())
        .then(|| not_bare(idx + 1))
        .flatten()
}

/// Whether the token at `idx` begins where the word or hole before it ends.
fn touches(tokens: &[(usize, Token<'_>)], idx: usize) -> bool {
    let (Some((before, token)), Some((at, _))) = (
        idx.checked_sub(1).and_then(|idx| tokens.get(idx)),
        tokens.get(idx),
    ) else {
        return false;
    };
    match token {
        Token::Word(word) => before + word.len() == *at,
        Token::Hole(name) => before + name.len() + 3 == *at,
        _ => false,
    }
}

/// An expression that breaks off after an operator or a comma.
fn breaks_off(lexed: &Lexed<'_>) -> Option<Fault> {
    let (at, token) = lexed.tokens.last()?;
    let what = match token {
        Token::Sign(sign) if "+-*/%^<>=!~,".contains(*sign) => sign.to_string(),
        Token::Word(word) => {
            let open = ["and", "or", "unless", "offset", "bool"];
            open.into_iter()
                .find(|name| word.eq_ignore_ascii_case(name))?
                .to_owned()
        }
        _ => return None,
    };
    let message = format!("the query ends with `{what}`");
    let help = "write what follows it, or remove it";
    Some(Fault::new("C024", *at, what.len(), message, help))
}

/// The index after `label op "value"` at `idx`.
fn matcher_end(tokens: &[(usize, Token<'_>)], idx: usize) -> Option<usize> {
    let sign = |ahead: usize| match tokens.get(idx + ahead) {
        Some((_, Token::Sign(c))) => Some(*c),
        _ => None,
    };
    let width = match (sign(1)?, sign(2)) {
        ('=', None) => 1,
        ('=', Some('~')) | ('!', Some('=' | '~')) => 2,
        _ => return None,
    };
    let value = idx + width + 1;
    matches!(tokens.get(value), Some((_, Token::Text))).then_some(value + 1)
}

/// The labels that the selectors of a query have matchers for.
pub fn selected_labels(query: &str) -> Vec<String> {
    let Ok(lexed) = lex(query) else {
        return Vec::new();
    };
    let labels = (0..lexed.tokens.len()).filter_map(|idx| match lexed.tokens.get(idx) {
        Some((_, Token::Word(label))) => matcher_end(&lexed.tokens, idx).map(|_| *label),
        _ => None,
    });
    labels.map(str::to_owned).collect()
}

/// Why a value cannot be an input, if it cannot.
pub fn value_fault(value: &str) -> Option<String> {
    if value.len() > INPUT_BYTES_MAX {
        let found = value.len();
        return Some(format!("has {found} bytes, the limit is {INPUT_BYTES_MAX}"));
    }
    if value.chars().any(char::is_control) {
        return Some("has a control character".to_owned());
    }
    None
}

/// Fills the holes of a query. Inside a string a value is escaped for that string's quotes;
/// outside it must be made of letters, digits and `_ : .`, so it cannot change the structure.
pub fn fill(
    query: &str,
    selector: &str,
    arm_labels: &str,
    inputs: &BTreeMap<String, String>,
) -> Result<String, Fault> {
    let lexed = lex(query)?;
    let mut out = String::with_capacity(query.len() + selector.len());
    let mut done = 0;
    for edit in &lexed.edits {
        out.push_str(query.get(done..edit.start).unwrap_or(""));
        done = edit.end;
        match edit.hole {
            None => out.push_str("${"),
            Some(SELECTOR) => out.push_str(selector),
            Some(ARM_LABELS) => out.push_str(arm_labels),
            Some(name) => {
                let Some(value) = inputs.get(name) else {
                    let message = format!("no value for `${{{name}}}`");
                    return Err(Fault::new("C060", edit.start, 1, message, "give one"));
                };
                push_value(&mut out, edit, name, value)?;
            }
        }
    }
    out.push_str(query.get(done..).unwrap_or(""));
    if out.len() > QUERY_BYTES_MAX {
        let message = format!("{} bytes, the limit is {QUERY_BYTES_MAX}", out.len());
        return Err(Fault::new(
            "C013",
            0,
            1,
            message,
            "shorten inputs or scopes",
        ));
    }
    Ok(out)
}

fn push_value(out: &mut String, edit: &Edit<'_>, name: &str, value: &str) -> Result<(), Fault> {
    let refuse = |why: &str, help: &str| {
        let message = format!("the value of input `{name}` {why}");
        Err(Fault::new("C062", edit.start, 1, message, help))
    };
    if let Some(why) = value_fault(value) {
        return refuse(&why, "shorten it, or remove the character");
    }
    match edit.quote {
        Some('`') if value.contains('`') => refuse(
            "has a back quote",
            "use double quotes in the template's query",
        ),
        Some('`') => {
            out.push_str(value);
            Ok(())
        }
        Some(quote) => {
            for c in value.chars() {
                if c == quote || c == '\\' {
                    out.push('\\');
                }
                out.push(c);
            }
            Ok(())
        }
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
            if !value.chars().all(plain) {
                return refuse(
                    "has characters that only a string may have",
                    "outside of strings only letters, digits and _ : . may be filled in",
                );
            }
            out.push_str(value);
            Ok(())
        }
    }
}
