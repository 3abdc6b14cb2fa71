//! Alpha spending: how much of the error budget may be used up by a given share of the time.
//!
//! Lan and DeMets (Biometrika 70, 1983). Two uses: boundaries by joint integration (group
//! sequential tests), and, as here, a union bound: each look is given the
//! [`Spending::increment`] since the
//! look before and tests at that level. By Boole's inequality the looks together then err with
//! probability at most alpha, whatever their dependence; the price against joint integration is
//! some power, the gain is that autocorrelation cannot break it.

use super::normal;

/// The shape of the spending function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// 2(1 - Φ(z_{alpha/2}/√t)), like O'Brien and Fleming's boundary: almost nothing early.
    ObrienFleming,
    /// alpha·ln(1 + (e-1)t), like Pocock's boundary: nearly even.
    Pocock,
}

impl Spending {
    /// Error spent by the share `time` (clamped to 0 ..= 1) of the planned information, for a
    /// one-sided level `alpha`.
    pub fn spent(self, time: f64, alpha: f64) -> f64 {
        let time = time.clamp(0.0, 1.0);
        if time <= 0.0 {
            return 0.0;
        }
        match self {
            Self::ObrienFleming => {
                let z = normal::inverse_sf(0.5 * alpha);
                2.0 * normal::sf(z / libm::sqrt(time))
            }
            Self::Pocock => alpha * libm::log1p((std::f64::consts::E - 1.0) * time),
        }
    }

    /// Error that the look at `time` may use, after one at `before`; 0 if time has not advanced.
    pub fn increment(self, before: f64, time: f64, alpha: f64) -> f64 {
        (self.spent(time, alpha) - self.spent(before, alpha)).max(0.0)
    }
}
