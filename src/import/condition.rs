//! Conditions of Argo Rollouts (`result[0] >= 0.95 && len(result) > 0`): which limits they put on
//! the value of the query. Only comparisons of the result with a number mean something for a
//! template; the rest is named.

use crate::import::measure::Limit;

/// What a condition says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Condition {
    /// Where the canary is bad.
    pub(super) limits: Vec<Limit>,
    /// An empty or undefined answer passes.
    pub(super) empty_passes: bool,
    /// Several series were looked at together: `all(result, …)`.
    pub(super) all_series: bool,
    /// Parts that say something else, as written.
    pub(super) unread: Vec<String>,
}

/// Reads a condition. `success` says on which side it stands; `rolls_back` what its limits do.
pub(super) fn read(text: &str, success: bool, rolls_back: bool) -> Condition {
    let mut out = Condition::default();
    let whole = Reader {
        rolls_back,
        out: &mut out,
    };
    whole.part(text, success);
    out
}

struct Reader<'o> {
    rolls_back: bool,
    out: &'o mut Condition,
}

/// What is compared with a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Value,
    Length,
    Number,
    Other,
}

impl Reader<'_> {
    /// `good` says whether the part being true is good.
    fn part(mut self, text: &str, good: bool) {
        self.walk(text, good);
    }

    fn walk(&mut self, text: &str, good: bool) {
        let text = unwrapped(text);
        for words in [["||", " or "], ["&&", " and "]] {
            let parts = split(text, words);
            if parts.len() > 1 {
                for part in parts {
                    self.walk(part, good);
                }
                return;
            }
        }
        let negated = text.strip_prefix('!').or_else(|| text.strip_prefix("not "));
        if let Some(rest) = negated {
            self.walk(rest, !good);
            return;
        }
        if let Some((all, inner)) = over_all(text) {
            self.out.all_series = true;
            self.walk(inner, good == all);
            return;
        }
        if self.undefined(text, good) {
            return;
        }
        if !self.compares(text, good) {
            self.out.unread.push(text.trim().to_owned());
        }
    }

    /// `isNaN(result[0])` and the like.
    fn undefined(&mut self, text: &str, good: bool) -> bool {
        let text = text.trim();
        let names = ["isNaN(", "isNil(", "isInf("];
        if !names.iter().any(|name| text.starts_with(name)) {
            return false;
        }
        self.out.empty_passes |= good;
        true
    }

    fn compares(&mut self, text: &str, good: bool) -> bool {
        let ops = ["<=", ">=", "==", "!=", "<", ">"];
        let Some((at, op)) = first_of(text, &ops) else {
            return false;
        };
        let lhs = text.get(..at).unwrap_or("").trim();
        let rhs = text.get(at + op.len()..).unwrap_or("").trim();
        let (left, right) = (side(lhs), side(rhs));
        let (number, op) = match (left, right) {
            (_, Side::Number) => (rhs, op),
            (Side::Number, _) => (lhs, mirrored(op)),
            _ => return false,
        };
        let what = if left == Side::Number { right } else { left };
        let Ok(number) = number.parse::<f64>() else {
            return false;
        };
        match what {
            Side::Length => {
                let empty = match op {
                    "==" | "<=" => number < 0.5,
                    "<" => (0.5..1.5).contains(&number),
                    _ => false,
                };
                self.out.empty_passes |= empty && good;
                true
            }
            Side::Value => {
                let above = match op {
                    ">" | ">=" => !good,
                    "<" | "<=" => good,
                    // Exactly zero errors.
                    "==" if good => true,
                    _ => return false,
                };
                self.out.limits.push(Limit {
                    above,
                    value: number,
                    rolls_back: self.rolls_back,
                });
                true
            }
            Side::Number | Side::Other => false,
        }
    }
}

/// Without the brackets that enclose all of it.
fn unwrapped(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return text;
        }
    }
    unwrapped(inner)
}

/// The parts between separators that stand outside of brackets.
fn split<'t>(text: &'t str, separators: [&str; 2]) -> Vec<&'t str> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut skip) = (0_i32, 0, 0);
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        let rest = text.get(at..).unwrap_or("");
        let hit = separators.iter().find(|word| rest.starts_with(**word));
        if let (0, Some(word)) = (depth, hit) {
            out.push(text.get(start..at).unwrap_or(""));
            start = at + word.len();
            skip = start;
        }
    }
    out.push(text.get(start..).unwrap_or(""));
    out
}

/// `all(result, # < 0.05)`: whether it is `all` rather than `any`, and what is inside.
fn over_all(text: &str) -> Option<(bool, &str)> {
    let text = text.trim();
    let kinds = [("all(", true), ("any(", true), ("none(", false)];
    let (name, all) = kinds.into_iter().find(|(name, _)| text.starts_with(name))?;
    let inner = text.get(name.len()..)?.strip_suffix(')')?;
    let (over, predicate) = inner.split_once(',')?;
    let predicate = predicate
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}');
    (over.trim() == "result").then_some((all, predicate))
}

fn first_of<'o>(text: &str, ops: &[&'o str]) -> Option<(usize, &'o str)> {
    text.char_indices().find_map(|(at, _)| {
        let rest = text.get(at..)?;
        ops.iter()
            .find(|op| rest.starts_with(**op))
            .map(|op| (at, *op))
    })
}

fn mirrored(op: &str) -> &str {
    match op {
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        other => other,
    }
}

fn side(text: &str) -> Side {
    let text = unwrapped(text);
    if text.parse::<f64>().is_ok() {
        return Side::Number;
    }
    let inner = |name: &str| text.strip_prefix(name)?.strip_suffix(')');
    for name in ["asFloat(", "asInt(", "float(", "int(", "abs("] {
        if let Some(inner) = inner(name) {
            return side(inner);
        }
    }
    if let Some((inner, _)) = inner("default(").and_then(|inner| inner.rsplit_once(',')) {
        return side(inner);
    }
    match text {
        "result" | "result[0]" | "#" | "result.value" => Side::Value,
        "len(result)" => Side::Length,
        _ => Side::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_where_the_canary_is_bad() {
        type Limits = &'static [(bool, f64)];
        let cases: [(&str, bool, Limits, bool); 14] = [
            ("result[0] >= 0.95", true, &[(false, 0.95)], false),
            ("result[0] < 0.95", false, &[(false, 0.95)], false),
            ("0.95 <= result[0]", true, &[(false, 0.95)], false),
            ("result <= 500", true, &[(true, 500.0)], false),
            (
                "len(result) == 0 || result[0] < 0.05",
                true,
                &[(true, 0.05)],
                true,
            ),
            (
                "len(result) > 0 && result[0] > 0.05",
                false,
                &[(true, 0.05)],
                false,
            ),
            (
                "isNaN(result[0]) || result[0] >= 0.9",
                true,
                &[(false, 0.9)],
                true,
            ),
            ("!(result[0] > 3)", true, &[(true, 3.0)], false),
            (
                "result[0] >= 1 && result[0] <= 9",
                true,
                &[(false, 1.0), (true, 9.0)],
                false,
            ),
            ("all(result, # < 0.05)", true, &[(true, 0.05)], false),
            ("any(result, {# > 0.05})", false, &[(true, 0.05)], false),
            ("default(result[0], 0) < 2", true, &[(true, 2.0)], false),
            ("asFloat(result[0]) == 0", true, &[(true, 0.0)], false),
            (
                "(len(result) < 1) or (result[0] <= 1e3)",
                true,
                &[(true, 1000.0)],
                true,
            ),
        ];
        for (text, success, wanted, empty) in cases {
            let found = read(text, success, true);
            let limits: Vec<(bool, f64)> =
                found.limits.iter().map(|l| (l.above, l.value)).collect();
            assert_eq!(limits, wanted, "{text}");
            assert_eq!(found.empty_passes, empty, "{text}");
            assert!(found.unread.is_empty(), "{text}: {:?}", found.unread);
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for text in [
            "result.status == \"ok\"",
            "result[1] > 3",
            "true",
            "{{args.x}} > 2",
        ] {
            let found = read(text, true, true);
            assert_eq!(found.unread, [text], "{text}");
            assert!(found.limits.is_empty());
        }
    }
}
