//! Windows of the past, read from a source as a live analysis would read them.

use crate::cli::asked_source;
use crate::cli::client::Fault;
use crate::cli::exit_code::Exit;
use crate::cli::output::Output;
use crate::cli::tune::flags::{self, TuneArgs, usage};
use crate::engine::effect::first_from;
use crate::engine::event::SourceFault;
use crate::judge::windows::Batch;
use crate::plan::{Part, Plan, Slot};
use crate::serve::clock::Clock;
use crate::serve::one_shot;
use crate::serve::source::Source;
use crate::template::Template;
use crate::time::Timestamp;
use crate::tune::calendar::{Spot, Wanted, spots};
use crate::tune::placebo::{Case, Held, Population, cases, reading};
use futures_util::StreamExt as _;
use std::sync::Arc;

/// Windows that are read at once; the source's own limits hold besides.
const FETCHES_MAX: usize = 4;

/// Samples held at once; what comes after is not read, and a note says so. Half a gigabyte.
const SAMPLES_MAX: usize = 20_000_000;

/// Every so many windows a line is worth it where there is no terminal.
const LINES_EVERY: usize = 50;

/// Pairs from a source, with what a reader must know.
pub(super) async fn read(
    args: &TuneArgs,
    template: &Template,
    output: &mut Output,
) -> Result<(Vec<Case>, Vec<String>), Fault> {
    let population = flags::population(args, template)?;
    let now = Clock::system().now();
    let (history, ending) = flags::stretch(args, template, now)?;
    let making = flags::making(args);
    // What a plan reads of the time before its start does not depend on when that is.
    let plan = reading(template, &population, ending, false).map_err(usage)?;
    let wanted = Wanted {
        ending,
        history,
        lead: plan.timing.start.since(first_from(&plan)),
        length: template.schedule.deadline,
        step: template.schedule.step,
        windows: making.pairs,
    };
    let spots = spots(&wanted);
    if spots.is_empty() {
        return Err(usage(format!(
            "--history {history} is too short: one window takes {} and what comes before it {}",
            wanted.length, wanted.lead
        )));
    }
    let since = ending.minus(history);
    let read = fetched(&open(args)?, template, &population, (spots, since), output).await?;
    if read.windows.is_empty() {
        let scope = &population.scope;
        return Err((
            Exit::Inconclusive,
            format!(
                "no query has any sample of {{{scope}}} from {since} to {ending}; is the source's \
                 retention long enough, and are --baseline and --input right?"
            ),
        ));
    }
    let cases = cases(&population, &read.windows, making);
    let mut notes = read.notes;
    if population.per.is_none() {
        notes.push(
            "replicas are not kept apart: --per pod would compare pods of one population, the \
             strongest placebo"
                .to_owned(),
        );
    } else if !cases.iter().any(|case| case.kind.weakness().is_none()) {
        let per = population.per.as_deref().unwrap_or_default();
        notes.push(format!(
            "no window has two replicas with the label {per}: none could be compared; queries of \
             series must keep it (by (${{arm_labels}}))"
        ));
    }
    Ok((cases, notes))
}

/// Windows that were read, with what a reader must know.
struct Read {
    windows: Vec<Held>,
    notes: Vec<String>,
}

async fn fetched(
    source: &Source,
    template: &Template,
    population: &Population,
    (spots, since): (Vec<Spot>, Timestamp),
    output: &mut Output,
) -> Result<Read, Fault> {
    let all = spots.len();
    let mut reads = futures_util::stream::iter(
        spots
            .into_iter()
            .map(|spot| held(source, template, population, spot)),
    )
    .buffered(FETCHES_MAX);
    let (mut done, mut empty, mut samples) = (0_usize, 0_usize, 0_usize);
    let (mut windows, mut notes) = (Vec::new(), Vec::new());
    while let Some(read) = reads.next().await {
        done += 1;
        let text = format!("reading window {done} of {all}");
        output.progress(&text, done.is_multiple_of(LINES_EVERY));
        let read = read?;
        if size(&read.whole) == 0 {
            empty += 1;
            continue;
        }
        samples += size(&read.whole) + read.apart.as_deref().map_or(0, size);
        if samples > SAMPLES_MAX {
            notes.push(format!(
                "only {} of {all} windows were read: they hold {SAMPLES_MAX} samples already; ask \
                 for fewer --pairs",
                done - 1
            ));
            break;
        }
        windows.push(read);
    }
    if empty > 0 {
        notes.push(format!(
            "{empty} of {all} windows from {since} on have no sample of any query; is the source's \
             retention long enough, and are the matchers right?"
        ));
    }
    Ok(Read { windows, notes })
}

fn open(args: &TuneArgs) -> Result<Source, Fault> {
    if args.prometheus.is_none() && args.config.is_none() {
        return Err(usage(
            "name a source with --prometheus URL (or --config FILE), or recordings",
        ));
    }
    asked_source::open(args.prometheus.as_deref(), args.config.as_deref())
}

fn size(batch: &Batch) -> usize {
    let answers = batch.answers.iter().map(|(_, answer)| {
        let floats: usize = answer.series.iter().map(|s| s.samples.len()).sum();
        let native: usize = answer.histograms.iter().map(|s| s.samples.len()).sum();
        floats + native
    });
    answers.sum()
}

async fn held(
    source: &Source,
    template: &Template,
    population: &Population,
    spot: Spot,
) -> Result<Held, Fault> {
    let whole = reading(template, population, spot.start, false).map_err(usage)?;
    let batch = window(source, &whole).await?;
    let mut apart = None;
    if population.per.is_some() {
        let plan = reading(template, population, spot.start, true).map_err(usage)?;
        apart = Some(kept_apart(source, &whole, &plan, &batch).await?);
    }
    let whole = Arc::new(batch);
    Ok(Held {
        spot,
        apart: apart.map(|apart| apart.map_or_else(|| Arc::clone(&whole), Arc::new)),
        whole,
    })
}

/// The window with replicas apart; `None` when its queries are the same. Only series are asked
/// again: raw counters have all their labels already.
async fn kept_apart(
    source: &Source,
    whole: &Plan,
    apart: &Plan,
    batch: &Batch,
) -> Result<Option<Batch>, Fault> {
    let both = whole.queries().into_iter().zip(apart.queries());
    let other: Vec<Slot> = both
        .filter(|((slot, old), (_, new))| slot.part == Part::Grid && old != new)
        .map(|((slot, _), _)| slot)
        .collect();
    if other.is_empty() {
        return Ok(None);
    }
    let mut few = apart.clone();
    let asked = |idx: usize| other.iter().any(|slot| slot.metric_idx == idx);
    let metrics = apart.metrics.iter().enumerate();
    few.metrics = metrics
        .filter(|(idx, _)| asked(*idx))
        .map(|(_, metric)| metric.clone())
        .collect();
    let answers = window(source, &few).await?.answers;
    let mut out = batch.clone();
    for (slot, (_, answer)) in other.iter().zip(answers) {
        if let Some((_, old)) = out.answers.iter_mut().find(|(known, _)| known == slot) {
            *old = answer;
        }
    }
    Ok(Some(out))
}

async fn window(source: &Source, plan: &Plan) -> Result<Batch, Fault> {
    let read = one_shot::fetch(plan, source).await;
    read.map_err(|fault: SourceFault| {
        // A query the server refuses is a fault of the template, not of the server.
        let exit = if fault.transient {
            Exit::Unavailable
        } else {
            Exit::Usage
        };
        (exit, fault.message)
    })
}
