//! Pairs from recordings: healthy rollouts as they were, and replicas of their baselines.

use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::figures::counted;
use crate::cli::replay::flags::{Piece, pieces};
use crate::cli::tune::flags::{self, TuneArgs, usage};
use crate::engine::effect::first_from;
use crate::recording;
use crate::replay::labels::Label;
use crate::replay::plans::{Change, Plans};
use crate::replay::slices::Slices;
use crate::template::Template;
use crate::tune::calendar::Spot;
use crate::tune::placebo::{Case, Held, Making, Population, cases};
use std::sync::Arc;

/// Recordings that are read; more are left out, evenly. Each is held in memory.
const RECORDINGS_MAX: usize = 5_000;

/// Faults that are told one by one; the rest is counted.
const FAULTS_TOLD_MAX: usize = 5;

/// Pairs from recordings, with what a reader must know.
pub(super) fn read(
    args: &TuneArgs,
    template: &Template,
    text: &Arc<str>,
) -> Result<(Vec<Case>, Vec<String>), Fault> {
    let all = pieces(&args.recordings)?;
    let count = all.len();
    let all = crate::tune::placebo::thinned(all, RECORDINGS_MAX);
    let mut notes = Vec::new();
    if all.len() < count {
        notes.push(format!(
            "{} of {} were read",
            all.len(),
            counted(count, "recording")
        ));
    }
    let per = flags::per(args, template)?;
    let change = Change {
        template: Some(Arc::clone(text)),
        inputs: crate::cli::judge::inputs(&args.inputs)?,
        method: None,
    };
    let making = flags::making(args);
    let making = Making {
        pairs: (making.pairs / all.len().max(1)).max(1),
        ..making
    };
    let plans = Plans::default();
    let (mut out, mut faults, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
    for piece in &all {
        match of_one(piece, &plans, &change, (per.as_deref(), making)) {
            Ok((cases, said)) => {
                out.extend(cases);
                for note in said {
                    if !lacking.contains(&note) {
                        lacking.push(note);
                    }
                }
            }
            Err(why) => faults.push(format!("{}: {why}", piece.name)),
        }
    }
    notes.extend(lacking.into_iter().take(FAULTS_TOLD_MAX));
    let more = faults.len().saturating_sub(FAULTS_TOLD_MAX);
    if faults.len() == all.len() {
        let first = faults.into_iter().next().unwrap_or_default();
        return Err(usage(format!("no recording can be used; {first}")));
    }
    notes.extend(faults.into_iter().take(FAULTS_TOLD_MAX));
    if more > 0 {
        notes.push(format!("and {more} more recordings could not be used"));
    }
    if !out.iter().any(|case| !case.bad) {
        return Err((
            Exit::Inconclusive,
            "there is no placebo pair: label recordings of healthy rollouts good, in a list \
             (@index.csv, with recording,label), or name the label of replicas with --per"
                .to_owned(),
        ));
    }
    out.sort_by_key(|case: &Case| (case.kind, case.start()));
    Ok((out, notes))
}

fn of_one(
    piece: &Piece,
    plans: &Plans,
    change: &Change,
    (per, making): (Option<&str>, Making),
) -> Result<(Vec<Case>, Vec<String>), String> {
    let recording = recording::read(&piece.path).map_err(|fault| fault.message)?;
    let plan = plans.changed(&recording, change)?;
    let (mut slices, notes) = Slices::of_recording(&recording, &plan);
    let batch = Arc::new(slices.batch(first_from(&plan), recording.covered_to()));
    let mut rollout = recording.rollout.clone();
    rollout.inputs.extend(change.inputs.clone());
    let mut out = Vec::new();
    match piece.label {
        Some(Label::Good) => out.push(Case::recorded(&rollout, Arc::clone(&batch), false)),
        Some(Label::Bad) => out.push(Case::recorded(&rollout, Arc::clone(&batch), true)),
        Some(Label::NoData) | None => {}
    }
    if let Some(per) = per {
        let population = Population {
            scope: rollout.baseline.clone(),
            per: Some(per.to_owned()),
            deploy: rollout.deploy.clone(),
            inputs: rollout.inputs.clone(),
        };
        let spot = Spot {
            start: plan.timing.start,
            day: 0,
            slot: 0,
        };
        let held = Held {
            spot,
            whole: Arc::clone(&batch),
            apart: Some(batch),
        };
        out.extend(cases(&population, &[held], making));
    }
    Ok((out, notes))
}
