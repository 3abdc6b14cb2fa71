//! Someone else's query taken apart until only counters are left. An objective is judged per arm,
//! and increments come from raw samples, so of `sum(rate(x{…}[{{.window}}]))` the selector is what
//! counts; `${selector}` is put into it. Whatever cannot be brought into that form is refused with
//! the reason.

use crate::template::promql::{Fault, Lexed, Token, lex};

/// The way out of every refusal.
const HELP: &str = "write the counters yourself: a metric of that name in the template with \
                    `events: { bad: …, total: … }`; target, period and rungs are still read";

/// What a query counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Counted {
    /// The events of one selector.
    Of(Selector),
    /// Those of the first that are not among those of the second.
    Less(Selector, Selector),
}

/// A bare selector: a name, and its matchers as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector {
    name: String,
    matchers: Vec<String>,
}

/// A query reduced, and the labels it was grouped by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reduced {
    pub(super) counted: Counted,
    pub(super) grouped_by: Vec<String>,
}

/// What is put between brackets where the tool that owns the query puts its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// `{{.window}}` in every range.
    Template,
    /// That, or a counter without any range.
    TemplateOrBare,
    /// Nothing: a bare selector.
    Bare,
}

impl Selector {
    /// The selector limited to both arms, as a query of a template.
    pub(super) fn limited(&self) -> String {
        let matchers = self.matchers.iter().map(String::as_str);
        let all: Vec<&str> = matchers.chain(["${selector}"]).collect();
        format!("{}{{{}}}", self.name, all.join(","))
    }

    /// The name without a matcher `label="…"`, and the value, if it has one.
    fn without(&self, label: &str) -> (Self, Option<String>) {
        let value = |matcher: &String| {
            let text = matcher.strip_prefix(label)?.strip_prefix('=')?;
            let quote = text.chars().next().filter(|c| "\"'`".contains(*c))?;
            Some(text.trim_matches(quote).to_owned())
        };
        let mut out = self.clone();
        let found = self.matchers.iter().find_map(value);
        out.matchers.retain(|matcher| value(matcher).is_none());
        (out, found)
    }

    /// The matchers that `other` does not have, when it has all the rest.
    fn more_than(&self, other: &Self) -> Option<Vec<&str>> {
        let all = other.matchers.iter().all(|one| self.matchers.contains(one));
        let more = self
            .matchers
            .iter()
            .filter(|one| !other.matchers.contains(one));
        (all && self.name == other.name).then(|| more.map(String::as_str).collect())
    }

    /// The events of this selector that are not those of `good`: exact when `good` is the same
    /// with one matcher more, for a series either matches it or does not.
    pub(super) fn without_good(&self, good: &Self) -> Option<Self> {
        let [one] = good.more_than(self)?[..] else {
            return None;
        };
        let mut bad = self.clone();
        bad.matchers.push(negated(one)?);
        Some(bad)
    }

    /// The buckets and the bound, when `good` counts the observations up to a bound of the
    /// histogram whose observations this selector counts.
    pub(super) fn as_buckets(&self, good: &Self) -> Option<(Self, f64)> {
        let (good, bound) = good.without("le");
        let stem = good.name.strip_suffix("_bucket")?;
        let (all, top) = self.without("le");
        let counts_all = match (all.name.strip_prefix(stem)?, top.as_deref()) {
            ("_count", None) | ("_bucket", Some("+Inf")) => true,
            (_, _) => false,
        };
        let (mut left, mut right) = (good.matchers.clone(), all.matchers);
        left.sort();
        right.sort();
        let bound: f64 = bound?
            .parse()
            .ok()
            .filter(|bound: &f64| bound.is_finite())?;
        (counts_all && left == right).then_some((good, bound))
    }
}

/// The matcher that every series fails which this one accepts.
fn negated(matcher: &str) -> Option<String> {
    let at = matcher.find(['=', '!'])?;
    let (label, rest) = matcher.split_at(at);
    let opposites = [("=~", "!~"), ("!~", "=~"), ("!=", "="), ("=", "!=")];
    let (old, new) = opposites.iter().find(|(op, _)| rest.starts_with(op))?;
    Some(format!("{label}{new}{}", rest.strip_prefix(old)?))
}

/// Reduces a query to the counters it is made of.
pub(super) fn reduced(query: &str, window: Window) -> Result<Reduced, Fault> {
    let lexed = lex(query)?;
    if let Some(edit) = lexed.edits.first() {
        let message = "`${` would be a hole of the template".to_owned();
        return Err(fault(edit.start, 2, message));
    }
    let mut parser = Parser {
        query,
        lexed: &lexed,
        at: 0,
        window,
        grouped_by: Vec::new(),
    };
    let counted = parser.difference()?;
    match parser.peek() {
        None => Ok(Reduced {
            counted,
            grouped_by: parser.grouped_by,
        }),
        Some(_) => Err(parser.stray()),
    }
}

fn fault(at: usize, len: usize, message: String) -> Fault {
    Fault::new("C028", at, len, message, HELP)
}

struct Parser<'q> {
    query: &'q str,
    lexed: &'q Lexed<'q>,
    at: usize,
    window: Window,
    grouped_by: Vec<String>,
}

impl<'q> Parser<'q> {
    fn peek(&self) -> Option<Token<'q>> {
        self.lexed.tokens.get(self.at).map(|(_, token)| *token)
    }

    fn offset(&self) -> usize {
        let here = self.lexed.tokens.get(self.at);
        here.map_or(self.query.len().saturating_sub(1), |(at, _)| *at)
    }

    fn next_is(&self, sign: char) -> bool {
        self.peek() == Some(Token::Sign(sign))
    }

    fn takes(&mut self, sign: char) -> bool {
        let found = self.next_is(sign);
        self.at += usize::from(found);
        found
    }

    fn word(&self) -> Option<&'q str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let found = self
            .word()
            .is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    /// What stands where the query should go on or end.
    fn stray(&self) -> Fault {
        let (len, what) = match self.peek() {
            None => (1, "it breaks off".to_owned()),
            Some(Token::Word(word)) => (
                word.len(),
                match word.to_ascii_lowercase().as_str() {
                    "or" => "`or` puts two results together".to_owned(),
                    "and" | "unless" => format!("`{word}` compares two results"),
                    "offset" => "`offset` counts another time".to_owned(),
                    _ => format!("`{word}` is no sum of the rates of a counter"),
                },
            ),
            Some(Token::Sign('@')) => (1, "`@` counts another time".to_owned()),
            Some(Token::Sign(sign)) => (1, format!("`{sign}` is not understood here")),
            Some(Token::Number(text)) => (text.len(), format!("`{text}` is a number")),
            Some(Token::Text | Token::Hole(_)) => (1, "a text is not understood here".to_owned()),
        };
        fault(
            self.offset(),
            len,
            format!("the query cannot be split into arms: {what}"),
        )
    }

    fn needs(&mut self, sign: char) -> Result<(), Fault> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.stray())
    }

    /// `a`, or `a - b`.
    fn difference(&mut self) -> Result<Counted, Fault> {
        if self.next_is('(') {
            self.at += 1;
            let inside = self.difference()?;
            self.needs(')')?;
            if !self.next_is('-') {
                return Ok(inside);
            }
            let Counted::Of(all) = inside else {
                return Err(self.stray());
            };
            return self.less(all);
        }
        let all = self.counter()?;
        if self.next_is('-') {
            return self.less(all);
        }
        Ok(Counted::Of(all))
    }

    fn less(&mut self, all: Selector) -> Result<Counted, Fault> {
        self.at += 1;
        let good = self.counter()?;
        Ok(Counted::Less(all, good))
    }

    /// `sum by (…) (rate(x{…}[…]))` or any part of it.
    fn counter(&mut self) -> Result<Selector, Fault> {
        if self.takes('(') {
            let inside = self.counter()?;
            self.needs(')')?;
            return Ok(inside);
        }
        let is_call = matches!(
            self.lexed.tokens.get(self.at + 1),
            Some((_, Token::Sign('(') | Token::Word(_)))
        );
        match self.word() {
            Some(word) if is_call && word.eq_ignore_ascii_case("sum") => {
                self.at += 1;
                self.grouping()?;
                self.needs('(')?;
                let inside = self.counter()?;
                self.needs(')')?;
                self.grouping()?;
                Ok(inside)
            }
            Some("rate" | "increase") if is_call => {
                self.at += 1;
                self.needs('(')?;
                let selector = self.selector()?;
                self.range()?;
                self.needs(')')?;
                Ok(selector)
            }
            Some(_) if is_call => Err(self.stray()),
            _ => {
                let start = self.offset();
                let selector = self.selector()?;
                if self.next_is('[') {
                    return Err(self.stray());
                }
                if self.window == Window::Template {
                    let message = "the query has no `{{.window}}`: it counts no events of a window";
                    return Err(fault(start, 1, message.to_owned()));
                }
                Ok(selector)
            }
        }
    }

    fn grouping(&mut self) -> Result<(), Fault> {
        if !self.takes_word("by") && !self.takes_word("without") {
            return Ok(());
        }
        self.needs('(')?;
        while !self.takes(')') {
            match self.word() {
                Some(label) => self.grouped_by.push(label.to_owned()),
                None if self.next_is(',') => {}
                None => return Err(self.stray()),
            }
            self.at += 1;
        }
        Ok(())
    }

    /// `[{{.window}}]`.
    fn range(&mut self) -> Result<(), Fault> {
        let start = self.offset();
        self.needs('[')?;
        let wanted = [
            Token::Sign('{'),
            Token::Sign('{'),
            Token::Sign('.'),
            Token::Word("window"),
            Token::Sign('}'),
            Token::Sign('}'),
            Token::Sign(']'),
        ];
        let found = self.lexed.tokens.get(self.at..self.at + wanted.len());
        let fits = found.is_some_and(|found| found.iter().map(|(_, t)| *t).eq(wanted));
        if !fits {
            let message = "a range that is not `[{{.window}}]` is no window of the objective";
            return Err(fault(start, 1, message.to_owned()));
        }
        if self.window == Window::Bare {
            return Err(fault(start, 1, "a bare selector is needed here".to_owned()));
        }
        self.at += wanted.len();
        Ok(())
    }

    fn selector(&mut self) -> Result<Selector, Fault> {
        let name = self.word().unwrap_or("").to_owned();
        self.at += usize::from(!name.is_empty());
        let mut matchers = Vec::new();
        if self.takes('{') {
            while !self.takes('}') {
                matchers.push(self.matcher()?);
                if !self.next_is('}') {
                    self.needs(',')?;
                }
            }
        } else if name.is_empty() {
            return Err(self.stray());
        }
        Ok(Selector { name, matchers })
    }

    /// `label op "value"`, or a quoted name, as written.
    fn matcher(&mut self) -> Result<String, Fault> {
        let start = self.offset();
        if let Some(Token::Word(_)) = self.peek() {
            self.at += 1;
            let ops = [['=', '~'], ['!', '~'], ['!', '=']];
            let two = ops.iter().any(|[first, second]| {
                let next = self.lexed.tokens.get(self.at + 1).map(|(_, token)| *token);
                self.next_is(*first) && next == Some(Token::Sign(*second))
            });
            if two {
                self.at += 2;
            } else {
                self.needs('=')?;
            }
        }
        if self.peek() != Some(Token::Text) {
            return Err(self.stray());
        }
        self.at += 1;
        // Up to the next token, which is a comma or a bracket, without what lies between.
        let raw = self.query.get(start..self.offset()).unwrap_or("");
        let end = raw.rfind(['"', '\'', '`']).map_or(raw.len(), |at| at + 1);
        if self.peek().is_none() || self.word().is_some() {
            return Err(self.stray());
        }
        let written = raw.get(..end).unwrap_or("");
        let (head, text) = written.split_at(written.find(['"', '\'', '`']).unwrap_or(0));
        let head: String = head.split_whitespace().collect();
        Ok(head + text)
    }
}
