//! PromQL with `${holes}` as a tree: what an import needs to put `${selector}` into every selector,
//! to keep the arms apart in every aggregation, and to see what a query measures.
//!
//! Templates are checked by a reader without a grammar (`template::promql`), which is all that is
//! needed to fill holes; objectives are read from it by a reader of one shape that says at which
//! character a query leaves that shape (`template::slo_spec`). A tree has no places, and those two
//! have no tree: that is why there are two readers. Rewriting a foreign query needs to know what is
//! what.

mod parse;
mod print;

pub(super) use parse::parse;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// `name{matcher, …}[range] offset 5m`.
    Selector(Selector),
    /// A number as written, or a hole that stands for one.
    Number(String),
    /// A string with its quotes.
    Text(String),
    /// `rate(…)`.
    Call {
        /// The function.
        name: String,
        /// What it is given.
        args: Vec<Expr>,
    },
    /// `sum by (le) (…)`.
    Aggregate(Aggregate),
    /// `a / on (pod) b`.
    Binary(Box<Binary>),
    /// `-a`.
    Unary {
        /// `+` or `-`.
        sign: char,
        /// Of what.
        of: Box<Expr>,
    },
    /// `(a)`.
    Paren(Box<Expr>),
    /// `a[1h:1m] offset 5m`.
    Subquery {
        /// Over what.
        of: Box<Expr>,
        /// What stands between the brackets.
        range: String,
        /// `offset 5m`, `@ 0`; empty without.
        modifier: String,
    },
}

/// A vector or range selector.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selector {
    /// The metric; empty when only braces are given.
    pub(super) name: String,
    /// In the order written.
    pub(super) matchers: Vec<Matcher>,
    /// What stands between `[` and `]`.
    pub(super) range: Option<String>,
    /// `offset 5m`, `@ 0`; empty without.
    pub(super) modifier: String,
}

/// `label="value"`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matcher {
    /// The label; empty for a quoted metric name in the braces, a hole for `${selector}`.
    pub(super) label: String,
    /// `=`, `!=`, `=~` or `!~`; empty in those two cases.
    pub(super) op: &'static str,
    /// With its quotes; empty for `${selector}`.
    pub(super) value: String,
}

impl Matcher {
    /// The value without its quotes.
    pub(super) fn inner(&self) -> &str {
        let ends = |c: char| "\"'`".contains(c);
        self.value
            .strip_prefix(ends)
            .and_then(|rest| rest.strip_suffix(ends))
            .unwrap_or(&self.value)
    }

    /// The matcher that selects what this one leaves out.
    pub(super) fn flipped(&self) -> Self {
        let op = match self.op {
            "=" => "!=",
            "!=" => "=",
            "=~" => "!~",
            _ => "=~",
        };
        Self { op, ..self.clone() }
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    /// `sum`, in small letters.
    pub(super) op: String,
    /// `by` or `without`, and the labels.
    pub(super) grouping: Option<(Grouping, Vec<String>)>,
    /// The parameter, where there is one, and what is aggregated.
    pub(super) args: Vec<Expr>,
}

/// Which labels an aggregation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// Those that stay.
    By,
    /// Those that go.
    Without,
}

/// Two operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binary {
    /// `/`, `==`, `and`, …
    pub(super) op: &'static str,
    /// `bool` after a comparison.
    pub(super) bool: bool,
    /// `on` (true) or `ignoring`, and the labels.
    pub(super) matching: Option<(bool, Vec<String>)>,
    /// `group_left` or `group_right`, and the labels.
    pub(super) group: Option<(String, Vec<String>)>,
    /// Left of it.
    pub(super) lhs: Expr,
    /// Right of it.
    pub(super) rhs: Expr,
}

impl Expr {
    /// Without the brackets around it.
    pub(super) fn bare(&self) -> &Self {
        match self {
            Self::Paren(inner) => inner.bare(),
            other => other,
        }
    }

    /// The value of a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self.bare() {
            Self::Number(text) => text.parse().ok(),
            Self::Unary { sign: '-', of } => of.number().map(|value| -value),
            _ => None,
        }
    }

    /// Everything directly inside.
    pub(super) fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Selector(_) | Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Call { args, .. } | Self::Aggregate(Aggregate { args, .. }) => {
                args.iter_mut().collect()
            }
            Self::Binary(binary) => {
                let Binary { lhs, rhs, .. } = binary.as_mut();
                vec![lhs, rhs]
            }
            Self::Unary { of, .. } | Self::Paren(of) | Self::Subquery { of, .. } => {
                vec![of.as_mut()]
            }
        }
    }

    /// Everything directly inside.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Selector(_) | Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Call { args, .. } | Self::Aggregate(Aggregate { args, .. }) => {
                args.iter().collect()
            }
            Self::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Self::Unary { of, .. } | Self::Paren(of) | Self::Subquery { of, .. } => {
                vec![of.as_ref()]
            }
        }
    }

    /// Every selector, from left to right.
    pub(super) fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Selector(selector) => vec![selector],
            other => other
                .children()
                .into_iter()
                .flat_map(Self::selectors)
                .collect(),
        }
    }

    /// Every selector, from left to right.
    pub(super) fn selectors_mut(&mut self) -> Vec<&mut Selector> {
        match self {
            Self::Selector(selector) => vec![selector],
            other => other
                .children_mut()
                .into_iter()
                .flat_map(Self::selectors_mut)
                .collect(),
        }
    }
}
