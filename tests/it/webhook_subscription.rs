//! Who hears of what in which form: from the words people write to the receivers of an analysis,
//! and through the decision log.

use crate::http_fixture::{Asked, Setup, open, submission};
use haldane::engine::record::{Fact, Receiver, SecretRef};
use haldane::engine::subscription::{Filter, Form, Moment, Pattern};
use haldane::engine::verdict::Verdict;
use haldane::http::KnownReceiver;
use haldane::wire::record::{decode, encode};

use crate::wire_samples::{facts, record};

#[test]
fn a_receiver_hears_of_what_it_asked_for() {
    use Moment::{Hold, Look, Started};
    let plain = || Receiver::new("https://a.example/".to_owned(), SecretRef::Default);
    let with = |form, moments: &[Moment], on: &[Verdict]| Receiver {
        form,
        moments: moments.to_vec(),
        on: on.to_vec(),
        ..plain()
    };
    let promote = Some(Verdict::Promote);
    let all = [Verdict::Promote, Verdict::Rollback, Verdict::Inconclusive];
    for (receiver, moment, verdict, wanted) in [
        (plain(), Moment::Verdict, promote, true),
        (plain(), Started, None, false),
        (with(Form::CdEvents, &[], &[]), Started, None, true),
        (with(Form::CdEvents, &[], &[]), Look, None, false),
        (with(Form::CdEvents, &[Look], &[]), Started, None, false),
        (
            with(Form::CloudEvents, &[Hold], &[]),
            Moment::Verdict,
            promote,
            false,
        ),
        (
            with(Form::CloudEvents, &[], &[Verdict::Rollback]),
            Moment::Verdict,
            promote,
            false,
        ),
        (
            // Of what it may never hear the end.
            with(Form::CdEvents, &[], &[Verdict::Rollback]),
            Started,
            None,
            false,
        ),
        (
            with(Form::CdEvents, &[Started], &[Verdict::Rollback]),
            Started,
            None,
            true,
        ),
        (with(Form::CdEvents, &[], &all), Started, None, true),
    ] {
        assert_eq!(
            receiver.hears_of(moment, verdict),
            wanted,
            "{receiver:?} {moment:?}"
        );
    }
}

#[test]
fn the_log_keeps_form_and_moments_and_reads_what_has_none() {
    let (_, fact) = facts().remove(0);
    let Fact::Submitted {
        key,
        template_text,
        rollout,
        plan_digest,
        receivers,
        coordination,
    } = fact
    else {
        panic!("the first fact is a submission");
    };
    let mut changed = receivers.clone();
    changed[0].form = Form::Templated("chat".to_owned());
    changed[0].moments = vec![Moment::Hold, Moment::RollbackIneffective];
    changed[1].form = Form::CdEventsCases;
    let fact = |receivers| Fact::Submitted {
        key: key.clone(),
        template_text: template_text.clone(),
        rollout: rollout.clone(),
        plan_digest,
        receivers,
        coordination: coordination.clone(),
    };
    for receivers in [receivers, changed] {
        let (kind, body) = encode(&record("a1", fact(receivers.clone())));
        let plain = receivers.iter().all(|to| to.form == Form::CloudEvents);
        let text = String::from_utf8(body.clone()).unwrap();
        assert_eq!(text.contains("form") || text.contains("moments"), !plain);
        let Fact::Submitted {
            receivers: back, ..
        } = decode(kind, &body, 1).unwrap()
        else {
            panic!("{kind}");
        };
        assert_eq!(back, receivers);
    }
}

/// What a submission with these further fields of its webhook comes to.
async fn submitted(more: &str, setup: Setup) -> Result<Vec<Receiver>, String> {
    let door = open(setup).await;
    let hook = format!(r#","webhooks":[{{"url":"https://own.example/hook"{more}}}]"#);
    let body = submission(&hook).replace(
        r#""deploy":{"service":"shop"}"#,
        r#""deploy":{"service":"shop","environment":"production"}"#,
    );
    let reply = door.post("/v1/analyses", &body).await;
    if reply.status != 201 {
        return Err(reply.json()["detail"].as_str().unwrap().to_owned());
    }
    let asked = door.asked.lock().unwrap();
    let [Asked::Submit(submission)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    Ok(submission.receivers.clone())
}

#[tokio::test]
async fn a_submission_says_form_moments_and_verdicts() {
    let more = r#","form":"cdevents","moments":["hold","verdict"],"verdicts":["rollback"]"#;
    let taken = submitted(more, Setup::default()).await.unwrap();
    assert_eq!(taken[0].form, Form::CdEvents);
    assert_eq!(taken[0].moments, [Moment::Hold, Moment::Verdict]);
    assert_eq!(taken[0].on, [Verdict::Rollback]);
    for (more, wanted) in [
        (
            r#","form":"slack""#,
            "webhooks[0].form: \"slack\" is no form; write one of cloudevents",
        ),
        (
            r#","moments":["verdct"]"#,
            "webhooks[0].moments: \"verdct\" is no moment; did you mean verdict?",
        ),
        (
            r#","moments":["hold","hold"]"#,
            "webhooks[0].moments: \"hold\" stands there twice",
        ),
        (
            r#","verdicts":["stop"]"#,
            "webhooks[0].verdicts: \"stop\" is no verdict; write one of promote, rollback, inconclusive",
        ),
    ] {
        let message = submitted(more, Setup::default()).await.unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

#[tokio::test]
async fn a_filter_keeps_others_analyses_out() {
    let list = |text: &str| Vec::from_iter(Pattern::new(text));
    for (service, template, environment, hears) in [
        ("shop", "check*", "production", true),
        ("blog", "check*", "production", false),
        ("*", "other", "production", false),
        ("*", "*", "staging", false),
    ] {
        let known = KnownReceiver {
            name: None,
            receiver: Receiver::new("https://known.example/".to_owned(), SecretRef::Default),
            filter: Filter {
                services: list(service),
                templates: list(template),
                environments: list(environment),
            },
        };
        let setup = Setup {
            receivers: vec![known],
            ..Setup::default()
        };
        let taken = submitted("", setup).await.unwrap();
        assert_eq!(
            taken.len() == 2,
            hears,
            "{service} {template} {environment}"
        );
    }
}
