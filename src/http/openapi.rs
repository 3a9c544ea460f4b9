//! The description of REST, made from the handlers themselves. Owns how refusals are described;
//! `/docs` shows it all.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{IntoResponses, OpenApi as _, PartialSchema, ToSchema};

use crate::door::LOGIN_COOKIE;
use crate::model::{Error, Holder};

/// REST as an OpenAPI document.
pub fn document() -> OpenApi {
    let mut document = Described::openapi();
    let routes = super::identified().merge(super::anonymous()).merge(super::operations());
    document.merge(routes.into_openapi());
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token, or an API key (`sbk_...`); also as the query `token`"))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(token));
    let cookie = ApiKeyValue::with_description(
        LOGIN_COOKIE,
        "Set by login; `POST /api/sessions` sets `switchboard_session` likewise. Accepted only \
         from an allowed origin",
    );
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let either = [BEARER, COOKIE].map(|name| SecurityRequirement::new(name, [] as [&str; 0]));
    document.security = Some(either.into());
    document
}

const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Switchboard",
        description = "The REST of a contact centre's real-time layer. Answers are `{success: \
            true, message, data}`, refusals `{success: false, message, error, code}` with a \
            `code` from one closed list.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "sessions", description = "Conversations: who is in them, who has them"),
        (name = "messages", description = "What was said"),
        (name = "auth", description = "Tokens of local users"),
        (name = "administration", description = "For admins"),
        (name = "reports", description = "What departments and agents did, and do"),
        (name = "operations", description = "For those who watch the server"),
    ),
    components(schemas(RefusalBody)),
)]
struct Described;

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operations",
    responses(
        (status = 200, description = "An OpenAPI document", body = Object),
        Refused<500>,
    ),
    security(()),
)]
pub(super) async fn show() -> Response {
    static TEXT: LazyLock<Result<String, serde_json::Error>> =
        LazyLock::new(|| document().to_json());
    match &*TEXT {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A refusal as it is answered.
#[derive(ToSchema)]
#[schema(as = Refusal)]
#[expect(dead_code, reason = "describes what `door::refuse` writes")]
struct RefusalBody {
    /// False.
    #[schema(example = false)]
    success: bool,
    /// What kind of refusal, for people.
    message: String,
    /// Why, for people.
    error: String,
    /// Which refusal, for programs.
    code: Code,
    /// Field to reason, when fields are invalid.
    fields: Option<BTreeMap<String, String>>,
    /// Who holds what was asked for, when somebody else was first.
    data: Option<Holder>,
}

/// The codes, from the list of refusals itself.
struct Code;

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes: Vec<_> = Error::samples().iter().map(Error::code).collect();
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("The closed list of refusals"))
            .enum_values(Some(codes))
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
}

/// The refusals with this status, for the `responses` of an operation.
pub(super) struct Refused<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusals =
            Error::samples().into_iter().filter(|e| e.status() == STATUS && !is_of_sockets(e));
        let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal")));
        let mut codes = Vec::new();
        for refusal in refusals {
            let example = ExampleBuilder::new().value(Some(example(&refusal))).build();
            content = content.examples_from_iter([(refusal.code(), example)]);
            codes.push(format!("`{}`", refusal.code()));
        }
        let response = ResponseBuilder::new()
            .description(codes.join(", "))
            .content("application/json", content.build())
            .build();
        BTreeMap::from([(STATUS.to_string(), response.into())])
    }
}

/// Refusals that no REST endpoint gives.
fn is_of_sockets(refusal: &Error) -> bool {
    matches!(
        refusal,
        Error::BadFrame(_)
            | Error::UnknownType(_)
            | Error::InvalidUserType(_)
            | Error::UserTypeConflict { .. }
            | Error::TooManyConnections(_)
    )
}

fn example(refusal: &Error) -> Value {
    json!({
        "success": false,
        "message": refusal.title(),
        "error": refusal.to_string(),
        "code": refusal.code(),
    })
}
