//! Keeps a panic inside the analysis it came from (A11): what is computed about one analysis can
//! fail, the process and all other analyses go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic becomes its message. The caller drops whatever `work` may have left half
/// done, which is why nothing has to be safe to look at after an unwind.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
        text.chars().take(MESSAGE_CHARS_MAX).collect()
    })
}

/// Characters kept of a panic's message; the rest is dropped, for it may quote any amount of data.
const MESSAGE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    #![allow(
        clippy::panic,
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests of panics"
    )]
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_the_process_goes_on() {
        let none: Vec<u8> = Vec::new();
        let by_index = guarded(|| none[none.len()]);
        assert!(by_index.unwrap_err().contains("out of bounds"));
        assert_eq!(guarded(|| -> u8 { panic!("no {}", 7) }), Err("no 7".into()));
        assert_eq!(guarded(|| -> u8 { panic!("plain") }), Err("plain".into()));
        let long = "x".repeat(10_000);
        let cut = guarded(|| -> u8 { panic!("{long}") }).unwrap_err();
        assert_eq!(cut.len(), MESSAGE_CHARS_MAX);
        assert_eq!(guarded(|| 5), Ok(5));
    }
}
