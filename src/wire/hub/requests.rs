//! What clients send in the hub dialect, as the library reads it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::model::Error;

#[derive(Deserialize)]
pub(super) struct FrameIn<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a RawValue,
    #[serde(borrow, default)]
    pub(super) payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct SubscribeIn {
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) after: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct UnsubscribeIn {
    pub(super) events: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct MessageIn {
    #[serde(default)]
    pub(super) session_id: Option<String>,
    pub(super) body: String,
    #[serde(default)]
    pub(super) client_id: Option<String>,
}

/// Enough of a broken message to say which one was broken.
#[derive(Deserialize)]
pub(super) struct ClientIdOnly {
    #[serde(default)]
    pub(super) client_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TypingIn {
    #[serde(default)]
    pub(super) session_id: Option<String>,
    pub(super) is_typing: bool,
}

#[derive(Deserialize)]
pub(super) struct ReadIn {
    pub(super) notification_ids: Vec<Uuid>,
}

#[derive(Deserialize)]
pub(super) struct AuthenticateIn {
    pub(super) token: String,
}

/// The payload of a frame, with the path to what is wrong in it.
pub(super) fn payload<T: DeserializeOwned>(
    kind: &str,
    payload: Option<&RawValue>,
) -> Result<T, Error> {
    let text = payload.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        return Err(Error::BadFrame(format!("{kind}: payload: expected an object")));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|err| {
        let (path, reason) = (err.path().to_string(), err.inner().to_string());
        let path = if path == "." { "payload".into() } else { format!("payload.{path}") };
        Error::BadFrame(format!("{kind}: {path}: {reason}"))
    })
}
