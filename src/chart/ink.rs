//! Text and numbers as XML. Names of metrics and labels come from strangers: everything that is
//! written goes through [`escaped`].

/// Units of a place beyond which nothing is drawn; it only has to be finite.
const PLACE_MAX: f64 = 100_000.0;

/// Text as XML text or as the value of an attribute, also in HTML: no mark-up, and none of the
/// characters that XML 1.0 (section 2.2) does not know.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            // Marks that turn the direction of what follows would let a name rewrite a sentence.
            '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}');
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A place with one decimal, which is finer than a screen; never NaN and never infinite.
pub(super) fn place(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{:.1}", value.clamp(-PLACE_MAX, PLACE_MAX));
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_write_no_mark_up() {
        for (text, wanted) in [
            ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"),
            ("a\u{0}b\u{1b}c", "a b c"),
            ("\u{202e}evil\u{ffff}", "\u{fffd}evil\u{fffd}"),
            ("99.9 % ≤ 5 µs", "99.9 % ≤ 5 µs"),
        ] {
            assert_eq!(escaped(text), wanted);
        }
    }

    #[test]
    fn places_are_always_numbers() {
        for (value, wanted) in [
            (1.0, "1"),
            (1.26, "1.3"),
            (-0.01, "0"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (1e12, "100000"),
        ] {
            assert_eq!(place(value), wanted);
        }
    }
}
