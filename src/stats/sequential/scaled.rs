//! A number that is not negative and may be far larger or smaller than a double holds.
//!
//! Evidence is multiplied and added to once per interval; this saves a logarithm at each.

use super::tilt::Step;

/// Mantissas stay within e^±`WIDTH`; beyond, the power is adjusted.
const WIDTH: f64 = 256.0;

/// e^[`WIDTH`].
const EXP_WIDTH: f64 = 1.511_427_665_004_103_5e111;

/// `value` times e^(`power` · [`WIDTH`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scaled {
    value: f64,
    power: f64,
}

impl Scaled {
    pub(super) const ZERO: Self = Self {
        value: 0.0,
        power: 0.0,
    };

    /// Adds an ordinary number, not negative.
    pub(super) fn add(&mut self, amount: f64) {
        if self.power.abs() < 0.5 {
            self.value += amount;
        } else if self.value <= 0.0 || self.power < 0.0 {
            let own = self.value * libm::exp((self.power * WIDTH).max(-2.0 * WIDTH));
            *self = Self {
                value: own + amount,
                power: 0.0,
            };
        } else {
            self.value += amount * libm::exp((-self.power * WIDTH).max(-2.0 * WIDTH));
        }
    }

    /// Multiplies by e^`log`.
    pub(super) fn times_exp(&mut self, log: f64) {
        let whole = (log / WIDTH).trunc();
        self.power += whole;
        self.times(libm::exp(log - whole * WIDTH));
    }

    /// One step of a test martingale.
    pub(super) fn advance(&mut self, step: Step) {
        match step {
            Step::Factor(factor) => self.times(factor),
            Step::Log(log) => self.times_exp(log),
        }
    }

    /// Multiplies by a factor within e^±[`WIDTH`].
    pub(super) fn times(&mut self, factor: f64) {
        self.value *= factor;
        if self.value > EXP_WIDTH {
            self.value /= EXP_WIDTH;
            self.power += 1.0;
        } else if self.value > 0.0 && self.value < 1.0 / EXP_WIDTH {
            self.value *= EXP_WIDTH;
            self.power -= 1.0;
        }
    }

    /// The natural logarithm; −∞ of zero.
    pub(super) fn ln(self) -> f64 {
        libm::log(self.value) + self.power * WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::Scaled;

    #[test]
    fn the_logarithm_follows_sums_and_products_far_beyond_a_double() {
        let mut scaled = Scaled::ZERO;
        assert!(scaled.ln() < f64::MIN, "nothing yet");
        let mut log = f64::NEG_INFINITY;
        let steps = [
            0.5, -3.0, 900.0, 5_000.0, -300.0, -9_000.0, 40.0, 2.0e6, -3.0e6, 7.0,
        ];
        for step in steps {
            scaled.add(0.25);
            log = super::super::log_add(log, libm::log(0.25)) + step;
            scaled.times_exp(step);
            assert!(
                (scaled.ln() - log).abs() < 1e-9,
                "{step}: {} {log}",
                scaled.ln()
            );
        }
    }
}
