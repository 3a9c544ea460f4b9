//! What a driver chooses for its engines.

/// What does not change with a department.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an agent that is lost keeps its conversations (`routing.grace`).
    pub grace_ms: u64,
    /// How long after a start agents that were there before may take to come back.
    pub start_grace_ms: u64,
    /// What one place in the queue is taken to last while nothing is known of the rate.
    pub assumed_wait_ms: u64,
    /// How long a conversation rests whose decision the log refused.
    pub retry_ms: u64,
    /// Whether another engine decides: this one only knows how everything stands.
    pub is_following: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            grace_ms: 5_000,
            start_grace_ms: 15_000,
            assumed_wait_ms: 60_000,
            retry_ms: 500,
            is_following: false,
        }
    }
}
