//! Expectations written anew: what stands in the text is replaced by what came, byte range by byte
//! range, so that comments, order and layout stay. It is done only when it is exact: everything
//! that was missed can be replaced, and the new text says the same as the old otherwise.

use crate::rehearse::compare::Miss;

/// The text with every miss put right.
///
/// # Errors
/// The first miss that cannot be put right by replacing what stands there.
pub fn updated(text: &str, misses: &[&Miss]) -> Result<String, String> {
    let mut edits: Vec<((usize, usize), &str)> = Vec::new();
    for miss in misses {
        let at = miss.place.line;
        let Some((range, fresh)) = &miss.fix else {
            return Err(format!(
                "line {at}: no word for `{}` would be right there; change it by hand",
                miss.field
            ));
        };
        let quoted = text.get(range.0..range.1).map(str::trim);
        let plain = quoted.is_some_and(is_plain);
        if !plain {
            return Err(format!(
                "line {at}: `{}` is no single word; change it by hand",
                miss.field
            ));
        }
        edits.push((*range, fresh));
    }
    edits.sort_by_key(|((start, _), _)| *start);
    edits.dedup();
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for ((start, end), fresh) in edits {
        let Some(kept) = text.get(done..start) else {
            return Err("two expectations stand in the same place".to_owned());
        };
        out.push_str(kept);
        out.push_str(fresh);
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}

/// One word without quotes, as verdicts, labels and lengths of time are.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ')
}
