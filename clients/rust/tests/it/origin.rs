//! A double of `POST /api/events`: gives prepared answers in their order, the last one from then on,
//! and keeps what it was asked. It must not know what is tested with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_client::{BroadcasterBuilder, EventBroadcaster};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// What the double does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status, further header lines, body.
    Whole(u16, String, String),
    /// The head of an answer and half of its body; then the line is cut.
    Cut,
    /// Accepts everything, so much later.
    Late(Duration),
}

/// 202 for the whole batch.
pub(crate) fn accepted() -> Answer {
    accepted_but(&json!([]))
}

/// 202 for the batch without these.
pub(crate) fn accepted_but(rejected: &Value) -> Answer {
    let data = json!({"rejected": rejected, "cursor": "c-7"});
    answer(202, "", &json!({"success": true, "message": "done", "data": data}))
}

/// A refusal in the server's form.
pub(crate) fn refused(status: u16, code: &str, error: &str) -> Answer {
    answer(status, "", &json!({"success": false, "message": "No", "error": error, "code": code}))
}

pub(crate) fn answer(status: u16, header: &str, body: &Value) -> Answer {
    Answer::Whole(status, header.to_owned(), body.to_string())
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Asked {
    /// Its events.
    pub(crate) fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["events"].as_array().unwrap().clone()
    }

    /// What identifies them in these tests.
    pub(crate) fn calls(&self) -> Vec<String> {
        let call = |event: &Value| event["payload"]["unique_id"].as_str().unwrap().to_owned();
        self.events().iter().map(call).collect()
    }
}

struct State {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
    at_once: usize,
}

pub(crate) struct Origin {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Origin {
    pub(crate) async fn serve(answers: impl IntoIterator<Item = Answer>) -> Origin {
        Origin::serve_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), answers)
    }

    pub(crate) fn serve_at(
        listener: TcpListener,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Origin {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.into_iter().collect();
        let state = Arc::new(Mutex::new(State { answers, asked: Vec::new(), at_once: 0 }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&shared)));
            }
        });
        Origin { url, state }
    }

    pub(crate) fn builder(&self) -> BroadcasterBuilder {
        EventBroadcaster::builder(&self.url, "sbk_test")
    }

    pub(crate) fn broadcaster(&self) -> EventBroadcaster {
        self.builder().build().unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The calls of each request.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        self.asked().iter().map(Asked::calls).collect()
    }
}

async fn talk(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = request(&mut stream).await {
        let answer = begin(&mut state.lock().unwrap(), head, body);
        let is_heard = match &answer {
            Answer::Late(delay) => late(&mut stream, *delay).await,
            _ => true,
        };
        end(state.lock().unwrap());
        if !is_heard {
            return;
        }
        let text = match answer {
            Answer::Cut => "HTTP/1.1 202 Accepted\r\ncontent-length: 99\r\n\r\n{\"succ".to_owned(),
            Answer::Late(_) => text(accepted()),
            whole @ Answer::Whole(..) => text(whole),
        };
        if stream.write_all(text.as_bytes()).await.is_err() || text.ends_with("{\"succ") {
            return;
        }
    }
}

/// Waits; false if whoever asked is gone before.
async fn late(stream: &mut BufReader<TcpStream>, delay: Duration) -> bool {
    tokio::select! {
        () = sleep(delay) => true,
        _ = stream.fill_buf() => false,
    }
}

fn begin(state: &mut State, head: String, body: String) -> Answer {
    state.at_once += 1;
    assert_eq!(state.at_once, 1, "one batch is on its way at a time");
    state.asked.push(Asked { head, body, at: Instant::now() });
    match state.answers.len() {
        1 => state.answers[0].clone(),
        _ => state.answers.pop_front().expect("an answer"),
    }
}

fn end(mut state: MutexGuard<'_, State>) {
    state.at_once -= 1;
}

fn text(answer: Answer) -> String {
    let Answer::Whole(status, header, body) = answer else { unreachable!("not a whole one") };
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{header}content-length: {length}\r\n\r\n{body}")
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
