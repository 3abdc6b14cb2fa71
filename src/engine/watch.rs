//! A rollback seen through: after the verdict the canary's population is looked at again, in short
//! windows of their own, until what was wrong is right or the time is up. The verdict stands
//! whatever is seen (A4); every glance and the end are records.
//!
//! A glance is stateless: its number and the verdict's instant give its window. So a restart goes
//! on with the glance that is due; of those that were missed it takes as many as must be well.

use crate::engine::Engine;
use crate::engine::after::{Acknowledged, After, Ending, Glance, Outcome, Seen, Watch};
use crate::engine::analysis::{Analysis, Phase};
use crate::engine::delivery::Birth;
use crate::engine::effect::{Effect, FetchOrder, JudgeOrder, first_from};
use crate::engine::glance::{Course, plan_of};
use crate::engine::good::{Good, Goods};
use crate::engine::guard::guarded;
use crate::engine::limits::WATCH_LATE_MAX;
use crate::engine::record::{Conclusion, Fact, Seq};
use crate::engine::sight::{Scene, Sight, sight};
use crate::engine::subscription::Moment;
use crate::engine::timers::Waiter;
use crate::engine::verdict::Verdict;
use crate::ids::AnalysisId;
use crate::judge::judgement::Judgement;
use crate::judge::windows::{Batch, Windows};
use crate::plan::Plan;
use crate::time::{Span, Timestamp};
use std::sync::Arc;

/// The wait of a glance that is due while the source or the store is busy with verdicts.
const STAND_BACK: Span = Span::from_s(1);

/// What a watch is doing right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It waits for the next glance.
    Resting,
    /// Samples of this glance were asked for.
    Fetching { number: u32 },
    /// A judgement of this glance was asked for.
    Judging { number: u32 },
}

/// One rollback under watch.
#[derive(Debug)]
pub(super) struct Watching {
    course: Course,
    newest: Option<Glance>,
    /// Glances in a row that were well.
    well: u32,
    /// What was seen last that told anything.
    told: Option<Glance>,
    /// Data of the canary were seen since the verdict.
    canary_seen: bool,
    ending: Option<Ending>,
    /// Who had taken note when it ended.
    noted: Option<Acknowledged>,
    doing: Doing,
}

impl Watching {
    /// The watch that a conclusion calls for; `None` for all but rollbacks.
    pub(super) fn after(plan: &Plan, conclusion: &Conclusion, within: Span) -> Option<Self> {
        let wanted = conclusion.verdict == Verdict::Rollback && within > Span::ZERO;
        wanted.then(|| Self {
            course: Course::new(plan, conclusion.at, within),
            newest: None,
            well: 0,
            told: None,
            canary_seen: false,
            ending: None,
            noted: None,
            doing: Doing::Resting,
        })
    }

    fn seen(&mut self, glance: &Glance) {
        let follows = glance.number == self.number().saturating_add(1);
        // Silence is no health: a window that tells nothing, or that nobody looked at, breaks the
        // row.
        self.well = match (glance.seen.is_well(), follows) {
            (true, true) => self.well.saturating_add(1),
            (true, false) => 1,
            (false, _) => 0,
        };
        if glance.seen != Seen::Blind {
            self.told = Some(glance.clone());
        }
        self.canary_seen |= matches!(glance.seen, Seen::Quiet | Seen::Burning);
        self.newest = Some(glance.clone());
    }

    fn number(&self) -> u32 {
        self.newest.as_ref().map_or(0, |glance| glance.number)
    }

    /// How it ends with what was seen so far, if it does.
    fn ends(&self, at: Timestamp) -> Option<Ending> {
        let needed = self.course.needed;
        let last = self.number() >= self.course.glances;
        if self.is_over() || (self.well < needed && !last) {
            return None;
        }
        let newest = self.newest.as_ref().map(|glance| glance.detail.as_str());
        let dark = self.newest.as_ref().is_some_and(|g| g.seen == Seen::Blind);
        let told = self.told.as_ref();
        let (outcome, detail) = match told {
            Some(told) if self.well >= needed => (Outcome::Recovered, told.detail.clone()),
            Some(told) if !told.seen.is_well() && dark => {
                let text = format!("{}; then nothing could be told", told.detail);
                (Outcome::Ineffective, text)
            }
            Some(told) if !told.seen.is_well() => (Outcome::Ineffective, told.detail.clone()),
            Some(_) if dark => {
                let text = newest.unwrap_or_default();
                let text = format!("it was well for too short a time, then: {text}");
                (Outcome::Unknown, text)
            }
            Some(told) => {
                let well = self.well;
                let text = format!("{}, in {well} of {needed} windows", told.detail);
                (Outcome::Unknown, text)
            }
            None => (Outcome::Unknown, newest.unwrap_or_default().to_owned()),
        };
        let known = told.filter(|_| outcome != Outcome::Unknown);
        Some(Ending {
            outcome,
            at,
            detail,
            by: known.and_then(|told| told.by),
            figures: told.map_or_else(Vec::new, |told| told.figures.clone()),
        })
    }

    fn is_over(&self) -> bool {
        self.ending.is_some()
    }
}

impl Analysis {
    /// Somebody took note of the verdict; the first one counts.
    pub(super) fn acknowledged(&mut self, at: Timestamp, by: String) {
        self.acknowledged.get_or_insert(Acknowledged { at, by });
    }

    /// A promote is the last good artefact of its place from now on, and is returned; a rollback
    /// has the one before it.
    pub(super) fn compare_with_good(
        &mut self,
        goods: &mut Goods,
        conclusion: &Conclusion,
    ) -> Option<Arc<Good>> {
        // What was only watched decided nothing: it may have gone out whatever it showed.
        if self.coordination.shadow {
            return None;
        }
        let deploy = &self.plan.rollout.deploy;
        if conclusion.verdict == Verdict::Rollback {
            self.last_good = goods.before(deploy);
        }
        goods.promoted(&self.id, deploy, conclusion)
    }

    /// A glance was taken.
    pub(super) fn watched(&mut self, glance: &Glance) {
        if let Some(watch) = &mut self.watch {
            watch.seen(glance);
        }
    }

    /// The watch is over; those who want to hear of it do.
    pub(super) fn seen_through(
        &mut self,
        (at, seq): (Timestamp, Seq),
        ending: &Ending,
        lives: Span,
    ) {
        if let Some(watch) = &mut self.watch {
            watch.ending = Some(ending.clone());
            watch.noted.clone_from(&self.acknowledged);
        }
        let moment = match ending.outcome {
            Outcome::Recovered => Moment::Recovered,
            Outcome::Ineffective => Moment::RollbackIneffective,
            Outcome::Unknown => return,
        };
        let birth = Birth {
            moment,
            look: self.looks,
            at,
            seq,
            lives,
            body: None,
        };
        let verdict = self.conclusion.as_ref().map(|c| c.verdict);
        self.bear(&birth, verdict);
    }

    /// Whether the end of its watch is so long ago that nothing seen now would help anybody.
    pub(super) fn is_watched_too_late(&self, now: Timestamp) -> bool {
        let late = |watch: &Watching| now > watch.course.until().plus(WATCH_LATE_MAX);
        self.is_watched() && self.watch.as_ref().is_some_and(late)
    }

    /// Whether its rollback is still watched.
    pub(super) fn is_watched(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| !watch.is_over())
    }

    /// Whether data of the canary were ever seen.
    fn canary_was_seen(&self) -> bool {
        let then = self.judgement.as_ref().map(|then| then.findings.iter());
        let mut then = then.into_iter().flatten();
        then.any(|finding| finding.canary.n > 0)
            || self.watch.as_ref().is_some_and(|watch| watch.canary_seen)
    }

    /// By when somebody must have taken note of a rollback, where the template says so. What is
    /// only watched is nobody's to act on.
    fn acknowledge_by(&self) -> Option<Timestamp> {
        let conclusion = self.conclusion.as_ref()?;
        let wanted = conclusion.verdict == Verdict::Rollback && !self.coordination.shadow;
        let within = self.plan.recovery.and_then(|r| r.acknowledge_within);
        Some(conclusion.at.plus(within.filter(|_| wanted)?))
    }

    /// Whether nobody has taken note of a rollback in the time there was for it.
    pub(super) fn is_unacknowledged(&self, now: Timestamp) -> bool {
        self.acknowledged.is_none() && self.acknowledge_by().is_some_and(|by| by < now)
    }

    /// What readers see of what followed the verdict.
    pub(super) fn after(&self) -> After {
        After {
            acknowledged: self.acknowledged.clone(),
            acknowledge_by: self.acknowledge_by(),
            watch: self.watch.as_ref().map(|watch| Watch {
                until: watch.course.until(),
                newest: watch.newest.clone(),
                ending: watch.ending.clone(),
            }),
            last_good: self.last_good.clone(),
        }
    }

    /// The same when a message about this moment was born; later facts leave its bytes alone.
    pub(super) fn after_at_birth(&self, moment: Moment) -> After {
        let seen_through = !moment.is_verdict();
        let watch = self.watch.as_ref().filter(|_| seen_through);
        After {
            acknowledged: watch.and_then(|watch| watch.noted.clone()),
            watch: self.after().watch.filter(|_| seen_through),
            ..self.after()
        }
    }
}

impl Engine {
    /// Begins the watch of a rollback that has just been decided or recovered. Without room it
    /// ends at once, and says so.
    pub(super) fn begin_watch(&mut self, id: &AnalysisId) {
        let max = self.limits.watched_max;
        if !self.analyses.get(id).is_some_and(Analysis::is_watched) {
            return;
        }
        if self.watched.len() < max {
            self.watched.insert(id.clone());
            return self.await_glance(id);
        }
        self.give_watch_up(
            id,
            format!("{max} rollbacks were watched already, the limit"),
        );
    }

    /// Takes up the watch of a recovered rollback, unless it is too late for it.
    pub(super) fn resume_watch(&mut self, id: &AnalysisId) {
        let clock = self.clock;
        let Some(analysis) = self.analyses.get(id) else {
            return;
        };
        if analysis.is_watched_too_late(clock) {
            let text = "nobody looked until more than an hour after its time was up";
            return self.give_watch_up(id, text.to_owned());
        }
        self.begin_watch(id);
        self.end_watch(id);
    }

    /// Ends a watch of which nothing is known and nothing will be (A5: that is said).
    fn give_watch_up(&mut self, id: &AnalysisId, detail: String) {
        self.watched.remove(id);
        let ending = Ending {
            outcome: Outcome::Unknown,
            at: self.clock,
            detail,
            by: None,
            figures: Vec::new(),
        };
        self.write(id, Fact::SeenThrough { ending });
    }

    fn await_glance(&mut self, id: &AnalysisId) {
        let Some(watch) = self.analyses.get(id).and_then(|a| a.watch.as_ref()) else {
            return;
        };
        let due = watch.course.due(watch.number().saturating_add(1));
        self.timers.set(Waiter::Analysis(id.clone()), due);
    }

    /// The timer of a watch has come.
    pub(super) fn wake_watch(&mut self, id: &AnalysisId) {
        let (paused, clock) = (self.is_paused(), self.clock);
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        let durable = self.ledger.is_durable(analysis.last_seq);
        let Some(watch) = analysis.watch.as_mut().filter(|watch| !watch.is_over()) else {
            return;
        };
        match watch.doing {
            Doing::Fetching { number } | Doing::Judging { number } => {
                let detail = format!("no answer within {}", self.limits.patience);
                return self.glanced(id, number, Sight::blind(detail));
            }
            Doing::Resting => {}
        }
        let Some(number) = watch.course.next(watch.number(), clock) else {
            return self.await_glance(id);
        };
        if paused || !durable || self.fetching.len() >= self.limits.fetches_max {
            let at = clock.plus(STAND_BACK);
            return self.timers.set(Waiter::Analysis(id.clone()), at);
        }
        watch.doing = Doing::Fetching { number };
        let window = watch.course.window(number);
        let plan = Arc::new(plan_of(&analysis.plan, window));
        let order = FetchOrder {
            id: id.clone(),
            look: number,
            from: first_from(&plan),
            plan,
            to: window.1,
            first: true,
        };
        self.fetching.insert(id.clone());
        let at = clock.plus(self.limits.patience);
        self.timers.set(Waiter::Analysis(id.clone()), at);
        self.out.push(Effect::Fetch(order));
    }

    /// Which glance of a concluded analysis waits for what `doing` says.
    fn awaited(&self, id: &AnalysisId, doing: impl Fn(u32) -> Doing) -> Option<u32> {
        let analysis = self.analyses.get(id)?;
        let watch = analysis.watch.as_ref()?;
        let number = match watch.doing {
            Doing::Fetching { number } | Doing::Judging { number } => number,
            Doing::Resting => return None,
        };
        let fits = analysis.phase == Phase::Over && watch.doing == doing(number);
        fits.then_some(number)
    }

    /// Whether samples belong to a glance; they are then judged.
    pub(super) fn is_glance_fetched(&mut self, id: &AnalysisId, look: u32, batch: &Batch) -> bool {
        let number = self.awaited(id, |number| Doing::Fetching { number });
        let Some(number) = number.filter(|number| *number == look) else {
            return false;
        };
        let Some(analysis) = self.analyses.get_mut(id) else {
            return false;
        };
        let Some(watch) = &mut analysis.watch else {
            return false;
        };
        let window = watch.course.window(number);
        if batch.to != window.1 {
            return false;
        }
        let plan = Arc::new(plan_of(&analysis.plan, window));
        let taken_in = guarded(|| {
            let mut windows = Windows::new(&plan);
            windows.absorb(&plan, batch);
            windows
        });
        self.fetching.remove(id);
        let windows = match taken_in {
            Ok(windows) => Arc::new(windows),
            Err(why) => {
                let detail = format!("samples could not be taken in: {why}");
                self.glanced(id, number, Sight::blind(detail));
                return true;
            }
        };
        watch.doing = Doing::Judging { number };
        let look = plan.timing.looks_planned();
        self.judging.insert(id.clone());
        let at = self.clock.plus(self.limits.patience);
        self.timers.set(Waiter::Analysis(id.clone()), at);
        self.out.push(Effect::Judge(JudgeOrder {
            id: id.clone(),
            look,
            plan,
            windows,
        }));
        true
    }

    /// Whether a failed fetch belongs to a glance.
    pub(super) fn is_glance_unfetched(&mut self, id: &AnalysisId, look: u32, why: &str) -> bool {
        let number = self.awaited(id, |number| Doing::Fetching { number });
        let Some(number) = number.filter(|number| *number == look) else {
            return false;
        };
        self.glanced(id, number, Sight::blind(why.to_owned()));
        true
    }

    /// Whether a judgement belongs to a glance.
    pub(super) fn is_glance_judged(&mut self, id: &AnalysisId, judgement: &Judgement) -> bool {
        let Some(number) = self.awaited(id, |number| Doing::Judging { number }) else {
            return false;
        };
        let Some(analysis) = self.analyses.get(id) else {
            return false;
        };
        let Some(watch) = &analysis.watch else {
            return false;
        };
        // A late judgement from before the verdict reaches no further than that.
        if judgement.covered_to <= watch.course.window(number).0 {
            return false;
        }
        let seen = guarded(|| {
            sight(&Scene {
                plan: &analysis.plan,
                then: analysis.judgement.as_deref(),
                now: judgement,
                was_seen: analysis.canary_was_seen(),
            })
        });
        let seen = seen.unwrap_or_else(|why| Sight::blind(format!("could not be told: {why}")));
        self.glanced(id, number, seen);
        true
    }

    /// Whether a failed judgement belongs to a glance.
    pub(super) fn is_glance_unjudged(&mut self, id: &AnalysisId, why: &str) -> bool {
        let Some(number) = self.awaited(id, |number| Doing::Judging { number }) else {
            return false;
        };
        self.glanced(id, number, Sight::blind(why.to_owned()));
        true
    }

    /// Records a glance, and the end of the watch if it is one.
    fn glanced(&mut self, id: &AnalysisId, number: u32, sight: Sight) {
        self.fetching.remove(id);
        self.judging.remove(id);
        self.timers.clear(&Waiter::Analysis(id.clone()));
        let Some(watch) = self.analyses.get_mut(id).and_then(|a| a.watch.as_mut()) else {
            return;
        };
        watch.doing = Doing::Resting;
        let glance = Glance {
            number,
            to: watch.course.window(number).1,
            seen: sight.seen,
            detail: sight.detail,
            by: sight.by,
            figures: sight.figures,
        };
        self.write(id, Fact::Watched { glance });
        self.end_watch(id);
    }

    /// Ends the watch if what was seen is enough; waits for the next glance if not. A crash may
    /// have come between the two records.
    pub(super) fn end_watch(&mut self, id: &AnalysisId) {
        let clock = self.clock;
        let Some(watch) = self.analyses.get(id).and_then(|a| a.watch.as_ref()) else {
            return;
        };
        match watch.ends(clock) {
            Some(ending) => {
                self.watched.remove(id);
                self.write(id, Fact::SeenThrough { ending });
            }
            None => self.await_glance(id),
        }
    }
}
