//! Text of others on one line: what a receiver answers, or what a sentence quotes, ends up in logs,
//! on terminals and in fields that hold a single line.

/// Every run of white space and control characters as one space, none at the ends.
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
