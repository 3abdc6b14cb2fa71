//! An arm's scope as sent: a map of labels to exact values, or a text of matchers.

use crate::plan::scope::Scope;
use crate::wire::scope_text;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// What selects an arm's series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeInput {
    /// `{"track": "canary"}`: every value is exact.
    Labels(BTreeMap<String, String>),
    /// `"pod=~\"v2-.*\",track=\"canary\""`: PromQL's matchers.
    Text(String),
}

impl ScopeInput {
    /// The scope, or what is wrong with it.
    pub fn scope(&self) -> Result<Scope, String> {
        match self {
            Self::Text(text) => scope_text::parse(text).map_err(|fault| fault.to_string()),
            Self::Labels(labels) => {
                let matchers: Result<Vec<_>, String> = labels
                    .iter()
                    .map(|(label, value)| scope_text::equals(label, value))
                    .collect();
                scope_text::scope(matchers?)
            }
        }
    }
}

impl Serialize for ScopeInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Labels(labels) => labels.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for ScopeInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ScopeInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "labels like {\"track\": \"canary\"} or matchers like \"pod=~\\\"v2-.*\\\"\"",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ScopeInput, E> {
                Ok(ScopeInput::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScopeInput, A::Error> {
                let mut labels = BTreeMap::new();
                while let Some((label, value)) = map.next_entry::<String, String>()? {
                    if labels.contains_key(&label) {
                        return Err(A::Error::custom(format!("label {label:?} occurs twice")));
                    }
                    labels.insert(label, value);
                }
                Ok(ScopeInput::Labels(labels))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl utoipa::PartialSchema for ScopeInput {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let labels = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Object))
            .description(Some("label values, each exact"))
            .additional_properties(Some(Schema::Object(text().build())));
        OneOfBuilder::new()
            .description(Some("what selects an arm's series"))
            .item(labels)
            .item(text().description(Some("PromQL matchers")))
            .into()
    }
}

impl utoipa::ToSchema for ScopeInput {}
