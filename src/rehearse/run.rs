//! One test: its template bound to a made-up rollout, and the engine in simulated time on the data
//! of the test, as it runs live.

use crate::diagnostic::{Diagnostic, Place};
use crate::digest::Digest;
use crate::engine::record::Conclusion;
use crate::engine::verdict::Hold;
use crate::judge::judgement::Judgement;
use crate::judge::sequential::{Detail, Tables};
use crate::plan::bind::bind;
use crate::plan::rollout::{Deploy, Rollout};
use crate::plan::scope::{Matcher, Scope};
use crate::plan::{Plan, Slot, stepping_as_planned};
use crate::rehearse::fit;
use crate::rehearse::pieces::Pieces;
use crate::rehearse::read::START;
use crate::rehearse::samples::{ARM_LABEL, Material, answers, samples_of};
use crate::rehearse::spec::{End, Flow, MetricData, Source, Test};
use crate::rehearse::table::Table;
use crate::replay::anew::anew;
use crate::replay::course::Depth;
use crate::replay::plans::{Change, Plans};
use crate::series::raw::Answer;
use crate::simulate::run::{Played, Ready, Stage};
use crate::simulate::scenario::{Positive, Scenario};
use crate::simulate::source::Feed;
use crate::template::{Measure, Template};
use crate::time::{Span, Timestamp};
use crate::wire::recording::Recording;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples of one test; one with more is refused. A hundred pods of a histogram of twelve buckets
/// over four hours at a step of thirty seconds need a sixth of it.
pub const SAMPLES_MAX: usize = 4_000_000;

/// What the files a test names hold.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// CSV files by their names in the test.
    pub tables: BTreeMap<String, Table>,
    /// The recording.
    pub recording: Option<Recording>,
    /// The scenario.
    pub scenario: Option<Scenario>,
}

/// A test that can be run.
#[derive(Debug)]
pub struct Prepared {
    plan: Arc<Plan>,
    text: Arc<str>,
    seed: u64,
    kind: Kind,
    faults: Vec<crate::simulate::scenario::Fault>,
    /// What a reader of a failed test should know.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Kind {
    Metrics(Material),
    Recording(Box<Recording>),
    Scenario(Box<Ready>, usize),
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub end: End,
    /// From the start to the verdict, or to the last sample while there is none.
    pub took: Span,
    /// The look it was decided at; 0 before the first.
    pub look: u32,
    /// The row of the verdict table.
    pub row: u8,
    /// What held it.
    pub hold: Option<Hold>,
    /// The sentence.
    pub sentence: String,
    /// What was last judged.
    pub judgement: Option<Arc<Judgement>>,
    /// Under which plan.
    pub plan: Arc<Plan>,
}

/// What keeps a test from being run.
type Faults = Vec<Diagnostic>;

/// Binds a test to its template.
///
/// # Errors
/// Everything that does not fit, each with its place in the test file.
pub fn prepare(
    test: &Test,
    (template, text): (&Template, &Arc<str>),
    files: &Files,
    plans: &Plans,
) -> Result<Prepared, Faults> {
    let found = fit::faults(test, template);
    if !found.is_empty() {
        return Err(found);
    }
    let seed = test.seed.unwrap_or_else(|| seed_of(&test.name.value));
    let start = test.start.or_else(|| Timestamp::parse(START));
    let start = start.ok_or_else(|| vec![fault(test.name.place, "the start is no instant")])?;
    let mut out = match &test.source {
        Source::Metrics(metrics) => {
            let rollout = stepping_as_planned(template, rollout(test, template, start));
            let plan = bind(template, &rollout).map_err(|found| placed(found, test.name.place))?;
            let material = material(template, &plan, (test, metrics), files)?;
            let samples = samples_of(&plan, &material);
            if samples > SAMPLES_MAX {
                let message = format!("the test has {samples} samples, the limit is {SAMPLES_MAX}");
                let help = "use fewer series, a longer `step` or a shorter `duration`";
                return Err(vec![fault(test.name.place, &message).help(help)]);
            }
            Prepared {
                notes: short(&plan, &material),
                plan: Arc::new(plan),
                text: Arc::clone(text),
                seed,
                kind: Kind::Metrics(material),
                faults: test.faults.clone(),
            }
        }
        Source::Recording(file) => {
            let missing = || vec![fault(file.place, "the recording was not read")];
            let mut recording = files.recording.clone().ok_or_else(missing)?;
            if let Some(change_type) = &test.deploy.change_type {
                recording.rollout.deploy.change_type = Some(change_type.clone());
            }
            let change = Change {
                template: Some(Arc::clone(text)),
                inputs: test.inputs.clone(),
                method: None,
            };
            let plan = plans.changed(&recording, &change);
            let plan = plan.map_err(|why| vec![fault(file.place, &why)])?;
            Prepared {
                plan,
                text: Arc::clone(text),
                seed,
                kind: Kind::Recording(Box::new(recording)),
                faults: Vec::new(),
                notes: Vec::new(),
            }
        }
        Source::Scenario(..) => scenario(test, (template, text), files)?,
    };
    if let Kind::Scenario(ready, _) = &out.kind {
        // Without a seed of its own a test shows what `haldane simulate` shows.
        out.seed = test.seed.unwrap_or(ready.scenario().spec.seed);
    }
    Ok(out)
}

impl Prepared {
    /// What chance is drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether another seed makes other samples.
    pub fn is_chancy(&self) -> bool {
        match &self.kind {
            Kind::Metrics(_) | Kind::Scenario(..) => true,
            Kind::Recording(_) => false,
        }
    }

    /// Everything the queries of its plan can answer under a seed, with the plan; nothing of a
    /// recording or a scenario.
    pub fn answers(&self, seed: u64) -> (Vec<(Slot, Answer)>, &Plan) {
        match &self.kind {
            Kind::Metrics(material) => (answers(&self.plan, material, seed), &self.plan),
            Kind::Recording(_) | Kind::Scenario(..) => (Vec::new(), &self.plan),
        }
    }

    /// Runs it under a seed. `detail` says how much of a sentence anybody will read.
    ///
    /// # Errors
    /// A fault of ours, or a query a scenario cannot answer.
    pub fn run(&self, seed: u64, detail: Detail, tables: &Tables) -> Result<Outcome, String> {
        match &self.kind {
            Kind::Metrics(material) => {
                let feed = Feed::of_answers(answers(&self.plan, material, seed));
                let stage = Stage {
                    start: self.plan.timing.start,
                    faults: &self.faults,
                    events: &[],
                    coordination: &[],
                    detail,
                    tables,
                };
                let plans = [(Arc::clone(&self.plan), Arc::clone(&self.text))];
                let played = stage.play(&plans, vec![feed])?;
                self.played(played, 0)
            }
            Kind::Scenario(ready, idx) => self.played(ready.play(seed, detail, tables)?, *idx),
            Kind::Recording(recording) => {
                let replayed = anew(recording, &self.plan, None, Depth::Verdict, tables)?;
                let standing = &replayed.standing;
                Ok(match &standing.conclusion {
                    Some(conclusion) => self.concluded(conclusion, standing.judgement.clone()),
                    None => Outcome {
                        end: End::Pending,
                        took: replayed.covered_to.since(self.plan.timing.start),
                        look: standing.judgement.as_ref().map_or(0, |j| j.look),
                        row: 7,
                        hold: None,
                        sentence: replayed.notes.join("; "),
                        judgement: standing.judgement.clone(),
                        plan: Arc::clone(&self.plan),
                    },
                })
            }
        }
    }

    fn played(&self, played: Vec<Played>, idx: usize) -> Result<Outcome, String> {
        let one = played.into_iter().nth(idx);
        let one = one.ok_or("an analysis is missing; this is a bug")?;
        Ok(self.concluded(&one.conclusion, one.judgement))
    }

    fn concluded(&self, conclusion: &Conclusion, judgement: Option<Arc<Judgement>>) -> Outcome {
        Outcome {
            end: End::Verdict(conclusion.verdict),
            took: conclusion.at.since(self.plan.timing.start),
            look: conclusion.look,
            row: conclusion.row,
            hold: conclusion.hold.clone(),
            sentence: conclusion.sentence.clone(),
            judgement,
            plan: Arc::clone(&self.plan),
        }
    }
}

/// A seed a person can write down again: the first bytes of a digest of the name.
pub fn seed_of(name: &str) -> u64 {
    let digest = Digest::of(name.as_bytes());
    let first = digest.bytes().iter().take(4);
    first.fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

fn fault(at: Place, message: &str) -> Diagnostic {
    Diagnostic::error("T001", message).at(Some(at))
}

fn placed(found: Faults, at: Place) -> Faults {
    found.into_iter().map(|said| said.at(Some(at))).collect()
}

fn arm(value: &str) -> Scope {
    Matcher::equals(ARM_LABEL, value)
        .and_then(|matcher| Scope::new(vec![matcher]))
        .expect("`arm` is a label")
}

/// What a controller would submit.
fn rollout(test: &Test, template: &Template, start: Timestamp) -> Rollout {
    let named = test.inputs.get("service").cloned();
    let service = match test.deploy.service.as_str() {
        "" => named.unwrap_or_else(|| template.name.to_string()),
        written => written.to_owned(),
    };
    Rollout {
        deploy: Deploy {
            service,
            ..test.deploy.clone()
        },
        inputs: test.inputs.clone(),
        baseline: arm("baseline"),
        canary: arm("canary"),
        start,
        duration: test.duration,
    }
}

/// The data of each metric with the distance between its values.
fn material(
    template: &Template,
    plan: &Plan,
    (test, metrics): (&Test, &BTreeMap<String, MetricData>),
    files: &Files,
) -> Result<Material, Faults> {
    let mut out = Material::new();
    let template = template.for_change(test.deploy.change_type.as_deref());
    for spec in &template.metrics {
        let Some(data) = metrics.get(spec.name.as_str()) else {
            continue;
        };
        let step = test.step.unwrap_or(plan.timing.step);
        let entry = match &data.csv {
            None => (data.clone(), step),
            Some(file) => {
                let table = files.tables.get(&file.value);
                let table =
                    table.ok_or_else(|| vec![fault(file.place, "the file was not read")])?;
                let events = !matches!(spec.measure, Measure::Series { .. });
                let read = table.data(data, events);
                let read =
                    read.map_err(|why| vec![fault(file.place, &format!("{}: {why}", file.value))])?;
                (read, table.step)
            }
        };
        out.insert(spec.name.to_string(), entry);
    }
    Ok(out)
}

/// Data that end before the analysis may.
fn short(plan: &Plan, material: &Material) -> Vec<String> {
    let whole = plan.timing.deadline.since(plan.timing.start);
    let mut out = Vec::new();
    for (name, (data, step)) in material {
        for (arm, side) in [("baseline", &data.baseline), ("canary", &data.canary)] {
            let lines = side.iter().flat_map(|side| &side.lines);
            let flows = lines.map(|line| &line.flow).flat_map(Flow::pieces);
            let ends = flows
                .filter_map(|pieces: &Pieces| pieces.lasts(*step))
                .min();
            if let Some(ends) = ends.filter(|ends| *ends < whole) {
                out.push(format!(
                    "{name}: the data of the {arm} end after {ends}, the deadline is {whole}"
                ));
            }
        }
    }
    out
}

/// A scenario with the rollout of one of its services under this template.
fn scenario(
    test: &Test,
    (template, text): (&Template, &Arc<str>),
    files: &Files,
) -> Result<Prepared, Faults> {
    let Source::Scenario(file, service) = &test.source else {
        return Err(vec![fault(test.name.place, "the test has no scenario")]);
    };
    let read = files.scenario.clone();
    let mut scenario = read.ok_or_else(|| vec![fault(file.place, "the scenario was not read")])?;
    let rollouts = &scenario.spec.rollouts;
    let named = service.as_ref().map(|service| service.value.as_str());
    let names: Vec<&str> = rollouts.iter().map(|r| r.service.value.as_str()).collect();
    let fits = |name: &&str| named.is_none_or(|named| named == *name);
    let hits = names.iter().filter(|name| fits(name)).count();
    let found = names.iter().position(fits);
    let Some(idx) = found.filter(|_| hits == 1 || named.is_some()) else {
        let at = service.as_ref().map_or(file.place, |service| service.place);
        let message = match (named, hits) {
            (Some(named), _) => format!("the scenario rolls out no service `{named}`"),
            (None, 0) => "the scenario has no rollout".to_owned(),
            (None, hits) => format!("the scenario has {hits} rollouts"),
        };
        let help = format!("write `service`, one of {}", names.join(", "));
        return Err(vec![fault(at, &message).help(help)]);
    };
    let mut rollout = rollouts.get(idx).cloned();
    if let Some(rollout) = &mut rollout {
        rollout.inputs.extend(test.inputs.clone());
        if let Some(duration) = test.duration {
            rollout.duration = Some(Positive(duration));
        }
        if let Some(share) = test.deploy.traffic_share {
            rollout.traffic_share = Some(crate::simulate::scenario::Share(share.get()));
        }
        let known = |name: &String| template.inputs.iter().any(|input| input.name == *name);
        rollout
            .inputs
            .retain(|name, _| known(name) || test.inputs.contains_key(name));
    }
    scenario.spec.rollouts = rollout.into_iter().collect();
    scenario.spec.faults.extend(test.faults.iter().cloned());
    let change = test.deploy.change_type.as_deref();
    let templates = [(template.for_change(change).clone(), Arc::clone(text))];
    let ready = Ready::new(scenario, &templates, test.start);
    let ready = ready.map_err(|why| vec![fault(file.place, &why)])?;
    let plan = ready.plans().next().cloned();
    let plan = plan.ok_or_else(|| vec![fault(file.place, "the scenario has no rollout")])?;
    Ok(Prepared {
        plan,
        text: Arc::clone(text),
        seed: 0,
        kind: Kind::Scenario(Box::new(ready), 0),
        faults: Vec::new(),
        notes: Vec::new(),
    })
}
