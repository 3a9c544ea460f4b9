//! Who answers before a person does: the [`Provider`]s, and the patience that is had with them.
//!
//! A provider turns a question into an answer, nothing else. [`Bot`] lays the rest around any of
//! them: a deadline, another try where one may help, and a breaker that lets a failing provider
//! rest. When an answer may be told, and what happens when there is none, is `app`'s. To add a
//! provider: `docs/howto/add-a-bot.md`.

mod breaker;
mod coze;
mod endpoint;
mod faq;
mod openai;
mod retry;
mod sse;
#[cfg(test)]
mod tests;
mod wishes;
mod words;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::limits::BOT_CALLS_AT_ONCE_MAX;
use crate::model::{ConversationId, TenantId};

pub use breaker::BreakerState;
pub use coze::{Coze, CozeSettings};
pub use endpoint::BadEndpoint;
pub use faq::{Faq, Knowledge};
pub use openai::{OpenAi, OpenAiSettings};
pub use wishes::Wishes;
pub use words::{Language, language_of};

use breaker::Breaker;

/// Who said something earlier in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The customer.
    Customer,
    /// The bot, or an agent.
    Assistant,
}

/// Something said earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// By whom.
    pub speaker: Speaker,
    /// The text.
    pub text: String,
}

/// What a provider is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose customer asks.
    pub tenant: TenantId,
    /// Where; all that a provider outside learns of who asks.
    pub conversation: ConversationId,
    /// The question.
    pub text: String,
    /// What was said before it, ascending, and bounded by whoever asks.
    pub history: Vec<Turn>,
}

/// What a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Text(String),
    /// It does not know, and a person should.
    Unsure,
}

/// Why there is no answer. Says nothing of what was asked or answered, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection came about.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// An answer of HTTP other than success.
    #[error("it answers with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// When it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// It refused, or failed, with a code of its own.
    #[error("it refuses with its code {0}")]
    Refused(i64),
    /// The connection ended before the answer did.
    #[error("its answer broke off")]
    BrokenOff,
    /// The answer has another form than documented.
    #[error("its answer cannot be read: {0}")]
    Unreadable(&'static str),
    /// The answer is larger than anybody would read.
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
    /// No answer in time, other tries included.
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
    /// It failed too often of late and is left alone for a while.
    #[error("it is left alone after too many failures")]
    Resting,
    /// The FAQ cannot be read.
    #[error("the FAQ cannot be searched: {0}")]
    NoKnowledge(String),
}

impl Failure {
    /// Whether the same question may be answered at another try.
    fn is_worth_a_retry(&self) -> bool {
        match self {
            Failure::Unreachable(_) => true,
            Failure::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether the provider is to blame and not the question. Only that makes the breaker leave it
    /// alone: with questions it refuses, one customer could else take it away from all tenants.
    fn is_the_providers(&self) -> bool {
        match self {
            Failure::Unreachable(_)
            | Failure::BrokenOff
            | Failure::TooSlow(_)
            | Failure::NoKnowledge(_) => true,
            Failure::Status { status, .. } => matches!(status, 401 | 403 | 429 | 500..),
            // `Refused` has a provider's own codes, of which too many are about what was asked.
            Failure::Refused(_)
            | Failure::Unreadable(_)
            | Failure::TooLarge(_)
            | Failure::Resting => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Something that answers questions.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Its name, as the option, the log and the metrics have it.
    fn name(&self) -> &'static str;

    /// Answers, once: [`Bot`] sees to deadlines and to other tries. Dropping the future gives up.
    async fn answer(&self, question: &Question) -> Result<Answer, Failure>;
}

/// How much patience is had with a provider.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long an answer may take, other tries included.
    pub timeout: Duration,
    /// How often it is asked at most, the first time included.
    pub attempts: usize,
    /// After how many failures in a row it is left alone.
    pub failures_max: u32,
    /// For how long.
    pub rest: Duration,
}

/// A provider with patience. Clones share it.
#[derive(Clone)]
pub struct Bot(Arc<Inner>);

struct Inner {
    provider: Box<dyn Provider>,
    patience: Patience,
    breaker: Breaker,
    calls: Semaphore,
}

impl Bot {
    /// Lays patience around a provider.
    pub fn new(provider: Box<dyn Provider>, patience: Patience) -> Bot {
        Bot(Arc::new(Inner {
            provider,
            breaker: Breaker::new(patience.failures_max, patience.rest),
            patience,
            calls: Semaphore::new(BOT_CALLS_AT_ONCE_MAX),
        }))
    }

    /// The provider's name.
    pub fn provider(&self) -> &'static str {
        self.0.provider.name()
    }

    /// How the breaker stands now.
    pub fn breaker(&self) -> BreakerState {
        self.0.breaker.state()
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.0.patience.timeout
    }

    /// Asks the provider, again where that may help, until the time is up.
    ///
    /// # Errors
    /// The last [`Failure`].
    pub async fn answer(&self, question: &Question) -> Result<Answer, Failure> {
        let Patience { timeout, attempts, .. } = self.0.patience;
        let deadline = Instant::now() + timeout;
        let answered = timeout_at(deadline, async {
            // Never closed, so this waits for a free place and nothing else.
            let _place = self.0.calls.acquire().await;
            retry::run(attempts, deadline, || self.attempt(question)).await
        });
        answered.await.unwrap_or(Err(Failure::TooSlow(timeout)))
    }

    async fn attempt(&self, question: &Question) -> Result<Answer, Failure> {
        let trial = self.0.breaker.admit().ok_or(Failure::Resting)?;
        let answer = self.0.provider.answer(question).await;
        match &answer {
            Ok(_) => trial.succeeded(),
            Err(failure) if !failure.is_the_providers() => trial.settles_nothing(),
            // A trial of which nothing is said has failed, and so has one whose time was up.
            Err(_) => {}
        }
        answer
    }
}
