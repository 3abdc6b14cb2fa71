//! Objectives: does the canary's own population burn its error budget faster than a rung allows?
//!
//! A rung is proven when three things hold: the canary's ratio is shown to exceed burn × budget by
//! an e-value that may be read at every look, mixed over the moment at which harm begins and over
//! the sizes of clusters; the burn over the long and over the short window both exceed the rung's;
//! and the short window holds the least number of bad events. The windows are those of the SRE
//! workbook (chapter 5), cut to the canary's age: a ratio over an hour of a ten-minute-old build is
//! a ratio over its life.
//!
//! Whether it is the canary's doing is asked of the counts of both arms interval by interval, so
//! that an incident in both cancels. That e-value has to reach the same bound before anything is
//! rolled back. What two healthy arms are known to differ by moves the limit of that comparison, as
//! it does for a metric of events ([`count_offset`](crate::judge::count_offset)); a rung is a limit
//! of its own, whatever the baseline does, and stays. To ask only that the baseline's own budget is not shown broken would not do: of
//! two equal arms in a common incident either may be shown first.

use crate::judge::count_evidence::Seen;
use crate::judge::count_offset::Healthy;
use crate::judge::counts::sums;
use crate::judge::judgement::{ObjectiveFinding, RungFinding};
use crate::judge::look::Look;
use crate::judge::rates::Rate;
use crate::judge::sequential::offset::SHARE;
use crate::judge::windows::{Counts, EventInterval, Windows};
use crate::plan::{ObjectivePlan, Plan};
use crate::slo::objective::{Rung, RungAction};
use crate::time::Span;

/// The short window is at least this part of the cut long one (SRE workbook: short = long / 12).
const SHORT_PART: i64 = 12;

/// And at least so many steps: fewer scrapes are chance.
const SHORT_STEPS_MIN: i64 = 4;

/// One arm's counts.
type ArmOf = fn(&EventInterval) -> Option<Counts>;

/// What an objective says; `None` when its metric has no counts.
pub fn find(
    plan: &Plan,
    objective: &ObjectivePlan,
    windows: &Windows,
    look: &Look,
) -> Option<ObjectiveFinding> {
    let metric = plan.metrics.get(objective.metric_idx)?;
    windows.metrics.get(objective.metric_idx)?.data.counts()?;
    let intervals = windows.judged_events(plan, objective.metric_idx);
    let history = windows.history_events(plan, objective.metric_idx);
    let seen = Seen::new(plan, &intervals, &history, look);
    let log_bound = -libm::log(objective.alpha.get());
    let of = |counts| Arm {
        intervals: &intervals,
        counts,
        seen: &seen,
    };
    let (canary, baseline) = (of(|i| i.canary), of(|i| i.baseline));
    let budget = objective.objective.budget();
    let rung_of = |arm: &Arm, rung: &Rung| judge_rung(arm, objective, rung, log_bound, look);
    let rungs: Vec<RungFinding> = objective
        .objective
        .rungs
        .iter()
        .map(|rung| rung_of(&canary, rung))
        .collect();
    let baseline_burns_too = objective
        .objective
        .rungs
        .iter()
        .zip(&rungs)
        .any(|(rung, finding)| finding.proven && rung_of(&baseline, rung).log_e >= log_bound);
    let healthy = Healthy::of(plan, windows, objective.metric_idx);
    let log_e = log_e_worse(&seen, &healthy, objective.alpha.get());
    let burn = |arm: &Arm| arm.over(look.age(), look).map(|ratio| ratio / budget);
    Some(ObjectiveFinding {
        objective: objective.name.clone(),
        metric: metric.name.clone(),
        target: objective.objective.target(),
        canary_burn: burn(&canary),
        baseline_burn: burn(&baseline),
        rungs,
        p_worse_than_baseline: libm::exp(-log_e.max(0.0)),
        worse_than_baseline: log_e >= log_bound,
        baseline_burns_too,
        log_bound,
    })
}

/// ln of the e-value against "the canary's rate is at most the baseline's", or at most as far above
/// it as healthy arms may lie. Where that limit lies errs with its share of `alpha`; the test keeps
/// the rest.
fn log_e_worse(seen: &Seen, healthy: &Healthy, alpha: f64) -> f64 {
    match healthy.most_above(alpha) {
        None => seen.log_e_beyond(0.0),
        Some(limit) => seen.log_e_beyond(limit) + libm::log(1.0 - SHARE),
    }
}

/// One arm's judged intervals.
struct Arm<'w> {
    intervals: &'w [EventInterval],
    counts: ArmOf,
    seen: &'w Seen,
}

impl Arm<'_> {
    fn sum(&self, window: Span, look: &Look) -> Rate {
        let from = look.covered_to.minus(window);
        let inside = self.intervals.iter().filter(|i| i.at > from);
        sums(inside.filter_map(|i| (self.counts)(i)))
    }

    /// The ratio over a window that ends now; `None` without events.
    fn over(&self, window: Span, look: &Look) -> Option<f64> {
        let sum = self.sum(window, look);
        (sum.total > 0.0).then(|| sum.ratio())
    }
}

fn judge_rung(
    arm: &Arm,
    objective: &ObjectivePlan,
    rung: &Rung,
    log_bound: f64,
    look: &Look,
) -> RungFinding {
    let budget = objective.objective.budget();
    let allowed = rung.burn.get() * budget;
    let long = rung.long.min(look.age());
    let least = Span::from_ms(long.ms() / SHORT_PART).max(look.step().times(SHORT_STEPS_MIN));
    let short = rung.short.min(least).min(long);
    let unreachable = allowed > 1.0;
    let log_e = if unreachable {
        0.0
    } else {
        let counts = arm.intervals.iter().map(arm.counts);
        arm.seen.log_e_budget(counts, allowed)
    };
    let burn = |window| arm.over(window, look).map(|ratio| ratio / budget);
    let (burn_long, burn_short) = (burn(long), burn(short));
    let bad_short = whole(arm.sum(short, look).bad);
    let exceeds = |burn: Option<f64>| burn.is_some_and(|burn| burn > rung.burn.get());
    RungFinding {
        burn: rung.burn.get(),
        long,
        short,
        rolls_back: rung.action == RungAction::Rollback,
        burn_long,
        burn_short,
        bad_short,
        log_e,
        proven: !unreachable
            && log_e >= log_bound
            && exceeds(burn_long)
            && exceeds(burn_short)
            && bad_short >= objective.objective.bad_events_min,
        unreachable,
    }
}

fn whole(events: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; saturates"
    )]
    let count = events.round() as u64;
    count
}
