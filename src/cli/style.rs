//! How text may look where it goes: colour, letters, width. Always symbol and word, never colour
//! alone.

use unicode_width::UnicodeWidthChar as _;

/// What a stream can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// ANSI colours.
    pub(crate) color: bool,
    /// Letters beyond ASCII.
    pub(crate) unicode: bool,
    /// Columns of a line.
    pub(crate) width: usize,
}

/// Columns where nobody says how many there are: a log or a job's summary has no edge, and a
/// table with everything in it fits a VT100's wide lines.
pub(crate) const WIDTH_DEFAULT: usize = 132;

/// Bars of a sparkline, rising.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same in ASCII, by rising ink.
const BARS_ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

impl Style {
    /// For files and comments that are always UTF-8 and never a terminal.
    pub(crate) const DOCUMENT: Self = Self {
        color: false,
        unicode: true,
        width: usize::MAX,
    };

    /// `full`, or its stand-in where there is only ASCII.
    pub(crate) const fn letters(self, full: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { full } else { ascii }
    }

    /// The symbol of a verdict or a label.
    pub(crate) fn symbol(self, word: &str) -> &'static str {
        match word {
            "promote" | "within" => self.letters("✔", "+"),
            "rollback" | "worse" => self.letters("✖", "x"),
            "inconclusive" => "?",
            "no_data" => self.letters("∅", "o"),
            _ => self.letters("…", "."),
        }
    }

    /// The text in the colour of its word: green, red, yellow.
    pub(crate) fn painted(self, text: &str, word: &str) -> String {
        let code = match word {
            "promote" | "within" => "32",
            "rollback" | "worse" | "error" => "31",
            "inconclusive" | "no_data" | "warning" => "33",
            _ => return text.to_owned(),
        };
        if self.color {
            format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Both arms as bars on one scale, so that their heights can be compared. The scale is at least
    /// `least` high: what is smaller than the limit should not look like a mountain.
    pub(crate) fn sparks(self, arms: [&[Option<f64>]; 2], least: f64) -> [String; 2] {
        let bars = if self.unicode { BARS } else { BARS_ASCII };
        let values = || arms.iter().flat_map(|arm| arm.iter()).flatten().copied();
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        let widen = ((least - (high - low)) / 2.0).max(0.0);
        let (low, high) = (low - widen, high + widen);
        arms.map(|arm| {
            arm.iter()
                .map(|value| value.map_or(' ', |value| bar(bars, (value - low) / (high - low))))
                .collect()
        })
    }

    /// `text` in at most `width` columns; what is cut leaves a mark. Escape sequences take none.
    pub(crate) fn cut(self, text: &str, width: usize) -> String {
        if columns(text) <= width {
            return text.to_owned();
        }
        let mark = self.letters("…", "...");
        let room = width.saturating_sub(columns(mark));
        let (mut out, mut used, mut escape) = (String::new(), 0, false);
        for c in text.chars() {
            let wide = step(c, &mut escape);
            if used + wide > room {
                break;
            }
            used += wide;
            out.push(c);
        }
        if text.contains('\u{1b}') {
            out.push_str("\u{1b}[0m");
        }
        out.push_str(mark);
        out
    }
}

/// The bar of a share of the scale; a scale without length is drawn in its middle.
fn bar(bars: [char; 8], share: f64) -> char {
    let last = bars.len() - 1;
    let at = if share.is_finite() { share } else { 0.5 };
    let idx = (0..last)
        .find(|idx| at * (bars.len() as f64) < (*idx + 1) as f64)
        .unwrap_or(last);
    bars.get(idx).copied().unwrap_or(' ')
}

/// Columns a character takes; none inside `ESC [ … letter`.
fn step(c: char, escape: &mut bool) -> usize {
    if *escape {
        *escape = !c.is_ascii_alphabetic();
        return 0;
    }
    if c == '\u{1b}' {
        *escape = true;
        return 0;
    }
    c.width().unwrap_or(0)
}

/// Columns a text takes on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    let mut escape = false;
    text.chars().map(|c| step(c, &mut escape)).sum()
}

/// The text without what would move a cursor or turn the direction of what follows: it may come
/// from a stranger.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Style = Style::DOCUMENT;
    const ASCII: Style = Style {
        unicode: false,
        ..Style::DOCUMENT
    };

    #[test]
    fn sparks_share_one_scale() {
        let up = [Some(0.0), Some(1.0), None, Some(2.0)];
        let flat = [Some(4.0); 3];
        assert_eq!(WIDE.sparks([&up, &flat], 0.0), ["▁▃ ▅", "███"]);
        assert_eq!(ASCII.sparks([&up, &flat], 0.0), [".- +", "@@@"]);
        assert_eq!(WIDE.sparks([&flat, &[]], 0.0), ["▅▅▅", ""]);
        assert_eq!(WIDE.sparks([&up, &[]], 20.0), ["▄▅ ▅", ""]);
        assert_eq!(WIDE.sparks([&[None], &[]], 0.0), [" ", ""]);
    }

    #[test]
    fn cutting_counts_columns_and_not_escapes() {
        assert_eq!(WIDE.cut("checkout", 8), "checkout");
        assert_eq!(WIDE.cut("checkout", 7), "checko…");
        assert_eq!(ASCII.cut("checkout", 7), "chec...");
        assert_eq!(WIDE.cut("漢字漢字", 5), "漢字…");
        let red = "\u{1b}[31mred\u{1b}[0m wine";
        assert_eq!(columns(red), 8);
        assert_eq!(WIDE.cut(red, 5), "\u{1b}[31mred\u{1b}[0m \u{1b}[0m…");
    }

    #[test]
    fn nothing_from_a_stranger_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\rd"), "a [2Jb c d");
        assert_eq!(plain("a\u{202e}b"), "a\u{fffd}b");
    }
}
