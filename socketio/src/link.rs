//! The driver: one Engine.IO session, owned by one task, over whatever transport it has now. It
//! connects [`Session`] with a [`WebSocket`] and with the requests of long-polling, and knows
//! nothing of Socket.IO.
//!
//! Everything is polled by the owner; nothing runs by itself. So a link makes progress (answers
//! polls, keeps times) only while [`Link::poll_recv`] or [`Link::poll_write`] is being polled, and
//! both can be dropped at any await without losing or doubling anything.

mod polling;
mod socket;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use self::polling::Polling;
pub use self::socket::{Received, WebSocket};
use crate::directory::Listing;
use crate::engine::{Config, Due, Packet, Session, Step, Via};
use crate::mailbox::Mailbox;
use crate::{EndReason, Frame, Text};

/// One Engine.IO session and its transport. Made by [`Sessions`](crate::Sessions).
///
/// A link over a WebSocket allocates nothing while it is idle, unless it times its own heartbeat.
pub struct Link<W> {
    transport: Transport<W>,
    session: Session,
    /// The place in the directory, for a session that began with long-polling.
    listing: Option<Listing<W>>,
    alarm: Alarm,
    /// Exists while there is something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    ended: Option<EndReason>,
    /// Whether the WebSocket may have frames that it has not written yet.
    is_unwritten: bool,
}

enum Transport<W> {
    WebSocket(W),
    Polling(Box<Polling<W>>),
}

enum Alarm {
    Off,
    At(Instant),
    Rung,
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message, without the Engine.IO type: a Socket.IO packet.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A sign of life.
    Alive,
    /// The time given to [`Link::set_alarm`] has come.
    Alarm,
    /// The end, and why. It is repeated when asked again.
    End(EndReason),
}

const PING: Frame = Frame::Text(Bytes::from_static(b"2"));

impl<W: WebSocket> Link<W> {
    pub(crate) fn websocket(config: Arc<Config>, socket: W, now: Instant) -> Link<W> {
        let session = Session::websocket(config, now);
        Link::new(Transport::WebSocket(socket), session, None, true)
    }

    pub(crate) fn polling(
        config: Arc<Config>,
        listing: Listing<W>,
        mailbox: Arc<Mailbox<W>>,
        now: Instant,
    ) -> Link<W> {
        let session = Session::polling(config, now);
        let transport = Transport::Polling(Box::new(Polling::new(mailbox)));
        Link::new(transport, session, Some(listing), false)
    }

    fn new(
        transport: Transport<W>,
        session: Session,
        listing: Option<Listing<W>>,
        is_unwritten: bool,
    ) -> Link<W> {
        let (alarm, timer, ended) = (Alarm::Off, None, None);
        Link { transport, session, listing, alarm, timer, ended, is_unwritten }
    }

    /// Whether the session polls; `false` once it is a WebSocket.
    pub fn is_polling(&self) -> bool {
        matches!(self.transport, Transport::Polling(_))
    }

    /// What came in next.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if let Err(reason) = self.attend(cx).and_then(|()| self.write_own(cx)) {
                return Poll::Ready(Incoming::End(self.end(reason)));
            }
            if matches!(self.alarm, Alarm::Rung) {
                self.alarm = Alarm::Off;
                return Poll::Ready(Incoming::Alarm);
            }
            let packet = ready!(self.poll_packet(cx));
            let step = match packet {
                Ok(packet) => self.session.packet(Via::Transport, packet, Instant::now()),
                Err(reason) => Step::End(reason),
            };
            match step {
                Step::Text(text) => return Poll::Ready(Incoming::Text(text)),
                Step::Binary(bytes) => return Poll::Ready(Incoming::Binary(bytes)),
                Step::Alive => return Poll::Ready(Incoming::Alive),
                Step::End(reason) => return Poll::Ready(Incoming::End(self.end(reason))),
                // These are for the probe, which the polling transport looks after.
                Step::AnswerProbe | Step::Switch | Step::DropProbe => {}
            }
        }
    }

    /// [`poll_recv`](Link::poll_recv) as a future.
    pub async fn recv(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Puts a message behind those that wait already. A text frame is a whole Engine.IO packet, so
    /// it starts with `4`. Nothing is written before the next [`poll_write`](Link::poll_write);
    /// what waits is only bounded if that is called until it is ready.
    pub fn enqueue(&mut self, frame: Frame) {
        match &mut self.transport {
            Transport::WebSocket(socket) => {
                socket.enqueue(frame);
                self.is_unwritten = true;
            }
            Transport::Polling(polling) => polling.enqueue(frame),
        }
    }

    /// Writes what was put in. Over a WebSocket it is ready when all is written. Over long-polling
    /// it answers the waiting poll, if there is one, and is ready as long as what still waits is
    /// within [`Config::frames_waiting_max`] and [`Config::bytes_waiting_max`].
    pub fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EndReason>> {
        if let Err(reason) = self.attend(cx) {
            return Poll::Ready(Err(self.end(reason)));
        }
        let written = match &mut self.transport {
            Transport::WebSocket(socket) => ready!(socket.poll_write(cx)),
            Transport::Polling(polling) if polling.is_within(self.session.config()) => Ok(()),
            Transport::Polling(_) => return Poll::Pending,
        };
        self.is_unwritten = false;
        Poll::Ready(written.map_err(|end| self.end(end.into())))
    }

    /// [`poll_write`](Link::poll_write) as a future.
    pub async fn flush(&mut self) -> Result<(), EndReason> {
        poll_fn(|cx| self.poll_write(cx)).await
    }

    /// Puts a ping behind what waits. For owners that time the heartbeat themselves: any
    /// [`Incoming`] but an alarm or the end is the sign of life that answers it.
    pub fn ping(&mut self, now: Instant) {
        self.session.ping_sent(now);
        self.enqueue(PING);
    }

    /// Asks for an [`Incoming::Alarm`] at this time, instead of the one asked for before. Meant
    /// for [`Connection::deadline`](crate::socket::Connection::deadline).
    pub fn set_alarm(&mut self, at: Option<Instant>) {
        self.alarm = at.map_or(Alarm::Off, Alarm::At);
    }

    /// Ends the session: with a close frame over a WebSocket, with a close packet in the answer
    /// of a poll otherwise, behind what still waits. Waits for that poll no longer than
    /// [`Config::close_timeout`]; a WebSocket's time to close is its own affair, and so is whether
    /// it writes what was not written before.
    ///
    /// `code` and `reason` are those of the close frame.
    pub async fn close(self, code: u16, reason: &str) {
        // The place in the directory is given up when all is said.
        let Link { transport, session, ended, listing, .. } = self;
        match transport {
            Transport::WebSocket(_) if ended == Some(EndReason::Lost) => {}
            Transport::WebSocket(socket) => socket.close(code, reason).await,
            // Without a place no poll can come any more.
            Transport::Polling(_) if listing.is_none() => {}
            Transport::Polling(polling) => polling.close(session.config(), ended.is_some()).await,
        }
    }

    /// A packet from the transport.
    fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, EndReason>> {
        let socket = match &mut self.transport {
            Transport::WebSocket(socket) => socket,
            Transport::Polling(polling) => {
                return polling.next_packet().map_or(Poll::Pending, Poll::Ready);
            }
        };
        Poll::Ready(match ready!(socket.poll_recv(cx)) {
            Received::Text(text) => Packet::parse(&text).map_err(|_| EndReason::BadPacket),
            Received::Binary(bytes) => Ok(Packet::Binary(bytes)),
            // To the session it is as good as a packet that says nothing.
            Received::Alive => Ok(Packet::Noop),
            Received::Ended(end) => Err(end.into()),
        })
    }

    /// What has to be looked after whoever is polling: times, requests, the probe.
    fn attend(&mut self, cx: &mut Context<'_>) -> Result<(), EndReason> {
        if let Some(reason) = self.ended {
            return Err(reason);
        }
        loop {
            self.expire(cx)?;
            if let Transport::Polling(polling) = &mut self.transport
                && let Some(socket) = polling.attend(&mut self.session, cx)?
            {
                self.switch_to(socket, cx);
            }
            // Last, because what was attended to may have set other times.
            if self.poll_timer(cx).is_pending() {
                return Ok(());
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let alarm = match self.alarm {
            Alarm::At(at) => Some(at),
            Alarm::Off | Alarm::Rung => None,
        };
        self.session.deadline().into_iter().chain(alarm).min()
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }

    fn expire(&mut self, cx: &mut Context<'_>) -> Result<(), EndReason> {
        // An idle link without times of its own does not even look at the clock.
        let Some(deadline) = self.deadline() else { return Ok(()) };
        let now = Instant::now();
        if now < deadline {
            return Ok(());
        }
        while let Some(due) = self.session.expire(now) {
            match (due, &mut self.transport) {
                (Due::End(reason), _) => return Err(reason),
                (Due::Ping, _) => self.enqueue(PING),
                (Due::Noop, Transport::Polling(polling)) => {
                    polling.answer_with_noop(&mut self.session, now)?;
                }
                (Due::DropProbe, Transport::Polling(polling)) => polling.drop_probe(),
                (Due::Noop | Due::DropProbe, Transport::WebSocket(_)) => {}
            }
        }
        if matches!(self.alarm, Alarm::At(at) if at <= now) {
            self.alarm = Alarm::Rung;
            // It may be a write that noticed; the alarm is for whoever receives.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Writes what the link itself put in, which nobody else would know of.
    fn write_own(&mut self, cx: &mut Context<'_>) -> Result<(), EndReason> {
        if self.is_unwritten
            && let Transport::WebSocket(socket) = &mut self.transport
            && let Poll::Ready(written) = socket.poll_write(cx)
        {
            self.is_unwritten = false;
            written?;
        }
        Ok(())
    }

    fn switch_to(&mut self, mut socket: W, cx: &mut Context<'_>) {
        // If it is a write that noticed, nobody has asked the new transport for messages yet.
        cx.waker().wake_by_ref();
        if let Some(listing) = &self.listing {
            listing.mark_upgraded();
        }
        if let Transport::Polling(polling) = &mut self.transport {
            polling.leave().into_iter().for_each(|frame| socket.enqueue(frame));
        }
        self.transport = Transport::WebSocket(socket);
        self.is_unwritten = true;
    }

    /// Notes the end, once, and lets everybody go who waits for an answer.
    fn end(&mut self, reason: EndReason) -> EndReason {
        if let Some(reason) = self.ended {
            return reason;
        }
        self.ended = Some(reason);
        self.timer = None;
        if let Transport::Polling(polling) = &mut self.transport {
            let is_goodbye_due = polling.end(reason);
            if !is_goodbye_due {
                self.listing = None;
            }
        }
        reason
    }
}
