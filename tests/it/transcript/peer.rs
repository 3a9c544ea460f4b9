//! One side of a transcript: a client of some dialect, and what it has still to see.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::check_answer;
use crate::client::{Answer, Client, Seen, Speech};
use crate::clock;
use crate::packet;
use crate::pattern::{self, Names};
use crate::polling;
use crate::socketio::WEBSOCKET;

/// How long nothing must happen for a line of `nothing`, by the real clock. The clock of the
/// server stands still, so whatever was to come is on its way already.
const MOMENT: Duration = Duration::from_millis(40);

/// What a peer speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// JSON over a WebSocket.
    Session,
    /// Packets over a WebSocket.
    SocketIo,
    /// Packets over long-polling.
    Polling,
}

impl Dialect {
    /// A dialect by the name that transcripts have for it.
    pub(super) fn parse(name: &str) -> Option<Dialect> {
        Some(match name {
            "session" | "hub" => Dialect::Session,
            "socketio" => Dialect::SocketIo,
            "polling" => Dialect::Polling,
            _ => return None,
        })
    }

    async fn open(
        self,
        addr: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, Answer> {
        match self {
            Dialect::Session => Client::open(addr, path, headers).await,
            Dialect::SocketIo => Client::open_speaking(Speech::EngineIo, addr, path, headers).await,
            Dialect::Polling => polling::open(addr, headers).await,
        }
    }

    /// Reads what a line expects or, in the same way, what came.
    fn pattern(self, text: &str) -> Result<Value, String> {
        match self {
            Dialect::Session => serde_json::from_str(text).map_err(|e| format!("pattern: {e}")),
            Dialect::SocketIo | Dialect::Polling => packet::read(text),
        }
    }
}

/// A client in a transcript.
pub(super) struct Peer {
    name: String,
    dialect: Dialect,
    connected: Result<Client, Answer>,
    /// Patterns of a run of `<~` that no frame has answered yet.
    expected: Vec<Value>,
    /// The last offset it was told.
    offset: Option<String>,
    pings: usize,
    has_ended: bool,
}

impl Peer {
    /// Opens a socket: a path and headers, or the `auth` of a client of Socket.IO.
    pub(super) async fn open(
        name: &str,
        dialect: Dialect,
        addr: SocketAddr,
        rest: &str,
    ) -> Result<Peer, String> {
        let mut parts = rest.split(" | ");
        let path = parts.next().filter(|path| path.starts_with('/')).unwrap_or(WEBSOCKET);
        let headers: Vec<(&str, &str)> = parts.filter_map(|h| h.split_once(": ")).collect();
        let connected = dialect.open(addr, path, &headers).await;
        let name = name.split('@').next().unwrap_or_default().to_owned();
        let (expected, offset) = (vec![], None);
        Ok(Peer { name, dialect, connected, expected, offset, pings: 0, has_ended: false })
    }

    /// Enters the namespace with this `auth`, and takes in what every client is told first.
    pub(super) async fn enter(&mut self, auth: &str, names: &mut Names) -> Result<(), String> {
        self.act("<", r#"0{"sid": "{any}"}"#, names).await?;
        self.act(">", &format!("40{auth}"), names).await?;
        let answer = format!(r#"40{{"sid": "{{any}}", "pid": "{{={}.pid}}"}}"#, self.name);
        self.act("<", &answer, names).await?;
        self.act("<", r#"42["authenticated", {"cursor": "{cursor}"}]"#, names).await?;
        self.act("<", r#"42["cursor", "{cursor}"]"#, names).await?;
        self.tell_offset(names);
        Ok(())
    }

    /// Keeps the last offset it was told where lines can name it.
    pub(super) fn tell_offset(&self, names: &mut Names) {
        if let Some(offset) = &self.offset {
            names.insert(format!("{}.offset", self.name), offset.clone());
        }
    }

    /// Does, or sees, what a line says.
    pub(super) async fn act(
        &mut self,
        verb: &str,
        rest: &str,
        names: &mut Names,
    ) -> Result<(), String> {
        if verb == "refused" {
            return self.check_refusal(rest, names);
        }
        let client = match &mut self.connected {
            Ok(client) => client,
            Err(refusal) => return Err(format!("it was refused: {refusal:?}")),
        };
        match verb {
            ">" => client.send_text(rest).await,
            "sends" if rest == "binary" => client.send_binary(vec![1, 2, 3]).await,
            "sends" if rest == "not-utf8" => client.send_raw_text(vec![b'"', 0xc3, 0x28]).await,
            "sends" => {
                let bytes: usize = rest.trim_end_matches(" bytes").parse().map_err(|_| "bytes?")?;
                client.send_text(&"x".repeat(bytes)).await;
            }
            "<" | "<!" => return self.check_next(verb == "<!", rest, names).await,
            "<~" => self.expected.push(self.dialect.pattern(rest)?),
            "nothing" => self.check_nothing().await?,
            "pinged" => return self.check_pinged().await,
            "freezes" => client.freeze().await,
            "cut" => {
                client.cut().await;
                self.has_ended = true;
                clock::settle().await;
            }
            "close" => {
                client.close().await;
                self.has_ended = true;
                // The server's answer.
                client.end().await;
                clock::settle().await;
            }
            "closed" => {
                self.has_ended = true;
                return self.check_closed(rest).await;
            }
            other => return Err(format!("no such verb: {other}")),
        }
        Ok(())
    }

    async fn check_next(
        &mut self,
        is_exact: bool,
        rest: &str,
        names: &mut Names,
    ) -> Result<(), String> {
        let pattern = self.dialect.pattern(rest)?;
        let is_cursor = packet::event(&pattern).is_some_and(|(name, _)| name == "cursor");
        let frame = if is_cursor { self.next_of_all().await? } else { self.next_frame().await? };
        pattern::check(&pattern, &frame, is_exact, names)
            .map_err(|why| format!("{why}\n  in {frame}"))
    }

    /// The next frame that is no offset.
    async fn next_frame(&mut self) -> Result<Value, String> {
        loop {
            let frame = self.next_of_all().await?;
            if packet::cursor(&frame).is_none() {
                return Ok(frame);
            }
        }
    }

    async fn next_of_all(&mut self) -> Result<Value, String> {
        loop {
            let Ok(client) = &mut self.connected else { return Err("it was refused".into()) };
            match client.next().await {
                Seen::Frame(frame) => {
                    self.note_offset(&frame)?;
                    return Ok(frame);
                }
                Seen::Ping => self.pings += 1,
                end => return Err(format!("expected a frame, got {end:?}")),
            }
        }
    }

    fn note_offset(&mut self, frame: &Value) -> Result<(), String> {
        let Some((offset, position)) = packet::cursor(frame) else { return Ok(()) };
        match self.offset.replace(offset.to_owned()) {
            Some(before) if packet::position(&before) >= position => {
                Err(format!("offset {offset} behind {before}"))
            }
            _ => Ok(()),
        }
    }

    /// Takes a frame for each pattern of a run of `<~`.
    pub(super) async fn take_run(&mut self, names: &mut Names) -> Result<(), String> {
        while !self.expected.is_empty() {
            let frame = self.next_frame().await?;
            let fits = |p: &Value| pattern::check(p, &frame, false, &mut names.clone()).is_ok();
            let Some(index) = self.expected.iter().position(fits) else {
                let open = self.expected.iter().map(|p| format!("\n    {p}")).collect::<String>();
                return Err(format!("none of the lines above that are open fits {frame}{open}"));
            };
            pattern::check(&self.expected.remove(index), &frame, false, names)?;
        }
        Ok(())
    }

    async fn check_nothing(&mut self) -> Result<(), String> {
        loop {
            let Ok(client) = &mut self.connected else { return Ok(()) };
            match client.next_soon(MOMENT).await {
                None => return Ok(()),
                Some(Seen::Ping) => self.pings += 1,
                Some(Seen::Frame(frame)) if packet::cursor(&frame).is_some() => {
                    self.note_offset(&frame)?;
                }
                Some(other) => return Err(format!("got {other:?}")),
            }
        }
    }

    async fn check_pinged(&mut self) -> Result<(), String> {
        while self.pings == 0 {
            let Ok(client) = &mut self.connected else { return Err("it was refused".into()) };
            match client.next().await {
                Seen::Ping => self.pings += 1,
                Seen::Frame(frame) if packet::cursor(&frame).is_some() => {
                    self.note_offset(&frame)?;
                }
                other => return Err(format!("expected a ping, got {other:?}")),
            }
        }
        self.pings -= 1;
        Ok(())
    }

    async fn check_closed(&mut self, code: &str) -> Result<(), String> {
        let code: u16 = code.parse().map_err(|_| "a close code?")?;
        loop {
            let Ok(client) = &mut self.connected else { return Err("it was refused".into()) };
            match client.next().await {
                Seen::Ping => {}
                Seen::Closed(got) if got == code => return Ok(()),
                Seen::Frame(frame) if packet::cursor(&frame).is_some() => {
                    self.note_offset(&frame)?;
                }
                other => return Err(format!("got {other:?}")),
            }
        }
    }

    fn check_refusal(&mut self, rest: &str, names: &mut Names) -> Result<(), String> {
        let Err(refusal) = &self.connected else { return Err("it was let in".into()) };
        self.has_ended = true;
        check_answer(refusal, rest, names)
    }

    /// Nothing may be left over.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        match &self.connected {
            _ if self.has_ended => Ok(()),
            Ok(_) => self.check_nothing().await,
            Err(refusal) => Err(format!("it was refused: {refusal:?}")),
        }
    }
}
