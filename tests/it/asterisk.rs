//! An Asterisk as far as its manager interface goes: greets, checks who logs in, lists what it is
//! told to list, tells what it is told to tell, and can be cut anywhere.

use std::sync::{Arc, Mutex, MutexGuard};

use md5::{Digest, Md5};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;

use crate::clock::within;

#[path = "../../src/ingest/ami/tests/pbx.rs"]
#[allow(dead_code, reason = "shared with the tests beside the code")]
pub mod pbx;

/// The manager's secret.
pub const SECRET: &str = "of-tests-only";
const CHALLENGE: &str = "840415273";

/// Where the next connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before it is greeted.
    Greeting,
    /// Instead of an answer to the login.
    Login,
    /// After so many packets of the list of channels.
    Channels(usize),
    /// After so many packets of the list of queues.
    Queues(usize),
}

/// What is listed and told, and what was asked.
#[derive(Default)]
pub struct Inner {
    /// The items of the answer to `CoreShowChannels`.
    pub channels: Vec<String>,
    /// Those to `QueueStatus`.
    pub queues: Vec<String>,
    /// Those to `QueueSummary`.
    pub summaries: Vec<String>,
    /// Told between the two lists.
    pub between: Vec<String>,
    /// Where the next connection is cut.
    pub cut: Option<Cut>,
    /// Says nothing more.
    pub is_mute: bool,
    /// Takes no proof of a secret.
    pub is_old: bool,
    /// What the secret is, if not [`SECRET`].
    pub secret: Option<&'static str>,
    /// The names of the actions, in their order.
    pub actions: Vec<String>,
    /// Everything that was sent here.
    pub heard: String,
    /// How often all was listed.
    listed: usize,
    line: Option<mpsc::Sender<Told>>,
}

enum Told {
    Text(String),
    Cut,
}

/// The telephone system.
#[derive(Clone)]
pub struct Asterisk {
    /// Where it listens.
    pub address: String,
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Asterisk {
    /// One in which nothing goes on.
    pub async fn start() -> Asterisk {
        Asterisk::serve(None).await
    }

    /// One that speaks TLS alone.
    pub async fn start_with_tls(acceptor: TlsAcceptor) -> Asterisk {
        Asterisk::serve(Some(acceptor)).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Asterisk {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (inner, changed) = (Arc::default(), Arc::default());
        let asterisk = Asterisk { address, inner, changed };
        let own = asterisk.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream: Box<dyn Stream> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                };
                // Whoever is cut is gone without a word.
                let _ = own.talk(stream).await;
                own.inner().line = None;
                own.changed.notify_waiters();
            }
        });
        asterisk
    }

    /// The options of a server that is connected to it.
    pub fn options(&self) -> Vec<(&str, &str)> {
        vec![
            ("ami.default.address", &self.address),
            ("ami.default.username", "switchboard"),
            ("ami.default.secret", SECRET),
        ]
    }

    /// What is listed, told, and was asked.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Waits until everything was listed so many times since the start.
    pub async fn has_listed(&self, times: usize) {
        self.until("all is listed", |inner| inner.listed >= times).await;
    }

    /// How often all was listed.
    pub fn listed(&self) -> usize {
        self.inner().listed
    }

    /// Waits until an action was asked for so many times.
    pub async fn is_asked(&self, action: &str, times: usize) {
        let asked = |inner: &Inner| inner.actions.iter().filter(|a| *a == action).count() >= times;
        self.until(action, asked).await;
    }

    async fn until(&self, what: &str, is_it: impl Fn(&Inner) -> bool) {
        within(what, async {
            loop {
                let changed = self.changed.notified();
                if is_it(&self.inner()) {
                    break;
                }
                changed.await;
            }
        })
        .await;
    }

    /// Tells whoever listens.
    pub async fn tell(&self, text: &str) {
        let line = self.inner().line.clone();
        if let Some(line) = line {
            let _ = line.send(Told::Text(text.to_owned())).await;
        }
    }

    /// Cuts the line.
    pub async fn cut(&self) {
        let line = self.inner().line.clone();
        if let Some(line) = line {
            let _ = line.send(Told::Cut).await;
        }
        self.until("the line is cut", |inner| inner.line.is_none()).await;
    }

    fn is_cut_at(&self, cut: Cut) -> bool {
        let mut inner = self.inner();
        let is_it = inner.cut == Some(cut);
        if is_it {
            inner.cut = None;
        }
        is_it
    }

    async fn talk(&self, stream: Box<dyn Stream>) -> std::io::Result<()> {
        if self.is_cut_at(Cut::Greeting) {
            return Ok(());
        }
        let (reading, mut writing) = tokio::io::split(stream);
        let mut lines = BufReader::new(reading).lines();
        writing.write_all(b"Asterisk Call Manager/9.0.0\r\n").await?;
        let (line, mut told) = mpsc::channel(1_024);
        let mut action: Vec<(String, String)> = Vec::new();
        loop {
            tokio::select! {
                read = lines.next_line() => {
                    let Some(text) = read? else { return Ok(()) };
                    self.inner().heard += &text;
                    if let Some((key, value)) = text.split_once(": ") {
                        action.push((key.to_owned(), value.to_owned()));
                    } else if !action.is_empty() {
                        let action = std::mem::take(&mut action);
                        for packet in self.answer(&action, &line) {
                            let Some(packet) = packet else { return Ok(()) };
                            writing.write_all(packet.as_bytes()).await?;
                        }
                        self.changed.notify_waiters();
                    }
                }
                Some(told) = told.recv() => match told {
                    Told::Text(text) => writing.write_all(text.as_bytes()).await?,
                    Told::Cut => return Ok(()),
                },
            }
        }
    }

    /// The packets of an answer; `None` where the line is cut.
    fn answer(
        &self,
        action: &[(String, String)],
        line: &mpsc::Sender<Told>,
    ) -> Vec<Option<String>> {
        let get = |key: &str| action.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
        let (name, id) = (get("Action"), get("ActionID"));
        let mut inner = self.inner();
        inner.actions.push(name.to_owned());
        if inner.is_mute {
            return vec![];
        }
        let says = |success: bool, rest: &str| {
            let word = if success { "Success" } else { "Error" };
            Some(format!("Response: {word}\r\nActionID: {id}\r\n{rest}\r\n"))
        };
        match name {
            "Challenge" if inner.is_old => vec![says(false, "Message: Invalid command\r\n")],
            "Challenge" => vec![says(true, &format!("Challenge: {CHALLENGE}\r\n"))],
            "Login" if inner.cut.take_if(|cut| *cut == Cut::Login).is_some() => vec![None],
            "Login" => {
                let secret = inner.secret.unwrap_or(SECRET);
                let proof = Md5::new().chain_update(CHALLENGE).chain_update(secret).finalize();
                let proof: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
                let is_proved = get("Key") == proof && !inner.is_old;
                if get("Username") != "switchboard" || !(is_proved || get("Secret") == secret) {
                    return vec![says(false, "Message: Authentication failed\r\n"), None];
                }
                inner.line = Some(line.clone());
                let booted = "Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n".to_owned();
                vec![says(true, "Message: Authentication accepted\r\n"), Some(booted)]
            }
            "CoreShowChannels" => {
                let list = list(id, "CoreShowChannelsComplete", &inner.channels);
                let between = inner.between.clone();
                match inner.cut {
                    Some(Cut::Channels(after)) => {
                        inner.cut = None;
                        list.into_iter().take(after).map(Some).chain([None]).collect()
                    }
                    _ => list.into_iter().chain(between).map(Some).collect(),
                }
            }
            "QueueStatus" => {
                let list = list(id, "QueueStatusComplete", &inner.queues);
                if let Some(Cut::Queues(after)) = inner.cut {
                    inner.cut = None;
                    return list.into_iter().take(after).map(Some).chain([None]).collect();
                }
                inner.listed += 1;
                list.into_iter().map(Some).collect()
            }
            "QueueSummary" => {
                list(id, "QueueSummaryComplete", &inner.summaries).into_iter().map(Some).collect()
            }
            "Ping" => vec![says(true, "Ping: Pong\r\n")],
            _ => vec![says(false, "Message: Invalid/unknown command\r\n")],
        }
    }
}

/// A list as it is sent: each item bears the id of the action.
fn list(id: &str, end: &str, items: &[String]) -> Vec<String> {
    let begin = format!("Response: Success\r\nActionID: {id}\r\nEventList: start\r\n\r\n");
    let item = |item: &String| {
        let (event, rest) = item.split_once("\r\n").unwrap();
        format!("{event}\r\nActionID: {id}\r\n{rest}")
    };
    let count = items.len();
    let end = format!(
        "Event: {end}\r\nActionID: {id}\r\nEventList: Complete\r\nListItems: {count}\r\n\r\n"
    );
    [begin].into_iter().chain(items.iter().map(item)).chain([end]).collect()
}
