//! The log's trait in PostgreSQL: each question with the statement that answers it. What takes more
//! than a few lines is a function of the file of its subject.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::{
    ApiKey, Batch, ConversationFilter, Error, LeftBehind, Log, Page, PendingBatch, Reading,
    RecentLeave, Recovery, Retention,
};
use super::reads::{find_position, read_latest, read_leaves, read_messages, read_page, read_pages};
use super::rows::{self, Text, count, int};
use super::writer::{Asked, Job};
use super::{Postgres, conversations, faq, sql, writes};
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, ExternalId, FaqEntry, History, HistoryRange,
    Moment, TenantId, UserId,
};

#[async_trait]
impl Log for Postgres {
    async fn append_batch(&self, tenant: &TenantId, batch: Batch) -> Result<PendingBatch, Error> {
        let (answer, pending) = oneshot::channel();
        self.send(Job::Commit(Asked { tenant: tenant.clone(), batch, answer })).await?;
        Ok(PendingBatch(pending))
    }

    async fn head(&self, tenant: &TenantId) -> Result<Cursor, Error> {
        let read = |row: &_| rows::cursor(row, 0);
        let found = self.lines.first(sql::HEAD, &[&tenant.as_str()], read).await?;
        Ok(found.unwrap_or(Cursor { log: 0, position: 0 }))
    }

    async fn pruned_through(&self, tenant: &TenantId) -> Result<u64, Error> {
        let read = |row: &_| count(row, 0);
        let found = self.lines.first(sql::TENANT_PRUNED, &[&tenant.as_str()], read).await?;
        Ok(found.unwrap_or(0))
    }

    async fn read(
        &self,
        tenant: &TenantId,
        reading: Reading,
        after: u64,
        limit: usize,
    ) -> Result<Page, Error> {
        read_page(&self.lines, tenant, &reading, after, limit).await
    }

    async fn read_each(
        &self,
        tenant: &TenantId,
        readings: Vec<(Reading, u64)>,
        limit: usize,
    ) -> Result<(u64, Vec<Page>), Error> {
        read_pages(&self.lines, tenant, &readings, limit).await
    }

    async fn read_latest(
        &self,
        tenant: &TenantId,
        reading: Reading,
        limit: usize,
    ) -> Result<Page, Error> {
        read_latest(&self.lines, tenant, &reading, limit).await
    }

    async fn position_at(&self, tenant: &TenantId, at: Moment) -> Result<u64, Error> {
        find_position(&*self.lines.line().await?, tenant, at).await
    }

    async fn position_of(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        seq: u64,
    ) -> Result<Option<u64>, Error> {
        let (of, read) = (tenant.as_str(), |row: &_| count(row, 0));
        self.lines.first(sql::POSITION_OF, &[&of, &conversation.0, &int(seq)], read).await
    }

    async fn messages(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        range: HistoryRange,
    ) -> Result<History, Error> {
        read_messages(&self.lines, tenant, conversation, range).await
    }

    async fn conversation(
        &self,
        tenant: &TenantId,
        id: ConversationId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        self.loader.read(tenant, id).await
    }

    async fn conversation_by_external_id(
        &self,
        tenant: &TenantId,
        id: &ExternalId,
    ) -> Result<Option<ConversationId>, Error> {
        let read = |row: &_| rows::conversation_id(row, 0);
        self.lines.first(sql::EXTERNAL_ID, &[&tenant.as_str(), &id.as_str()], read).await
    }

    async fn conversation_by_session_key(
        &self,
        digest: &[u8; 32],
    ) -> Result<Option<(TenantId, ConversationId)>, Error> {
        self.lines.first(sql::SESSION_KEY, &[&&digest[..]], conversations::of_tenant).await
    }

    async fn conversations(
        &self,
        tenant: &TenantId,
        filter: ConversationFilter,
    ) -> Result<Vec<Arc<Conversation>>, Error> {
        conversations::read_page(&self.lines, tenant, &filter).await
    }

    async fn assigned_to(
        &self,
        tenant: &TenantId,
        agent: &UserId,
        limit: usize,
    ) -> Result<Vec<ConversationId>, Error> {
        let (of, agent, limit) = (tenant.as_str(), agent.as_str(), rows::limit(limit));
        let read = |row: &_| rows::conversation_id(row, 0);
        self.lines.all(sql::ASSIGNED_TO, &[&of, &agent, &limit], read).await
    }

    async fn end_recoveries(&self, at: Moment) -> Result<(), Error> {
        let end = move |line: Arc<super::Line>| async move {
            line.execute(sql::END_RECOVERIES, &[&at.0]).await?;
            Ok(())
        };
        self.writing(end).await
    }

    async fn recovery(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Recovery>, Error> {
        self.settled().await?;
        self.lines.first(sql::RECOVERY, &[&id, &tenant.as_str()], rows::recovery).await
    }

    async fn left_behind(&self) -> Result<Vec<LeftBehind>, Error> {
        self.lines.all(sql::ALL_MEMBERS, &[], conversations::left_behind).await
    }

    async fn recent_leaves(&self, since: Moment) -> Result<Vec<RecentLeave>, Error> {
        read_leaves(&self.lines, since).await
    }

    async fn with_the_bot(&self) -> Result<Vec<(TenantId, ConversationId)>, Error> {
        self.lines.all(sql::ALL_OF_BOT, &[], conversations::of_tenant).await
    }

    async fn message_known_as(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
        sender: &UserId,
        client_id: &str,
    ) -> Result<Option<Arc<Envelope>>, Error> {
        let (of, sender, client_id) = (tenant.as_str(), sender.as_str(), Text(client_id));
        let read = |row: &_| rows::envelope(row, tenant);
        let key: super::connect::Params<'_> = &[&of, &conversation.0, &sender, &client_id];
        self.lines.first(sql::KNOWN_MESSAGE, key, read).await
    }

    async fn faq_entry(&self, tenant: &TenantId, id: Uuid) -> Result<Option<FaqEntry>, Error> {
        self.lines.first(sql::FAQ_ENTRY, &[&tenant.as_str(), &id], faq::entry).await
    }

    async fn faq_entries(
        &self,
        tenant: &TenantId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        let (of, limit) = (tenant.as_str(), rows::limit(limit));
        self.lines.all(sql::FAQ_PAGE, &[&of, &after, &limit], faq::entry).await
    }

    async fn faq_count(&self, tenant: &TenantId) -> Result<usize, Error> {
        let read = |row: &_| count(row, 0);
        let found = self.lines.first(sql::FAQ_COUNT, &[&tenant.as_str()], read).await?;
        Ok(found.unwrap_or(0))
    }

    async fn search_faq(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        faq::search(&self.lines, tenant, &words, limit).await
    }

    async fn api_key(&self, digest: &[u8; 32]) -> Result<Option<(TenantId, ApiKey)>, Error> {
        self.lines.first(sql::API_KEY, &[&&digest[..]], rows::api_key).await
    }

    async fn api_keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        let read = |row: &_| rows::api_key(row).map(|(_, key)| key);
        self.lines.all(sql::API_KEYS, &[&tenant.as_str()], read).await
    }

    async fn prune(&self, retention: Retention) -> Result<u64, Error> {
        self.prune_all(retention).await
    }

    async fn check(&self) -> Result<(), Error> {
        // Watchers come every second, and a sync of the disk each time would be dear. After a
        // failure it has to be a true write.
        let must_write = self.is_failing.load(Ordering::Relaxed);
        let probe = move |line: Arc<super::Line>| async move {
            if line.query(sql::PROBE, &[]).await?.is_empty() {
                return Err(Error::failed("PostgreSQL takes no writes: it is a standby"));
            }
            if must_write {
                line.query(writes::MARKED, &[&Uuid::nil()]).await?;
            }
            Ok(())
        };
        self.writing(probe).await
    }

    async fn close(&self) {
        self.finish().await;
    }
}
