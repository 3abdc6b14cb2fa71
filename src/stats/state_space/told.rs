//! What an earlier stretch of the same noise says of a noise class.

use super::{Gains, Model, NoiseClass, Onsets, State, Weights};

/// At most so much (natural logarithm) may history speak against a point of the noise class: the
/// noise of a new hour is not quite that of the last.
const HISTORY_SAYS_AT_MOST: f64 = 6.0;

/// What a stretch of noise says of each point of a class, free of its scale and its mean: ln of
/// its restricted likelihood, relative to the best point, cut at [`HISTORY_SAYS_AT_MOST`]. Empty
/// without values, or where these do not differ.
pub fn history_ln_likelihood(noise: &NoiseClass, values: &[Option<f64>]) -> Vec<f64> {
    let model = Model {
        noise: noise.clone(),
        onsets: Onsets::at_start(),
    };
    let mut gains = Gains::new(&model);
    let mut state = State::new(&model);
    for value in values {
        if let Some(value) = value {
            state.observe(&gains, *value);
            gains.observe(&model);
        } else {
            state.skip(&gains);
            gains.skip(&model);
        }
    }
    if gains.present() < 2 || state.is_still(&gains) {
        return Vec::new();
    }
    let all: Vec<f64> = state
        .ln_restricted(&gains, &Weights::new(&model, &gains))
        .collect();
    let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    all.into_iter()
        .map(|ln| (ln - best).max(-HISTORY_SAYS_AT_MOST))
        .collect()
}
