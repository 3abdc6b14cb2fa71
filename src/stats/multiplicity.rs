//! Many hypotheses at once: which may be rejected so that the error stays what was promised.

/// Places rejected by e-BH (Wang and Ramdas, JRSS-B 84, 2022): the k largest e-values, k the
/// largest with e_(k) ≥ m/(alpha·k). Controls the false discovery rate at `alpha` under any
/// dependence. Ascending places.
pub fn e_bh(e_values: &[f64], alpha: f64) -> Vec<usize> {
    let m = e_values.len() as f64;
    let mut order: Vec<usize> = (0..e_values.len()).collect();
    order.sort_by(|&a, &b| e_values[b].total_cmp(&e_values[a]).then(a.cmp(&b)));
    let kept = order
        .iter()
        .enumerate()
        .rev()
        .find(|&(place, &which)| e_values[which] * alpha * (place as f64 + 1.0) >= m)
        .map_or(0, |(place, _)| place + 1);
    order.truncate(kept);
    order.sort_unstable();
    order
}

/// The mean of e-values, itself an e-value of "no hypothesis is false" under any dependence; 1 for
/// none.
pub fn mean_e(e_values: &[f64]) -> f64 {
    super::summary::mean(e_values).unwrap_or(1.0)
}

/// p-values adjusted by Bonferroni: p·m, at most 1.
pub fn bonferroni(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len() as f64;
    p_values.iter().map(|p| (p * m).min(1.0)).collect()
}

/// p-values adjusted by Holm (Scandinavian Journal of Statistics 6, 1979): reject those ≤ alpha.
/// Never larger than Bonferroni's, and valid under any dependence as well.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]).then(a.cmp(&b)));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, &which) in order.iter().enumerate() {
        let factor = (p_values.len() - place) as f64;
        largest = largest.max((p_values[which] * factor).min(1.0));
        adjusted[which] = largest;
    }
    adjusted
}
