//! A scenario in simulated time: the engine itself, with its plans, looks, windows and verdict
//! table, on a source, a store and a clock that are made up. Nothing waits: the clock goes from one
//! thing to do to the next.

use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::{Concurrent, Coordination, Release, Wave};
use crate::engine::effect::{Answer, Effect, FetchOrder, JudgeOrder, first_from};
use crate::engine::event::{Event, Submission, Ticket};
use crate::engine::guard::guarded;
use crate::engine::record::{Conclusion, Record, Seq};
use crate::engine::view::View;
use crate::engine::{Engine, Limits};
use crate::ids::{AnalysisId, DeployId};
use crate::judge::judge_again;
use crate::judge::judgement::Judgement;
use crate::judge::sequential::{Detail, Memory, Tables};
use crate::plan::bind::bind;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::plan::{Plan, stepping_as_planned};
use crate::simulate::scenario::{Deed, Fault, Happening, RolloutSpec, Scenario, Service};
use crate::simulate::source::{Feed, fault_at};
use crate::simulate::traffic::Traffic;
use crate::template::Template;
use crate::template::baseline::BaselineMode;
use crate::time::{Span, Step, Timestamp};
use crate::units::Probability;
use crate::wire::scope_text;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Things done in one run; a run that does more is ended as a fault of ours: it would never end.
const STEPS_MAX: usize = 1_000_000;

/// The deploy that all waves of a scenario belong to.
const DEPLOY: &str = "simulated";

/// What a person of the scenario is called in the log.
const AUTHOR: &str = "scenario";

/// A scenario whose plans are made.
#[derive(Clone, Debug)]
pub struct Ready {
    scenario: Scenario,
    plans: Vec<(Arc<Plan>, Arc<str>)>,
    start: Timestamp,
    born: Timestamp,
}

/// How one analysis ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its verdict, with row, hold and sentence.
    pub conclusion: Conclusion,
    /// From its start to its verdict.
    pub took: Span,
}

impl Ready {
    /// Binds the template of each rollout: its text and what it says. `start` moves the whole
    /// scenario to another instant.
    ///
    /// # Errors
    /// A rollout no plan can be made of.
    pub fn new(
        scenario: Scenario,
        templates: &[(Template, Arc<str>)],
        start: Option<Timestamp>,
    ) -> Result<Self, String> {
        let start = start.unwrap_or(scenario.spec.start.0);
        let mut plans: Vec<(Arc<Plan>, Arc<str>)> = Vec::new();
        for (spec, (template, text)) in scenario.spec.rollouts.iter().zip(templates) {
            let rollout = rollout(&scenario, spec, template, start)?;
            let rollout = stepping_as_planned(template, rollout);
            let plan = bind(template, &rollout).map_err(|found| {
                let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
                format!("rollout of {}: {}", spec.service.value, lines.join("; "))
            })?;
            plans.push((Arc::new(plan), Arc::clone(text)));
        }
        let first = plans.iter().map(|(plan, _)| {
            first_from(plan)
                .minus(plan.back())
                .minus(scenario.spec.scrape.0)
        });
        let born = first.min().unwrap_or(start);
        Ok(Self {
            scenario,
            plans,
            start,
            born,
        })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The plans, in the order of the rollouts.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.iter().map(|(plan, _)| plan)
    }

    /// The instant all times of the scenario are counted from.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first and the last instant any plan reads.
    pub fn reach(&self) -> (Timestamp, Timestamp) {
        let ends = self.plans().map(|plan| plan.timing.deadline);
        (self.born, ends.max().unwrap_or(self.start))
    }

    /// Its traffic under a seed.
    pub fn traffic(&self, seed: u64) -> Traffic {
        Traffic::born_at(self.scenario.clone(), seed, self.born)
    }

    /// Runs all its analyses under a seed, to their verdicts, in the order of the rollouts.
    /// `detail` says how much of a sentence anybody will read.
    ///
    /// # Errors
    /// A query no sample can be made for, or a fault of ours.
    pub fn run(&self, seed: u64, detail: Detail, tables: &Tables) -> Result<Vec<Ended>, String> {
        let played = self.play(seed, detail, tables)?;
        let all = played.into_iter().map(|played| played.conclusion);
        Ok(all.zip(self.plans()).map(ended).collect())
    }

    /// The same, with the judgement of the last look of each.
    ///
    /// # Errors
    /// As [`Ready::run`].
    pub fn play(&self, seed: u64, detail: Detail, tables: &Tables) -> Result<Vec<Played>, String> {
        let traffic = self.traffic(seed);
        let spec = &self.scenario.spec;
        let coordination: Vec<_> = spec.rollouts.iter().map(coordination).collect();
        let stage = Stage {
            start: self.start,
            faults: &spec.faults,
            events: &spec.events,
            coordination: &coordination,
            detail,
            tables,
        };
        let feeds = self
            .plans()
            .map(|plan| Feed::of(&traffic, plan, self.start));
        stage.play(&self.plans, feeds.collect::<Result<_, String>>()?)
    }
}

/// How one analysis ended, with what was last judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// Its verdict, with row, hold and sentence.
    pub conclusion: Conclusion,
    /// The judgement of its last look; none when it never had samples.
    pub judgement: Option<Arc<Judgement>>,
}

/// What stands around analyses while they run.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The instant the times of faults and events are counted from.
    pub start: Timestamp,
    /// What goes wrong with the source of samples.
    pub faults: &'a [Fault],
    /// What people and machines do meanwhile.
    pub events: &'a [Happening],
    /// How the analyses stand to one another; those beyond stand alone.
    pub coordination: &'a [Coordination],
    /// How much of a sentence anybody will read.
    pub detail: Detail,
    /// What judgements share.
    pub tables: &'a Tables,
}

impl Stage<'_> {
    /// Runs analyses, each of its plan and the template's text, on their samples, to their
    /// verdicts.
    ///
    /// # Errors
    /// A fault of ours.
    pub fn play(
        &self,
        plans: &[(Arc<Plan>, Arc<str>)],
        feeds: Vec<Feed>,
    ) -> Result<Vec<Played>, String> {
        let mut world = World::new(self, plans, feeds);
        for _ in 0..STEPS_MAX {
            if world.ended.len() == plans.len() {
                let all = (0..plans.len()).filter_map(|idx| world.ended.remove(&name(idx)));
                return Ok(all.collect());
            }
            world.step()?;
        }
        Err(format!("no verdict after {STEPS_MAX} steps; this is a bug"))
    }
}

fn ended((conclusion, plan): (Conclusion, &Arc<Plan>)) -> Ended {
    Ended {
        took: conclusion.at.since(plan.timing.start),
        conclusion,
    }
}

fn name(idx: usize) -> AnalysisId {
    AnalysisId::new(&format!("simulated-{idx}")).expect("letters and digits make a name")
}

fn coordination(spec: &RolloutSpec) -> Coordination {
    Coordination {
        shadow: spec.shadow,
        concurrent: if spec.supersedes {
            Concurrent::Supersede
        } else {
            Concurrent::Allow
        },
        release: spec.release.clone().map(|group| Release {
            group,
            members: Vec::new(),
            order: None,
        }),
        wave: spec.wave.map(|index| Wave {
            name: DEPLOY.to_owned(),
            index,
        }),
    }
}

/// What the controller of a scenario would submit.
fn rollout(
    scenario: &Scenario,
    spec: &RolloutSpec,
    template: &Template,
    start: Timestamp,
) -> Result<Rollout, String> {
    let services = || scenario.spec.services.iter();
    let service = services()
        .find(|service| service.name == spec.service.value)
        .ok_or_else(|| format!("there is no service `{}`", spec.service.value))?;
    let mut inputs = spec.inputs.clone();
    let wants = template.inputs.iter().any(|input| input.name == "service");
    if wants && !inputs.contains_key("service") {
        inputs.insert("service".to_owned(), service.name.clone());
    }
    let share = spec
        .traffic_share
        .and_then(|share| Probability::new(share.0));
    let same = |other: &&RolloutSpec| other.service.value == spec.service.value;
    let before = scenario
        .spec
        .rollouts
        .iter()
        .take_while(|other| !std::ptr::eq(*other, spec));
    let nth = before.filter(same).count() + 1;
    // A baseline of another time is the canary's own past.
    let baseline = match template.baseline {
        BaselineMode::Concurrent => &service.baseline,
        _ => &service.canary,
    };
    Ok(Rollout {
        deploy: Deploy {
            id: DeployId::new(&format!("{}-{nth}", service.name)),
            service: service.name.clone(),
            traffic_share: share,
            ..Deploy::default()
        },
        inputs,
        baseline: scope(spec, service, baseline)?,
        canary: scope(spec, service, &service.canary)?,
        start: start.plus(spec.after.0),
        duration: spec.duration.map(|duration| duration.0),
    })
}

fn scope(spec: &RolloutSpec, service: &Service, arm: &str) -> Result<Scope, String> {
    let label = &service.arm_label;
    let arm = Matcher::equals(label, arm).ok_or_else(|| {
        format!("armLabel `{label}` with the value `{arm}` selects nothing; use letters and `_`")
    })?;
    let mut matchers = vec![arm];
    if let Some(written) = &spec.scope {
        let further = scope_text::parse(&written.value).map_err(|why| why.to_string())?;
        matchers.extend(further.matchers().iter().cloned());
    }
    Scope::new(matchers).ok_or_else(|| "the scope names a label twice".to_owned())
}

/// The engine and everything around it.
struct World<'a> {
    stage: &'a Stage<'a>,
    plans: &'a [(Arc<Plan>, Arc<str>)],
    engine: Engine,
    log: Vec<(Seq, Record)>,
    feeds: BTreeMap<AnalysisId, Feed>,
    memories: BTreeMap<AnalysisId, Memory>,
    wake_at: Option<Timestamp>,
    /// What is still to come from outside, the next one last.
    coming: Vec<(Timestamp, Coming<'a>)>,
    tickets: u64,
    ended: BTreeMap<AnalysisId, Played>,
}

enum Coming<'a> {
    Submission(usize),
    Deed(&'a Happening),
}

impl<'a> World<'a> {
    fn new(stage: &'a Stage<'a>, plans: &'a [(Arc<Plan>, Arc<str>)], of: Vec<Feed>) -> Self {
        let mut feeds = BTreeMap::new();
        let mut coming = Vec::new();
        for (idx, ((plan, _), feed)) in plans.iter().zip(of).enumerate() {
            feeds.insert(name(idx), feed);
            coming.push((plan.timing.start, Coming::Submission(idx)));
        }
        for deed in stage.events {
            coming.push((stage.start.plus(deed.at.0), Coming::Deed(deed)));
        }
        // The sort is stable: what is written first happens first.
        coming.sort_by_key(|(at, _)| *at);
        coming.reverse();
        Self {
            stage,
            plans,
            engine: Engine::new(Limits::default()),
            log: Vec::new(),
            feeds,
            memories: BTreeMap::new(),
            wake_at: None,
            coming,
            tickets: 0,
            ended: BTreeMap::new(),
        }
    }

    /// Goes to the next instant at which there is something to do, and does it.
    fn step(&mut self) -> Result<(), String> {
        let next = self.coming.last().map(|(at, _)| *at);
        match (self.wake_at, next) {
            (Some(wake), next) if next.is_none_or(|next| wake < next) => {
                self.wake_at = None;
                self.tell(wake, Event::Woke)
            }
            (_, Some(_)) => match self.coming.pop() {
                Some((at, Coming::Submission(idx))) => self.submit(at, idx),
                Some((at, Coming::Deed(deed))) => self.deed(at, deed),
                None => Ok(()),
            },
            (None, None) => Err("nothing is left to do without a verdict; this is a bug".into()),
            (Some(_), None) => Ok(()),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn submit(&mut self, now: Timestamp, idx: usize) -> Result<(), String> {
        let Some((plan, text)) = self.plans.get(idx) else {
            return Ok(());
        };
        let submission = Box::new(Submission {
            id: name(idx),
            key: None,
            template_text: Arc::clone(text),
            plan: Arc::clone(plan),
            receivers: Vec::new(),
            coordination: self
                .stage
                .coordination
                .get(idx)
                .cloned()
                .unwrap_or_default(),
        });
        let ticket = self.ticket();
        self.tell(now, Event::Submitted { ticket, submission })
    }

    fn deed(&mut self, now: Timestamp, deed: &Happening) -> Result<(), String> {
        match deed.what {
            Deed::Kill => return self.kill(now),
            Deed::Freeze => return self.freeze(now, deed),
            Deed::Override | Deed::Cancel | Deed::Step => {}
        }
        for idx in 0..self.plans.len() {
            let id = name(idx);
            let to_come = |(_, coming): &(Timestamp, Coming<'_>)| match coming {
                Coming::Submission(other) => *other == idx,
                Coming::Deed(_) => false,
            };
            if self.ended.contains_key(&id) || self.coming.iter().any(to_come) {
                continue;
            }
            let (author, reason) = (AUTHOR.to_owned(), deed.reason.clone());
            let ticket = self.ticket();
            let share = deed.share.and_then(|share| Probability::new(share.0));
            if let Some(share) = share {
                self.tell(now, Event::Stepped { ticket, id, share })?;
                continue;
            }
            let event = match deed.verdict {
                Some(verdict) => Event::Overridden {
                    ticket,
                    id,
                    verdict: verdict.0,
                    author,
                    reason,
                },
                None => Event::Cancelled {
                    ticket,
                    id,
                    author,
                    reason,
                },
            };
            self.tell(now, event)?;
        }
        Ok(())
    }

    fn freeze(&mut self, now: Timestamp, deed: &Happening) -> Result<(), String> {
        let ticket = self.ticket();
        let freeze = Box::new(Freeze {
            id: AnalysisId::new(&format!("freeze-{}", ticket.0))
                .expect("letters and digits make a name"),
            service: deed.service.as_ref().map(|service| service.value.clone()),
            environment: None,
            region: None,
            from: now,
            until: deed.lasts.map(|lasts| now.plus(lasts.0)),
            author: AUTHOR.to_owned(),
            reason: deed.reason.clone(),
        });
        self.tell(now, Event::Frozen { ticket, freeze })
    }

    /// All that is left of the daemon is its log.
    fn kill(&mut self, now: Timestamp) -> Result<(), String> {
        self.wake_at = None;
        self.memories.clear();
        let mut owed = Vec::new();
        let log = self.log.iter().cloned();
        let (engine, unreadable) = Engine::recover(Limits::default(), log, now, &mut owed);
        if let Some(one) = unreadable.first() {
            return Err(format!("{}: {}; this is a bug", one.id, one.why));
        }
        self.engine = engine;
        let mut events = VecDeque::new();
        self.perform(now, owed, &mut events)?;
        self.work_off(now, events)
    }

    fn tell(&mut self, now: Timestamp, event: Event) -> Result<(), String> {
        self.work_off(now, VecDeque::from([event]))
    }

    fn work_off(&mut self, now: Timestamp, mut events: VecDeque<Event>) -> Result<(), String> {
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.engine.handle(now, event, &mut effects);
            self.perform(now, effects, &mut events)?;
        }
        Ok(())
    }

    fn perform(
        &mut self,
        now: Timestamp,
        effects: Vec<Effect>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), String> {
        for effect in effects {
            match effect {
                Effect::Append(records) => {
                    let up_to = records.last().map(|(seq, _)| *seq);
                    self.log.extend(records);
                    events.extend(up_to.map(|up_to| Event::Appended { up_to }));
                }
                Effect::Fetch(order) => events.push_back(self.fetch(now, order)),
                Effect::Judge(order) => events.push_back(self.judge(order)),
                Effect::WakeAt(at) => self.wake_at = Some(at),
                Effect::Publish(view) => self.publish(&view),
                Effect::Answer { answer, .. } => {
                    if let Answer::Refused(why) = *answer {
                        return Err(format!("the engine refused: {why:?}"));
                    }
                }
                // Nobody hears of anything here, so nobody wants it once more.
                Effect::Send(_)
                | Effect::Rebuild { .. }
                | Effect::Recall { .. }
                | Effect::Good(_)
                | Effect::Forget(_)
                | Effect::Freezes(_) => {}
            }
        }
        Ok(())
    }

    fn publish(&mut self, view: &View) {
        if let Some(conclusion) = &view.conclusion {
            let played = Played {
                conclusion: conclusion.clone(),
                judgement: view.judgement.clone(),
            };
            self.ended.insert(view.id.clone(), played);
        }
    }

    fn fetch(&self, now: Timestamp, order: FetchOrder) -> Event {
        let fault = fault_at(self.stage.faults, self.stage.start, now);
        let fetched = self
            .feeds
            .get(&order.id)
            .map(|feed| feed.fetch(&order, fault));
        let FetchOrder { id, look, .. } = order;
        match fetched {
            Some(Ok(batch)) => Event::Fetched {
                id,
                look,
                batch: Arc::new(batch),
            },
            Some(Err(fault)) => Event::FetchFailed { id, look, fault },
            None => {
                let message = "nobody submitted this analysis".to_owned();
                Event::JudgeFailed { id, look, message }
            }
        }
    }

    fn judge(&mut self, order: JudgeOrder) -> Event {
        let (detail, tables) = (self.stage.detail, self.stage.tables);
        let memory = self.memories.entry(order.id.clone());
        let memory = memory.or_insert_with(|| Memory::sharing(detail, tables));
        let JudgeOrder {
            id,
            look,
            plan,
            windows,
        } = order;
        match guarded(|| judge_again(&plan, &windows, look, memory)) {
            Ok(judgement) => Event::Judged {
                id,
                judgement: Arc::new(judgement),
            },
            Err(message) => Event::JudgeFailed { id, look, message },
        }
    }
}

/// A step as long as a scrape of the scenario.
pub fn scrape_step(scenario: &Scenario) -> Step {
    Step::new(scenario.spec.scrape.0).expect("a scenario's scrape is above zero")
}
