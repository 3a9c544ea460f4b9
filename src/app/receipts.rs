//! Delivered and read marks.
//!
//! Reading is a command and waits for the disk. Deliveries come by the thousand, so they gather:
//! both are cumulative, so only the latest of a conversation matters, and a task commits what has
//! gathered a few times a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::App;
use crate::limits::DELIVERY_MARK_INTERVAL;
use crate::log::Change;
use crate::model::{
    ConversationId, Error, Event, Identity, MessageStatus, Receipt, Reply, TenantId, UserId,
};

/// Delivery marks that wait for their commit.
#[derive(Default)]
pub(super) struct Marks {
    waiting: Mutex<HashMap<(TenantId, ConversationId), MessageStatus>>,
    wake: Notify,
}

impl Marks {
    pub(super) fn note(
        &self,
        tenant: &TenantId,
        session_id: ConversationId,
        user: &UserId,
        seq: u64,
        status: Receipt,
    ) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let user_id = user.clone();
        let mark = MessageStatus { session_id, seq, user_id, status };
        let known = waiting.entry((tenant.clone(), session_id)).or_insert_with(|| mark.clone());
        if known.seq < seq {
            *known = mark;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn take(&self) -> HashMap<(TenantId, ConversationId), MessageStatus> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All messages up to `seq` were seen by `who`.
pub(super) async fn read(
    app: &App,
    who: &Identity,
    session_id: ConversationId,
    seq: u64,
) -> Result<Reply, Error> {
    let conversation = app.conversation_for(who, session_id).await?;
    if seq == 0 || seq > conversation.last_seq {
        let reason = format!("there is no message {seq}");
        return Err(Error::Invalid { field: "seq", reason });
    }
    let user_id = who.user.clone();
    // A delivery that waits is told before what was read of it.
    let delivered = app.0.receipts.take_one(&who.tenant, session_id);
    let read = MessageStatus { session_id, seq, user_id, status: Receipt::Read };
    let events = delivered.into_iter().chain([read]).map(Event::MessageStatus).collect();
    let change = Change::events(events);
    app.log.commit(&who.tenant, change).await.map_err(|e| app.fault(e))?;
    Ok(Reply::Done)
}

impl Marks {
    fn take_one(&self, tenant: &TenantId, id: ConversationId) -> Option<MessageStatus> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&(tenant.clone(), id))
    }
}

impl App {
    /// Commits delivery marks as they gather. Runs until the log closes.
    pub async fn keep_delivery_marks(&self) {
        loop {
            self.0.receipts.wake.notified().await;
            if self.commit_marks().await.is_err() {
                return;
            }
            tokio::time::sleep(DELIVERY_MARK_INTERVAL).await;
        }
    }

    async fn commit_marks(&self) -> Result<(), crate::log::Error> {
        let mut pending = Vec::new();
        for ((tenant, _), mark) in self.0.receipts.take() {
            pending.push(self.log.append(&tenant, Change::of(Event::MessageStatus(mark))).await?);
        }
        for commit in pending {
            // A mark that fails is no loss: the next delivery says the same and more.
            if let Err(err) = commit.committed().await {
                tracing::warn!(error = %err, "a delivery mark was not kept");
            }
        }
        Ok(())
    }
}
