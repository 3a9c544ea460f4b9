//! Coze's chat API, streamed: `POST {base}/v3/chat`
//! (<https://docs.coze.com/developer_guides/chat_v3>, for the Chinese service
//! <https://docs.coze.cn/developer_guides/chat_v3>).
//!
//! Coze learns the conversation's id and what was said in it. It keeps nothing for us: each question
//! brings its history along, so that what the log says is what the bot knows.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::endpoint::{BadEndpoint, Endpoint};
use super::sse::Told;
use super::{Answer, Failure, Provider, Question, Speaker};

/// Where Coze is asked when nothing else is said.
const BASE: &str = "https://api.coze.com";

/// What Coze needs.
pub struct CozeSettings {
    /// Its address without `/v3/chat`; empty: the international service.
    pub base_url: String,
    /// An access token.
    pub api_key: String,
    /// Which bot answers.
    pub bot_id: String,
}

/// A bot at Coze.
pub struct Coze {
    endpoint: Endpoint,
    bot_id: String,
}

impl Coze {
    /// Makes the client; asks nothing yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: CozeSettings) -> Result<Coze, BadEndpoint> {
        let base = if settings.base_url.is_empty() { BASE } else { &settings.base_url };
        let endpoint = Endpoint::new(base, "/v3/chat", &settings.api_key)?;
        Ok(Coze { endpoint, bot_id: settings.bot_id })
    }
}

#[derive(Serialize)]
struct Request<'a> {
    bot_id: &'a str,
    user_id: String,
    stream: bool,
    auto_save_history: bool,
    additional_messages: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    role: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    content: &'a str,
    content_type: &'static str,
}

fn entry(speaker: Speaker, content: &str) -> Entry<'_> {
    let (role, kind) = match speaker {
        Speaker::Customer => ("user", "question"),
        Speaker::Assistant => ("assistant", "answer"),
    };
    Entry { role, kind, content, content_type: "text" }
}

/// Instead of a stream: a request that Coze did not take, with its code.
#[derive(Deserialize)]
struct Untaken {
    code: i64,
}

#[async_trait]
impl Provider for Coze {
    fn name(&self) -> &'static str {
        "coze"
    }

    async fn answer(&self, question: &Question) -> Result<Answer, Failure> {
        let earlier = question.history.iter().map(|turn| entry(turn.speaker, &turn.text));
        let now = entry(Speaker::Customer, &question.text);
        let request = Request {
            bot_id: &self.bot_id,
            user_id: question.conversation.to_string(),
            stream: true,
            auto_save_history: false,
            additional_messages: earlier.chain([now]).collect(),
        };
        let reply = self.endpoint.post(&request).await?;
        if !reply.is_stream() {
            let Untaken { code } = reply.json().await?;
            return Err(Failure::Refused(code));
        }
        let (mut events, mut heard) = (reply.events(), Heard::default());
        while let Some(told) = events.next().await? {
            if let Some(answer) = heard.take(&told)? {
                return Ok(answer);
            }
        }
        Err(Failure::BrokenOff)
    }
}

/// What was heard of an answer so far.
#[derive(Default)]
struct Heard {
    /// Messages that are whole. A workflow may send several.
    whole: Vec<String>,
    /// Pieces of the one that is not.
    pieces: String,
}

/// A message, or a piece of one.
#[derive(Deserialize)]
struct Spoken {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    content_type: String,
}

/// A chat that failed says why.
#[derive(Deserialize)]
struct Failed {
    last_error: Option<Untaken>,
}

fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Failure> {
    serde_json::from_str(data).map_err(|_| Failure::Unreadable("an event is no JSON of its form"))
}

impl Heard {
    /// Takes an event; the answer once it is whole.
    fn take(&mut self, told: &Told) -> Result<Option<Answer>, Failure> {
        match told.event.as_str() {
            "conversation.message.delta" => self.hear(read(&told.data)?, false),
            "conversation.message.completed" => self.hear(read(&told.data)?, true),
            "conversation.chat.completed" => return Ok(Some(self.answer())),
            "conversation.chat.failed" => {
                let Failed { last_error } = read(&told.data)?;
                return Err(Failure::Refused(last_error.map_or(0, |error| error.code)));
            }
            "conversation.chat.requires_action" => {
                return Err(Failure::Unreadable("it wants a tool run, which nobody here does"));
            }
            "error" => return Err(Failure::Refused(read::<Untaken>(&told.data)?.code)),
            "done" => return Err(Failure::BrokenOff),
            // The chat has begun or goes on; audio; what is yet to be invented.
            _ => {}
        }
        Ok(None)
    }

    /// Answers in text alone: not what tools said, suggested questions or cards.
    fn hear(&mut self, spoken: Spoken, is_whole: bool) {
        if spoken.kind != "answer" || spoken.content_type != "text" {
            return;
        }
        if is_whole {
            self.pieces.clear();
            self.whole.push(spoken.content);
        } else {
            self.pieces += &spoken.content;
        }
    }

    fn answer(&mut self) -> Answer {
        let mut texts = std::mem::take(&mut self.whole);
        texts.push(std::mem::take(&mut self.pieces));
        texts.retain(|text| !text.trim().is_empty());
        if texts.is_empty() { Answer::Unsure } else { Answer::Text(texts.join("\n\n")) }
    }
}
