//! The log's trait in SQLite: each question with the statement that answers it. What takes more than
//! a few lines is a function of the file of its subject.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::{
    ApiKey, Batch, Change, ConversationFilter, Error, LeftBehind, Log, Page, PendingBatch, Reading,
    RecentLeave, Recovery, Retention,
};
use super::file::probe;
use super::reads::{
    find_position, prune_events, prune_recoveries, read_latest_page, read_leaves, read_messages,
    read_page, read_pages,
};
use super::rows::{self, all, first, int, run};
use super::writer::Job;
use super::{Sqlite, conversations, faq, hub, lock, sql, webhooks};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, ExternalId, FaqEntry, History, HistoryRange,
    Moment, TenantId, UserId,
};

#[async_trait]
impl Log for Sqlite {
    async fn append_batch(&self, tenant: &TenantId, batch: Batch) -> Result<PendingBatch, Error> {
        let (answer, pending) = oneshot::channel();
        let job = Job::Commit { tenant: tenant.clone(), batch, answer };
        self.jobs()?.send(job).await.map_err(|_| Error::failed("the log is closed"))?;
        Ok(PendingBatch(pending))
    }

    async fn head(&self, tenant: &TenantId) -> Result<Cursor, Error> {
        let of = tenant.clone();
        let read = move |db: &Connection| {
            first(db, sql::TENANT, params![of.as_str()], |row| {
                Ok(Cursor { log: rows::count(row, 0)?, position: rows::count(row, 1)? })
            })
        };
        Ok(self.reading(read).await?.unwrap_or(Cursor { log: 0, position: 0 }))
    }

    async fn pruned_through(&self, tenant: &TenantId) -> Result<u64, Error> {
        let of = tenant.clone();
        let read = move |db: &Connection| {
            first(db, sql::TENANT_PRUNED, params![of.as_str()], |row| rows::count(row, 0))
        };
        Ok(self.reading(read).await?.unwrap_or(0))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        reading: Reading,
        after: u64,
        limit: usize,
    ) -> Result<Page, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_page(db, &of, reading, after, limit)).await
    }

    /// All in one go: whoever comes back reads several, and thousands come back at once.
    async fn read_each(
        &self,
        tenant: &TenantId,
        readings: Vec<(Reading, u64)>,
        limit: usize,
    ) -> Result<(u64, Vec<Page>), Error> {
        let of = tenant.clone();
        self.reading(move |db| read_pages(db, &of, readings, limit)).await
    }

    async fn read_latest(
        &self,
        tenant: &TenantId,
        reading: Reading,
        limit: usize,
    ) -> Result<Page, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_latest_page(db, &of, reading, limit)).await
    }

    async fn position_at(&self, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
        let of = tenant.clone();
        self.reading(move |db| find_position(db, &of, at)).await
    }

    async fn position_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<u64>, Error> {
        let of = tenant.clone();
        self.reading(move |db| {
            let of = params![of.as_str(), conversation.0, int(seq)];
            first(db, sql::POSITION_OF, of, |row| rows::count(row, 0))
        })
        .await
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        let of = tenant.clone();
        self.reading(move |db| read_messages(db, &of, conversation, range)).await
    }

    async fn conversation(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        let key = (tenant.clone(), id);
        if let Some(record) = self.cache.get(&key) {
            return Ok(Some(record));
        }
        self.reading(move |db| conversations::read(db, &key.0, key.1)).await
    }

    async fn conversation_by_external_id(
        &self,
        tenant: &TenantId,
        id: &ExternalId,
    ) -> Result<Option<ConversationId>, Error> {
        let (of, id) = (tenant.clone(), id.clone());
        self.reading(move |db| conversations::find_external(db, &of, &id)).await
    }

    async fn conversation_by_session_key(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<(TenantId, ConversationId)>, Error> {
        let digest = *digest;
        self.reading(move |db| conversations::find_by_key(db, &digest)).await
    }

    async fn conversations(
        &self,
        tenant: &TenantId,
        filter: ConversationFilter,
    ) -> Result<Vec<Arc<Conversation>>, Error> {
        let of = tenant.clone();
        self.reading(move |db| conversations::read_page(db, &of, &filter)).await
    }

    async fn assigned_to(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Error> {
        let (of, agent) = (tenant.clone(), agent.clone());
        self.reading(move |db| conversations::read_assigned(db, &of, &agent, limit)).await
    }

    async fn end_recoveries(&self, at: Moment) -> Result<(), Error> {
        self.writing(move |db| run(db, sql::END_RECOVERIES, params![at.0])).await
    }

    async fn recovery(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Recovery>, Error> {
        let of = tenant.clone();
        // With whatever else is to be committed now, unlike a job of the writer.
        self.commit(tenant, Change::default()).await?;
        self.reading(move |db| first(db, sql::RECOVERY, params![id, of.as_str()], rows::recovery))
            .await
    }

    async fn left_behind(&self) -> Result<Vec<LeftBehind>, Error> {
        self.reading(conversations::read_left_behind).await
    }

    async fn recent_leaves(&self, since: Moment) -> Result<Vec<RecentLeave>, Error> {
        self.reading(move |db| read_leaves(db, since)).await
    }

    async fn with_the_bot(&self) -> Result<Vec<(TenantId, ConversationId)>, Error> {
        self.reading(conversations::read_of_bot).await
    }

    async fn message_known_as(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        sender: &UserId,
        client_id: &str,
    ) -> Result<Option<Arc<Envelope>>, Error> {
        let (of, sender, client_id) = (tenant.clone(), sender.clone(), client_id.to_owned());
        self.reading(move |db| {
            let key = params![of.as_str(), conversation.0, sender.as_str(), client_id];
            first(db, sql::KNOWN_MESSAGE, key, |row| rows::envelope(row, &of))
        })
        .await
    }

    async fn faq_entry(&self, tenant: &TenantId, id: Uuid) -> Result<Option<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::read(db, &of, id)).await
    }

    async fn faq_entries(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::read_page(db, &of, after, limit)).await
    }

    async fn faq_count(&self, tenant: &TenantId) -> Result<usize, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::count(db, &of)).await
    }

    async fn search_faq(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let of = tenant.clone();
        self.reading(move |db| faq::search(db, &of, &words, limit)).await
    }

    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<(TenantId, ApiKey)>, Error> {
        let digest = *digest;
        self.reading(move |db| first(db, sql::API_KEY, params![digest], rows::api_key)).await
    }

    async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        let of = tenant.clone();
        let read =
            move |db: &Connection| all(db, sql::API_KEYS, params![of.as_str()], rows::api_key);
        Ok(self.reading(read).await?.into_iter().map(|(_, key)| key).collect())
    }

    async fn prune(&self, retention: Retention) -> Result<u64, Error> {
        let step = move |db: &Connection, of: &TenantId| prune_events(db, of, retention);
        let events = self.in_steps(step).await?;
        if let Some(before) = retention.recoveries_before {
            self.in_steps(move |db, of| prune_recoveries(db, of, before)).await?;
        }
        if let Some(before) = retention.posts_before {
            self.in_steps(move |db, of| hub::prune_posts(db, of, before)).await?;
        }
        if let Some(before) = retention.calls_before {
            self.in_steps(move |db, of| hub::prune_calls(db, of, before)).await?;
        }
        self.in_steps(move |db, of| webhooks::prune(db, of, retention)).await?;
        Ok(events)
    }

    async fn check(&self) -> Result<(), Error> {
        // The probe asks for the write lock and writes nothing: watchers come every second, and a
        // sync of the disk each time would be dear. After a failure it has to be a true write.
        let must_write = self.is_failing.load(Ordering::Relaxed);
        self.writing(move |db| probe(db, must_write)).await
    }

    async fn close(&self) {
        lock(&self.jobs).take();
        let threads = std::mem::take(&mut *lock(&self.threads));
        let join = move || {
            for thread in threads {
                thread.thread().unpark();
                // A thread that panicked has told so already.
                let _ = thread.join();
            }
        };
        let _ = tokio::task::spawn_blocking(join).await;
    }
}
