//! The word of an analysis, and the numbered table that gives it.
//!
//! [`Situation`] is everything the table reads, [`decide`] is the table; the first matching row
//! wins. `docs/verdicts.md` shows the same table to people, and `tests/it/engine_verdict.rs` walks
//! every combination.

use crate::ids::MetricName;
use crate::judge::explain::Stand;
use crate::judge::extension;
use crate::judge::judgement::{Finding, Judgement, Label, Outcome, RungFinding};
use crate::judge::score;
use crate::judge::steps;
use crate::plan::Plan;
use crate::template::inconclusive::Reason;
use crate::template::{Method, OnInconclusive};

/// The word of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Go on.
    Promote,
    /// Go back.
    Rollback,
    /// Time is up and neither is shown.
    Inconclusive,
}

impl Verdict {
    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The reverse of [`Verdict::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Promote, Self::Rollback, Self::Inconclusive]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// Why a promote is held back, or an analysis waits, outside the statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Both arms degrade alike.
    EnvironmentDegraded,
    /// The observed traffic share contradicts the declared one.
    TrafficMismatch,
    /// An arm has no series.
    ArmAbsent,
    /// The source warned; the data may be partial.
    DataSuspect,
    /// A hold rung of an objective is proven.
    BudgetBurning,
    /// A freeze lasts.
    Frozen,
    /// An earlier wave of the deploy is not promoted.
    Wave,
    /// The rest of the release is not shown healthy, or comes first.
    Release,
    /// A newer deploy took its place; only in conclusions.
    Superseded,
}

impl Hold {
    /// Every hold.
    pub const ALL: [Self; 9] = [
        Self::EnvironmentDegraded,
        Self::TrafficMismatch,
        Self::ArmAbsent,
        Self::DataSuspect,
        Self::BudgetBurning,
        Self::Frozen,
        Self::Wave,
        Self::Release,
        Self::Superseded,
    ];

    /// The word in answers.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::EnvironmentDegraded => "environment_degraded",
            Self::TrafficMismatch => "traffic_mismatch",
            Self::ArmAbsent => "arm_absent",
            Self::DataSuspect => "data_suspect",
            Self::BudgetBurning => "budget_burning",
            Self::Frozen => "frozen",
            Self::Wave => "earlier_wave",
            Self::Release => "release_group",
            Self::Superseded => "superseded",
        }
    }

    /// The reverse of [`Hold::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hold| hold.word() == word)
    }

    /// Whether it comes from outside the evidence of the analysis.
    pub const fn is_outside(&self) -> bool {
        matches!(
            self,
            Self::Frozen | Self::Wave | Self::Release | Self::Superseded
        )
    }

    /// As what a sentence about this hold is said.
    const fn stand(&self) -> Stand {
        match self {
            Self::EnvironmentDegraded => Stand::EnvironmentDegraded,
            Self::TrafficMismatch => Stand::TrafficMismatch,
            Self::ArmAbsent => Stand::ArmAbsent,
            Self::DataSuspect => Stand::DataSuspect,
            Self::BudgetBurning => Stand::BudgetBurning,
            // Their reason is not in the evidence: it is said beside it.
            Self::Frozen | Self::Wave | Self::Release | Self::Superseded => Stand::Pending,
        }
    }
}

/// Whether the two arms are the populations that were declared (row 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Population {
    /// Both arms have series, and the traffic is as declared.
    AsDeclared,
    /// The observed traffic share contradicts the declared one.
    TrafficMismatch,
    /// An arm has no series.
    ArmAbsent,
}

/// Whether samples can be had (row 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Yes, or not yet longer missing than the grace allows.
    Answering,
    /// Not for longer than the grace.
    Lost,
}

/// What holds a promote back from outside the evidence (`engine::coordination`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outside {
    /// A freeze lasts.
    Frozen,
    /// An earlier wave of the deploy is not promoted.
    Wave,
    /// The rest of the release is not shown healthy, or comes first.
    Release,
}

impl Outside {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Frozen, Self::Wave, Self::Release];

    /// As a hold.
    pub const fn hold(self) -> Hold {
        match self {
            Self::Frozen => Hold::Frozen,
            Self::Wave => Hold::Wave,
            Self::Release => Hold::Release,
        }
    }
}

/// Everything the verdict table reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the columns of a decision table, each read by name"
)]
pub struct Situation {
    /// A person decided.
    pub overridden: Option<Verdict>,
    /// A critical or required metric is shown worse than its limit, with minimum evidence.
    pub gate_worse: bool,
    /// A rollback rung is proven for the canary, which is shown worse than the baseline.
    pub abort_rung: bool,
    /// Both arms degrade alike.
    pub environment_degraded: bool,
    /// The arms.
    pub population: Population,
    /// The source.
    pub source: Source,
    /// The judged data reach the bake time.
    pub bake_over: bool,
    /// It was the last look.
    pub deadline: bool,
    /// Every critical and required metric is shown within its limit, on both arms' evidence.
    pub all_within: bool,
    /// The source warned, and nobody allowed that warning.
    pub suspect: bool,
    /// A rung is proven (of any kind: an abort rung that rows 3 and 4 left over holds as well).
    pub budget_burning: bool,
    /// What holds it back from outside.
    pub outside: Option<Outside>,
}

/// What the table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The row that matched, 1 to 9.
    pub row: u8,
    /// The verdict; `None` is pending.
    pub verdict: Option<Verdict>,
    /// What holds a promote back at present.
    pub hold: Option<Hold>,
}

impl Decision {
    /// As what the sentence is said (A10).
    pub const fn stand(&self) -> Stand {
        match (self.row, self.verdict, &self.hold) {
            (3, ..) => Stand::RollbackBurn,
            (_, Some(Verdict::Rollback), _) => Stand::RollbackMetric,
            (_, Some(Verdict::Promote), _) => Stand::Promote,
            (_, _, Some(hold)) => hold.stand(),
            (_, Some(Verdict::Inconclusive), None) => Stand::Inconclusive,
            (_, None, None) => Stand::Pending,
        }
    }
}

/// The verdict table. The first matching row wins; promote is the outcome of exactly one row and
/// never a default (A5).
pub fn decide(s: &Situation) -> Decision {
    let hold = holding(s);
    let answering = s.source == Source::Answering;
    let time_left = !s.deadline;
    let undeclared = s.population != Population::AsDeclared;
    let shown_healthy = s.shown_healthy();

    let (pending, inconclusive) = (None, Some(Verdict::Inconclusive));
    let (rollback, promote) = (Some(Verdict::Rollback), Some(Verdict::Promote));
    let held = if time_left { pending } else { inconclusive };

    #[rustfmt::skip]
    let table = [
        (1, s.overridden.is_some(),                s.overridden),
        (2, s.gate_worse,                          rollback),
        (3, s.abort_rung,                          rollback),
        (4, s.environment_degraded && answering,   held),
        (5, undeclared && answering,               held),
        (6, !answering,                            inconclusive),
        (7, time_left && !shown_healthy,           pending),
        (8, shown_healthy && hold.is_none(),       promote),
        (8, shown_healthy && time_left,            pending), // a gate holds the promote
        (9, true,                                  inconclusive),
    ];
    let first = table.into_iter().find(|(_, matches, _)| *matches);
    let (row, _, verdict) = first.unwrap_or((9, true, inconclusive));
    let hold = hold.filter(|_| row > 3);
    Decision { row, verdict, hold }
}

/// The hold that is named when several apply: the one that invalidates most comes first.
const fn holding(s: &Situation) -> Option<Hold> {
    match s.population {
        _ if s.environment_degraded => Some(Hold::EnvironmentDegraded),
        Population::ArmAbsent => Some(Hold::ArmAbsent),
        Population::TrafficMismatch => Some(Hold::TrafficMismatch),
        Population::AsDeclared if s.suspect => Some(Hold::DataSuspect),
        Population::AsDeclared if s.budget_burning => Some(Hold::BudgetBurning),
        Population::AsDeclared => match s.outside {
            Some(outside) => Some(outside.hold()),
            None => None,
        },
    }
}

impl Situation {
    /// The bake time is over and every gate is shown within its limit.
    pub const fn shown_healthy(&self) -> bool {
        self.bake_over && self.all_within
    }

    /// Reads the situation off the newest judgement. Time is that of the judged data, not of the
    /// clock, so that the same records decide the same at any later time (A6).
    pub fn of(plan: &Plan, judgement: Option<&Judgement>, source: Source) -> Self {
        let nothing_seen = Self {
            overridden: None,
            gate_worse: false,
            abort_rung: false,
            environment_degraded: false,
            population: Population::AsDeclared,
            source,
            bake_over: false,
            deadline: false,
            all_within: false,
            suspect: false,
            budget_burning: false,
            outside: None,
        };
        let Some(seen) = judgement else {
            return nothing_seen;
        };
        let timing = &plan.timing;
        let gates = || seen.findings.iter().filter(|f| f.role.is_gate());
        let complete = seen.findings.len() == plan.metrics.len() && gates().next().is_some();
        let objective_alike = seen.objectives.iter().any(|objective| {
            objective.baseline_burns_too
                && !objective.worse_than_baseline
                && objective.rungs.iter().any(|rung| rung.proven)
        });
        let abort = |rung: &RungFinding| rung.proven && rung.rolls_back;
        let aborted = seen.objectives.iter().any(score::aborts);
        let (gate_worse, all_within) = match &plan.judge.method {
            Method::Sequential | Method::MannWhitney => (
                gates().any(|f| f.label == Label::Worse && evident(f)),
                gates().all(|f| f.label == Label::Within && evident(f)),
            ),
            // Its score decides, over all metrics; what is missing is in the outcome already.
            Method::Kayenta(_) => (
                seen.outcome == Outcome::Fail && !aborted,
                seen.outcome == Outcome::Pass && gates().all(evident),
            ),
        };
        Self {
            gate_worse,
            abort_rung: seen
                .objectives
                .iter()
                .any(|o| o.worse_than_baseline && o.rungs.iter().any(abort)),
            environment_degraded: objective_alike || gates().any(|f| f.both_degraded),
            population: population(seen),
            bake_over: seen.covered_to >= timing.bake_until && steps::last_has_baked(plan, seen),
            deadline: extension::is_last(plan, seen),
            all_within: complete && all_within && guarded(seen) && every_step_shown(seen),
            suspect: !seen.suspect.is_empty(),
            budget_burning: seen
                .objectives
                .iter()
                .any(|o| o.rungs.iter().any(|rung| rung.proven)),
            ..nothing_seen
        }
    }
}

/// Why a verdict is inconclusive: `row` and `hold` as the table gave them, `judgement` the newest.
/// `None` when a person decided.
pub fn because(row: u8, hold: Option<&Hold>, judgement: Option<&Judgement>) -> Option<Reason> {
    let reason = match (row, hold) {
        (6, _) => Reason::SourceFault,
        (_, Some(hold)) if hold.is_outside() => Reason::Coordination,
        (1, _) => return None,
        (_, Some(Hold::EnvironmentDegraded)) => Reason::EnvironmentDegraded,
        (_, Some(Hold::TrafficMismatch)) => Reason::TrafficMismatch,
        (_, Some(Hold::ArmAbsent)) => Reason::NoData,
        (_, Some(Hold::DataSuspect)) => Reason::DataSuspect,
        (_, Some(Hold::BudgetBurning)) => Reason::BudgetBurning,
        (_, Some(_)) => Reason::Coordination,
        (_, None) => match judgement {
            Some(seen) if has_data(seen) => Reason::Undecided,
            Some(_) | None => Reason::NoData,
        },
    };
    Some(reason)
}

/// What the controller is told when the verdict is inconclusive for that reason. What others held
/// back is never rolled back for it, whatever the template says.
pub fn told(plan: &Plan, because: Option<Reason>) -> OnInconclusive {
    if because == Some(Reason::Coordination) {
        return OnInconclusive::Hold;
    }
    let exception = because.and_then(|reason| plan.exceptions.get(reason));
    exception.unwrap_or(plan.on_inconclusive)
}

/// Every gate has data, and so has what guards a promote beside them.
fn has_data(seen: &Judgement) -> bool {
    let mut gates = seen.findings.iter().filter(|f| f.role.is_gate());
    gates.all(|f| f.label != Label::NoData) && guarded(seen)
}

/// What guards a promote beside the gates has something to see (A5): every objective has events of
/// the canary, and declared traffic was observed.
fn guarded(seen: &Judgement) -> bool {
    let blind = |metric: &MetricName| {
        let finding = seen.findings.iter().find(|f| f.metric == *metric);
        finding.is_none_or(|f| f.label == Label::NoData || f.canary.n == 0)
    };
    seen.objectives.iter().all(|o| !blind(&o.metric))
        && seen
            .traffic
            .is_none_or(|traffic| traffic.observed.is_some())
}

/// Whether a step of traffic may be called healthy at all: there is a gate, every gate was tested,
/// and what guards a promote beside them has something to see (A5).
pub fn sees_enough(plan: &Plan, seen: &Judgement) -> bool {
    let gates = || seen.findings.iter().filter(|f| f.role.is_gate());
    let complete = seen.findings.len() == plan.metrics.len() && gates().next().is_some();
    complete && gates().all(evident) && guarded(seen)
}

/// The minimum evidence of every gate is reached within each step of traffic (A5).
fn every_step_shown(seen: &Judgement) -> bool {
    let mut metrics = seen.steps.iter().flat_map(|step| &step.metrics);
    metrics.all(|metric| metric.enough)
}

/// A test was run on data of both arms (A5), of the whole or of the value that makes it worse: a
/// label alone decides nothing.
fn evident(finding: &Finding) -> bool {
    let finding = finding.decisive();
    finding.evidence.is_some() && finding.baseline.n > 0 && finding.canary.n > 0
}

fn population(seen: &Judgement) -> Population {
    if seen.arms_absent() != (false, false) {
        return Population::ArmAbsent;
    }
    match &seen.traffic {
        Some(traffic) if traffic.mismatch => Population::TrafficMismatch,
        _ => Population::AsDeclared,
    }
}
