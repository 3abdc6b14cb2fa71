//! How much likelier harm makes what was seen, when it may begin at any time.
//!
//! A model that is far from what is seen may be hundreds of nats less likely than another, and an
//! alternative as much likelier than its own model: more than a number alone can hold. What is cut
//! there is lost to the comparison with the likeliest model.

/// How much likelier an alternative is than its own model at the margin: `times` · e^`log`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    times: f64,
    log: f64,
}

impl Gain {
    pub(super) const NONE: Self = Self {
        times: 0.0,
        log: 0.0,
    };

    /// Harm begins with probability `onset`.
    pub(super) fn begin(&mut self, onset: f64) {
        if self.log > 0.0 {
            self.times += onset * libm::exp(-self.log);
        } else {
            self.times += onset;
        }
    }

    /// One stretch with so much log likelihood ratio.
    pub(super) fn grow(&mut self, log: f64) {
        if self.times <= 0.0 {
            return;
        }
        if log.abs() > GROWTH_MAX {
            self.log += log;
        } else {
            self.times *= libm::exp(log);
        }
        if self.times > TIMES_MAX || (self.log > 0.0 && self.times < 1.0 / TIMES_MAX) {
            self.log += libm::log(self.times);
            self.times = 1.0;
        }
        // What has come down again is on a level with harm that begins now.
        if self.log < 0.0 {
            self.times *= libm::exp(self.log);
            self.log = 0.0;
        }
    }

    pub(super) fn log(&self) -> f64 {
        self.log + libm::log(self.times)
    }
}

/// A factor beyond this is carried into the logarithm: far below where numbers end.
const TIMES_MAX: f64 = 1e200;

/// A log likelihood ratio of one stretch beyond this goes into the logarithm at once: its
/// exponential times [`TIMES_MAX`] is still a number.
const GROWTH_MAX: f64 = 200.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_never_cut() {
        let mut gain = Gain::NONE;
        gain.begin(0.5);
        let mut log = libm::log(0.5);
        let rows = [
            (3.0, 400),
            (250.0, 20),
            (-4.0, 900),
            (700.0, 3),
            (-90.0, 20),
            (-250.0, 5),
        ];
        for (ratio, times) in rows {
            for _ in 0..times {
                gain.grow(ratio);
                log += ratio;
                assert!((gain.log() - log).abs() < 1e-9 * (1.0 + log.abs()), "{log}");
            }
        }
        // What begins later is added to what there is.
        let mut late = Gain::NONE;
        late.grow(5.0);
        late.grow(500.0);
        assert!(late.log() == f64::NEG_INFINITY);
        late.begin(0.25);
        late.grow(2.0);
        late.begin(0.25);
        let wanted = libm::log(0.25 * (libm::exp(2.0) + 1.0));
        assert!((late.log() - wanted).abs() < 1e-12);
        // What came and went leaves room for what begins after it.
        late.grow(3000.0);
        late.grow(-4000.0);
        late.begin(0.125);
        assert!((late.log() - libm::log(0.125)).abs() < 1e-12);
    }
}
