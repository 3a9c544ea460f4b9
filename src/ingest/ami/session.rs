//! One connection to a telephone system, from the greeting to its end, which always has a name.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::report::{Reporter, Stalled};
use super::snapshot::Trouble;
use super::stream::{self, NoLine, Stream};
use super::wire::{BadWire, Decoder, Packet, action, proof};
use crate::config::Ami;
use crate::limits::{
    AMI_ANSWER_TIMEOUT, AMI_CONNECT_TIMEOUT, AMI_PING_INTERVAL, AMI_READ_BYTES, AMI_SILENCE_MAX,
    AMI_SNAPSHOT_TIMEOUT, AMI_STALL_MAX, AMI_STATS_PAUSE, AMI_WRITE_TIMEOUT,
};

/// Why a connection ended. One line each; neither the secret nor a packet is in any.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("{0}")]
    NoLine(#[from] NoLine),
    #[error("it does not let us connect within {AMI_CONNECT_TIMEOUT:?}")]
    ConnectTimeout,
    #[error("{0}")]
    BadWire(#[from] BadWire),
    #[error("it does not {0} within {1:?}")]
    Late(&'static str, std::time::Duration),
    #[error("secret_file {0}: {1}")]
    SecretFile(String, String),
    #[error("it refuses the login: {0}; look at the manager's name, secret and permit lines")]
    LoginRefused(String),
    #[error("{0}")]
    Trouble(#[from] Trouble),
    #[error("it closed the line")]
    Closed,
    #[error("the line broke: {0}")]
    Broken(io::Error),
    #[error("it said nothing for {AMI_SILENCE_MAX:?}")]
    Silent,
    #[error("the log takes nothing; once it does, everything is compared")]
    Stalled,
}

impl From<Stalled> for End {
    fn from(_: Stalled) -> End {
        End::Stalled
    }
}

impl End {
    /// Whether trying again is of no use until somebody changes something.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            End::LoginRefused(_) | End::SecretFile(..) | End::Trouble(Trouble::Refused(_))
        )
    }
}

/// Connects, logs in, asks for a snapshot, and reports what is told until the line ends.
pub(super) async fn run(settings: &Ami, reporter: &mut Reporter) -> End {
    match try_run(settings, reporter).await {
        Err(end) => end,
        Ok(never) => match never {},
    }
}

async fn try_run(settings: &Ami, reporter: &mut Reporter) -> Result<std::convert::Infallible, End> {
    let connected = timeout(AMI_CONNECT_TIMEOUT, stream::connect(settings)).await;
    let stream = connected.map_err(|_| End::ConnectTimeout)??;
    let mut line = Line { stream, decoder: Decoder::default(), heard: Instant::now() };
    let secret = secret_of(settings).await?;
    let greeted = timeout(AMI_ANSWER_TIMEOUT, line.greeting()).await;
    let version = greeted.map_err(|_| End::Late("greet", AMI_ANSWER_TIMEOUT))??;
    let logged_in = timeout(AMI_ANSWER_TIMEOUT, line.log_in(settings, &secret)).await;
    logged_in.map_err(|_| End::Late("answer the login", AMI_ANSWER_TIMEOUT))??;
    tracing::info!(tenant = %reporter.tenant, address = settings.address, version,
        "connected to the telephone system");
    Turn::new(settings, line).serve(reporter).await
}

/// The secret, which may have been changed since the last time.
async fn secret_of(settings: &Ami) -> Result<String, End> {
    let path = &settings.secret_file;
    if path.as_os_str().is_empty() {
        return Ok(settings.secret.expose().to_owned());
    }
    let bad = |problem: String| End::SecretFile(path.display().to_string(), problem);
    let text = tokio::fs::read_to_string(path).await.map_err(|err| bad(err.to_string()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(bad("holds no secret of one line".into()));
    }
    Ok(secret.to_owned())
}

struct Line {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    /// When anything came last.
    heard: Instant,
}

impl Line {
    async fn send(&mut self, name: &str, fields: &[(&str, &str)]) -> Result<(), End> {
        let bytes = action(name, fields);
        let written = timeout(AMI_WRITE_TIMEOUT, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        let written = written.await.map_err(|_| End::Late("read", AMI_WRITE_TIMEOUT))?;
        written.map_err(End::Broken)
    }

    /// Waits for bytes.
    async fn read(&mut self) -> Result<(), End> {
        let mut bytes = vec![0; AMI_READ_BYTES];
        let count = self.stream.read(&mut bytes).await.map_err(End::Broken)?;
        if count == 0 {
            return Err(End::Closed);
        }
        self.decoder.push(&bytes[..count]);
        self.heard = Instant::now();
        Ok(())
    }

    async fn greeting(&mut self) -> Result<String, End> {
        loop {
            if let Some(greeting) = self.decoder.greeting()? {
                return Ok(greeting);
            }
            self.read().await?;
        }
    }

    /// The answer to an action, before which nothing else comes.
    async fn answer(&mut self, id: &str) -> Result<Packet, End> {
        loop {
            while let Some(packet) = self.decoder.next_packet()? {
                let is_it = packet.get("ActionID").is_none_or(|its| its == id);
                if is_it && packet.response().is_some() {
                    return Ok(packet);
                }
            }
            self.read().await?;
        }
    }

    /// Without TLS the secret is proved, and said only to a system that cannot take a proof.
    async fn log_in(&mut self, settings: &Ami, secret: &str) -> Result<(), End> {
        let mut fields = vec![("ActionID", "login"), ("Username", settings.username.as_str())];
        let challenge = match settings.tls {
            true => None,
            false => self.challenge().await?,
        };
        let key = challenge.map(|challenge| proof(&challenge, secret));
        match &key {
            Some(key) => fields.extend([("AuthType", "MD5"), ("Key", key)]),
            None => fields.push(("Secret", secret)),
        }
        fields.push(("Events", "system,call,agent"));
        self.send("Login", &fields).await?;
        let answer = self.answer("login").await?;
        if answer.response() == Some(true) {
            return Ok(());
        }
        let said = answer.get("Message").unwrap_or("no reason given");
        Err(End::LoginRefused(said.chars().take(80).collect()))
    }

    async fn challenge(&mut self) -> Result<Option<String>, End> {
        self.send("Challenge", &[("ActionID", "challenge"), ("AuthType", "MD5")]).await?;
        let answer = self.answer("challenge").await?;
        let challenge = answer.get("Challenge").filter(|_| answer.response() == Some(true));
        if challenge.is_none() {
            tracing::warn!(
                "the telephone system takes no proof of the secret, which is sent as it is"
            );
        }
        Ok(challenge.map(str::to_owned))
    }
}

/// A connection after its login.
struct Turn<'a> {
    settings: &'a Ami,
    line: Line,
    ping_at: Instant,
    stats_at: Instant,
    stats_asked: Option<Instant>,
    /// Until when the snapshot has to be here.
    snapshot_by: Option<Instant>,
    has_warned: bool,
}

impl<'a> Turn<'a> {
    fn new(settings: &'a Ami, line: Line) -> Turn<'a> {
        let now = Instant::now();
        Turn {
            settings,
            line,
            ping_at: now + AMI_PING_INTERVAL,
            stats_at: now,
            stats_asked: None,
            snapshot_by: None,
            has_warned: false,
        }
    }

    async fn serve(&mut self, reporter: &mut Reporter) -> Result<std::convert::Infallible, End> {
        self.ask_for_snapshot(reporter).await?;
        loop {
            while let Some(packet) = self.line.decoder.next_packet()? {
                self.warn_of_unreadable(&packet);
                reporter.take(packet)?;
            }
            reporter.pass();
            reporter.report(AMI_STALL_MAX).await?;
            if reporter.machine.is_live() {
                self.snapshot_by = None;
                reporter.is_whole();
            }
            if reporter.machine.is_stale() {
                self.ask_for_snapshot(reporter).await?;
            }
            self.ask_what_is_due(reporter).await?;
            let wake = self.next_wake(reporter);
            tokio::select! {
                read = self.line.read() => read?,
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn ask_for_snapshot(&mut self, reporter: &mut Reporter) -> Result<(), End> {
        let [channels, queues] = reporter.machine.begin_snapshot();
        self.snapshot_by = Some(Instant::now() + AMI_SNAPSHOT_TIMEOUT);
        self.line.send("CoreShowChannels", &[("ActionID", &channels)]).await?;
        self.line.send("QueueStatus", &[("ActionID", &queues)]).await
    }

    /// Asks what the time has come for; what has taken too long ends the connection.
    async fn ask_what_is_due(&mut self, reporter: &mut Reporter) -> Result<(), End> {
        let now = Instant::now();
        if now.duration_since(self.line.heard) >= AMI_SILENCE_MAX {
            return Err(End::Silent);
        }
        if self.snapshot_by.is_some_and(|by| now >= by) {
            return Err(End::Late("list its channels and queues", AMI_SNAPSHOT_TIMEOUT));
        }
        if now >= self.ping_at {
            self.ping_at = now + AMI_PING_INTERVAL;
            self.line.send("Ping", &[("ActionID", "ping")]).await?;
        }
        if reporter.machine.is_live() && reporter.machine.take_stats_moved() {
            let soonest = self.stats_asked.map_or(now, |asked| asked + AMI_STATS_PAUSE);
            self.stats_at = self.stats_at.min(soonest.max(now));
        }
        if now >= self.stats_at && reporter.machine.is_live() {
            (self.stats_asked, self.stats_at) = (Some(now), now + self.settings.stats_interval);
            self.line.send("QueueSummary", &[("ActionID", "stats")]).await?;
        }
        Ok(())
    }

    fn next_wake(&self, reporter: &Reporter) -> Instant {
        let silent = self.line.heard + AMI_SILENCE_MAX;
        let stats = Some(self.stats_at).filter(|_| reporter.machine.is_live());
        let others = [stats, self.snapshot_by, reporter.next_due()];
        others.into_iter().flatten().fold(silent.min(self.ping_at), Instant::min)
    }

    fn warn_of_unreadable(&mut self, packet: &Packet) {
        if packet.unreadable > 0 && !std::mem::replace(&mut self.has_warned, true) {
            let (event, lines) = (packet.event().unwrap_or("none"), packet.unreadable);
            tracing::warn!(event, lines, "a packet has lines without a key, which are left out");
        }
    }
}
