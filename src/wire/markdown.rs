//! Text of others inside Markdown of ours: comments, job summaries, statuses. Written once, so that
//! no surface forgets a character.

use crate::wire::line::one_line;

/// The text as one line that stays text: no HTML, no mark-up, no further cell or line, and nobody
/// is called by `@`. Characters are those that GitHub Flavored Markdown gives a meaning inside a
/// line (its specification, chapters 2.4 and 6).
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("@\u{200b}"),
            '`' | '*' | '_' | '[' | ']' | '#' | '\\' | '~' | '|' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_writes_no_mark_up_and_calls_nobody() {
        for (text, wanted) in [
            ("a<b>|c\nd&", "a&lt;b>\\|c d&amp;"),
            ("<b>|@team\n", "&lt;b>\\|@\u{200b}team"),
            (
                "a<b> @all\n[x](y) `z`",
                "a&lt;b> @\u{200b}all \\[x\\](y) \\`z\\`",
            ),
            (
                "![p](https://h/x)\\| **b** ~c~",
                "!\\[p\\](https://h/x)\\\\\\| \\*\\*b\\*\\* \\~c\\~",
            ),
        ] {
            assert_eq!(plain(text), wanted, "{text:?}");
        }
    }
}
