//! What is wrong with which series at an instant.

use crate::series::raw::Labels;
use crate::simulate::scenario::{Gap, Incident, Offset, Positive, Restart, Spec, Which};
use crate::time::{Span, Timestamp};

/// One replica, as incidents name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'a> {
    /// Its service.
    pub(super) service: &'a str,
    /// Its arm.
    pub(super) canary: bool,
    /// Which replica of it.
    pub(super) pod: u32,
}

impl Where<'_> {
    fn is_in(
        self,
        service: Option<&serde_saphyr::Spanned<String>>,
        arm: Which,
        pods: &[u32],
    ) -> bool {
        service.is_none_or(|wanted| wanted.value == self.service)
            && arm.takes(self.canary)
            && (pods.is_empty() || pods.contains(&self.pod))
    }
}

/// The incidents of one metric of one replica.
#[derive(Clone, Debug)]
pub(super) struct Troubles<'a>(Vec<&'a Incident>);

impl<'a> Troubles<'a> {
    /// Those of `metric` with these labels, of `place`.
    pub(super) fn of(spec: &'a Spec, metric: &str, labels: &Labels, place: Where<'_>) -> Self {
        let meant = |incident: &&Incident| {
            incident.metric.value == metric
                && place.is_in(incident.service.as_ref(), incident.arm, &incident.pods)
                && incident
                    .labels
                    .iter()
                    .all(|(name, value)| labels.get(name) == Some(value))
        };
        Self(spec.incidents.iter().filter(meant).collect())
    }

    /// The multiple of a level at `since` the start.
    pub(super) fn factor(&self, since: i64) -> f64 {
        self.product(since, |incident| incident.factor)
    }

    /// The multiple of the traffic.
    pub(super) fn traffic(&self, since: i64) -> f64 {
        self.product(since, |incident| incident.traffic)
    }

    fn product(&self, since: i64, factor: impl Fn(&Incident) -> Option<f64>) -> f64 {
        self.0
            .iter()
            .filter_map(|incident| {
                let full = factor(incident)?;
                Some(1.0 + (full - 1.0) * size(incident, since))
            })
            .product()
    }

    /// What is added to a level.
    pub(super) fn added(&self, since: i64) -> f64 {
        let adds = self
            .0
            .iter()
            .filter_map(|incident| incident.add.map(|add| add * size(incident, since)));
        adds.sum()
    }

    /// The share of requests that fail, of those that else would by `usual`.
    pub(super) fn error_ratio(&self, since: i64, usual: f64) -> f64 {
        self.0.iter().fold(usual, |ratio, incident| {
            let full = incident.error_ratio.map_or(ratio, |share| share.0);
            ratio + (full - ratio) * size(incident, since)
        })
    }
}

/// How much of an incident there is, 0 to 1, so long after the start.
fn size(incident: &Incident, since: i64) -> f64 {
    let begun = since - incident.onset.0.ms();
    if begun < 0 {
        return 0.0;
    }
    let begun = incident.every.map_or(begun, |every| begun % every.0.ms());
    if incident.lasts.is_some_and(|lasts| begun >= lasts.0.ms()) {
        return 0.0;
    }
    let ramp = incident.ramp.0.ms();
    if begun >= ramp {
        1.0
    } else {
        begun as f64 / ramp as f64
    }
}

/// Whether an interval from `at` on holds the instant.
pub(super) fn holds(at: Offset, lasts: Option<Positive>, since: i64) -> bool {
    let begun = since - at.0.ms();
    begun >= 0 && lasts.is_none_or(|lasts| begun < lasts.0.ms())
}

/// The instants at which one replica cannot be scraped, and those at which it begins anew.
#[derive(Clone, Debug)]
pub(super) struct Outages<'a> {
    gaps: Vec<&'a Gap>,
    restarts: Vec<&'a Restart>,
}

impl<'a> Outages<'a> {
    /// Those of one replica.
    pub(super) fn of(spec: &'a Spec, place: Where<'_>) -> Self {
        let gap = |gap: &&Gap| place.is_in(gap.service.as_ref(), gap.arm, &gap.pods);
        let restart = |one: &&Restart| place.is_in(one.service.as_ref(), one.arm, &one.pods);
        Self {
            gaps: spec.gaps.iter().filter(gap).collect(),
            restarts: spec.restarts.iter().filter(restart).collect(),
        }
    }

    /// Whether a scrape at this instant fails.
    pub(super) fn is_dark(&self, since: i64) -> bool {
        self.gaps.iter().any(|gap| holds(gap.at, gap.lasts, since)) || self.is_down(since)
    }

    /// Whether it is down and serves nobody.
    pub(super) fn is_down(&self, since: i64) -> bool {
        self.restarts
            .iter()
            .any(|one| phase(one, since).is_some_and(|begun| begun < one.down.0.ms()))
    }

    /// Whether its counters began anew within the `scrape` that ends at this instant.
    pub(super) fn is_reset(&self, since: i64, scrape: Span) -> bool {
        self.restarts
            .iter()
            .any(|one| phase(one, since).is_some_and(|begun| begun < scrape.ms()))
    }
}

/// How long ago the last of its restarts was.
fn phase(restart: &Restart, since: i64) -> Option<i64> {
    let begun = since - restart.at.0.ms();
    (begun >= 0).then(|| restart.every.map_or(begun, |every| begun % every.0.ms()))
}

/// How many milliseconds after the start an instant is; negative before, which no [`Span`] can be.
pub(super) fn since(at: Timestamp, start: Timestamp) -> i64 {
    at.ms().saturating_sub(start.ms())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;
    use crate::simulate::read::read;

    fn spec(extra: &str) -> Spec {
        let text = format!(
            "
apiVersion: haldane/v1
kind: Scenario
metadata: {{ name: s }}
spec:
  seed: 1
  scrape: 15s
  services:
    - {{ name: a, replicas: 2, gauges: [{{ metric: m, level: 1 }}] }}
    - {{ name: b, replicas: 2, gauges: [{{ metric: m, level: 1 }}] }}
{extra}"
        );
        read(&text).unwrap().spec
    }

    const CANARY: Where<'static> = Where {
        service: "a",
        canary: true,
        pod: 1,
    };

    #[test]
    fn incidents_rise_last_and_come_again() {
        let spec = spec(
            "  incidents:
    - { metric: m, service: a, pods: [1], onset: 60s, lasts: 60s, ramp: 20s, every: 100s, add: 8 }",
        );
        let nothing = Labels::new();
        let troubles = Troubles::of(&spec, "m", &nothing, CANARY);
        for (s, wanted) in [
            (-5, 0.0),
            (0, 0.0),
            (59, 0.0),
            (60, 0.0),
            (70, 4.0),
            (80, 8.0),
            (119, 8.0),
            (120, 0.0),
            (170, 4.0),
            (219, 8.0),
            (220, 0.0),
        ] {
            let added = troubles.added(s * 1000);
            assert!((added - wanted).abs() < 1e-12, "{s}: {added}");
        }
        for elsewhere in [
            Where { pod: 0, ..CANARY },
            Where {
                service: "b",
                ..CANARY
            },
            Where {
                canary: false,
                ..CANARY
            },
        ] {
            let troubles = Troubles::of(&spec, "m", &nothing, elsewhere);
            assert!(troubles.added(80_000) <= 0.0, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_pod_is_down_dark_and_begins_anew() {
        let spec = spec(
            "  restarts: [{ at: 60s, down: 30s, every: 120s }]
  gaps: [{ arm: both, at: 100s, lasts: 10s }]",
        );
        let outages = Outages::of(&spec, CANARY);
        let scrape = Span::from_s(15);
        for (s, down, dark, reset) in [
            (59, false, false, false),
            (60, true, true, true),
            (75, true, true, false),
            (90, false, false, false),
            (100, false, true, false),
            (110, false, false, false),
            (180, true, true, true),
        ] {
            let since = s * 1000;
            assert_eq!(outages.is_down(since), down, "{s}");
            assert_eq!(outages.is_dark(since), dark, "{s}");
            assert_eq!(outages.is_reset(since, scrape), reset, "{s}");
        }
        let baseline = Outages::of(
            &spec,
            Where {
                canary: false,
                ..CANARY
            },
        );
        assert!(!baseline.is_dark(60_000) && baseline.is_dark(100_000));
    }
}
