//! The requests that wait for a polling session's task: a short bounded queue with one reader. It
//! costs a few words while it is empty, where a channel would set aside a block of slots.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;
use tokio::sync::oneshot;

use crate::engine::{Payload, PayloadError, Refusal};

/// Something a client wants of its session.
pub(crate) enum Request<W> {
    /// `GET`: to be answered when there is something to say.
    Poll(oneshot::Sender<Response<Bytes>>),
    /// `POST`: packets, or the reason why they cannot be read.
    Post { payload: Result<Payload, PayloadError>, answer: oneshot::Sender<Response<Bytes>> },
    /// A WebSocket that wants to take over; it is sent back to be closed when it may not.
    Upgrade { socket: W, back: oneshot::Sender<W> },
}

impl<W> Request<W> {
    /// Says that there is no such session. Whoever asked may be gone; then nobody needs to know.
    pub(crate) fn refuse(self) {
        match self {
            Request::Poll(answer) | Request::Post { answer, .. } => {
                let _gone = answer.send(Refusal::UnknownSid.to_response());
            }
            Request::Upgrade { socket, back } => {
                let _gone = back.send(socket);
            }
        }
    }
}

/// Why a request could not be posted.
pub(crate) enum Unposted<W> {
    Full(Request<W>),
    Closed(Request<W>),
}

pub(crate) struct Mailbox<W> {
    state: Mutex<State<W>>,
    requests_max: usize,
}

struct State<W> {
    requests: VecDeque<Request<W>>,
    reader: Option<Waker>,
    is_closed: bool,
}

impl<W> Mailbox<W> {
    pub(crate) fn new(requests_max: usize) -> Mailbox<W> {
        let state = State { requests: VecDeque::new(), reader: None, is_closed: false };
        Mailbox { state: Mutex::new(state), requests_max }
    }

    pub(crate) fn post(&self, request: Request<W>) -> Result<(), Unposted<W>> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Unposted::Closed(request));
        }
        if state.requests.len() >= self.requests_max {
            return Err(Unposted::Full(request));
        }
        state.requests.push_back(request);
        if let Some(reader) = state.reader.take() {
            // Waking runs the executor's code, which must not happen under our lock.
            drop(state);
            reader.wake();
        }
        Ok(())
    }

    /// The next request.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Request<W>> {
        let mut state = self.state();
        if let Some(request) = state.requests.pop_front() {
            return Poll::Ready(request);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes no more requests, and refuses those that wait.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        requests.into_iter().for_each(Request::refuse);
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
