//! A rollback seen through: after the verdict the canary's population is looked at again, in short
//! windows of their own, until what was wrong is right or the time is up. The verdict stands
//! whatever is seen (A4); every glance and the end are records.
//!
//! A glance is stateless: its number and the verdict's instant give its window. So a restart goes
//! on with the glance that is due, and those that were missed are one.

use crate::engine::Engine;
use crate::engine::after::{Acknowledged, After, Ending, Glance, Outcome, Seen, Watch};
use crate::engine::analysis::{Analysis, Phase};
use crate::engine::delivery::Birth;
use crate::engine::effect::{Effect, FetchOrder, JudgeOrder, first_from};
use crate::engine::glance::{Course, WELL_GLANCES, glance, plan_of};
use crate::engine::good::{Good, Goods};
use crate::engine::guard::guarded;
use crate::engine::ledger::Held;
use crate::engine::limits::WATCH_LATE_MAX;
use crate::engine::record::{Conclusion, Fact, Seq};
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
    ending: Option<Ending>,
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
            ending: None,
            doing: Doing::Resting,
        })
    }

    fn seen(&mut self, glance: &Glance) {
        self.well = match glance.seen {
            seen if seen.is_well() => self.well.saturating_add(1),
            Seen::Blind => self.well,
            _ => 0,
        };
        if glance.seen != Seen::Blind {
            self.told = Some(glance.clone());
        }
        self.newest = Some(glance.clone());
    }

    fn number(&self) -> u32 {
        self.newest.as_ref().map_or(0, |glance| glance.number)
    }

    /// How it ends with what was seen so far, if it does.
    fn ends(&self, at: Timestamp) -> Option<Ending> {
        let last = self.number() >= self.course.glances;
        if self.well < WELL_GLANCES && !last {
            return None;
        }
        let (outcome, detail) = match &self.told {
            Some(told) if told.seen.is_well() => (Outcome::Recovered, told.detail.clone()),
            Some(told) => (Outcome::Ineffective, told.detail.clone()),
            None => {
                let newest = self.newest.as_ref().map(|glance| glance.detail.clone());
                (Outcome::Unknown, newest.unwrap_or_default())
            }
        };
        Some(Ending {
            outcome,
            at,
            detail,
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

    /// Gives a watch up whose end is so long ago that nothing it saw now would help anybody.
    pub(super) fn give_up_late_watch(&mut self, now: Timestamp) {
        let late = |watch: &mut Watching| {
            !watch.is_over() && now > watch.course.until().plus(WATCH_LATE_MAX)
        };
        self.watch.take_if(late);
    }

    /// Whether its rollback is still watched.
    pub(super) fn is_watched(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| !watch.is_over())
    }

    /// What readers see of what followed the verdict.
    pub(super) fn after(&self) -> After {
        After {
            acknowledged: self.acknowledged.clone(),
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
        After {
            acknowledged: None,
            watch: self.after().watch.filter(|_| seen_through),
            last_good: self.last_good.clone(),
        }
    }
}

impl Engine {
    /// Begins the watch of a rollback that has just been decided or recovered. Without room it is
    /// let go of, and readers are told of none.
    pub(super) fn begin_watch(&mut self, id: &AnalysisId) {
        let room = self.watched.len() < self.limits.watched_max;
        let Some(analysis) = self.analyses.get_mut(id) else {
            return;
        };
        if !analysis.is_watched() {
            return;
        }
        if room {
            self.watched.insert(id.clone());
            return self.await_glance(id);
        }
        analysis.watch = None;
        let view = Arc::new(analysis.view());
        if self.ledger.is_durable(analysis.last_seq) {
            analysis.published = Some(Arc::clone(&view));
            self.out.push(Effect::Publish(view));
        } else {
            self.ledger.hold(analysis.last_seq, Held::View(view));
        }
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
                return self.glanced(id, number, (Seen::Blind, detail));
            }
            Doing::Resting => {}
        }
        let number = watch.course.newest_due(clock);
        if number <= watch.number() {
            return self.await_glance(id);
        }
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
                self.glanced(id, number, (Seen::Blind, detail));
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
        self.glanced(id, number, (Seen::Blind, why.to_owned()));
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
        let seen = glance(analysis.judgement.as_deref(), judgement);
        self.glanced(id, number, seen);
        true
    }

    /// Whether a failed judgement belongs to a glance.
    pub(super) fn is_glance_unjudged(&mut self, id: &AnalysisId, why: &str) -> bool {
        let Some(number) = self.awaited(id, |number| Doing::Judging { number }) else {
            return false;
        };
        self.glanced(id, number, (Seen::Blind, why.to_owned()));
        true
    }

    /// Records a glance, and the end of the watch if it is one.
    fn glanced(&mut self, id: &AnalysisId, number: u32, (seen, detail): (Seen, String)) {
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
            seen,
            detail,
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
