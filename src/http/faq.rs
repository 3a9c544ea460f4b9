//! `/api/faq`: what the built-in bot answers from, kept by admins.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Created, Input, Nothing, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::openapi::Refused;
use crate::app::{FaqChange, NewFaq};
use crate::model::{Error, FaqEntry, Moment};

/// Which entries are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "blank_as_none")]
    cursor: Option<Uuid>,
    /// At most so many: 50 when absent, 200 at most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of the FAQ, oldest entries first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaqPage {
    /// The entries.
    entries: Vec<ShownFaq>,
    /// Where the next page starts; null on the last one.
    next_cursor: Option<Uuid>,
}

/// An entry of the FAQ.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownFaq {
    /// Its id.
    id: Uuid,
    /// Its language, a tag such as `en`, `id` or `en-GB`.
    language: String,
    /// The question as a customer would put it.
    question: String,
    /// Other ways to put it, and words that mean it.
    wordings: Vec<String>,
    /// The answer.
    answer: String,
    /// Whether the bot may answer with it.
    enabled: bool,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Moment,
}

impl From<FaqEntry> for ShownFaq {
    fn from(entry: FaqEntry) -> ShownFaq {
        let FaqEntry { id, language, question, wordings, answer, is_enabled, updated_at } = entry;
        ShownFaq { id, language, question, wordings, answer, enabled: is_enabled, updated_at }
    }
}

/// A new entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "language": "en",
    "question": "When are you open?",
    "wordings": ["opening hours"],
    "answer": "Monday to Friday from 9 to 17.",
}))]
pub(super) struct NewEntry {
    /// Its language, a tag such as `en`, `id` or `en-GB`.
    language: String,
    /// The question, up to 500 characters.
    question: String,
    /// Other ways to put it, up to 30 of 500 characters each.
    #[serde(default)]
    wordings: Vec<String>,
    /// The answer, up to `bot.answer_bytes` (4 KiB).
    answer: String,
    /// Whether the bot may answer with it; true when absent.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// What is to be different in an entry; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"answer": "Monday to Saturday from 9 to 17."}))]
pub(super) struct EntryChange {
    /// Its language.
    language: Option<String>,
    /// The question.
    question: Option<String>,
    /// Other ways to put it: all of them, not those to be added.
    wordings: Option<Vec<String>>,
    /// The answer.
    answer: Option<String>,
    /// Whether the bot may answer with it.
    enabled: Option<bool>,
}

/// The FAQ of the tenant
#[utoipa::path(
    get,
    path = "/api/faq",
    operation_id = "list_faq",
    tag = "administration",
    params(Range),
    responses(
        (status = 200, description = "A page of the FAQ", body = Answer<FaqPage>),
        Refused<400>, Refused<401>, Refused<403>, Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Range>,
    Caller(who): Caller,
) -> Result<Answer<FaqPage>, Refusal> {
    let limit = parts.page_of(asked.limit);
    // One more than asked for tells whether there are more.
    let mut found = parts.app.faq(&who, asked.cursor, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|entry| entry.id);
    let entries = found.into_iter().map(ShownFaq::from).collect();
    Ok(Answer::of("FAQ retrieved successfully", FaqPage { entries, next_cursor }))
}

/// Adds an entry to the FAQ
#[utoipa::path(
    post,
    path = "/api/faq",
    operation_id = "create_faq",
    tag = "administration",
    request_body = NewEntry,
    responses(
        (status = 201, description = "The entry", body = Answer<ShownFaq>),
        Refused<400>, Refused<401>, Refused<403>, Refused<409>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn create(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<NewEntry>,
) -> Result<Created<ShownFaq>, Refusal> {
    let NewEntry { language, question, wordings, answer, enabled } = new;
    let new = NewFaq { language, question, wordings, answer, is_enabled: enabled };
    let entry = parts.app.add_faq(&who, new).await?;
    Ok(Created(Answer::of("FAQ entry created successfully", entry.into())))
}

/// An entry of the FAQ
#[utoipa::path(
    get,
    path = "/api/faq/{id}",
    operation_id = "get_faq",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The entry's id")),
    responses(
        (status = 200, description = "The entry", body = Answer<ShownFaq>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn show(
    State(parts): State<Parts>,
    id: Result<Path<Uuid>, PathRejection>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<ShownFaq>, Refusal> {
    let id = entry_id(id)?;
    let Caller(who) = who?;
    let entry = parts.app.faq_entry(&who, id).await?;
    Ok(Answer::of("FAQ entry retrieved successfully", entry.into()))
}

/// Changes an entry of the FAQ
#[utoipa::path(
    patch,
    path = "/api/faq/{id}",
    operation_id = "update_faq",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The entry's id")),
    request_body = EntryChange,
    responses(
        (status = 200, description = "The entry as it is now", body = Answer<ShownFaq>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn update(
    State(parts): State<Parts>,
    id: Result<Path<Uuid>, PathRejection>,
    who: Result<Caller, Refusal>,
    Input(change): Input<EntryChange>,
) -> Result<Answer<ShownFaq>, Refusal> {
    let id = entry_id(id)?;
    let Caller(who) = who?;
    let EntryChange { language, question, wordings, answer, enabled } = change;
    let change = FaqChange { language, question, wordings, answer, is_enabled: enabled };
    let entry = parts.app.change_faq(&who, id, change).await?;
    Ok(Answer::of("FAQ entry updated successfully", entry.into()))
}

/// Takes an entry out of the FAQ
#[utoipa::path(
    delete,
    path = "/api/faq/{id}",
    operation_id = "delete_faq",
    tag = "administration",
    params(("id" = Uuid, Path, description = "The entry's id")),
    responses(
        (status = 200, description = "It is gone", body = Answer<Nothing>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn remove(
    State(parts): State<Parts>,
    id: Result<Path<Uuid>, PathRejection>,
    who: Result<Caller, Refusal>,
) -> Result<Answer<Nothing>, Refusal> {
    let id = entry_id(id)?;
    let Caller(who) = who?;
    parts.app.remove_faq(&who, id).await?;
    Ok(Answer::of("FAQ entry deleted successfully", Nothing {}))
}

fn entry_id(id: Result<Path<Uuid>, PathRejection>) -> Result<Uuid, Error> {
    let bad = |_| Error::InvalidId("FAQ entry id: invalid UUID format".into());
    id.map(|Path(id)| id).map_err(bad)
}
