//! Times and bounds of an Engine.IO server, with the defaults of the reference server where it
//! has any.

use std::time::Duration;

/// Times and bounds of Engine.IO sessions. Shared by all sessions of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the id of every session begins with, of `A-Z a-z 0-9 - _`: where several servers share
    /// an address, it tells whose session it is. No secret, and not counted among the random bits.
    pub sid_prefix: String,
    /// How long after the opening or the last pong the next ping is sent.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping.
    pub ping_timeout: Duration,
    /// How long a client may take to complete an upgrade; afterwards it stays on long-polling.
    pub upgrade_timeout: Duration,
    /// How long a closing session waits for the poll that is to carry the goodbye.
    pub close_timeout: Duration,
    /// Bytes of one request body, told to the client as `maxPayload`. The answer of a poll is cut
    /// to it as well, but never below one packet. WebSocket frames are the embedding server's to
    /// limit.
    pub max_payload: usize,
    /// Packets in one request body.
    pub payload_packets_max: usize,
    /// Frames that may wait for the next poll before writing counts as stuck.
    pub frames_waiting_max: usize,
    /// Bytes that may wait for the next poll before writing counts as stuck.
    pub bytes_waiting_max: usize,
    /// Requests of one session that may wait for its task.
    pub requests_waiting_max: usize,
    /// Sessions that can be reached by requests at the same time: those that began with
    /// long-polling. Sessions that are WebSockets from the start are not counted.
    pub sessions_max: usize,
    /// Whether a polling session may upgrade to a WebSocket.
    pub allow_upgrades: bool,
    /// Whether each link times its own heartbeat. Otherwise the owner calls
    /// [`Link::ping`](crate::Link::ping) when one is due and ends the session itself when no sign
    /// of life came, and an idle WebSocket link needs no timer at all.
    pub own_timers: bool,
}

impl Config {
    /// How long a polling session may go without a poll: as long as a client that answers every
    /// ping at the last moment.
    pub fn unpolled_timeout(&self) -> Duration {
        self.ping_interval + self.ping_timeout
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sid_prefix: String::new(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(30),
            max_payload: 1_000_000,
            payload_packets_max: 1_024,
            frames_waiting_max: 1_024,
            bytes_waiting_max: 1_000_000,
            requests_waiting_max: 8,
            sessions_max: 100_000,
            allow_upgrades: true,
            own_timers: true,
        }
    }
}
