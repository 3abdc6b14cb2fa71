//! An expression as text again: one line, in the spacing of the templates that come with Haldane.

use super::{Aggregate, Binary, Expr, Grouping, Matcher, Selector};
use std::fmt;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(selector) => selector.fmt(f),
            Self::Number(text) | Self::Text(text) => f.write_str(text),
            Self::Call { name, args } => {
                f.write_str(name)?;
                list(f, args)
            }
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::Unary { sign, of } => write!(f, "{sign}{of}"),
            Self::Paren(inner) => write!(f, "({inner})"),
            Self::Subquery {
                of,
                range,
                modifier,
            } => {
                write!(f, "{of}[{range}]")?;
                spaced(f, modifier)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, args: &[Expr]) -> fmt::Result {
    let texts: Vec<String> = args.iter().map(ToString::to_string).collect();
    write!(f, "({})", texts.join(", "))
}

fn spaced(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() {
        return Ok(());
    }
    write!(f, " {text}")
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.matchers.is_empty() || self.name.is_empty() {
            let texts: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
            write!(f, "{{{}}}", texts.join(","))?;
        }
        if let Some(range) = &self.range {
            write!(f, "[{range}]")?;
        }
        spaced(f, &self.modifier)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.op, self.value)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.op)?;
        if let Some((grouping, labels)) = &self.grouping {
            let word = match grouping {
                Grouping::By => "by",
                Grouping::Without => "without",
            };
            write!(f, " {word} ({}) ", labels.join(", "))?;
        }
        list(f, &self.args)
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.lhs, self.op)?;
        if self.bool {
            f.write_str(" bool")?;
        }
        if let Some((on, labels)) = &self.matching {
            let word = if *on { "on" } else { "ignoring" };
            write!(f, " {word} ({})", labels.join(", "))?;
        }
        if let Some((word, labels)) = &self.group {
            write!(f, " {word} ({})", labels.join(", "))?;
        }
        write!(f, " {}", self.rhs)
    }
}
