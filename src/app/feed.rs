//! From the log's tail to the hub, in log order: the only way a durable event gets out. The bot's
//! questions come this way, too (ADR 22), and so does what routing needs to know and what webhooks
//! wait for. Nothing here waits but for the tail, and for routing when it is far behind; but it makes
//! way now and then, so that those who listen can empty their outboxes between the events of a large
//! commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::yield_now;

use crate::broker::Word;
use crate::hub::{Publication, Reach};
use crate::limits::{FEED_BURST_EVENTS, FEED_TURN_CONNECTIONS};
use crate::log::{Tail, Told};
use crate::model::{Envelope, Event};

use super::App;

/// How far the feed is.
#[derive(Default)]
pub(super) struct Pulse {
    taken: AtomicU64,
    events: AtomicU64,
    done: AtomicU64,
}

impl Pulse {
    fn progress(&self) -> FeedProgress {
        FeedProgress {
            taken: self.taken.load(Ordering::Acquire),
            events: self.events.load(Ordering::Acquire),
            done: self.done.load(Ordering::Acquire),
        }
    }
}

/// How far the feed was at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedProgress {
    taken: u64,
    events: u64,
    done: u64,
}

impl FeedProgress {
    /// Whether it has something to do and has done nothing since. One that is through with all that
    /// the tail gave it does not stand still.
    pub fn stands_still_since(&self, before: &FeedProgress) -> bool {
        self.taken != self.done && self == before
    }
}

impl App {
    /// How far the feed is, for those who watch whether it goes on.
    pub fn feed_progress(&self) -> FeedProgress {
        self.0.pulse.progress()
    }

    /// Tells what no log keeps, on every node.
    pub(super) fn tell_now(&self, envelope: Envelope) {
        let envelope = Arc::new(envelope);
        self.broker.tell(Word::Volatile(envelope.clone()));
        self.tell_here(envelope);
    }

    /// Tells what no log keeps to those who listen here. The other nodes know it by themselves.
    pub(super) fn tell_here(&self, envelope: Arc<Envelope>) {
        self.hub.publish(&Publication::new(envelope));
    }

    /// Publishes what the log tells. Ends when the log is closed and read to its end.
    pub async fn feed_hub(&self, mut tail: Tail) {
        let mut burst = 0;
        while let Some(told) = tail.recv().await {
            let (events, is_own) = match told {
                Told::Events { events, is_own } => (events, is_own),
                Told::StaffChanged(tenant) => {
                    self.note_staff_changed(tenant);
                    continue;
                }
            };
            self.0.pulse.taken.fetch_add(1, Ordering::AcqRel);
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
                self.hand_to_webhooks(&envelope, is_own);
                self.hand_to_export(&envelope);
                self.hand_to_routing(&envelope).await;
                self.0.pulse.events.fetch_add(1, Ordering::AcqRel);
                burst += usize::from(reach.taken > 0);
                if burst == FEED_BURST_EVENTS {
                    burst = 0;
                    make_way(reach).await;
                }
            }
            self.0.pulse.done.fetch_add(1, Ordering::AcqRel);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_stands_still_if_it_is_busy_and_gets_no_further() {
        let (pulse, add) = (Pulse::default(), |count: &AtomicU64| {
            count.fetch_add(1, Ordering::AcqRel);
        });
        let idle = pulse.progress();
        assert!(!idle.stands_still_since(&idle));
        add(&pulse.taken);
        let busy = pulse.progress();
        assert!(!busy.stands_still_since(&idle) && busy.stands_still_since(&busy));
        add(&pulse.events);
        assert!(!pulse.progress().stands_still_since(&busy));
        let busy = pulse.progress();
        add(&pulse.done);
        let done = pulse.progress();
        assert!(!done.stands_still_since(&busy) && !done.stands_still_since(&done));
    }
}
