//! `/api/messages` in the words of document 003: for the first load of a page, and for sending
//! when no socket is at hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Parts;
use super::answer::{Answer, Created, Input, Parameters, Refusal, blank_as_none};
use super::caller::Caller;
use super::openapi::Refused;
use crate::model::{
    ConversationId, Envelope, Error, Event, ExternalId, HistoryRange, Identity, Message, Moment,
    Role,
};

/// Which messages are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct Range {
    /// The conversation's id, or a name another system gave it; absent: the caller's own, if it
    /// is a customer.
    #[serde(default, deserialize_with = "blank_as_none")]
    conversation_id: Option<String>,
    /// Only messages after the one with this `seq`.
    #[serde(default, deserialize_with = "blank_as_none")]
    after: Option<u64>,
    /// Only messages before the one with this `seq`.
    #[serde(default, deserialize_with = "blank_as_none")]
    before: Option<u64>,
    /// At most so many, the newest ones unless only `after` is given: 50 when absent, 200 at
    /// most.
    #[serde(default, deserialize_with = "blank_as_none")]
    limit: Option<u64>,
}

/// A page of messages, ascending.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessagePage {
    /// The messages.
    messages: Vec<MessageData>,
    /// Whether there are more in the direction asked for.
    has_more: bool,
}

/// A message as document 003 shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageData {
    /// The conversation, by the id it was asked for.
    #[schema(value_type = String)]
    conversation_id: Arc<str>,
    /// The text. Nothing in it is markup.
    content: String,
    /// Who said it.
    sender: Sender,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Moment,
    /// The message's id.
    message_id: Uuid,
    /// Its number in the conversation: 1, 2, 3 ... without holes.
    seq: u64,
    /// The sender's own id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

/// Who said a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sender {
    /// Its id.
    user_id: String,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user_name: Option<Arc<str>>,
    /// Document 003's role: `admin`, `customer` or `bot`.
    #[schema(value_type = String, example = "admin")]
    role: &'static str,
    /// The role as everywhere else.
    user_type: Role,
}

impl MessageData {
    fn of(conversation_id: &Arc<str>, envelope: &Envelope) -> Option<MessageData> {
        let Event::Message(message) = &envelope.event else { return None };
        let Message {
            message_id, seq, client_id, sender_id, sender_type, sender_name, body, ..
        } = message.clone();
        Some(MessageData {
            conversation_id: conversation_id.clone(),
            content: body,
            sender: Sender {
                user_id: sender_id.to_string(),
                user_name: sender_name,
                role: role_of_003(sender_type),
                user_type: sender_type,
            },
            timestamp: envelope.at,
            message_id,
            seq,
            client_id,
        })
    }
}

/// Document 003 knows two kinds of people and one of programs.
fn role_of_003(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Agent | Role::Admin => "admin",
        Role::Bot | Role::Service => "bot",
    }
}

/// The messages of a conversation
///
/// The answer is bare, without `success` around it.
#[utoipa::path(
    get,
    path = "/api/messages",
    operation_id = "list_messages",
    tag = "messages",
    params(Range),
    responses(
        (status = 200, description = "A page of messages", body = MessagePage),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<429>, Refused<500>,
        Refused<503>,
    ),
)]
pub(super) async fn list(
    State(parts): State<Parts>,
    Parameters(asked): Parameters<Range>,
    who: Result<Caller, Refusal>,
) -> Result<Json<MessagePage>, Refusal> {
    let named = asked.conversation_id.as_deref().map(parse_name).transpose()?;
    let Caller(who) = who?;
    let id = match &named {
        Some(name) => parts.app.conversation_named(&who.tenant, name).await?,
        None => own_conversation(&who)?,
    };
    let shown: Arc<str> = asked.conversation_id.unwrap_or_else(|| id.to_string()).into();
    let range = HistoryRange { before: asked.before, after: asked.after, limit: asked.limit };
    let history = parts.app.messages(&who, id, range).await?;
    let messages = history.messages.iter().filter_map(|e| MessageData::of(&shown, e)).collect();
    Ok(Json(MessagePage { messages, has_more: history.has_more }))
}

/// Every conversation's id fits the alphabet of external ids.
fn parse_name(text: &str) -> Result<ExternalId, Error> {
    ExternalId::parse(text).map_err(|e| Error::InvalidId(format!("conversationId: {e}")))
}

pub(super) fn own_conversation(who: &Identity) -> Result<ConversationId, Error> {
    let own = who.conversations.first().filter(|_| who.role == Role::Customer);
    own.copied().ok_or_else(|| Error::Malformed("conversationId: is missing".into()))
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "conversationId": "550e8400-e29b-41d4-a716-446655440000",
    "content": "Hello",
    "clientId": "m-1",
}))]
pub(super) struct NewMessage {
    /// The conversation's id, or a name another system gave it.
    #[schema(value_type = String)]
    conversation_id: ExternalId,
    /// The text.
    content: String,
    /// The sender's own id for it: a second message with it is known as the first.
    client_id: Option<String>,
}

/// How a message is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// The message's id.
    message_id: Uuid,
    /// Its number in the conversation.
    seq: u64,
    /// When it was kept.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Moment,
}

/// Sends a message
///
/// As a socket would; everybody in the conversation hears it. Answered when it is on disk.
#[utoipa::path(
    post,
    path = "/api/messages",
    operation_id = "send_message",
    tag = "messages",
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message is kept", body = Answer<Kept>),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn send(
    State(parts): State<Parts>,
    Caller(who): Caller,
    Input(new): Input<NewMessage>,
) -> Result<Created<Kept>, Refusal> {
    let id = parts.app.conversation_named(&who.tenant, &new.conversation_id).await?;
    let sent = parts.app.send(&who, id, new.content, new.client_id).await.map_err(in_003s_words)?;
    let kept = Kept { message_id: sent.id, seq: sent.seq, timestamp: sent.at };
    Ok(Created(Answer::of("Message sent successfully", kept)))
}

/// A refusal names the field as the request does.
pub(super) fn in_003s_words(error: Error) -> Error {
    match error {
        Error::Invalid { field: "client_id", reason } => {
            Error::Invalid { field: "clientId", reason }
        }
        other => other,
    }
}
