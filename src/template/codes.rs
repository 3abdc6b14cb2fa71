//! What each diagnostic code means, as `docs/diagnostics.md` says it: one text for the page, for
//! `lint --explain` and for programs that show findings.

/// The page, whose examples a test runs.
const PAGE: &str = include_str!("../../docs/diagnostics.md");

/// A section of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Such as `C012`.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why, and examples, in Markdown.
    pub text: &'static str,
}

impl Code {
    /// The first paragraph: why it is wrong.
    pub fn reason(&self) -> &'static str {
        self.text.split("\n\n").next().unwrap_or(self.text)
    }
}

/// All codes, in order.
pub fn codes() -> impl Iterator<Item = Code> {
    PAGE.split("\n## ").skip(1).filter_map(|section| {
        let (head, text) = section.split_once('\n')?;
        let (code, title) = head.split_once(": ")?;
        Some(Code {
            code,
            title,
            text: text.trim(),
        })
    })
}

/// The code of a name, in capitals or not.
pub fn find(name: &str) -> Option<Code> {
    codes().find(|code| code.code.eq_ignore_ascii_case(name))
}
