//! What clients send in the session dialect, as the library reads it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::Error;

#[derive(Deserialize)]
pub(super) struct FrameIn<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a RawValue,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct MessageIn {
    pub(super) content: String,
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
    pub(super) is_typing: bool,
}

#[derive(Deserialize)]
pub(super) struct ReadIn {
    pub(super) seq: u64,
}

#[derive(Deserialize, Default)]
pub(super) struct HistoryIn {
    #[serde(default)]
    pub(super) before: Option<u64>,
    #[serde(default)]
    pub(super) after: Option<u64>,
    #[serde(default)]
    pub(super) limit: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct AuthenticateIn {
    pub(super) token: String,
}

pub(super) fn data<'a, T: Deserialize<'a>>(
    kind: &str,
    data: Option<&'a RawValue>,
) -> Result<T, Error> {
    let text = data.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        return Err(Error::BadFrame(format!("{kind}: data: expected an object")));
    }
    serde_json::from_str(text).map_err(|err| Error::BadFrame(format!("{kind}: data: {err}")))
}
