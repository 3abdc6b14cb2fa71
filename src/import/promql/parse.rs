//! Text to expression, by precedence climbing over the grammar of Prometheus' documentation
//! ("Querying basics", "Operators"). A `${hole}` may stand wherever a word, a number or a length
//! of time may.

use super::{Aggregate, Binary, Expr, Grouping, Matcher, Selector};

/// The deepest nesting; a deeper query is refused. Handwritten ones have fewer than 15.
const QUERY_DEPTH_MAX: usize = 100;

/// Operators of the aggregation kind, with the number of parameters before the vector. Source:
/// Prometheus documentation, "Aggregation operators".
const AGGREGATIONS: [(&str, usize); 14] = [
    ("sum", 0),
    ("avg", 0),
    ("min", 0),
    ("max", 0),
    ("count", 0),
    ("group", 0),
    ("stddev", 0),
    ("stdvar", 0),
    ("topk", 1),
    ("bottomk", 1),
    ("limitk", 1),
    ("limit_ratio", 1),
    ("quantile", 1),
    ("count_values", 1),
];

/// Binary operators by precedence, weakest first; longer spellings before their beginnings.
/// Source: Prometheus documentation, "Binary operator precedence".
const OPERATORS: [(&str, u8); 16] = [
    ("or", 1),
    ("and", 2),
    ("unless", 2),
    ("==", 3),
    ("!=", 3),
    ("<=", 3),
    (">=", 3),
    ("<", 3),
    (">", 3),
    ("+", 4),
    ("-", 4),
    ("*", 5),
    ("/", 5),
    ("%", 5),
    ("atan2", 5),
    ("^", 6),
];

/// The precedence of a sign: it binds tighter than `*` and looser than `^`.
const UNARY: u8 = 6;

/// Reads a whole query. `numbers` are the holes that stand for numbers where both a number and a
/// metric could stand. The error names the character, counted from 1.
pub(in crate::import) fn parse(text: &str, numbers: &[&str]) -> Result<Expr, String> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        numbers,
    };
    let expr = parser.binary(1)?;
    parser.space();
    if parser.rest().is_empty() {
        return Ok(expr);
    }
    Err(parser.fault("its end"))
}

struct Parser<'q> {
    text: &'q str,
    at: usize,
    depth: usize,
    numbers: &'q [&'q str],
}

type Read<T> = Result<T, String>;

fn of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

impl<'q> Parser<'q> {
    fn rest(&self) -> &'q str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn fault(&self, wanted: &str) -> String {
        let column = self.text.get(..self.at).unwrap_or("").chars().count() + 1;
        let found: String = self.rest().chars().take(20).collect();
        let found = found.lines().next().unwrap_or("");
        if found.is_empty() {
            return format!("not readable as PromQL: it ends where {wanted} is expected");
        }
        format!(
            "not readable as PromQL at character {column}: `{found}` where {wanted} is expected"
        )
    }

    /// Skips what means nothing.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn eat(&mut self, sign: &str) -> bool {
        self.space();
        let hit = self.rest().starts_with(sign);
        if hit {
            self.at += sign.len();
        }
        hit
    }

    fn need(&mut self, sign: &str) -> Read<()> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(self.fault(&format!("`{sign}`")))
    }

    /// A word, holes included; empty when there is none.
    fn word(&mut self) -> &'q str {
        self.space();
        let start = self.at;
        loop {
            let rest = self.rest();
            let len = rest.find(|c| !of_word(c)).unwrap_or(rest.len());
            self.at += len;
            match self.rest().strip_prefix("${").and_then(|r| r.find('}')) {
                Some(end) => self.at += end + 3,
                None => break,
            }
        }
        self.text.get(start..self.at).unwrap_or("")
    }

    /// The word that comes next, not taken.
    fn peek(&mut self) -> &'q str {
        self.space();
        let start = self.at;
        let word = self.word();
        self.at = start;
        word
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let hit = self.peek().eq_ignore_ascii_case(wanted);
        if hit {
            self.word();
        }
        hit
    }

    fn operator(&mut self) -> Option<(&'static str, u8)> {
        self.space();
        let word = self.peek().to_ascii_lowercase();
        let rest = self.rest();
        OPERATORS.iter().copied().find(|(name, _)| {
            if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                word == *name
            } else {
                rest.starts_with(name)
            }
        })
    }

    fn binary(&mut self, least: u8) -> Read<Expr> {
        self.depth += 1;
        if self.depth > QUERY_DEPTH_MAX {
            return Err(format!(
                "nested deeper than {QUERY_DEPTH_MAX}: use a recording rule"
            ));
        }
        let mut lhs = self.unary()?;
        while let Some((op, level)) = self.operator().filter(|(_, level)| *level >= least) {
            self.at += op.len();
            let bool = level == 3 && self.eat_word("bool");
            let on = self.eat_word("on");
            let matching = if on || self.eat_word("ignoring") {
                Some((on, self.labels()?))
            } else {
                None
            };
            let mut group = None;
            for word in ["group_left", "group_right"] {
                if self.eat_word(word) {
                    self.space();
                    let labels = if self.rest().starts_with('(') {
                        self.labels()?
                    } else {
                        Vec::new()
                    };
                    group = Some((word.to_owned(), labels));
                }
            }
            // `^` is the one that groups to the right.
            let rhs = self.binary(if op == "^" { level } else { level + 1 })?;
            lhs = Expr::Binary(Box::new(Binary {
                op,
                bool,
                matching,
                group,
                lhs,
                rhs,
            }));
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn unary(&mut self) -> Read<Expr> {
        self.space();
        for sign in ['-', '+'] {
            if self.rest().starts_with(sign) {
                self.at += 1;
                let of = Box::new(self.binary(UNARY)?);
                return Ok(Expr::Unary { sign, of });
            }
        }
        let mut expr = self.primary()?;
        loop {
            self.space();
            if self.rest().starts_with('[') {
                let range = self.range()?;
                expr = match expr {
                    Expr::Selector(selector)
                        if selector.range.is_none() && !colon_outside_holes(&range) =>
                    {
                        Expr::Selector(Selector {
                            range: Some(range),
                            ..selector
                        })
                    }
                    other => Expr::Subquery {
                        of: Box::new(other),
                        range,
                        modifier: String::new(),
                    },
                };
                continue;
            }
            let Some(found) = self.modifier()? else {
                return Ok(expr);
            };
            let (Expr::Selector(Selector { modifier, .. }) | Expr::Subquery { modifier, .. }) =
                &mut expr
            else {
                return Err(self.fault("a selector before `offset`"));
            };
            if !modifier.is_empty() {
                modifier.push(' ');
            }
            modifier.push_str(&found);
        }
    }

    /// `offset -5m`, `@ 1700000000`, `@ end()`.
    fn modifier(&mut self) -> Read<Option<String>> {
        if self.eat_word("offset") {
            let sign = if self.eat("-") { "-" } else { "" };
            let span = self.word();
            if span.is_empty() {
                return Err(self.fault("a length of time"));
            }
            return Ok(Some(format!("offset {sign}{span}")));
        }
        if !self.eat("@") {
            return Ok(None);
        }
        self.space();
        let rest = self.rest();
        let len = rest
            .find(|c: char| !of_word(c) && !"().-".contains(c))
            .unwrap_or(rest.len());
        let when = rest.get(..len).unwrap_or("");
        self.at += len;
        Ok(Some(format!("@ {when}")))
    }

    /// What stands between square brackets.
    fn range(&mut self) -> Read<String> {
        self.need("[")?;
        let rest = self.rest();
        let Some(end) = rest.find(']') else {
            return Err(self.fault("`]`"));
        };
        let inside: String = rest.get(..end).unwrap_or("").split_whitespace().collect();
        if inside.is_empty() {
            return Err(self.fault("a length of time"));
        }
        self.at += end + 1;
        Ok(inside)
    }

    fn primary(&mut self) -> Read<Expr> {
        self.space();
        let Some(first) = self.rest().chars().next() else {
            return Err(self.fault("an expression"));
        };
        match first {
            '(' => {
                self.at += 1;
                let inner = self.binary(1)?;
                self.need(")")?;
                Ok(Expr::Paren(Box::new(inner)))
            }
            '{' => Ok(Expr::Selector(Selector {
                matchers: self.matchers()?,
                ..Selector::default()
            })),
            '"' | '\'' | '`' => Ok(Expr::Text(self.string()?)),
            c if c.is_ascii_digit() || c == '.' => Ok(Expr::Number(self.digits())),
            c if of_word(c) || self.rest().starts_with("${") => self.named(),
            _ => Err(self.fault("an expression")),
        }
    }

    /// A number: `0.5`, `1e-3`, `0x1f`, `5m`.
    fn digits(&mut self) -> String {
        let start = self.at;
        let mut before = ' ';
        while let Some(c) = self.rest().chars().next() {
            let exponent = matches!(before, 'e' | 'E') && (c == '-' || c == '+');
            if !c.is_ascii_alphanumeric() && c != '.' && !exponent {
                break;
            }
            before = c;
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or("").to_owned()
    }

    /// What begins with a word: an aggregation, a function or a selector.
    fn named(&mut self) -> Read<Expr> {
        let name = self.word();
        self.space();
        let lower = name.to_ascii_lowercase();
        let next = self.rest().chars().next();
        let parameters = AGGREGATIONS.iter().find(|(op, _)| *op == lower);
        let grouped = ["by", "without"].contains(&self.peek().to_ascii_lowercase().as_str());
        if let Some((_, parameters)) = parameters
            && (next == Some('(') || grouped)
        {
            return self.aggregate(lower, *parameters);
        }
        match next {
            Some('(') => {
                let args = self.args()?;
                let name = name.to_owned();
                Ok(Expr::Call { name, args })
            }
            Some('{') => Ok(Expr::Selector(Selector {
                name: name.to_owned(),
                matchers: self.matchers()?,
                ..Selector::default()
            })),
            _ if self.is_number(name) => Ok(Expr::Number(name.to_owned())),
            _ => Ok(Expr::Selector(Selector {
                name: name.to_owned(),
                ..Selector::default()
            })),
        }
    }

    fn is_number(&self, name: &str) -> bool {
        let hole = name.strip_prefix("${").and_then(|n| n.strip_suffix('}'));
        hole.is_some_and(|hole| self.numbers.contains(&hole))
            || name.eq_ignore_ascii_case("inf")
            || name.eq_ignore_ascii_case("nan")
    }

    fn aggregate(&mut self, op: String, parameters: usize) -> Read<Expr> {
        let mut grouping = self.grouping()?;
        let args = self.args()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        if args.len() != parameters + 1 {
            let wanted = parameters + 1;
            return Err(format!(
                "not readable as PromQL: `{op}` takes {wanted} argument{}, it has {}",
                if wanted == 1 { "" } else { "s" },
                args.len()
            ));
        }
        Ok(Expr::Aggregate(Aggregate { op, grouping, args }))
    }

    fn grouping(&mut self) -> Read<Option<(Grouping, Vec<String>)>> {
        for (word, grouping) in [("by", Grouping::By), ("without", Grouping::Without)] {
            if self.eat_word(word) {
                return Ok(Some((grouping, self.labels()?)));
            }
        }
        Ok(None)
    }

    /// `(a, b)`, names only.
    fn labels(&mut self) -> Read<Vec<String>> {
        self.need("(")?;
        let mut out = Vec::new();
        while !self.eat(")") {
            let label = self.word();
            if label.is_empty() {
                return Err(self.fault("a label"));
            }
            out.push(label.to_owned());
            if !self.eat(",") {
                self.need(")")?;
                break;
            }
        }
        Ok(out)
    }

    /// `(a, b)`, expressions.
    fn args(&mut self) -> Read<Vec<Expr>> {
        self.need("(")?;
        let mut out = Vec::new();
        while !self.eat(")") {
            out.push(self.binary(1)?);
            if !self.eat(",") {
                self.need(")")?;
                break;
            }
        }
        Ok(out)
    }

    fn matchers(&mut self) -> Read<Vec<Matcher>> {
        self.need("{")?;
        let mut out = Vec::new();
        while !self.eat("}") {
            out.push(self.matcher()?);
            if !self.eat(",") {
                self.need("}")?;
                break;
            }
        }
        Ok(out)
    }

    fn matcher(&mut self) -> Read<Matcher> {
        self.space();
        if self.rest().starts_with(['"', '\'', '`']) {
            return Ok(Matcher {
                label: String::new(),
                op: "",
                value: self.string()?,
            });
        }
        let label = self.word().to_owned();
        if label.is_empty() {
            return Err(self.fault("a label"));
        }
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| self.eat(op));
        if op.is_none() && label.starts_with("${") {
            let (op, value) = ("", String::new());
            return Ok(Matcher { label, op, value });
        }
        let Some(op) = op else {
            return Err(self.fault("one of `=`, `!=`, `=~`, `!~`"));
        };
        self.space();
        let value = self.string()?;
        Ok(Matcher { label, op, value })
    }

    /// A string with its quotes.
    fn string(&mut self) -> Read<String> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('"' | '\'' | '`'))) = chars.next() else {
            return Err(self.fault("a string in quotes"));
        };
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 1;
                return Ok(self.text.get(start..self.at).unwrap_or("").to_owned());
            }
            match c {
                '\\' if quote != '`' => drop(chars.next()),
                '\n' if quote != '`' => break,
                _ => {}
            }
        }
        Err(self.fault("a string that is closed"))
    }
}

/// `[1h:1m]` is a subquery.
fn colon_outside_holes(range: &str) -> bool {
    range.contains(':')
}
