//! What the fields of a webhook may hold, and whose webhook it is.

use uuid::Uuid;

use super::wanted;
use crate::app::App;
use crate::app::audit::check_admin;
use crate::app::people::checked_patterns;
use crate::limits::NAME_CHARS_MAX;
use crate::log::Webhook;
use crate::model::{Cursor, Error, Identity};

impl App {
    /// A webhook of an admin's tenant. A key that is narrowed to some events has only those that
    /// want nothing else: with any other it could send itself what it may not hear.
    pub(super) async fn own_webhook(&self, who: &Identity, id: Uuid) -> Result<Webhook, Error> {
        check_admin(who)?;
        let all = self.log.webhooks(&who.tenant).await.map_err(|e| self.fault(e))?;
        let found = all.into_iter().find(|webhook| webhook.id == id);
        let found = found.ok_or(Error::NotFound("webhook"))?;
        match is_within_reach(who, &found.events) {
            true => Ok(found),
            false => {
                Err(Error::Forbidden("the webhook has events that this key may not hear".into()))
            }
        }
    }

    /// An address that leads where a webhook may go, as it was given.
    pub(super) async fn checked_url(&self, url: &str) -> Result<String, Error> {
        let url = url.trim();
        let checked = self.webhooks.check(url).await;
        checked.map_err(|bad| Error::Invalid { field: "url", reason: bad.to_string() })?;
        Ok(url.to_owned())
    }

    /// A position of the caller's log that can be read on from.
    pub(super) async fn checked_cursor(
        &self,
        who: &Identity,
        field: &'static str,
        text: &str,
    ) -> Result<u64, Error> {
        let invalid = |reason: String| Err(Error::Invalid { field, reason });
        let Some(cursor) = Cursor::parse(text) else { return invalid("is no cursor".into()) };
        let head = self.log.head(&who.tenant).await.map_err(|e| self.fault(e))?;
        if cursor.log != head.log || cursor.position > head.position {
            return invalid("is no cursor of this tenant's log".into());
        }
        let pruned = self.log.pruned_through(&who.tenant).await.map_err(|e| self.fault(e))?;
        if cursor.position < pruned {
            let oldest = Cursor { position: pruned, ..head };
            return invalid(format!(
                "{cursor} is older than what is kept; the oldest cursor that is not is {oldest}"
            ));
        }
        Ok(cursor.position)
    }
}

/// Patterns of events that there are and that the caller may hear; all when none is given.
pub(super) fn checked_events(
    who: &Identity,
    given: Option<Vec<String>>,
) -> Result<Vec<String>, Error> {
    let patterns = checked_patterns("events", given)?;
    if is_within_reach(who, &patterns) {
        return Ok(patterns);
    }
    let reason = "names events that this key may not hear".into();
    Err(Error::Invalid { field: "events", reason })
}

fn is_within_reach(who: &Identity, patterns: &[String]) -> bool {
    wanted(patterns).without(who.events).is_empty()
}

/// What it is for, without the space around it; none if nothing else is there.
pub(super) fn checked_description(given: Option<String>) -> Result<Option<String>, Error> {
    let given = given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let invalid = |reason: String| Err(Error::Invalid { field: "description", reason });
    match given {
        Some(text) if text.chars().count() > NAME_CHARS_MAX => {
            invalid(format!("has more than {NAME_CHARS_MAX} characters"))
        }
        Some(text) if text.chars().any(char::is_control) => {
            invalid("has control characters".into())
        }
        given => Ok(given),
    }
}
