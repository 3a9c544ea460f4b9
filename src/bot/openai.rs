//! Any endpoint that speaks OpenAI's chat completions: `POST {base}/chat/completions`
//! (<https://platform.openai.com/docs/api-reference/chat>), as OpenAI itself, and most programs that
//! serve a model on a machine of one's own.
//!
//! A stream is asked for; an endpoint that answers as a whole instead is understood, too.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::endpoint::{BadEndpoint, Endpoint};
use super::{Answer, Failure, Provider, Question, Speaker};

/// Where OpenAI itself is asked.
const BASE: &str = "https://api.openai.com/v1";

/// What an endpoint needs.
pub struct OpenAiSettings {
    /// Its address without `/chat/completions`; empty: OpenAI's own.
    pub base_url: String,
    /// Its key; empty: none is sent.
    pub api_key: String,
    /// Which model answers.
    pub model: String,
    /// What the model is told first; empty: nothing.
    pub instructions: String,
}

/// A model behind an endpoint.
pub struct OpenAi {
    endpoint: Endpoint,
    model: String,
    instructions: String,
}

impl OpenAi {
    /// Makes the client; asks nothing yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: OpenAiSettings) -> Result<OpenAi, BadEndpoint> {
        let OpenAiSettings { base_url, api_key, model, instructions } = settings;
        let base = if base_url.is_empty() { BASE } else { &base_url };
        let endpoint = Endpoint::new(base, "/chat/completions", &api_key)?;
        Ok(OpenAi { endpoint, model, instructions })
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Entry<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Entry<'a> {
    role: &'static str,
    content: &'a str,
}

/// An answer, or a piece of one. The last piece of a stream may have no choice at all.
#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    /// In an answer as a whole it is called `message`.
    #[serde(default, alias = "message")]
    delta: Spoken,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Spoken {
    content: Option<String>,
}

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    async fn answer(&self, question: &Question) -> Result<Answer, Failure> {
        let first = Some(self.instructions.as_str()).filter(|text| !text.is_empty());
        let first = first.map(|content| Entry { role: "system", content });
        let earlier = question.history.iter().map(|turn| match turn.speaker {
            Speaker::Customer => Entry { role: "user", content: &turn.text },
            Speaker::Assistant => Entry { role: "assistant", content: &turn.text },
        });
        let now = Entry { role: "user", content: &question.text };
        let messages = first.into_iter().chain(earlier).chain([now]).collect();
        let request = Request { model: &self.model, messages, stream: true };
        let reply = self.endpoint.post(&request).await?;
        let mut heard = Heard::default();
        if !reply.is_stream() {
            heard.take(reply.json().await?);
            return heard.ended().answer();
        }
        let mut events = reply.events();
        while let Some(told) = events.next().await? {
            if told.data == "[DONE]" {
                return heard.ended().answer();
            }
            let piece = serde_json::from_str(&told.data);
            heard.take(piece.map_err(|_| Failure::Unreadable("a piece is no JSON of its form"))?);
        }
        // Some endpoints leave the last line out; then the model's own end has to do.
        heard.answer()
    }
}

/// What was heard of an answer so far.
#[derive(Default)]
struct Heard {
    text: String,
    finish_reason: Option<String>,
}

impl Heard {
    fn take(&mut self, completion: Completion) {
        let Some(choice) = completion.choices.into_iter().next() else { return };
        self.text += choice.delta.content.as_deref().unwrap_or_default();
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
    }

    /// It is whole, whether or not the endpoint says why the model stopped.
    fn ended(mut self) -> Heard {
        if !self.text.is_empty() {
            self.finish_reason.get_or_insert_with(|| "stop".into());
        }
        self
    }

    fn answer(self) -> Result<Answer, Failure> {
        match self.finish_reason.as_deref() {
            None => Err(Failure::BrokenOff),
            // The endpoint's own rules cut it short; what there is of it is not to be told.
            Some("content_filter") => Ok(Answer::Unsure),
            Some(_) if self.text.trim().is_empty() => Ok(Answer::Unsure),
            Some(_) => Ok(Answer::Text(self.text)),
        }
    }
}
