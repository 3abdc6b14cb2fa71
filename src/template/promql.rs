//! A small reader of PromQL: strings, brackets, words and `${holes}`, no grammar. It is enough to
//! fill holes safely and to locate plain mistakes; the full check is the server's.
//!
//! Strings follow Prometheus' lexer: double and single quotes take backslash escapes and end at
//! the line, back quotes are raw; `#` starts a comment.

/// What is wrong with a query, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code of the diagnostic it becomes.
    pub code: &'static str,
    /// Byte offset in the query.
    pub at: usize,
    /// Characters covered.
    pub len: usize,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl Fault {
    pub(super) fn new(
        code: &'static str,
        at: usize,
        len: usize,
        message: String,
        help: &str,
    ) -> Self {
        Self {
            code,
            at,
            len,
            message,
            help: help.to_owned(),
        }
    }
}

/// One piece of a query that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'q> {
    /// A name or keyword.
    Word(&'q str),
    /// Anything that starts with a digit: numbers and lengths of time.
    Number(&'q str),
    /// A string literal, whatever its quotes.
    Text,
    /// A hole outside of a string.
    Hole(&'q str),
    /// Any other character.
    Sign(char),
}

/// A place where the text changes when holes are filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit<'q> {
    /// Its first byte.
    pub(super) start: usize,
    /// The byte after it.
    pub(super) end: usize,
    /// The hole's name; `None` for `$${`, which becomes `${`.
    pub(super) hole: Option<&'q str>,
    /// The quote of the string it stands in.
    pub(super) quote: Option<char>,
    /// The innermost bracket it stands in.
    pub(super) bracket: Option<char>,
}

/// A query taken apart.
#[derive(Debug, Default)]
pub(super) struct Lexed<'q> {
    /// Tokens with their byte offsets.
    pub(super) tokens: Vec<(usize, Token<'q>)>,
    /// Holes and escapes in the order written.
    pub(super) edits: Vec<Edit<'q>>,
}

struct Lexer<'q> {
    query: &'q str,
    at: usize,
    open: Vec<(usize, char)>,
    out: Lexed<'q>,
}

/// Takes a query apart; the fault is its first broken string, bracket or hole.
pub(super) fn lex(query: &str) -> Result<Lexed<'_>, Fault> {
    let mut lexer = Lexer {
        query,
        at: 0,
        open: Vec::new(),
        out: Lexed::default(),
    };
    while let Some(c) = lexer.rest().chars().next() {
        lexer.step(c)?;
    }
    match lexer.open.pop() {
        Some((at, bracket)) => Err(unbalanced(at, format!("`{bracket}` is never closed"))),
        None => Ok(lexer.out),
    }
}

fn unbalanced(at: usize, message: String) -> Fault {
    Fault::new(
        "C024",
        at,
        1,
        message,
        "balance the brackets and quotes of the query",
    )
}

impl<'q> Lexer<'q> {
    fn rest(&self) -> &'q str {
        self.query.get(self.at..).unwrap_or("")
    }

    fn push(&mut self, token: Token<'q>, len: usize) {
        self.out.tokens.push((self.at, token));
        self.at += len;
    }

    fn step(&mut self, c: char) -> Result<(), Fault> {
        let rest = self.rest();
        match c {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => return self.string(c),
            '$' if self.dollar(None)? => {}
            '(' | '[' | '{' => {
                self.open.push((self.at, c));
                self.push(Token::Sign(c), 1);
            }
            ')' | ']' | '}' => self.close(c)?,
            c if c.is_ascii_digit() => {
                let len = prefix(rest, |c| c.is_ascii_alphanumeric() || c == '.');
                self.push(Token::Number(rest.get(..len).unwrap_or("")), len);
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let len = prefix(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                self.push(Token::Word(rest.get(..len).unwrap_or("")), len);
            }
            other => self.push(Token::Sign(other), other.len_utf8()),
        }
        Ok(())
    }

    fn close(&mut self, bracket: char) -> Result<(), Fault> {
        let opener = match bracket {
            ')' => '(',
            ']' => '[',
            _ => '{',
        };
        match self.open.pop() {
            Some((_, open)) if open == opener => {
                self.push(Token::Sign(bracket), 1);
                Ok(())
            }
            Some((_, open)) => {
                let message = format!("`{bracket}` closes `{open}`");
                Err(unbalanced(self.at, message))
            }
            None => Err(unbalanced(self.at, format!("`{bracket}` closes nothing"))),
        }
    }

    /// A string literal with its holes.
    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let start = self.at;
        self.out.tokens.push((start, Token::Text));
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            match c {
                c if c == quote => {
                    self.at += 1;
                    return Ok(());
                }
                '\n' if quote != '`' => break,
                '\\' if quote != '`' => {
                    let escaped = self.rest().chars().nth(1).map_or(0, char::len_utf8);
                    self.at += 1 + escaped;
                }
                '$' if self.dollar(Some(quote))? => {}
                other => self.at += other.len_utf8(),
            }
        }
        Err(unbalanced(
            start,
            format!("the string opened by {quote} is never closed"),
        ))
    }

    /// Reads `${name}` or `$${`; false when the dollar is just a dollar.
    fn dollar(&mut self, quote: Option<char>) -> Result<bool, Fault> {
        let rest = self.rest();
        let mut edit = Edit {
            start: self.at,
            end: self.at + 3,
            hole: None,
            quote,
            bracket: self.open.last().map(|(_, bracket)| *bracket),
        };
        if rest.starts_with("$${") {
            if quote.is_none() {
                let message = "`$${` outside of a string".to_owned();
                let help = "`$${` is for a literal `${` inside a string";
                return Err(Fault::new("C025", self.at, 3, message, help));
            }
            self.out.edits.push(edit);
            self.at = edit.end;
            return Ok(true);
        }
        let Some(inner) = rest.strip_prefix("${") else {
            return Ok(false);
        };
        let name = inner.split_once('}').map(|(name, _)| name);
        let Some(name) = name.filter(|name| is_hole_name(name)) else {
            let message = "`${` does not begin a hole `${name}`".to_owned();
            let help = "a hole has letters, digits and `_`; write `$${` for a literal `${`";
            return Err(Fault::new("C025", self.at, 2, message, help));
        };
        edit.hole = Some(name);
        edit.end = self.at + name.len() + 3;
        self.out.edits.push(edit);
        if quote.is_none() {
            self.out.tokens.push((self.at, Token::Hole(name)));
        }
        self.at = edit.end;
        Ok(true)
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: the names of holes, and so of inputs.
pub(super) fn is_hole_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}
