//! What holds a promote back from outside the evidence of its own analysis: a freeze, an earlier
//! wave, the rest of a release. Pure: the same peers give the same hold (A6).

use crate::engine::coordination::freeze::Freeze;
use crate::engine::coordination::{Coordination, Release, Wave, spoken};
use crate::engine::verdict::{Outside, Verdict};
use crate::plan::rollout::Deploy;
use crate::time::Timestamp;

/// Names in a sentence about others; further ones are counted.
const NAMED_MAX: usize = 3;

/// What holds a promote back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What.
    pub by: Outside,
    /// Why, as a part of a sentence.
    pub why: String,
}

/// What an analysis shows the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Nothing yet.
    Nothing,
    /// It would be promoted if nobody held it.
    Health,
    /// It has this verdict.
    Verdict(Verdict),
}

/// One of those that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// What it deploys.
    pub deploy: &'a Deploy,
    /// How it was submitted.
    pub coordination: &'a Coordination,
    /// What it shows.
    pub shows: Shows,
}

/// What holds `me` back. `release` and `waves` are the others of its release and of its waves, the
/// newest of each place, those of waves in the order of their numbers.
pub fn hold(
    me: &Peer<'_>,
    release: &[Peer<'_>],
    waves: &[Peer<'_>],
    freezes: &[&Freeze],
    now: Timestamp,
) -> Option<Held> {
    if me.coordination.shadow {
        return None;
    }
    frozen(me.deploy, freezes, now)
        .or_else(|| earlier_wave(me.coordination.wave.as_ref()?, waves))
        .or_else(|| {
            others(
                (me, me.coordination.release.as_ref()?),
                release,
                (freezes, now),
            )
        })
}

fn freezing<'a>(deploy: &Deploy, freezes: &[&'a Freeze], now: Timestamp) -> Option<&'a Freeze> {
    let mut freezes = freezes.iter().copied();
    freezes.find(|freeze| freeze.lasts(now) && freeze.applies(deploy))
}

fn frozen(deploy: &Deploy, freezes: &[&Freeze], now: Timestamp) -> Option<Held> {
    let freeze = freezing(deploy, freezes, now)?;
    let end = match freeze.until {
        Some(until) => format!("until {until}"),
        None => "until it is lifted".to_owned(),
    };
    let (what, author, reason) = (freeze.spoken(), &freeze.author, &freeze.reason);
    Some(Held {
        by: Outside::Frozen,
        why: format!("a freeze of {what} lasts {end}, by {author}: {reason}"),
    })
}

/// Every wave before must have been submitted and promoted: a wave nobody has seen is not health
/// (A5).
fn earlier_wave(mine: &Wave, waves: &[Peer<'_>]) -> Option<Held> {
    let index = |peer: &Peer<'_>| peer.coordination.wave.as_ref().map(|wave| wave.index);
    let promoted = Shows::Verdict(Verdict::Promote);
    let mut before = 1..mine.index;
    let why = before.find_map(|wave| {
        let first = waves.partition_point(|peer| index(peer) < Some(wave));
        let of_it = waves.iter().skip(first);
        let of_it: Vec<&Peer<'_>> = of_it.take_while(|p| index(p) == Some(wave)).collect();
        let name = format!("wave {wave} of {}", mine.name);
        if of_it.is_empty() {
            return Some(format!("waits for {name}, of which nothing was submitted"));
        }
        let behind: Vec<&Peer<'_>> = of_it.into_iter().filter(|p| p.shows != promoted).collect();
        if let Some(failed) = behind.iter().find(|peer| is_over(peer)) {
            return Some(format!("{name} is not promoted: {}", ended(failed)));
        }
        let names = named(&behind);
        (!behind.is_empty()).then(|| format!("waits for {name}: {names}"))
    })?;
    Some(Held {
        by: Outside::Wave,
        why,
    })
}

/// Nothing is held for a release before it would be promoted, unless one of the others has already
/// ended otherwise: traffic must come to all of them, or none is ever shown healthy. One that is
/// frozen cannot go, so the rest does not go without it.
fn others(
    (me, mine): (&Peer<'_>, &Release),
    release: &[Peer<'_>],
    (freezes, now): (&[&Freeze], Timestamp),
) -> Option<Held> {
    let group = &mine.group;
    let held = |why: String| {
        Some(Held {
            by: Outside::Release,
            why,
        })
    };
    let promoted = |peer: &&Peer<'_>| peer.shows == Shows::Verdict(Verdict::Promote);
    if let Some(failed) = release.iter().find(|p| is_over(p) && !promoted(p)) {
        return held(format!("release {group} is held: {}", ended(failed)));
    }
    if me.shows != Shows::Health {
        return None;
    }
    let present = |service: &&String| {
        *service == &me.deploy.service || release.iter().any(|p| p.deploy.service == **service)
    };
    let missing: Vec<&String> = mine.members.iter().filter(|s| !present(s)).collect();
    let open = release.iter().filter(|p| p.shows == Shows::Nothing);
    let mut names: Vec<String> = open.map(|peer| spoken(peer.deploy)).collect();
    let healthy = release.iter().filter(|p| p.shows == Shows::Health);
    let stuck = healthy.filter(|p| freezing(p.deploy, freezes, now).is_some());
    names.extend(stuck.map(|peer| format!("{} (frozen)", spoken(peer.deploy))));
    names.extend(missing.into_iter().map(|s| format!("{s} (not submitted)")));
    if !names.is_empty() {
        return held(format!("waits for {} in release {group}", listed(&names)));
    }
    let order = |peer: &Peer<'_>| peer.coordination.release.as_ref().and_then(|r| r.order);
    let my_order = order(me)?;
    let first: Vec<&Peer<'_>> = release
        .iter()
        .filter(|p| order(p).is_some_and(|order| order < my_order) && !promoted(p))
        .collect();
    let why = || format!("{} comes first in release {group}", named(&first));
    (!first.is_empty()).then(why).and_then(held)
}

fn is_over(peer: &Peer<'_>) -> bool {
    matches!(peer.shows, Shows::Verdict(verdict) if verdict != Verdict::Promote)
}

/// How one ended that was not promoted.
fn ended(peer: &Peer<'_>) -> String {
    let what = match peer.shows {
        Shows::Verdict(Verdict::Rollback) => "was rolled back",
        _ => "ended inconclusive",
    };
    format!("{} {what}", spoken(peer.deploy))
}

fn named(peers: &[&Peer<'_>]) -> String {
    let names: Vec<String> = peers.iter().map(|peer| spoken(peer.deploy)).collect();
    listed(&names)
}

/// `a, b and 2 more`
fn listed(names: &[String]) -> String {
    let shown = names.get(..NAMED_MAX).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
