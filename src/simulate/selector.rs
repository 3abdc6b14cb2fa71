//! Just enough of PromQL to know what a query asks the simulated traffic for: the metric names in
//! it, and the matchers in braces behind each.

use crate::series::raw::Labels;
use regex::Regex;

/// One selector found in a query.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The metric's name.
    pub metric: String,
    matchers: Vec<(String, Test)>,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(String),
    Differs(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl Selector {
    /// All series of a metric.
    pub fn all(metric: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            matchers: Vec::new(),
        }
    }

    /// Every `name{…}` of a query, in order; a name without braces selects all.
    pub fn find_all(query: &str) -> Result<Vec<Self>, String> {
        let mut out = Vec::new();
        let mut rest = query;
        while let Some(open) = rest.find('{') {
            let head = rest.get(..open).unwrap_or("");
            let name_at = head
                .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
                .map_or(0, |at| at + 1);
            let (matchers, used) = matchers(rest.get(open + 1..).unwrap_or(""))?;
            let metric = head.get(name_at..).unwrap_or("").to_owned();
            if !metric.is_empty() {
                out.push(Self { metric, matchers });
            }
            rest = rest.get(open + 1 + used..).unwrap_or("");
        }
        if out.is_empty() {
            let bare = query.trim();
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            if !bare.is_empty() && bare.chars().all(legal) {
                out.push(Self {
                    metric: bare.to_owned(),
                    matchers: Vec::new(),
                });
            }
        }
        Ok(out)
    }

    /// Whether a series with these labels is selected; an absent label is the empty text.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|(label, test)| {
            let value = labels.get(label).map_or("", String::as_str);
            match test {
                Test::Equals(wanted) => wanted == value,
                Test::Differs(wanted) => wanted != value,
                Test::Matches(regex) => regex.is_match(value),
                Test::MatchesNot(regex) => !regex.is_match(value),
            }
        })
    }
}

/// Matchers up to the closing brace, and how many bytes they took with it.
fn matchers(text: &str) -> Result<(Vec<(String, Test)>, usize), String> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let skip = rest.len() - rest.trim_start_matches([' ', ',', '\n', '\t']).len();
        at += skip;
        let rest = text.get(at..).unwrap_or("");
        if rest.starts_with('}') {
            return Ok((out, at + 1));
        }
        let name = rest
            .bytes()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == b'_')
            .count();
        let label = rest.get(..name).unwrap_or("").to_owned();
        let after = rest.get(name..).unwrap_or("").trim_start();
        at += rest.len() - after.len();
        let operator = ["=~", "!~", "!=", "="]
            .into_iter()
            .find(|op| after.starts_with(op));
        let (Some(operator), false) = (operator, label.is_empty()) else {
            return Err(format!("cannot read the matchers at `{rest}`"));
        };
        at += operator.len();
        let (value, used) = literal(text.get(at..).unwrap_or(""))?;
        at += used;
        let anchored =
            || Regex::new(&format!("^(?:{value})$")).map_err(|fault| format!("{label}: {fault}"));
        let test = match operator {
            "=~" => Test::Matches(anchored()?),
            "!~" => Test::MatchesNot(anchored()?),
            "!=" => Test::Differs(value),
            _ => Test::Equals(value),
        };
        out.push((label, test));
    }
}

/// A quoted text, unescaped, and how many bytes it took.
fn literal(text: &str) -> Result<(String, usize), String> {
    let mut chars = text.char_indices();
    let mut quote = None;
    for (_, c) in chars.by_ref() {
        if c == '"' || c == '\'' {
            quote = Some(c);
            break;
        }
        if !c.is_whitespace() {
            break;
        }
    }
    let Some(quote) = quote else {
        return Err(format!("a quoted value is missing at `{text}`"));
    };
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            c if c == quote => return Ok((value, at + c.len_utf8())),
            other => value.push(other),
        }
    }
    Err(format!("the quoted value at `{text}` does not end"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn selectors_are_found_and_applied() {
        let query = "sum by (track) (rate(http_requests_total{service=\"shop\",code=~\"5..\", \
                     track!='none'}[1m])) / up{a=\"\\\"x\"}";
        let found = Selector::find_all(query).unwrap();
        let names: Vec<&str> = found.iter().map(|s| s.metric.as_str()).collect();
        assert_eq!(names, ["http_requests_total", "up"]);
        let labels = |code: &str| -> Labels {
            [("service", "shop"), ("code", code), ("track", "canary")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into()
        };
        let first = found.first().unwrap();
        assert!(first.selects(&labels("503")));
        assert!(!first.selects(&labels("200")));
        assert_eq!(Selector::find_all("up").unwrap().len(), 1);
        assert!(Selector::find_all("up{a=~\"(\"}").is_err());
        assert!(Selector::find_all("up{a=\"x").is_err());
    }
}
