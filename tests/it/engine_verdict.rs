//! The verdict table, every combination of its inputs (A4, A5), and how a situation is read off a
//! judgement.

use crate::engine_plans::{judgement, objective, plan, rung};
use haldane::engine::verdict::{
    Decision, Hold, Outside, Population, Situation, Source, Verdict, because, decide, told,
};
use haldane::judge::explain::Stand;
use haldane::judge::judgement::{Judgement, Label, TrafficFinding};
use haldane::template::Role;
use haldane::time::Span;
use std::collections::BTreeMap;

const BOOL: [bool; 2] = [false, true];
const OVERRIDES: [Option<Verdict>; 4] = [
    None,
    Some(Verdict::Promote),
    Some(Verdict::Rollback),
    Some(Verdict::Inconclusive),
];
const POPULATIONS: [Population; 3] = [
    Population::AsDeclared,
    Population::TrafficMismatch,
    Population::ArmAbsent,
];

const OUTSIDE: [Option<Outside>; 4] = [
    None,
    Some(Outside::Frozen),
    Some(Outside::Wave),
    Some(Outside::Release),
];

/// Every situation there is: 4 · 3 · 4 · 2⁹.
fn every_situation() -> Vec<Situation> {
    let mut all = Vec::new();
    for overridden in OVERRIDES {
        for (population, outside) in POPULATIONS
            .into_iter()
            .flat_map(|population| OUTSIDE.map(|outside| (population, outside)))
        {
            for bits in 0..512_u32 {
                let bit = |n: u32| BOOL[usize::from(bits >> n & 1 == 1)];
                all.push(Situation {
                    overridden,
                    population,
                    gate_worse: bit(0),
                    abort_rung: bit(1),
                    environment_degraded: bit(2),
                    source: if bit(3) {
                        Source::Lost
                    } else {
                        Source::Answering
                    },
                    bake_over: bit(4),
                    deadline: bit(5),
                    all_within: bit(6),
                    suspect: bit(7),
                    budget_burning: bit(8),
                    outside,
                });
            }
        }
    }
    all
}

#[test]
fn every_combination_keeps_the_promises() {
    let all = every_situation();
    assert_eq!(all.len(), 24_576);
    for s in &all {
        let Decision { row, verdict, hold } = decide(s);
        let promoted = verdict == Some(Verdict::Promote);
        assert!((1..=9).contains(&row), "{s:?}");
        // Row 1: a person's word is the verdict, whatever else is true.
        if s.overridden.is_some() {
            assert_eq!((row, verdict), (1, s.overridden), "{s:?}");
            continue;
        }
        // A5: one way to a promote.
        let clean = s.all_within
            && s.bake_over
            && s.source == Source::Answering
            && s.population == Population::AsDeclared
            && !(s.gate_worse
                || s.abort_rung
                || s.environment_degraded
                || s.suspect
                || s.budget_burning)
            && s.outside.is_none();
        assert_eq!(promoted, clean, "{s:?}");
        assert_eq!(promoted, row == 8 && verdict.is_some(), "{s:?}");
        // Harm that is shown goes back at once, even if the source is lost or the data suspect.
        let harm = s.gate_worse || s.abort_rung;
        assert_eq!(verdict == Some(Verdict::Rollback), harm, "{s:?}");
        // Nothing waits for ever: there is a verdict at the deadline, and when the source is lost.
        assert!(
            verdict.is_some() || !(s.deadline || s.source == Source::Lost),
            "{s:?}"
        );
        // A hold explains why there is no promote, and only that.
        assert!(hold.is_none() || !promoted && !harm, "{s:?}");
        if row == 4 || row == 5 {
            assert!(hold.is_some(), "{s:?}");
        }
    }
}

#[test]
fn one_step_towards_harm_never_helps() {
    // Making one column worse never turns anything into a promote, nor a rollback into less.
    let worse: [fn(&mut Situation); 11] = [
        |s| s.gate_worse = true,
        |s| s.abort_rung = true,
        |s| s.environment_degraded = true,
        |s| s.population = Population::ArmAbsent,
        |s| s.source = Source::Lost,
        |s| s.all_within = false,
        |s| s.suspect = true,
        |s| s.budget_burning = true,
        |s| s.outside = Some(Outside::Frozen),
        |s| s.outside = Some(Outside::Wave),
        |s| s.outside = Some(Outside::Release),
    ];
    for s in every_situation() {
        let before = decide(&s).verdict;
        for step in worse {
            let mut stepped = s;
            step(&mut stepped);
            let after = decide(&stepped).verdict;
            if before != Some(Verdict::Promote) {
                assert_ne!(after, Some(Verdict::Promote), "{s:?} -> {stepped:?}");
            }
            if before == Some(Verdict::Rollback) {
                assert_eq!(after, before, "{s:?} -> {stepped:?}");
            }
        }
    }
}

/// What others hold back changes nothing but a promote, and is never taken for harm (A5).
#[test]
fn a_hold_from_outside_keeps_a_promote_back_and_nothing_else() {
    use haldane::template::OnInconclusive;
    let mut plan = plan("t", 600, 10);
    plan.on_inconclusive = OnInconclusive::Rollback;
    for s in every_situation() {
        let alone = Situation { outside: None, ..s };
        let (held, free) = (decide(&s), decide(&alone));
        if free.verdict == Some(Verdict::Promote) && s.overridden.is_none() && s.outside.is_some() {
            let end = s.deadline.then_some(Verdict::Inconclusive);
            assert_eq!(held.verdict, end, "{s:?}");
            assert_eq!(held.hold, s.outside.map(Outside::hold), "{s:?}");
        } else {
            assert_eq!(held.verdict, free.verdict, "{s:?}");
        }
        let named = held.hold.as_ref().is_some_and(Hold::is_outside);
        if named && held.verdict == Some(Verdict::Inconclusive) && held.row != 6 {
            let because = because(held.row, held.hold.as_ref(), None);
            assert_eq!(told(&plan, because), OnInconclusive::Hold, "{s:?}");
        }
    }
}

#[test]
fn the_counts_per_row_are_frozen() {
    let mut counts: BTreeMap<(u8, &str, &str), u32> = BTreeMap::new();
    for s in every_situation() {
        let decision = decide(&s);
        let verdict = decision.verdict.map_or("pending", Verdict::word);
        let hold = decision.hold.as_ref().map_or("-", Hold::word);
        *counts.entry((decision.row, verdict, hold)).or_default() += 1;
    }
    let table: String = counts
        .iter()
        .map(|((row, verdict, hold), n)| format!("{row} {verdict:<12} {hold:<20} {n}\n"))
        .collect();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cases/engine/verdict.counts"
    );
    if std::env::var_os("HALDANE_UPDATE_CASES").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

/// A judgement at look 2 of 10, past the bake time, where all is well.
fn healthy() -> Judgement {
    judgement(&plan("t", 600, 10), 2, Label::Within)
}

fn situation(change: impl FnOnce(&mut Judgement)) -> (Situation, Decision) {
    let mut seen = healthy();
    seen.covered_to = plan("t", 600, 10).timing.bake_until;
    change(&mut seen);
    let s = Situation::of(&plan("t", 600, 10), Some(&seen), Source::Answering);
    let decision = decide(&s);
    (s, decision)
}

#[track_caller]
fn check(
    change: impl FnOnce(&mut Judgement),
    row: u8,
    verdict: Option<Verdict>,
    hold: Option<Hold>,
    stand: Stand,
) {
    let (s, decision) = situation(change);
    assert_eq!(decision.stand(), stand, "{s:?}");
    assert_eq!(decision, Decision { row, verdict, hold }, "{s:?}");
}

#[test]
fn a_situation_is_read_off_the_judgement() {
    use Verdict::{Promote, Rollback};
    check(|_| {}, 8, Some(Promote), None, Stand::Promote);
    let worse = |j: &mut Judgement| j.findings[0].label = Label::Worse;
    check(worse, 2, Some(Rollback), None, Stand::RollbackMetric);
    // Worse by label, but without a test behind it: no rollback, and no promote either.
    let bare = |j: &mut Judgement| {
        worse(j);
        j.findings[0].evidence = None;
    };
    check(bare, 7, None, None, Stand::Pending);
    let one_sided = |j: &mut Judgement| j.findings[0].canary.n = 0;
    check(one_sided, 7, None, None, Stand::Pending);
    let optional_worse = |j: &mut Judgement| {
        j.findings[1].role = Role::Optional;
        j.findings[1].label = Label::Worse;
    };
    check(optional_worse, 8, Some(Promote), None, Stand::Promote);
    let no_gate = |j: &mut Judgement| j.findings.iter_mut().for_each(|f| f.role = Role::Optional);
    check(no_gate, 7, None, None, Stand::Pending);
    let finding_lost = |j: &mut Judgement| j.findings.truncate(1);
    check(finding_lost, 7, None, None, Stand::Pending);
    let too_early = |j: &mut Judgement| j.covered_to = j.covered_to.minus(Span::from_s(15));
    check(too_early, 7, None, None, Stand::Pending);
}

#[test]
fn holds_are_read_off_the_judgement() {
    use Verdict::{Inconclusive, Rollback};
    let alike = |j: &mut Judgement| j.findings[0].both_degraded = true;
    let hold = Some(Hold::EnvironmentDegraded);
    check(alike, 4, None, hold.clone(), Stand::EnvironmentDegraded);
    let alike_at_deadline = |j: &mut Judgement| {
        alike(j);
        j.look = 10;
    };
    let stand = Stand::EnvironmentDegraded;
    check(
        alike_at_deadline,
        4,
        Some(Inconclusive),
        hold.clone(),
        stand,
    );

    let absent = |j: &mut Judgement| j.findings.iter_mut().for_each(|f| f.canary.n = 0);
    check(absent, 5, None, Some(Hold::ArmAbsent), Stand::ArmAbsent);
    let mismatch = |j: &mut Judgement| {
        j.traffic = Some(TrafficFinding {
            declared: 0.1,
            observed: Some(0.5),
            mismatch: true,
        });
    };
    let traffic = Some(Hold::TrafficMismatch);
    check(mismatch, 5, None, traffic, Stand::TrafficMismatch);

    let suspect = |j: &mut Judgement| j.suspect.push("partial answer".to_owned());
    let held = Some(Hold::DataSuspect);
    check(suspect, 8, None, held.clone(), Stand::DataSuspect);
    let suspect_at_deadline = |j: &mut Judgement| {
        suspect(j);
        j.look = 10;
    };
    check(
        suspect_at_deadline,
        9,
        Some(Inconclusive),
        held,
        Stand::DataSuspect,
    );

    // Rungs: (rolls back, worse than the baseline, the baseline burns too).
    let burning = |rolls_back, worse, both| {
        move |j: &mut Judgement| {
            j.objectives
                .push(objective(worse, both, vec![rung(rolls_back)]));
        }
    };
    check(
        burning(true, true, false),
        3,
        Some(Rollback),
        None,
        Stand::RollbackBurn,
    );
    check(
        burning(true, true, true),
        3,
        Some(Rollback),
        None,
        Stand::RollbackBurn,
    );
    check(
        burning(true, false, true),
        4,
        None,
        hold,
        Stand::EnvironmentDegraded,
    );
    let budget = Some(Hold::BudgetBurning);
    check(
        burning(true, false, false),
        8,
        None,
        budget.clone(),
        Stand::BudgetBurning,
    );
    check(
        burning(false, true, false),
        8,
        None,
        budget,
        Stand::BudgetBurning,
    );
}

#[test]
fn without_a_judgement_nothing_is_decided_but_a_lost_source() {
    let plan = plan("t", 600, 10);
    let decision = decide(&Situation::of(&plan, None, Source::Answering));
    assert_eq!((decision.row, decision.verdict), (7, None));
    let decision = decide(&Situation::of(&plan, None, Source::Lost));
    assert_eq!(
        (decision.row, decision.verdict),
        (6, Some(Verdict::Inconclusive))
    );
}

#[test]
fn a_bake_time_is_over_when_the_data_reach_past_it_and_not_before() {
    let mut plan = plan("t", 600, 10);
    plan.timing.bake_until = plan.timing.start.plus(Span::from_s(299));
    for (covered_s, over) in [(285, false), (300, true), (315, true)] {
        let mut seen = judgement(&plan, 5, Label::Within);
        seen.covered_to = plan.timing.start.plus(Span::from_s(covered_s));
        let s = Situation::of(&plan, Some(&seen), Source::Answering);
        assert_eq!(s.bake_over, over, "{covered_s}");
    }
}
