//! A provider of the bot on a real socket: an endpoint that speaks OpenAI's chat completions and
//! does what a test tells it. What providers may do wrong on the wire is tested beside `src/bot`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::clock::within;

/// The endpoint.
pub struct Provider {
    /// Its address, for `bot.base_url`.
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Value>>,
    hits: Semaphore,
    /// Holds answers back while it has no permits.
    gate: Semaphore,
}

enum Answer {
    Text(String),
    Status(u16),
}

impl Provider {
    /// An endpoint that answers at once.
    pub async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            answers: Mutex::default(),
            asked: Mutex::default(),
            hits: Semaphore::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let app = Router::new().route("/chat/completions", post(serve)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Provider { url, inner }
    }

    /// What it says next, after what was told before.
    pub fn will_say(&self, text: &str) {
        self.inner.answers.lock().unwrap().push_back(Answer::Text(text.to_owned()));
    }

    /// What it refuses with next.
    pub fn will_refuse(&self, status: u16) {
        self.inner.answers.lock().unwrap().push_back(Answer::Status(status));
    }

    /// Lets no answer out until it is let out or [`Self::open_gate`].
    pub fn close_gate(&self) {
        self.inner.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets one answer out.
    pub fn let_one_out(&self) {
        self.inner.gate.add_permits(1);
    }

    /// Lets answers out again.
    pub fn open_gate(&self) {
        self.inner.gate.add_permits(1_000);
    }

    /// How often it was asked.
    pub fn hits(&self) -> usize {
        self.inner.asked.lock().unwrap().len()
    }

    /// Waits for one more question than were waited for before.
    pub async fn is_asked(&self) {
        within("a question", self.inner.hits.acquire()).await.unwrap().forget();
    }

    /// The messages of its latest question.
    pub fn latest(&self) -> Value {
        self.inner.asked.lock().unwrap().last().unwrap()["messages"].clone()
    }
}

async fn serve(State(inner): State<Arc<Inner>>, Json(asked): Json<Value>) -> Response {
    inner.asked.lock().unwrap().push(asked);
    let answer = inner.answers.lock().unwrap().pop_front();
    inner.hits.add_permits(1);
    inner.gate.acquire().await.unwrap().forget();
    match answer {
        Some(Answer::Text(text)) => {
            let message = json!({"role": "assistant", "content": text});
            Json(json!({"choices": [{"message": message, "finish_reason": "stop"}]}))
                .into_response()
        }
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        None => StatusCode::IM_A_TEAPOT.into_response(),
    }
}
