//! `POST /api/coze/chat`: a question to the bot, in the words of document 003.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Parts;
use super::answer::{Input, Refusal};
use super::caller::Caller;
use super::messages::{in_003s_words, own_conversation};
use super::openapi::Refused;
use crate::app::BotReply;
use crate::model::{ConversationId, Credential, Error, ExternalId, Identity};

/// A question to the bot.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "conversationId": "550e8400-e29b-41d4-a716-446655440000",
    "message": "When are you open?",
}))]
pub(super) struct NewQuestion {
    /// The conversation's id, or a name another system gave it. A customer may leave it out.
    #[schema(value_type = Option<String>)]
    conversation_id: Option<ExternalId>,
    /// In place of it: the same, or the session key that `POST /api/sessions` gave, which needs
    /// no token beside it.
    #[schema(value_type = Option<String>)]
    session_id: Option<ExternalId>,
    /// The question.
    message: String,
    /// The sender's own id for it: asked again under it, the question gets the first answer.
    client_id: Option<String>,
}

/// What came of a question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answered {
    /// What the bot said. Null when it has no say, because a person is in charge.
    answer: Option<String>,
    /// The message that says it; the question's own, when no message does.
    message_id: Uuid,
    /// Whether a person is to answer.
    handoff: bool,
}

impl From<BotReply> for Answered {
    fn from(BotReply { answer, message_id, handoff }: BotReply) -> Answered {
        Answered { answer, message_id, handoff }
    }
}

/// Asks the bot
///
/// The question is kept and heard like any message, and so is the bot's answer. A bot that fails,
/// does not know, or is asked for a person says so and gives the conversation to the queue
/// (`handoff`). Where a person is in charge, the question is one to that person. The answer is
/// bare, without `success` around it.
#[utoipa::path(
    post,
    path = "/api/coze/chat",
    operation_id = "ask_bot",
    tag = "messages",
    request_body = NewQuestion,
    responses(
        (status = 200, description = "What came of it", body = Answered),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<413>, Refused<422>,
        Refused<429>, Refused<500>, Refused<503>,
    ),
)]
pub(super) async fn ask(
    State(parts): State<Parts>,
    who: Result<Caller, Refusal>,
    Input(new): Input<NewQuestion>,
) -> Result<Json<Answered>, Refusal> {
    let NewQuestion { conversation_id, session_id, message, client_id } = new;
    let (who, id) = match (conversation_id, session_id) {
        (Some(_), Some(_)) => {
            let reason = "give either conversationId or sessionId";
            return Err(Error::Malformed(reason.into()).into());
        }
        (Some(name), None) => by_name(&parts, who, &name).await?,
        (None, Some(session)) => by_session(&parts, who, &session).await?,
        (None, None) => {
            let Caller(who) = who?;
            let id = own_conversation(&who)?;
            (who, id)
        }
    };
    let reply = parts.app.ask_bot(&who, id, message, client_id).await;
    Ok(Json(reply.map_err(in_our_words)?.into()))
}

async fn by_name(
    parts: &Parts,
    who: Result<Caller, Refusal>,
    name: &ExternalId,
) -> Result<(Identity, ConversationId), Refusal> {
    let Caller(who) = who?;
    let id = parts.app.conversation_named(&who.tenant, name).await?;
    Ok((who, id))
}

/// A session key proves its customer, whoever's token comes along; any other name needs one.
async fn by_session(
    parts: &Parts,
    who: Result<Caller, Refusal>,
    session: &ExternalId,
) -> Result<(Identity, ConversationId), Refusal> {
    if let Some(customer) = parts.app.customer_by_key(session.as_str()).await? {
        let id = own_conversation(&customer)?;
        return Ok((customer, id));
    }
    match who {
        Err(Refusal(Error::Unauthorized(_))) if parts.app.config.auth.open_sessions => {
            let named = Credential::Session(session.to_string());
            let customer = parts.app.identify_by(&named).await?;
            let id = own_conversation(&customer)?;
            Ok((customer, id))
        }
        who => by_name(parts, who, session).await,
    }
}

/// A refusal names the field as this request does.
fn in_our_words(error: Error) -> Error {
    match error {
        Error::Invalid { field: "content", reason } => Error::Invalid { field: "message", reason },
        other => in_003s_words(other),
    }
}
