//! Tracks of many metrics, those observed at the same instants sharing their gains, and what was
//! worked out at earlier looks.
//!
//! A memory changes what a look costs, never what it says: it is used only for pairs that are
//! the same as before, bit for bit, and a judgement without it has the same bits (A6).

use crate::judge::sequential::background::Learnt;
use crate::judge::sequential::contrast::Contrast;
use crate::judge::sequential::pairs::{Pair, Pairs, Taken};
use crate::judge::sequential::tables::{AT_ONCE, Stretch, Tables};
use crate::judge::sequential::track::{Room, Track};
use crate::stats::state_space::{Course, Gains, Model, NoiseClass, Onsets, Weights};
use std::ops::Range;

/// What distinguishes the model of one series from another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The largest correlation from one value to the next that the null allows.
    pub rho_max: f64,
    /// Values between possible onsets.
    pub every: usize,
    /// Values of the whole analysis.
    pub horizon: usize,
}

/// Shares of the noise's variance that may be slow; the rest is white.
const SHARES: [f64; 2] = [0.5, 1.0];

impl Shape {
    fn model(self) -> Model {
        Model {
            noise: NoiseClass::new(self.rho_max, &SHARES),
            onsets: Onsets::every(self.every, self.horizon),
        }
    }

    /// The noise of its model.
    pub fn noise(self) -> NoiseClass {
        NoiseClass::new(self.rho_max, &SHARES)
    }
}

/// A metric to be followed.
#[derive(Clone, Debug)]
pub struct Followed<'a> {
    /// Its place in the plan.
    pub metric_idx: usize,
    /// One value per instant (or block of instants).
    pub pairs: Pairs<'a>,
    /// One per direction of harm.
    pub contrasts: Vec<Sided>,
    /// Its model.
    pub shape: Shape,
    /// What history says of each point of the noise class; empty without.
    pub said: Vec<f64>,
}

/// The contrasts of one direction of harm. They differ where a healthy offset of the arms is
/// known, but not exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sided {
    /// Harm is shown above zero of this one.
    pub harm: Contrast,
    /// Safety is shown below zero of this one.
    pub safe: Contrast,
    /// ln of the share of its error that a test has, after what went to the offset.
    pub ln_kept: f64,
}

impl Sided {
    /// Without an offset.
    pub fn exact(contrast: Contrast) -> Self {
        Self {
            harm: contrast,
            safe: contrast,
            ln_kept: 0.0,
        }
    }
}

/// One direction of harm, followed.
#[derive(Clone, Debug)]
pub struct Direction {
    /// Evidence of harm.
    pub harm: Track,
    /// Evidence of safety, where it is another contrast's.
    other: Option<Track>,
    /// See [`Sided::ln_kept`].
    pub ln_kept: f64,
}

impl Direction {
    fn new(sided: &Sided, model: &Model) -> Self {
        let other = sided.safe != sided.harm;
        Self {
            harm: Track::new(sided.harm, model),
            other: other.then(|| Track::new(sided.safe, model)),
            ln_kept: sided.ln_kept,
        }
    }

    /// The track of safety, where it is not that of harm.
    pub fn other(&self) -> Option<&Track> {
        self.other.as_ref()
    }

    /// Evidence of safety.
    pub fn safe(&self) -> &Track {
        self.other.as_ref().unwrap_or(&self.harm)
    }

    fn observe<I: Iterator<Item = Pair>>(
        &mut self,
        course: &Course,
        pairs: impl Fn() -> I,
        room: &mut Room,
    ) {
        self.harm.observe(course, pairs(), room);
        if let Some(track) = &mut self.other {
            track.observe(course, pairs(), room);
        }
    }
}

/// How much of a finding somebody will read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    #[default]
    Full,
    /// Labels and evidence; intervals stay infinite and nothing is forecast. They cost a hundred
    /// times what the decision does, and simulations read none of them.
    Decision,
}

/// Everything worked out so far.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    groups: Vec<Group>,
    /// What history said, by the place of the metric in the plan.
    learnt: Vec<Learnt>,
    detail: Detail,
    tables: Tables,
    /// Of the values of labels that are judged on their own.
    values: Option<Box<Self>>,
}

/// Metrics with one model, observed at the same instants.
#[derive(Clone, Debug)]
pub struct Group {
    shape: Shape,
    /// The model.
    pub model: Model,
    /// The gains after the last instant.
    pub gains: Gains,
    /// What all terms of the mixture have in common at that instant.
    pub weights: Weights,
    members: Vec<Member>,
    /// Room to work in.
    course: Course,
    room: Room,
}

/// One metric of a group.
#[derive(Clone, Debug)]
pub struct Member {
    metric_idx: usize,
    /// What was taken in.
    taken: Taken,
    contrasts: Vec<Sided>,
    said: Vec<f64>,
    /// One per direction of harm.
    pub directions: Vec<Direction>,
}

impl Memory {
    /// An empty memory for findings of so much detail.
    pub fn new(detail: Detail) -> Self {
        Self::sharing(detail, &Tables::default())
    }

    /// The same, of one of many analyses that share what depends on no data.
    pub fn sharing(detail: Detail, tables: &Tables) -> Self {
        Self {
            groups: Vec::new(),
            learnt: Vec::new(),
            detail,
            tables: tables.clone(),
            values: None,
        }
    }

    /// That of the values of labels that are judged on their own.
    pub fn values(&mut self) -> &mut Self {
        let (detail, tables) = (self.detail, &self.tables);
        let fresh = || Box::new(Self::sharing(detail, tables));
        self.values.get_or_insert_with(fresh)
    }

    /// How much of a finding somebody will read.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// What the history of a metric said, to be refreshed.
    pub fn learnt(&mut self, metric_idx: usize) -> &mut Learnt {
        if metric_idx >= self.learnt.len() {
            self.learnt.resize_with(metric_idx + 1, Learnt::default);
        }
        &mut self.learnt[metric_idx]
    }

    /// Brings every metric up to its last instant. What an earlier look left is continued when
    /// nothing before has changed, else worked out anew.
    pub fn follow(&mut self, metrics: Vec<Followed<'_>>) {
        let known: usize = self.groups.iter().map(|group| group.members.len()).sum();
        let goes_on =
            known == metrics.len() && self.groups.iter().all(|group| group.goes_on(&metrics));
        if goes_on {
            for group in &mut self.groups {
                group.go_on(&metrics, &self.tables);
            }
            return;
        }
        self.groups.clear();
        for metric in metrics {
            let found = self.groups.iter_mut().find(|group| group.takes(&metric));
            if let Some(group) = found {
                group.members.push(Member::new(metric, &group.model));
            } else {
                self.groups.push(Group::new(metric));
            }
        }
        for group in &mut self.groups {
            group.run(0, &self.tables);
        }
    }

    /// The group and the tracks of a metric.
    pub fn of(&mut self, metric_idx: usize) -> Option<(&mut Group, usize)> {
        self.groups.iter_mut().find_map(|group| {
            let at = group
                .members
                .iter()
                .position(|member| member.metric_idx == metric_idx)?;
            Some((group, at))
        })
    }
}

impl Group {
    fn new(metric: Followed<'_>) -> Self {
        let model = metric.shape.model();
        let gains = Gains::new(&model);
        Self {
            shape: metric.shape,
            weights: Weights::new(&model, &gains),
            members: vec![Member::new(metric, &model)],
            gains,
            model,
            course: Course::default(),
            room: Room::default(),
        }
    }

    /// The member at `at` with what it needs to be asked.
    pub fn parts(&mut self, at: usize) -> (&Model, &Gains, &mut Weights, &Member) {
        (
            &self.model,
            &self.gains,
            &mut self.weights,
            &self.members[at],
        )
    }

    fn takes(&self, metric: &Followed<'_>) -> bool {
        let first = &self.members[0].taken;
        let same = |t: usize| first.get(t).is_some() == metric.pairs.get(t).is_some();
        self.shape == metric.shape
            && first.count() == metric.pairs.count()
            && (0..first.count()).all(same)
    }

    /// Whether the new pairs only continue what is known, alike for all members.
    fn goes_on(&self, metrics: &[Followed<'_>]) -> bool {
        let Some(first) = self.members.first().and_then(|first| first.among(metrics)) else {
            return false;
        };
        let (seen, len) = (self.gains.time(), first.pairs.count());
        self.members.iter().all(|member| {
            member.among(metrics).is_some_and(|metric| {
                metric.shape == self.shape
                    && metric.contrasts == member.contrasts
                    && metric.said == member.said
                    && metric.pairs.count() == len
                    && (seen..len)
                        .all(|t| first.pairs.get(t).is_some() == metric.pairs.get(t).is_some())
                    && member.taken.begin(&metric.pairs)
            })
        })
    }

    fn go_on(&mut self, metrics: &[Followed<'_>], tables: &Tables) {
        let from = self.gains.time();
        for member in &mut self.members {
            if let Some(metric) = member.among(metrics) {
                member.taken.go_on(&metric.pairs);
            }
        }
        self.run(from, tables);
    }

    fn run(&mut self, from: usize, tables: &Tables) {
        let until = self.members[0].taken.count();
        let mut at = from;
        while at < until {
            let first = &self.members[0].taken;
            let end = until.min((at / AT_ONCE + 1) * AT_ONCE);
            let whole = end - at == AT_ONCE && (at..end).all(|t| first.get(t).is_some());
            if whole && self.gains.present() == at {
                let make = || Stretch::new(&self.model, &self.gains);
                let stretch = tables.stretch(self.shape, at / AT_ONCE, make);
                self.take_in(&stretch.course, at..end);
                self.gains.clone_from(&stretch.after);
            } else {
                let mut course = std::mem::take(&mut self.course);
                let present = (at..end).map(|t| first.get(t).is_some());
                course.run(&self.model, &mut self.gains, present);
                self.take_in(&course, at..end);
                self.course = course;
            }
            at = end;
        }
        self.weights.renew(&self.model, &self.gains);
    }

    fn take_in(&mut self, course: &Course, instants: Range<usize>) {
        for member in &mut self.members {
            let pairs = || instants.clone().map(|t| member.taken.get(t));
            for direction in &mut member.directions {
                direction.observe(course, pairs, &mut self.room);
            }
        }
    }
}

impl Member {
    fn new(followed: Followed<'_>, model: &Model) -> Self {
        let direction = |sided: &Sided| Direction::new(sided, model);
        let mut taken = Taken::default();
        taken.go_on(&followed.pairs);
        Self {
            metric_idx: followed.metric_idx,
            directions: followed.contrasts.iter().map(direction).collect(),
            taken,
            contrasts: followed.contrasts,
            said: followed.said,
        }
    }

    fn among<'m, 'a>(&self, metrics: &'m [Followed<'a>]) -> Option<&'m Followed<'a>> {
        let same = |metric: &&Followed<'a>| metric.metric_idx == self.metric_idx;
        metrics.iter().find(same)
    }

    /// What history says of each point of the noise class; empty without.
    pub fn said(&self) -> &[f64] {
        &self.said
    }
}
