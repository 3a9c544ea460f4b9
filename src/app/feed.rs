//! From the log's tail to the hub, in log order: the only way a durable event gets out. The bot's
//! questions come this way, too (ADR 22), and so does what routing needs to know and what webhooks
//! wait for. Nothing here waits but for the tail, and for routing when it is far behind; but it makes
//! way now and then, so that those who listen can empty their outboxes between the events of a large
//! commit.

use std::sync::Arc;

use tokio::task::yield_now;

use crate::hub::{Publication, Reach};
use crate::limits::{FEED_BURST_EVENTS, FEED_TURN_CONNECTIONS};
use crate::log::{Tail, Told};
use crate::model::{Envelope, Event};

use super::App;

impl App {
    /// Tells what no log keeps.
    pub(super) fn tell_now(&self, envelope: Envelope) {
        self.hub.publish(&Publication::new(Arc::new(envelope)));
    }

    /// Publishes what the log tells. Ends when the log is closed and read to its end.
    pub async fn feed_hub(&self, mut tail: Tail) {
        let mut burst = 0;
        while let Some(told) = tail.recv().await {
            let (events, is_own) = match told {
                Told::Events { events, is_own } => (events, is_own),
                Told::StaffChanged(_) => continue,
            };
            for envelope in events {
                if let Event::Message(message) = &envelope.event {
                    self.end_typing(&envelope.tenant, message.session_id, &message.sender_id);
                    if is_own {
                        self.hear(&envelope);
                    }
                }
                let reach = self.hub.publish(&Publication::new(envelope.clone()));
                self.metrics.deliveries_total.inc_by(reach.taken as u64);
                tell_operator(&envelope, reach);
                self.hand_to_webhooks(&envelope);
                self.hand_to_export(&envelope);
                self.hand_to_routing(&envelope).await;
                burst += usize::from(reach.taken > 0);
                if burst == FEED_BURST_EVENTS {
                    burst = 0;
                    make_way(reach).await;
                }
            }
        }
    }
}

/// Lets those who listen write what they have. As many turns as there are listeners, and not until
/// they are done: a slow one slows nobody else.
async fn make_way(reach: Reach) {
    for _ in 0..=reach.listeners / FEED_TURN_CONNECTIONS {
        yield_now().await;
    }
}

/// The lines of document 002 for the broadcast of a join or a leave.
fn tell_operator(envelope: &Envelope, reach: Reach) {
    let (stage, session) = match &envelope.event {
        Event::Joined(joined) => ("Connect", joined.session_id),
        Event::Left(left) => ("Disconnect", left.session_id),
        _ => return,
    };
    tracing::info!(
        "[{stage}] Broadcasted connection status to session {session}: {}/{} clients received",
        reach.taken,
        reach.listeners
    );
}
