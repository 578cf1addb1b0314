//! The API document by the NL API Design Rules: what every operation has in common is said once, here.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, Content, InfoBuilder, LicenseBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, SecurityRequirement, ServerBuilder, tag::TagBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use voorveld_chassis::problem::{MEDIA_TYPE, Problem, ProblemDetail, ProblemType};

use super::templates::TemplateFormat;
use super::{API_VERSION, BASE, Door};

/// Where an installation says nothing else. Reserved for documents, so nobody lives there.
const EXAMPLE_URL: &str = "https://voorveld.example";
const KEY_SCHEME: &str = "partnerKey";

/// The document before its paths.
pub fn base() -> OpenApi {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("vv_<prefix>_<secret>")
        .description(Some(
            "Your API key. You saw it once; keep it secret. It can be replaced without a gap.",
        ))
        .build();
    let components = ComponentsBuilder::new()
        .schema(Problem::name(), Problem::schema())
        .schema(ProblemDetail::name(), ProblemDetail::schema())
        .schema(TemplateFormat::name(), TemplateFormat::schema())
        .security_scheme(KEY_SCHEME, SecurityScheme::Http(key))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Voorveld: early signals")
                .version(API_VERSION)
                .description(Some(
                    "Partners' door of a municipality for early signals of need. Errors are problem+json (RFC 9457), in Dutch, and never repeat a \
                     value. Dates are civil dates in the Netherlands, instants are UTC.",
                ))
                .contact(Some(
                    ContactBuilder::new()
                        .name(Some("Voorveld"))
                        .url(Some(EXAMPLE_URL))
                        .email(Some("beheer@voorveld.example"))
                        .build(),
                ))
                .license(Some(
                    LicenseBuilder::new()
                        .name("EUPL-1.2")
                        .identifier(Some("EUPL-1.2"))
                        .build(),
                ))
                .build(),
        )
        .tags(Some([
            TagBuilder::new()
                .name("signals")
                .description(Some("One signal, or up to a thousand."))
                .build(),
            TagBuilder::new()
                .name("deliveries")
                .description(Some("Files with up to 500,000 signals."))
                .build(),
            TagBuilder::new()
                .name("completeness")
                .description(Some("Through which day you have delivered everything."))
                .build(),
            TagBuilder::new()
                .name("templates")
                .description(Some("What may be sent, and how."))
                .build(),
            TagBuilder::new()
                .name("document")
                .description(Some("This document."))
                .build(),
        ]))
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(
            KEY_SCHEME,
            [],
        )]))
        .build()
}

/// Says what goes for every operation, and where the API is.
pub fn finish(mut api: OpenApi, public_url: Option<&str>) -> OpenApi {
    let url = public_url.unwrap_or(EXAMPLE_URL).trim_end_matches('/');
    api.servers = Some(vec![
        ServerBuilder::new().url(format!("{url}{BASE}")).build(),
    ]);
    for item in api.paths.paths.values_mut() {
        let read = [&mut item.get, &mut item.delete];
        for operation in read.into_iter().flatten() {
            let asks = operation
                .parameters
                .as_ref()
                .is_some_and(|all| !all.is_empty());
            complete(operation, asks, false);
        }
        let write = [&mut item.post, &mut item.put, &mut item.patch];
        for operation in write.into_iter().flatten() {
            complete(operation, true, true);
        }
    }
    api
}

fn complete(operation: &mut Operation, has_input: bool, has_body: bool) {
    let is_open = operation.security.as_ref().is_some_and(Vec::is_empty);
    let mut problems = vec![ProblemType::Internal];
    if has_input {
        problems.push(ProblemType::InvalidRequest);
        problems.push(ProblemType::NotFound);
    }
    if operation.tags.iter().flatten().any(|tag| tag == "signals") {
        problems.push(ProblemType::Gone);
    }
    if !is_open {
        problems.extend([ProblemType::Unauthenticated, ProblemType::Unavailable]);
    }
    if has_body {
        problems.extend([
            ProblemType::RequestTimeout,
            ProblemType::TooLarge,
            ProblemType::UnsupportedMediaType,
            ProblemType::TooManyRequests,
        ]);
    }
    for problem in problems {
        let status = problem.status().as_u16().to_string();
        operation
            .responses
            .responses
            .entry(status)
            .or_insert_with(|| RefOr::T(problem_response(problem)));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && (status.starts_with('2') || status.starts_with('3'))
        {
            let version = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
                .description(Some("The full version of the API."))
                .build();
            response
                .headers
                .insert("API-Version".to_owned(), version.into());
        }
    }
}

fn problem_response(problem: ProblemType) -> utoipa::openapi::Response {
    let mut response = ResponseBuilder::new()
        .description(problem.title())
        .content(
            MEDIA_TYPE,
            Content::new(Some(Ref::from_schema_name(Problem::name()))),
        )
        .build();
    if matches!(
        problem,
        ProblemType::TooManyRequests | ProblemType::Unavailable
    ) {
        let header = HeaderBuilder::new()
            .schema(Some(
                ObjectBuilder::new().schema_type(Type::Integer).build(),
            ))
            .description(Some("Seconds to wait before sending it again."))
            .build();
        response
            .headers
            .insert("Retry-After".to_owned(), header.into());
    }
    response
}

/// Read this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "readDocument", tag = "document",
    security(()),
    responses((status = 200, description = "The API document.", body = Object, content_type = "application/json",
        headers(("Access-Control-Allow-Origin" = String, description = "Always `*`: anybody may read it.")))),
)]
pub async fn read_document(State(door): State<Door>) -> Response {
    let mut response = door.document.as_ref().clone().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
