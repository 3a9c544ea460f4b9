//! Sending messages and reading them again.

use std::sync::Arc;

use uuid::Uuid;

use super::{App, Connection};
use crate::log::{self, Change, Outcome};
use crate::model::{
    Conversation, ConversationId, Error, Event, History, HistoryRange, Identity, Message, Receipt,
    Reopened, Reply, Role, Sent, Status,
};

/// Checks a message and gives it its place in the order; the future ends when the disk has it.
///
/// # Errors
/// Why it is refused; nothing was kept then.
pub(super) async fn start_send(
    app: &App,
    who: &Identity,
    id: ConversationId,
    content: String,
    client_id: Option<String>,
) -> Result<impl Future<Output = Result<Reply, Error>> + Send + use<>, Error> {
    let body = check_text(content, app.config.limits.message_bytes)?;
    check_client_id(client_id.as_deref())?;
    let conversation = app.conversation_to_write(who, id).await?;
    let length = body.len();
    let message = Event::Message(message(who, &conversation, body, client_id));
    let mut change = Change::of(message.clone());
    if conversation.status == Status::Closed {
        change.events.splice(0..0, reopen(app, who, &conversation));
    }
    let pending = app.log.append(&who.tenant, change).await.map_err(|e| app.fault(e))?;
    let (app, who) = (app.clone(), who.clone());
    Ok(async move {
        let outcomes = match pending.committed().await {
            // It was closed while the message was on its way.
            Err(log::Error::Closed) => app.send_reopening(&who, &conversation, message).await?,
            outcomes => outcomes.map_err(|e| app.fault(e))?,
        };
        let sent = sent(&outcomes)?;
        if matches!(outcomes.last(), Some(Outcome::Kept(_))) {
            app.metrics.messages_total.inc();
            tracing::debug!(conversation = %id, sender = %who.user, length, "message kept");
        }
        Ok(Reply::Sent(sent))
    })
}

pub(super) fn message(
    who: &Identity,
    conversation: &Conversation,
    body: String,
    client_id: Option<String>,
) -> Message {
    let given = conversation.name.as_deref().filter(|_| who.role == Role::Customer);
    Message {
        session_id: conversation.id,
        message_id: Uuid::now_v7(),
        seq: 0,
        client_id,
        sender_id: who.user.clone(),
        sender_type: who.user_type,
        sender_name: who.name.clone().or_else(|| given.map(Arc::from)),
        body,
    }
}

/// A message after the close takes the conversation up again: back to the queue, then said.
pub(super) fn reopen(app: &App, who: &Identity, conversation: &Conversation) -> [Event; 2] {
    let queued = app.queued(&who.tenant, conversation);
    let by = who.user.clone();
    let reopened = Event::Reopened(Reopened { session_id: conversation.id, by, agent_id: None });
    [reopened, Event::Queued(queued)]
}

pub(super) fn sent(outcomes: &[Outcome]) -> Result<Sent, Error> {
    let envelope = outcomes.last().and_then(Outcome::envelope);
    match envelope.map(|e| (&e.event, e.at)) {
        Some((Event::Message(m), at)) => Ok(Sent { id: m.message_id, seq: m.seq, at }),
        // The log answers each event in its place, and the message came last.
        _ => Err(Error::Unavailable("the message was not kept".into())),
    }
}

/// Removes control characters other than newline and tab; what is left must say something.
pub(super) fn check_text(content: String, bytes_max: usize) -> Result<String, Error> {
    if content.len() > bytes_max {
        return Err(Error::TooLarge { max_bytes: bytes_max });
    }
    let is_unwanted = |c: char| (c < ' ' && c != '\n' && c != '\t') || c == '\u{7f}';
    let text =
        if content.contains(is_unwanted) { content.replace(is_unwanted, "") } else { content };
    if text.trim().is_empty() {
        return Err(Error::Invalid { field: "content", reason: "is empty".into() });
    }
    Ok(text)
}

pub(super) fn check_client_id(client_id: Option<&str>) -> Result<(), Error> {
    match client_id {
        Some(id) if id.is_empty() || id.len() > 128 => {
            Err(Error::Invalid { field: "client_id", reason: "must have 1 to 128 bytes".into() })
        }
        _ => Ok(()),
    }
}

impl App {
    async fn send_reopening(
        &self,
        who: &Identity,
        conversation: &Conversation,
        message: Event,
    ) -> Result<Vec<Outcome>, Error> {
        let mut change = Change::of(message);
        change.events.splice(0..0, reopen(self, who, conversation));
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))
    }

    /// Sends a message and waits until it is kept; the REST way.
    ///
    /// # Errors
    /// Why it is refused; nothing was kept then.
    pub async fn send(
        &self,
        who: &Identity,
        id: ConversationId,
        content: String,
        client_id: Option<String>,
    ) -> Result<Sent, Error> {
        match start_send(self, who, id, content, client_id).await?.await? {
            Reply::Sent(sent) => Ok(sent),
            _ => Err(Error::Unavailable("the message was not kept".into())),
        }
    }

    /// A page of messages, for somebody whose look is audited already. Who reads them has had them
    /// delivered.
    ///
    /// # Errors
    /// 403 or 404.
    pub async fn history(
        &self,
        who: &Identity,
        id: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        self.conversation_for(who, id).await?;
        let limits = &self.config.limits;
        let asked = range.limit.map_or(limits.history_page as u64, |l| l.max(1));
        let limit = Some(asked.min(limits.history_page_max as u64));
        let range = HistoryRange { limit, ..range };
        let history = self.log.messages(&who.tenant, id, range).await;
        let history = history.map_err(|e| self.fault(e))?;
        self.note_delivered(who, &history.messages);
        Ok(history)
    }

    /// A page of messages for a connection: one that takes part has its look audited already.
    pub(super) async fn history_on(
        &self,
        conn: &Connection,
        id: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        match conn.rooms.iter().any(|room| room.id == id) {
            true => self.history(&conn.who, id, range).await,
            false => self.messages(&conn.who, id, range).await,
        }
    }

    /// A page of messages; an admin's look is audited.
    ///
    /// # Errors
    /// 403 or 404.
    pub async fn messages(
        &self,
        who: &Identity,
        id: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        let conversation = self.conversation_for(who, id).await?;
        self.audit_look(who, &conversation).await?;
        self.history(who, id, range).await
    }

    /// Marks messages of others as delivered to `who`; told to all shortly after.
    pub fn note_delivered(&self, who: &Identity, messages: &[Arc<crate::model::Envelope>]) {
        let mut noted: Vec<ConversationId> = Vec::new();
        // Of each conversation only the newest counts, and there are few in a page.
        for envelope in messages.iter().rev() {
            let Event::Message(m) = &envelope.event else { continue };
            if m.sender_id == who.user || noted.contains(&m.session_id) {
                continue;
            }
            noted.push(m.session_id);
            self.0.receipts.note(&who.tenant, m.session_id, &who.user, m.seq, Receipt::Delivered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_text_stays_text() {
        let clean = |t: &str| check_text(t.to_owned(), 100);
        assert_eq!(clean("a\u{0}b\u{1b}[31m\tc\n").unwrap(), "ab[31m\tc\n");
        assert_eq!(clean("<b>&amp;</b>").unwrap(), "<b>&amp;</b>");
        assert!(matches!(clean(" \u{7}\n"), Err(Error::Invalid { field: "content", .. })));
        assert_eq!(check_text("x".repeat(101), 100), Err(Error::TooLarge { max_bytes: 100 }));
    }
}
