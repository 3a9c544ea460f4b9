//! What REST reads and what it answers: bodies, parameters and ids that are refused in the
//! contract's words when they cannot be read, and the two shapes of an answer (contract 8).
//! Knows no resource.

use std::error::Error as _;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Parts;
use crate::door;
use crate::limits::{REST_BODY_BYTES_MAX, REST_BODY_TIMEOUT};
use crate::model::{ConversationId, Error};

/// A request that was carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<T> {
    /// True; a refusal has another shape.
    #[schema(example = true)]
    success: bool,
    /// What happened, for people.
    #[schema(value_type = String)]
    message: &'static str,
    /// What was asked for.
    data: T,
}

impl<T> Answer<T> {
    /// An answer with its message.
    pub(super) fn of(message: &'static str, data: T) -> Answer<T> {
        Answer { success: true, message, data }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// A long list as an answer. Room for it is made once, because a body of megabytes that grows is
/// copied over and over.
pub(super) struct LongList<T> {
    answer: Answer<Vec<T>>,
    entry_bytes: usize,
}

impl<T> LongList<T> {
    /// An answer whose entries take about so many bytes each.
    pub(super) fn of(message: &'static str, entries: Vec<T>, entry_bytes: usize) -> LongList<T> {
        LongList { answer: Answer::of(message, entries), entry_bytes }
    }
}

impl<T: Serialize> IntoResponse for LongList<T> {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(self.answer.data.len() * self.entry_bytes + 256);
        match serde_json::to_writer(&mut body, &self.answer) {
            Ok(()) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            // The same again, to be refused as any other.
            Err(_) => self.answer.into_response(),
        }
    }
}

/// The data of an answer that has none: an empty object, so that clients may read it all the same.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nothing {}

/// An answer that made something: 201.
pub(super) struct Created<T>(pub(super) Answer<T>);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

/// Carries an act through to its end even if its client hangs up: what the log has and the rest of
/// the server was not told would stay so.
pub(super) async fn carried_through<T: Send + 'static>(
    act: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(act).await {
        Ok(done) => done,
        // The outer layer makes a fault of it, as of any panic.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

/// A refusal on its way out. The response carries the [`Error`] as an extension, by which the
/// outer layer counts it.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = door::refuse(&self.0);
        response.extensions_mut().insert(self.0);
        response
    }
}

fn malformed(reason: impl Display) -> Refusal {
    Refusal(Error::Malformed(reason.to_string()))
}

/// A JSON body.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Parts> for Input<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Parts) -> Result<Input<T>, Refusal> {
        let body = read(request).await?;
        body.map(Input).ok_or_else(|| malformed("expected a JSON object, not an empty body"))
    }
}

/// A JSON body that may be left out.
pub(super) struct OptionalInput<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Parts> for OptionalInput<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Parts) -> Result<OptionalInput<T>, Refusal> {
        Ok(OptionalInput(read(request).await?.unwrap_or_default()))
    }
}

/// `None` for an empty body, whatever its type. The type is asked for because a page of another
/// origin cannot send this one without a preflight.
async fn read<T: DeserializeOwned>(request: Request) -> Result<Option<T>, Refusal> {
    let is_json = is_json(request.headers());
    let bytes = read_body(request, REST_BODY_BYTES_MAX).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_json {
        return Err(malformed("expected Content-Type: application/json"));
    }
    // The library would also take an array of the fields in their order.
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(malformed("expected a JSON object"));
    }
    match Json::from_bytes(&bytes) {
        Ok(Json(body)) => Ok(Some(body)),
        Err(rejection) => Err(malformed(reason(&rejection))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|s| s == "json" || s.ends_with("+json"))
}

/// The whole body, if it is no larger than this and comes in time.
pub(super) async fn read_body(request: Request, max_bytes: usize) -> Result<Bytes, Refusal> {
    let body = Limited::new(request.into_body(), max_bytes).collect();
    let body = timeout(REST_BODY_TIMEOUT, body).await;
    let body = body.map_err(|_| malformed("the body did not arrive in time"))?;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(err) if err.is::<LengthLimitError>() => Err(Refusal(Error::TooLarge { max_bytes })),
        Err(_) => Err(malformed("the body broke off")),
    }
}

/// The cause alone, which names the field; the library's own sentence names Rust's types.
fn reason(rejection: &dyn std::error::Error) -> String {
    rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string)
}

/// The parameters of a query. Unknown ones are ignored: `token` may stand beside any.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Parts> for Parameters<T> {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<Parameters<T>, Refusal> {
        match Query::from_request_parts(head, parts).await {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(rejection) => {
                Err(malformed(rejection.source().map_or_else(|| rejection.to_string(), reason)))
            }
        }
    }
}

/// Reads a parameter whose name may stand there without a value, as forms send it.
pub(super) fn blank_as_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

/// The one part of a path that is an id, or why it cannot be read.
pub(super) async fn id_of_path(head: &mut request::Parts, parts: &Parts) -> Result<String, String> {
    let path = Path::<String>::from_request_parts(head, parts).await;
    path.map(|Path(id)| id).map_err(|err| err.body_text())
}

/// The conversation that a path names.
pub(super) struct SessionId(pub(super) ConversationId);

impl FromRequestParts<Parts> for SessionId {
    type Rejection = Refusal;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<SessionId, Refusal> {
        let path = Path::<String>::from_request_parts(head, parts).await;
        let id = path.ok().and_then(|Path(id)| ConversationId::parse(&id));
        id.map(SessionId).ok_or(Refusal(Error::InvalidSessionId))
    }
}

/// Tells a field that is null, which takes something away, from one that is not there.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The place behind an id in a list that is in their order. Begins with a letter, which makes it
/// no id and not all digits (contract 1).
pub(super) fn cursor_behind(id: &str) -> String {
    format!("i{id}")
}

/// Reads what [`cursor_behind`] wrote.
pub(super) fn read_cursor<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Error> {
    let id = text.strip_prefix('i').and_then(parse);
    id.ok_or_else(|| Error::Malformed("cursor: is none of this list".into()))
}
