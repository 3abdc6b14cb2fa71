//! How Flagger is answered: one line of text, 200 or 202 for yes, 409 for no.

use super::super::office::{Office, RETRY_S};
use super::super::refused::Refused;
use super::hook::Hook;
use crate::dialect::{Dialect, State, Word};
use crate::engine::view::View;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;

/// Characters of a reason; a longer one is cut. Flagger puts it into a Kubernetes event and into
/// chat messages, after words of its own.
const REASON_LEN_MAX: usize = 200;

/// An answer of one line of text.
pub(crate) fn text(status: StatusCode, line: &str) -> Response<Body> {
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, line.to_owned()).into_response()
}

/// Yes.
pub(super) fn yes() -> Response<Body> {
    text(StatusCode::OK, "ok")
}

/// Taken note of; nobody was asked anything.
pub(super) fn noted() -> Response<Body> {
    text(StatusCode::ACCEPTED, "noted")
}

/// No, and why.
pub(super) fn no(why: &str) -> Response<Body> {
    text(StatusCode::CONFLICT, &line(why, ""))
}

/// No, with what the analysis says.
pub(super) fn held(why: &str, view: &View) -> Response<Body> {
    let what = format!("{why}: {}", view.sentence);
    text(StatusCode::CONFLICT, &line(&what, &named(view)))
}

/// What the analysis says, in this dialect.
pub(super) fn said(office: &Office, dialect: Dialect, view: &View) -> Response<Body> {
    let state = State::of(view);
    match office.desk.dialects.word(dialect, state) {
        Word::Go => yes(),
        Word::Fault => fault(&line(&format!("error: {}", view.sentence), &named(view))),
        _ => held(state.word(), view),
    }
}

/// What could not be answered. A rollback never comes of an error. At the other gates the dialect
/// decides; a mistake that asking again does not mend is 409: Flagger drops the text of 503.
pub(super) fn error(office: &Office, hook: Hook, why: &Refused) -> Response<Body> {
    let dialect = match hook {
        Hook::PreRollout | Hook::Rollout => Dialect::FlaggerRollout,
        Hook::ConfirmTrafficIncrease => Dialect::FlaggerTraffic,
        Hook::ConfirmPromotion => Dialect::FlaggerPromotion,
        Hook::ConfirmRollout | Hook::Rollback | Hook::PostRollout | Hook::Event => {
            return no(why.detail());
        }
    };
    match office.desk.dialects.word(dialect, State::Error) {
        Word::Go => yes(),
        Word::Fault if why.is_passing() => fault(&line(why.detail(), "")),
        _ => no(why.detail()),
    }
}

fn fault(line: &str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, line);
    let seconds = HeaderValue::from(RETRY_S);
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

fn named(view: &View) -> String {
    format!(" ({})", view.id)
}

/// `text` and `end` on one line of at most [`REASON_LEN_MAX`] characters; `end` stays whole.
fn line(text: &str, end: &str) -> String {
    let room = REASON_LEN_MAX.saturating_sub(end.chars().count());
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.trim().chars().map(plain).collect();
    if out.chars().count() > room {
        out = out.chars().take(room.saturating_sub(1)).collect();
        out.push('…');
    }
    out + end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_reason_is_cut_and_its_end_stays() {
        assert_eq!(line("a\nb ", " (x)"), "a b (x)");
        let cut = line(&"ä".repeat(300), " (x)");
        assert_eq!(cut.chars().count(), REASON_LEN_MAX);
        assert!(cut.ends_with("ä… (x)"), "{cut}");
    }

    proptest! {
        #[test]
        fn a_reason_is_one_line(text in ".{0,400}", end in "[ -~]{0,250}") {
            let out = line(&text, &end);
            prop_assert!(!out.contains(['\n', '\r', '\0']));
            prop_assert!(out.ends_with(&end));
            prop_assert!(out.chars().count() <= REASON_LEN_MAX.max(end.chars().count() + 1));
        }
    }
}
