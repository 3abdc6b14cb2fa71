//! What a canary config asks of a metric beside its query.

use super::Config;
use crate::import::draft::{Draft, Effect, Kind, Measure, Options, plain};
use crate::import::measure::Measured;
use crate::import::source::Fields;
use crate::units::Harm;

/// What `analysisConfigurations.canary` asks.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of Kayenta, one to one"
)]
pub(super) struct Asking {
    pub(super) harm: Harm,
    pub(super) critical: bool,
    must_have_data: bool,
    pub(super) muted: bool,
    pub(super) zero: bool,
    outliers: Option<f64>,
    measure: Option<String>,
    pub(super) limits: [Option<f64>; 4],
}

/// `allowed…` and `critical…`, as Kayenta and as Haldane call them.
const LIMITS: [(&str, &str); 4] = [
    ("allowedIncrease", "allowed_increase"),
    ("allowedDecrease", "allowed_decrease"),
    ("criticalIncrease", "critical_increase"),
    ("criticalDecrease", "critical_decrease"),
];

impl Asking {
    pub(super) fn read(canary: Option<&Fields<'_>>) -> Result<Self, String> {
        let mut out = Self {
            harm: Harm::Either,
            critical: false,
            must_have_data: false,
            muted: false,
            zero: false,
            outliers: None,
            measure: None,
            limits: [None; 4],
        };
        let Some(canary) = canary else {
            return Ok(out);
        };
        // Anything else is `either`, as there.
        out.harm = match canary.text("direction")?.as_deref() {
            Some("increase") => Harm::Increase,
            Some("decrease") => Harm::Decrease,
            _ => Harm::Either,
        };
        out.critical = canary.flag("critical")?;
        out.must_have_data = canary.flag("mustHaveData")?;
        out.muted = canary.flag("muted")?;
        out.zero = canary.text("nanStrategy")?.as_deref() == Some("replace");
        if let Some(outliers) = canary.map("outliers")? {
            let factor = outliers.number("outlierFactor")?.unwrap_or(3.0);
            let removes = outliers.text("strategy")?.as_deref() == Some("remove");
            out.outliers = removes.then_some(factor);
        }
        if let Some(effect) = canary.map("effectSize")? {
            out.measure = effect.text("measure")?;
            for (limit, (name, _)) in out.limits.iter_mut().zip(LIMITS) {
                *limit = effect.number(name)?;
            }
        }
        Ok(out)
    }

    pub(super) fn is_cles(&self) -> bool {
        self.measure.as_deref() == Some("cles")
    }

    /// The smallest change that counts, from the allowed ratio of means; whether it was given.
    pub(super) fn effect(&self, measured: &Measured) -> (Effect, bool) {
        let otherwise = measured.min_effect;
        // A ratio of quantiles is no share of requests.
        if self.is_cles() || matches!(measured.measure, Measure::Distribution { .. }) {
            return otherwise;
        }
        let [increase, decrease, _, _] = self.limits;
        let up = increase
            .map(|ratio| ratio - 1.0)
            .filter(|_| self.harm != Harm::Decrease);
        let down = decrease
            .map(|ratio| 1.0 - ratio)
            .filter(|_| self.harm != Harm::Increase);
        let sizes = [up, down].into_iter().flatten().filter(|size| *size > 1e-9);
        // `relative` has an end of its own.
        let least = sizes.min_by(f64::total_cmp).map(|size| size.min(100.0));
        // A part of the good events that fail is nearly a part of all of them.
        let turned = self.harm == Harm::Decrease && measured.harm == Harm::Increase;
        let effect = |size: f64| {
            if turned {
                Effect::Absolute(size)
            } else {
                Effect::Relative(size)
            }
        };
        least.map_or(otherwise, |size| (effect(size), true))
    }

    pub(super) fn options(&self) -> Options {
        let mut out = Options::new();
        if let Some(factor) = self.outliers {
            out.push(("outliers", "remove".to_owned()));
            out.push(("outlier_factor", plain(factor)));
        }
        if self.must_have_data {
            out.push(("no_data", "fail".to_owned()));
        }
        let mut parts = Vec::new();
        if self.is_cles() {
            parts.push("measure: cles".to_owned());
        }
        for (value, (_, field)) in self.limits.iter().zip(LIMITS) {
            parts.extend(value.map(|value| format!("{field}: {}", plain(value))));
        }
        // Written even when nothing was said: without it `min_effect` would be the limit.
        if parts.is_empty() {
            parts.push("measure: mean-ratio".to_owned());
        }
        out.push(("effect_size", format!("{{ {} }}", parts.join(", "))));
        out
    }

    pub(super) fn say(
        &self,
        draft: &mut Draft,
        config: &Config<'_>,
        name: &str,
        (groups, series): (&[String], bool),
    ) {
        if let [_, others @ ..] = groups
            && !others.is_empty()
        {
            let text = format!(
                "was also in {}; a metric is in one group",
                others.join(", ")
            );
            draft.of(name, Kind::Changed, text);
        }
        if groups.is_empty() && !self.critical && !self.muted {
            let text = "was in no group, so Kayenta did not score it: only shown";
            draft.of(name, Kind::Changed, text);
        }
        if config.faithful {
            return;
        }
        if self.harm == Harm::Either {
            let text = "`direction: either` rolls back improvements, too: name the harmful one";
            draft.of(name, Kind::Choose, text);
        }
        if self.critical {
            let limits = [self.limits[2], self.limits[3]];
            let from = limits.into_iter().flatten().map(plain).collect::<Vec<_>>();
            let text = if from.is_empty() {
                "critical: rolls back alone, with three parts of the error budget".to_owned()
            } else {
                format!(
                    "critical from a ratio of {}; here it rolls back alone from `min_effect` on",
                    from.join(" or ")
                )
            };
            draft.of(name, Kind::Changed, text);
        }
        if self.is_cles() {
            let text = "the effect was a probability (cles), which is no `min_effect`: choose the \
                        smallest change worth a rollback";
            draft.of(name, Kind::Choose, text);
        }
        if self.outliers.is_some() {
            let text = "outliers are not removed: the judge works with ranks and bounded scores, \
                        which one value cannot move far, and a canary's spikes may be its harm";
            draft.of(name, Kind::Better, text);
        }
        if self.zero && series {
            let text = "`nanStrategy: replace` made only NaN 0, no gaps; `gaps: zero` does both";
            draft.of(name, Kind::Changed, text);
        }
        if self.must_have_data && !self.muted {
            let text = "`mustHaveData` is the rule here: a gate without data never passes";
            draft.of(name, Kind::Better, text);
        }
    }
}
