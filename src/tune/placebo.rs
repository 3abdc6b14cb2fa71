//! Placebo pairs: two populations between which nothing had changed, one of them called the
//! canary. A rollback of such a pair is false.

use crate::judge::windows::Batch;
use crate::plan::Plan;
use crate::plan::bind::bind;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::series::raw::Labels;
use crate::simulate::chance::Chance;
use crate::template::Template;
use crate::template::baseline::BaselineMode;
use crate::time::{Span, Timestamp};
use crate::tune::arms::{joined, relabelled, shifted};
use crate::tune::calendar::{Spot, WEEK_DAYS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use crate::tune::arms::ARM;

/// The part of a window at either end in which a replica must be there to be in an arm.
const ENDS: i64 = 5;

/// What makes the two populations of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rollout that is known to have been healthy.
    Healthy,
    /// Replicas against other replicas of one population, at the same time.
    Replicas,
    /// A window against the one before it.
    Adjacent,
    /// A window against the same one a day before.
    DayBefore,
    /// A window against the same one a week before.
    WeekBefore,
}

impl Kind {
    /// All of them, the strongest first.
    pub const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Replicas,
        Self::Adjacent,
        Self::DayBefore,
        Self::WeekBefore,
    ];

    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy rollouts",
            Self::Replicas => "replicas",
            Self::Adjacent => "adjacent windows",
            Self::DayBefore => "day before",
            Self::WeekBefore => "week before",
        }
    }

    /// Why a rollback of such a pair may not be the template's fault; `None` for kinds in which
    /// both arms stand side by side, as they do live.
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Healthy | Self::Replicas => None,
            Self::Adjacent => Some("the two windows see different parts of the daily cycle"),
            Self::DayBefore => Some("days differ: weekends, releases, campaigns"),
            Self::WeekBefore => Some("weeks differ: growth, seasons, releases"),
        }
    }
}

/// The samples of one window of one healthy population.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which window.
    pub spot: Spot,
    /// Its samples as a live analysis would read them.
    pub whole: Arc<Batch>,
    /// The same with replicas kept apart in every series, where that is asked for.
    pub apart: Option<Arc<Batch>>,
}

/// The population whose history is looked at.
#[derive(Clone, Debug)]
pub struct Population {
    /// What selects it.
    pub scope: Scope,
    /// The label that tells its replicas apart, where they are to be.
    pub per: Option<String>,
    /// What is said of the rollout.
    pub deploy: Deploy,
    /// Values for the template's inputs.
    pub inputs: BTreeMap<String, String>,
}

/// Where the samples of a pair come from.
#[derive(Clone, Debug)]
enum From {
    /// Series of one window; these replicas are the canary.
    Split {
        held: Arc<Batch>,
        scope: Scope,
        per: String,
        canary: BTreeSet<String>,
        all: BTreeSet<String>,
    },
    /// Two windows; the baseline's is this much older.
    Shifted {
        canary: Arc<Batch>,
        baseline: Arc<Batch>,
        scope: Scope,
        by: Span,
    },
    /// Both arms as they were.
    Recorded {
        batch: Arc<Batch>,
        baseline: Scope,
        canary: Scope,
    },
}

/// One placebo pair.
#[derive(Clone, Debug)]
pub struct Case {
    /// What makes its populations.
    pub kind: Kind,
    /// The oldest instant of either arm's window.
    pub oldest: Timestamp,
    /// Groups of pairs that are alike: the day, and the canary's replicas.
    pub clusters: [String; 2],
    /// Whether it is known to be a bad rollout: no placebo, but what shows which metric finds it.
    pub bad: bool,
    rollout: Rollout,
    from: From,
}

impl Case {
    /// When its window begins.
    pub fn start(&self) -> Timestamp {
        self.rollout.start
    }

    /// What it shares with other pairs of the same time: its start and its service.
    pub fn window(&self) -> (Timestamp, &str) {
        (self.rollout.start, &self.rollout.deploy.service)
    }

    /// The plan of a template for it: arms are told apart by [`ARM`].
    ///
    /// # Errors
    /// The first thing that keeps it from being made.
    pub fn plan(&self, template: &Template) -> Result<Plan, String> {
        let known = |name: &String| template.inputs.iter().any(|input| input.name == *name);
        let mut rollout = self.rollout.clone();
        rollout.inputs.retain(|name, _| known(name));
        bind(&concurrent(template), &rollout).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })
    }

    /// Its samples, each series with its arm.
    pub fn batch(&self) -> Batch {
        match &self.from {
            From::Split {
                held,
                scope,
                per,
                canary,
                all,
            } => relabelled(held, |labels| {
                let replica = labels.get(per).filter(|name| all.contains(*name));
                let arm = |name: &String| {
                    if canary.contains(name) {
                        CANARY
                    } else {
                        BASELINE
                    }
                };
                replica.filter(|_| scope.matches(labels)).map(arm)
            }),
            From::Shifted {
                canary,
                baseline,
                scope,
                by,
            } => {
                let arm = |arm| move |labels: &Labels| scope.matches(labels).then_some(arm);
                let mut out = relabelled(canary, arm(CANARY));
                let older = shifted(relabelled(baseline, arm(BASELINE)), *by);
                joined(&mut out, older);
                out
            }
            From::Recorded {
                batch,
                baseline,
                canary,
            } => relabelled(batch, |labels| {
                match (baseline.matches(labels), canary.matches(labels)) {
                    (true, false) => Some(BASELINE),
                    (false, true) => Some(CANARY),
                    _ => None,
                }
            }),
        }
    }

    /// A rollout that was recorded, with both its arms.
    pub fn recorded(rollout: &Rollout, batch: Arc<Batch>, bad: bool) -> Self {
        let from = From::Recorded {
            batch,
            baseline: rollout.baseline.clone(),
            canary: rollout.canary.clone(),
        };
        Self {
            kind: Kind::Healthy,
            oldest: rollout.start,
            clusters: [day(rollout.start), rollout.deploy.service.clone()],
            bad,
            rollout: tagged(rollout.clone()),
            from,
        }
    }
}

const BASELINE: &str = "baseline";
const CANARY: &str = "canary";

/// The rollout with arms that are told apart by [`ARM`].
fn tagged(rollout: Rollout) -> Rollout {
    let arm = |name: &str| {
        Matcher::equals(ARM, name)
            .and_then(|matcher| Scope::new(vec![matcher]))
            .expect("A3: the label is a legal one")
    };
    Rollout {
        baseline: arm(BASELINE),
        canary: arm(CANARY),
        ..rollout
    }
}

/// What a live analysis of the population would ask for: a plan whose `${selector}` and
/// `${arm_labels}` are those of the scope, and of the label of the replicas with `apart`.
///
/// # Errors
/// Why there is none.
pub fn reading(
    template: &Template,
    population: &Population,
    start: Timestamp,
    apart: bool,
) -> Result<Plan, String> {
    let mut mine: Vec<Matcher> = population.scope.matchers().to_vec();
    let named = |matchers: &[Matcher], label: &str| matchers.iter().any(|m| m.label() == label);
    if let Some(per) = population.per.as_ref().filter(|_| apart)
        && !named(&mine, per)
    {
        mine.extend(Matcher::regex(per, ".+"));
    }
    let nobody = nobody(&mine)?;
    let scope = |matchers| Scope::new(matchers).ok_or_else(|| "the scope is empty".to_owned());
    let rollout = Rollout {
        deploy: population.deploy.clone(),
        inputs: population.inputs.clone(),
        baseline: scope(mine)?,
        canary: scope(nobody)?,
        start,
        duration: None,
    };
    bind(&concurrent(template), &rollout).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        lines.join("\n       ")
    })
}

/// The template with both arms of one time, whatever it asks for: those of a pair have been moved
/// to one already.
fn concurrent(template: &Template) -> Template {
    let mut out = template.clone();
    out.baseline = BaselineMode::Concurrent;
    out.steps = None; // nobody gave the placebo more traffic step by step
    for rule in &mut out.changes {
        rule.template.baseline = BaselineMode::Concurrent;
        rule.template.steps = None;
    }
    out
}

/// Matchers of the same labels that select nothing the given ones do.
fn nobody(matchers: &[Matcher]) -> Result<Vec<Matcher>, String> {
    const NOBODY: &str = "haldane_nobody";
    let free = |matcher: &&Matcher| {
        let labels = Labels::from([(matcher.label().to_owned(), NOBODY.to_owned())]);
        !matcher.matches(&labels)
    };
    let Some(chosen) = matchers.iter().find(free).map(Matcher::label) else {
        return Err(
            "the matchers select everything; name a label with a value, such as track=\"stable\""
                .to_owned(),
        );
    };
    let one = |matcher: &Matcher| {
        if matcher.label() == chosen {
            Matcher::equals(chosen, NOBODY)
        } else {
            Some(matcher.clone())
        }
    };
    Ok(matchers.iter().filter_map(one).collect())
}

/// How pairs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Making {
    /// The most pairs of each kind.
    pub pairs: usize,
    /// Replicas of the canary; at most half of all.
    pub canary_replicas: usize,
    /// Of the choice of replicas.
    pub seed: u64,
}

/// The pairs of these windows, the oldest first.
pub fn cases(population: &Population, held: &[Held], making: Making) -> Vec<Case> {
    let mut out = Vec::new();
    let mut order: Vec<&Held> = held.iter().collect();
    order.sort_by_key(|held| held.spot);
    for kind in [
        Kind::Replicas,
        Kind::Adjacent,
        Kind::DayBefore,
        Kind::WeekBefore,
    ] {
        let mut mine = Vec::new();
        for one in &order {
            match kind {
                Kind::Replicas => {
                    let splits = making.pairs.div_ceil(order.len().max(1));
                    mine.extend(splits_of(population, one, splits, making));
                }
                _ => mine.extend(before(kind, population, one, &order)),
            }
        }
        out.extend(thinned(mine, making.pairs));
    }
    out
}

/// At most so many, evenly.
pub fn thinned<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let len = all.len();
    if len <= most {
        return all;
    }
    let keep = |idx: usize| idx * most / len != (idx + 1) * most / len;
    let kept = all.into_iter().enumerate().filter(|(idx, _)| keep(*idx));
    kept.map(|(_, one)| one).collect()
}

fn splits_of(population: &Population, held: &Held, splits: usize, making: Making) -> Vec<Case> {
    let (Some(per), Some(batch)) = (&population.per, &held.apart) else {
        return Vec::new();
    };
    let all = replicas(batch, &population.scope, per, held.spot.start);
    if all.len() < 2 {
        return Vec::new();
    }
    let size = making.canary_replicas.clamp(1, all.len() / 2);
    let mut names: Vec<&String> = all.iter().collect();
    let mut chance = Chance::new(making.seed, &["replicas", &held.spot.start.to_string()]);
    for idx in (1..names.len()).rev() {
        names.swap(idx, chance.whole(idx + 1));
    }
    let chosen = names.chunks_exact(size).take(splits);
    chosen
        .map(|names| {
            let canary: BTreeSet<String> = names.iter().map(|name| (*name).clone()).collect();
            let called: Vec<&str> = canary.iter().map(String::as_str).collect();
            Case {
                kind: Kind::Replicas,
                oldest: held.spot.start,
                clusters: [day(held.spot.start), called.join(",")],
                bad: false,
                rollout: rollout(population, held.spot.start),
                from: From::Split {
                    held: Arc::clone(batch),
                    scope: population.scope.clone(),
                    per: per.clone(),
                    canary,
                    all: all.clone(),
                },
            }
        })
        .collect()
}

/// The replicas that are there at both ends of the window.
fn replicas(batch: &Batch, scope: &Scope, per: &str, start: Timestamp) -> BTreeSet<String> {
    let part = Span::from_ms(batch.to.since(start).ms() / ENDS);
    let (early, late) = (start.plus(part), batch.to.minus(part));
    let mut seen: BTreeMap<&String, (bool, bool)> = BTreeMap::new();
    for (_, answer) in &batch.answers {
        let floats = answer.series.iter().map(|series| {
            let at: Vec<Timestamp> = series.samples.iter().map(|sample| sample.at).collect();
            (&series.labels, at)
        });
        let native = answer.histograms.iter().map(|series| {
            let at: Vec<Timestamp> = series.samples.iter().map(|sample| sample.at).collect();
            (&series.labels, at)
        });
        for (labels, at) in floats.chain(native) {
            let name = labels.get(per).filter(|name| !name.is_empty());
            let Some(name) = name.filter(|_| scope.matches(labels)) else {
                continue;
            };
            let entry = seen.entry(name).or_default();
            entry.0 |= at.iter().any(|at| *at >= start && *at <= early);
            entry.1 |= at.iter().any(|at| *at >= late);
        }
    }
    let whole = seen.into_iter().filter(|(_, ends)| *ends == (true, true));
    whole.map(|(name, _)| name.clone()).collect()
}

fn before(kind: Kind, population: &Population, one: &Held, all: &[&Held]) -> Option<Case> {
    let (day_back, slot_back) = match kind {
        Kind::Adjacent => (0, 1),
        Kind::DayBefore => (1, 0),
        Kind::WeekBefore => (WEEK_DAYS, 0),
        Kind::Healthy | Kind::Replicas => return None,
    };
    let (day_idx, slot) = (one.spot.day + day_back, one.spot.slot + slot_back);
    let older = all
        .iter()
        .find(|held| held.spot.day == day_idx && held.spot.slot == slot)?;
    let start = one.spot.start;
    Some(Case {
        kind,
        oldest: older.spot.start,
        clusters: [day(start), format!("slot {}", one.spot.slot)],
        bad: false,
        rollout: rollout(population, start),
        from: From::Shifted {
            canary: Arc::clone(&one.whole),
            baseline: Arc::clone(&older.whole),
            scope: population.scope.clone(),
            by: start.since(older.spot.start),
        },
    })
}

fn rollout(population: &Population, start: Timestamp) -> Rollout {
    tagged(Rollout {
        deploy: population.deploy.clone(),
        inputs: population.inputs.clone(),
        baseline: population.scope.clone(),
        canary: population.scope.clone(),
        start,
        duration: None,
    })
}

/// The UTC day of an instant, as a name.
fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}
