//! The client from outside, against doubles of the server that listen on real sockets. Time is
//! paused: pauses cost nothing, and their length can be told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broadcaster;
mod closing;
mod hub;
mod methods;
mod origin;
mod retry;
mod subscriber;

use switchboard_client::CallHold;

/// An event that is told from others by its call.
fn hold(call: impl ToString) -> CallHold {
    CallHold { unique_id: call.to_string(), ..CallHold::default() }
}
