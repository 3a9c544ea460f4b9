//! Runs the transcripts: a text file is a test.
//!
//! One step a line, in order, on a server of its own whose clock stands still:
//!
//! ```text
//! # a comment
//! config limits.messages_per_minute = 2        an option of the server; before all else
//! on disk                                       the server has a file; before all else
//! token budi = customer customer_123 conversation={SESSION} ttl=60
//! budi@session = /ws/{SESSION}/customer_123/customer?token={budi}
//! budi@session = /ws/... | Origin: https://a.example | Cookie: a=b
//! budi@session > {"type": "ping"}              sends a frame, JSON or not
//! budi@session sends binary | not-utf8 | 5000 bytes
//! budi@session < {"type": "pong"}              the next frame has at least these fields
//! budi@session <! {"type": "pong", ...}        ... and no others, at any depth
//! budi@session <~ {...}                        one of a run of such lines, in any order
//! budi@session nothing                         no frame waits
//! budi@session pinged                          a ping came
//! budi@session freezes                         reads and answers no more
//! budi@session cut                             resets the line without a close frame
//! budi@session close                           sends a close frame and has its answer
//! budi@session closed 4008                     the server closed it
//! budi@session refused 403 {...}               the line before was not let in
//! dewi@socketio = {"token": "{dewi}"}          comes in over a WebSocket, with this `auth`
//! dewi@socketio = /socket.io/?EIO=4&...        opens a session and says nothing
//! dewi@polling = {...}                         the same over long-polling
//! dewi@socketio > 421["join_conversation","a"] sends a packet
//! dewi@socketio < 42["message_received",{...}] the next packet; the payload is a pattern
//! GET /api/... => 200 {...}                     asks by HTTP; the answer has these fields
//! POST /api/... {...} => 200 {...}             and PATCH, DELETE
//! +55s  +200ms                                 moves the clock
//! ```
//!
//! Who speaks Socket.IO answers pings by itself. A line with an `auth` takes in what every client is
//! told first; `cursor` events are passed over unless a line asks for one, but never go backwards.
//! `{dewi.pid}` and `{dewi.offset}` are what `dewi` needs to be taken up again; the last offset is
//! read by a line of `nothing`.
//!
//! `{SESSION}`, `{OTHER}` and `{THIRD}` are ids of conversations, new each time; a token and a
//! value kept by `{=name}` are used by their name. When the file ends, no frame may be left over.

mod peer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use switchboard::model::{Moment, Role};
use tempfile::TempDir;

use crate::client::Answer;
use crate::clock;
use crate::pattern::{self, Names};
use crate::server::{Server, claims, sign};
use peer::{Dialect, Peer};

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            run(stringify!($name)).await;
        })*

        const ALL: &[&str] = &[$(stringify!($name)),*];
    };
}

transcripts! {
    a_believed_socket_keeps_nobody_alive
    a_conversation_changes_hands
    a_foreign_cursor_is_a_resync
    a_lost_agent_gives_its_conversations_back
    a_repeat_by_client_id
    a_token_ends
    an_agent_takes_over_from_the_bot
    an_admin_observes
    an_admin_puts_somebody_out
    close_and_reopen
    a_place_is_told_with_an_honest_wait
    a_tenant_made_while_running_is_routed
    an_agent_is_routed_to
    an_offer_is_answered_with_an_older_token
    an_offer_goes_round
    document_000
    document_001
    document_002
    document_003
    document_004
    frames_that_end_a_connection
    heartbeat
    history
    hub_notifications
    hub_posts
    hub_resume
    hub_subscriptions
    hub_token_ends
    hub_visitor
    long_waits_escalate
    malformed_frames
    messages_after_the_close
    new_conversations_begin_with_the_bot
    nobody_serves_at_night
    one_user_of_two_types_is_refused
    rate_limits
    receipts
    reconnection
    refusals_come_in_order
    resume
    the_bot_answers_and_hands_over
    two_tabs_are_one_user
    socketio_a_room_changes_hands
    socketio_a_token_ends
    socketio_and_session_meet
    socketio_authenticates_by_event
    socketio_ends
    socketio_heartbeat
    socketio_names
    socketio_typing_needs_a_room
    typing_ends_after_three_seconds
}

#[test]
fn every_transcript_is_run() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(ALL.contains(&name), "{name} is not in the list above");
    }
}

struct Runner {
    server: Option<Server>,
    options: Vec<(String, String)>,
    is_on_disk: bool,
    names: Names,
    peers: BTreeMap<String, Peer>,
}

async fn run(name: &str) {
    let path = format!("{}/tests/it/transcripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let _stopped = clock::stop();
    let ids = ["SESSION", "OTHER", "THIRD"];
    let ids = ids.map(|name| (name.to_owned(), uuid::Uuid::new_v4().to_string()));
    let names = Names::from(ids);
    let (server, options, peers) = (None, vec![], BTreeMap::new());
    let mut runner = Runner { server, options, is_on_disk: false, names, peers };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // Shown with a test that fails, perhaps by waiting in vain.
        println!("{}: {line}", number + 1);
        if let Err(why) = runner.step(line).await {
            panic!("transcripts/{name}.txt:{}: {line}\n  {why}", number + 1);
        }
    }
    if let Err(why) = runner.end().await {
        panic!("transcripts/{name}.txt: at the end: {why}");
    }
}

impl Runner {
    async fn step(&mut self, line: &str) -> Result<(), String> {
        if let Some(option) = line.strip_prefix("config ") {
            let (key, value) = option.split_once(" = ").ok_or("config KEY = VALUE")?;
            self.options.push((key.to_owned(), value.to_owned()));
            return if self.server.is_none() { Ok(()) } else { Err("too late".into()) };
        }
        if line == "on disk" {
            self.is_on_disk = true;
            return if self.server.is_none() { Ok(()) } else { Err("too late".into()) };
        }
        if self.server.is_none() {
            self.server = Some(self.start().await);
        }
        if let Some(token) = line.strip_prefix("token ") {
            return self.make_token(token);
        }
        if let Some(span) = line.strip_prefix('+') {
            let span = switchboard::config::parse_duration(span)?;
            clock::advance(span).await;
            return Ok(());
        }
        if ["GET ", "POST ", "PATCH ", "DELETE "].iter().any(|method| line.starts_with(method)) {
            return self.ask(line).await;
        }
        let (name, act) = line.split_once(' ').ok_or("what?")?;
        let dialect = name.split_once('@').and_then(|(_, dialect)| Dialect::parse(dialect));
        let dialect = dialect.ok_or("NAME@DIALECT: session, hub, socketio or polling")?;
        let (verb, rest) = act.split_once(' ').unwrap_or((act, ""));
        let rest = self.fill_in(rest);
        if verb != "<~"
            && let Some(peer) = self.peers.get_mut(name)
        {
            peer.take_run(&mut self.names).await?;
        }
        if verb == "=" {
            return self.open(name, dialect, &rest).await;
        }
        let peer = self.peers.get_mut(name).ok_or("not connected")?;
        let acted = peer.act(verb, &rest, &mut self.names).await;
        peer.tell_offset(&mut self.names);
        acted
    }

    async fn start(&self) -> Server {
        let options = self.options.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let options: Vec<(&str, &str)> = options.collect();
        match self.is_on_disk {
            true => Server::on_disk(Arc::new(TempDir::new().unwrap()), &options).await,
            false => Server::start(&options).await,
        }
    }

    fn make_token(&mut self, line: &str) -> Result<(), String> {
        let line = self.fill_in(line);
        let (name, claim) = line.split_once(" = ").ok_or("token NAME = ROLE USER ...")?;
        let mut words = claim.split_whitespace();
        let role = words.next().and_then(Role::parse).ok_or("no such role")?;
        let mut claims = claims(role, words.next().ok_or("no user")?);
        for word in words {
            match word.split_once('=').ok_or("NAME=VALUE")? {
                ("tenant", v) => claims.tenant = v.into(),
                ("name", v) => claims.name = Some(v.into()),
                ("conversation", v) => claims.conversations.push(v.into()),
                ("department", v) => claims.departments.push(v.into()),
                ("ttl", v) => {
                    let ttl: i64 = v.parse().map_err(|_| "ttl: seconds")?;
                    claims.exp = Moment::now().unix_seconds() + ttl;
                }
                (other, _) => return Err(format!("no such claim: {other}")),
            }
        }
        self.names.insert(name.to_owned(), sign(&claims));
        Ok(())
    }

    async fn ask(&mut self, line: &str) -> Result<(), String> {
        let line = self.fill_in(line);
        let (request, wanted) = line.split_once(" => ").ok_or("METHOD PATH BODY => STATUS ...")?;
        let mut parts = request.splitn(3, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (method, path, body) = (next(), next(), next());
        let server = self.server.as_ref().ok_or("no server")?;
        check_answer(&server.request(method, path, body).await, wanted, &mut self.names)
    }

    fn fill_in(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.names {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    async fn open(&mut self, name: &str, dialect: Dialect, rest: &str) -> Result<(), String> {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.end().await?;
        }
        let server = self.server.as_ref().ok_or("no server")?;
        let mut peer = Peer::open(name, dialect, server.addr, rest).await?;
        if rest.starts_with('{') {
            peer.enter(rest, &mut self.names).await?;
        }
        self.peers.insert(name.to_owned(), peer);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), String> {
        for (name, peer) in &mut self.peers {
            let ended = async {
                peer.take_run(&mut self.names).await?;
                peer.end().await
            };
            ended.await.map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }
}

/// Compares an answer with a status and a pattern of its body.
fn check_answer(answer: &Answer, wanted: &str, names: &mut Names) -> Result<(), String> {
    let (status, body) = wanted.split_once(' ').unwrap_or((wanted, "{}"));
    let body = serde_json::from_str(body).map_err(|e| format!("pattern: {e}"))?;
    if answer.status.to_string() != status {
        return Err(format!("got {answer:?}"));
    }
    pattern::check(&body, &answer.body, false, names)
        .map_err(|why| format!("{why}\n  in {answer:?}"))
}
