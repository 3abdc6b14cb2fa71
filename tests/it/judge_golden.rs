//! Judgements of fixed windows by every judge, bit for bit (A12). When this fails, a judgement has
//! changed: raise `judge::SEMANTICS`, say so in the changelog under Verdicts, and write the file
//! anew with `UPDATE_CASES=1`.

use crate::judge_plans::{self as plans, Noise};
use haldane::judge::judgement::Finding;
use haldane::judge::windows::MetricWindow;
use haldane::judge::{SEMANTICS, judge};
use haldane::plan::{MetricPlan, Plan};
use haldane::template::Method;
use haldane::template::kayenta::KayentaSpec;
use haldane::units::{Harm, MinEffect};
use std::fmt::Write as _;
use std::path::Path;

const FILE: &str = "tests/golden/judgements.txt";
const POINTS: usize = 60;

/// Name, limit, harm, correlation of the noise, level of the canary, share of noise.
const SERIES: [(&str, f64, Harm, f64, f64, f64); 4] = [
    ("healthy", 0.1, Harm::Increase, 0.0, 1.0, 0.05),
    ("worse", 0.1, Harm::Increase, 0.4, 1.5, 0.1),
    ("less", 0.2, Harm::Decrease, 0.0, 0.6, 0.1),
    ("murky", 0.1, Harm::Either, 0.6, 1.1, 0.2),
];

fn series(seed: u64, rho: f64, level: f64, share: f64) -> MetricWindow {
    let values = |level: f64, seed: u64| -> Vec<Option<f64>> {
        let deviates = Noise(seed).ar1(rho, POINTS + 1);
        let value = |(t, z): (usize, &f64)| (t % 17 != 5).then_some(level * (1.0 + share * z));
        deviates.iter().enumerate().map(value).collect()
    };
    plans::series(&values(100.0, seed), &values(100.0 * level, seed + 1))
}

fn events(seed: u64, ratio: f64) -> MetricWindow {
    let mut noise = Noise(seed);
    let mut arm = |ratio: f64| -> Vec<(f64, f64)> {
        (0..POINTS)
            .map(|_| (noise.poisson(500.0 * ratio), 500.0))
            .collect()
    };
    plans::events(&arm(0.01), &arm(ratio))
}

fn analysis(method: Method) -> (Plan, Vec<MetricWindow>) {
    let mut plan = plans::plan(i64::try_from(POINTS).unwrap(), 5, 0.05);
    plan.judge.method = method;
    let mut windows = Vec::new();
    for (idx, (name, limit, harm, rho, level, share)) in SERIES.into_iter().enumerate() {
        let limit = MinEffect::relative(limit).unwrap();
        let metric = plans::series_metric(name, limit, 0.01);
        plan.metrics.push(MetricPlan { harm, ..metric });
        windows.push(series(100 + 10 * idx as u64, rho, level, share));
    }
    for (name, ratio, limit) in [
        ("errors", 0.04, MinEffect::relative(0.2).unwrap()),
        ("few-errors", 0.01, MinEffect::absolute(0.005).unwrap()),
    ] {
        plan.metrics.push(plans::events_metric(name, limit, 0.01));
        windows.push(events(200 + plan.metrics.len() as u64, ratio));
    }
    (plan, windows)
}

/// A number with all its bits.
fn exact(value: f64) -> String {
    format!("{:016x} ({value:e})", value.to_bits())
}

fn line(finding: &Finding) -> String {
    let mut out = format!(
        "  {} {} {}",
        finding.metric,
        finding.label.word(),
        finding.test
    );
    if let Some(evidence) = finding.evidence {
        let _ = write!(out, "\n    harm {}", exact(evidence.p_harm));
        let _ = write!(out, "\n    safe {}", exact(evidence.p_safe));
    }
    if let Some(effect) = finding.effect {
        let absolute = effect.absolute;
        for (name, value) in [
            ("effect", absolute.value),
            ("low", absolute.low),
            ("high", absolute.high),
        ] {
            let _ = write!(out, "\n    {name} {}", exact(value));
        }
    }
    let _ = write!(out, "\n    needs {:?}", finding.needs);
    for note in &finding.notes {
        let _ = write!(out, "\n    note {note}");
    }
    out
}

#[test]
fn every_bit_is_as_it_was() {
    let mut text = format!("semantics {SEMANTICS}\n");
    let kayenta = KayentaSpec {
        pass: 75.0,
        marginal: 50.0,
        group_weights: Vec::new(),
    };
    for method in [
        Method::Sequential,
        Method::MannWhitney,
        Method::Kayenta(kayenta),
    ] {
        let name = method.word();
        let (plan, windows) = analysis(method);
        for (look, points) in [(4_u32, 20_i64), (12, 60)] {
            let seen = plans::windows(&plan, windows.clone(), points);
            let judged = judge(&plan, &seen, look);
            let _ = writeln!(text, "{name}, look {look}: {}", judged.outcome.word());
            for finding in &judged.findings {
                let _ = writeln!(text, "{}", line(finding));
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    for (number, (known, now)) in known.lines().zip(text.lines()).enumerate() {
        assert_eq!(
            known,
            now,
            "{FILE}:{}: a judgement has changed; raise judge::SEMANTICS, then UPDATE_CASES=1",
            number + 1
        );
    }
    assert_eq!(known.lines().count(), text.lines().count());
}
