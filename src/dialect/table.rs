//! The table: who asks, which words their dialect has, and the defaults.
//!
//! The defaults fail safe: nothing but a promote lets a version go to everybody, and nothing but a
//! rollback takes one back by itself. Sources: the contracts of the controllers as their own code
//! reads answers (`docs/controllers.md`).

use super::{Dialect, State, Word};

/// One dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub dialect: Dialect,
    /// Its name in the configuration.
    pub name: &'static str,
    /// Who speaks it.
    pub callers: &'static str,
    /// Its words, each with what goes over the wire.
    pub words: &'static [(Word, &'static str)],
    /// The word while an analysis is under way.
    pub pending: Word,
    /// The word while a promote is held back.
    pub held: Word,
    /// The word for an analysis that ended without showing either.
    pub inconclusive: Word,
    /// The word for what could not be carried out, or does not exist.
    pub error: Word,
    /// The gate asks whether to go back.
    pub opposite: bool,
}

impl Line {
    /// The word for a state that policy decides.
    pub const fn default(&self, state: State) -> Word {
        match state {
            State::Promote => Word::Go,
            State::Rollback => Word::Stop,
            State::Pending => self.pending,
            State::Held => self.held,
            State::Inconclusive => self.inconclusive,
            State::Error => self.error,
        }
    }

    /// What goes over the wire for a word.
    pub fn wire(&self, word: Word) -> &'static str {
        let found = self.words.iter().find(|(known, _)| *known == word);
        found.map_or("", |(_, wire)| wire)
    }
}

/// The hooks of Flagger: 200 is yes and 409 is no, with one line of text.
const HOOK: &[(Word, &str)] = &[
    (Word::Go, "200, the hook succeeds"),
    (Word::Stop, "409 with the reason, the hook fails"),
    (Word::Fault, "503, the hook fails or is tried again"),
];

/// A hook that must never be tried again into a yes.
const STRICT_HOOK: &[(Word, &str)] = &[
    (Word::Go, "200, the hook succeeds"),
    (Word::Stop, "409 with the reason, the hook fails"),
];

/// Every dialect, in the order of the documents.
pub const DIALECTS: &[Line] = &[
    Line {
        dialect: Dialect::Verdict,
        name: "verdict",
        callers: "Argo Rollouts web, Kargo http, Spinnaker webhook",
        words: &[
            (Word::Go, "200 {\"verdict\":\"promote\"}"),
            (Word::Stop, "200 {\"verdict\":\"rollback\"}"),
            (Word::Wait, "200 {\"verdict\":\"pending\"}"),
            (Word::Doubt, "200 {\"verdict\":\"inconclusive\"}"),
            (Word::Fault, "503 problem"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Doubt,
        error: Word::Doubt,
        opposite: false,
    },
    Line {
        dialect: Dialect::Kayenta,
        name: "kayenta",
        callers: "Argo Rollouts kayenta, Spinnaker canary stage",
        words: &[
            (Word::Go, "200 complete, score of at least pass"),
            (Word::Stop, "200 complete, score below marginal"),
            (Word::Wait, "200 not complete"),
            (Word::Doubt, "200 complete, score between marginal and pass"),
            (Word::Fault, "200 complete, status terminal, no score"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Doubt,
        error: Word::Fault,
        opposite: false,
    },
    Line {
        dialect: Dialect::Query,
        name: "query",
        callers: "Argo Rollouts prometheus, Flagger metric templates",
        words: &[
            (Word::Go, "200 one sample, the score"),
            (Word::Stop, "200 one sample, the score"),
            (Word::Wait, "200 no sample"),
            (Word::Doubt, "200 no sample"),
            (Word::Fault, "503 error"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Doubt,
        error: Word::Fault,
        opposite: false,
    },
    Line {
        dialect: Dialect::FlaggerRollout,
        name: "flagger-rollout",
        callers: "Flagger rollout and pre-rollout hooks",
        words: HOOK,
        pending: Word::Go,
        held: Word::Go,
        inconclusive: Word::Go,
        error: Word::Fault,
        opposite: false,
    },
    Line {
        dialect: Dialect::FlaggerTraffic,
        name: "flagger-traffic",
        callers: "Flagger confirm-traffic-increase hook",
        words: STRICT_HOOK,
        pending: Word::Go,
        held: Word::Stop,
        inconclusive: Word::Stop,
        error: Word::Stop,
        opposite: false,
    },
    Line {
        dialect: Dialect::FlaggerPromotion,
        name: "flagger-promotion",
        callers: "Flagger confirm-promotion hook",
        words: STRICT_HOOK,
        pending: Word::Stop,
        held: Word::Stop,
        inconclusive: Word::Stop,
        error: Word::Stop,
        opposite: false,
    },
    Line {
        dialect: Dialect::FlaggerRollback,
        name: "flagger-rollback",
        callers: "Flagger rollback hook",
        words: &[
            (Word::Go, "200, Flagger rolls back now"),
            (Word::Stop, "409 with the reason, nothing happens"),
        ],
        pending: Word::Stop,
        held: Word::Stop,
        inconclusive: Word::Stop,
        error: Word::Stop,
        opposite: true,
    },
    Line {
        dialect: Dialect::SpinnakerMonitor,
        name: "spinnaker-monitor",
        callers: "Spinnaker deployment monitor",
        words: &[
            (Word::Go, "200 nextStep continue"),
            (Word::Stop, "200 nextStep abort"),
            (Word::Wait, "200 nextStep wait"),
            (Word::Fault, "503 problem"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Stop,
        error: Word::Fault,
        opposite: false,
    },
    Line {
        dialect: Dialect::Github,
        name: "github",
        callers: "GitHub deployment protection rules",
        words: &[
            (Word::Go, "state approved"),
            (Word::Stop, "state rejected"),
            (Word::Wait, "nothing yet"),
            (Word::Doubt, "a status report without a state"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Doubt,
        error: Word::Doubt,
        opposite: false,
    },
    Line {
        dialect: Dialect::Exit,
        name: "exit",
        callers: "haldane wait in any CI, Argo Rollouts job",
        words: &[
            (Word::Go, "exit code 0"),
            (Word::Stop, "exit code 1"),
            (Word::Wait, "waits"),
            (Word::Doubt, "exit code 3"),
            (Word::Fault, "exit code 4"),
        ],
        pending: Word::Wait,
        held: Word::Wait,
        inconclusive: Word::Doubt,
        error: Word::Fault,
        opposite: false,
    },
];

/// The line of a dialect.
pub fn line(dialect: Dialect) -> &'static Line {
    let found = DIALECTS.iter().find(|line| line.dialect == dialect);
    found.unwrap_or(&DIALECTS[0])
}
