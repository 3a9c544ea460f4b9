//! Telling one user something, wherever it is connected: 003's `sendToUser`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::App;
use crate::limits::EVENT_NAME_CHARS_MAX;
use crate::log::{Change, Outcome};
use crate::model::{Cursor, Error, Event, Identity, Notification, Scope, UserId, is_own_event};

impl App {
    /// Sends an event to a user of the tenant; returns where it stands in the log.
    ///
    /// # Errors
    /// 403 for anybody but admins and services that may write events, 422 for a name that is a
    /// dialect's own or a notification with fields it does not have.
    pub async fn notify(
        &self,
        who: &Identity,
        user: UserId,
        event: String,
        payload: Map<String, Value>,
    ) -> Result<Option<Cursor>, Error> {
        if !who.is_admin() && !who.scopes.contains(&Scope::EventsWrite) {
            return Err(Error::Forbidden("for admins and keys with events:write only".into()));
        }
        check_name(&event)?;
        let max_bytes = self.config.limits.message_bytes;
        if bytes_of(&payload) > max_bytes {
            return Err(Error::TooLarge { max_bytes });
        }
        let told = match event.as_str() {
            "notification" => known(user, payload)?,
            _ => Notification { data: Some(payload), ..bare(user, Some(event)) },
        };
        let told = Event::Notification(told);
        if !who.events.contains(&told) {
            return Err(Error::Forbidden("the key may not post notification".into()));
        }
        let change = Change::of(told);
        let kept = self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        Ok(kept.first().and_then(Outcome::envelope).and_then(|envelope| envelope.cursor))
    }
}

fn bare(user_id: UserId, event: Option<String>) -> Notification {
    let notification_id = Some(Uuid::now_v7());
    Notification {
        user_id,
        notification_id,
        event,
        kind: None,
        title: None,
        body: None,
        data: None,
    }
}

/// About what it takes in a frame.
fn bytes_of(payload: &Map<String, Value>) -> usize {
    serde_json::to_string(payload).map_or(usize::MAX, |text| text.len())
}

/// Names are those of events anywhere: letters, digits, and what joins words.
fn check_name(event: &str) -> Result<(), Error> {
    let invalid = |reason: &str| Err(Error::Invalid { field: "event", reason: reason.into() });
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if event.is_empty() || event.len() > EVENT_NAME_CHARS_MAX || !event.chars().all(is_word) {
        return invalid("has 1 to 64 characters of A-Z a-z 0-9 _ . : -");
    }
    if is_own_event(event) {
        return invalid("is the name of an event of the server's own");
    }
    Ok(())
}

fn known(user: UserId, payload: Map<String, Value>) -> Result<Notification, Error> {
    let mut told = bare(user, None);
    for (field, value) in payload {
        match (field.as_str(), value) {
            ("kind", Value::String(text)) => told.kind = Some(text),
            ("title", Value::String(text)) => told.title = Some(text),
            ("body", Value::String(text)) => told.body = Some(text),
            ("data", Value::Object(data)) => told.data = Some(data),
            (name, _) => {
                let reason = format!(
                    "{name}: a notification has the texts kind, title and body, and an object data"
                );
                return Err(Error::Invalid { field: "payload", reason });
            }
        }
    }
    Ok(told)
}
