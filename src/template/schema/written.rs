//! The fields of a template as people write them: one shape per map, with what each field means,
//! its default, its limits and an example. The parser takes the names of its fields from here, the
//! JSON Schema and the tables of `docs/templates.md` everything else, so none of them can drift.

use super::values::{
    Acceptance, Action, Combine, EffectMeasure, Flag, Gaps, Groups, Harm, Inconclusive, Length,
    MethodWord, MetricMethod, Mode, Name, NoData, NotifyEntry, Outliers, Percents, Policy, Query,
    Role, Share, StepsBy, Text, TheKind, TheVersion, Type, VerdictWord,
};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// A field that must be there, unless the template extends one that has it.
type Needed<T> = T;

/// Declares shapes: `field: Type = default, limits, [examples];`.
macro_rules! shapes {
    ($(
        $(#[doc = $about:literal])*
        $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $ty:ty = $default:literal, $limits:literal, $examples:tt;
            )+
        }
    )+) => { $(
        $(#[doc = $about])*
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        #[expect(dead_code, reason = "a shape: nothing is ever stored in it")]
        #[allow(non_snake_case, reason = "one field, `apiVersion`, is written like that")]
        pub(in crate::template) struct $name {
            $(
                $(#[doc = $doc])+
                #[schemars(extend(
                    "x-default" = $default,
                    "x-limits" = $limits,
                    "examples" = $examples
                ))]
                $field: $ty,
            )+
        }

        impl $name {
            /// The names of the fields, in the order of the reference.
            pub(in crate::template) const FIELDS: &'static [&'static str] =
                &[$(plain(stringify!($field))),+];
        }
    )+ };
}

/// A field's name without the `r#` that a keyword of Rust, such as `type`, needs.
const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(name) => name,
            Err(_) => name,
        },
        _ => name,
    }
}

shapes! {
    /// How one kind of service is judged: what is measured, how much worse is harm, how long to
    /// look and how often a wrong verdict is acceptable.
    Template {
        /// the version of this format
        apiVersion: Needed<TheVersion> = "required", "", ["haldane/v1"];
        /// what the file holds
        kind: Needed<TheKind> = "required", "", ["AnalysisTemplate"];
        /// who it is
        metadata: Needed<Metadata> = "required", "", [{ "name": "checkout" }];
        /// the `metadata.name` of a template whose `spec` is taken over; this one says only what
        /// differs
        extends: Option<Name> = "none", "at most 8 in a row", ["http-service"];
        /// what is judged, when, and how
        spec: Needed<Spec> = "required", "", [];
    }

    /// Who the template is.
    Metadata {
        /// what submissions and other templates call it
        name: Needed<Name> = "required", "a name", ["checkout"];
        /// what it is for, in a sentence
        description: Option<Text> = "empty", "2,000 bytes", ["errors and latency of the checkout"];
    }

    /// What is judged, when, and how.
    Spec {
        /// the holes a rollout fills, by name
        inputs: Option<BTreeMap<String, Option<Input>>> =
            "empty",
            "at most 50; names are letters, digits and `_`",
            [{ "service": { "description": "the label `service`" } }];
        /// when to look, and for how long
        schedule: Needed<Schedule> = "required", "", [{ "step": "30s", "deadline": "30m" }];
        /// which judge, and how often it may be wrong
        judge: Option<Judge> = "the defaults below", "", [{ "false_rollback": "2%" }];
        /// what is measured
        metrics: Needed<Vec<Metric>> = "required", "1 to 200", [];
        /// promises that are guarded while the canary runs
        objectives: Option<Vec<Objective>> = "empty", "at most 20", [];
        /// how the observed share of traffic is compared with the declared one, when the rollout
        /// declares one
        traffic: Option<Traffic> = "not compared", "", [{ "metric": "errors" }];
        /// what is read from before the start
        history: Option<History> = "nothing", "", [{ "lookback": "1h" }];
        /// from which time the baseline's data are
        baseline: Option<Baseline> = "`{ mode: concurrent }`", "", [{ "mode": "previous_day" }];
        /// regular expressions of source warnings known to be harmless
        allow_warnings: Option<Vec<Text>> = "empty", "at most 50",
            [["metric might not be a counter"]];
        /// what is different for a type of change (the rollout's `change_type`), joined as with
        /// `extends`
        changes: Option<BTreeMap<String, Rule>> = "empty", "at most 20",
            [{ "database": { "schedule": { "bake": "30m" } } }];
        /// what the controller is told when the verdict is inconclusive, in one word or by
        /// reason; never `promote`
        on_inconclusive: Option<Inconclusive> = "`hold`", "",
            ["hold", { "no_data": "rollback" }];
        /// how a rollback is seen through: until when, and what counts as recovered
        recovery: Option<Recovery> = "the defaults below", "", [{ "within": "30m" }];
        /// which of the daemon's named receivers hear of the verdict: names, or maps as below
        notify: Option<Vec<NotifyEntry>> = "all of them", "at most 20",
            [["team-checkout", { "webhook": "pager", "on": ["rollback"] }]];
    }

    /// From which time the baseline's data are.
    Baseline {
        /// `concurrent`: both arms run side by side; `before`: right before the start;
        /// `previous_day`, `previous_week`: 24 hours or 7 times 24 hours earlier
        mode: Needed<Mode> = "required", "", ["previous_day"];
    }

    /// What the controller is told by the reason of being inconclusive.
    ByReason {
        /// there were data, and they show neither harm nor its absence
        undecided: Option<Policy> = "as `otherwise`", "", ["hold"];
        /// a gate metric, an objective or a whole arm had no data
        no_data: Option<Policy> = "as `otherwise`", "", ["rollback"];
        /// the source could not be read for longer than `source_grace`
        source_fault: Option<Policy> = "as `otherwise`", "", ["hold"];
        /// both arms degrade alike
        environment_degraded: Option<Policy> = "as `otherwise`", "", ["hold"];
        /// the canary did not get the traffic that was declared
        traffic_mismatch: Option<Policy> = "as `otherwise`", "", ["rollback"];
        /// the source warned that its data may be partial
        data_suspect: Option<Policy> = "as `otherwise`", "", ["hold"];
        /// an objective burns its error budget, and nothing is worse than the baseline
        budget_burning: Option<Policy> = "as `otherwise`", "", ["rollback"];
        /// every reason that is not named, and an end that a person made inconclusive
        otherwise: Option<Policy> = "`hold`", "", ["hold"];
    }

    /// What is different for a type of change; every part as in `spec`, and only what differs.
    Rule {
        /// other times
        schedule: Option<Schedule> = "as it is", "", [{ "bake": "30m" }];
        /// another judge, or other error shares
        judge: Option<Judge> = "as it is", "", [{ "false_promote": "1%" }];
        /// metrics that are overridden by name, added, or removed
        metrics: Option<Vec<Metric>> = "as it is", "at most 200 in all",
            [[{ "name": "slow-queries", "role": "required" }]];
        /// objectives that are overridden by name, added, or removed
        objectives: Option<Vec<Objective>> = "as it is", "at most 20 in all", [];
        /// another comparison of traffic
        traffic: Option<Traffic> = "as it is", "", [{ "metric": "errors" }];
        /// another history
        history: Option<History> = "as it is", "", [{ "lookback": "1h" }];
        /// another time of the baseline
        baseline: Option<Baseline> = "as it is", "", [{ "mode": "before" }];
        /// added to the others
        allow_warnings: Option<Vec<Text>> = "as it is", "at most 50 in all",
            [["metric might not be a counter"]];
        /// what the controller is told when the verdict on such a change is inconclusive
        on_inconclusive: Option<Inconclusive> = "as it is", "", ["rollback"];
        /// another watch after a rollback
        recovery: Option<Recovery> = "as it is", "", [{ "within": "30m" }];
        /// other receivers, in place of those of the template
        notify: Option<Vec<NotifyEntry>> = "as it is", "at most 20", [["database-team"]];
    }

    /// How a rollback is seen through.
    Recovery {
        /// how long after the verdict is looked for a recovery
        within: Option<Length> = "`15m`", "as long as `for`, to 1h", ["30m"];
        /// how long what was wrong must be right without a break
        r#for: Option<Length> = "2 windows", "a step to `within`; whole windows", ["5m"];
        /// an objective has recovered when its budget burns slower than this
        burn_under: Option<f64> = "1", "above 0", [1];
        /// somebody must have taken note of the rollback by then
        acknowledge_within: Option<Length> = "not asked for", "1s to 1h", ["2m"];
    }

    /// A receiver that hears of verdicts.
    Notify {
        /// its name in the daemon's configuration (`webhooks.receivers`)
        webhook: Needed<Name> = "required", "a name", ["pager"];
        /// the verdicts it hears of: `promote`, `rollback`, `inconclusive`
        on: Option<Vec<VerdictWord>> = "all", "", [["rollback", "inconclusive"]];
    }

    /// What fills a hole `${name}` of a query.
    Input {
        /// the value when the rollout gives none; without one the input is required
        default: Option<Text> = "none: the input is required", "500 bytes, no control characters",
            ["prod"];
        /// what to put there
        description: Option<Text> = "empty", "2,000 bytes", ["the namespace"];
        /// what every value of it looks like: `text`, `number`, `duration`, `label` or `pattern`
        r#type: Option<Type> = "`text`", "", ["duration"];
        /// the values it may have
        one_of: Option<Vec<Text>> = "any of its type", "1 to 50 values of its type",
            [["source", "destination"]];
    }

    /// When an analysis looks; all counted from the start of the rollout, which is moved up to the
    /// next multiple of `step`.
    Schedule {
        /// distance between grid points; at least twice the scrape interval
        step: Needed<Length> = "required", "1s to 30d", ["30s"];
        /// an undecided analysis ends here
        deadline: Needed<Length> = "required", "1s to 30d; at most 11,000 steps and 10,000 looks",
            ["30m"];
        /// time between looks
        look_every: Option<Length> = "the first multiple of `step` from 1m", "from 1s", ["1m"];
        /// fetched but not judged
        warmup: Option<Length> = "`0s`", "up to 30d", ["2m"];
        /// no promote before
        bake: Option<Length> = "`10m`, or `deadline` if that is shorter", "up to 30d", ["10m"];
        /// how long a sample takes to be readable
        lag: Option<Length> = "`30s`", "shorter than `deadline`", ["30s"];
        /// how long the source may fail
        source_grace: Option<Length> = "`3m` or three steps, whichever is longer", "up to 30d",
            ["3m"];
        /// how much longer the analysis goes on, once, when nothing is shown harmful at the
        /// deadline and a gate is undecided
        extend_once: Option<Length> = "`0s`", "up to 30d", ["15m"];
        /// the steps of traffic the rollout takes, each with a bake time of its own
        steps: Option<Vec<PlannedStep>> = "absent: one step, or those that are announced",
            "at most 50, rising weights, no longer than `deadline` together",
            [[{ "weight": "5%", "bake": "10m" }]];
        /// what tells in which step an analysis is
        steps_by: Option<StepsBy> = "`announcement`", "`steps` only", ["time"];
    }

    /// One step of traffic.
    PlannedStep {
        /// the share of traffic the canary is meant to get
        weight: Needed<Share> = "required", "above 0, below 1", ["5%"];
        /// how long it must be seen at that share
        bake: Needed<Length> = "required", "1s to 30d", ["10m"];
    }

    /// Which judge, and how often it may be wrong.
    Judge {
        /// the judge: `sequential`, `mann-whitney` or `kayenta`, see [judges.md](judges.md)
        method: Option<MethodWord> = "`sequential`", "", ["sequential"];
        /// the probability that a healthy canary is ever rolled back, over all metrics, objectives
        /// and looks
        false_rollback: Option<Share> = "`5%`", "above 0, below 1", ["2%"];
        /// the probability that a required metric beyond its limit passes
        false_promote: Option<Share> = "`5%`", "above 0, below 1", ["5%"];
        /// when given, "no harm found" is enough for a promote
        accept_no_harm: Option<NoHarm> = "absent", "", [{ "power": "80%" }];
        /// how `kayenta` decides
        score: Option<Score> = "the defaults below", "`kayenta` only",
            [{ "pass": 90, "marginal": 70 }];
    }

    /// When "no harm found" is enough.
    NoHarm {
        /// harm of the minimum effect would have been found with this probability
        power: Needed<Share> = "required", "above 0, up to 1", ["80%"];
    }

    /// The thresholds of Kayenta's score.
    Score {
        /// a score from here up promotes
        pass: Option<f64> = "75", "0 to 100, `kayenta` only", [90];
        /// a score below rolls back
        marginal: Option<f64> = "50", "0 to 100, at most `pass`, `kayenta` only", [70];
        /// percent of the score by group; groups not named share the rest
        group_weights: Option<Percents> =
            "empty",
            "0 to 100 each, together at most 100, `kayenta` only",
            [{ "errors": 60, "latency": 40 }];
    }

    /// One thing that is measured in both arms.
    Metric {
        /// what it is called
        name: Needed<Name> = "required", "unique", ["errors"];
        /// takes away the metric of this name that `extends` brings along
        remove: Option<Flag> = "absent", "only `true`, beside `name` alone", [true];
        /// what it can do to the verdict: `critical` and `required` metrics are gates, which roll
        /// back and must hold for a promote; `optional` counts in the score; `info` is only shown
        role: Option<Role> = "`required`", "", ["required"];
        /// which change is harm: `increase`, `decrease`, `either`
        harm: Needed<Harm> = "required", "", ["increase"];
        /// the smallest difference that counts: `{ relative: 10% }` of the baseline, or `{
        /// absolute: 0.02 }` in the metric's unit; for events and distributions in the unit of the
        /// ratio, so `0.5%` is half a percentage point
        min_effect: Needed<Effect> =
            "required",
            "exactly one, from 0; relative up to 10000%, absolute up to 1e15",
            [{ "relative": "10%" }];
        /// shown to people: `s`, `ms`, `cores`
        unit: Option<Text> = "empty", "2,000 bytes", ["ms"];
        /// metrics of a group are scored together
        group: Option<Name> = "`default`", "a name", ["latency"];
        /// weight in the score
        weight: Option<f64> = "1", "from 0", [2];
        /// grid points with a value, per arm (series)
        min_samples: Option<u32> = "10", "3 to 11,000", [20];
        /// events per arm (events, distribution)
        min_events: Option<u32> = "50", "1 to 1,000,000,000", [500];
        /// share of grid points that must hold a value, per arm
        min_coverage: Option<Share> = "`50%`", "0 to 1", ["80%"];
        /// the label whose values are judged on their own beside the whole: `route`, or `{ label:
        /// route, max: 20 }`; see [One bad route among many](#one-bad-route-among-many)
        group_by: Option<Groups> = "absent", "not with `kayenta`; 200 values in all metrics",
            ["route", { "label": "route", "max": 30 }];
        /// its data come this long after the fact; until then it is `lagging`, and nothing waits
        /// for it
        lag: Option<Length> = "`schedule.lag`", "up to 30d; `optional` or `info` metrics only",
            ["24h"];
        /// any expression, one value per step
        series: Option<Series> = "one of the three", "", [{ "query": "cpu{${selector}}" }];
        /// two counters
        events: Option<Events> = "one of the three", "",
            [{ "bad": "errors_total{${selector}}", "total": "requests_total{${selector}}" }];
        /// a histogram
        distribution: Option<Distribution> = "one of the three", "",
            [{ "buckets": "duration_seconds_bucket{${selector}}", "threshold": 0.25 }];
        /// what that judge is asked beside the usual; below
        kayenta: Option<Kayenta> = "empty", "`kayenta` only", [{ "outliers": "remove" }];
        /// how it is judged other than `spec.judge` says; below
        judge: Option<MetricJudge> = "as `spec.judge`", "not with `kayenta`",
            [{ "method": "mann-whitney" }];
    }

    /// How one metric is judged other than the template says.
    MetricJudge {
        /// `sequential` or `mann-whitney`
        method: Option<MetricMethod> = "`judge.method`", "", ["mann-whitney"];
        /// its parts of `judge.false_rollback`, which is divided in proportion
        share: Option<f64> = "1, of a critical metric 3", "0.01 to 1,000; gates only", [2];
        /// as `judge.accept_no_harm`; `false` asks for a metric shown within its limit though the
        /// template does not
        accept_no_harm: Option<Acceptance> = "`judge.accept_no_harm`", "", [{ "power": "90%" }];
    }

    /// The smallest difference that counts.
    Effect {
        /// a share of the baseline
        relative: Option<Share> = "one of the two", "0 to 10000%", ["10%"];
        /// in the metric's unit, or of the ratio
        absolute: Option<Share> = "one of the two", "0 to 1e15", ["0.5%"];
    }

    /// The values of a label, judged on their own beside the whole.
    GroupBy {
        /// the label
        label: Needed<Text> = "required", "a label, not `le`", ["route"];
        /// how many values are judged on their own; further ones are judged in the whole only
        max: Option<u32> = "20", "1 to 50", [20];
    }

    /// Any expression, one value per grid step and arm.
    Series {
        /// any expression, one value per grid point and series; keeps the labels of the arms
        query: Needed<Query> = "required", "16 KiB",
            ["sum by (${arm_labels}) (rate(cpu_seconds_total{${selector}}[30s]))"];
        /// how several series of an arm become one value: `mean`, `sum`, `max`, `min`, `median`
        combine: Option<Combine> = "`mean`", "", ["mean"];
        /// what a point without a value is: `drop` leaves it out, `zero` is zero, `fail` makes the
        /// metric no data
        gaps: Option<Gaps> = "`drop`", "", ["drop"];
        /// the label whose values are the replicas of an arm: they are kept apart beside the
        /// combined value
        per: Option<Text> = "absent", "a label; up to 64 replicas per arm", ["pod"];
    }

    /// Bad and total counters; increments are computed here from raw samples.
    Events {
        /// bare selector of the counters of bad events
        bad: Needed<Query> = "required", "16 KiB",
            ["http_requests_total{code=~\"5..\",${selector}}"];
        /// bare selector of the counters of all events
        total: Needed<Query> = "required", "16 KiB", ["http_requests_total{${selector}}"];
        /// as in `series`
        per: Option<Text> = "absent", "a label; up to 64 replicas per arm", ["pod"];
    }

    /// A histogram, classic or native.
    Distribution {
        /// bare selector of classic `…_bucket` counters, without a matcher on `le`, or of native
        /// histograms
        buckets: Needed<Query> = "required", "16 KiB",
            ["http_request_duration_seconds_bucket{${selector}}"];
        /// the bucket bound beyond which an observation is bad, in the metric's unit: that bound
        /// alone is judged. Without one the whole distribution is judged, at every bound
        /// ([how](statistics.md#distributions)); `unit` is then that of the bounds. An objective
        /// needs one, and so does `judge.method: kayenta`
        threshold: Option<f64> = "none", "one of the bounds", [0.25];
        /// as in `series`
        per: Option<Text> = "absent", "a label; up to 64 replicas per arm", ["pod"];
    }

    /// What `judge.method: kayenta` is asked of a metric beside the usual.
    Kayenta {
        /// `keep` or `remove`
        outliers: Option<Outliers> = "`keep`", "", ["remove"];
        /// outliers lie so many distances between the quartiles beyond a quartile, and beyond the
        /// 1st or 99th percentile
        outlier_factor: Option<f64> = "3", "above 0, up to 1e9", [3];
        /// an empty side is left out of the score (`ignore`) or counts as a failed metric (`fail`)
        no_data: Option<NoData> = "`ignore`", "", ["fail"];
        /// which effects count
        effect_size: Option<EffectSize> = "from `min_effect`", "", [{ "allowed_increase": 1.1 }];
    }

    /// Which effects count for `judge.method: kayenta`.
    EffectSize {
        /// `mean-ratio`, or `cles`: the probability that a value of the canary exceeds one of the
        /// baseline
        measure: Option<EffectMeasure> = "`mean-ratio`", "", ["cles"];
        /// an increase counts from this effect up
        allowed_increase: Option<f64> = "1, with `cles` 0.5", "0 to 1e9", [1.1];
        /// a decrease counts from this effect down
        allowed_decrease: Option<f64> = "1, with `cles` 0.5", "0 to 1e9", [0.9];
        /// an increase of a critical metric fails the whole from this effect up
        critical_increase: Option<f64> = "1, with `cles` 0.5", "0 to 1e9", [1.5];
        /// a decrease likewise, from this effect down
        critical_decrease: Option<f64> = "1, with `cles` 0.5", "0 to 1e9", [0.5];
    }

    /// A promise to users: at most so many bad events in so much time.
    Objective {
        /// what it is called
        name: Needed<Name> = "required", "unique", ["availability"];
        /// takes away the objective of this name that `extends` brings along
        remove: Option<Flag> = "absent", "only `true`, beside `name` alone", [true];
        /// a file beside the template that states the objective of this name, see
        /// [Objectives from SLO files](#objectives-from-slo-files); what stands here besides says
        /// otherwise
        from: Option<Text> = "stated here", "a relative path without `..`", ["slo.yaml"];
        /// with `from`: a file with Sloth's `AlertWindows`
        windows: Option<Text> = "that of `from`, if it has some", "as `from`", ["windows.yaml"];
        /// supplies bad and total; with `from` the metric of this name is made when there is none
        metric: Needed<Name> =
            "required; with `from` the objective's name",
            "an `events` metric, or a `distribution` with a `threshold`",
            ["errors"];
        /// the promised share of good events
        objective: Needed<Share> = "required; with `from` the file's", "above 0, below 100 %",
            ["99.9%"];
        /// of the promise
        period: Option<Length> = "`30d`", "1s to 366d", ["30d"];
        /// bad events below which no rung fires
        min_bad_events: Option<u32> = "2", "1 to 1,000,000", [2];
        /// multi-window burn rates
        rungs: Option<Vec<Rung>> = "the two below", "at most 8", [];
    }

    /// A burn rate over two windows: it fires when both exceed `burn`.
    Rung {
        /// how many times faster than promised the budget goes
        burn: Needed<f64> = "required", "above 0", [14.4];
        /// how much budget must have gone
        long: Needed<Length> = "required", "1s to 366d", ["1h"];
        /// whether it is still going on
        short: Needed<Length> = "required", "1s to `long`", ["5m"];
        /// `rollback` (when the canary is also worse than the baseline) or `hold`
        action: Needed<Action> = "required", "", ["rollback"];
    }

    /// How observed and declared traffic are compared.
    Traffic {
        /// its totals are the traffic
        metric: Needed<Name> = "required", "an `events` metric", ["errors"];
        /// the observed share of the canary may differ from the declared one by this factor either
        /// way
        tolerance: Option<f64> = "3", "1 to 1,000", [3];
    }

    /// What is read from before the start; without it nothing is, but for the last samples of
    /// counters.
    History {
        /// how far to reach back from the start; rounded up to whole steps
        lookback: Needed<Length> = "required", "`step` to 24h, at most 11,000 steps", ["1h"];
        /// `true` says that what the canary's scope selects before the start is a healthy earlier
        /// version of the same population
        offset: Option<Flag> = "`false`", "", [true];
    }
}
