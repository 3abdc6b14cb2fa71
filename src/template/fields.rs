//! Reads fields out of a document and collects every complaint on the way: each reader returns
//! `None` after it has said why, and the caller goes on to the next field.

use crate::diagnostic::{Diagnostic, Place, closest};
use crate::template::document::{Node, Value, place_at};
use crate::time::Span;

/// Past this many complaints the rest is dropped: a text with more is not a template at all.
pub const DIAGNOSTICS_MAX: usize = 100;

/// The longest description or unit in bytes; a longer one is refused (C008).
pub const DESCRIPTION_BYTES_MAX: usize = 2000;

/// The text being read and what was found wrong with it so far.
pub(crate) struct Reader<'t> {
    text: &'t str,
    found: Vec<Diagnostic>,
}

/// A map whose field names have been checked.
pub(crate) struct Fields<'n> {
    what: &'static str,
    place: Place,
    allowed: &'n [&'static str],
    entries: &'n [(String, Place, Node)],
}

impl<'n> Fields<'n> {
    /// The node under `name`; a field left empty counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(key, _, node)| key == name && !matches!(node.value, Value::Null))
            .map(|(_, _, node)| node)
    }

    /// Whether a field here was meant to be `name`: that has been said, "missing" would be noise.
    fn misspelt(&self, name: &str) -> bool {
        let mut unknown = self.entries.iter().map(|(key, _, _)| key.as_str());
        unknown.any(|key| key != name && closest(key, self.allowed.iter().copied()) == Some(name))
    }

    /// Where the map stands.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }
}

impl<'t> Reader<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Everything said, in the order of the text.
    pub(crate) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|diagnostic| diagnostic.place);
        self.found
    }

    /// Whether anything refuses the text so far.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// Says one thing.
    pub(crate) fn say(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(diagnostic);
        }
    }

    /// Says one error at a place.
    pub(crate) fn error(&mut self, code: &'static str, at: Place, message: String, help: &str) {
        let diagnostic = Diagnostic::error(code, message).at(Some(at));
        self.say(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.help(help)
        });
    }

    /// A map with no other fields than `allowed`.
    pub(crate) fn map<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        allowed: &'n [&'static str],
    ) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.shape(node, what, "a map");
            return None;
        };
        for (key, place, _) in entries {
            if !allowed.contains(&key.as_str()) {
                let shown = shorten(key);
                let message = match closest(key, allowed.iter().copied()) {
                    Some(near) => format!("unknown field `{shown}`, did you mean `{near}`?"),
                    None => format!("unknown field `{shown}`"),
                };
                let help = match (what, JUDGE.contains(&key.as_str())) {
                    ("`spec`", true) => format!("`{shown}` stands under `judge`"),
                    _ => format!("{what} has the fields {}", words(allowed)),
                };
                self.error("C003", *place, message, &help);
            }
        }
        Some(Fields {
            what,
            allowed,
            place: node.key.unwrap_or(node.place),
            entries,
        })
    }

    /// A field that must be there.
    pub(crate) fn need<'n>(
        &mut self,
        fields: &Fields<'n>,
        name: &str,
        help: &str,
    ) -> Option<&'n Node> {
        let found = fields.get(name);
        if found.is_none() && !fields.misspelt(name) {
            let message = format!("{} needs `{name}`", fields.what);
            self.error("C004", fields.place, message, help);
        }
        found
    }

    /// The items of a list of at most `limit`.
    pub(crate) fn list<'n>(
        &mut self,
        node: Option<&'n Node>,
        what: &'static str,
        limit: usize,
    ) -> &'n [Node] {
        let Some(node) = node else { return &[] };
        let Value::List(items) = &node.value else {
            self.shape(node, what, "a list");
            return &[];
        };
        if items.len() > limit {
            let message = format!("{} {what}, the limit is {limit}", items.len());
            let at = node.key.unwrap_or(node.place);
            self.error("C013", at, message, "split the template");
            return &[];
        }
        items
    }

    /// Text as written. A number is not text: `1.10` would lose its zero.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Value::Text(text) = &node.value {
            return Some(text);
        }
        self.shape(node, what, "text");
        None
    }

    /// Free text for people, bounded.
    pub(crate) fn prose(&mut self, node: Option<&Node>, what: &str) -> Option<String> {
        let Some(node) = node else {
            return Some(String::new());
        };
        let text = self.text(node, what)?;
        if text.len() > DESCRIPTION_BYTES_MAX {
            let found = text.len();
            let message = format!("{what} has {found} bytes, the limit is {DESCRIPTION_BYTES_MAX}");
            self.error("C008", node.place, message, "shorten it");
            return None;
        }
        Some(text.to_owned())
    }

    /// A name as `make` accepts it.
    pub(crate) fn name<T>(
        &mut self,
        node: &Node,
        what: &str,
        make: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        let made = make(text);
        if made.is_none() {
            let message = format!("{what} `{}` is no name", shorten(text));
            let help = "1 to 200 letters, digits and any of . _ - : / @";
            self.error("C009", node.place, message, help);
        }
        made
    }

    /// One word of a list, turned into what it means.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        let hit = known.iter().find(|(word, _)| *word == text);
        if hit.is_none() {
            let all: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let shown = shorten(text);
            let message = match closest(text, all.iter().copied()) {
                Some(near) => format!("unknown {what} `{shown}`, did you mean `{near}`?"),
                None => format!("unknown {what} `{shown}`"),
            };
            self.error(
                "C006",
                node.place,
                message,
                &format!("one of {}", words(&all)),
            );
        }
        hit.map(|(_, meaning)| *meaning)
    }

    /// A length of time such as `30s` or `1h30m`, within `least ..= most`.
    pub(crate) fn span(
        &mut self,
        node: &Node,
        what: &str,
        least: Span,
        most: Span,
    ) -> Option<Span> {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            Value::Number(zero) if *zero == 0.0 => "0",
            Value::Number(number) => {
                let message = format!("{what} {number} has no unit");
                let help = format!("write `{number}s` for seconds");
                self.error("C010", node.place, message, &help);
                return None;
            }
            _ => {
                self.shape(node, what, "a length of time such as `30s`");
                return None;
            }
        };
        let Some(span) = Span::parse(text) else {
            let message = format!("{what} `{}` is no length of time", shorten(text));
            let help = "write it as `500ms`, `30s`, `10m`, `1h30m` or `30d`";
            self.error("C010", node.place, message, help);
            return None;
        };
        if span < least || span > most {
            let message = format!("{what} {span} is outside {least} to {most}");
            self.error("C010", node.place, message, "");
            return None;
        }
        Some(span)
    }

    /// A number, or text such as `0.5%`, with `allow_percent`.
    fn raw_number(&mut self, node: &Node, what: &str, allow_percent: bool) -> Option<f64> {
        let wanted = if allow_percent {
            "a number or a percentage such as `0.5%`"
        } else {
            "a number"
        };
        match &node.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) if allow_percent && text.ends_with('%') => {
                let digits = text.trim_end_matches('%').trim();
                // Shifting the exponent in the text rounds once: 99.9 / 100 would not be 0.999.
                let plain = !digits.contains(['e', 'E']);
                let number = format!("{digits}e-2").parse().ok().filter(|_| plain);
                if number.is_none() {
                    self.shape(node, what, wanted);
                }
                number
            }
            _ => {
                self.shape(node, what, wanted);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        self.shape(node, what, "`true` or `false`");
        None
    }

    /// A share: `2%` or `0.02`, as `make` accepts it.
    pub(crate) fn share<T>(
        &mut self,
        node: &Node,
        what: &str,
        range: &str,
        make: impl Fn(f64) -> Option<T>,
    ) -> Option<T> {
        let number = self.raw_number(node, what, true)?;
        self.made(node, what, number, range, make(number))
    }

    /// A plain number, as `make` accepts it.
    pub(crate) fn number<T>(
        &mut self,
        node: &Node,
        what: &str,
        range: &str,
        make: impl Fn(f64) -> Option<T>,
    ) -> Option<T> {
        let number = self.raw_number(node, what, false)?;
        self.made(node, what, number, range, make(number))
    }

    /// A whole number in `least ..= most`.
    pub(crate) fn whole(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let range = format!("a whole number from {least} to {most}");
        self.number(node, what, &range, |number| {
            let inside = (f64::from(least)..=f64::from(most)).contains(&number);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and between two u32"
            )]
            let whole = (inside && number.fract() == 0.0).then_some(number as u32);
            whole
        })
    }

    fn made<T>(
        &mut self,
        node: &Node,
        what: &str,
        number: f64,
        range: &str,
        made: Option<T>,
    ) -> Option<T> {
        if made.is_none() {
            let message = format!("{what} {number} is out of range");
            let bare = matches!(node.value, Value::Number(_));
            let meant = bare && (1.0..=100.0).contains(&number) && range.starts_with("a share");
            let help = if meant {
                format!("write {range}; a number without `%` is a share, was `{number}%` meant?")
            } else {
                format!("write {range}")
            };
            self.error("C008", node.place, message, &help);
        }
        made
    }

    /// Says that a node has the wrong shape.
    pub(crate) fn shape(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} is {}, expected {wanted}", node.value.kind());
        let help = match node.value {
            Value::Number(_) | Value::Bool(_) if wanted == "text" => {
                "put quotes around it to make it text"
            }
            _ => way_out(what, &node.value),
        };
        self.error("C005", node.place, message, help);
    }

    /// [`inside`] the text being read.
    pub(crate) fn inside(&self, node: &Node, value: &str, at: usize, len: usize) -> Place {
        inside(self.text, node, value, at, len)
    }
}

/// Fields of `judge` that people write beside it.
const JUDGE: &[&str] = &[
    "method",
    "false_rollback",
    "false_promote",
    "accept_no_harm",
];

/// What people write first, in the words of other tools, and what it is called here.
fn way_out(what: &str, value: &Value) -> &'static str {
    let Value::Text(text) = value else {
        return "";
    };
    match what {
        "`min_effect`" => {
            "write `{ relative: 10% }` of the baseline's value, or `{ absolute: 5 }` in the \
             metric's unit"
        }
        "`history`" => "write `{ lookback: 1h }`",
        "`recovery`" => "write `{ within: 30m }`",
        "`threshold`" if Span::parse(text).is_some() => {
            "write a number in the unit of the buckets' bounds: `0.25` where they are seconds"
        }
        _ => "",
    }
}

/// Where byte `at` of a scalar's value stands in the text. Exact when the text holds the value
/// as it is; otherwise (escapes, folded lines) the piece itself is searched for, and the start
/// of the scalar is the last resort.
pub(crate) fn inside(text: &str, node: &Node, value: &str, at: usize, len: usize) -> Place {
    let found = || {
        let (start, end) = node.bytes?;
        let source = text.get(start..end)?;
        if let Some(offset) = source.find(value) {
            return place_at(text, start + offset + at, len);
        }
        let piece = value.get(at..)?.lines().next()?;
        let piece: String = piece.chars().take(len).collect();
        let nth = value.get(..at)?.matches(&piece).count();
        let (offset, _) = source.match_indices(&piece).nth(nth)?;
        place_at(text, start + offset, len)
    };
    found().unwrap_or(node.place)
}

/// `a, b, c` in back quotes.
pub(crate) fn words(all: &[&str]) -> String {
    let quoted: Vec<String> = all.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Text short enough for a message, without anything a terminal would act on.
pub(crate) fn shorten(text: &str) -> String {
    /// Letters of a text that is quoted in a message; the rest is cut off.
    const SHOWN_MAX: usize = 60;
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(SHOWN_MAX)
        .collect();
    if text.chars().count() > SHOWN_MAX {
        out.push('…');
    }
    out
}
