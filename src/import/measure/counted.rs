//! Shares and quantiles: measured from their counters and buckets.

use super::{Counted, EVENTS_EFFECT, Limit, TAIL_EFFECT, Work};
use crate::import::draft::{Effect, Kind, Measure, Rung, percent, plain};
use crate::import::promql::{Matcher, Selector};
use crate::import::rewrite::{Compared, bare};
use crate::import::shape::{Scale, Shape, part_is_bad};
use crate::units::Harm;

impl Work<'_> {
    /// A measure of a recognised shape; none when a series says it better.
    pub(super) fn counted(&mut self, shape: Shape) -> Option<Counted> {
        match shape {
            Shape::Share {
                part,
                all,
                extra,
                split,
                scale,
            } => self.share((&part, &all), extra.as_ref(), &split, scale),
            Shape::UpTo {
                buckets,
                bound,
                scale,
            } => self.up_to(&bare(&buckets), bound, scale),
            Shape::Quantile {
                q,
                buckets,
                split,
                scale,
            } => self.quantile(q, &bare(&buckets), &split, scale),
        }
    }

    fn share(
        &mut self,
        (part, all): (&Selector, &Selector),
        extra: Option<&Matcher>,
        split: &[String],
        scale: Scale,
    ) -> Option<Counted> {
        let (limits, harm) = self.on_core(scale);
        let part_bad = match harm {
            Some(Harm::Increase) => true,
            Some(Harm::Decrease) => false,
            _ => part_is_bad(part, extra)?,
        };
        let bad = match (part_bad, extra) {
            (true, _) => bare(part),
            (false, Some(extra)) => {
                let mut rest = all.clone();
                rest.matchers.push(extra.flipped());
                bare(&rest)
            }
            (false, None) => {
                let text = "a share of good events whose bad ones no single selector gives: stays \
                            a series; `events` with a counter of the bad ones would count each \
                            of them";
                self.say(Kind::Kept, text);
                return None;
            }
        };
        self.say(
            Kind::Better,
            "was a quotient of rates; now bad and all events are counted from the raw counters: \
             weighed by how many there are, and the first error of a young pod is seen, which \
             `rate` cannot see",
        );
        self.say_split(split);
        let least = self.bind_share(&limits, part_bad);
        let either = harm == Some(Harm::Either);
        let harm = if either { Harm::Either } else { Harm::Increase };
        let total = bare(all);
        Some((Measure::Events { bad, total }, harm, self.effect(least)))
    }

    fn up_to(&mut self, buckets: &str, bound: f64, scale: Scale) -> Option<Counted> {
        let (limits, harm) = self.on_core(scale);
        if harm == Some(Harm::Increase) {
            return None;
        }
        self.say(
            Kind::Better,
            "was a quotient of rates of a histogram; now its buckets are counted: every \
             observation beyond the bound is a bad event",
        );
        self.bind_share(&limits, false);
        let measure = Measure::Distribution {
            buckets: buckets.to_owned(),
            threshold: Some(bound),
        };
        Some((measure, Harm::Increase, self.effect(Some(TAIL_EFFECT))))
    }

    fn quantile(
        &mut self,
        q: f64,
        buckets: &str,
        split: &[String],
        scale: Scale,
    ) -> Option<Counted> {
        let (limits, harm) = self.on_core(scale);
        if harm == Some(Harm::Decrease) {
            return None;
        }
        let name = format!("the {} quantile", plain(q));
        self.say(
            Kind::Better,
            format!(
                "was {name}, interpolated between two bounds and blind to how many requests stand \
                 behind it; now the buckets are judged, with every request"
            ),
        );
        self.say_split(split);
        let rolls = limits.iter().filter(|limit| limit.above);
        let first = rolls.clone().find(|limit| limit.rolls_back);
        let limit = first.or(rolls.clone().next()).copied();
        if let Some(limit) = limit {
            let bound = plain(limit.value);
            let action = limit.rolls_back;
            self.objective = Some((
                q,
                vec![Rung {
                    burn: 1.0,
                    rolls_back: action,
                }],
            ));
            self.say(
                Kind::Changed,
                format!(
                    "{name} at most {bound} is the same as {} of requests at most {bound}: an \
                     objective on the canary's own requests",
                    percent(q)
                ),
            );
            self.say(
                Kind::Choose,
                format!(
                    "`threshold: {bound}` must be one of the histogram's bounds (`le`); `lint \
                     --prometheus` tells (C074)"
                ),
            );
        } else {
            self.say(
                Kind::Choose,
                "no `threshold`: the whole distribution is judged, at every bound; name the bound \
                 beyond which a request is too slow (one of the `le`) to judge that share alone, \
                 and to put an objective on it",
            );
        }
        let measure = Measure::Distribution {
            buckets: buckets.to_owned(),
            threshold: limit.map(|limit| limit.value),
        };
        // A limit on a quotient of quantiles is about seconds, not about a share of requests.
        let effect = (Effect::Absolute(TAIL_EFFECT), false);
        Some((measure, Harm::Increase, effect))
    }

    fn say_split(&mut self, labels: &[String]) {
        if labels.is_empty() {
            return;
        }
        self.say(
            Kind::Changed,
            format!(
                "was kept apart by {}; now counted together",
                labels.join(", ")
            ),
        );
    }

    /// Turns limits of a share into an objective; the smallest change that still makes sense.
    fn bind_share(&mut self, limits: &[Limit], part_is_bad: bool) -> Option<f64> {
        let budget = |limit: &Limit| {
            if part_is_bad {
                limit.value
            } else {
                1.0 - limit.value
            }
        };
        let fits = |limit: &&Limit| limit.above == part_is_bad;
        let (meant, others): (Vec<&Limit>, Vec<&Limit>) = limits.iter().partition(fits);
        for limit in others {
            self.say(
                Kind::Changed,
                format!(
                    "the limit {} on the other side is dropped: too few bad events are no harm",
                    plain(limit.value)
                ),
            );
        }
        let (possible, impossible): (Vec<&Limit>, Vec<&Limit>) = meant
            .into_iter()
            .partition(|limit| budget(limit) > 1e-9 && budget(limit) < 1.0 - 1e-9);
        for limit in impossible {
            self.say(
                Kind::Changed,
                format!(
                    "the limit {} leaves no budget, or all of it, and is no objective; the canary \
                     is compared with the baseline",
                    plain(limit.value)
                ),
            );
        }
        let strictest = possible
            .iter()
            .map(|limit| budget(limit))
            .min_by(f64::total_cmp)?;
        let mut rungs: Vec<Rung> = Vec::new();
        for limit in &possible {
            let burn = budget(limit) / strictest;
            let rolls_back = limit.rolls_back;
            let rung = Rung { burn, rolls_back };
            if !rungs.contains(&rung) {
                rungs.push(rung);
            }
        }
        self.objective = Some((1.0 - strictest, rungs));
        self.say(
            Kind::Changed,
            format!(
                "the limit is an objective on the canary's own events: {} good; beyond it the \
                 canary is taken back when it is also worse than the baseline, so that an \
                 incident in both is no reason to",
                percent(1.0 - strictest)
            ),
        );
        Some(EVENTS_EFFECT.min(strictest))
    }

    /// The smallest change of a share.
    fn effect(&mut self, least: Option<f64>) -> (Effect, bool) {
        if let Some(given) = self.given_effect() {
            return (given, true);
        }
        let share = least.unwrap_or(EVENTS_EFFECT);
        (Effect::Absolute(share), false)
    }

    /// What a limit on the comparison of the arms says about the smallest change.
    pub(super) fn given_effect(&self) -> Option<Effect> {
        let how = self.how?;
        let limit = self.asked.limits.iter().find(|limit| limit.rolls_back);
        let value = limit.or(self.asked.limits.first())?.value;
        let effect = match how {
            Compared::Quotient => Effect::Relative((value - 1.0).abs()),
            Compared::Change => Effect::Relative(value.abs()),
            Compared::Difference => Effect::Absolute(value.abs()),
        };
        let (Effect::Relative(size) | Effect::Absolute(size)) = effect;
        (size > 1e-9 && size.is_finite()).then_some(effect)
    }
}
