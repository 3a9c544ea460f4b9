//! A question that customers ask often, with its answer; what the built-in bot answers from.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Moment;

/// An entry of a tenant's FAQ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaqEntry {
    /// Its id. Ids made later sort behind (UUID version 7), which is the order of lists.
    pub id: Uuid,
    /// Its language as a BCP 47 tag: `en`, `id`.
    pub language: String,
    /// The question as a customer would put it.
    pub question: String,
    /// Other ways to put it, and words that mean it.
    pub wordings: Vec<String>,
    /// The answer, as it is sent.
    pub answer: String,
    /// Whether the bot may answer with it.
    pub is_enabled: bool,
    /// When it was changed last.
    pub updated_at: Moment,
}
