//! Records come back from their bodies with every bit, and bodies of format 1 are read for ever.

use crate::wire_samples::{
    START, batch, broken_down, captured, facts, id, judged, judgement, record,
};
use haldane::engine::record::{Fact, Receiver, SecretRef};
use haldane::judge::judgement::{Judgement, Needs};
use haldane::judge::windows::Batch;
use haldane::plan::{Part, Slot};
use haldane::series::raw::{Answer, RawBucket, RawHistogram, RawHistograms, RawSeries, Sample};
use haldane::time::{Span, Timestamp};
use haldane::units::{MinEffect, Score};
use haldane::wire::record::{RECORD_FORMAT, decode, encode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::path::PathBuf;

fn check(fact: &Fact) -> Fact {
    let (kind, body) = encode(&record("a1", fact.clone()));
    let back = decode(kind, &body, RECORD_FORMAT).unwrap();
    // Debug shows -0.0 and every digit; it cannot show a NaN's bits, `bits` below does.
    assert_eq!(format!("{back:?}"), format!("{fact:?}"));
    let (_, again) = encode(&record("a1", back.clone()));
    assert_eq!(again, body, "equal facts have equal bytes");
    back
}

fn bits(batch: &Batch) -> Vec<u64> {
    let samples = batch
        .answers
        .iter()
        .flat_map(|(_, answer)| answer.series.iter().flat_map(|series| &series.samples));
    samples.map(|sample| sample.value.to_bits()).collect()
}

#[test]
fn every_kind_of_fact_comes_back() {
    for (_, fact) in facts() {
        check(&fact);
    }
}

#[test]
fn the_values_of_a_label_come_back() {
    let plain = judgement();
    let mut grouped = plain.clone();
    grouped.findings.insert(0, broken_down("errors"));
    check(&judged(grouped));
    let (_, body) = encode(&record("a1", judged(plain)));
    let text = String::from_utf8(body).unwrap();
    assert!(!text.contains("breakdown"), "only where there is one");
}

#[test]
fn secrets_come_back_though_no_formatter_shows_them() {
    let secrets = |fact: &Fact| -> Vec<String> {
        let Fact::Submitted { receivers, .. } = fact else {
            return Vec::new();
        };
        let show = |receiver: &Receiver| match &receiver.secret {
            SecretRef::Inline(secret) => secret.expose().to_owned(),
            other => format!("{other:?}"),
        };
        receivers.iter().map(show).collect()
    };
    let (_, fact) = facts().remove(0);
    assert!(!format!("{fact:?}").contains("whsec_"));
    assert_eq!(secrets(&check(&fact)), secrets(&fact));
    assert_eq!(secrets(&fact).last().unwrap(), "whsec_aGFsZGFuZQ==");
}

#[test]
fn frozen_bodies_of_format_1_are_read_for_ever() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/v1");
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(
        files,
        facts().len(),
        "a file without its fact, or a fact without its file"
    );
    for (name, fact) in facts() {
        let frozen = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let kind = name.split('-').next().unwrap();
        let back = decode(kind, &frozen, 1).unwrap();
        assert_eq!(format!("{back:?}"), format!("{fact:?}"), "{name}");
        if let (Fact::Captured { batch: back, .. }, Fact::Captured { batch, .. }) = (&back, &fact) {
            assert_eq!(bits(back), bits(batch));
        }
        assert_eq!(
            encode(&record("a1", fact)),
            (kind, frozen),
            "{name}: format 1 is frozen"
        );
    }
}

#[test]
fn a_broken_body_is_damage_with_a_reason() {
    let (kind, body) = encode(&record("a1", judged(judgement())));
    for cut in 0..body.len() {
        assert!(decode(kind, &body[..cut], 1).is_err(), "cut at {cut}");
    }
    let text = String::from_utf8(body).unwrap();
    let cases = [
        ("\"look\":7", "\"look\":-7", "invalid value"),
        ("\"look\":7", "\"look\":7,\"more\":1", "unknown field"),
        (
            "\"outcome\":\"fail\"",
            "\"outcome\":\"bad\"",
            "outcome \"bad\"",
        ),
        ("\"score\":40", "\"score\":101", "score 101"),
        ("\"target\":0.999", "\"target\":1.5", "target 1.5"),
        ("\"metric\":\"errors\"", "\"metric\":\"\"", "metric \"\""),
    ];
    for (old, new, reason) in cases {
        let broken = text.replacen(old, new, 1);
        assert_ne!(broken, text);
        let damage = decode(kind, broken.as_bytes(), 1).unwrap_err().to_string();
        assert!(damage.contains(reason), "{damage}");
    }
    let unknown = decode("paused", b"{}", 1).unwrap_err().to_string();
    assert!(unknown.contains("\"paused\""), "{unknown}");
    let newer = decode("judged", text.as_bytes(), 2)
        .unwrap_err()
        .to_string();
    assert!(newer.contains("format 2"), "{newer}");
}

#[test]
fn a_test_this_version_does_not_know_comes_back_by_name() {
    let mut other = judgement();
    other.findings[0].test = "betting e-process";
    check(&judged(other));
}

#[test]
fn captures_are_small() {
    // 40 series on a grid of 240 points: the labels once, the instants as one run.
    let series = |i: i32| RawSeries {
        labels: [("pod".to_owned(), format!("checkout-{i}"))].into(),
        samples: (0..240)
            .map(|k| Sample {
                at: START.plus(Span::from_s(15 * k)),
                value: 0.25,
            })
            .collect(),
    };
    let mut large = batch();
    large.answers[0].1.series = (0..40).map(series).collect();
    let (_, body) = encode(&record("a1", captured(1, large)));
    let per_sample = body.len() as f64 / (40.0 * 240.0);
    assert!(
        per_sample < 6.0,
        "{per_sample} bytes per sample of five characters"
    );
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1e6..1e6).boxed(),
        Just(-0.0),
        Just(f64::INFINITY),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let sample = (any::<i64>(), any_number()).prop_map(|(ms, value)| Sample {
        at: Timestamp::from_ms(ms),
        value,
    });
    let series = (btree_map(".*", ".*", 0..3), vec(sample, 0..20))
        .prop_map(|(labels, samples)| RawSeries { labels, samples });
    let bucket = (any_number(), any_number(), any_number());
    let bucket = bucket.prop_map(|(left, right, count)| RawBucket { left, right, count });
    let histogram = (any::<i64>(), any_number(), vec(bucket, 0..4));
    let histogram = histogram.prop_map(|(ms, count, buckets)| RawHistogram {
        at: Timestamp::from_ms(ms),
        count,
        buckets,
    });
    let histograms = (btree_map(".*", ".*", 0..3), vec(histogram, 0..5))
        .prop_map(|(labels, samples)| RawHistograms { labels, samples });
    (
        vec(series, 0..4),
        vec(".*", 0..2),
        vec(".*", 0..2),
        any::<usize>(),
        vec(histograms, 0..3),
    )
        .prop_map(
            |(series, warnings, infos, histogram_series, histograms)| Answer {
                series,
                warnings,
                infos,
                histogram_series,
                histograms,
            },
        )
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let part = prop_oneof![
        Just(Part::Grid),
        Just(Part::Bad),
        Just(Part::Total),
        Just(Part::Buckets)
    ];
    let slot = (any::<usize>(), part).prop_map(|(metric_idx, part)| Slot { metric_idx, part });
    (any::<i64>(), any::<i64>(), vec((slot, any_answer()), 0..4)).prop_map(|(from, to, answers)| {
        Batch {
            from: Timestamp::from_ms(from),
            to: Timestamp::from_ms(to),
            answers,
        }
    })
}

/// The sample judgement with every number, word and option of it varied.
fn any_judgement() -> impl Strategy<Value = Judgement> {
    use haldane::judge::judgement::{Label, Outcome};
    use haldane::template::Role;
    use haldane::units::Harm;
    let words = (
        prop::sample::select(vec![
            Label::Worse,
            Label::NoData,
            Label::Undecided,
            Label::Within,
        ]),
        prop::sample::select(vec![
            Role::Critical,
            Role::Required,
            Role::Optional,
            Role::Info,
        ]),
        prop::sample::select(vec![Harm::Increase, Harm::Decrease, Harm::Either]),
        prop::sample::select(vec![
            Outcome::Fail,
            Outcome::NoData,
            Outcome::Marginal,
            Outcome::Pass,
        ]),
    );
    let needs = prop_oneof![
        Just(Needs::Nothing),
        Just(Needs::MoreThanThereIs),
        any::<u64>().prop_map(Needs::Data),
        any::<i64>().prop_map(|ms| Needs::Time(Span::from_ms(ms))),
    ];
    let numbers = vec(any_number(), 20);
    let limit = (any::<bool>(), 0.0..1e300_f64);
    let rest = (
        any::<bool>(),
        ".*",
        prop::option::of(0_u8..=100),
        any::<u64>(),
    );
    (words, needs, numbers, limit, rest).prop_map(
        |(
            (label, role, harm, outcome),
            needs,
            n,
            (is_relative, limit),
            (flag, text, score, count),
        )| {
            let mut judgement = judgement();
            judgement.outcome = outcome;
            judgement.score = score.and_then(Score::new);
            judgement.suspect = vec![text.clone()];
            judgement.traffic = flag
                .then_some(judgement.traffic)
                .flatten()
                .map(|mut traffic| {
                    (traffic.declared, traffic.observed) = (n[0], Some(n[1]));
                    traffic
                });
            let finding = &mut judgement.findings[0];
            (finding.label, finding.role, finding.harm) = (label, role, harm);
            (finding.needs, finding.both_degraded) = (needs, flag);
            finding.limit = if is_relative {
                MinEffect::Relative(limit)
            } else {
                MinEffect::Absolute(limit)
            };
            finding.notes = vec![text.clone(), text];
            finding.canary.spark.clone_from(&n);
            (finding.canary.n_eff, finding.canary.level) = (n[2], flag.then_some(n[3]));
            (finding.canary.coverage, finding.canary.bad) = (n[4], Some(count));
            let effect = finding.effect.as_mut().unwrap();
            (
                effect.absolute.value,
                effect.absolute.low,
                effect.absolute.high,
            ) = (n[5], n[6], n[7]);
            effect.relative = flag.then_some(effect.absolute);
            let evidence = finding.evidence.as_mut().unwrap();
            (evidence.p_harm, evidence.alpha) = (n[8], n[9]);
            (evidence.p_safe, evidence.beta) = (n[10], n[11]);
            let objective = &mut judgement.objectives[0];
            (objective.log_bound, objective.p_worse_than_baseline) = (n[12], n[13]);
            (objective.canary_burn, objective.baseline_burn) = (Some(n[14]), flag.then_some(n[15]));
            objective.worse_than_baseline = flag;
            let rung = &mut objective.rungs[0];
            (rung.burn, rung.log_e) = (n[16], n[17]);
            (rung.burn_long, rung.burn_short) = (flag.then_some(n[18]), Some(n[19]));
            (rung.proven, rung.unreachable, rung.bad_short) = (flag, !flag, count);
            judgement
        },
    )
}

proptest! {
    #[test]
    fn any_batch_comes_back_bit_for_bit(look in any::<u32>(), batch in any_batch()) {
        let back = check(&captured(look, batch.clone()));
        let Fact::Captured { batch: back, .. } = back else {
            return Err(TestCaseError::fail("another fact came back"));
        };
        prop_assert_eq!(bits(&back), bits(&batch));
    }

    #[test]
    fn any_judgement_comes_back(judgement in any_judgement()) {
        check(&judged(judgement));
    }

    #[test]
    fn any_text_comes_back(text in ".*", key in prop::option::of(".*"), look in any::<u32>()) {
        check(&Fact::SourceFailed { look, message: text.clone() });
        check(&Fact::Ignored { what: text.clone() });
        let (_, mut fact) = facts().remove(0);
        if let Fact::Submitted { key: old, template_text, rollout, .. } = &mut fact {
            *old = key;
            *template_text = text.clone().into();
            rollout.deploy.service = text.clone();
            rollout.deploy.actor = Some(text.clone());
            rollout.inputs.insert(text.clone(), text);
        }
        check(&fact);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        kind in prop::sample::select(vec!["submitted", "captured", "judged", "settled"]),
        place in 0_usize..4000,
        byte in any::<u8>(),
    ) {
        let fact = facts().into_iter().find(|(name, _)| name.starts_with(kind)).unwrap().1;
        let (kind, mut body) = encode(&record("a1", fact));
        let place = place % body.len();
        body[place] = byte;
        let _ = decode(kind, &body, 1);
    }
}

#[test]
fn analyses_are_named_beside_the_body_not_in_it() {
    let (_, fact) = facts().remove(3);
    let mut one = record("a1", fact);
    let body = encode(&one);
    one.id = id("a2");
    assert_eq!(encode(&one), body);
}
