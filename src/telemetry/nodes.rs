//! What is counted of nodes that serve together.

use super::{ByOutcome, Metrics};

/// What goes on between nodes, as it is when somebody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between {
    /// Whether Redis answers.
    pub is_redis_up: bool,
    /// Nodes that are alive; `None` when that is not known now.
    pub nodes: Option<usize>,
    /// Whether the duties are here.
    pub has_duties: bool,
    /// Words told since the start, heard, and lost.
    pub words: [u64; 3],
}

impl Metrics {
    /// Sets what is true between nodes.
    pub fn nodes_are(&self, now: &Between) {
        self.redis_up.set(i64::from(now.is_redis_up));
        self.duties.set(i64::from(now.has_duties));
        if let Some(nodes) = now.nodes {
            self.nodes.set(i64::try_from(nodes).unwrap_or(i64::MAX));
        }
        for (outcome, count) in ["told", "heard", "lost"].into_iter().zip(now.words) {
            let counter = self.node_words_total.get_or_create(&ByOutcome { outcome });
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }
}
