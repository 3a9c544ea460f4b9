//! Power cuts: the process is killed again and again while people talk. What was acknowledged is
//! there afterwards, under the number it was acknowledged with, without a hole and without a
//! double; and whoever was connected is told to have left (contract 2 and 3).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchboard::log::{self, Location, Reading};
use switchboard::model::{ConversationId, DisconnectReason, Event, Role, TenantId, UserId};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, connect};
use crate::clock::{real_pause, within};
use crate::dice::Dice;
use crate::process::Process;
use crate::server::{claims, sign};

const KILLS: usize = 24;

/// Messages a sender has under way at once.
const WINDOW: usize = 8;

/// Messages that must be acknowledged between two kills.
const PROGRESS: usize = 20;

/// What the senders know of the server.
#[derive(Clone, Copy)]
enum Stage {
    Down,
    Up(SocketAddr),
    /// Send what is not acknowledged yet, and end.
    Last(SocketAddr),
}

/// What was acknowledged: client_id to seq and id.
type Acked = Arc<Mutex<BTreeMap<String, (u64, String)>>>;

/// Somebody who talks.
#[derive(Clone)]
struct Speaker {
    name: &'static str,
    role: Role,
    session: ConversationId,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_two_dozen_kills() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (one, two) = (ConversationId::random(), ConversationId::random());
    let speakers = [
        Speaker { name: "budi", role: Role::Customer, session: one },
        Speaker { name: "dewi", role: Role::Agent, session: one },
        Speaker { name: "agus", role: Role::Agent, session: one },
        Speaker { name: "citra", role: Role::Customer, session: two },
    ];
    let (tell, stage) = watch::channel(Stage::Down);
    let acked = speakers.clone().map(|_| Acked::default());
    let talking: Vec<_> = speakers
        .iter()
        .zip(&acked)
        .map(|(speaker, acked)| tokio::spawn(talk(speaker.clone(), stage.clone(), acked.clone())))
        .collect();

    let mut dice = Dice::new(24);
    let mut process = Process::serve(&data, &[]).await;
    for _ in 0..KILLS {
        let before = count(&acked);
        tell.send_replace(Stage::Up(process.addr));
        within("acknowledgements", async {
            while count(&acked) < before + PROGRESS {
                real_pause(Duration::from_millis(2)).await;
            }
        })
        .await;
        real_pause(Duration::from_millis(dice.below(60))).await;
        process.kill().await;
        tell.send_replace(Stage::Down);
        process = Process::serve(&data, &[]).await;
        check_kept(process.addr, one, &acked[..3]).await;
        check_kept(process.addr, two, &acked[3..]).await;
    }
    tell.send_replace(Stage::Last(process.addr));
    for talk in talking {
        within("the last acknowledgements", talk).await.unwrap();
    }
    check_kept(process.addr, one, &acked[..3]).await;
    check_kept(process.addr, two, &acked[3..]).await;
    process.terminate().await;
    assert!(process.ended().await.success());
    let lost = check_leaves(&data, one).await + check_leaves(&data, two).await;
    assert!(lost >= KILLS, "{lost} users were lost in {KILLS} kills");
}

fn count(acked: &[Acked]) -> usize {
    acked.iter().map(|acked| acked.lock().unwrap().len()).sum()
}

/// Sends one message after another; after each restart first again what was not acknowledged.
async fn talk(speaker: Speaker, mut stage: watch::Receiver<Stage>, acked: Acked) {
    let mut claims = claims(speaker.role, speaker.name);
    claims.conversations = vec![speaker.session.to_string()];
    let Speaker { name, role, session } = speaker;
    let path = format!("/ws/{session}/{name}/{role}?token={}", sign(&claims));
    let mut next = 0;
    let mut waiting: VecDeque<String> = VecDeque::new();
    loop {
        let (addr, is_last) = match *stage.borrow_and_update() {
            Stage::Up(addr) => (addr, false),
            Stage::Last(addr) => (addr, true),
            Stage::Down => (([0, 0, 0, 0], 0).into(), false),
        };
        if addr.port() == 0 {
            stage.changed().await.unwrap();
            continue;
        }
        // An agent may be too early for a conversation that its customer has not begun.
        let Ok((mut ws, _)) = connect(addr, &path, &[], None).await else {
            real_pause(Duration::from_millis(5)).await;
            continue;
        };
        let mut is_sent = true;
        for id in &waiting {
            is_sent &= say(&mut ws, id).await;
        }
        while is_sent && !(is_last && waiting.is_empty()) {
            while is_sent && !is_last && waiting.len() < WINDOW {
                let id = format!("{name}-{next}");
                next += 1;
                is_sent &= say(&mut ws, &id).await;
                waiting.push_back(id);
            }
            match ws.next().await {
                Some(Ok(Message::Text(text))) => note_ack(&text, &mut waiting, &acked),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => is_sent = false,
            }
            if !is_last && matches!(*stage.borrow(), Stage::Last(_)) {
                break;
            }
        }
        if is_last && waiting.is_empty() {
            let _ = ws.close(None).await;
            return;
        }
    }
}

async fn say(ws: &mut WebSocketStream<TcpStream>, id: &str) -> bool {
    let data = json!({ "content": format!("this is {id}"), "client_id": id });
    let frame = json!({ "type": "message", "data": data });
    ws.send(Message::text(frame.to_string())).await.is_ok()
}

fn note_ack(text: &str, waiting: &mut VecDeque<String>, acked: &Acked) {
    let frame: Value = serde_json::from_str(text).unwrap();
    if frame["type"] != "ack" {
        return;
    }
    let data = &frame["data"];
    assert_eq!(data["success"], true, "{frame}");
    let id = data["client_id"].as_str().unwrap().to_owned();
    let kept = (data["seq"].as_u64().unwrap(), data["id"].as_str().unwrap().to_owned());
    waiting.retain(|waiting| *waiting != id);
    let known = acked.lock().unwrap().insert(id, kept.clone());
    assert!(known.is_none_or(|known| known == kept), "acknowledged twice, differently: {frame}");
}

/// Reads a conversation from its beginning and compares it with what was acknowledged before.
async fn check_kept(addr: SocketAddr, session: ConversationId, acked: &[Acked]) {
    let promised: Vec<_> = acked.iter().flat_map(|a| a.lock().unwrap().clone()).collect();
    let token = sign(&claims(Role::Admin, "auditor"));
    let path = format!("/ws/{session}/auditor/admin?token={token}&after=0");
    let mut reader = Client::open(addr, &path, &[]).await.unwrap();
    let mut kept = BTreeMap::new();
    loop {
        let frame = reader.frame().await;
        let data = &frame["data"];
        match frame["type"].as_str() {
            Some("message") => {
                let (seq, id) = (data["seq"].as_u64().unwrap(), data["id"].as_str().unwrap());
                assert_eq!(seq, kept.len() as u64 + 1, "a hole or a double: {frame}");
                let client_id = data["client_id"].as_str().unwrap();
                let before = kept.insert(client_id.to_owned(), (seq, id.to_owned()));
                assert!(before.is_none(), "kept twice: {frame}");
                assert_eq!(data["content"], format!("this is {client_id}"));
            }
            // Present: all that was missed has been told.
            Some("connection_status_update") => break,
            _ => {}
        }
    }
    for (client_id, promise) in promised {
        assert_eq!(kept.get(&client_id), Some(&promise), "{client_id} was acknowledged");
    }
    reader.close().await;
    reader.end().await;
}

/// Everybody's joins and leaves alternate, and nobody is left in. Returns how many leaves the
/// server wrote for a run that was killed.
async fn check_leaves(data: &Path, session: ConversationId) -> usize {
    let location = Location::Sqlite(data.join("switchboard.db"));
    let (log, _tail) = log::open(&location, Arc::new(|_, _| {}), None).await.unwrap();
    let tenant = TenantId::default_tenant();
    let page = log.read(&tenant, Reading::Recorder(session), 0, 100_000).await.unwrap();
    assert!(page.is_end);
    let mut present: HashSet<UserId> = HashSet::new();
    let mut lost = BTreeSet::new();
    for envelope in &page.events {
        match &envelope.event {
            Event::Joined(joined) => {
                assert!(present.insert(joined.user_id.clone()), "joined twice: {joined:?}");
            }
            Event::Left(left) => {
                assert!(present.remove(&left.user_id), "left without a join: {left:?}");
                if left.reason == DisconnectReason::NodeLost {
                    lost.insert(envelope.position());
                }
            }
            _ => {}
        }
    }
    assert!(present.is_empty(), "still in: {present:?}");
    log.close().await;
    lost.len()
}
