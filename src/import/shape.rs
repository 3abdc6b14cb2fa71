//! What a query measures: a share of events, a quantile of a histogram, or just a number. A share
//! that is computed from counters is better judged from the counters, and a quantile from the
//! buckets.

use crate::import::promql::{Binary, Expr, Matcher, Selector};

/// Value of the query = `offset + factor × core`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Added.
    pub(super) offset: f64,
    /// Multiplied.
    pub(super) factor: f64,
}

impl Scale {
    const NONE: Self = Self {
        offset: 0.0,
        factor: 1.0,
    };

    /// The value of the core for a value of the query.
    pub(super) fn undone(self, value: f64) -> f64 {
        (value - self.offset) / self.factor
    }

    /// Whether a larger core is a smaller value.
    pub(super) fn flips(self) -> bool {
        self.factor < 0.0
    }

    fn times(self, factor: f64) -> Self {
        Self {
            offset: self.offset * factor,
            factor: self.factor * factor,
        }
    }

    fn from(self, number: f64) -> Self {
        Self {
            offset: number - self.offset,
            factor: -self.factor,
        }
    }
}

/// What was recognised.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Some of all events.
    Share {
        /// The counters above the line.
        part: Selector,
        /// The counters below it.
        all: Selector,
        /// The one matcher by which they differ, when they differ by one.
        extra: Option<Matcher>,
        /// Labels the shares were kept apart by.
        split: Vec<String>,
        /// From the share to the value of the query.
        scale: Scale,
    },
    /// The share of observations up to a bound.
    UpTo {
        /// The buckets, without `le`.
        buckets: Selector,
        /// The bound.
        bound: f64,
        /// From the share to the value of the query.
        scale: Scale,
    },
    /// A quantile of a histogram.
    Quantile {
        /// Which.
        q: f64,
        /// The buckets.
        buckets: Selector,
        /// Labels the quantiles were kept apart by.
        split: Vec<String>,
        /// From the quantile to the value of the query.
        scale: Scale,
    },
}

/// Recognises a shape; `None` for everything else.
pub(super) fn shape(expr: &Expr) -> Option<Shape> {
    let (core, scale) = unscaled(expr, Scale::NONE);
    match core {
        Expr::Binary(binary) if binary.op == "/" => {
            // `100 * a / b` is `(100 * a) / b`.
            let (part, inner) = unscaled(&binary.lhs, Scale::NONE);
            let part = if inner.offset == 0.0 {
                part
            } else {
                binary.lhs.bare()
            };
            let factor = if inner.offset == 0.0 {
                inner.factor
            } else {
                1.0
            };
            let factor = scale.factor * factor;
            share(part, &binary.rhs, Scale { factor, ..scale })
        }
        Expr::Call { name, args } if name == "histogram_quantile" => quantile(args, scale),
        _ => None,
    }
}

/// Takes brackets, factors and `1 − …` off.
fn unscaled(expr: &Expr, scale: Scale) -> (&Expr, Scale) {
    let Expr::Binary(binary) = expr.bare() else {
        return (expr.bare(), scale);
    };
    let Binary { op, lhs, rhs, .. } = binary.as_ref();
    // From the inside out: what is outside is applied to what the inside gives.
    let inside = |inner, apply: &dyn Fn(Scale) -> Scale| {
        let (core, inner) = unscaled(inner, Scale::NONE);
        let all = apply(inner);
        let offset = scale.offset + scale.factor * all.offset;
        let factor = scale.factor * all.factor;
        (core, Scale { offset, factor })
    };
    match (*op, lhs.number(), rhs.number()) {
        ("*", _, Some(by)) if by != 0.0 => inside(lhs, &|s| s.times(by)),
        ("*", Some(by), _) if by != 0.0 => inside(rhs, &|s| s.times(by)),
        ("/", _, Some(by)) if by != 0.0 => inside(lhs, &|s| s.times(1.0 / by)),
        ("-", Some(number), _) => inside(rhs, &|s| s.from(number)),
        _ => (expr.bare(), scale),
    }
}

/// A sum of rates of one selector.
struct Counter<'e> {
    function: &'e str,
    selector: &'e Selector,
    summed: bool,
    split: Vec<String>,
}

fn counter(expr: &Expr) -> Option<Counter<'_>> {
    match expr.bare() {
        // `… > 0` and `clamp_min(…, 1)` keep a quotient from dividing by zero.
        Expr::Binary(guard) if [">", "!="].contains(&guard.op) && !guard.bool => {
            guard.rhs.number().and_then(|_| counter(&guard.lhs))
        }
        Expr::Call { name, args } if name == "clamp_min" => counter(args.first()?),
        Expr::Aggregate(aggregate) if aggregate.op == "sum" => {
            let inner = counter(aggregate.args.first()?)?;
            let split = match &aggregate.grouping {
                Some((_, labels)) => labels.clone(),
                None => Vec::new(),
            };
            (!inner.summed).then_some(Counter {
                summed: true,
                split,
                ..inner
            })
        }
        Expr::Call { name, args } if ["rate", "increase", "irate"].contains(&name.as_str()) => {
            let [Expr::Selector(selector)] = args.as_slice() else {
                return None;
            };
            let plain = selector.modifier.is_empty() && selector.range.is_some();
            plain.then_some(Counter {
                function: name,
                selector,
                summed: false,
                split: Vec::new(),
            })
        }
        _ => None,
    }
}

fn share(above: &Expr, below: &Expr, scale: Scale) -> Option<Shape> {
    let all = counter(below)?;
    // (all − bad) / all is 1 − bad / all.
    let (part, scale) = match above {
        Expr::Binary(minus) if minus.op == "-" && minus.lhs.bare() == below.bare() => {
            let turned = Scale {
                offset: scale.offset + scale.factor,
                factor: -scale.factor,
            };
            (counter(&minus.rhs)?, turned)
        }
        other => (counter(other)?, scale),
    };
    let alike = (part.function, part.summed) == (all.function, all.summed);
    if !alike || part.split != all.split {
        return None;
    }
    let (of, whole) = (part.selector, all.selector);
    if let Some(bucket) = up_to(of, whole) {
        let (buckets, bound) = bucket;
        return part.split.is_empty().then_some(Shape::UpTo {
            buckets,
            bound,
            scale,
        });
    }
    let extras: Vec<&Matcher> = beyond(of, whole);
    let missing: Vec<&Matcher> = beyond(whole, of);
    // What is only below the line must be narrowed by something above it: `code=~"5.."` of
    // `code=~"2..|5.."`.
    let narrowed = missing
        .iter()
        .all(|m| extras.iter().any(|extra| extra.label == m.label));
    let same_name = of.name == whole.name && !extras.is_empty();
    let fails = of.name != whole.name && is_failure(&of.name);
    if !narrowed || !(same_name || fails) || of.name.ends_with("_sum") {
        return None;
    }
    let extra = match extras.as_slice() {
        [one] if same_name && missing.is_empty() => Some((*one).clone()),
        _ => None,
    };
    Some(Shape::Share {
        part: of.clone(),
        all: whole.clone(),
        extra,
        split: part.split,
        scale,
    })
}

/// The matchers of `one` that `other` does not have.
fn beyond<'s>(one: &'s Selector, other: &Selector) -> Vec<&'s Matcher> {
    let mut matchers: Vec<&Matcher> = one.matchers.iter().collect();
    matchers.retain(|m| !other.matchers.contains(m));
    matchers
}

/// `x_bucket{le="0.5"}` of `x_count`, or of `x_bucket{le="+Inf"}`.
fn up_to(part: &Selector, all: &Selector) -> Option<(Selector, f64)> {
    let stem = part.name.strip_suffix("_bucket")?;
    let without_le = |selector: &Selector| {
        let mut out = selector.clone();
        out.range = None;
        out.matchers.retain(|m| m.label != "le");
        out
    };
    let le = |selector: &Selector| {
        let found = selector.matchers.iter().find(|m| m.label == "le");
        found.filter(|m| m.op == "=").map(|m| m.inner().to_owned())
    };
    let bound: f64 = le(part)?.parse().ok().filter(|b: &f64| b.is_finite())?;
    let buckets = without_le(part);
    let whole = if all.name == part.name {
        le(all).is_some_and(|le| le == "+Inf")
    } else {
        all.name == format!("{stem}_count") && le(all).is_none()
    };
    let same = without_le(all).matchers == buckets.matchers;
    (whole && same).then_some((buckets, bound))
}

fn quantile(args: &[Expr], scale: Scale) -> Option<Shape> {
    let [q, of] = args else {
        return None;
    };
    let q = q.number().filter(|q| *q > 0.0 && *q < 1.0)?;
    let rated = counter(of)?;
    let mut buckets = rated.selector.clone();
    if buckets.matchers.iter().any(|m| m.label == "le") {
        return None;
    }
    buckets.range = None;
    let mut split = rated.split;
    split.retain(|label| label != "le");
    Some(Shape::Quantile {
        q,
        buckets,
        split,
        scale,
    })
}

/// Words in the name of a counter of what went wrong.
const FAILURES: [&str; 12] = [
    "error",
    "errors",
    "fail",
    "failed",
    "failure",
    "failures",
    "5xx",
    "rejected",
    "dropped",
    "timeout",
    "timeouts",
    "exceptions",
];

fn is_failure(name: &str) -> bool {
    name.split(['_', ':']).any(|word| FAILURES.contains(&word))
}

/// Whether the part above the line is the bad one, as far as its matchers or its name tell.
pub(super) fn part_is_bad(part: &Selector, extra: Option<&Matcher>) -> Option<bool> {
    if is_failure(&part.name) {
        return Some(true);
    }
    let extra = extra?;
    let value = extra.inner().to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| value.contains(word));
    // A status by its first digit, a word by what it says.
    let of_value = match value.chars().find(char::is_ascii_alphanumeric)? {
        '4' | '5' => true,
        '1'..='3' => false,
        _ if names(&["err", "fail", "internal", "unavailable"]) => true,
        _ if names(&["success", "ok"]) => false,
        _ => return None,
    };
    Some(of_value != extra.op.starts_with('!'))
}
