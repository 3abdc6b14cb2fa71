//! The Kayenta judge against the unmodified one and its test suites: every case of
//! `tests/vectors/kayenta.json` is run, every kind of case by its own check.

use haldane::judge::kayenta::classify::{self, Label, Pair, Rule, classify};
use haldane::judge::kayenta::describe::{self, Summary};
use haldane::judge::kayenta::effect::{self, Measure};
use haldane::judge::kayenta::interval::{self, Roots, Shift, shift, z_of};
use haldane::judge::kayenta::noise;
use haldane::judge::kayenta::pairing::{self, MetricSet};
use haldane::judge::kayenta::query::{self, QuerySource};
use haldane::judge::kayenta::schedule::{self, Schedule};
use haldane::judge::kayenta::score::{self, Scored};
use haldane::judge::kayenta::settings::{Direction, Fault, Limits, MetricSettings, Setting};
use haldane::judge::kayenta::shifted::Scratch;
use haldane::judge::kayenta::transform::{self, Fence, Nans};
use haldane::time::{Span, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

const FILE: &str = include_str!("../vectors/kayenta.json");

type Check = fn(&Value);

/// Every kind of case, how many there are, and what checks it.
const KINDS: [(&str, usize, Check); 33] = [
    (
        "ClassifierSuite/MannWhitneyClassifier.classify",
        34,
        classifier,
    ),
    (
        "ClassifierSuite/MeanInequalityClassifier.classify",
        3,
        mean_inequality,
    ),
    ("DetectorSuite/IQRDetector.detect", 4, iqr_detector),
    ("DetectorSuite/KSigmaDetector.detect", 2, k_sigma_detector),
    (
        "GenerateCanaryAnalysisResultTaskTest/getAggregatedJudgment",
        5,
        aggregated,
    ),
    (
        "Generated/NetflixACAJudge/NetflixACAJudge.judge",
        93,
        judged,
    ),
    ("Generated/ScoringHelper/ScoringHelper.score", 17, scored),
    ("MannWhitneySuite/mannWhitneyUTest", 4, interval_case),
    ("MannWhitneySuite/mannwhitney_intermediate", 1, intermediate),
    ("MannWhitneySuite/normal_ppf", 1, quantile),
    ("MannWhitneySuite/wilcoxonDiff", 2, statistic),
    ("MetricSetMixerServiceSpec/mixAll", 10, mix_all),
    ("MetricSetMixerServiceSpec/mixOne", 4, mix_one),
    (
        "PrometheusMetricsServiceSpec/prometheus.buildQuery",
        14,
        build_query,
    ),
    ("QueryConfigUtilsSpec/escapeTemplate", 4, escape),
    ("QueryConfigUtilsSpec/unescapeTemplate", 4, unescape),
    ("QueryConfigUtilsTest/expandCustomFilter", 3, expand),
    ("ScorerSuite/WeightedSumScorer.score", 13, scored),
    (
        "SetupAndExecuteCanariesStageTest/judgementWindow",
        20,
        window,
    ),
    (
        "SetupAndExecuteCanariesStageTest/requestScopes",
        1,
        request_scopes,
    ),
    ("StatisticSuite/cles", 4, effect_case),
    ("StatisticSuite/cohenD", 1, effect_case),
    ("StatisticSuite/meanRatio", 5, effect_case),
    ("StatisticSuite/percentile_R7", 8, percentile),
    ("StatisticSuite/summary", 3, summary),
    ("TransformSuite/addGaussianNoise", 1, added_noise),
    ("TransformSuite/removeNaNs", 2, nans),
    ("TransformSuite/removeOutliers:IQR", 1, remove_outliers),
    ("TransformSuite/removeOutliers:KSigma", 1, remove_outliers),
    ("TransformSuite/replaceNaNs", 1, nans),
    ("UtilsSuite/MapUtils.get", 9, map_get),
    ("UtilsSuite/MapUtils.getAsDoubleWithDefault", 1, map_double),
    ("UtilsSuite/RandomUtils.normal", 3, random_normal),
];

#[test]
fn every_case_of_every_kind_is_run() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let cases = file["vectors"].as_array().unwrap();
    let mut run: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases {
        let kind = format!("{}/{}", text(&case["suite"]), text(&case["fn"]));
        let known = KINDS.iter().find(|(name, ..)| *name == kind);
        let (_, _, check) = known.unwrap_or_else(|| panic!("nothing checks {kind}"));
        check(case);
        *run.entry(kind).or_default() += 1;
    }
    for (kind, count, _) in KINDS {
        assert_eq!(run.get(kind), Some(&count), "{kind}");
    }
    assert_eq!(run.values().sum::<usize>(), 279);
}

/// The transcription that `statistics.json` holds, with Kayenta's roots and with exact ones.
#[test]
fn the_second_transcription_agrees() {
    let file: Value = serde_json::from_str(include_str!("../vectors/statistics.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let mut run = 0;
    for case in cases.filter(|case| case["kind"] == "kayenta_classify") {
        let (x, y) = (&case["experiment"]["values"], &case["control"]["values"]);
        if x.is_null() || y.is_null() {
            continue; // long generated samples: see `stats_vectors`
        }
        let (x, y) = (numbers(x), numbers(y));
        for (key, roots) in [
            ("as_kayenta_abs_tol_1e4", Roots::Compatible),
            ("exact_root", Roots::Exact),
        ] {
            let settings = MetricSettings {
                direction: direction(&case["direction"]),
                ..MetricSettings::DEFAULT
            };
            let rule = Rule {
                roots,
                ..Rule::kayenta()
            };
            let got = classify(
                "m",
                Pair::new(&y, &x),
                &settings,
                rule,
                &mut Scratch::default(),
            );
            let want = &case[key];
            assert_eq!(got.label.word(), text(&want["label"]), "{}", case["id"]);
            let tolerance = if roots == Roots::Exact { 1e-8 } else { 1e-9 };
            near_shift(case, got.shift, want, tolerance);
            run += 1;
        }
    }
    assert_eq!(run, 24);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn optional(value: &Value) -> Option<&str> {
    value.as_str()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(word) => match word.as_str() {
            "NaN" => f64::NAN,
            "Inf" | "Infinity" => f64::INFINITY,
            "-Inf" | "-Infinity" => f64::NEG_INFINITY,
            other => panic!("{other} is no number"),
        },
        other => other.as_f64().unwrap(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn near(case: &Value, what: &str, got: f64, want: f64, tolerance: f64) {
    let name = &case["name"];
    let agree = if want.is_finite() {
        (got - want).abs() <= tolerance
    } else {
        got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan())
    };
    assert!(agree, "{name}: {what} is {got}, not {want}");
}

/// To 1e-9, and of large numbers to as many digits as they have.
fn close(want: f64) -> f64 {
    1e-9 * want.abs().max(1.0)
}

#[track_caller]
fn near_shift(case: &Value, got: Option<Shift>, want: &Value, tolerance: f64) {
    let got = got.unwrap_or_else(|| panic!("{}: no interval", case["name"]));
    for (what, got) in [
        ("lower", got.lower),
        ("upper", got.upper),
        ("estimate", got.estimate),
    ] {
        let want = number(&want[what]);
        near(case, what, got, want, tolerance * want.abs().max(1.0));
    }
}

fn direction(value: &Value) -> Direction {
    match text(value) {
        "increase" => Direction::Increase,
        "decrease" => Direction::Decrease,
        "either" => Direction::Either,
        other => panic!("{other} is no direction"),
    }
}

fn classifier(case: &Value) {
    let params = &case["params"];
    let limits = |value: &Value| {
        let pair = numbers(value);
        Limits {
            decrease: pair[0],
            increase: pair[1],
        }
    };
    let settings = MetricSettings {
        direction: direction(&case["direction"]),
        nans: if case["nanStrategy"] == "replace" {
            Nans::Replace
        } else {
            Nans::Remove
        },
        critical: case["critical"].as_bool().unwrap(),
        must_have_data: case["mustHaveData"].as_bool().unwrap(),
        measure: if params["effectSizeMeasure"] == "cles" {
            Measure::Cles
        } else {
            Measure::MeanRatio
        },
        allowed: limits(&params["effectSizeThresholds"]),
        critical_limits: limits(&params["criticalThresholds"]),
        ..MetricSettings::DEFAULT
    };
    let rule = Rule {
        tolerance: number(&params["tolerance"]),
        z: z_of(number(&params["confLevel"])),
        roots: Roots::Compatible,
    };
    let (control, experiment) = (numbers(&case["control"]), numbers(&case["experiment"]));
    let pair = Pair {
        sides: ("canary", "baseline"),
        ..Pair::new(&control, &experiment)
    };
    let name = text(&case["metricName"]);
    let got = classify(name, pair, &settings, rule, &mut Scratch::default());
    let (want, actual) = (&case["expected"], &case["actual"]);
    if let Some(word) = optional(&want["classification"]) {
        assert_eq!(got.label.word(), word, "{}", case["name"]);
    }
    if let Some(critical) = want["critical"].as_bool() {
        assert_eq!(got.critical, critical, "{}", case["name"]);
    }
    if want["reasonNotEmpty"] == true {
        assert!(
            got.reason
                .as_deref()
                .is_some_and(|reason| !reason.is_empty())
        );
    }
    assert_eq!(got.label.word(), text(&actual["classification"]));
    assert_eq!(got.critical, actual["critical"].as_bool().unwrap());
    assert_eq!(
        got.reason.as_deref(),
        optional(&actual["reason"]),
        "{}",
        case["name"]
    );
    // Where both sides are constant Kayenta adds noise by chance.
    let constant = |values: &[f64]| values.iter().all(|v| v.to_bits() == values[0].to_bits());
    let noisy = constant(&control) && constant(&experiment);
    let tolerance = if noisy { 1e-3 } else { 1e-9 };
    let ratio = number(&actual["deviation"]);
    near(
        case,
        "ratio",
        got.ratio.unwrap(),
        ratio,
        tolerance * ratio.abs().max(1.0),
    );
    if actual["lower"].is_null() {
        let raw = shift(
            &control,
            &experiment,
            rule.z,
            rule.roots,
            &mut Scratch::default(),
        );
        assert!(raw.is_err(), "{}", case["name"]);
    } else {
        let raw = shift(
            &control,
            &experiment,
            rule.z,
            rule.roots,
            &mut Scratch::default(),
        );
        near_shift(case, raw.ok(), actual, 1e-9);
    }
}

fn mean_inequality(case: &Value) {
    let label = classify::by_mean(&numbers(&case["control"]), &numbers(&case["experiment"]));
    assert_eq!(label.word(), text(&case["expected"]["classification"]));
}

fn fence(case: &Value) -> Fence {
    Fence {
        factor: number(&case["params"]["factor"]),
        widened: case["params"]["reduceSensitivity"].as_bool().unwrap(),
    }
}

fn flags(value: &Value) -> Vec<bool> {
    let items = value.as_array().unwrap().iter();
    items.map(|item| item.as_bool().unwrap()).collect()
}

fn iqr_detector(case: &Value) {
    let got = fence(case).outliers(&numbers(&case["values"]));
    assert_eq!(
        got,
        flags(&case["expected"]["outliers"]),
        "{}",
        case["name"]
    );
}

fn k_sigma_detector(case: &Value) {
    let got = transform::k_sigma(&numbers(&case["values"]), number(&case["params"]["k"]));
    assert_eq!(
        got,
        flags(&case["expected"]["outliers"]),
        "{}",
        case["name"]
    );
}

fn remove_outliers(case: &Value) {
    let values = numbers(&case["values"]);
    let marked = if case["params"]["k"].is_null() {
        fence(case).outliers(&values)
    } else {
        transform::k_sigma(&values, number(&case["params"]["k"]))
    };
    let want = numbers(&case["expected"]["values"]);
    assert_eq!(transform::kept(&values, &marked), want, "{}", case["name"]);
}

fn nans(case: &Value) {
    let strategy = if case["fn"] == "replaceNaNs" {
        Nans::Replace
    } else {
        Nans::Remove
    };
    let got = transform::nans(&numbers(&case["values"]), strategy);
    assert_eq!(
        got,
        numbers(&case["expected"]["values"]),
        "{}",
        case["name"]
    );
}

fn aggregated(case: &Value) {
    let got = schedule::passes(
        number(&case["finalScore"]),
        case["marginal"].as_f64(),
        case["pass"].as_f64(),
    );
    assert_eq!(
        got, case["expected"]["didPassThresholds"],
        "{}",
        case["name"]
    );
}

/// A whole judgement of one metric `m` in one group, as the unmodified judge gave it; and beside it
/// the parts, which were taken of the values before any transformation.
fn judged(case: &Value) {
    let (control, experiment) = (numbers(&case["control"]), numbers(&case["experiment"]));
    let want = &case["expected"];
    let mut scratch = Scratch::default();
    let rule = Rule::kayenta();
    let raw = shift(&control, &experiment, rule.z, rule.roots, &mut scratch);
    if want["mannWhitney"]["error"].is_null() {
        near_shift(case, raw.ok(), &want["mannWhitney"], 1e-9);
    } else {
        assert!(raw.is_err(), "{}", case["name"]);
    }
    let ratio = number(&want["meanRatio"]);
    let got = effect::mean_ratio(&control, &experiment);
    near(case, "mean ratio", got, ratio, close(ratio));
    let got = effect::cles(&control, &experiment);
    let cles = want.get("cles").map_or(f64::NAN, number);
    near(case, "cles", got, cles, 0.0);

    let settings = MetricSettings::read(&setting(&case["analysisConfiguration"]));
    if let Some(error) = optional(&want["judgeError"]) {
        let fault = match error.split(':').next().unwrap() {
            "NullPointerException" => Fault::Null,
            "ClassCastException" => Fault::WrongType,
            other => panic!("{other} is no fault"),
        };
        assert_eq!(settings, Err(fault), "{}", case["name"]);
        return;
    }
    whole_judgement(case, &settings.unwrap(), (&control, &experiment));
}

fn whole_judgement(case: &Value, settings: &MetricSettings, raw: (&[f64], &[f64])) {
    let want = &case["expected"]["result"];
    let control = transform::apply(raw.0, settings);
    let experiment = transform::apply(raw.1, settings);
    let pair = Pair::new(&control, &experiment);
    let got = classify(
        "m",
        pair,
        settings,
        Rule::kayenta(),
        &mut Scratch::default(),
    );
    assert_eq!(
        got.label.word(),
        text(&want["classification"]),
        "{}",
        case["name"]
    );
    assert_eq!(
        got.critical,
        want["critical"].as_bool().unwrap(),
        "{}",
        case["name"]
    );
    let reason = optional(&want["classificationReason"]);
    assert_eq!(got.reason.as_deref(), reason, "{}", case["name"]);
    assert_eq!(settings.muted, want["muted"].as_bool().unwrap());
    match (got.ratio, want["resultMetadata"]["ratio"].is_null()) {
        (None, true) => {}
        (Some(ratio), false) => {
            let chance = !case["nondeterministic"].is_null();
            let want = number(&want["resultMetadata"]["ratio"]);
            let tolerance = if chance { 1e-4 } else { close(want) };
            near(case, "ratio", ratio, want, tolerance);
        }
        (got, _) => panic!("{}: ratio {got:?}", case["name"]),
    }
    for (values, key) in [
        (&control, "controlMetadata"),
        (&experiment, "experimentMetadata"),
    ] {
        if want[key].is_null() {
            continue;
        }
        near_summary(case, describe::summary(values), &want[key]["stats"], 1e-9);
    }
    let metric = Scored {
        label: got.label,
        groups: vec!["g"],
        reason: got.reason.as_deref(),
        critical: got.critical,
        muted: settings.muted,
    };
    let summary = score::summarise(&[metric], &BTreeMap::from([("g", 100.0)]));
    let (want, limits) = (&case["expected"]["score"], &case["thresholds"]);
    near(case, "score", summary.score, number(&want["score"]), 0.0);
    let class = score::class(
        summary.score,
        limits["pass"].as_f64(),
        limits["marginal"].as_f64(),
    );
    assert_eq!(
        class.word(),
        text(&want["classification"]),
        "{}",
        case["name"]
    );
    let reason = summary.reason.unwrap_or_default();
    assert_eq!(
        reason,
        text(&want["classificationReason"]),
        "{}",
        case["name"]
    );
}

fn near_summary(case: &Value, got: Summary, want: &Value, tolerance: f64) {
    for (what, got) in [
        ("count", got.count as f64),
        ("mean", got.mean),
        ("min", got.min),
        ("max", got.max),
        ("std", got.std),
    ] {
        let want = number(&want[what]);
        near(case, what, got, want, tolerance * want.abs().max(1.0));
    }
}

fn setting(value: &Value) -> Setting {
    match value {
        Value::Null => Setting::Null,
        Value::Bool(flag) => Setting::Flag(*flag),
        Value::Number(number) => Setting::Number(number.as_f64().unwrap()),
        Value::String(text) => Setting::Text(text.clone()),
        Value::Array(items) => Setting::List(items.iter().map(setting).collect()),
        Value::Object(entries) => Setting::Map(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), setting(value)))
                .collect(),
        ),
    }
}

fn scored(case: &Value) {
    let results: Vec<Scored<'_>> = case["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| Scored {
            label: Label::from_word(text(&result["classification"])).unwrap(),
            groups: result["groups"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
            reason: optional(&result["reason"]),
            critical: result["critical"].as_bool().unwrap(),
            muted: result["muted"] == true,
        })
        .collect();
    let weights = match &case["groupWeights"] {
        Value::Object(entries) => entries
            .iter()
            .map(|(name, weight)| (name.as_str(), number(weight)))
            .collect(),
        _ => BTreeMap::new(),
    };
    let got = score::summarise(&results, &weights);
    let want = &case["expected"];
    if let Some(sum) = want["summaryScore"].as_f64() {
        near(case, "score", got.score, sum, 0.0);
    }
    if !want["groupScoresSorted"].is_null() {
        let mut scores: Vec<f64> = got.groups.iter().map(|group| group.score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        assert_eq!(
            scores,
            numbers(&want["groupScoresSorted"]),
            "{}",
            case["name"]
        );
    }
    if want["score"].is_null() {
        return;
    }
    near(
        case,
        "score",
        got.score,
        number(&want["score"]["score"]),
        0.0,
    );
    let limits = &case["thresholds"];
    let class = score::class(
        got.score,
        limits["pass"].as_f64(),
        limits["marginal"].as_f64(),
    );
    assert_eq!(
        class.word(),
        text(&want["score"]["classification"]),
        "{}",
        case["name"]
    );
    let reason = got.reason.unwrap_or_default();
    assert_eq!(
        reason,
        text(&want["score"]["classificationReason"]),
        "{}",
        case["name"]
    );
    let mut groups: Vec<(&str, f64)> = want["groupScores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (text(&group["name"]), number(&group["score"])))
        .collect();
    groups.sort_unstable_by_key(|(name, _)| *name);
    let got: Vec<(&str, f64)> = got
        .groups
        .iter()
        .map(|g| (g.name.as_str(), g.score))
        .collect();
    assert_eq!(got, groups, "{}", case["name"]);
}

fn interval_case(case: &Value) {
    let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
    let z = z_of(number(&case["confidenceLevel"]));
    let got = shift(&y, &x, z, Roots::Compatible, &mut Scratch::default()).unwrap();
    for (what, got) in [
        ("lower", got.lower),
        ("upper", got.upper),
        ("estimate", got.estimate),
    ] {
        let tolerance = number(&case["tol"][what]);
        near(case, what, got, number(&case["expected"][what]), tolerance);
    }
}

fn intermediate(case: &Value) {
    let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
    let z = z_of(number(&case["confidenceLevel"]));
    let mut scratch = Scratch::default();
    let (first, last) = scratch.load(&x, &y).reach();
    let at = |mu, quantile| interval::statistic(&y, &x, mu, quantile).unwrap();
    let root = |quantile| interval::unchecked_root(&y, &x, quantile, Roots::Compatible).unwrap();
    for (what, got) in [
        ("Mumin", first),
        ("Mumax", last),
        ("ZqLower", z),
        ("ZqUpper", -z),
        ("Flower1", at(first, z)),
        ("Fupper1", at(last, z)),
        ("Flower2", at(first, -z)),
        ("Fupper2", at(last, -z)),
        ("Cil", root(z)),
        ("Ciu", root(-z)),
        ("Est", root(0.0)),
    ] {
        near(case, what, got, number(&case["expected"][what]), 1e-6);
    }
    assert_eq!(case["expected"].as_object().unwrap().len(), 11);
}

fn quantile(case: &Value) {
    let p = number(&case["p"]);
    let got = -z_of(1.0 - 2.0 * p);
    near(
        case,
        "z",
        got,
        number(&case["expected"]["value"]),
        number(&case["tol"]),
    );
}

fn statistic(case: &Value) {
    let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
    let (mu, quantile) = (number(&case["mu"]), number(&case["quantile"]));
    let got = interval::statistic(&y, &x, mu, quantile).unwrap();
    near(
        case,
        "statistic",
        got,
        number(&case["expected"]["value"]),
        number(&case["tol"]),
    );
}

fn effect_case(case: &Value) {
    let (control, experiment) = (numbers(&case["control"]), numbers(&case["experiment"]));
    let got = match text(&case["fn"]) {
        "cles" => effect::cles(&control, &experiment),
        "cohenD" => effect::cohen_d(&control, &experiment),
        _ => effect::mean_ratio(&control, &experiment),
    };
    near(
        case,
        "effect",
        got,
        number(&case["expected"]["value"]),
        number(&case["tol"]),
    );
}

fn percentile(case: &Value) {
    let got = describe::percentile(&numbers(&case["values"]), number(&case["p"])).unwrap();
    near(
        case,
        "percentile",
        got,
        number(&case["expected"]["value"]),
        number(&case["tol"]),
    );
}

fn summary(case: &Value) {
    let got = describe::summary(&numbers(&case["values"]));
    near_summary(case, got, &case["expected"], number(&case["tol"]));
}

fn added_noise(case: &Value) {
    let (mean, std) = (number(&case["mean"]), number(&case["stdev"]));
    let got = noise::with_noise(&numbers(&case["values"]), mean, std);
    let (got, want) = (describe::summary(&got), &case["expected"]);
    let tolerance = number(&case["tol"]);
    near(case, "mean", got.mean, number(&want["mean"]), tolerance);
    near(case, "stdev", got.std, number(&want["stdev"]), tolerance);
    near(case, "count", got.count as f64, number(&want["count"]), 0.0);
}

fn random_normal(case: &Value) {
    let count = usize::try_from(case["numSamples"].as_u64().unwrap()).unwrap();
    let values = noise::normal_scores(number(&case["mean"]), number(&case["stdev"]), count);
    let (got, want) = (describe::summary(&values), &case["expected"]);
    let tolerance = number(&case["tol"]);
    let of = |what: &str| match what {
        "mean" => got.mean,
        "stdev" => got.std,
        "variance" => got.std * got.std,
        "length" => got.count as f64,
        "value" => values[0],
        other => panic!("{other} is not known"),
    };
    for (what, want) in want.as_object().unwrap() {
        near(case, what, of(what), number(want), tolerance);
    }
}

fn map_get(case: &Value) {
    let path: Vec<&str> = case["path"].as_array().unwrap().iter().map(text).collect();
    let want = &case["expected"]["value"];
    let want = (!want.is_null()).then(|| setting(want));
    assert_eq!(setting(&case["map"]).get(&path), want, "{}", case["name"]);
}

fn map_double(case: &Value) {
    let path: Vec<&str> = case["path"].as_array().unwrap().iter().map(text).collect();
    let got = setting(&case["map"])
        .number(&path, number(&case["default"]))
        .unwrap();
    near(case, "number", got, number(&case["expected"]["value"]), 0.0);
}

fn metric_set(value: &Value) -> MetricSet {
    let tags = match &value["tags"] {
        Value::Object(tags) => tags
            .iter()
            .map(|(name, value)| (name.clone(), text(value).to_owned()))
            .collect(),
        _ => BTreeMap::new(),
    };
    let ms = |key: &str| value[key].as_i64();
    MetricSet {
        name: optional(&value["name"]).map(str::to_owned),
        tags,
        values: value["values"]
            .as_array()
            .map_or_else(Vec::new, |v| v.iter().map(number).collect()),
        span: match (ms("startTimeMillis"), ms("endTimeMillis"), ms("stepMillis")) {
            (Some(start), Some(end), Some(step)) => Some((start, end, step)),
            _ => None,
        },
    }
}

fn mix_all(case: &Value) {
    let names: Vec<&str> = case["metricNames"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    let sets = |key: &str| -> Vec<MetricSet> {
        case[key]
            .as_array()
            .unwrap()
            .iter()
            .map(metric_set)
            .collect()
    };
    let got = pairing::pair_all(&names, &sets("control"), &sets("experiment"));
    let want = &case["expected"];
    if let Some(part) = optional(&want["errorContains"]) {
        assert!(got.unwrap_err().contains(part), "{}", case["name"]);
        return;
    }
    let got = got.unwrap();
    let pairs = want["pairs"].as_array().unwrap();
    assert_eq!(got.len(), pairs.len(), "{}", case["name"]);
    for (got, want) in got.iter().zip(pairs) {
        assert_eq!(got.name, text(&want["name"]));
        assert_eq!(got.tags, metric_set(want).tags);
        assert_eq!(got.control, numbers(&want["control"]));
        assert_eq!(got.experiment, numbers(&want["experiment"]));
    }
}

fn mix_one(case: &Value) {
    let sides = (
        metric_set(&case["control"]),
        metric_set(&case["experiment"]),
    );
    let got = pairing::pair_one(&sides.0, &sides.1);
    let want = &case["expected"];
    if let Some(part) = optional(&want["errorContains"]) {
        assert!(got.unwrap_err().contains(part), "{}", case["name"]);
        return;
    }
    let got = got.unwrap();
    for (side, key) in [(got.control, "control"), (got.experiment, "experiment")] {
        let want = numbers(&want[key]);
        assert_eq!(side.len(), want.len());
        for (got, want) in side.iter().zip(want) {
            near(case, key, *got, want, 0.0);
        }
    }
}

fn texts(value: &Value) -> BTreeMap<&str, &str> {
    match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn build_query(case: &Value) {
    let source = QuerySource {
        metric_name: text(&case["metricName"]),
        label_bindings: case["labelBindings"]
            .as_array()
            .map_or_else(Vec::new, |all| all.iter().map(text).collect()),
        resource_type: optional(&case["resourceType"]),
        inline_template: optional(&case["customInlineTemplate"]),
        named_template: optional(&case["customFilterTemplate"]),
        templates: texts(&case["templates"]),
        scope: optional(&case["scope"]),
        location: optional(&case["location"]),
        extended: texts(&case["extendedScopeParams"]),
        scope_label: text(&case["scopeLabel"]),
        ..QuerySource::default()
    };
    assert_eq!(
        source.build().unwrap(),
        text(&case["expected"]["query"]),
        "{}",
        case["name"]
    );
}

fn escape(case: &Value) {
    assert_eq!(
        query::escape(text(&case["template"])),
        text(&case["expected"]["value"])
    );
}

fn unescape(case: &Value) {
    assert_eq!(
        query::unescape(text(&case["template"])),
        text(&case["expected"]["value"])
    );
}

fn expand(case: &Value) {
    let want = &case["expected"];
    let Some(template) = optional(&case["inlineTemplate"]) else {
        // No template: the query is built without one, and fails for want of a resource type.
        assert!(want["value"].is_null());
        let source = QuerySource {
            metric_name: "m",
            ..QuerySource::default()
        };
        let complaint = source.build().unwrap_err();
        assert_eq!(
            complaint,
            "Either a resource type or a custom filter is required."
        );
        return;
    };
    let got = query::expand(template, &texts(&case["bindings"]));
    match optional(&want["error"]) {
        Some(error) => assert_eq!(got.unwrap_err(), error),
        None => assert_eq!(got.unwrap(), text(&want["value"])),
    }
}

fn window(case: &Value) {
    let minutes = |key: &str| case[key].as_i64().map(|minutes| Span::from_s(60 * minutes));
    let now = Timestamp::from_s(1_545_080_199);
    let at = |minutes: i64| Timestamp::from_s(1_545_080_199 + 60 * minutes);
    let schedule = Schedule {
        now,
        start: case["startMins"].as_i64().map(at),
        end: case["endMins"].as_i64().map(at),
        begin_after: minutes("beginAfterMins").unwrap(),
        interval: minutes("intervalMins").unwrap(),
        lookback: minutes("lookbackMins").unwrap(),
    };
    let number = u32::try_from(case["judgement"].as_u64().unwrap()).unwrap();
    let want = &case["expected"];
    let want = ["startMinsFromNow", "endMinsFromNow"].map(|key| at(want[key].as_i64().unwrap()));
    assert_eq!(schedule.window(number), want.into(), "{}", case["name"]);
}

fn request_scopes(case: &Value) {
    let start = Timestamp::parse(text(&case["startTimeIso"])).unwrap();
    let offset = Span::from_s(60 * case["controlOffsetInMinutes"].as_i64().unwrap());
    let want = &case["expected"];
    assert_eq!(
        Timestamp::parse(text(&want["experimentStart"])),
        Some(start)
    );
    let control = schedule::control_start(start, offset);
    assert_eq!(Timestamp::parse(text(&want["controlStart"])), Some(control));
}
