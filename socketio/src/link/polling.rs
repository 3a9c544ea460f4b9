//! The transport of a session that polls: the poll that waits for an answer, the posted packets
//! that are being read, what waits for the next poll, and the probe of an upgrade.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Received, WebSocket};
use crate::engine::{
    Config, Packet, Payload, PayloadError, Refusal, Session, Step, Via, join, payload_response,
    size_in_payload,
};
use crate::mailbox::{Mailbox, Request};
use crate::{EndReason, Frame};

const CLOSE: Frame = Frame::Text(Bytes::from_static(b"1"));
const PROBE_ANSWER: Frame = Frame::Text(Bytes::from_static(b"3probe"));
const NOOP: Frame = Frame::Text(Bytes::from_static(b"6"));

/// A client that closes while it polls may have its poll overtaken by the close packet on the way.
/// So long we wait for the poll, to answer it as if it had come first.
const OVERTAKEN_POLL_WAIT: Duration = Duration::from_millis(100);

type Answer = oneshot::Sender<Response<Bytes>>;

pub(super) struct Polling<W> {
    inbox: Inbox<W>,
    parked: Option<Answer>,
    post: Option<Post>,
    waiting: Waiting,
    probe: Option<Probe<W>>,
}

/// The mailbox, for its one reader; without a reader it takes nothing.
struct Inbox<W>(Arc<Mailbox<W>>);

impl<W> Drop for Inbox<W> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Packets that were posted. The answer is held back until the last one is taken, so that a client
/// that posts faster than the session's owner reads has to wait.
struct Post {
    payload: Payload,
    answer: Answer,
}

/// What waits for the next poll.
#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
}

struct Probe<W> {
    socket: W,
    /// Where the socket goes to be closed when nothing comes of the upgrade.
    back: oneshot::Sender<W>,
    is_unwritten: bool,
}

impl Waiting {
    fn push(&mut self, frame: Frame) {
        self.bytes += size_in_payload(&frame);
        self.frames.push_back(frame);
    }

    /// As much as fits into an answer, but one frame at least.
    fn take_payload(&mut self, bytes_max: usize) -> Bytes {
        let mut size = 0;
        let mut fits = |frame: &Frame| {
            size += size_in_payload(frame) + 1;
            size <= bytes_max + 1
        };
        let count = self.frames.iter().take_while(|frame| fits(frame)).count().max(1);
        let batch: Vec<Frame> = self.frames.drain(..count.min(self.frames.len())).collect();
        self.bytes -= batch.iter().map(size_in_payload).sum::<usize>();
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        join(&batch)
    }
}

impl<W: WebSocket> Polling<W> {
    pub(super) fn new(mailbox: Arc<Mailbox<W>>) -> Polling<W> {
        let (parked, post, probe) = (None, None, None);
        Polling { inbox: Inbox(mailbox), parked, post, waiting: Waiting::default(), probe }
    }

    pub(super) fn enqueue(&mut self, frame: Frame) {
        self.waiting.push(frame);
    }

    /// Whether what waits is within its bounds.
    pub(super) fn is_within(&self, config: &Config) -> bool {
        let Waiting { frames, bytes } = &self.waiting;
        frames.len() <= config.frames_waiting_max && *bytes <= config.bytes_waiting_max
    }

    /// Serves the requests, the probe and the poll that waits. Returns the WebSocket that takes
    /// over.
    pub(super) fn attend(
        &mut self,
        session: &mut Session,
        cx: &mut Context<'_>,
    ) -> Result<Option<W>, EndReason> {
        let now = Instant::now();
        while let Poll::Ready(request) = self.inbox.0.poll_take(cx) {
            self.take_in(session, request, now)?;
        }
        if let Some(parked) = &mut self.parked
            && parked.poll_closed(cx).is_ready()
        {
            return Err(EndReason::PollAborted);
        }
        let switched = self.attend_probe(session, cx, now)?;
        // On a switch, what waits goes to the WebSocket instead.
        if switched.is_none() && !self.waiting.frames.is_empty() {
            self.answer_parked(session, now)?;
        }
        Ok(switched)
    }

    fn take_in(
        &mut self,
        session: &mut Session,
        request: Request<W>,
        now: Instant,
    ) -> Result<(), EndReason> {
        match request {
            Request::Poll(answer) => match session.poll_arrived(now) {
                Ok(()) => self.parked = Some(answer),
                Err(reason) => return Err(refuse(answer, reason)),
            },
            Request::Post { answer, .. } if self.post.is_some() => {
                return Err(refuse(answer, EndReason::PostOverlap));
            }
            Request::Post { payload, answer } => self.take_post(payload, answer)?,
            Request::Upgrade { socket, back } if session.probe_arrived(now) => {
                self.probe = Some(Probe { socket, back, is_unwritten: false });
            }
            upgrade @ Request::Upgrade { .. } => upgrade.refuse(),
        }
        Ok(())
    }

    fn take_post(
        &mut self,
        payload: Result<Payload, PayloadError>,
        answer: Answer,
    ) -> Result<(), EndReason> {
        match payload {
            Ok(payload) => self.post = Some(Post { payload, answer }),
            Err(_) => return Err(refuse(answer, EndReason::BadPacket)),
        }
        Ok(())
    }

    /// The next of the posted packets.
    pub(super) fn next_packet(&mut self) -> Option<Result<Packet, EndReason>> {
        let packet = self.post.as_mut()?.payload.next()?;
        let is_read = self.post.as_ref().is_some_and(|post| post.payload.is_done());
        match packet {
            Err(_) => Some(Err(EndReason::BadPacket)),
            Ok(packet) => {
                if is_read && let Some(post) = self.post.take() {
                    send(post.answer, Bytes::from_static(b"ok"));
                }
                Some(Ok(packet))
            }
        }
    }

    fn answer_parked(&mut self, session: &mut Session, now: Instant) -> Result<(), EndReason> {
        let Some(answer) = self.parked.take() else { return Ok(()) };
        let payload = self.waiting.take_payload(session.config().max_payload);
        session.poll_answered(now);
        match send(answer, payload) {
            true => Ok(()),
            // What it should have carried is lost, and with it the order of what follows.
            false => Err(EndReason::PollAborted),
        }
    }

    pub(super) fn answer_with_noop(
        &mut self,
        session: &mut Session,
        now: Instant,
    ) -> Result<(), EndReason> {
        if self.parked.is_some() && self.waiting.frames.is_empty() {
            self.enqueue(NOOP);
        }
        self.answer_parked(session, now)
    }

    /// Reads the probe and writes to it. Returns it when it takes over.
    fn attend_probe(
        &mut self,
        session: &mut Session,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Result<Option<W>, EndReason> {
        // What was posted comes before what the WebSocket may bring.
        while self.post.is_none()
            && let Some(probe) = &mut self.probe
        {
            let Poll::Ready(received) = probe.socket.poll_recv(cx) else { break };
            match step_of_probe(session, received, now) {
                Step::AnswerProbe => {
                    probe.socket.enqueue(PROBE_ANSWER);
                    probe.is_unwritten = true;
                    self.answer_with_noop(session, now)?;
                }
                Step::Switch => return Ok(self.probe.take().map(|probe| probe.socket)),
                Step::DropProbe => self.drop_probe(),
                Step::Text(_) | Step::Binary(_) | Step::Alive | Step::End(_) => {}
            }
        }
        self.write_probe(session, cx);
        Ok(None)
    }

    fn write_probe(&mut self, session: &mut Session, cx: &mut Context<'_>) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.is_unwritten) else { return };
        match probe.socket.poll_write(cx) {
            Poll::Ready(Ok(())) => probe.is_unwritten = false,
            Poll::Ready(Err(_)) => {
                session.probe_lost();
                self.drop_probe();
            }
            Poll::Pending => {}
        }
    }

    /// Gives the probe back to be closed.
    pub(super) fn drop_probe(&mut self) {
        if let Some(Probe { socket, back, .. }) = self.probe.take() {
            let _gone = back.send(socket);
        }
    }

    /// Makes room for the WebSocket; returns what it has to write.
    pub(super) fn leave(&mut self) -> VecDeque<Frame> {
        // A client stops polling before it says that the upgrade is complete.
        if let Some(answer) = self.parked.take() {
            refuse(answer, EndReason::PollOverlap);
        }
        std::mem::take(&mut self.waiting).frames
    }

    /// Lets everybody go who waits. Returns whether a poll may still come that has to be answered.
    pub(super) fn end(&mut self, reason: EndReason) -> bool {
        self.drop_probe();
        let is_by_client = reason == EndReason::ClientClosed;
        let parked = self.parked.take();
        let is_goodbye_due = is_by_client && parked.is_none();
        if !is_goodbye_due {
            self.inbox.0.close();
        }
        if let Some(post) = self.post.take() {
            match is_by_client {
                true => _ = send(post.answer, Bytes::from_static(b"ok")),
                false => _ = refuse(post.answer, reason),
            }
        }
        if let Some(parked) = parked {
            let last = if is_by_client { NOOP } else { CLOSE };
            send(parked, join(&[last]));
        }
        is_goodbye_due
    }

    /// Answers a poll with what waits, and the next one with the goodbye, if they come in time.
    pub(super) async fn close(mut self: Box<Self>, config: &Config, is_by_client: bool) {
        self.drop_probe();
        let (last, wait) = match is_by_client {
            true => (NOOP, OVERTAKEN_POLL_WAIT.min(config.close_timeout)),
            false => (CLOSE, config.close_timeout),
        };
        let said = async {
            // In an answer of its own: clients act on a close packet at once, and on what stands
            // before it in the same answer only later, when they are closed already.
            if !self.waiting.frames.is_empty() {
                poll_fn(|cx| self.poll_goodbye(config.max_payload, cx)).await;
            }
            self.enqueue(last);
            poll_fn(|cx| self.poll_goodbye(config.max_payload, cx)).await;
        };
        let _too_late = timeout(wait, said).await;
    }

    fn poll_goodbye(&mut self, bytes_max: usize, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(parked) = self.parked.take() {
                let is_taken = send(parked, self.waiting.take_payload(bytes_max));
                if !is_taken || self.waiting.frames.is_empty() {
                    return Poll::Ready(());
                }
            }
            match ready!(self.inbox.0.poll_take(cx)) {
                Request::Poll(answer) => self.parked = Some(answer),
                // It is too late to read them, but the client need not be troubled.
                Request::Post { answer, .. } => _ = send(answer, Bytes::from_static(b"ok")),
                upgrade @ Request::Upgrade { .. } => upgrade.refuse(),
            }
        }
    }
}

fn step_of_probe(session: &mut Session, received: Received, now: Instant) -> Step {
    let packet = match received {
        Received::Text(text) => Packet::parse(&text).ok(),
        Received::Alive => return Step::Alive,
        Received::Binary(_) | Received::Ended(_) => None,
    };
    match packet {
        Some(packet) => session.packet(Via::Probe, packet, now),
        None => {
            session.probe_lost();
            Step::DropProbe
        }
    }
}

/// Answers a request; `false` when nobody waits for it any more.
fn send(answer: Answer, body: Bytes) -> bool {
    answer.send(payload_response(body)).is_ok()
}

/// Refuses a request because of what ends the session. Whoever asked may be gone; that changes
/// nothing.
fn refuse(answer: Answer, reason: EndReason) -> EndReason {
    let _gone = answer.send(Refusal::BadRequest.to_response());
    reason
}
