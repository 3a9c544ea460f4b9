//! The FAQ in the log, as the built-in bot asks for it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::bot::Knowledge;
use crate::log::Log;
use crate::model::{FaqEntry, TenantId};

/// The FAQ that a log keeps.
pub struct FaqOf(pub Arc<dyn Log>);

#[async_trait]
impl Knowledge for FaqOf {
    async fn search(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, String> {
        self.0.search_faq(tenant, words, limit).await.map_err(|err| err.to_string())
    }
}
