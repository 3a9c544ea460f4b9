//! The calls that have not ended, as the log knows them: kept in the transaction of the events that
//! tell of them, so that a restart, or a line to a telephone system that was down, forgets none.

use async_trait::async_trait;

use super::Error;
use super::change::State;
use crate::model::{Call, CallQueue, Moment, TenantId, UserId};

/// A call that has not ended, as far as anybody told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// As the telephone system names it.
    pub unique_id: String,
    /// Who has it.
    pub agent: Option<UserId>,
    /// The queue it waits in.
    pub queue: Option<String>,
    /// When it was first told of.
    pub began_at: Moment,
    /// When it was taken.
    pub answered_at: Option<Moment>,
}

/// What is asked of the calls.
#[async_trait]
pub trait OpenCalls {
    /// Every call of a tenant that has not ended, in the order of their ids.
    async fn open_calls(&self, tenant: &TenantId) -> Result<Vec<OpenCall>, Error>;
}

impl OpenCall {
    pub(super) fn new(unique_id: &str, began_at: Moment) -> OpenCall {
        let unique_id = unique_id.to_owned();
        OpenCall { unique_id, agent: None, queue: None, began_at, answered_at: None }
    }
}

/// Keeps what an event tells of a call, and adds to the event what is known of it.
pub(super) fn note_call(state: &mut impl State, event: &mut Call, at: Moment) -> Result<(), Error> {
    let known = |state: &mut _, id: &str| -> Result<OpenCall, Error> {
        Ok(State::open_call(state, id)?.unwrap_or_else(|| OpenCall::new(id, at)))
    };
    match event {
        Call::CallIncoming(e) => state.put_open_call(&OpenCall::new(&e.unique_id, at)),
        Call::CallAnswered(e) => {
            let call = known(state, &e.unique_id)?;
            let agent = Some(e.agent_id.clone());
            state.put_open_call(&OpenCall { agent, queue: None, answered_at: Some(at), ..call })
        }
        Call::CallEnded(e) => {
            let ended = state.remove_open_call(&e.unique_id)?;
            e.agent_id = e.agent_id.take().or(ended.and_then(|call| call.agent));
            Ok(())
        }
        Call::CallTransferred(e) => match state.open_call(&e.unique_id)? {
            Some(call) if call.agent.is_some() && call.agent == e.agent_id => {
                state.put_open_call(&OpenCall { agent: None, ..call })
            }
            _ => Ok(()),
        },
        Call::CallHold(_) | Call::CallUnhold(_) => Ok(()),
    }
}

/// Keeps in which queue a call waits.
pub(super) fn note_queue(
    state: &mut impl State,
    event: &CallQueue,
    at: Moment,
) -> Result<(), Error> {
    let (unique_id, queue) = match event {
        CallQueue::QueueJoined(e) => (&e.unique_id, Some(e.queue_name.clone())),
        CallQueue::QueueLeft(e) => (&e.unique_id, None),
        _ => return Ok(()),
    };
    match (state.open_call(unique_id)?, queue) {
        (None, None) => Ok(()),
        (call, queue) => {
            let call = call.unwrap_or_else(|| OpenCall::new(unique_id, at));
            state.put_open_call(&OpenCall { queue, ..call })
        }
    }
}
