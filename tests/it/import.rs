//! Templates from other tools' files: each fixture against its golden template and notes, every
//! output linted with warnings denied, and what a query with its conditions becomes as a table.
//!
//! `tests/cases/import/*.{json,yaml}` are the sources, `golden/` holds what comes of them;
//! `UPDATE_CASES=1` rewrites it.

#![expect(clippy::float_cmp, reason = "these results are exact")]

use crate::docs::root;
use haldane::import::{From, Imported, Kind, Outcome, Source, Wish, import};
use haldane::template::lint::lint;
use haldane::template::parse::parse;
use haldane::template::{Measure, Role, Template};
use haldane::units::{Harm, MinEffect};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

fn cases() -> PathBuf {
    root().join("tests/cases/import")
}

fn wish(from: From) -> Wish {
    Wish {
        from,
        only: None,
        name: None,
        step: None,
        deadline: None,
    }
}

fn kayenta(faithful: bool) -> Wish {
    wish(From::Kayenta {
        faithful,
        scores: None,
    })
}

fn flagger() -> Wish {
    wish(From::Flagger { provider: None })
}

/// Parses, and has nothing to say of it.
fn clean(imported: &Imported) -> Template {
    let (template, found) = parse(&imported.text);
    let said = |found: &[haldane::diagnostic::Diagnostic]| -> String {
        found
            .iter()
            .map(|d| d.render(&imported.name, &imported.text))
            .collect()
    };
    let template = template.unwrap_or_else(|| panic!("{}\n{}", said(&found), imported.text));
    let found = lint(&template, &imported.text);
    assert!(found.is_empty(), "{}", said(&found));
    template
}

fn imported(text: &str, wish: &Wish) -> Outcome {
    import(
        &[Source {
            name: "source",
            text,
        }],
        wish,
    )
    .unwrap()
}

/// Everything that came of an import, as one text.
fn written(outcome: &Outcome) -> String {
    let mut out = String::new();
    for note in &outcome.notes {
        writeln!(out, "## {note}").unwrap();
    }
    for template in &outcome.templates {
        for note in &template.notes {
            writeln!(out, "## {note}").unwrap();
        }
        out.push_str(&template.text);
    }
    out
}

#[test]
fn fixtures_become_the_golden_templates() {
    let runs = [
        ("kayenta.json", "kayenta", kayenta(false)),
        ("kayenta.json", "kayenta-faithful", kayenta(true)),
        ("kayenta-one.json", "kayenta-one", kayenta(false)),
        ("kayenta-one.json", "kayenta-one-faithful", kayenta(true)),
        ("argo.yaml", "argo", wish(From::Argo)),
        ("argo-many.yaml", "argo-many", wish(From::Argo)),
        ("flagger.yaml", "flagger", flagger()),
        ("flagger-metrics.yaml", "flagger-metrics", flagger()),
    ];
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut wrong = Vec::new();
    for (file, golden, wish) in runs {
        let text = std::fs::read_to_string(cases().join(file)).unwrap();
        let sources = [Source {
            name: file,
            text: &text,
        }];
        let outcome = import(&sources, &wish).unwrap();
        assert_eq!(
            import(&sources, &wish).unwrap(),
            outcome,
            "{file}: the same twice"
        );
        outcome
            .templates
            .iter()
            .for_each(|template| drop(clean(template)));
        let got = written(&outcome);
        let path = cases().join(format!("golden/{golden}.out"));
        if update {
            std::fs::create_dir_all(cases().join("golden")).unwrap();
            std::fs::write(&path, &got).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != got {
            wrong.push(format!("{golden}: UPDATE_CASES=1 shows the difference"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An analysis template with one metric.
fn argo(query: &str, conditions: &str) -> String {
    let query = query.replace('\'', "''");
    format!(
        "kind: AnalysisTemplate\nmetadata: {{ name: t }}\nspec:\n  args:\n    - {{ name: svc }}\n    \
         - {{ name: limit, value: \"5\" }}\n  metrics:\n    - name: m\n      interval: 1m\n{conditions}      \
         provider:\n        prometheus:\n          query: '{query}'\n"
    )
}

fn of_query(query: &str, conditions: &[&str]) -> Outcome {
    let conditions: String = conditions.iter().map(|c| format!("      {c}\n")).collect();
    imported(&argo(query, &conditions), &wish(From::Argo))
}

/// The one metric's measure as text: kind and queries.
fn measure_of(outcome: &Outcome) -> String {
    let template = clean(
        outcome
            .templates
            .first()
            .unwrap_or_else(|| panic!("{outcome:?}")),
    );
    match &template.metrics[0].measure {
        Measure::Series { query, .. } => {
            let words: Vec<&str> = query.split_whitespace().collect();
            format!("series {}", words.join(" "))
        }
        Measure::Events { bad, total } => format!("events {bad} of {total}"),
        Measure::Distribution { buckets, threshold } => {
            format!("distribution {buckets} beyond {threshold:?}")
        }
    }
}

#[test]
fn a_query_becomes_the_best_measure_there_is() {
    let success = "successCondition: result[0] >= 0.99";
    let failure = "failureCondition: result[0] > 0.01";
    for (query, condition, wanted) in [
        (
            r#"sum(rate(r{code!~"5.."}[5m])) / sum(rate(r[5m]))"#,
            success,
            r#"events r{code=~"5..",${selector}} of r{${selector}}"#,
        ),
        (
            r#"sum(rate(r{a="b",code=~"5.."}[5m])) / sum(rate(r{a="b"}[5m]))"#,
            failure,
            r#"events r{a="b",code=~"5..",${selector}} of r{a="b",${selector}}"#,
        ),
        (
            r#"1 - sum(rate(r{code=~"5.."}[5m])) / sum(rate(r[5m]))"#,
            success,
            r#"events r{code=~"5..",${selector}} of r{${selector}}"#,
        ),
        (
            r#"(sum(rate(r[5m])) - sum(rate(r{code=~"5.."}[5m]))) / sum(rate(r[5m]))"#,
            success,
            r#"events r{code=~"5..",${selector}} of r{${selector}}"#,
        ),
        (
            r#"sum(rate(errors_total{job="{{args.svc}}"}[1m])) / (sum(rate(requests_total{job="{{args.svc}}"}[1m])) > 0)"#,
            failure,
            r#"events errors_total{job="${svc}",${selector}} of requests_total{job="${svc}",${selector}}"#,
        ),
        (
            r#"sum(rate(d_bucket{le="0.3"}[1m])) / sum(rate(d_count[1m]))"#,
            success,
            r"distribution d_bucket{${selector}} beyond Some(0.3)",
        ),
        (
            "histogram_quantile(0.9, sum by (le) (rate(d_bucket[1m]))) * 1000",
            "successCondition: result[0] < 250",
            r"distribution d_bucket{${selector}} beyond Some(0.25)",
        ),
        (
            "histogram_quantile(0.9, rate(d_bucket[1m]))",
            "successCondition: len(result) > 0",
            r"distribution d_bucket{${selector}} beyond None",
        ),
        // A mean is no share, and neither is one resource of another.
        (
            "sum(rate(d_sum[1m])) / sum(rate(d_count[1m]))",
            "successCondition: result[0] < 0.2",
            r"series sum by (${arm_labels}) (rate(d_sum{${selector}}[1m])) / sum by (${arm_labels}) (rate(d_count{${selector}}[1m]))",
        ),
        // Two matchers more have no complement.
        (
            r#"sum(rate(r{a="x",code!~"5.."}[1m])) / sum(rate(r[1m]))"#,
            success,
            r#"series sum by (${arm_labels}) (rate(r{a="x",code!~"5..",${selector}}[1m])) / sum by (${arm_labels}) (rate(r{${selector}}[1m]))"#,
        ),
        // The arms were picked by the query.
        (
            r#"max(m{track="canary",job=~"a|b"}) by (pod)"#,
            "failureCondition: result[0] > {{args.limit}}",
            r#"series max by (pod, ${arm_labels}) (m{job=~"a|b",${selector}})"#,
        ),
        (
            r#"avg(m{track="canary"}) / avg(m{track="stable"})"#,
            "failureCondition: result[0] > 1.5",
            "series avg by (${arm_labels}) (m{${selector}})",
        ),
        (
            r#"(avg(m{v!="stable"}) - avg(m{v="stable"})) / avg(m{v="stable"})"#,
            "failureCondition: result[0] > 0.5",
            "series avg by (${arm_labels}) (m{${selector}})",
        ),
        (
            r"a / on (pod) group_left (node) b ^ 2 ^ c unless -d offset 5m",
            "failureCondition: result[0] > 1",
            "series a{${selector}} / on (pod, ${arm_labels}) group_left (node) b{${selector}} ^ 2 ^ c{${selector}} unless -d{${selector}} offset 5m",
        ),
        (
            "max_over_time(rate(x_total[5m])[1h:1m])",
            "failureCondition: result[0] > 1",
            "series max_over_time(rate(x_total{${selector}}[1m])[1h:1m])",
        ),
        (
            r#"{__name__="m"} # all of it"#,
            "failureCondition: result[0] > 1",
            r#"series {__name__="m",${selector}}"#,
        ),
        (
            "sum(requests_total)",
            "failureCondition: result[0] > 1",
            "series avg by (${arm_labels}) (rate(requests_total{${selector}}[1m]))",
        ),
    ] {
        let outcome = of_query(query, &[condition]);
        assert_eq!(measure_of(&outcome), wanted, "{query}");
    }
}

#[test]
fn limits_become_objectives() {
    let good = r#"sum(rate(r{code!~"5.."}[5m])) / sum(rate(r[5m]))"#;
    let percent = r#"100 * sum(rate(r{code=~"5.."}[5m])) / sum(rate(r[5m]))"#;
    let quantile = "histogram_quantile(0.95, sum(rate(d_bucket[2m])) by (le))";
    for (query, conditions, wanted) in [
        (
            good,
            vec!["successCondition: result[0] >= 0.95"],
            vec!["95 % 1 rollback"],
        ),
        (
            good,
            vec!["failureCondition: result[0] < 0.95"],
            vec!["95 % 1 rollback"],
        ),
        (
            percent,
            vec!["successCondition: result[0] <= 2"],
            vec!["98 % 1 rollback"],
        ),
        (
            good,
            vec![
                "successCondition: result[0] >= 0.95",
                "failureCondition: result[0] < 0.9",
            ],
            vec!["95 % 2 rollback", "95 % 1 hold"],
        ),
        (
            quantile,
            vec!["successCondition: result[0] <= 0.5"],
            vec!["95 % 1 rollback"],
        ),
        (good, vec!["successCondition: result[0] == 1"], vec![]),
        (good, vec!["successCondition: len(result) > 0"], vec![]),
        ("avg(m)", vec!["successCondition: result[0] < 7"], vec![]),
    ] {
        let outcome = of_query(query, &conditions);
        let template = clean(&outcome.templates[0]);
        let objectives = template.objectives.iter().map(|spec| &spec.objective);
        let got: Vec<String> = objectives
            .flat_map(|o| {
                o.rungs.iter().map(|rung| {
                    let action = format!("{:?}", rung.action).to_lowercase();
                    format!("{} {} {action}", o.target(), rung.burn.get())
                })
            })
            .collect();
        assert_eq!(got, wanted, "{query} {conditions:?}");
        // A limit is an objective, the limit of a comparison, or it is said that it is gone.
        let notes = &outcome.templates[0].notes;
        let told = notes
            .iter()
            .any(|note| note.text.contains("limit") || note.text.contains('7'));
        let limited = conditions.iter().any(|c| !c.contains("len("));
        assert!(!limited || told, "{query} {conditions:?}: {notes:?}");
    }
}

#[test]
fn what_cannot_be_asked_of_both_arms_is_refused_with_its_reason() {
    for (query, why) in [
        ("vector(1)", "no selector"),
        ("scalar(up) / 2", "`scalar(…)`"),
        ("absent(up{job=\"x\"})", "`absent(…)`"),
        ("up + vector(1)", "`vector(…)`"),
        ("sum(rate(x[5m])", "where `)` is expected"),
        ("x{a=b}", "a string in quotes"),
        ("sum(x, y)", "takes 1 argument"),
        ("x{a=\"{{inputs.y}}\"}", "is no argument"),
        (r#"x{v="canary"} > 2 * y{v="stable"}"#, "mixes the two arms"),
        ("x ) y", "its end"),
    ] {
        let outcome = of_query(query, &["successCondition: result[0] > 1"]);
        assert!(outcome.templates.is_empty(), "{query}");
        let said: Vec<String> = outcome.notes.iter().map(ToString::to_string).collect();
        assert!(
            said.iter().any(|note| note.contains(why)),
            "{query}: {said:?}"
        );
    }
}

#[test]
fn every_built_in_check_of_flagger_counts_events() {
    for (provider, latency) in [
        ("istio", "distribution"),
        ("linkerd", "distribution"),
        ("nginx", "series"),
        ("contour", "distribution"),
        ("gloo:v1beta1", "distribution"),
        ("appmesh:v1beta2", "distribution"),
        ("kuma", "distribution"),
        ("traefik", "distribution"),
        ("apisix", "distribution"),
        ("skipper", "series"),
        ("kubernetes", "distribution"),
    ] {
        let text = format!(
            "kind: Canary\nmetadata: {{ name: shop, namespace: prod }}\nspec:\n  provider: \
             {provider}\n  targetRef: {{ name: shop }}\n  ingressRef: {{ name: shop }}\n  \
             analysis:\n    interval: 1m\n    threshold: 3\n    iterations: 10\n    metrics:\n      \
             - {{ name: request-success-rate, thresholdRange: {{ min: 99 }} }}\n      - {{ name: \
             request-duration, thresholdRange: {{ max: 500 }} }}\n"
        );
        let outcome = imported(&text, &flagger());
        let imported = &outcome.templates[0];
        assert!(!imported.partial(), "{provider}: {:?}", imported.notes);
        let template = clean(imported);
        let [rate, duration] = template.metrics.as_slice() else {
            panic!("{provider}: {}", imported.text);
        };
        assert!(matches!(rate.measure, Measure::Events { .. }), "{provider}");
        assert_eq!(rate.harm, Harm::Increase, "{provider}");
        let kind = match &duration.measure {
            Measure::Distribution { threshold, .. } => {
                let bound = threshold.unwrap();
                assert!(bound == 500.0 || bound == 0.5, "{provider}: {bound}");
                "distribution"
            }
            Measure::Series { .. } => "series",
            Measure::Events { .. } => "events",
        };
        assert_eq!(kind, latency, "{provider}");
        // The arms are for the rollout to say, and the file says how they were told apart.
        for matcher in ["target", "canary"] {
            let queries = format!(
                "{:?}",
                template
                    .metrics
                    .iter()
                    .map(|m| &m.measure)
                    .collect::<Vec<_>>()
            );
            assert!(!queries.contains(matcher), "{provider}: {queries}");
        }
        assert!(imported.text.contains("#   canary   "), "{}", imported.text);
        assert!(imported.text.contains("#   baseline "), "{}", imported.text);
    }
}

#[test]
fn kayentas_words_keep_their_meaning() {
    let metric = |canary: &str, group: &str| {
        let text = format!(
            r#"{{"name":"c","metrics":[{{"name":"m","query":{{"type":"prometheus",
            "customInlineTemplate":"PromQL:avg(m{{a=\"${{scope}}\"}})"}},"groups":[{group}],
            "analysisConfigurations":{{"canary":{{{canary}}}}},"scopeName":"default"}}]}}"#
        );
        let outcome = imported(&text, &kayenta(false));
        clean(&outcome.templates[0]).metrics.remove(0)
    };
    let relative = |share| MinEffect::Relative(share);
    for (canary, group, role, harm, effect) in [
        ("", r#""g""#, Role::Required, Harm::Either, relative(0.1)),
        (
            r#""direction":"increase""#,
            r#""g""#,
            Role::Required,
            Harm::Increase,
            relative(0.1),
        ),
        (
            r#""direction":"Increase""#,
            r#""g""#,
            Role::Required,
            Harm::Either,
            relative(0.1),
        ),
        (
            r#""critical":true"#,
            "",
            Role::Critical,
            Harm::Either,
            relative(0.1),
        ),
        (
            r#""muted":true,"critical":true"#,
            r#""g""#,
            Role::Info,
            Harm::Either,
            relative(0.1),
        ),
        (
            r#""direction":"decrease","effectSize":{"allowedDecrease":0.75}"#,
            r#""g""#,
            Role::Required,
            Harm::Decrease,
            relative(0.25),
        ),
        (
            r#""direction":"increase","effectSize":{"allowedIncrease":3,"allowedDecrease":0.9}"#,
            r#""g""#,
            Role::Required,
            Harm::Increase,
            relative(2.0),
        ),
    ] {
        let found = metric(canary, group);
        assert_eq!(
            (found.role, found.harm, found.min_effect),
            (role, harm, effect),
            "{canary}"
        );
    }
    // A metric that nobody scores is only shown, and then nothing is a gate.
    let text = r#"{"name":"c","metrics":[{"name":"m","query":{"type":"prometheus",
        "customInlineTemplate":"PromQL:avg(m)"},"groups":[]}]}"#;
    let outcome = imported(text, &kayenta(false));
    let notes = &outcome.templates[0].notes;
    assert!(
        notes
            .iter()
            .any(|note| note.text.contains("no metric is a gate")),
        "{notes:?}"
    );
}

#[test]
fn mistakes_are_said_with_their_place() {
    for (text, wish, wanted) in [
        (
            "{\"name\": \"x\",\n \"metrics\": [}",
            kayenta(false),
            "source:2:14: not readable as JSON",
        ),
        (
            "[]",
            kayenta(false),
            "source:1:1: the canary config is a list, not a map",
        ),
        (
            "{\"name\":\"x\",\"metrics\":{\"a\":1}}",
            kayenta(false),
            "`metrics` of the canary config is a map, not a list",
        ),
        (
            "{\"name\":\"x\",\n\"metrics\":[{\"query\":{}}]}",
            kayenta(false),
            "source:2:12: metric 1 has no `name`",
        ),
        (
            "{\"canaryConfig\":{},\"executionRequest\":{}}",
            kayenta(false),
            "a request for a run",
        ),
        (
            "apiVersion: x\nkind: Canary\n",
            kayenta(false),
            "; `haldane import flagger` reads it",
        ),
        (
            "kind: Rollout\n",
            wish(From::Argo),
            "no AnalysisTemplate or ClusterAnalysisTemplate",
        ),
        (
            "kind: AnalysisTemplate\nspec: [\n",
            wish(From::Argo),
            "source:",
        ),
        (
            "kind: AnalysisTemplate\nspec: 3\n",
            wish(From::Argo),
            "source:2:7: `spec` of the object is a number",
        ),
        (
            "{\"kind\":\"AnalysisTemplate\"}",
            kayenta(false),
            "`haldane import argo` reads it",
        ),
        (
            "{\"metrics\":[],\"judge\":{}}",
            flagger(),
            "`haldane import kayenta` reads it",
        ),
        (
            "kind: Deployment\n",
            flagger(),
            "no Canary or MetricTemplate",
        ),
        (
            "{{- if .Values.x }}\nkind: Canary\n{{- end }}\n",
            flagger(),
            "helm template",
        ),
        (
            "kind: Canary\nkind: Canary\n",
            flagger(),
            "source:2:1: not readable as YAML: the key `kind` occurs twice",
        ),
    ] {
        let said = import(
            &[Source {
                name: "source",
                text,
            }],
            &wish,
        )
        .unwrap_err();
        assert!(
            said.contains(wanted),
            "{text}\n  wanted {wanted}\n  said   {said}"
        );
    }
}

#[test]
fn nothing_is_dropped_in_silence() {
    let text = argo(
        "avg(m)",
        "      successCondition: result[0] < 1\n      surprise: 7\n",
    );
    let text = text.replace("spec:\n", "spec:\n  another: true\n");
    let outcome = imported(&text, &wish(From::Argo));
    let said = written(&outcome);
    for field in ["surprise", "another"] {
        let named = format!("`{field}`");
        assert!(said.contains(&named), "{field}: {said}");
    }
    let svc = "no query needs svc, limit";
    assert!(said.contains(svc), "{said}");
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haldane"))
        .current_dir(cases())
        .env_clear()
        .args(args)
        .output()
        .unwrap()
}

/// An imported template judges: both judges roll a regression back and let a healthy canary pass.
#[test]
fn an_imported_template_judges() {
    let dir = tempfile::tempdir().unwrap();
    for judge in ["sequential", "kayenta"] {
        let path = dir.path().join(format!("{judge}.yaml"));
        let file = path.to_str().unwrap();
        let args = [
            "import",
            "kayenta",
            "kayenta-one.json",
            "--judge",
            judge,
            "-o",
            file,
        ];
        let made = run(&args);
        assert_eq!(
            made.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let linted = run(&["lint", "--deny-warnings", file]);
        assert_eq!(linted.status.code(), Some(0), "{judge}");
        for (csv, wanted) in [("regressed", 1), ("healthy", 0)] {
            let csv = format!("../cli/{csv}.csv");
            let judged = run(&["judge", "--csv", &csv, "-t", file]);
            let said = String::from_utf8_lossy(&judged.stdout);
            assert_eq!(judged.status.code(), Some(wanted), "{judge} {csv}: {said}");
        }
    }
}

/// The notes of the kinds that ask somebody to do something.
#[test]
fn a_refused_metric_is_in_the_head_of_the_template() {
    let text = std::fs::read_to_string(cases().join("argo.yaml")).unwrap();
    let outcome = imported(&text, &wish(From::Argo));
    let refused = outcome.templates[0]
        .notes
        .iter()
        .filter(|note| note.kind == Kind::Refused);
    let names: Vec<&str> = refused.filter_map(|note| note.metric.as_deref()).collect();
    assert_eq!(names, ["smoke-test", "orders"]);
    for name in names {
        let line = format!("# - {name} is not here:");
        assert!(
            outcome.templates[0].text.contains(&line),
            "{}",
            outcome.templates[0].text
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever the query, the answer is a clean template or a reason.
    #[test]
    fn any_query_is_imported_or_refused(query in r#"[a-z(){}\[\]=~!"',|/*+<>0-9. \n$#-]{0,60}"#) {
        let query = query.replace('\'', "");
        let text = argo(&query.replace('\n', " "), "      successCondition: result[0] < 1\n");
        let outcome = imported(&text, &wish(From::Argo));
        for template in &outcome.templates {
            clean(template);
        }
        let any = !outcome.templates.is_empty()
            || outcome.notes.iter().any(|note| note.kind == Kind::Refused);
        prop_assert!(any);
    }

    /// Whatever the text, there is an answer.
    #[test]
    fn any_text_has_an_answer(text in r#"[a-zA-Z:{}\[\], \n"-]{0,120}"#) {
        for wish in [kayenta(false), kayenta(true), wish(From::Argo), flagger()] {
            let _ = import(&[Source { name: "source", text: &text }], &wish);
        }
    }
}
