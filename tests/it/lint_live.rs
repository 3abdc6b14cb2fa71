//! `haldane lint --prometheus` against a real server: each rule finds its fault, and a good
//! template has none.

use crate::support::daemon::haldane;
use crate::support::openmetrics::History;
use crate::support::prometheus_server::{PrometheusServer, Wanted};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds of history, more than the deadline of the templates and the lag.
const REACH: i64 = 45 * 60;

/// Seconds between samples.
const SCRAPE: i64 = 15;

/// The service as it was until now.
fn history() -> History {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let first = (now - REACH) / SCRAPE * SCRAPE;
    let times = move || (0..REACH / SCRAPE).map(move |i| (i, (first + i * SCRAPE) as f64));
    // A value between 0 and 1 without memory: splitmix64.
    let noise = |i: i64| {
        let mut z = i.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
    };
    let mut history = History::default();
    for (track, shift) in [("stable", 0_i64), ("canary", 1_000)] {
        let labels = [("service", "checkout"), ("track", track)];
        let level = times().map(|(i, at)| (at, 100.0 + noise(i + shift)));
        history.series("quiet", &labels, level);
        let wild = times().map(|(i, at)| (at, 100.0 * noise(i + shift) + 1.0));
        history.series("wild", &labels, wild);
        history.series("uptime", &labels, times().map(|(i, at)| (at, i as f64)));
        history.series(
            "load_total",
            &labels,
            times().map(|(i, at)| (at, (i * 300) as f64)),
        );
        history.series(
            "rare_total",
            &labels,
            times().map(|(i, at)| (at, (i / 60) as f64)),
        );
        for (le, share) in [
            ("0.1", 60),
            ("0.25", 90),
            ("0.5", 95),
            ("1.0", 99),
            ("+Inf", 100),
        ] {
            let labels = [("service", "checkout"), ("track", track), ("le", le)];
            let counts = times().map(|(i, at)| (at, (i * share) as f64));
            history.series("latency_bucket", &labels, counts);
        }
        for route in ["/cart", "/pay", "/search"] {
            let labels = [("service", "checkout"), ("track", track), ("route", route)];
            let counts = times().map(|(i, at)| (at, (i * 100) as f64));
            history.series("routed_total", &labels, counts);
        }
        // There for a tenth of the time only.
        let seldom = times().filter(|(i, _)| i % 40 < 4).map(|(_, at)| (at, 5.0));
        history.series("seldom", &labels, seldom);
        for shard in 0..101 {
            let shard = shard.to_string();
            let labels = [
                ("service", "checkout"),
                ("track", track),
                ("shard", shard.as_str()),
            ];
            history.series("shards", &labels, times().map(|(_, at)| (at, 1.0)));
        }
    }
    history.series(
        "only_stable",
        &[("service", "checkout"), ("track", "stable")],
        times().map(|(i, at)| (at, noise(i))),
    );
    history
}

/// One metric in an otherwise good template.
fn template(metric: &str) -> String {
    format!(
        "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: {{ name: checkout }}\nspec:\n  \
         inputs: {{ service: {{}} }}\n  schedule: {{ step: 30s, deadline: 30m }}\n  metrics:\n    \
         - name: m\n      role: required\n      harm: increase\n{metric}"
    )
}

fn series(query: &str) -> String {
    template(&format!(
        "      min_effect: {{ relative: 10% }}\n      series: {{ query: '{query}' }}\n"
    ))
}

#[tokio::test]
async fn a_server_tells_what_is_wrong() {
    let history = history();
    let wanted = Wanted {
        history: Some(&history),
        ..Wanted::default()
    };
    let server = PrometheusServer::start(&wanted);
    let url = server.url().to_string();
    let url = url.trim_end_matches('/');
    let disjoint = ["track=\"stable\"", "track=\"canary\""];
    let at = "service=\"${service}\",${selector}";
    let quotient = format!("quiet{{{at}}} / (quiet{{{at}}} - quiet{{{at}}})");
    let threshold = format!(
        "      min_effect: {{ absolute: 1% }}\n      distribution: {{ buckets: \
         'latency_bucket{{{at}}}', threshold: 0.3 }}\n"
    );
    let rare = format!(
        "      min_effect: {{ absolute: 1% }}\n      events: {{ bad: 'never_total{{{at}}}', total: \
         'rare_total{{{at}}}' }}\n"
    );
    let good = format!(
        "      min_effect: {{ absolute: 1% }}\n      events: {{ bad: 'never_total{{{at}}}', total: \
         'load_total{{{at}}}' }}\n"
    );
    let grouped = |metric: &str, group_by: &str| {
        template(&format!(
            "      min_effect: {{ absolute: 1% }}\n      group_by: {group_by}\n      events: {{ bad: \
             'never_total{{{at}}}', total: '{metric}{{{at}}}' }}\n"
        ))
    };
    let rule = "{ name: locks, harm: increase, min_effect: { relative: 10% },\n          series";
    let ruled = template(&good)
        + &format!(
            "  changes:\n    config: {{ notify: [] }}\n    database:\n      metrics:\n        - \
             {rule}: {{ query: 'locks{{{at}}}' }} }}\n"
        );
    let cases: [(&str, String, [&str; 2], &[&str]); 16] = [
        (
            "by route",
            grouped("routed_total", "route"),
            disjoint,
            &["0 errors, 0 warnings"],
        ),
        (
            "a label nobody has",
            grouped("routed_total", "handler"),
            disjoint,
            &[
                "warning[C082]: metric `m`: no series of the baseline has the label `handler` of \
                 `group_by`",
                "checkout.yaml:12:17",
            ],
        ),
        (
            "more values than slots",
            grouped("routed_total", "{ label: route, max: 2 }"),
            disjoint,
            &[
                "warning[C083]: metric `m`: `route` has 3 values, 2 are judged on their own",
                "write `group_by: { label: route, max: 5 }`, or select fewer",
                "checkout.yaml:12:26",
            ],
        ),
        (
            "good",
            series(&format!("quiet{{{at}}}")),
            disjoint,
            &["0 errors, 0 warnings"],
        ),
        (
            "no errors yet",
            template(&good),
            disjoint,
            &["0 errors, 0 warnings"],
        ),
        (
            "refused",
            series(&format!("no_such_function(quiet{{{at}}})")),
            disjoint,
            &[
                "error[C070]: the server refuses the query: ",
                "no_such_function",
                "checkout.yaml:12:",
            ],
        ),
        (
            "a typo",
            series(&format!("quite{{{at}}}")),
            disjoint,
            &[
                "warning[C071]: metric `m` has no series for the baseline in the last 30m",
                "no series for the canary",
                "in both arms nothing matches",
            ],
        ),
        (
            "no canary",
            series(&format!("only_stable{{{at}}}")),
            disjoint,
            &["no series for the canary", "check the matchers of that arm"],
        ),
        (
            "overlap",
            series(&format!("quiet{{{at}}}")),
            ["track=~\"stable|canary\"", "track=~\"can.*\""],
            &[
                "warning[C072]: metric `m`: both arms select {",
                "track=\"canary\"",
            ],
        ),
        (
            "a counter",
            series(&format!("uptime{{{at}}}")),
            disjoint,
            &["warning[C073]: metric `m` only ever rises", "rate(…[30s])"],
        ),
        (
            "no bound",
            template(&threshold),
            disjoint,
            &[
                "warning[C074]: metric `m`: no bucket ends at the threshold of 0.3",
                "the bounds there are: 0.1, 0.25, 0.5, 1",
                "checkout.yaml:12:95",
            ],
        ),
        (
            "many series",
            series(&format!("shards{{{at}}}")),
            disjoint,
            &["warning[C075]: metric `m` returns 101 series for the baseline"],
        ),
        (
            "a division by zero",
            series(&quotient),
            disjoint,
            &[
                "warning[C076]: metric `m`: ",
                "of the canary are NaN or infinite",
            ],
        ),
        (
            "gaps",
            series(&format!(
                "sum by (${{arm_labels}}) (rate(seldom{{{at}}}[30s]))"
            )),
            disjoint,
            &[
                "warning[C077]: metric `m`: the baseline has a value at ",
                "of 60 grid points",
            ],
        ),
        (
            "few events",
            template(&rare),
            disjoint,
            &[
                "warning[C078]: metric `m`: the baseline had ",
                "`min_events` asks for 50",
            ],
        ),
        (
            "a metric of a rule",
            ruled,
            disjoint,
            &[
                "[C071]: for changes of type `database`: metric `locks` has no series for",
                "checkout.yaml:18:",
                "0 errors, 2 warnings",
            ],
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("checkout.yaml");
    let file = file.to_str().unwrap();
    for (name, text, [baseline, canary], parts) in &cases {
        std::fs::write(file, text).unwrap();
        let said = haldane(&[
            "lint",
            file,
            "--prometheus",
            url,
            "--input",
            "service=checkout",
            "--baseline",
            baseline,
            "--canary",
            canary,
        ])
        .await;
        for part in *parts {
            assert!(
                said.out.contains(part),
                "{name}: no {part:?} in\n{}\n{}",
                said.out,
                said.err
            );
        }
    }
    // Noise that hides the minimum effect, and the reason why that one is meant.
    let wild = series(&format!("wild{{{at}}}"));
    std::fs::write(file, &wild).unwrap();
    let ask = |extra: &'static [&'static str]| {
        let mut args = vec![
            "lint",
            file,
            "--prometheus",
            url,
            "--input",
            "service=checkout",
            "--baseline",
            disjoint[0],
            "--canary",
            disjoint[1],
        ];
        args.extend(extra);
        args
    };
    let said = haldane(&ask(&[])).await;
    said.check(
        0,
        &[
            "warning[C079]: metric `m` is known to ±",
            "minimum effect of 10 %",
        ],
    );
    haldane(&ask(&["--deny-warnings"]))
        .await
        .check(3, &["C079"]);
    let meant = wild.replace(
        "      min_effect",
        "      # haldane-ignore C079: only a doubling would matter\n      min_effect",
    );
    std::fs::write(file, meant).unwrap();
    haldane(&ask(&[])).await.check(0, &["0 errors, 0 warnings"]);
    // Another time than the last: before there was anything, and what has not come yet.
    let said = haldane(&ask(&["--end", "2020-01-01T00:00:00Z"])).await;
    let window = "no series for the baseline in the 30m up to 2020-01-01T00:00:00Z";
    said.check(0, &["warning[C071]", window]);
    haldane(&ask(&["--end", "-1s"]))
        .await
        .check(0, &["0 warnings"]);
    for (end, why) in [
        ("soon", "--end `soon` is no instant"),
        ("2100-01-01T00:00:00Z", "has not come yet"),
    ] {
        haldane(&[&ask(&[])[..], &["--end", end]].concat())
            .await
            .check(2, &[why]);
    }
    // What cannot be asked.
    haldane(&["lint", file, "--prometheus", url])
        .await
        .check(2, &["--baseline"]);
    drop(server);
    let said = haldane(&ask(&[])).await;
    said.check(4, &["checkout.yaml: metric m: "]);
}

#[tokio::test]
async fn codes_are_explained_and_findings_written_as_sarif() {
    let said = haldane(&["lint", "--explain", "c012"]).await;
    said.check(0, &["C012: Range windows overlap", "Better:", "[5m]"]);
    let said = haldane(&["lint", "--explain", "C999"]).await;
    said.check(2, &["--explain `C999`: no such code; there are C001, C002"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("check out.yaml");
    std::fs::write(
        &file,
        series("sum by (${arm_labels}) (rate(x{${selector}}[5m]))"),
    )
    .unwrap();
    let said = haldane(&["lint", file.to_str().unwrap(), "-o", "sarif"]).await;
    let log = said.json();
    let run = &log["runs"][0];
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let results = run["results"].as_array().unwrap();
    let overlap = results
        .iter()
        .find(|result| result["ruleId"] == "C012")
        .unwrap();
    let rule = usize::try_from(overlap["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], "C012");
    let place = &overlap["locations"][0]["physicalLocation"];
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("/check%20out.yaml"), "{uri}");
    assert_eq!(place["region"]["startLine"], 12);
    assert_eq!(
        place["region"]["endColumn"].as_u64().unwrap(),
        place["region"]["startColumn"].as_u64().unwrap() + 2
    );
}

#[tokio::test]
async fn what_an_ancestor_says_is_shown_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let base = series("sum by (${arm_labels}) (rate(x{service=\"${service}\",${selector}}[5m]))");
    std::fs::write(at("base.yaml"), base).unwrap();
    let child = "apiVersion: haldane/v1\nkind: AnalysisTemplate\nmetadata: { name: child }\n\
                 extends: checkout\nspec: { schedule: { bake: 5m } }\n";
    std::fs::write(at("child.yaml"), child).unwrap();
    let said = haldane(&["lint", &at("child.yaml"), "--deny-warnings"]).await;
    said.check(
        3,
        &[
            "warning[C012]",
            "base.yaml:12:",
            "1 file, 0 errors, 1 warning",
        ],
    );
    std::fs::write(at("child.yaml"), child.replace("checkout", "chekcout")).unwrap();
    let said = haldane(&["lint", &at("child.yaml")]).await;
    said.check(
        1,
        &["error[C019]", "child.yaml:4:10", "did you mean `checkout`?"],
    );
}
