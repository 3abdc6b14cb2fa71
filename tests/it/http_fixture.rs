//! A door on loopback with a driver behind it that answers from a script, and a client that sends
//! exactly the bytes it is given.

use haldane::engine::after::After;
use haldane::engine::effect::{Answer, Refusal};
use haldane::engine::event::{SourceFault, Submission};
use haldane::engine::record::Conclusion;
use haldane::engine::verdict::Verdict;
use haldane::engine::view::{Status, View};
use haldane::http::{
    Ask, Change, Credential, Desk, Health, KnownReceiver, Limits, OnceFault, OneShot, Papers,
    Readings, RecordingFault, Right, Shelf, TemplateFile, serve,
};
use haldane::ids::AnalysisId;
use haldane::judge::judgement::{Judgement, Outcome};
use haldane::plan::Plan;
use haldane::secret::Secret;
use haldane::template::parse::parse;
use haldane::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TEMPLATE: &str = r#"apiVersion: haldane/v1
kind: AnalysisTemplate
metadata: { name: checkout, description: "for the tests of the door" }
spec:
  inputs:
    service: { description: "the service label" }
  schedule: { step: 30s, look_every: 1m, warmup: 0s, bake: 10m, deadline: 30m, lag: 30s }
  metrics:
    - name: cpu
      harm: increase
      min_effect: { relative: 10% }
      series:
        query: "sum by (${arm_labels}) (rate(cpu_seconds_total{service=\"${service}\",${selector}}[30s]))"
    - name: errors
      harm: increase
      min_effect: { absolute: 0.5% }
      events:
        bad: http_requests_total{service="${service}",code=~"5..",${selector}}
        total: http_requests_total{service="${service}",${selector}}
"#;

/// The daemon's clock at the start of a test: 2026-01-02T03:04:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_s(1_767_323_040);

/// How the driver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    Full,
    StoreDown,
    /// Takes questions and never answers.
    Mute,
    SourceDown,
    QueryWrong,
    JudgeBroken,
    /// A rollback comes just before a step can be announced.
    Decided,
}

/// What the driver was asked.
#[derive(Debug)]
pub(crate) enum Asked {
    Submit(Box<Submission>),
    Cancel(AnalysisId, String, String),
    Override(AnalysisId, Verdict, String, String),
    Acknowledge(AnalysisId, String),
    Judge(Arc<Plan>, Option<Box<haldane::judge::windows::Batch>>),
}

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) readings: Readings,
    pub(crate) papers: Papers,
    pub(crate) health: Arc<Health>,
    pub(crate) stop: CancellationToken,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) templates: haldane::http::Templates,
    /// How often records were read.
    pub(crate) reads: Arc<AtomicU64>,
    pub(crate) server: JoinHandle<()>,
    pub(crate) driver: JoinHandle<()>,
}

/// What a test wants different from the usual.
pub(crate) struct Setup {
    pub(crate) mood: Mood,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) limits: Limits,
    pub(crate) has_default_key: bool,
    pub(crate) bindings: Vec<haldane::http::Binding>,
    pub(crate) metrics_panic: bool,
    pub(crate) receivers: Vec<KnownReceiver>,
    pub(crate) coordination: haldane::engine::coordination::policy::Policies,
    pub(crate) github: Option<Arc<haldane::http::Github>>,
    pub(crate) dialects: haldane::dialect::Dialects,
    /// Submissions that are taken; the driver is full afterwards.
    pub(crate) submissions_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mood: Mood::Willing,
            credentials: Vec::new(),
            limits: Limits::default(),
            has_default_key: true,
            bindings: Vec::new(),
            metrics_panic: false,
            receivers: Vec::new(),
            coordination: haldane::engine::coordination::policy::Policies::default(),
            github: None,
            dialects: haldane::dialect::Dialects::default(),
            submissions_max: usize::MAX,
        }
    }
}

pub(crate) fn credential(author: &str, token: &str, right: Right) -> Credential {
    Credential {
        author: author.to_owned(),
        token: Secret::new(token),
        right,
    }
}

pub(crate) async fn open(setup: Setup) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (ask, questions) = mpsc::channel(16);
    let clock = Arc::new(AtomicI64::new(NOW.ms()));
    let (now_ms, next) = (clock.clone(), AtomicU64::new(1));
    let template = parse(TEMPLATE).0.unwrap();
    let file = TemplateFile {
        text: TEMPLATE.into(),
        template: Arc::new(template),
    };
    let templates = BTreeMap::from([(file.template.name.clone(), file)]);
    let health = Arc::new(Health::default());
    health.ready.store(true, Ordering::Release);
    let (readings, papers) = (Readings::default(), Papers::default());
    let templates = Arc::new(RwLock::new(Shelf {
        known: templates,
        refused: Vec::new(),
    }));
    let desk = Desk {
        readings: readings.clone(),
        templates: templates.clone(),
        ask,
        credentials: setup.credentials.into(),
        health: health.clone(),
        limits: setup.limits,
        metrics: Arc::new(move || {
            assert!(!setup.metrics_panic, "a mistake, for once on purpose");
            "haldane_up 1\n".to_owned()
        }),
        now: Arc::new(move || Timestamp::from_ms(now_ms.load(Ordering::SeqCst))),
        next_id: Arc::new(move || id(next.fetch_add(1, Ordering::SeqCst))),
        check_receiver: Arc::new(|receiver| {
            let private = receiver.url.contains("10.0.0.1");
            let why = "10.0.0.1 is a private address; ask for webhooks.allow_private";
            if private {
                Err(("url", why.to_owned()))
            } else {
                Ok(())
            }
        }),
        key_names: Arc::new(["argo".to_owned()]),
        receivers: setup.receivers.into(),
        has_default_key: setup.has_default_key,
        bindings: setup.bindings.into(),
        dialects: Arc::new(setup.dialects),
        coordination: setup.coordination.into(),
        github: setup.github,
        papers: papers.clone(),
        kayenta: Arc::default(),
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let reads = Arc::new(AtomicU64::new(0));
    let driver = Driver {
        mood: setup.mood,
        submissions_max: setup.submissions_max,
        readings: readings.clone(),
        papers: papers.clone(),
        asked: asked.clone(),
        reads: reads.clone(),
        keys: BTreeMap::new(),
        mute: Vec::new(),
    };
    Door {
        address,
        readings,
        papers,
        health,
        asked,
        reads,
        clock,
        templates,
        driver: tokio::spawn(driver.run(questions)),
        server: tokio::spawn(serve(listener, desk, stop.clone())),
        stop,
    }
}

pub(crate) fn id(n: u64) -> AnalysisId {
    AnalysisId::new(&format!("a{n:04}")).unwrap()
}

struct Driver {
    mood: Mood,
    submissions_max: usize,
    readings: Readings,
    papers: Papers,
    asked: Arc<Mutex<Vec<Asked>>>,
    reads: Arc<AtomicU64>,
    keys: BTreeMap<String, AnalysisId>,
    /// Questions that are never answered, kept so that their askers wait.
    mute: Vec<Ask>,
}

impl Driver {
    async fn run(mut self, mut questions: mpsc::Receiver<Ask>) {
        while let Some(question) = questions.recv().await {
            if self.mood == Mood::Mute {
                self.mute.push(question);
                continue;
            }
            match question {
                Ask::Submit { submission, reply } => {
                    let answer = self.submit(&submission);
                    self.asked.lock().unwrap().push(Asked::Submit(submission));
                    let _ = reply.send(answer);
                }
                Ask::Cancel {
                    id,
                    author,
                    reason,
                    reply,
                } => {
                    let answer = self.conclude(&id, Verdict::Inconclusive, &author);
                    let answer = cancelled(answer, &self.readings, &author);
                    self.asked
                        .lock()
                        .unwrap()
                        .push(Asked::Cancel(id, author, reason));
                    let _ = reply.send(answer);
                }
                Ask::Override {
                    id,
                    verdict,
                    author,
                    reason,
                    reply,
                } => {
                    let answer = self.conclude(&id, verdict, &author);
                    let asked = Asked::Override(id, verdict, author, reason);
                    self.asked.lock().unwrap().push(asked);
                    let _ = reply.send(answer);
                }
                Ask::Redeliver { reply, .. } => {
                    let _ = reply.send(Answer::Refused(Refusal::UnknownMessage));
                }
                Ask::Acknowledge { id, author, reply } => {
                    let known = self.readings.get(&id);
                    let asked = Asked::Acknowledge(id, author);
                    self.asked.lock().unwrap().push(asked);
                    let _ = reply.send(match known.filter(|view| view.conclusion.is_some()) {
                        Some(view) => Answer::Accepted {
                            view,
                            repeated: false,
                        },
                        None => Answer::Refused(Refusal::Undecided),
                    });
                }
                Ask::Step { id, reply, share } => {
                    let answer = match self.readings.get(&id) {
                        Some(view) if self.mood == Mood::Decided => {
                            let ended = concluded(&view, Verdict::Rollback, None);
                            self.readings.publish(Arc::new(ended));
                            Answer::Refused(Refusal::Concluded)
                        }
                        Some(view) => {
                            let mut view = View::clone(&view);
                            let step = haldane::plan::rollout::TrafficStep { at: NOW, share };
                            view.plan = Arc::new(view.plan.stepping(step));
                            let view = Arc::new(view);
                            self.readings.publish(view.clone());
                            Answer::Accepted {
                                view,
                                repeated: false,
                            }
                        }
                        None => Answer::Refused(Refusal::Unknown),
                    };
                    let _ = reply.send(answer);
                }
                Ask::Freeze { freeze, reply } => {
                    self.readings.freeze(Arc::from([(*freeze).clone()]));
                    let _ = reply.send(Answer::Freeze(freeze));
                }
                Ask::Lift { id, reply, .. } => {
                    let all = self.readings.freezes();
                    let found = all.iter().find(|freeze| freeze.id == id).cloned();
                    self.readings.freeze(Arc::from([]));
                    let unknown = Answer::Refused(Refusal::UnknownFreeze);
                    let freeze = |freeze| Answer::Freeze(Box::new(freeze));
                    let _ = reply.send(found.map_or(unknown, freeze));
                }
                Ask::Recording { id, reply } => {
                    let _ = reply.send(match self.mood {
                        Mood::StoreDown => Err(RecordingFault::Store("disk /secret/place".into())),
                        Mood::JudgeBroken => Err(RecordingFault::Unusable("a plan is lost".into())),
                        _ if self.readings.get(&id).is_none() => Err(RecordingFault::Unknown),
                        _ => Ok(b"PAR1 and more".to_vec()),
                    });
                }
                Ask::Judge {
                    plan,
                    samples,
                    reply,
                } => {
                    let answer = self.judge(&plan);
                    self.asked.lock().unwrap().push(Asked::Judge(plan, samples));
                    let _ = reply.send(answer);
                }
                Ask::Paper { change, reply } => {
                    let _ = reply.send(self.kept(&change));
                }
                Ask::Records { reply, .. } => {
                    self.reads.fetch_add(1, Ordering::SeqCst);
                    let down = self.mood == Mood::StoreDown;
                    let _ = reply.send(if down {
                        Err("the disk is on fire".to_owned())
                    } else {
                        Ok(Vec::new())
                    });
                }
            }
        }
    }

    fn kept(&self, change: &Change) -> Result<(), String> {
        if self.mood == Mood::StoreDown {
            return Err("the disk is on fire".to_owned());
        }
        self.papers.apply(change);
        Ok(())
    }

    fn submit(&mut self, submission: &Submission) -> Answer {
        match self.mood {
            Mood::Full => return Answer::Refused(Refusal::TooMany { limit: 7 }),
            _ if self.asked.lock().unwrap().len() >= self.submissions_max => {
                return Answer::Refused(Refusal::TooMany { limit: 7 });
            }
            Mood::StoreDown => {
                let message = "disk /secret/place is full".to_owned();
                return Answer::Refused(Refusal::StoreFault { message });
            }
            _ => {}
        }
        if let Some(key) = &submission.key {
            if let Some(holder) = self.keys.get(key) {
                let view = self.readings.get(holder).unwrap();
                if view.plan.digest != submission.plan.digest {
                    let holder = holder.clone();
                    return Answer::Refused(Refusal::KeyConflict { holder });
                }
                return Answer::Accepted {
                    view,
                    repeated: true,
                };
            }
            self.keys.insert(key.clone(), submission.id.clone());
        }
        let view = Arc::new(View {
            coordination: submission.coordination.clone(),
            ..waiting(&submission.id, &submission.plan)
        });
        self.readings.publish(view.clone());
        Answer::Accepted {
            view,
            repeated: false,
        }
    }

    fn conclude(&self, id: &AnalysisId, verdict: Verdict, author: &str) -> Answer {
        let Some(view) = self.readings.get(id) else {
            return Answer::Refused(Refusal::Unknown);
        };
        if view.conclusion.is_some() {
            return Answer::Refused(Refusal::Concluded);
        }
        let view = Arc::new(concluded(&view, verdict, Some(author)));
        self.readings.publish(view.clone());
        Answer::Accepted {
            view,
            repeated: false,
        }
    }

    fn judge(&self, plan: &Arc<Plan>) -> Result<OneShot, OnceFault> {
        match self.mood {
            Mood::SourceDown | Mood::QueryWrong => {
                let message = "metric cpu: the source said no";
                Err(OnceFault::Source(match self.mood {
                    Mood::SourceDown => SourceFault::passing(message),
                    _ => SourceFault::of_query(message),
                }))
            }
            Mood::JudgeBroken => Err(OnceFault::Judge("the judge failed: a panic".to_owned())),
            _ => Ok(OneShot {
                hold: None,
                plan: plan.clone(),
                judgement: Judgement {
                    look: 1,
                    covered_to: plan.timing.deadline,
                    findings: Vec::new(),
                    objectives: Vec::new(),
                    traffic: None,
                    steps: Vec::new(),
                    suspect: Vec::new(),
                    score: None,
                    outcome: Outcome::NoData,
                },
                verdict: Verdict::Inconclusive,
                row: 9,
                sentence: "no metric has data".to_owned(),
            }),
        }
    }
}

/// The sentence of somebody who stopped it, as the engine says it.
fn cancelled(answer: Answer, readings: &Readings, author: &str) -> Answer {
    let Answer::Accepted { view, repeated } = answer else {
        return answer;
    };
    let mut view = View::clone(&view);
    if let Some(end) = &mut view.conclusion {
        end.sentence = format!("cancelled by {author}: {}", end.sentence);
    }
    let view = Arc::new(view);
    readings.publish(view.clone());
    Answer::Accepted { view, repeated }
}

/// A view as it is right after submission.
pub(crate) fn waiting(id: &AnalysisId, plan: &Arc<Plan>) -> View {
    View {
        id: id.clone(),
        plan: plan.clone(),
        status: Status::Waiting,
        submitted_at: NOW,
        looks: 0,
        next_look_at: Some(plan.timing.start),
        judgement: None,
        sentence: "waiting for the first look".to_owned(),
        hold: None,
        conclusion: None,
        source_fault: None,
        deliveries: Vec::new(),
        coordination: haldane::engine::coordination::Coordination::default(),
        behind: None,
        after: After::default(),
    }
}

pub(crate) fn concluded(view: &View, verdict: Verdict, author: Option<&str>) -> View {
    let sentence = format!("{} it is", verdict.word());
    View {
        status: Status::Concluded,
        next_look_at: None,
        sentence: sentence.clone(),
        conclusion: Some(Conclusion {
            verdict,
            row: 1,
            sentence,
            hold: None,
            author: author.map(str::to_owned),
            look: 0,
            at: NOW,
        }),
        ..view.clone()
    }
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// A header's values, joined.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
            .join(" | ")
    }

    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("{head}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

impl Door {
    /// Sends these bytes and reads until the other side closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect(bytes).await;
        let mut out = Vec::new();
        stream.read_to_end(&mut out).await.unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    pub(crate) async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// `headers` end with `\r\n` each; a body gets its length and, unless there is one, a type.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        Reply::read(&self.raw(&request(method, path, headers, body)).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, "", body).await
    }

    /// Submits and gives the id.
    pub(crate) async fn submitted(&self, body: &str) -> String {
        let reply = self.post("/v1/analyses", body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// Puts another text in place of the template.
    pub(crate) fn edit(&self, text: &str) {
        let template = Arc::new(parse(text).0.unwrap());
        let (name, text) = (template.name.clone(), text.into());
        let mut shelf = self.templates.write().unwrap();
        shelf.known.insert(name, TemplateFile { text, template });
    }

    /// Publishes a changed view of an analysis.
    pub(crate) fn publish(&self, id: &str, change: impl FnOnce(View) -> View) {
        let view = self.readings.get(&AnalysisId::new(id).unwrap()).unwrap();
        self.readings.publish(Arc::new(change(View::clone(&view))));
    }

    /// Publishes a verdict, as the driver does when the engine says so.
    pub(crate) fn conclude(&self, id: &str, verdict: Verdict) {
        let view = self.readings.get(&AnalysisId::new(id).unwrap()).unwrap();
        self.readings
            .publish(Arc::new(concluded(&view, verdict, None)));
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut all = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    all.push_str(headers);
    if ["POST", "PUT"].contains(&method) {
        if !headers.contains("content-type") {
            all.push_str("content-type: application/json\r\n");
        }
        let _ = write!(all, "content-length: {}\r\n", body.len());
    }
    all.push_str("\r\n");
    all.push_str(body);
    all.into_bytes()
}

/// A body that is accepted; `more` are further fields, each with a leading comma.
pub(crate) fn submission(more: &str) -> String {
    format!(
        r#"{{"template":"checkout","inputs":{{"service":"shop"}},"baseline":{{"track":"stable"}},
        "canary":{{"track":"canary"}},"deploy":{{"service":"shop"}}{more}}}"#
    )
}

/// The same with a deploy id.
pub(crate) fn deploy(id: &str) -> String {
    submission("").replace(
        r#""deploy":{"service":"shop"}"#,
        &format!(r#""deploy":{{"service":"shop","id":"{id}"}}"#),
    )
}
