//! A scope as text: PromQL's matchers, `pod=~"v2-.*",track="canary"`, with or without braces.
//! Read by submissions and by the flags `--baseline` and `--canary`.
//!
//! Only the two matchers that select are taken. `!=` and `!~` would make an arm out of
//! everything else, and the day another version runs beside it, it is in that arm too. A plain
//! word needs no quotes after `=`, because shells take them away.

use crate::plan::scope::{Matcher, Scope};
use std::fmt;

/// The longest scope text in bytes; a longer one is refused.
pub const SCOPE_TEXT_LEN_MAX: usize = 4096;

/// Matchers in one scope; more are refused.
pub const MATCHERS_MAX: usize = 32;

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFault {
    /// One-based position in characters.
    pub column: usize,
    /// The thing, the value, the way out.
    pub message: String,
}

impl fmt::Display for ScopeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.column)
    }
}

impl std::error::Error for ScopeFault {}

/// Reads `text` as matchers.
pub fn parse(text: &str) -> Result<Scope, ScopeFault> {
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
    };
    if text.len() > SCOPE_TEXT_LEN_MAX {
        return Err(reader.fault(format!(
            "matchers have {} bytes, the limit is {SCOPE_TEXT_LEN_MAX}",
            text.len()
        )));
    }
    let matchers = reader.matchers()?;
    scope(matchers).map_err(|message| reader.fault(message))
}

/// A scope of `matchers`, or what is wrong with them.
pub(crate) fn scope(matchers: Vec<Matcher>) -> Result<Scope, String> {
    if matchers.len() > MATCHERS_MAX {
        return Err(format!(
            "there are {} matchers, the limit is {MATCHERS_MAX}",
            matchers.len()
        ));
    }
    let mut labels: Vec<&str> = matchers.iter().map(Matcher::label).collect();
    labels.sort_unstable();
    let twice = labels.windows(2).find_map(|pair| match pair {
        [left, right] if left == right => Some((*left).to_owned()),
        _ => None,
    });
    if let Some(label) = twice {
        return Err(format!(
            "label {label:?} is matched twice; join both into one expression"
        ));
    }
    Scope::new(matchers).ok_or_else(|| {
        "there is no matcher; select the arm by its labels, like track=\"canary\"".to_owned()
    })
}

/// The matcher `label="value"`, or what is wrong with it.
pub(crate) fn equals(label: &str, value: &str) -> Result<Matcher, String> {
    Matcher::equals(label, value).ok_or_else(|| not_a_label(label))
}

fn not_a_label(label: &str) -> String {
    format!("{label:?} is not a label name; letters, digits and _ only, not beginning with a digit")
}

fn regex(label: &str, text: &str) -> Result<Matcher, String> {
    if Matcher::equals(label, "").is_none() {
        return Err(not_a_label(label));
    }
    Matcher::regex(label, text).ok_or_else(|| {
        let detail = match regex::Regex::new(text) {
            Err(fault) => fault.to_string(),
            Ok(_) => "it cannot be anchored".to_owned(),
        };
        let last = detail.lines().last().unwrap_or_default();
        let reason = last.trim_start_matches("error: ").to_owned();
        format!("expression {text:?} of label {label:?} does not compile: {reason}")
    })
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn matchers(&mut self) -> Result<Vec<Matcher>, ScopeFault> {
        let mut out = Vec::new();
        self.blanks();
        let braces = self.take('{');
        loop {
            self.blanks();
            if self.at_end(braces) {
                break;
            }
            out.push(self.matcher()?);
            self.blanks();
            if self.at_end(braces) {
                break;
            }
            if !self.take(',') {
                return Err(self.unexpected("a comma between matchers"));
            }
        }
        if braces && !self.take('}') {
            return Err(self.unexpected("the closing brace"));
        }
        self.blanks();
        match self.peek() {
            None => Ok(out),
            Some(_) => Err(self.unexpected("the end of the matchers")),
        }
    }

    fn at_end(&self, braces: bool) -> bool {
        self.peek().is_none_or(|c| braces && c == '}')
    }

    fn matcher(&mut self) -> Result<Matcher, ScopeFault> {
        let start = self.at;
        let label = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if label.is_empty() {
            return Err(self.unexpected("a label name, like track=\"canary\""));
        }
        self.blanks();
        let is_regex = self.operator(&label)?;
        self.blanks();
        let value = match self.peek() {
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(quote)?,
            _ if is_regex => {
                return Err(self.fault(format!(
                    "expression of label {label:?} must stand in quotes, like {label}=~\"v2-.*\""
                )));
            }
            _ => self.bare(&label)?,
        };
        let matcher = if is_regex {
            regex(&label, &value)
        } else {
            equals(&label, &value)
        };
        matcher.map_err(|message| ScopeFault {
            column: start + 1,
            message,
        })
    }

    /// Whether it is `=~`; else it is `=`.
    fn operator(&mut self, label: &str) -> Result<bool, ScopeFault> {
        if self.peek() == Some('!') {
            return Err(self.fault(format!(
                "label {label:?} is excluded with '!'; an arm is selected by what it is, \
                 use {label}=\"…\" or {label}=~\"…|…\""
            )));
        }
        if !self.take('=') {
            return Err(self.unexpected(&format!("= or =~ after label {label:?}")));
        }
        self.take('='); // `==` is what people type who come from elsewhere
        Ok(self.take('~'))
    }

    fn bare(&mut self, label: &str) -> Result<String, ScopeFault> {
        let value = self.word(|c| c.is_ascii_alphanumeric() || "_-.:/@".contains(c));
        if value.is_empty() {
            return Err(self.unexpected(&format!("a value in quotes for label {label:?}")));
        }
        Ok(value)
    }

    /// A PromQL string; the opening quote is next.
    fn quoted(&mut self, quote: char) -> Result<String, ScopeFault> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                self.at = start;
                return Err(self.fault(format!("the string that begins with {quote} has no end")));
            };
            self.at += 1;
            match c {
                c if c == quote => return Ok(out),
                '\\' if quote != '`' => out.push(self.escape(quote)?),
                other => out.push(other),
            }
        }
    }

    /// What follows a backslash, as in Go's interpreted strings (PromQL: string literals).
    fn escape(&mut self, quote: char) -> Result<char, ScopeFault> {
        let c = self.peek();
        self.at += 1;
        let known = match c {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('v') => Some('\u{b}'),
            Some('x') => self.hex(2),
            Some('u') => self.hex(4),
            Some('U') => self.hex(8),
            Some(other) if other == quote || other == '\\' => Some(other),
            _ => None,
        };
        known.ok_or_else(|| {
            self.at = self.at.saturating_sub(1);
            self.fault("this escape is not known; write two backslashes for one".to_owned())
        })
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let text: String = self.chars.get(self.at..self.at + digits)?.iter().collect();
        let code = u32::from_str_radix(&text, 16).ok()?;
        self.at += digits;
        char::from_u32(code)
    }

    fn word(&mut self, legal: impl Fn(char) -> bool) -> String {
        let mut out = String::new();
        while let Some(c) = self.peek().filter(|c| legal(*c)) {
            out.push(c);
            self.at += 1;
        }
        out
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn unexpected(&self, wanted: &str) -> ScopeFault {
        self.fault(match self.peek() {
            Some(c) => format!("found {c:?}, expected {wanted}"),
            None => format!("the text ends, expected {wanted}"),
        })
    }

    fn fault(&self, message: String) -> ScopeFault {
        ScopeFault {
            column: self.at + 1,
            message,
        }
    }
}
