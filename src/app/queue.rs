//! Where a waiting conversation stands.
//!
//! The estimate is the average wait of the department's latest assignments (up to 20) when there
//! were any, and otherwise `routing.assumed_wait` for each conversation ahead and for itself.

use super::App;
use crate::log::QueueFigures;
use crate::model::{Conversation, Error, Moment, Queued, TenantId};

impl App {
    /// The event that tells a conversation's place in its queue, now.
    pub(super) async fn queued(
        &self,
        tenant: &TenantId,
        conversation: &Conversation,
    ) -> Result<Queued, Error> {
        let since = conversation.queued_at.unwrap_or(Moment(i64::MAX));
        let figures = self.log.queue(tenant, conversation.department, since).await;
        Ok(self.placed(conversation, figures.map_err(|e| self.fault(e))?))
    }

    /// The same, of a queue that was looked at.
    pub(super) fn placed(&self, conversation: &Conversation, figures: QueueFigures) -> Queued {
        let QueueFigures { ahead, recent_wait_ms } = figures;
        let position = ahead + 1;
        let estimated_wait_seconds = match recent_wait_ms {
            Some(wait_ms) => wait_ms.div_ceil(1000),
            None => position.saturating_mul(self.config.routing.assumed_wait.as_secs()),
        };
        let (session_id, department_id) = (conversation.id, conversation.department);
        Queued { session_id, position, estimated_wait_seconds, department_id }
    }
}
