//! Whole rollouts as Flagger's control loop drives them, against the daemon on simulated traffic
//! and a fast clock: healthy is promoted, harmful goes back by the rollback hook, and where nothing
//! is known nothing is promoted.
//!
//! The loop is written after what is known of Flagger's: one tick asks rollback hooks first, then
//! compares failed checks with their threshold, then asks `pre-rollout` (no traffic yet) or
//! `rollout`, then `confirm-traffic-increase`, and at the highest weight `confirm-promotion`.

use crate::support::daemon::client;
use crate::support::in_process::{Living, Place};
use haldane::http::Readings;
use haldane::serve::clock::Clock;
use haldane::time::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: flagger }
spec:
  seed: 11
  scrape: 5s
  services:
    - { name: healthy, gauges: [{ metric: latency, level: 0.2, noise: 0.03 }] }
    - name: harmful
      gauges: [{ metric: latency, level: 0.2, noise: 0.03, canaryFactor: 1.6 }]
    - { name: silent, gauges: [{ metric: latency, level: 0.2, noise: 0.03 }] }
  gaps:
    - { service: silent, arm: canary, at: 0s }
";

const TEMPLATE: &str = "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: loop }
spec:
  inputs: { service: {} }
  judge: { method: mann-whitney }
  schedule: { step: 5s, look_every: 30s, bake: 5m, deadline: 8m, lag: 0s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{service=\"${service}\",${selector}}' }
";

const BINDING: &str = r#"
[[bindings]]
name = "loop"
template = "loop"
service = "{{name}}"
baseline = 'track="stable"'
canary = 'track="canary"'
inputs = { service = "{{name}}" }
"#;

/// Every hook Flagger has a gate for.
const GATES: [&str; 5] = [
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
];

const THRESHOLD: u32 = 5;
const STEP_WEIGHT: u32 = 20;
const MAX_WEIGHT: u32 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Waiting,
    Progressing,
    WaitingPromotion,
    Promoting,
    Succeeded,
    Failed,
}

/// One canary of Flagger's, and what its hooks were answered.
struct Canary<'a> {
    living: &'a Living,
    client: reqwest::Client,
    name: &'static str,
    hooks: BTreeSet<&'static str>,
    phase: Phase,
    weight: u32,
    failed_checks: u32,
    /// Hook, status, text.
    told: Vec<(&'static str, u16, String)>,
    /// The phases it went through.
    phases: Vec<Phase>,
    rolled_back_by: &'static str,
}

impl<'a> Canary<'a> {
    fn new(living: &'a Living, name: &'static str, without: &[&str]) -> Self {
        let hooks = GATES.into_iter().filter(|hook| !without.contains(hook));
        Self {
            living,
            client: client(),
            name,
            hooks: hooks.collect(),
            phase: Phase::Waiting,
            weight: 0,
            failed_checks: 0,
            told: Vec::new(),
            phases: vec![Phase::Waiting],
            rolled_back_by: "",
        }
    }

    /// Whether the hook succeeds, in Flagger's eyes; a hook that is not configured does.
    async fn ask(&mut self, hook: &'static str) -> bool {
        let always = matches!(hook, "rollback" | "post-rollout" | "event");
        if !always && !self.hooks.contains(hook) {
            return true;
        }
        let url = format!("{}/flagger/{hook}/loop", self.living.url);
        let body = json!({
            "name": self.name, "namespace": "prod", "phase": format!("{:?}", self.phase),
            "checksum": "7f9c44d1b2",
        });
        let reply = self.client.post(url).json(&body).send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        assert!([200, 202, 409].contains(&status), "{hook} {status} {text}");
        self.told.push((hook, status, text));
        status <= 202
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phases.push(phase);
        }
        self.phase = phase;
    }

    async fn roll_back(&mut self, by: &'static str) {
        self.weight = 0;
        self.rolled_back_by = by;
        self.enter(Phase::Failed);
        self.ask("post-rollout").await;
    }

    /// One interval.
    async fn tick(&mut self) {
        match self.phase {
            Phase::Waiting => {
                if self.ask("confirm-rollout").await {
                    self.enter(Phase::Progressing);
                }
                return;
            }
            Phase::Promoting => {
                self.enter(Phase::Succeeded);
                self.ask("post-rollout").await;
                return;
            }
            Phase::Succeeded | Phase::Failed => return,
            Phase::Progressing | Phase::WaitingPromotion => {}
        }
        if self.ask("rollback").await {
            return self.roll_back("rollback hook").await;
        }
        if self.failed_checks >= THRESHOLD {
            return self.roll_back("failed checks").await;
        }
        let check = if self.weight == 0 {
            "pre-rollout"
        } else {
            "rollout"
        };
        if !self.ask(check).await {
            self.failed_checks += 1;
            return;
        }
        let waits = self.phase == Phase::WaitingPromotion;
        if !waits && !self.ask("confirm-traffic-increase").await {
            return;
        }
        if self.weight < MAX_WEIGHT {
            self.weight += STEP_WEIGHT;
            return;
        }
        let promoted = self.ask("confirm-promotion").await;
        self.enter(if promoted {
            Phase::Promoting
        } else {
            Phase::WaitingPromotion
        });
    }

    /// Ticks at every state the daemon publishes until the rollout is over, or the analysis is and
    /// `more` ticks have changed nothing.
    async fn run(&mut self, more: u32) {
        let mut left = more;
        let readings = self.living.readings();
        let mut changes = readings.watch();
        while !matches!(self.phase, Phase::Succeeded | Phase::Failed) && left > 0 {
            let before = readings.all().iter().any(|view| view.conclusion.is_some());
            changes.borrow_and_update();
            self.tick().await;
            // While its hooks begin something, and after the verdict, nothing else has to happen.
            let idle = self.weight == 0 && self.told.len() < 4;
            if before {
                left -= 1;
            } else if !idle && !concluded(&readings) {
                let wait = tokio::time::timeout(Duration::from_secs(30), changes.changed());
                wait.await.expect("the daemon goes on looking").unwrap();
            }
        }
    }

    fn answered(&self, hook: &str, status: u16) -> usize {
        let fits = |told: &&(&str, u16, String)| told.0 == hook && told.1 == status;
        self.told.iter().filter(fits).count()
    }
}

fn concluded(readings: &Readings) -> bool {
    readings.all().iter().any(|view| view.conclusion.is_some())
}

async fn begin() -> (Place, Living) {
    let place = Place::new(&[("loop", TEMPLATE)], BINDING, SCENARIO);
    // Two minutes of the rollout pass in a second.
    let clock = Clock::fast(Timestamp::from_s(1_767_323_040), 120);
    let living = place.start(clock).await;
    (place, living)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_canary_is_promoted() {
    let (_place, living) = begin().await;
    let mut canary = Canary::new(&living, "healthy", &[]);
    canary.run(20).await;
    assert_eq!(canary.phase, Phase::Succeeded, "{:#?}", canary.told);
    assert_eq!(canary.failed_checks, 0);
    // It waited for the verdict, and no other hook was ever refused.
    assert!(
        canary.phases.contains(&Phase::WaitingPromotion),
        "{:?}",
        canary.phases
    );
    assert!(canary.answered("confirm-promotion", 409) > 0);
    assert_eq!(canary.answered("confirm-promotion", 200), 1);
    assert_eq!(canary.answered("rollback", 200), 0);
    assert_eq!(canary.answered("confirm-traffic-increase", 409), 0);
    assert_eq!(
        living.readings().all().len(),
        1,
        "one rollout, one analysis"
    );
    living.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harmful_canary_goes_back_by_the_rollback_hook() {
    let (_place, living) = begin().await;
    let mut canary = Canary::new(&living, "harmful", &[]);
    canary.run(20).await;
    assert_eq!(canary.phase, Phase::Failed, "{:#?}", canary.told);
    assert_eq!(canary.rolled_back_by, "rollback hook");
    assert!(canary.failed_checks <= 1, "{:#?}", canary.told);
    assert_eq!(canary.answered("confirm-promotion", 200), 0);
    // The same version does not come back.
    let mut again = Canary::new(&living, "harmful", &[]);
    again.tick().await;
    assert_eq!(again.phase, Phase::Waiting);
    let (_, status, why) = again.told.last().unwrap();
    assert_eq!(*status, 409);
    assert!(
        why.starts_with("this version was rolled back before"),
        "{why}"
    );
    living.stop().await;
}

/// With `confirm-traffic-increase` its weight stops where the hold began; without it, before the
/// promotion. Neither is promoted, before the verdict or after it, and neither is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_canary_is_never_promoted() {
    for without in [&["confirm-traffic-increase"][..], &[]] {
        let (_place, living) = begin().await;
        let mut canary = Canary::new(&living, "silent", without);
        canary.run(12).await;
        let what = format!("{:?} {:#?}", canary.phases, canary.told);
        assert_eq!(canary.answered("confirm-promotion", 200), 0, "{what}");
        assert_eq!(canary.answered("rollback", 200), 0, "{what}");
        assert_eq!(canary.failed_checks, 0, "{what}");
        if without.is_empty() {
            assert_eq!(canary.phase, Phase::Progressing, "{what}");
            assert!(canary.weight < MAX_WEIGHT, "{what}");
            assert!(
                canary.answered("confirm-traffic-increase", 409) > 0,
                "{what}"
            );
        } else {
            assert_eq!(canary.phase, Phase::WaitingPromotion, "{what}");
            assert!(canary.answered("confirm-promotion", 409) >= 12, "{what}");
        }
        assert!(concluded(&living.readings()));
        living.stop().await;
    }
}
