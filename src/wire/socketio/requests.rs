//! What Socket.IO clients send, as the library reads it (document 003, contract 6).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::{Command, ConversationName, Credential, Error, ExternalId, HistoryRange};

/// `auth` of the handshake. `pid` and `offset` are added by clients that come back.
#[derive(Default, Deserialize)]
pub(super) struct AuthIn {
    #[serde(default, deserialize_with = "given")]
    token: Option<String>,
    #[serde(default, rename = "sessionId", deserialize_with = "given")]
    session_id: Option<String>,
    pub(super) after: Option<String>,
    pub(super) pid: Option<String>,
    pub(super) offset: Option<String>,
}

impl AuthIn {
    /// Reads it; a client that sends none says nothing.
    pub(super) fn read(auth: Option<&RawValue>) -> Result<AuthIn, Error> {
        let text = auth.map_or("null", RawValue::get);
        serde_json::from_str::<Option<AuthIn>>(text)
            .map(Option::unwrap_or_default)
            .map_err(|err| Error::BadFrame(format!("auth: {err}")))
    }

    /// What it proves the client with, if with anything. A token that is there and empty proves
    /// nothing, and is refused as any other that does not hold.
    pub(super) fn credential(&self) -> Option<Credential> {
        let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match (&self.token, &self.session_id) {
            (token, Some(session)) if !has(token) => Some(Credential::Session(session.clone())),
            (Some(token), _) => Some(Credential::Token(token.clone())),
            (None, _) => None,
        }
    }
}

/// A field that is there: `null` is what a page sends that has no token.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(field).map(|text: Option<String>| Some(text.unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendIn {
    conversation_id: String,
    content: String,
    client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadIn {
    conversation_id: String,
    seq: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryIn {
    conversation_id: String,
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u64>,
}

/// A conversation, named by itself or in an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum NameIn {
    Plain(String),
    #[serde(rename_all = "camelCase")]
    Inside {
        conversation_id: String,
    },
}

/// Longest name of an unknown event that is repeated in the answer.
const NAME_CHARS_MAX: usize = 64;

/// Reads an event, and the name it gives its conversation.
pub(super) fn command(
    event: &str,
    args: &[&RawValue],
) -> (Option<ExternalId>, Result<Command, Error>) {
    let mut named = None;
    let command = read(event, args.first().copied(), &mut named);
    (named, command)
}

fn read(
    event: &str,
    arg: Option<&RawValue>,
    named: &mut Option<ExternalId>,
) -> Result<Command, Error> {
    let mut note = |text: &str| -> Result<ConversationName, Error> {
        let name = ExternalId::parse(text);
        let name = name.map_err(|err| Error::InvalidId(format!("conversation id: {err}")))?;
        *named = Some(name.clone());
        Ok(ConversationName::Given(name))
    };
    Ok(match event {
        "send_message" => {
            let SendIn { conversation_id, content, client_id } = data(event, arg)?;
            Command::Send { conversation: note(&conversation_id)?, content, client_id }
        }
        "join_conversation" => Command::Join(note(&name(event, arg)?)?),
        "leave_conversation" => Command::Leave(note(&name(event, arg)?)?),
        "typing_start" | "typing_stop" => {
            let conversation = match arg.filter(|arg| arg.get() != "null") {
                Some(_) => note(&name(event, arg)?)?,
                None => ConversationName::Here,
            };
            Command::Typing { conversation, is_typing: event == "typing_start" }
        }
        "message_read" => {
            let ReadIn { conversation_id, seq } = data(event, arg)?;
            Command::Read { conversation: note(&conversation_id)?, seq }
        }
        "history" => {
            let HistoryIn { conversation_id, before, after, limit } = data(event, arg)?;
            let range = HistoryRange { before, after, limit };
            Command::History { conversation: note(&conversation_id)?, range }
        }
        "authenticate" => Command::Authenticate(credential(arg)?),
        other => return Err(Error::UnknownType(other.chars().take(NAME_CHARS_MAX).collect())),
    })
}

/// What `authenticate` proves its client with.
pub(super) fn credential(arg: Option<&RawValue>) -> Result<Credential, Error> {
    let AuthIn { token, session_id, .. } = data("authenticate", arg)?;
    let auth = AuthIn { token, session_id, ..AuthIn::default() };
    let missing = || Error::BadFrame("authenticate expects {token} or {sessionId}".into());
    auth.credential().ok_or_else(missing)
}

fn name(event: &str, arg: Option<&RawValue>) -> Result<String, Error> {
    let shape = || Error::BadFrame(format!("{event} expects the conversation's id, a string"));
    let name = arg.and_then(|arg| serde_json::from_str(arg.get()).ok()).ok_or_else(shape)?;
    Ok(match name {
        NameIn::Plain(id) | NameIn::Inside { conversation_id: id } => id,
    })
}

fn data<T: DeserializeOwned>(event: &str, arg: Option<&RawValue>) -> Result<T, Error> {
    let text = arg.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        return Err(Error::BadFrame(format!("{event} expects an object")));
    }
    serde_json::from_str(text).map_err(|err| Error::BadFrame(format!("{event}: {err}")))
}
