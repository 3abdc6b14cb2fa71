//! Scripts for the engine: `tests/cases/engine/*.test`. Each step is one event; under `----` stand
//! the effects in order. `HALDANE_UPDATE_CASES=1` writes what the engine says, and the diff is reviewed.
//!
//! Every effect is also checked by the desk (A3, A4), whatever the script expects.

use crate::engine_desk::{Desk, id, submission};
use crate::engine_plans::START;
use haldane::engine::Limits;
use haldane::engine::effect::{FetchOrder, JudgeOrder, SendOrder};
use haldane::engine::event::{Event, SendReply, Ticket};
use haldane::engine::verdict::Verdict;
use haldane::judge::judgement::Label;
use haldane::time::Span;
use std::path::Path;

/// A desk and what a script can refer back to.
struct Script {
    desk: Desk,
    tickets: u64,
    last_fetch: Option<FetchOrder>,
    last_judge: Option<JudgeOrder>,
    last_send: Option<SendOrder>,
}

impl Script {
    fn new() -> Self {
        Self {
            desk: Desk::new(Limits::default(), START),
            tickets: 0,
            last_fetch: None,
            last_judge: None,
            last_send: None,
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Performs one line; returns the effects as text.
    fn perform(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.desk.said.clear();
        match *words.as_slice() {
            ["limits", ref pairs @ ..] => self.limits(pairs),
            ["at", span] => self.desk.at(START.plus(Span::parse(span).unwrap())),
            ["submit", name, text, ref options @ ..] => self.submit(name, text, options),
            ["cancel", name, author, ref reason @ ..] => {
                let event = Event::Cancelled {
                    ticket: self.ticket(),
                    id: id(name),
                    author: author.to_owned(),
                    reason: reason.join(" "),
                };
                self.desk.tell(event);
            }
            ["override", name, verdict, author, ref reason @ ..] => {
                let event = Event::Overridden {
                    ticket: self.ticket(),
                    id: id(name),
                    verdict: Verdict::from_word(verdict).unwrap(),
                    author: author.to_owned(),
                    reason: reason.join(" "),
                };
                self.desk.tell(event);
            }
            ["appended"] => assert!(self.desk.append_ok(), "no append under way"),
            ["append", "fails"] => self.desk.append_fails(0),
            ["append", "fails", "after", n] => self.desk.append_fails(n.parse().unwrap()),
            ["crash"] => {
                for unreadable in self.desk.crash() {
                    let line = format!("unreadable {}: {}", unreadable.id, unreadable.why);
                    self.desk.said.push(line);
                }
            }
            ["fetched" | "fetch", ..] => self.source(&words),
            ["judged", ..] | ["judge", "fails", ..] => self.judge(&words),
            ["sent", ..] => self.receiver(&words),
            ["show", name] => self.show(name),
            _ => panic!("unknown step: {line}"),
        }
        match self.desk.said.is_empty() {
            true => "(nothing)".to_owned(),
            false => self.desk.said.join("\n"),
        }
    }

    fn limits(&mut self, pairs: &[&str]) {
        let mut limits = Limits::default();
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.parse().unwrap();
            match name {
                "concluded" => limits.concluded_max = value,
                "analyses" => limits.analyses_max = value,
                "unacked" => limits.unacked_max = value,
                "fetches" => limits.fetches_max = value,
                "sends" => limits.sends_max = value,
                _ => panic!("unknown limit: {name}"),
            }
        }
        self.desk = Desk::new(limits, START);
    }

    fn submit(&mut self, name: &str, text: &str, options: &[&str]) {
        let (mut key, mut receivers) = (None, 0);
        for option in options {
            match option.split_once('=').unwrap() {
                ("key", text) => key = Some(text),
                ("receivers", n) => receivers = n.parse().unwrap(),
                _ => panic!("unknown option: {option}"),
            }
        }
        let submission = Box::new(submission(name, key, text, receivers));
        let ticket = self.ticket();
        self.desk.tell(Event::Submitted { ticket, submission });
    }

    fn source(&mut self, words: &[&str]) {
        let order = match words {
            ["fetched", "again"] => self.last_fetch.clone().unwrap(),
            ["fetched", name] | ["fetch", "fails", name, ..] => {
                let name = id(name);
                let asked = self.desk.fetches.iter().position(|order| order.id == name);
                self.desk
                    .fetches
                    .remove(asked.expect("no such fetch under way"))
            }
            _ => panic!("unknown step: {words:?}"),
        };
        match words {
            ["fetch", "fails", _, "for", "good", why @ ..] => {
                self.desk.fetch_fails(&order, false, &why.join(" "));
            }
            ["fetch", "fails", _, why @ ..] => {
                self.desk.fetch_fails(&order, true, &why.join(" "));
            }
            _ => self.desk.fetched(&order),
        }
        self.last_fetch = Some(order);
    }

    fn judge(&mut self, words: &[&str]) {
        let (order, word) = match words {
            ["judged", "again", word] => (self.last_judge.clone().unwrap(), word),
            ["judge", "fails", "again", ..] => (self.last_judge.clone().unwrap(), &""),
            ["judge", "fails", name, ..] => {
                let name = id(name);
                let asked = self.desk.judges.iter().position(|order| order.id == name);
                let order = self
                    .desk
                    .judges
                    .remove(asked.expect("no such judgement under way"));
                (order, &"")
            }
            ["judged", name, word] => {
                let name = id(name);
                let asked = self.desk.judges.iter().position(|order| order.id == name);
                let order = self
                    .desk
                    .judges
                    .remove(asked.expect("no such judgement under way"));
                (order, word)
            }
            _ => panic!("unknown step: {words:?}"),
        };
        if let ["judge", "fails", _, why @ ..] = words {
            self.desk.judge_fails(&order, &why.join(" "));
        } else {
            self.desk.judged(&order, Label::from_word(word).unwrap());
        }
        self.last_judge = Some(order);
    }

    fn receiver(&mut self, words: &[&str]) {
        let (order, reply) = match words {
            ["sent", "again", reply @ ..] => (self.last_send.clone().unwrap(), reply),
            ["sent", name, reply @ ..] => {
                let name = id(name);
                let asked = self
                    .desk
                    .sends
                    .iter()
                    .position(|order| order.view.id == name);
                let order = self
                    .desk
                    .sends
                    .remove(asked.expect("no such message under way"));
                (order, reply)
            }
            _ => panic!("unknown step: {words:?}"),
        };
        let detail = "503".to_owned();
        let reply = match reply {
            ["accepted"] => SendReply::Accepted { status: 202 },
            ["refused"] => SendReply::GiveUp {
                detail: "410".to_owned(),
            },
            ["retry"] => SendReply::Retry {
                after: None,
                detail,
            },
            ["retry", "after", span] => SendReply::Retry {
                after: Span::parse(span),
                detail,
            },
            _ => panic!("unknown reply: {reply:?}"),
        };
        self.desk.replied(&order, reply);
        self.last_send = Some(order);
    }

    /// What readers see, as far as scripts care.
    fn show(&mut self, name: &str) {
        let view = &self.desk.published[&id(name)];
        let hold = view.hold.as_ref().map_or("-", |hold| hold.word());
        let fault = view.source_fault.as_deref().unwrap_or("-");
        let next = view.next_look_at.map(|at| at.since(START).to_string());
        let next = next.unwrap_or_else(|| "-".to_owned());
        let mut said = vec![format!(
            "{} looks={} next={next} hold={hold} source_fault={fault}",
            view.status.word(),
            view.looks
        )];
        if let Some(conclusion) = &view.conclusion {
            let author = conclusion.author.as_deref().unwrap_or("-");
            said.push(format!(
                "{} row={} look={} author={author} at={}",
                conclusion.verdict.word(),
                conclusion.row,
                conclusion.look,
                conclusion.at.since(START)
            ));
        }
        for message in &view.deliveries {
            said.push(format!(
                "message attempts={} end={:?}",
                message.attempts, message.end
            ));
        }
        said.push(format!("idle={}", self.desk.engine.is_idle()));
        self.desk.said = said;
    }
}

/// Runs a script; returns it with the effects that came.
fn rewritten(text: &str) -> String {
    let mut script = Script::new();
    let mut out = String::new();
    for block in text.trim_end().split("\n\n") {
        let steps: Vec<&str> = block.lines().take_while(|line| *line != "----").collect();
        let mut said = Vec::new();
        for step in &steps {
            if !step.starts_with('#') {
                println!("{step}");
                said.push(script.perform(step));
            }
        }
        // Several steps in one block are a run-up: only what the last one does is shown.
        let shown = said.pop().map(|last| format!("----\n{last}\n"));
        out.push_str(&format!(
            "{}\n{}\n",
            steps.join("\n"),
            shown.unwrap_or_default()
        ));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[test]
fn scripts_say_what_the_engine_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/engine");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "test"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 8, "scripts are missing");
    for path in paths {
        let wanted = std::fs::read_to_string(&path).unwrap();
        println!("{}", path.display());
        let got = rewritten(&wanted);
        if std::env::var_os("HALDANE_UPDATE_CASES").is_some() {
            std::fs::write(&path, &got).unwrap();
        } else {
            assert_eq!(got, wanted, "{}", path.display());
        }
    }
}

#[test]
fn a_concluded_analysis_keeps_no_windows() {
    let mut script = Script::new();
    for line in [
        "submit a1 600:10:x",
        "appended",
        "at 1m10s",
        "fetched a1",
        "judged a1 worse",
    ] {
        script.perform(line);
    }
    let order = script.last_judge.take().unwrap();
    assert_eq!(std::sync::Arc::strong_count(&order.windows), 1);
}
