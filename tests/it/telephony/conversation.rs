//! Runs a conversation with a telephone system as it was, or might have been, recorded: a text file
//! is a test. One step after the other, on a server of its own whose clock stands still:
//!
//! ```text
//! # a comment
//! agent 1001 Sari           an agent with this extension; its id is {1001} from then on
//! channels ... end          what CoreShowChannels lists from then on, packets as they are
//! queues ... end            what QueueStatus lists
//! between ... end           what is told between the two lists
//! connect                   the server has connected and read both lists
//! tell ... end              packets
//! cut                       the line is cut
//! cut at login              so is the next one, there; also `greeting`, `channels 2`, `queues 1`
//! +3s                       time passes
//! log ... end               what came into the log since the last such step, all of it:
//!                           a name and a payload a line
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Event;
use tokio::time::Instant;

use crate::asterisk::{Asterisk, Cut};
use crate::clock::{self, real_pause, within};
use crate::office::Office;
use crate::pattern::{self, Names};

/// How long the longest pause before a new connection is, and a bit.
const PAUSE: Duration = Duration::from_secs(31);

struct Stage {
    asterisk: Asterisk,
    office: Office,
    agents: BTreeMap<String, String>,
    /// Events of the log that were looked at.
    seen: usize,
    /// How often all was to be listed.
    connects: usize,
}

/// Runs `tests/it/ami/NAME.txt`.
pub async fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/ami/{name}.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let _stopped = clock::stop();
    let asterisk = Asterisk::start().await;
    // Until the first `connect` nobody is let in.
    asterisk.inner().is_mute = true;
    let office = Office::open(&asterisk.options()).await;
    let agents = BTreeMap::new();
    let mut stage = Stage { asterisk, office, agents, seen: 0, connects: 0 };
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_end();
        let block: Vec<&str> = match line {
            "channels" | "queues" | "between" | "tell" | "log" => {
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "end").collect()
            }
            _ => vec![],
        };
        stage.step(line, &block).await.unwrap_or_else(|why| {
            panic!("{name}.txt line {}: {line}: {why}", number + 1);
        });
    }
    stage.log(&[]).await.unwrap_or_else(|why| panic!("{name}.txt: left over: {why}"));
}

impl Stage {
    async fn step(&mut self, line: &str, block: &[&str]) -> Result<(), String> {
        match line.split(' ').collect::<Vec<_>>()[..] {
            [""] | ["#", ..] => {}
            ["agent", extension, name] => {
                let agent = self.office.agent(name, &[], json!({ "extension": extension })).await;
                self.agents.insert(extension.to_owned(), agent.id);
            }
            ["channels"] => self.asterisk.inner().channels = packets(block),
            ["queues"] => self.asterisk.inner().queues = packets(block),
            ["between"] => self.asterisk.inner().between = packets(block),
            ["connect"] => self.connect().await,
            ["tell"] => self.asterisk.tell(&packets(block).concat()).await,
            ["cut"] => self.asterisk.cut().await,
            ["cut", "at", ref at @ ..] => {
                let after = |count: &str| count.parse().unwrap();
                self.asterisk.inner().cut = Some(match at[..] {
                    ["greeting"] => Cut::Greeting,
                    ["login"] => Cut::Login,
                    ["channels", count] => Cut::Channels(after(count)),
                    ["queues", count] => Cut::Queues(after(count)),
                    _ => return Err("no such place".into()),
                });
                return self.is_cut().await;
            }
            ["log"] => return self.log(block).await,
            [time] if time.starts_with('+') => {
                let seconds = time.trim_matches(['+', 's']).parse().unwrap();
                clock::advance(Duration::from_secs(seconds)).await;
            }
            _ => return Err("no such step".into()),
        }
        Ok(())
    }

    /// Waits for the cut, and no longer: the next connection may not come before the next step.
    async fn is_cut(&self) -> Result<(), String> {
        let until = Instant::now() + PAUSE;
        while self.asterisk.inner().cut.is_some() {
            if Instant::now() > until {
                return Err("nobody came to be cut".into());
            }
            clock::advance(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn connect(&mut self) {
        let is_first = std::mem::take(&mut self.asterisk.inner().is_mute);
        self.connects = self.asterisk.listed() + 1;
        if is_first {
            // Whoever was not answered tries again.
            clock::advance(Duration::from_secs(11)).await;
        }
        clock::advance(PAUSE).await;
        self.asterisk.has_listed(self.connects).await;
        clock::settle().await;
        self.asterisk.inner().between.clear();
    }

    async fn log(&mut self, expected: &[&str]) -> Result<(), String> {
        let expected: Vec<&&str> = expected.iter().filter(|line| !line.trim().is_empty()).collect();
        let enough = self.seen + expected.len();
        within("events", async {
            while calls(self.office.log().await).len() < enough {
                real_pause(Duration::from_millis(5)).await;
            }
        })
        .await;
        clock::settle().await;
        let all = calls(self.office.log().await);
        let new = &all[self.seen..];
        self.seen = all.len();
        for (at, event) in new.iter().enumerate() {
            let got: Value = serde_json::from_str(&event.payload().unwrap()).unwrap();
            let told = format!("{} {got}", event.name());
            let Some(line) = expected.get(at) else { return Err(format!("and {told}")) };
            let mut line = line.trim().to_owned();
            for (extension, id) in &self.agents {
                line = line.replace(&format!("{{{extension}}}"), id);
            }
            let (name, payload) = line.split_once(' ').ok_or("no payload")?;
            let pattern = serde_json::from_str(payload).map_err(|err| format!("{line}: {err}"))?;
            if name != event.name() {
                return Err(format!("expected {line}, got {told}"));
            }
            pattern::check(&pattern, &got, true, &mut Names::new())
                .map_err(|why| format!("{told}: {why}"))?;
        }
        Ok(())
    }
}

/// What telephones are about.
pub fn calls(events: Vec<Event>) -> Vec<Event> {
    let is_of_calls = |event: &Event| matches!(event, Event::Call(_) | Event::CallQueue(_));
    events.into_iter().filter(is_of_calls).collect()
}

/// Packets as they are sent, of lines with empty ones between.
fn packets(lines: &[&str]) -> Vec<String> {
    let packets = lines.split(|line| line.trim().is_empty()).filter(|lines| !lines.is_empty());
    packets
        .map(|lines| lines.iter().map(|l| format!("{l}\r\n")).collect::<String>() + "\r\n")
        .collect()
}
