//! The life of a line to the hub, and of those that follow it: what comes is handed to the owner,
//! signs of life go both ways, and when one ends a new one is tried. It must not know what a frame
//! means.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use super::dial::{Dial, Socket};
use super::frame::{Place, Told};
use super::{Disconnected, Incoming};
use crate::Error;
use crate::backoff::Backoff;
use crate::error::whole;

/// Document 004's interval.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Three pings without an answer; the server's own ones come every 54 s.
const SILENCE_MAX: Duration = Duration::from_secs(90);
const WRITE_DEADLINE: Duration = Duration::from_secs(20);
/// How long the owner's going may take: nobody waits for it.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A line that was there for so long was a good one. One that ends sooner counts as a failure, so
/// that a server that takes everybody in and throws them out is not run down.
const GOOD_LINE: Duration = Duration::from_secs(10);

const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;

/// Close codes of the server that stand (contract 10).
const TOKEN_ENDED: u16 = 4001;
const FORBIDDEN: u16 = 4003;

/// How a line, or an attempt at one, ended.
#[derive(Debug)]
pub(super) enum End {
    /// The owner is gone.
    Unheard,
    /// A new line would end in the same way.
    Final(Error),
    /// A new line may be better.
    Passing { reason: String, retry_after: Option<Duration> },
}

impl End {
    pub(super) fn passing(reason: impl Into<String>) -> End {
        End::Passing { reason: reason.into(), retry_after: None }
    }
}

/// One line after the other, to one owner.
pub(super) struct Line {
    dial: Dial,
    owner: mpsc::Sender<Result<Incoming, Error>>,
    place: Place,
    backoff: Backoff,
}

impl Line {
    pub(super) fn new(
        dial: Dial,
        owner: mpsc::Sender<Result<Incoming, Error>>,
        after: Option<String>,
    ) -> Line {
        let backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_MAX);
        Line { dial, owner, place: Place::new(after), backoff }
    }

    /// Goes on until the owner is gone or nothing can be mended.
    pub(super) async fn run(mut self) {
        loop {
            let begun = Instant::now();
            let (reason, retry_after) = match self.one().await {
                End::Unheard => return,
                End::Final(error) => {
                    // The owner may be gone; then nobody wants to know.
                    let _ = self.owner.send(Err(error)).await;
                    return;
                }
                End::Passing { reason, retry_after } => (reason, retry_after),
            };
            if begun.elapsed() >= GOOD_LINE {
                self.backoff.reset();
            }
            let retry_in = self.backoff.next(retry_after);
            let news = Incoming::Disconnected(Disconnected { reason, retry_in });
            if self.owner.send(Ok(news)).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(retry_in) => {}
                () = self.owner.closed() => return,
            }
        }
    }

    /// One line, from the attempt at it to its end.
    async fn one(&mut self) -> End {
        let owner = self.owner.clone();
        let dialled = tokio::select! {
            dialled = self.dial.dial(self.place.after()) => dialled,
            () = owner.closed() => return End::Unheard,
        };
        match dialled {
            Ok(mut socket) => self.listen(&mut socket).await,
            Err(end) => end,
        }
    }

    async fn listen(&mut self, socket: &mut Socket) -> End {
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                frame = timeout_at(heard_at + SILENCE_MAX, socket.next()) => {
                    let Ok(frame) = frame else { return End::passing("the line is dead") };
                    if let Err(end) = self.hear(socket, &mut pings, frame).await {
                        return end;
                    }
                    // Not before it was handed over: a slow owner is no silence of the line.
                    heard_at = Instant::now();
                }
                _ = pings.tick() => {
                    if let Err(end) = write(socket, PING).await {
                        return end;
                    }
                }
                () = self.owner.closed() => {
                    let going = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    let _ = timeout(CLOSE_DEADLINE, socket.close(Some(going))).await;
                    return End::Unheard;
                }
            }
        }
    }

    async fn hear(
        &mut self,
        socket: &mut Socket,
        pings: &mut Interval,
        frame: Option<tungstenite::Result<Message>>,
    ) -> Result<(), End> {
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(close))) => return Err(closed(close.as_ref())),
            // Pings are answered by the library, and nothing else is of any interest.
            Some(Ok(_)) => return Ok(()),
            Some(Err(err)) => return Err(End::passing(whole(&err))),
            None => return Err(End::passing("the line broke")),
        };
        match self.place.read(&text) {
            Ok(Told::Owner(incoming)) => self.hand_over(socket, pings, incoming).await,
            Ok(Told::Ping) => write(socket, PONG).await,
            Ok(Told::Nothing) => Ok(()),
            Err(err) => Err(End::passing(format!("a frame that cannot be read: {err}"))),
        }
    }

    /// Waits for a slow owner, with signs of life meanwhile.
    async fn hand_over(
        &self,
        socket: &mut Socket,
        pings: &mut Interval,
        incoming: Incoming,
    ) -> Result<(), End> {
        loop {
            tokio::select! {
                biased;
                place = self.owner.reserve() => {
                    place.map_err(|_| End::Unheard)?.send(Ok(incoming));
                    return Ok(());
                }
                _ = pings.tick() => write(socket, PING).await?,
            }
        }
    }
}

async fn write(socket: &mut Socket, text: &'static str) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(err)) => Err(End::passing(whole(&err))),
        Err(_) => Err(End::passing("the line takes nothing any more")),
    }
}

fn closed(close: Option<&CloseFrame>) -> End {
    let Some(close) = close else { return End::passing("closed without a code") };
    match u16::from(close.code) {
        TOKEN_ENDED => End::Final(Error::TokenEnded),
        FORBIDDEN => End::Final(Error::Forbidden),
        code if close.reason.is_empty() => End::passing(format!("closed with {code}")),
        code => End::passing(format!("closed with {code}: {}", close.reason)),
    }
}
