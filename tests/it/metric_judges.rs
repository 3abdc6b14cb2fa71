//! `judge` of a metric: another method, another part of the error budget, another answer to "no
//! harm found". What the metrics err together stays within `judge.false_rollback`.

use crate::judge_plans::{self as plans, Noise};
use crate::templates::{base, rollout};
use haldane::judge::judgement::{Judgement, Label};
use haldane::judge::sequential::combine::TOGETHER;
use haldane::judge::sequential::{Detail, Memory, Tables};
use haldane::judge::windows::MetricWindow;
use haldane::judge::{judge, judge_again};
use haldane::plan::Plan;
use haldane::plan::bind::bind;
use haldane::template::Method;
use haldane::template::metric_judge::{Acceptance, MetricJudge, MetricMethod};
use haldane::template::parse::parse;
use haldane::units::MinEffect;

const NOTHING: MetricJudge = MetricJudge {
    method: None,
    share: None,
    accept_no_harm: None,
};

fn by(method: MetricMethod) -> MetricJudge {
    MetricJudge {
        method: Some(method),
        ..NOTHING
    }
}

/// The base with these fields added to its metrics `cpu` (required), `errors` (critical) and
/// `slow` (required).
fn bound(fields: [&str; 3]) -> Plan {
    let mut text = base().0;
    for (name, field) in ["cpu", "errors", "slow"].into_iter().zip(fields) {
        let line = format!("    - name: {name}\n");
        assert!(text.contains(&line));
        text = text.replace(&line, &format!("{line}{field}"));
    }
    let (template, found) = parse(&text);
    assert_eq!(found, []);
    bind(&template.unwrap(), &rollout()).unwrap()
}

#[test]
fn shares_divide_the_error_budget_in_proportion() {
    // One part more for the objective of the base, which rolls back.
    let half = "      judge: { share: 0.5 }\n";
    let two = "      judge: { share: 2 }\n";
    for (fields, parts) in [
        (["", "", ""], [1.0, 3.0, 1.0]),
        ([two, "", ""], [2.0, 3.0, 1.0]),
        ([two, half, half], [2.0, 0.5, 0.5]),
    ] {
        let plan = bound(fields);
        let whole: f64 = parts.iter().sum::<f64>() + 1.0;
        for (metric, part) in plan.metrics.iter().zip(parts) {
            let wanted = 0.02 * part / whole;
            assert!((metric.alpha.get() - wanted).abs() < 1e-15, "{fields:?}");
        }
        let shares: f64 = plan.metrics.iter().map(|m| m.alpha.get()).sum();
        let all = shares + plan.objectives[0].alpha.get();
        assert!((all - 0.02).abs() < 1e-15, "{all}");
    }
}

#[test]
fn the_digest_of_a_plan_tells_judges_apart() {
    let mut seen = Vec::new();
    for field in [
        "",
        "      judge: {}\n",
        "      judge: { method: sequential }\n",
        "      judge: { method: mann-whitney }\n",
        "      judge: { share: 1 }\n",
        "      judge: { accept_no_harm: false }\n",
        "      judge: { accept_no_harm: { power: 80% } }\n",
    ] {
        // The text's own digest is the same: it is that of the whole template in each case.
        let (mut template, _) = parse(&base().0);
        let own = bound([field, "", ""]).metrics[0].judge;
        if let Some(template) = &mut template {
            template.metrics[0].judge = own;
        }
        let plan = bind(&template.unwrap(), &rollout()).unwrap();
        assert!(!seen.contains(&plan.digest), "{field}");
        seen.push(plan.digest);
    }
}

const POINTS: i64 = 60;

/// Four series metrics with an equal share each, the canary `factor` times the baseline.
fn four(seed: u64, factor: f64, judges: [Option<MetricJudge>; 4]) -> (Plan, Vec<MetricWindow>) {
    let mut plan = plans::plan(POINTS, 5, 0.05);
    plan.judge.method = Method::Sequential;
    let mut windows = Vec::new();
    for (idx, own) in judges.into_iter().enumerate() {
        let limit = MinEffect::relative(0.1).unwrap();
        let mut metric = plans::series_metric(&format!("m{idx}"), limit, 0.05 / 4.0);
        metric.judge = own;
        plan.metrics.push(metric);
        let side = |arm: u64, level: f64| -> Vec<Option<f64>> {
            let noise = Noise(seed * 7919 + 2 * u64::try_from(idx).unwrap() + arm);
            let values = { noise }.ar1(0.0, usize::try_from(POINTS).unwrap() + 1);
            values
                .iter()
                .map(|z| Some(level * (1.0 + 0.1 * z)))
                .collect()
        };
        windows.push(plans::series(&side(0, 1.0), &side(1, factor)));
    }
    (plan, windows)
}

fn at_the_end(seed: u64, factor: f64, judges: [Option<MetricJudge>; 4]) -> Judgement {
    let (plan, windows) = four(seed, factor, judges);
    judge(&plan, &plans::windows(&plan, windows, POINTS), 12)
}

#[test]
fn each_metric_is_judged_by_its_own_judge_as_if_all_had_it() {
    let (sequential, classic) = (
        Some(by(MetricMethod::Sequential)),
        Some(by(MetricMethod::MannWhitney)),
    );
    let mixed = at_the_end(1, 1.2, [None, classic, sequential, classic]);
    let all_sequential = at_the_end(1, 1.2, [None; 4]);
    let all_classic = at_the_end(1, 1.2, [classic; 4]);
    for idx in 0..4 {
        let (alike, other) = match idx {
            1 | 3 => (&all_classic, &all_sequential),
            _ => (&all_sequential, &all_classic),
        };
        let finding = &mixed.findings[idx];
        assert_eq!(*finding, alike.findings[idx], "m{idx}");
        assert_ne!(finding.test, other.findings[idx].test, "m{idx}");
    }
}

#[test]
fn a_template_of_one_method_says_the_same_whether_it_stands_above_or_at_each_metric() {
    for (above, own) in [
        (Method::Sequential, MetricMethod::MannWhitney),
        (Method::MannWhitney, MetricMethod::Sequential),
    ] {
        let (mut plan, windows) = four(2, 1.15, [Some(by(own)); 4]);
        plan.judge.method = above;
        let windows = plans::windows(&plan, windows, POINTS);
        let said = judge(&plan, &windows, 12);
        for metric in &mut plan.metrics {
            metric.judge = None;
        }
        plan.judge.method = match own {
            MetricMethod::Sequential => Method::Sequential,
            MetricMethod::MannWhitney => Method::MannWhitney,
        };
        assert_eq!(said, judge(&plan, &windows, 12));
    }
}

/// Each shows a little harm: enough together, not alone.
#[test]
fn only_sequential_metrics_are_added_up() {
    let classic = Some(by(MetricMethod::MannWhitney));
    let together = |judgement: &Judgement| -> Vec<usize> {
        let all = judgement.findings.iter().enumerate();
        all.filter(|(_, f)| f.notes.iter().any(|note| note.starts_with(TOGETHER)))
            .map(|(idx, _)| idx)
            .collect()
    };
    let alone = |judgement: &Judgement| {
        let mut worse = judgement
            .findings
            .iter()
            .filter(|f| f.label == Label::Worse);
        worse.any(|f| !f.notes.iter().any(|note| note.starts_with(TOGETHER)))
    };
    let mut seen = 0;
    for seed in 0..60 {
        let whole = at_the_end(seed, 1.17, [None; 4]);
        if alone(&whole) || together(&whole).is_empty() {
            continue;
        }
        seen += 1;
        let judges = [None, classic, None, classic];
        for idx in together(&at_the_end(seed, 1.17, judges)) {
            assert!(judges[idx].is_none(), "m{idx} of seed {seed}");
        }
    }
    assert!(seen >= 3, "{seen} seeds prove harm together");
}

/// The hardest healthy canary, at the limit in every metric: two judges, one budget.
#[test]
fn mixed_judges_keep_the_error_budget() {
    const RUNS: u64 = 120;
    let classic = Some(by(MetricMethod::MannWhitney));
    let tables = Tables::default();
    let mut rolled_back = 0;
    for seed in 0..RUNS {
        let (plan, windows) = four(seed, 1.1, [None, classic, None, classic]);
        let mut windows = plans::windows(&plan, windows, 0);
        let mut memory = Memory::sharing(Detail::Decision, &tables);
        let worse = (1..=12).any(|look| {
            windows.covered_to = plans::START.plus(plans::STEP.times(look * 5));
            let number = u32::try_from(look).unwrap();
            let judged = judge_again(&plan, &windows, number, &mut memory);
            judged.findings.iter().any(|f| f.label == Label::Worse)
        });
        rolled_back += u64::from(worse);
    }
    let rate = rolled_back as f64 / RUNS as f64;
    let most = 0.05 + 3.0 * libm::sqrt(0.05 * 0.95 / RUNS as f64);
    println!("{rate} of at most 0.05 were rolled back");
    assert!(rate <= most, "{rate} is above {most}");
}

#[test]
fn no_harm_found_is_worth_what_the_metric_says() {
    let with = |power| Acceptance::WithPower(plans::probability(power));
    let own = |accept_no_harm| {
        Some(MetricJudge {
            accept_no_harm: Some(accept_no_harm),
            ..NOTHING
        })
    };
    let judges = [
        None,
        own(Acceptance::Never),
        own(with(0.01)),
        own(with(0.99)),
    ];
    for whole in [None, Some(0.01)] {
        let (mut plan, windows) = four(5, 1.0, judges);
        for metric in &mut plan.metrics {
            metric.min_effect = MinEffect::relative(0.05).unwrap();
        }
        plan.judge.accept_no_harm = whole.map(plans::probability);
        let judged = judge(&plan, &plans::windows(&plan, windows, POINTS), 12);
        let accepted: Vec<bool> = judged
            .findings
            .iter()
            .map(|f| f.notes.iter().any(|note| note.starts_with("no harm found")))
            .collect();
        assert!(!accepted[1] && !accepted[3], "{whole:?}: {accepted:?}");
        assert!(accepted[2], "{whole:?}: {:?}", judged.findings[2]);
        assert_eq!(accepted[0], whole.is_some(), "{:?}", judged.findings[0]);
    }
}
