//! What is done to a foreign query so that one query covers both arms: the matchers that picked one
//! arm go, `${selector}` comes into every selector, `${arm_labels}` into every aggregation, and
//! windows become as long as the step.

use crate::import::promql::{Aggregate, Binary, Expr, Grouping, Matcher, Selector, parse};
use crate::template::query::{ARM_LABELS, SELECTOR};
use crate::time::Span;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arm {
    /// The one that is judged.
    Canary,
    /// The one it is compared with.
    Baseline,
}

/// How the source says which arm a matcher selects.
#[derive(Clone, Debug, Default)]
pub(super) struct Picks {
    /// Holes whose value is of the canary.
    pub(super) canary: Vec<String>,
    /// Holes whose value is of the baseline.
    pub(super) baseline: Vec<String>,
    /// Words in a value that say it is the canary's.
    pub(super) canary_words: &'static [&'static str],
    /// Words in a value that say it is the baseline's.
    pub(super) baseline_words: &'static [&'static str],
}

impl Picks {
    /// The arm a matcher selects alone; `None` when it selects both.
    fn arm_of(&self, matcher: &Matcher) -> Option<Arm> {
        let value = matcher.inner().to_ascii_lowercase();
        let negative = matcher.op.starts_with('!');
        let has = |holes: &[String]| {
            let hole = |name: &String| value.contains(&format!("${{{}}}", name.to_lowercase()));
            holes.iter().any(hole)
        };
        let words: Vec<&str> = value.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let says = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        let canary = has(&self.canary) || says(self.canary_words);
        let baseline = has(&self.baseline) || says(self.baseline_words);
        // `{{ target }}-primary` names the canary's hole and is the baseline's.
        let named = match (says(self.baseline_words), canary, baseline) {
            (true, _, _) if !says(self.canary_words) => Some(Arm::Baseline),
            (_, true, false) => Some(Arm::Canary),
            (_, false, true) => Some(Arm::Baseline),
            _ if matcher.label != "canary" => None,
            // `canary!=""` and `canary="true"`.
            _ if ["", "false", "0"].contains(&value.as_str()) => Some(Arm::Baseline),
            _ => Some(Arm::Canary),
        };
        named.map(|arm| match (arm, negative) {
            (Arm::Canary, true) => Arm::Baseline,
            (Arm::Baseline, true) => Arm::Canary,
            (arm, false) => arm,
        })
    }

    /// The arms that the selectors of an expression are limited to.
    pub(super) fn arms(&self, expr: &Expr) -> Vec<Arm> {
        let matchers = expr.selectors().into_iter().flat_map(|s| &s.matchers);
        matchers.filter_map(|m| self.arm_of(m)).collect()
    }

    /// Takes away the matchers that pick an arm; they are returned, once each.
    pub(super) fn strip(&self, expr: &mut Expr) -> Vec<(Arm, Matcher)> {
        let mut out: Vec<(Arm, Matcher)> = Vec::new();
        for selector in expr.selectors_mut() {
            selector.matchers.retain(|matcher| {
                let Some(arm) = self.arm_of(matcher) else {
                    return true;
                };
                let found = (arm, matcher.clone());
                if !out.contains(&found) {
                    out.push(found);
                }
                false
            });
        }
        out
    }
}

/// How a query compared the two arms by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Canary / baseline.
    Quotient,
    /// Canary − baseline.
    Difference,
    /// (canary − baseline) / baseline.
    Change,
}

/// Takes a query that compares the arms by itself apart: how, and the side of the canary.
pub(super) fn compared(expr: &Expr, picks: &Picks) -> Option<(Compared, Expr)> {
    let Expr::Binary(binary) = expr.bare() else {
        return None;
    };
    let plain = |expr: &Expr| {
        let mut expr = expr.bare().clone();
        picks.strip(&mut expr);
        expr.to_string()
    };
    let pair = |lhs: &Expr, rhs: &Expr| {
        let canary = picks.arms(lhs).iter().all(|arm| *arm == Arm::Canary);
        let baseline = picks.arms(rhs).iter().all(|arm| *arm == Arm::Baseline);
        canary && baseline && plain(lhs) == plain(rhs)
    };
    let Binary { op, lhs, rhs, .. } = binary.as_ref();
    let how = match *op {
        "-" if pair(lhs, rhs) => Compared::Difference,
        "/" if pair(lhs, rhs) => Compared::Quotient,
        "/" => {
            let Expr::Binary(inner) = lhs.bare() else {
                return None;
            };
            let whole = inner.rhs.bare() == rhs.bare();
            if inner.op != "-" || !whole || !pair(&inner.lhs, rhs) {
                return None;
            }
            return Some((Compared::Change, inner.lhs.bare().clone()));
        }
        _ => return None,
    };
    Some((how, lhs.bare().clone()))
}

/// Takes `or vector(…)` away wherever it stands; whether there was one.
pub(super) fn drop_vectors(expr: &mut Expr) -> bool {
    let mut found = false;
    while let Expr::Binary(binary) = expr {
        let constant = matches!(binary.rhs.bare(), Expr::Call { name, .. } if name == "vector");
        if binary.op != "or" || !constant {
            break;
        }
        found = true;
        *expr = binary.lhs.clone();
    }
    for child in expr.children_mut() {
        found |= drop_vectors(child);
    }
    found
}

/// Why a query cannot be asked of both arms at once.
pub(super) fn refusal(expr: &Expr) -> Option<String> {
    if expr.selectors().is_empty() {
        return Some("the query has no selector: nothing in it is of an arm".to_owned());
    }
    belongs_to_no_arm(expr)
}

fn belongs_to_no_arm(expr: &Expr) -> Option<String> {
    let why = match expr {
        Expr::Call { name, .. } if name == "scalar" => {
            "drops the labels, so that both arms would become one number"
        }
        Expr::Call { name, .. } if name == "vector" => "belongs to no arm",
        Expr::Call { name, .. } if name.starts_with("absent") => {
            "answers once for both arms; an arm without data is no data here by itself"
        }
        _ => "",
    };
    match expr {
        Expr::Call { name, .. } if !why.is_empty() => Some(format!("`{name}(…)` {why}")),
        _ => expr.children().into_iter().find_map(belongs_to_no_arm),
    }
}

/// What was done to the windows.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// The longest range that was made shorter.
    pub(super) shortened: Option<String>,
    /// Ranges longer than the step that stay.
    pub(super) longer: Vec<String>,
}

/// Makes windows that are longer than `step` as long as it; with `keep`, only says which they are.
pub(super) fn fit_windows(expr: &mut Expr, step: Span, keep: bool) -> Windows {
    let mut out = Windows::default();
    for selector in expr.selectors_mut() {
        let Some(range) = &selector.range else {
            continue;
        };
        let length = Span::parse(range);
        if length.is_some_and(|length| length <= step) {
            continue;
        }
        if keep {
            out.longer.push(range.clone());
            continue;
        }
        let longer = |old: &String| Span::parse(old) < length;
        if out.shortened.as_ref().is_none_or(longer) {
            out.shortened = Some(range.clone());
        }
        selector.range = Some(step.to_string());
    }
    subqueries(expr, step, &mut out.longer);
    out
}

fn subqueries(expr: &Expr, step: Span, longer: &mut Vec<String>) {
    if let Expr::Subquery { range, .. } = expr {
        let length = range.split(':').next().and_then(Span::parse);
        if length.is_none_or(|length| length > step) {
            longer.push(range.clone());
        }
    }
    for child in expr.children() {
        subqueries(child, step, longer);
    }
}

/// The longest range of an expression.
pub(super) fn window_of(expr: &Expr) -> Option<Span> {
    let ranges = expr.selectors().into_iter();
    ranges.filter_map(|s| Span::parse(s.range.as_ref()?)).max()
}

/// Puts `${selector}` into every selector and `${arm_labels}` into every list that would drop the
/// labels of the arms.
pub(super) fn cover_both_arms(expr: &mut Expr) {
    let arm_labels = format!("${{{ARM_LABELS}}}");
    match expr {
        Expr::Selector(selector) => selector.matchers.push(both()),
        Expr::Aggregate(Aggregate { grouping, .. }) => match grouping {
            None => *grouping = Some((Grouping::By, vec![arm_labels])),
            Some((Grouping::By, labels)) => labels.push(arm_labels),
            Some((Grouping::Without, _)) => {}
        },
        Expr::Binary(binary) => {
            if let Some((true, labels)) = &mut binary.matching {
                labels.push(arm_labels);
            }
        }
        _ => {}
    }
    for child in expr.children_mut() {
        cover_both_arms(child);
    }
}

/// `${selector}` as it stands in the braces.
fn both() -> Matcher {
    Matcher {
        label: format!("${{{SELECTOR}}}"),
        op: "",
        value: String::new(),
    }
}

/// A bare selector of both arms.
pub(super) fn bare(selector: &Selector) -> String {
    let mut out = selector.clone();
    out.range = None;
    out.matchers.push(both());
    out.to_string()
}

/// Reads a written query again: every selector must carry `${selector}`.
pub(super) fn carries_selector(query: &str, numbers: &[&str]) -> Result<(), String> {
    let again = parse(query, numbers)?;
    let all = again.selectors();
    let without = all.iter().find(|s| !s.matchers.contains(&both()));
    match (all.is_empty(), without) {
        (true, _) => Err("the query has no selector".to_owned()),
        (_, Some(selector)) => Err(format!("`{selector}` cannot be limited to the arms")),
        _ => Ok(()),
    }
}
