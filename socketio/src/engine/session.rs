//! The state of one Engine.IO session, without a socket and without a clock: every call says what
//! happened and when, and is told what to do. [`Link`](crate::Link) is its driver.
//!
//! A session has one transport. One that polls may be joined by a second WebSocket, the *probe*,
//! which either takes over or is dropped; polling goes on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Config, Packet};
use crate::{EndReason, Text};

/// A poll that comes while a probe is under way is let go after this long, so that the client can
/// finish its upgrade. Not at once, because the word that completes the upgrade may be on its way.
const NOOP_DELAY: Duration = Duration::from_millis(100);

/// One session.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    transport: Transport,
    heartbeat: Heartbeat,
}

#[derive(Debug)]
enum Transport {
    Polling(Polling),
    WebSocket,
}

#[derive(Debug)]
struct Polling {
    /// When the session counts as abandoned; `None` while a poll is waiting.
    unpolled_until: Option<Instant>,
    probe: Option<Probe>,
}

#[derive(Debug)]
struct Probe {
    until: Instant,
    was_answered: bool,
    noop_at: Option<Instant>,
}

#[derive(Debug)]
enum Heartbeat {
    /// The owner of the session sends pings and watches for signs of life.
    Driven,
    PingAt(Instant),
    PongBy(Instant),
}

/// The way a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The session's transport, whichever it is.
    Transport,
    /// The WebSocket that wants to take over.
    Probe,
}

/// What a packet asks the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand this text message to the session's owner.
    Text(Text),
    /// Hand these bytes to the session's owner.
    Binary(Bytes),
    /// Nothing but note the sign of life.
    Alive,
    /// Send `3probe` over the probe, and end the waiting poll with a noop, if there is one.
    AnswerProbe,
    /// The probe is the transport from now on.
    Switch,
    /// Close the probe; polling goes on.
    DropProbe,
    /// End the session.
    End(EndReason),
}

/// What the passing of time asks the driver to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a ping.
    Ping,
    /// End the waiting poll with a noop.
    Noop,
    /// Close the probe, it took too long.
    DropProbe,
    /// End the session.
    End(EndReason),
}

impl Session {
    /// A session that begins with long-polling; its opening counts as a poll that was answered.
    pub fn polling(config: Arc<Config>, now: Instant) -> Session {
        let unpolled_until = Some(now + config.unpolled_timeout());
        Session::new(config, Transport::Polling(Polling { unpolled_until, probe: None }), now)
    }

    /// A session that is a WebSocket from the start.
    pub fn websocket(config: Arc<Config>, now: Instant) -> Session {
        Session::new(config, Transport::WebSocket, now)
    }

    fn new(config: Arc<Config>, transport: Transport, now: Instant) -> Session {
        let heartbeat = match config.own_timers {
            true => Heartbeat::PingAt(now + config.ping_interval),
            false => Heartbeat::Driven,
        };
        Session { config, transport, heartbeat }
    }

    /// The bounds of this session.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A poll came. An error ends the session.
    pub fn poll_arrived(&mut self, now: Instant) -> Result<(), EndReason> {
        let Transport::Polling(polling) = &mut self.transport else {
            return Err(EndReason::PollOverlap);
        };
        if polling.unpolled_until.take().is_none() {
            return Err(EndReason::PollOverlap);
        }
        if let Some(probe) = polling.probe.as_mut().filter(|probe| probe.was_answered) {
            probe.noop_at = Some(now + NOOP_DELAY);
        }
        Ok(())
    }

    /// The waiting poll was answered.
    pub fn poll_answered(&mut self, now: Instant) {
        if let Transport::Polling(polling) = &mut self.transport {
            polling.unpolled_until = Some(now + self.config.unpolled_timeout());
            if let Some(probe) = &mut polling.probe {
                probe.noop_at = None;
            }
        }
    }

    /// A WebSocket came for this session. `false` means that it has to be closed: there is one
    /// already.
    pub fn probe_arrived(&mut self, now: Instant) -> bool {
        let until = now + self.config.upgrade_timeout;
        match &mut self.transport {
            Transport::Polling(Polling { probe: probe @ None, .. })
                if self.config.allow_upgrades =>
            {
                *probe = Some(Probe { until, was_answered: false, noop_at: None });
                true
            }
            _ => false,
        }
    }

    /// The probe is gone.
    pub fn probe_lost(&mut self) {
        if let Transport::Polling(polling) = &mut self.transport {
            polling.probe = None;
        }
    }

    /// A packet came.
    pub fn packet(&mut self, via: Via, packet: Packet, now: Instant) -> Step {
        match via {
            Via::Probe => self.packet_of_probe(packet, now),
            Via::Transport => self.packet_of_transport(packet, now),
        }
    }

    fn packet_of_transport(&mut self, packet: Packet, now: Instant) -> Step {
        match packet {
            Packet::Message(text) => Step::Text(text),
            Packet::Binary(bytes) => Step::Binary(bytes),
            Packet::Pong(_) => {
                if !matches!(self.heartbeat, Heartbeat::Driven) {
                    self.heartbeat = Heartbeat::PingAt(now + self.config.ping_interval);
                }
                Step::Alive
            }
            Packet::Close => Step::End(EndReason::ClientClosed),
            Packet::Ping(_) => Step::End(EndReason::PingFromClient),
            // Out of place but harmless, and the reference lets them pass too.
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => Step::Alive,
        }
    }

    fn packet_of_probe(&mut self, packet: Packet, now: Instant) -> Step {
        let Transport::Polling(Polling { probe: Some(probe), .. }) = &mut self.transport else {
            return Step::DropProbe;
        };
        match packet {
            // Once only: a client that keeps asking would fill the socket with answers.
            Packet::Ping(text) if text.as_bytes() == b"probe" && !probe.was_answered => {
                probe.was_answered = true;
                Step::AnswerProbe
            }
            Packet::Upgrade => {
                self.transport = Transport::WebSocket;
                // An unanswered ping may have gone to the old transport.
                if let Heartbeat::PongBy(_) = self.heartbeat {
                    self.heartbeat = Heartbeat::PongBy(now + self.config.ping_timeout);
                }
                Step::Switch
            }
            _ => {
                self.probe_lost();
                Step::DropProbe
            }
        }
    }

    /// A ping was sent by the owner's own decision.
    pub fn ping_sent(&mut self, now: Instant) {
        if !matches!(self.heartbeat, Heartbeat::Driven) {
            self.heartbeat = Heartbeat::PongBy(now + self.config.ping_timeout);
        }
    }

    /// When [`expire`](Session::expire) has to be called at the latest; `None` means that nothing
    /// is timed.
    pub fn deadline(&self) -> Option<Instant> {
        let heartbeat = match self.heartbeat {
            Heartbeat::Driven => None,
            Heartbeat::PingAt(at) | Heartbeat::PongBy(at) => Some(at),
        };
        let Transport::Polling(polling) = &self.transport else { return heartbeat };
        let probe = polling.probe.as_ref();
        let times = [
            heartbeat,
            polling.unpolled_until,
            probe.map(|probe| probe.until),
            probe.and_then(|probe| probe.noop_at),
        ];
        times.into_iter().flatten().min()
    }

    /// What has become due, one thing at a time: call it until it returns `None`.
    pub fn expire(&mut self, now: Instant) -> Option<Due> {
        self.expire_heartbeat(now).or_else(|| self.expire_polling(now))
    }

    fn expire_heartbeat(&mut self, now: Instant) -> Option<Due> {
        match self.heartbeat {
            Heartbeat::PongBy(by) if by <= now => Some(Due::End(EndReason::PingTimeout)),
            Heartbeat::PingAt(at) if at <= now => {
                // Counted from when it was due, so that a late timer does not lengthen the wait;
                // but a task that was held up leaves the client half of its time at least.
                let timeout = self.config.ping_timeout;
                self.heartbeat = Heartbeat::PongBy((at + timeout).max(now + timeout / 2));
                Some(Due::Ping)
            }
            _ => None,
        }
    }

    fn expire_polling(&mut self, now: Instant) -> Option<Due> {
        let Transport::Polling(polling) = &mut self.transport else { return None };
        let is_due = |at: Instant| at <= now;
        if polling.unpolled_until.is_some_and(is_due) {
            return Some(Due::End(EndReason::PollAbandoned));
        }
        let probe = polling.probe.as_mut()?;
        if is_due(probe.until) {
            polling.probe = None;
            return Some(Due::DropProbe);
        }
        probe.noop_at.take_if(|at| is_due(*at)).map(|_| Due::Noop)
    }
}

#[cfg(test)]
mod tests;
