//! What is wrong with something a person wrote: collected, coded, located, with the way out.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Refused.
    Error,
    /// Legal but unwise.
    Warning,
}

/// Where it is: one-based line and column, and how many characters it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// One-based line.
    pub line: usize,
    /// One-based column in characters.
    pub column: usize,
    /// Characters covered, at least 1.
    pub len: usize,
}

/// One finding about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code such as `C003`; documented in `docs/templates.md`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// Where, when it has a place in the text.
    pub place: Option<Place>,
    /// Lower case, no full stop: the thing, the value, the limit.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place or help yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            place: None,
            message: message.into(),
            help: None,
        }
    }

    /// A warning without a place or help yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Whether it refuses the text.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Several lines: message, file:line:column, the source line with carets, help.
    pub fn render(&self, file: &str, text: &str) -> String {
        use fmt::Write as _;
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{word}[{}]: {}\n", self.code, self.message);
        if let Some(place) = self.place {
            let gutter = place.line.to_string().len();
            let _ = writeln!(
                out,
                "{:gutter$}--> {file}:{}:{}",
                "", place.line, place.column
            );
            if let Some(line) = text.lines().nth(place.line.saturating_sub(1)) {
                let carets = "^".repeat(place.len.max(1));
                let indent = place.column.saturating_sub(1);
                let _ = writeln!(out, "{:gutter$} |", "");
                let _ = writeln!(out, "{} | {line}", place.line);
                let _ = writeln!(out, "{:gutter$} | {:indent$}{carets}", "", "");
            }
        } else {
            let _ = writeln!(out, " --> {file}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  = help: {help}");
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The candidate closest to `word` by edit distance, if it is close enough to be meant.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters, O(n·m) on short words.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, r) in right.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let beside = row.get(j).copied().unwrap_or(usize::MAX);
            let best = (diagonal + usize::from(l != *r))
                .min(above + 1)
                .min(beside + 1);
            if let Some(cell) = row.get_mut(j + 1) {
                diagonal = *cell;
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}
