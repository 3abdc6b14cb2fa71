//! The values a template is made of, as JSON Schema says them: shares, lengths of time, names,
//! queries, and the words of every choice, which are the parser's own.

use super::written::{self, GroupBy};
use crate::template::{
    baseline, input_type, kayenta, metric_judge, metrics, notify, objectives, parse, steps,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A value with a fixed schema.
macro_rules! values {
    ($( $name:ident = $schema:tt; )+) => { $(
        pub(in crate::template) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+ };
}

values! {
    Flag = { "type": "boolean" };
    Name = { "type": "string", "pattern": "^[A-Za-z0-9._:/@-]{1,200}$" };
    Text = { "type": "string", "maxLength": 2000 };
    Query = { "type": "string", "minLength": 1, "maxLength": 16384 };
    Percents = {
        "type": "object",
        "additionalProperties": { "type": "number", "minimum": 0, "maximum": 100 }
    };
    Share = { "anyOf": [
        { "type": "number" },
        { "type": "string", "pattern": "^[+-]?[0-9]*\\.?[0-9]* *%$" }
    ] };
    Length = { "anyOf": [
        { "const": 0 },
        { "type": "string", "pattern": "^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w|y))+)$" }
    ] };
    TheVersion = { "type": "string", "enum": [parse::API_VERSION] };
    TheKind = { "type": "string", "enum": [parse::KIND] };
}

/// A label, or the map that says more of it.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a shape: nothing is ever stored in it")]
pub(in crate::template) enum Groups {
    /// The label alone.
    Short(Text),
    /// With how many of its values.
    Long(GroupBy),
}

/// The name of a receiver, or a map with more.
pub(in crate::template) struct NotifyEntry;

impl JsonSchema for NotifyEntry {
    fn schema_name() -> Cow<'static, str> {
        "NotifyEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Name>();
        let map = generator.subschema_for::<super::written::Notify>();
        json_schema!({ "anyOf": [name, map] })
    }
}

/// `false`, or a map with the power.
pub(in crate::template) struct Acceptance;

impl JsonSchema for Acceptance {
    fn schema_name() -> Cow<'static, str> {
        "Acceptance".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<super::written::NoHarm>();
        json_schema!({ "anyOf": [{ "const": false }, map] })
    }
}

/// One word of the parser's list, with what each means in the same order.
macro_rules! choices {
    ($( $name:ident = $words:expr => [$($meaning:literal),+]; )+) => { $(
        pub(in crate::template) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words = $words.map(|(word, _)| word);
                let meanings = [$($meaning),+];
                choice(&words, &meanings)
            }
        }

        const _: () = assert!(
            $words.len() == [$($meaning),+].len(),
            "every word has a meaning"
        );
    )+ };
}

/// Editors that know `enumDescriptions` show them beside the words; the others ignore it.
fn choice(words: &[&str], meanings: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words, "enumDescriptions": meanings })
}

choices! {
    Role = metrics::ROLES => [
        "a gate with three parts of the error budget; its failure sets the score to 0",
        "a gate: rolls back when worse, must hold for a promote",
        "counts in the score only",
        "shown, never counted"
    ];
    Harm = metrics::HARMS => [
        "more is worse",
        "less is worse",
        "any change is worse"
    ];
    Combine = metrics::COMBINES => [
        "arithmetic mean", "sum", "largest", "smallest", "median"
    ];
    Gaps = metrics::GAPS => [
        "left out, and counted against coverage",
        "zero: for series that exist only while something happens",
        "the metric is no data as soon as there is one"
    ];
    Action = objectives::ACTIONS => [
        "rolls back when the canary is also worse than the baseline",
        "keeps the canary from being promoted"
    ];
    Type = input_type::TYPES => [
        "any text",
        "a finite number as PromQL writes it",
        "a length of time above zero, as PromQL writes it",
        "the name of a label",
        "a regular expression"
    ];
    Policy = parse::POLICIES => [
        "keep the canary where it is and ask a person",
        "take the canary back"
    ];
    Mode = baseline::MODES => [
        "both arms run side by side",
        "right before the start: whatever else changed then looks like the canary",
        "24 hours earlier: whatever else changed between the days looks like the canary",
        "7 times 24 hours earlier: the same, between the weeks"
    ];
    StepsBy = steps::STEPS_BY => [
        "the controller announces each step",
        "the clock: each step lasts its bake time"
    ];
    VerdictWord = notify::VERDICTS => ["go on", "go back", "neither was shown in time"];
    MethodWord = parse::METHODS => [
        "evidence that may be read at any time",
        "the classic two-sample test, corrected for looks and autocorrelation",
        "Kayenta's judge, which decides by its score"
    ];
    MetricMethod = metric_judge::METRIC_METHODS => [
        "evidence that may be read at any time",
        "the classic two-sample test, corrected for looks and autocorrelation"
    ];
    Outliers = kayenta::STRATEGIES => ["outliers count", "outliers are left out"];
    NoData = kayenta::MEANINGS => [
        "an empty side is left out of the score",
        "an empty side is a failed metric"
    ];
    EffectMeasure = kayenta::MEASURES => [
        "ratio of the means",
        "probability that a value of the canary exceeds one of the baseline"
    ];
}

/// A word, or words by reason.
pub(in crate::template) struct Inconclusive;

impl JsonSchema for Inconclusive {
    fn schema_name() -> Cow<'static, str> {
        "Inconclusive".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<Policy>();
        let by_reason = generator.subschema_for::<written::ByReason>();
        json_schema!({ "anyOf": [word, by_reason] })
    }
}
