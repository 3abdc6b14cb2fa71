//! The OpenAPI document, made from the table of endpoints and the shapes themselves.

use super::deliveries_wire::DeliveryLog;
use super::flagger::wire::{HookInput, OutcomeList};
use super::routes::{self, Content as Kind, Endpoint, Method};
use super::spinnaker::{HealthDocument, MonitorInput, StopInput};
use super::wire::{
    AnalysisList, CancelInput, NoteInput, OverrideInput, ReadyDocument, SubmittedDocument,
    TemplateItem, TemplateList, WindowInput,
};
use crate::wire::coordination::{
    FreezeDocument, FreezeInput, FreezeList, LiftInput, PlannedStepInput, StepInput,
};
use crate::wire::problem::{CONTENT_TYPE, Problem};
use crate::wire::report::ReportDocument;
use crate::wire::submission::SubmissionDocument;
use crate::wire::verdict::{GoodDocument, JudgeDocument, VerdictDocument};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    Schema,
};
use utoipa::{PartialSchema, ToSchema};

/// The whole document.
pub(crate) fn document() -> OpenApi {
    let mut paths = Paths::new();
    for endpoint in routes::all() {
        let method = match endpoint.method {
            Method::Get => HttpMethod::Get,
            Method::Post => HttpMethod::Post,
            Method::Put => HttpMethod::Put,
            Method::Delete => HttpMethod::Delete,
        };
        paths.add_path_operation(endpoint.path, vec![method], operation(endpoint));
    }
    let info = InfoBuilder::new()
        .title("haldane")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Judges a canary against its baseline. Errors are problem details with a stable code.",
        ))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas())
        .security_scheme(
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        )
        .security_scheme(
            "basic",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        )
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .build()
}

fn operation(endpoint: &Endpoint) -> Operation {
    let mut builder = OperationBuilder::new().summary(Some(endpoint.summary));
    for name in variables(endpoint.path) {
        builder = builder.parameter(parameter(name, ParameterIn::Path, "the identifier"));
    }
    for (name, meaning) in endpoint.query {
        builder = builder.parameter(parameter(name, ParameterIn::Query, meaning));
    }
    if let Some(schema) = endpoint.takes {
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(Required::True))
            .build();
        builder = builder.request_body(Some(body));
    }
    for (status, meaning) in endpoint.answers {
        builder = builder.response(status.to_string(), answer(endpoint.content, meaning));
    }
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let refused = ResponseBuilder::new()
        .description("refused; `code` says why")
        .content(CONTENT_TYPE, problem)
        .build();
    builder = builder.response("default", refused);
    match endpoint.right {
        None => builder = builder.security(SecurityRequirement::default()),
        Some(right) => {
            let text = format!("Needs the right `{}`.", right.word());
            builder = builder.description(Some(text));
            for scheme in ["bearer", "basic"] {
                builder = builder.security(SecurityRequirement::new(scheme, [] as [&str; 0]));
            }
        }
    }
    builder.build()
}

fn answer(kind: Kind, meaning: &str) -> Response {
    let text = || RefOr::T(Schema::from(ObjectBuilder::new().schema_type(Type::String)));
    let (media, schema) = match kind {
        Kind::Json("OpenApi" | "JsonSchema" | "PrometheusAnswer") => (
            "application/json",
            RefOr::T(Schema::from(ObjectBuilder::new())),
        ),
        Kind::Json(name) => ("application/json", Ref::from_schema_name(name).into()),
        Kind::Text(media) => (media, text()),
    };
    ResponseBuilder::new()
        .description(meaning)
        .content(media, Content::new(Some(schema)))
        .build()
}

/// The names between braces.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    let behind = path.split('{').skip(1);
    behind.filter_map(|text| text.split_once('}').map(|(name, _)| name))
}

fn parameter(name: &str, place: ParameterIn, meaning: &str) -> ParameterBuilder {
    let required = match place {
        ParameterIn::Path => Required::True,
        _ => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(meaning))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
}

/// Every shape with those it is made of.
fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut out = Vec::new();
    add::<VerdictDocument>(&mut out);
    add::<JudgeDocument>(&mut out);
    add::<ReportDocument>(&mut out);
    add::<SubmissionDocument>(&mut out);
    add::<SubmittedDocument>(&mut out);
    add::<AnalysisList>(&mut out);
    add::<CancelInput>(&mut out);
    add::<OverrideInput>(&mut out);
    add::<NoteInput>(&mut out);
    add::<DeliveryLog>(&mut out);
    add::<GoodDocument>(&mut out);
    WindowInput::schemas(&mut out);
    add::<TemplateList>(&mut out);
    add::<TemplateItem>(&mut out);
    add::<ReadyDocument>(&mut out);
    add::<FreezeInput>(&mut out);
    add::<FreezeDocument>(&mut out);
    add::<FreezeList>(&mut out);
    add::<LiftInput>(&mut out);
    add::<StepInput>(&mut out);
    add::<PlannedStepInput>(&mut out);
    add::<Problem>(&mut out);
    add::<HookInput>(&mut out);
    add::<OutcomeList>(&mut out);
    add::<MonitorInput>(&mut out);
    add::<HealthDocument>(&mut out);
    add::<StopInput>(&mut out);
    out.push(("JudgeInput".to_owned(), judge_input()));
    let foreign = ObjectBuilder::new().description(Some("a JSON document of Kayenta's"));
    out.push((
        super::kayenta::SCHEMA.to_owned(),
        Schema::from(foreign).into(),
    ));
    out
}

/// A submission's fields and a window's in one object: each alone refuses the other's.
fn judge_input() -> RefOr<Schema> {
    let mut whole = SubmissionDocument::schema();
    if let (RefOr::T(Schema::Object(whole)), RefOr::T(Schema::Object(window))) =
        (&mut whole, WindowInput::schema())
    {
        whole.properties.extend(window.properties);
    }
    whole
}

fn add<T: ToSchema>(out: &mut Vec<(String, RefOr<Schema>)>) {
    out.push((T::name().into_owned(), T::schema()));
    T::schemas(out);
}
