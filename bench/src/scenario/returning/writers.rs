//! The storm's messages: sent through REST, each again and again under the same client id until
//! the server says that it keeps it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Books, Route};
use crate::client::Stamp;
use crate::clock;
use crate::http::{Answer, Http};
use crate::scale::{REQUEST_WIDTH, RETURN_TIMEOUT};
use crate::socketio::Guest;

/// Every conversation gets one message each time this has passed.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a writer waits before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Everybody who writes.
#[derive(Debug)]
pub(in crate::scenario) struct Writers {
    tasks: JoinSet<()>,
    goes_on: Rc<Cell<bool>>,
}

/// One of them, with every n-th conversation.
struct Scribe {
    route: Route,
    agent: Guest,
    conversations: Rc<Vec<String>>,
    first: usize,
    books: Rc<Books>,
    content_bytes: usize,
    goes_on: Rc<Cell<bool>>,
    http: Option<Http>,
}

impl Writers {
    /// Lets them write.
    pub(in crate::scenario) fn begin(
        route: Route,
        agent: Guest,
        conversations: &Rc<Vec<String>>,
        books: &Rc<Books>,
        content_bytes: usize,
    ) -> Self {
        let (mut tasks, goes_on) = (JoinSet::new(), Rc::new(Cell::new(true)));
        for first in 0..REQUEST_WIDTH.min(conversations.len()) {
            let scribe = Scribe {
                route,
                agent: agent.clone(),
                conversations: Rc::clone(conversations),
                first,
                books: Rc::clone(books),
                content_bytes,
                goes_on: Rc::clone(&goes_on),
                http: None,
            };
            tasks.spawn_local(scribe.write());
        }
        Self { tasks, goes_on }
    }

    /// Lets each finish its message.
    pub(in crate::scenario) async fn end(mut self) -> Result<()> {
        self.goes_on.set(false);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        timeout(RETURN_TIMEOUT, ended).await.context("a message finds nobody who takes it")
    }
}

impl Scribe {
    async fn write(mut self) {
        let mine = (self.first..self.conversations.len()).step_by(REQUEST_WIDTH);
        let step = MESSAGE_INTERVAL / u32::try_from(mine.len()).unwrap_or(u32::MAX);
        let mut due = Instant::now();
        for conversation in mine.cycle() {
            sleep_until(due).await;
            if !self.goes_on.get() {
                return;
            }
            if let Err(refusal) = self.send(conversation).await {
                return self.books.troubles.note(refusal);
            }
            self.books.note_sent(conversation);
            // What could not be sent meanwhile is not made up for: it would be a storm of ours.
            due = (due + step).max(Instant::now());
        }
    }

    /// Sends the next message of a conversation until it is taken, or refused with this text.
    async fn send(&mut self, conversation: usize) -> Result<(), String> {
        let number = self.books.sent_in(conversation) + 1;
        let stamp = Stamp { number, sent_ns: clock::now_ns() };
        let (mut content, mut id) = (Vec::new(), Vec::new());
        stamp.write_text(self.content_bytes, &mut content);
        stamp.write_id(&mut id);
        let body = json!({
            "conversationId": self.conversations[conversation],
            "content": String::from_utf8_lossy(&content),
            "clientId": String::from_utf8_lossy(&id),
        });
        let body = body.to_string();
        loop {
            match self.post(&body).await {
                // It drains, or has not come up yet.
                Ok(Answer { status: 503, .. }) | Err(_) => {
                    self.http = None;
                    self.route.first = self.route.then;
                    sleep(RETRY_AFTER).await;
                }
                Ok(answer) => {
                    let status = answer.status;
                    let seq = answer.json().pointer("/data/seq").and_then(Value::as_u64);
                    let is_kept = (200..300).contains(&status) && seq == Some(number);
                    let refusal = || format!("message {number}: status {status}, seq {seq:?}");
                    return is_kept.then_some(()).ok_or_else(refusal);
                }
            }
        }
    }

    async fn post(&mut self, body: &str) -> Result<Answer> {
        let mut http = match self.http.take() {
            Some(http) => http,
            None => Http::connect(self.route.first).await?,
        };
        let answer = http.post("/api/messages", Some(self.agent.token()), body).await?;
        self.http = Some(http);
        Ok(answer)
    }
}
