//! What the engine may use (A7), and how much of it it uses.

use crate::time::Span;

/// Analyses under way; a further submission is refused as `TooMany`. Twice the design target of
/// 10,000 concurrent analyses.
pub const ANALYSES_MAX: usize = 20_000;
/// Concluded analyses kept in memory; beyond, the oldest whose messages have all come to an end is
/// forgotten with [`crate::engine::effect::Effect::Forget`], and its key is free again.
/// Their records stay in the log.
pub const CONCLUDED_MAX: usize = 10_000;
/// Records not yet durable; at the limit no new look is begun and no submission accepted until the
/// store has caught up. About ten seconds' worth of records at the design target.
pub const UNACKED_MAX: usize = 8_192;
/// Looks whose samples are being fetched at the same time; further ones wait in order of their due
/// time. Enough to keep a source busy that answers in 50 ms to 10,000 analyses in 30 s.
pub const FETCHES_MAX: usize = 64;
/// Messages on their way at the same time; further ones wait in line.
pub const SENDS_MAX: usize = 64;
/// How long a message is worth delivering: an hour after the verdict no controller waits for it,
/// and it could meet the next rollout of the same service.
pub const MESSAGE_LIFE: Span = Span::from_s(3_600);
/// How long an answer may take; then the question is put again. Longer than any time-out of the
/// doors, so it only fires when an answer was lost.
pub const PATIENCE: Span = Span::from_s(300);
/// Stale events of one analysis that are recorded; further ones are ignored without a record.
pub const IGNORED_MAX: u32 = 8;
/// Source failures recorded between two successes; further ones are retried without a record.
pub const SOURCE_NOTES_MAX: u32 = 4;

/// Rollbacks watched at a time; of a further one it is recorded that nothing is known. A thousand
/// rollbacks within a quarter of an hour are an incident of another kind, and the source has better
/// things to answer then.
pub const WATCHED_MAX: usize = 1_000;
/// How late the watch of a rollback may go on after a restart; of what is older it is recorded that
/// nothing is known.
pub const WATCH_LATE_MAX: Span = Span::from_s(3_600);

/// What the engine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`ANALYSES_MAX`].
    pub analyses_max: usize,
    /// See [`CONCLUDED_MAX`].
    pub concluded_max: usize,
    /// See [`UNACKED_MAX`].
    pub unacked_max: usize,
    /// See [`FETCHES_MAX`].
    pub fetches_max: usize,
    /// See [`SENDS_MAX`].
    pub sends_max: usize,
    /// See [`MESSAGE_LIFE`].
    pub message_life: Span,
    /// See [`PATIENCE`].
    pub patience: Span,
    /// See [`WATCHED_MAX`].
    pub watched_max: usize,
    /// How long a rollback is watched; zero for not at all, which is what simulated time wants.
    pub recovery_within: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            analyses_max: ANALYSES_MAX,
            concluded_max: CONCLUDED_MAX,
            unacked_max: UNACKED_MAX,
            fetches_max: FETCHES_MAX,
            sends_max: SENDS_MAX,
            message_life: MESSAGE_LIFE,
            patience: PATIENCE,
            watched_max: WATCHED_MAX,
            recovery_within: Span::ZERO,
        }
    }
}

/// How much there is of everything, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Analyses before their first judgement.
    pub waiting: usize,
    /// Analyses between their first judgement and their verdict.
    pub looking: usize,
    /// Analyses with a verdict.
    pub concluded: usize,
    /// Looks that wait for their turn to fetch.
    pub queued: usize,
    /// Fetches under way.
    pub fetching: usize,
    /// Judgements under way.
    pub judging: usize,
    /// Messages without an end.
    pub messages_owed: usize,
    /// Messages that were refused or expired.
    pub messages_dead: usize,
    /// Rollbacks under watch.
    pub watched: usize,
    /// Rollbacks nobody took note of in the time their template gives.
    pub unacknowledged: usize,
    /// Attempts under way.
    pub sending: usize,
    /// Records that are not yet durable.
    pub unacked: usize,
    /// Whether the store failed and has not yet recovered.
    pub store_fault: bool,
}
