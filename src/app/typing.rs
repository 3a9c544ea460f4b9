//! Typing indicators. Never kept; the server ends them after three seconds (contract 5).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::App;
use crate::limits::TYPING_TIMEOUT;
use crate::model::{
    Audience, ConversationId, Envelope, Error, Event, Identity, Reply, TenantId, Typing, UserId,
};

/// Who types where, and until when.
#[derive(Default)]
pub(super) struct Typists {
    state: Mutex<State>,
    wake: Notify,
}

/// Who types, and who may hear it beside those who take part.
pub(super) type Typed = (Typing, Arc<Audience>);

type Key = (TenantId, ConversationId, UserId);

#[derive(Default)]
struct State {
    typing: HashMap<Key, (Instant, Typed)>,
    /// In the order of their deadlines, because all wait equally long.
    deadlines: VecDeque<(Instant, Key)>,
}

impl Typists {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, key: Key, typing: Typed) {
        let until = Instant::now() + TYPING_TIMEOUT;
        let mut state = self.lock();
        state.typing.insert(key.clone(), (until, typing));
        state.deadlines.push_back((until, key));
        drop(state);
        self.wake.notify_one();
    }

    fn stop(&self, key: &Key) -> Option<Typed> {
        self.lock().typing.remove(key).map(|(_, typing)| typing)
    }

    /// Those whose time is up, and when to look again.
    fn expire(&self) -> (Vec<(TenantId, Typed)>, Option<Instant>) {
        let (now, mut ended) = (Instant::now(), Vec::new());
        let mut state = self.lock();
        while let Some((until, _)) = state.deadlines.front()
            && *until <= now
            && let Some((until, key)) = state.deadlines.pop_front()
        {
            // Whoever typed on meanwhile has a later deadline further behind.
            if state.typing.get(&key).is_some_and(|(latest, _)| *latest == until)
                && let Some((_, typing)) = state.typing.remove(&key)
            {
                ended.push((key.0, typing));
            }
        }
        let next = state.deadlines.front().map(|(until, _)| *until);
        (ended, next)
    }
}

/// Tells the others in the conversation that `who` types, or stopped.
pub(super) async fn set(
    app: &App,
    who: &Identity,
    session_id: ConversationId,
    is_typing: bool,
) -> Result<Reply, Error> {
    let conversation = app.conversation_to_write(who, session_id).await?;
    let key = (who.tenant.clone(), session_id, who.user.clone());
    let name = who.name.clone().or_else(|| {
        let is_customer = conversation.customer.as_ref() == Some(&who.user);
        conversation.name.as_deref().filter(|_| is_customer).map(Arc::from)
    });
    let typing = Typing {
        session_id,
        user_id: who.user.clone(),
        sender_type: who.user_type,
        name,
        is_typing,
    };
    let audience = Arc::new(conversation.audience());
    if is_typing {
        app.0.typing.start(key, (typing.clone(), audience.clone()));
    } else if app.0.typing.stop(&key).is_none() {
        return Ok(Reply::Done);
    }
    app.metrics.typing_total.inc();
    app.publish_typing(&who.tenant, typing, audience);
    Ok(Reply::Done)
}

impl App {
    /// Tells that somebody types who needs no permission.
    pub(super) fn begin_typing(&self, tenant: &TenantId, typing: Typing, audience: Arc<Audience>) {
        let key = (tenant.clone(), typing.session_id, typing.user_id.clone());
        self.0.typing.start(key, (typing.clone(), audience.clone()));
        self.publish_typing(tenant, typing, audience);
    }

    /// Ends a user's typing, because it said what it typed, or left.
    pub(super) fn end_typing(&self, tenant: &TenantId, id: ConversationId, user: &UserId) {
        let key = (tenant.clone(), id, user.clone());
        if let Some((typing, audience)) = self.0.typing.stop(&key) {
            self.publish_typing(tenant, Typing { is_typing: false, ..typing }, audience);
        }
    }

    /// Ends whatever typing has lasted too long. Runs for ever.
    pub async fn end_stale_typing(&self) {
        loop {
            let (ended, next) = self.0.typing.expire();
            for (tenant, (typing, audience)) in ended {
                self.publish_typing(&tenant, Typing { is_typing: false, ..typing }, audience);
            }
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => self.0.typing.wake.notified().await,
            }
        }
    }

    fn publish_typing(&self, tenant: &TenantId, typing: Typing, audience: Arc<Audience>) {
        let envelope = Envelope::volatile(tenant.clone(), Event::Typing(typing));
        self.tell_now(Envelope { audience: Some(audience), ..envelope });
    }
}
