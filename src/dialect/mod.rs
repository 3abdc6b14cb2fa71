//! One verdict, many dialects: how the state of an analysis is said to callers that know other
//! words. What each dialect makes of a state is data ([`table`]), has safe defaults, and can be
//! changed in the configuration; the program prints it with `haldane dialects`.
//!
//! A promote is always [`Word::Go`] and a rollback always [`Word::Stop`], but for the one gate
//! that asks the opposite question (Flagger's rollback hook). Only what lies between them (pending,
//! held, inconclusive, error) is a matter of policy.

mod table;

pub use table::{DIALECTS, Line, line};

use crate::diagnostic::closest;
use crate::engine::verdict::{self, Verdict};
use crate::engine::view::View;
use crate::judge::steps::{self, StepState};
use crate::template::OnInconclusive;
use std::collections::BTreeMap;

/// What is to be said about an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The verdict is promote.
    Promote,
    /// The verdict is rollback, or the template takes an inconclusive one for it.
    Rollback,
    /// It is under way, and nothing holds it.
    Pending,
    /// It is under way, and something outside the statistics holds a promote back.
    Held,
    /// It ended without showing either.
    Inconclusive,
    /// It could not be carried out, or there is none.
    Error,
}

impl State {
    /// Those that a policy may give another word.
    pub const OPEN: [Self; 4] = [Self::Pending, Self::Held, Self::Inconclusive, Self::Error];

    /// The word in configuration and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }

    /// The state of an analysis. An inconclusive verdict is a rollback where its template says so;
    /// one for want of a source is an error. What a person ended without a verdict (a cancellation,
    /// an override to inconclusive) is inconclusive whatever the template says: nobody found harm.
    ///
    /// One in shadow is a promote to everybody who asks, from the start and whatever its verdict:
    /// it is only watched, and at the gate that asks the opposite question nothing happens.
    pub fn of(view: &View) -> Self {
        if view.coordination.shadow {
            return Self::Promote;
        }
        let Some(end) = &view.conclusion else {
            return if view.hold.is_some() {
                Self::Held
            } else {
                Self::Pending
            };
        };
        match end.verdict {
            Verdict::Promote => Self::Promote,
            Verdict::Rollback => Self::Rollback,
            Verdict::Inconclusive if end.author.is_some() => Self::Inconclusive,
            Verdict::Inconclusive => {
                let judgement = view.judgement.as_deref();
                let reason = verdict::because(end.row, end.hold.as_ref(), judgement);
                if verdict::told(&view.plan, reason) == OnInconclusive::Rollback {
                    Self::Rollback
                } else if end.row == SOURCE_LOST {
                    Self::Error
                } else {
                    Self::Inconclusive
                }
            }
        }
    }
}

impl State {
    /// What is to be said of one planned step of traffic: as of the analysis once that has a
    /// verdict or is held; before, the step is a promote when it has baked, every gate has its
    /// minimum of evidence within it, what else guards a promote has something to see, and the
    /// source answers. `None` when no such step is planned.
    pub fn at_step(view: &View, share: f64) -> Option<Self> {
        let planned = view.plan.planned_step(share)?;
        let whole = Self::of(view);
        if whole != Self::Pending || view.source_fault.is_some() {
            return Some(whole);
        }
        let seen = view.judgement.as_deref();
        let (state, _) = steps::stands(&view.plan, (planned, seen));
        let enough = seen.is_some_and(|seen| verdict::sees_enough(&view.plan, seen));
        Some(match state {
            StepState::Shown if enough => Self::Promote,
            _ => Self::Pending,
        })
    }
}

/// The row of the verdict table that is decided because samples could not be read.
pub const SOURCE_LOST: u8 = 6;

/// What a caller is told, in no dialect yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Go on; at Flagger's rollback hook: go back.
    Go,
    /// Do not go on; at Flagger's rollback hook: nothing happens.
    Stop,
    /// Ask again.
    Wait,
    /// It has ended, and a person has to look.
    Doubt,
    /// Something is broken.
    Fault,
}

impl Word {
    /// Every word.
    pub const ALL: [Self; 5] = [Self::Go, Self::Stop, Self::Wait, Self::Doubt, Self::Fault];

    /// The word in configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Stop => "stop",
            Self::Wait => "wait",
            Self::Doubt => "doubt",
            Self::Fault => "fault",
        }
    }
}

/// The callers' dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// JSON that says the verdict: Argo's web provider, Kargo's http step, Spinnaker's webhook
    /// stage.
    Verdict,
    /// Kayenta's API: Argo's kayenta provider, Spinnaker's canary stage.
    Kayenta,
    /// A Prometheus query: Argo's and Flagger's metrics.
    Query,
    /// Flagger's `rollout` and `pre-rollout` hooks.
    FlaggerRollout,
    /// Flagger's `confirm-traffic-increase` hook.
    FlaggerTraffic,
    /// Flagger's `confirm-promotion` hook.
    FlaggerPromotion,
    /// Flagger's `rollback` hook.
    FlaggerRollback,
    /// Spinnaker's deployment monitor.
    SpinnakerMonitor,
    /// GitHub's deployment protection rules.
    Github,
    /// Exit codes: any CI, Argo's job provider.
    Exit,
}

/// Which word each dialect has for each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialects {
    changed: BTreeMap<(Dialect, State), Word>,
}

impl Dialects {
    /// The table with the changes of a configuration: dialect, state and word as written.
    ///
    /// # Errors
    ///
    /// Names the first dialect, state or word that there is not, with those there are.
    pub fn with(changes: &BTreeMap<String, BTreeMap<String, String>>) -> Result<Self, String> {
        let mut out = Self::default();
        for (name, states) in changes {
            let line = named(name, &DIALECTS.iter().map(|line| (line.name, line)))
                .map_err(|why| format!("dialects.{name}: there is no such dialect; {why}"))?;
            for (state, word) in states {
                let key = format!("dialects.{name}.{state}");
                let open = State::OPEN.into_iter().map(|state| (state.word(), state));
                let state = named(state, &open)
                    .map_err(|why| format!("{key}: the state cannot be changed; {why}"))?;
                let words = line.words.iter().map(|(word, _)| (word.word(), *word));
                let word = named(word, &words)
                    .map_err(|why| format!("{key}: `{word}` is no word of this dialect; {why}"))?;
                out.changed.insert((line.dialect, state), word);
            }
        }
        Ok(out)
    }

    /// The word for `state`.
    pub fn word(&self, dialect: Dialect, state: State) -> Word {
        let line = line(dialect);
        match state {
            State::Promote if line.opposite => Word::Stop,
            State::Rollback if line.opposite => Word::Go,
            State::Promote => Word::Go,
            State::Rollback => Word::Stop,
            open => self
                .changed
                .get(&(dialect, open))
                .copied()
                .unwrap_or_else(|| line.default(open)),
        }
    }

    /// Whether the word is another than the default.
    pub fn is_changed(&self, dialect: Dialect, state: State) -> bool {
        self.changed.contains_key(&(dialect, state))
    }
}

/// What is called `name`, or those there are.
fn named<'a, T>(
    name: &str,
    all: &(impl Iterator<Item = (&'a str, T)> + Clone),
) -> Result<T, String> {
    let names = || all.clone().map(|(name, _)| name);
    let found = all.clone().find(|(known, _)| *known == name);
    found.map(|(_, found)| found).ok_or_else(|| {
        let list: Vec<&str> = names().collect();
        match closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", list.join(", ")),
        }
    })
}
