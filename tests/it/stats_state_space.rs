//! The state-space t-mixture: its vectors, its slow twin, its laws.

#![expect(
    clippy::float_cmp,
    reason = "what is the same number must have the same bits"
)]

use haldane::stats::state_space::{
    Course, EFFECTS, Gains, Model, NoiseClass, Onsets, PRIOR_COUNT, PRIOR_SCALE, Side, Span, State,
    Weights,
};
use haldane::stats::student;
use haldane::stats::winsor::Winsor;
use proptest::prelude::*;
use serde_json::Value;

const FILE: &str = include_str!("../vectors/statistics.json");

fn numbers(value: &Value) -> Vec<Option<f64>> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(Value::as_f64)
        .collect()
}

/// The path of ln e over all prefixes, and the end's state.
struct Run {
    model: Model,
    gains: Gains,
    state: State,
    weights: Weights,
    path: Vec<f64>,
}

fn run(model: Model, values: &[Option<f64>], side: Side) -> Run {
    let (mut gains, mut state) = (Gains::new(&model), State::new(&model));
    let mut weights = Weights::new(&model, &gains);
    let mut path = Vec::new();
    for value in values {
        if let Some(value) = value {
            state.observe(&gains, *value);
            gains.observe(&model);
        } else {
            state.skip(&gains);
            gains.skip(&model);
        }
        weights.renew(&model, &gains);
        path.push(state.ln_e_exact(&gains, &mut weights, (side, Span::AnyOnset, 0.0), &[]));
    }
    Run {
        model,
        gains,
        state,
        weights,
        path,
    }
}

impl Run {
    /// What the judge asks for.
    fn ln_e(&mut self, side: Side, shift: f64) -> f64 {
        let asked = (side, Span::AnyOnset, shift);
        self.state.ln_e(&self.gains, &mut self.weights, asked, &[])
    }
}

fn model_of(case: &Value) -> Model {
    let shares: Vec<f64> = numbers(&case["shares"]).into_iter().flatten().collect();
    let every = usize::try_from(case["onset_every"].as_u64().unwrap()).unwrap();
    let horizon = usize::try_from(case["horizon"].as_u64().unwrap()).unwrap();
    Model {
        noise: NoiseClass::new(case["rho_max"].as_f64().unwrap(), &shares),
        onsets: if every == 0 {
            Onsets::at_start()
        } else {
            Onsets::every(every, horizon)
        },
    }
}

fn cases(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let all = file["cases"].as_array().unwrap();
    all.iter()
        .filter(|case| case["kind"] == kind)
        .cloned()
        .collect()
}

#[test]
fn paths_of_the_reference() {
    let all = cases("sst_eprocess");
    assert_eq!(all.len(), 10);
    for case in &all {
        let id = case["id"].as_str().unwrap();
        assert_eq!(case["nu0"].as_f64(), Some(PRIOR_COUNT), "{id}");
        let floor = case["s02"].as_f64().unwrap();
        assert!((floor - PRIOR_SCALE * PRIOR_SCALE).abs() < 1e-18, "{id}");
        let effects: Vec<f64> = numbers(&case["prior_g"]).into_iter().flatten().collect();
        assert_eq!(effects, EFFECTS, "{id}");
        let mut winsor = Winsor::new();
        let contrast = numbers(&case["contrast"]);
        let clipped: Vec<_> = contrast.iter().map(|v| v.map(|v| winsor.clip(v))).collect();
        // Values that were struck out afterwards are missing from `winsorised` only.
        let winsorised = numbers(&case["winsorised"]);
        for (got, want) in clipped.iter().zip(&winsorised) {
            if let (Some(got), Some(want)) = (got, want) {
                assert!((got - want).abs() < 1e-15, "{id}: {got} {want}");
            }
        }
        let got = run(model_of(case), &winsorised, Side::Above).path;
        let want = numbers(&case["log_e"]);
        assert_eq!(got.len(), want.len(), "{id}");
        for (idx, (got, want)) in got.iter().zip(want).enumerate() {
            let want = want.unwrap();
            assert!((got - want).abs() < 1e-9, "{id} at {idx}: {got} {want}");
        }
        // What the judge asks for is a little less, never more.
        let exact = *got.last().unwrap();
        let bound = run(model_of(case), &winsorised, Side::Above).ln_e(Side::Above, 0.0);
        assert!(bound <= exact + 1e-9, "{id}: {bound} {exact}");
        assert!(
            exact.exp() <= 1.15 * bound.exp() + 1.0,
            "{id}: {bound} {exact}"
        );
    }
}

#[test]
fn lower_bounds_of_the_reference() {
    let all = cases("sst_lower_bound");
    assert_eq!(all.len(), 2);
    for case in &all {
        let of = cases("sst_eprocess");
        let of = of.iter().find(|other| other["id"] == case["case"]).unwrap();
        let values = numbers(&of["winsorised"]);
        let mut got = run(model_of(of), &values, Side::Above);
        let bound = -case["alpha"].as_f64().unwrap().ln();
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let ln_e = got.state.ln_e_exact(
                &got.gains,
                &mut got.weights,
                (Side::Above, Span::AnyOnset, middle),
                &[],
            );
            if ln_e >= bound {
                low = middle;
            } else {
                high = middle;
            }
        }
        let want = case["lower_contrast"].as_f64().unwrap();
        assert!((low - want).abs() < 1e-8, "{}: {low} {want}", case["id"]);
        assert_eq!(got.model.onsets.starts().len(), 12);
    }
}

/// Evidence beyond the range of numbers is told in logarithms.
#[test]
fn overwhelming_evidence_is_finite() {
    let wave = |t: usize| 1e-4 * ((t * 7 % 5) as f64 - 2.0);
    let values: Vec<_> = (0..600).map(|t| Some(0.9 + wave(t))).collect();
    let model = Model {
        noise: NoiseClass::new(0.9, &[0.5, 1.0]),
        onsets: Onsets::every(50, 600),
    };
    let mut got = run(model, &values, Side::Above);
    let (fast, exact) = (got.ln_e(Side::Above, 0.0), *got.path.last().unwrap());
    assert!(exact > 720.0 && exact.is_finite(), "{exact}");
    assert_eq!(fast, exact);
}

/// Values far below zero first, above it later: what speaks against the mean from the start must
/// not hide what speaks for one that began late.
#[test]
fn a_late_rise_is_seen_behind_an_early_fall() {
    let wave = |t: usize| 0.01 * ((t * 7 % 5) as f64 - 2.0);
    let level = |t: usize| if t < 60 { -0.5 } else { 0.3 };
    let values: Vec<_> = (0..90).map(|t| Some(level(t) + wave(t))).collect();
    for every in [10, 60] {
        let model = Model {
            noise: NoiseClass::new(0.5, &[1.0]),
            onsets: Onsets::every(every, 120),
        };
        for side in [Side::Above, Side::Below] {
            let fast = *run(model.clone(), &values, side).path.last().unwrap();
            let slow = naive_ln_e(&model, &values, side);
            assert!(
                (fast - slow).abs() < 1e-6,
                "{every} {side:?}: {fast} {slow}"
            );
        }
    }
}

/// The definition, term by term, with the exact Student tail and no sharing: the covariance
/// matrix of the noise is built and inverted.
fn naive_ln_e(model: &Model, values: &[Option<f64>], side: Side) -> f64 {
    naive(model, values, side, |rest, tau, count| {
        -0.5 * count * rest.ln() + 2.0_f64.ln() + student::cdf(tau, count).ln()
    })
}

/// The same with the bound of each term that needs no tail.
fn naive_bound(model: &Model, values: &[Option<f64>], (side, least): (Side, f64)) -> f64 {
    naive(model, values, side, |rest, tau, count| {
        let gain = 0.5 * count * (tau * tau / count).ln_1p();
        let less = (1.0 - 0.5 * (-gain).exp()).ln();
        let value = -0.5 * count * rest.ln() + 2.0_f64.ln() + less;
        if tau > least {
            value
        } else {
            f64::NEG_INFINITY
        }
    })
}

/// `of` gives what a term does not share with others of its rest, τ and count.
fn naive(
    model: &Model,
    values: &[Option<f64>],
    side: Side,
    of: impl Fn(f64, f64, f64) -> f64,
) -> f64 {
    let at: Vec<usize> = (0..values.len()).filter(|t| values[*t].is_some()).collect();
    let x: Vec<f64> = values.iter().flatten().copied().collect();
    let count = PRIOR_COUNT + x.len() as f64;
    let others = (model.noise.len() - 1) as f64;
    let starts = model.onsets.starts();
    let mut nulls = Vec::new();
    let mut terms: Vec<f64> = Vec::new();
    for (idx, (rho, share)) in model.noise.points().enumerate() {
        let covariance = |i: usize, j: usize| {
            let apart = at[i].abs_diff(at[j]);
            let white = if i == j { 1.0 - share } else { 0.0 };
            let power = if apart == 0 {
                1.0
            } else {
                rho.powi(i32::try_from(apart).unwrap())
            };
            white + share * power
        };
        let factor = Cholesky::of(x.len(), covariance);
        let z = factor.solve(&x);
        let square = PRIOR_COUNT * PRIOR_SCALE * PRIOR_SCALE + dot(&z, &z);
        let null = -0.5 * factor.ln_det - 0.5 * count * square.ln();
        nulls.push(null);
        let prior = match idx {
            0 if others == 0.0 => 0.0,
            0 => 0.3_f64.ln(),
            _ => (0.7 / others).ln(),
        };
        for (m, start) in starts.iter().enumerate() {
            let ones: Vec<f64> = at.iter().map(|t| f64::from(u8::from(t >= start))).collect();
            if ones.iter().all(|one| *one == 0.0) {
                continue;
            }
            let w = factor.solve(&ones);
            let sum = dot(&z, &w) * if side == Side::Above { 1.0 } else { -1.0 };
            let norm = dot(&w, &w);
            let weight = match (m, starts.len()) {
                (_, 1) => 0.0,
                (0, _) => 0.5_f64.ln(),
                (_, all) => (0.5 / (all - 1) as f64).ln(),
            };
            for effect in EFFECTS {
                let k = norm + 1.0 / effect;
                let rest = square - sum * sum / k;
                let tau = sum * (count / (k * rest)).sqrt();
                terms.push(
                    prior + weight
                        - 3.0_f64.ln()
                        - 0.5 * factor.ln_det
                        - 0.5 * (effect * norm).ln_1p()
                        + of(rest, tau, count),
                );
            }
        }
    }
    let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let largest = most(&terms);
    let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
    largest + sum.ln() - most(&nulls)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower triangle of a covariance matrix.
struct Cholesky {
    rows: Vec<Vec<f64>>,
    ln_det: f64,
}

impl Cholesky {
    fn of(n: usize, covariance: impl Fn(usize, usize) -> f64) -> Self {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        let mut ln_det = 0.0;
        for i in 0..n {
            let mut row = Vec::new();
            for j in 0..i {
                let of_j: &Vec<f64> = &rows[j];
                row.push((covariance(i, j) - dot(&row, &of_j[..j])) / of_j[j]);
            }
            let pivot = covariance(i, i) - dot(&row, &row);
            ln_det += pivot.ln();
            row.push(pivot.sqrt());
            rows.push(row);
        }
        Self { rows, ln_det }
    }

    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::new();
        for (row, b) in self.rows.iter().zip(b) {
            let done = out.len();
            out.push((b - dot(&row[..done], &out)) / row[done]);
        }
        out
    }
}

fn noise() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![
        6 => (-0.6..0.6_f64).prop_map(Some),
        1 => Just(Some(0.0)),
        1 => Just(None),
    ];
    prop::collection::vec(value, 2..45)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_filters_agree_with_the_covariance_matrix(
        values in noise(),
        rho_max in 0.0..0.97_f64,
        every in 1..15_usize,
        above in any::<bool>(),
    ) {
        prop_assume!(values.iter().flatten().count() > 0);
        let model = Model {
            noise: NoiseClass::new(rho_max, &[0.25, 1.0]),
            onsets: Onsets::every(every, 40),
        };
        let side = if above { Side::Above } else { Side::Below };
        let mut got = run(model.clone(), &values, side);
        let exact = *got.path.last().unwrap();
        let slow = naive_ln_e(&model, &values, side);
        prop_assert!((exact - slow).abs() < 1e-8 * slow.abs().max(1.0), "{} {}", exact, slow);
        let bound = got.ln_e(side, 0.0);
        // Where the values speak neither way, rounding decides.
        let [low, high] = [1e-9, -1e-9].map(|least| {
            naive_bound(&model, &values, (side, least)).max(-700.0)
        });
        let slack = 1e-8 * low.abs().max(1.0);
        prop_assert!(bound.max(-700.0) > low - slack, "{} {}", bound, low);
        prop_assert!(bound < high + slack, "{} {}", bound, high);
        // What the bound costs.
        prop_assert!(bound <= exact + 1e-9, "{} {}", bound, exact);
        prop_assert!(exact.exp() <= 1.15 * bound.exp() + 1.0, "{} {}", bound, exact);
    }

    /// A stretch at once, or one value after the other: the same bits.
    #[test]
    fn stretches_change_no_bit(values in noise(), cut in 0..45_usize, rho_max in 0.0..0.97_f64) {
        let model = Model {
            noise: NoiseClass::new(rho_max, &[0.5, 1.0]),
            onsets: Onsets::every(7, 40),
        };
        let one_by_one = run(model.clone(), &values, Side::Above);
        let (mut gains, mut state) = (Gains::new(&model), State::new(&model));
        let (mut course, mut room) = (Course::default(), Vec::new());
        let (before, after) = values.split_at(cut.min(values.len()));
        for stretch in [before, after] {
            course.run(&model, &mut gains, stretch.iter().map(Option::is_some));
            state.observe_all(&course, stretch, &mut room);
        }
        prop_assert_eq!(gains, one_by_one.gains);
        prop_assert_eq!(state, one_by_one.state);
    }

    /// Taking a shift from the values first, or in the test: the same.
    #[test]
    fn a_shift_in_closed_form_is_a_shift(values in noise(), shift in -0.5..0.5_f64) {
        prop_assume!(values.iter().flatten().count() > 0);
        let model = Model {
            noise: NoiseClass::new(0.9, &[0.5, 1.0]),
            onsets: Onsets::every(10, 40),
        };
        let moved: Vec<_> = values.iter().map(|v| v.map(|v| v - shift)).collect();
        for side in [Side::Above, Side::Below] {
            let want = run(model.clone(), &moved, side).ln_e(side, 0.0);
            let got = run(model.clone(), &values, side).ln_e(side, shift);
            prop_assert!((got - want).abs() < 1e-7, "{} {}", got, want);
        }
    }

    /// The clipped values are those of the definition, sorted anew at each step.
    #[test]
    fn clipping_agrees_with_its_definition(
        values in prop::collection::vec(prop_oneof![
            4 => -1.0..1.0_f64,
            1 => (-3_i32..3).prop_map(f64::from),
            1 => -1e3..1e3_f64,
        ], 1..60),
    ) {
        let (mut winsor, mut about_zero) = (Winsor::new(), Winsor::new());
        for (idx, value) in values.iter().enumerate() {
            let mut seen = values[..idx].to_vec();
            seen.sort_by(f64::total_cmp);
            let (mut want, mut want_about_zero) = (*value, *value);
            if idx >= 8 {
                let centre = 0.5 * (seen[(idx - 1) / 2] + seen[idx / 2]);
                let mut apart: Vec<f64> = seen.iter().map(|v| (v - centre).abs()).collect();
                apart.sort_by(f64::total_cmp);
                let deviation = 1.4826 * apart[idx / 2];
                let (low, high) = (centre - 2.5 * deviation, centre + 2.5 * deviation);
                if deviation > 0.0 {
                    want = want.clamp(low, high);
                    let (low, high) = (low.min(-deviation), high.max(deviation));
                    want_about_zero = want_about_zero.clamp(low, high);
                }
            }
            let spread = about_zero.centre_and_deviation();
            prop_assert_eq!(about_zero.clip_about_zero(*value, spread), want_about_zero);
            prop_assert_eq!(winsor.clip(*value), want);
        }
    }
}
