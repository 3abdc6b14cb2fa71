//! The promise of the decision log: killed at any instant, as often as one likes, the daemon loses
//! no acknowledged submission and no verdict, changes none, and delivers none without its record.
//!
//! Time is real here, the traffic is simulated, the receiver and the submitters live in the test.

use crate::support::daemon::{Answer, Site, client, request};
use crate::support::hook::Hook;
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the daemon is killed.
const KILLS: u32 = 200;

/// Every so many kills hit the start itself instead of the running daemon.
const START_KILL_EVERY: u32 = 5;

/// Submissions that are on their way at the same time.
const SUBMITTERS: u64 = 2;

/// What the whole may take after the last kill.
const SETTLE_MAX: Duration = Duration::from_secs(90);

/// A healthy, a regressed and an undecidable service; the raw counters are scraped every 15 s.
const SCENARIO: &str = "
apiVersion: haldane/v1
kind: Scenario
metadata: { name: kill }
spec:
  seed: 7
  scrape: 15s
  services:
    - name: fine
      gauges: [{ metric: latency, level: 0.2, noise: 0.02 }]
      requests:
        - { metric: hits, perSecond: 50, canaryShare: 0.5, errorRatio: 0.01,
            canaryErrorRatio: 0.01 }
    - name: broken
      gauges: [{ metric: latency, level: 0.2, noise: 0.02, canaryFactor: 1.8 }]
      requests:
        - { metric: hits, perSecond: 50, canaryShare: 0.5, errorRatio: 0.01,
            canaryErrorRatio: 0.3 }
    - name: noisy
      gauges: [{ metric: latency, level: 0.2, noise: 0.9 }]
";

/// Looks at a window that is past decide at once; those at a living one take six seconds.
const TEMPLATES: [(&str, &str); 2] = [
    (
        "past",
        "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: past }
spec:
  inputs: { service: {} }
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 30s, bake: 60s, deadline: 90s, lag: 0s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      series: { query: 'latency{service=\"${service}\",${selector}}' }
    - name: errors
      role: optional
      harm: increase
      min_effect: { absolute: 5% }
      min_events: 10
      min_coverage: 0%
      events:
        bad: 'hits{service=\"${service}\",code=\"500\",${selector}}'
        total: 'hits{service=\"${service}\",${selector}}'
",
    ),
    (
        "living",
        "
apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: living }
spec:
  inputs: { service: {} }
  judge: { method: mann-whitney }
  schedule: { step: 1s, look_every: 1s, bake: 2s, deadline: 6s, lag: 1s }
  metrics:
    - name: latency
      harm: increase
      min_effect: { relative: 20% }
      min_samples: 4
      series: { query: 'latency{service=\"${service}\",${selector}}' }
",
    ),
];

/// SplitMix64 (Steele, Lea and Flood 2014): chance with a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

/// What the outside world has been told.
#[derive(Default)]
struct World {
    /// Key of every acknowledged submission, with its analysis.
    acknowledged: BTreeMap<String, String>,
    /// Verdict and sentence of every analysis that was ever seen to be final.
    verdicts: BTreeMap<String, (String, String)>,
    /// Submissions that were sent more than once.
    retried: u64,
}

impl World {
    fn acknowledge(&mut self, key: &str, id: &str) {
        let known = self
            .acknowledged
            .entry(key.to_owned())
            .or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "key {key} was acknowledged as two analyses");
    }

    /// A verdict was seen, by whatever way: it must be the one seen before (A4).
    fn saw(&mut self, document: &Value) {
        let text = |field: &str| document[field].as_str().unwrap().to_owned();
        let (id, seen) = (text("id"), (text("verdict"), text("reason")));
        let known = self
            .verdicts
            .entry(id.clone())
            .or_insert_with(|| seen.clone());
        assert_eq!(*known, seen, "the verdict of {id} changed");
    }
}

/// The whole set-up, shared by the tasks of the load.
struct Load {
    world: Mutex<World>,
    /// Where the daemon is, while there is one.
    address: watch::Sender<Option<String>>,
    over: watch::Sender<bool>,
    hook: Hook,
    client: reqwest::Client,
}

impl Load {
    async fn ask(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let mut addresses = self.address.subscribe();
        for attempt in 0.. {
            let known = addresses
                .wait_for(Option::is_some)
                .await
                .unwrap()
                .clone()
                .unwrap();
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ];
            let headers = if body.is_some() { &headers[..] } else { &[] };
            let bytes = body.map(|body| body.to_string().into_bytes());
            let asked = request(&self.client, &known, method.clone(), path, headers, bytes).await;
            match asked {
                Ok(answer) if answer.status < 500 => return answer,
                Ok(_) | Err(_) => {
                    if attempt == 0 && body.is_some() {
                        self.world.lock().unwrap().retried += 1;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        unreachable!("it is asked until there is an answer")
    }

    /// Submits rollouts one after the other until told to end; each until it is acknowledged.
    async fn submit(&self, submitter: u64) {
        let mut chance = Chance(submitter);
        for number in 0.. {
            if *self.over.borrow() {
                return;
            }
            let key = format!("{submitter}-{number}");
            let body = self.rollout(&mut chance);
            let answer = self
                .ask(Method::POST, "/v1/analyses", &key, Some(&body))
                .await;
            assert!([200, 201].contains(&answer.status), "{answer:?}");
            self.world
                .lock()
                .unwrap()
                .acknowledge(&key, &answer.text("id"));
            tokio::time::sleep(chance.between(20, 250)).await;
        }
    }

    /// Most look at a past window; the others have no `start`, so that every repeat of them is
    /// bound to another instant.
    fn rollout(&self, chance: &mut Chance) -> Value {
        let service = ["fine", "broken", "noisy"][usize::try_from(chance.below(3)).unwrap()];
        let living = chance.below(3) == 0;
        let mut hooks = ["plain", "flaky"]
            .map(|name| json!({"url": self.hook.url(name)}))
            .to_vec();
        hooks.push(json!({
            "url": self.hook.url("moments"),
            "moments": ["started", "look", "hold"],
        }));
        let mut body = json!({
            "template": if living { "living" } else { "past" },
            "inputs": {"service": service},
            "baseline": {"track": "stable"},
            "canary": {"track": "canary"},
            "deploy": {"service": service},
            "webhooks": hooks,
        });
        if !living {
            let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(120);
            body["start"] = start.to_string().into();
        }
        body
    }

    /// Watches the newest verdicts until told to end.
    async fn watch(&self) {
        while !*self.over.borrow() {
            let answer = self
                .ask(Method::GET, "/v1/analyses?limit=40", "", None)
                .await;
            self.note(&answer);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn note(&self, answer: &Answer) {
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut world = self.world.lock().unwrap();
        for document in answer.body["analyses"].as_array().unwrap() {
            if document["final"] == true {
                world.saw(document);
            }
        }
    }

    /// Every analysis of the daemon.
    async fn all(&self) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/analyses?limit=500{after}");
            let answer = self.ask(Method::GET, &path, "", None).await;
            self.note(&answer);
            items.extend(answer.body["analyses"].as_array().unwrap().iter().cloned());
            match answer.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }
}

/// The decision log as anybody can read it.
struct Log(Connection);

impl Log {
    fn open(path: &Path) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        // The very first kill may come before there is a schema.
        connection
            .query_row("SELECT count(*) FROM record", [], |_| Ok(()))
            .ok()?;
        Some(Self(connection))
    }

    fn column(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).unwrap();
        statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    fn number(&self, sql: &str) -> i64 {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn has(&self, kind: &str, id: &str) -> bool {
        let sql = "SELECT count(*) FROM record WHERE kind = ?1 AND analysis = ?2";
        let count = self
            .0
            .query_row(sql, [kind, id], |row| row.get::<_, i64>(0));
        count.unwrap() > 0
    }

    /// The recorded conclusion of an analysis: verdict and sentence.
    fn conclusion(&self, id: &str) -> Option<(String, String)> {
        let sql = "SELECT body FROM record WHERE kind = 'concluded' AND analysis = ?1";
        let body: Vec<u8> = self.0.query_row(sql, [id], |row| row.get(0)).ok()?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Some((text("verdict"), text("sentence")))
    }
}

/// What is checked after every kill, while no daemon runs.
fn check_log(log: &Log, load: &Load, checked: &mut usize) {
    let submitted: BTreeSet<String> = log
        .column("SELECT analysis FROM record WHERE kind = 'submitted'")
        .into_iter()
        .collect();
    let mut world = load.world.lock().unwrap();
    for (key, id) in &world.acknowledged {
        assert!(
            submitted.contains(id),
            "{id} (key {key}) was acknowledged and is lost"
        );
    }
    let twice = log.column(
        "SELECT analysis FROM record WHERE kind IN ('submitted', 'concluded') \
         GROUP BY analysis, kind HAVING count(*) > 1",
    );
    assert!(twice.is_empty(), "submitted or concluded twice: {twice:?}");
    assert_eq!(
        log.number("SELECT max(seq) - count(*) FROM record"),
        0,
        "the log has holes"
    );
    let new = load.hook.since(*checked);
    *checked += new.len();
    for message in new {
        let event = message.event();
        let data = &event["data"];
        let id = data["id"].as_str().unwrap();
        if message.path == "moments" {
            let kind = match event["type"].as_str().unwrap() {
                "haldane.started.v1" => "submitted",
                "haldane.look.v1" | "haldane.hold.v1" => "announced",
                other => panic!("{other} was not asked for"),
            };
            assert_eq!(data["final"], false, "{event}");
            assert!(log.has(kind, id), "{id} was told of without its record");
            continue;
        }
        world.saw(data);
        assert!(
            log.conclusion(id).is_some(),
            "{id} was told of without its record"
        );
    }
    for (id, seen) in &world.verdicts {
        assert_eq!(
            log.conclusion(id).as_ref(),
            Some(seen),
            "{id}: seen and recorded differ"
        );
    }
}

#[derive(Default)]
struct Counts {
    starts: u32,
    slowest_start: Duration,
}

/// Kills the daemon at random instants of its life, its starts included.
async fn kill_often(site: &Site, load: &Load, counts: &mut Counts) -> usize {
    let mut chance = Chance(20_261_121);
    let mut checked = 0;
    for kill in 0..KILLS {
        counts.starts += 1;
        let delay = chance.between(5, 400);
        if kill % START_KILL_EVERY == 1 {
            let starting = site.begin();
            tokio::time::sleep(delay / 2).await;
            starting.kill();
        } else {
            let begun = Instant::now();
            let daemon = site.start().await;
            counts.slowest_start = counts.slowest_start.max(begun.elapsed());
            load.address.send_replace(Some(daemon.url().to_owned()));
            tokio::time::sleep(delay).await;
            daemon.kill();
            load.address.send_replace(None);
        }
        match Log::open(&site.store()) {
            Some(log) => check_log(&log, load, &mut checked),
            None => assert!(load.world.lock().unwrap().acknowledged.is_empty()),
        }
    }
    checked
}

/// Lets the daemon run until every analysis has its verdict and every message its end.
async fn settle(load: &Load) -> usize {
    let begun = Instant::now();
    let mut settled: BTreeSet<String> = BTreeSet::new();
    loop {
        let all = load.all().await;
        for document in &all {
            let id = document["id"].as_str().unwrap();
            if document["final"] != true || settled.contains(id) {
                continue;
            }
            let path = format!("/v1/analyses/{id}");
            let whole = load.ask(Method::GET, &path, "", None).await.body;
            let deliveries = whole["deliveries"].as_array().unwrap();
            let of = |moment: &str| deliveries.iter().filter(|d| d["moment"] == moment).count();
            assert_eq!((of("verdict"), of("started")), (2, 1), "{whole}");
            // A look that the verdict has overtaken is not sent any more.
            let passing = |d: &Value| d["moment"] == "look" || d["moment"] == "hold";
            if deliveries
                .iter()
                .all(|d| d["state"] == "delivered" || passing(d) && d["state"] == "expired")
            {
                settled.insert(id.to_owned());
            }
        }
        if settled.len() == all.len() {
            return all.len();
        }
        let owed: Vec<_> = all
            .iter()
            .filter(|d| !settled.contains(d["id"].as_str().unwrap()))
            .collect();
        assert!(
            begun.elapsed() < SETTLE_MAX,
            "owed after {SETTLE_MAX:?}: {owed:#?}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Both receivers of every analysis have each verdict exactly once, repeats dropped.
fn check_deliveries(load: &Load, world: &World) {
    let mut started: BTreeSet<String> = BTreeSet::new();
    let mut told: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    for (id, message) in load.hook.kept() {
        let event = message.event();
        assert_eq!(event["id"], *id);
        let text = |field: &str| event["data"][field].as_str().unwrap().to_owned();
        if message.path == "moments" {
            if event["type"] == "haldane.started.v1" {
                let first = started.insert(text("id"));
                assert!(first, "{} started twice under two ids", text("id"));
            }
            continue;
        }
        let to = (text("id"), message.path.clone());
        let before = told.insert(to.clone(), (text("verdict"), text("reason")));
        assert!(before.is_none(), "{to:?} was told twice under two ids");
    }
    for id in world.acknowledged.values() {
        assert!(started.contains(id), "nobody heard of the start of {id}");
        for path in ["plain", "flaky"] {
            let heard = told.get(&(id.clone(), path.to_owned()));
            assert_eq!(heard, world.verdicts.get(id), "{path} about {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_it_keeps_its_word() {
    let begun = Instant::now();
    let site = Site::simulated(SCENARIO);
    for (name, text) in TEMPLATES {
        site.template(name, text);
    }
    let load = Arc::new(Load {
        world: Mutex::default(),
        address: watch::Sender::new(None),
        over: watch::Sender::new(false),
        hook: Hook::start().await,
        client: client(),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for submitter in 0..SUBMITTERS {
        let load = Arc::clone(&load);
        tasks.spawn(async move { load.submit(submitter).await });
    }
    let watcher = Arc::clone(&load);
    tasks.spawn(async move { watcher.watch().await });

    let mut counts = Counts::default();
    let mut checked = kill_often(&site, &load, &mut counts).await;
    let daemon = site.start().await;
    load.address.send_replace(Some(daemon.url().to_owned()));
    load.over.send_replace(true);
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let analyses = settle(&load).await;
    daemon.stop().await;

    let log = Log::open(&site.store()).unwrap();
    check_log(&log, &load, &mut checked);
    assert_eq!(log.column("PRAGMA integrity_check"), ["ok"]);
    load.hook.check_signatures();
    let world = load.world.lock().unwrap();
    check_deliveries(&load, &world);
    let kept = load.hook.kept().len();
    println!(
        "{KILLS} kills, {} starts (slowest {:?}), {analyses} analyses ({} submitted again), {} \
         verdicts, {checked} messages, {} repeats or failed attempts, {} records, {:?}",
        counts.starts,
        counts.slowest_start,
        world.retried,
        world.verdicts.len(),
        checked - kept,
        log.number("SELECT count(*) FROM record"),
        begun.elapsed(),
    );
    assert_eq!(analyses, world.acknowledged.len(), "one analysis per key");
    assert_eq!(analyses, world.verdicts.len());
    let words: BTreeSet<&str> = world
        .verdicts
        .values()
        .map(|(word, _)| word.as_str())
        .collect();
    assert_eq!(
        words.into_iter().collect::<Vec<_>>(),
        ["inconclusive", "promote", "rollback"]
    );
    assert!(
        analyses > 100,
        "too little load to show anything: {analyses} analyses"
    );
}
