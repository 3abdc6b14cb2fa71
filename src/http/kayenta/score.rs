//! A score that says what the verdict says, whatever thresholds the caller has.
//!
//! Callers decide by the score alone, and both cut it to a whole number first: Argo Rollouts takes
//! score ≥ pass for a success and score ≥ marginal for inconclusive; Spinnaker fails a score that
//! is at most marginal and wants pass at the end (`orca-kayenta`, `metricproviders/kayenta`). So a
//! score is moved, where it must be, into the range that means the verdict to both; the natural
//! one is shown beside it.

use super::wanted::Thresholds;
use crate::dialect::Word;

/// What to call a score.
pub(super) const fn class(word: Word) -> &'static str {
    match word {
        Word::Go => "Pass",
        Word::Doubt | Word::Wait => "Marginal",
        Word::Stop | Word::Fault => "Fail",
    }
}

/// What is told while nobody knows the caller's thresholds: what means the verdict under all of
/// them, and nothing that lies between.
const UNKNOWN: [f64; 2] = [-1.0, 100.0];

/// The score to tell. Without thresholds a promote is the highest score and everything else lies
/// below the lowest threshold there can be, because the callers' own may be any.
pub(super) fn told(word: Word, natural: f64, thresholds: Option<Thresholds>) -> f64 {
    let [lowest, highest] = UNKNOWN;
    match thresholds {
        Some(thresholds) => honest(word, natural, thresholds),
        None if word == Word::Go => highest,
        None => lowest,
    }
}

/// `natural`, or the nearest whole number that means `word` under these thresholds.
pub(super) fn honest(word: Word, natural: f64, thresholds: Thresholds) -> f64 {
    let Thresholds { pass, marginal } = thresholds;
    // The largest whole numbers below either threshold, and the smallest above `marginal`.
    let (below_pass, below_marginal) = (pass.ceil() - 1.0, marginal.ceil() - 1.0);
    let above_marginal = marginal.floor() + 1.0;
    match word {
        Word::Go => natural.max(pass.ceil()).max(above_marginal),
        Word::Stop | Word::Fault => {
            if natural < marginal {
                natural
            } else {
                below_marginal
            }
        }
        Word::Doubt | Word::Wait => {
            if natural >= above_marginal && natural < pass {
                natural
            } else if below_pass >= above_marginal {
                natural.clamp(above_marginal, below_pass)
            } else if marginal < pass {
                // No whole number lies between them: inconclusive to Argo, and no pass to anybody.
                marginal + (pass - marginal) / 2.0
            } else {
                below_marginal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::cast_possible_truncation,
        clippy::float_cmp,
        reason = "as the callers do it"
    )]
    use super::*;

    /// What Argo Rollouts and Spinnaker make of a score.
    fn callers(score: f64, pass: i64, marginal: i64) -> (&'static str, bool) {
        let whole = score as i64;
        let argo = if whole >= pass {
            "Successful"
        } else if whole >= marginal {
            "Inconclusive"
        } else {
            "Failed"
        };
        (argo, whole > marginal && whole >= pass)
    }

    #[test]
    fn every_verdict_is_read_as_what_it_is_under_all_thresholds() {
        for pass in 0..=100_i64 {
            for marginal in 0..=pass {
                let thresholds = Thresholds {
                    pass: pass as f64,
                    marginal: marginal as f64,
                };
                for tenth in 0..=1000 {
                    let natural = f64::from(tenth) / 10.0;
                    let said = |word| {
                        let score = honest(word, natural, thresholds);
                        assert!(score.is_finite());
                        assert_ne!(score, thresholds.marginal, "{word:?} {natural} {pass}");
                        callers(score, pass, marginal)
                    };
                    assert_eq!(said(Word::Go), ("Successful", true));
                    assert_eq!(said(Word::Stop), ("Failed", false));
                    let (argo, spinnaker) = said(Word::Doubt);
                    assert!(!spinnaker);
                    let wanted = if marginal < pass {
                        "Inconclusive"
                    } else {
                        "Failed"
                    };
                    assert_eq!(argo, wanted, "{natural} {pass} {marginal}");
                }
            }
        }
    }

    /// Nobody passes by thresholds that were lost.
    #[test]
    fn without_thresholds_only_a_promote_passes() {
        for pass in 0..=100_i64 {
            for marginal in 0..=pass {
                for natural in [0.0, 50.0, 100.0] {
                    let said = |word| callers(told(word, natural, None), pass, marginal).0;
                    assert_eq!(said(Word::Go), "Successful");
                    for word in [Word::Stop, Word::Doubt, Word::Fault] {
                        assert_eq!(said(word), "Failed", "{word:?} {pass} {marginal}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_score_that_agrees_is_left_as_it_is() {
        let usual = Thresholds {
            pass: 75.0,
            marginal: 50.0,
        };
        for (word, natural, wanted) in [
            (Word::Go, 95.95, 95.95),
            (Word::Doubt, 60.25, 60.25),
            (Word::Stop, 12.5, 12.5),
            (Word::Doubt, 50.0, 51.0),
            (Word::Doubt, 100.0, 74.0),
            (Word::Stop, 100.0, 49.0),
            (Word::Go, 0.0, 75.0),
        ] {
            assert_eq!(honest(word, natural, usual), wanted);
        }
    }
}
