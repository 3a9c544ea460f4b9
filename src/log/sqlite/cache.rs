//! The records of the conversations used last, in memory.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;
use rusqlite::{Connection, params};

use super::super::Error;
use super::rows::{self, first};
use super::{lock, sql};
use crate::limits::CONVERSATION_CACHE_RECORDS;
use crate::model::{Conversation, ConversationId, TenantId};

pub(super) type CacheKey = (TenantId, ConversationId);

/// The records of the conversations used last, as the latest commit left them.
///
/// Only the writer puts records in, and only after their commit; so a reader never sees one that
/// may still be rolled back.
#[derive(Clone)]
pub(super) struct Cache(Arc<Mutex<LruCache<CacheKey, Arc<Conversation>>>>);

impl Cache {
    pub(super) fn new() -> Cache {
        let capacity = NonZeroUsize::new(CONVERSATION_CACHE_RECORDS).unwrap_or(NonZeroUsize::MIN);
        // Grows as it fills: a server that never has many conversations never pays for them.
        let mut records = LruCache::unbounded();
        records.resize(capacity);
        Cache(Arc::new(Mutex::new(records)))
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Conversation>> {
        lock(&self.0).get(key).cloned()
    }

    /// For the writer alone: what it loads cannot change before it puts it in.
    pub(super) fn get_or_load(
        &self,
        db: &Connection,
        key: &CacheKey,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        if let Some(record) = self.get(key) {
            return Ok(Some(record));
        }
        let of = params![key.0.as_str(), key.1.0];
        let found = first(db, sql::CONVERSATION, of, rows::conversation)?.map(Arc::new);
        if let Some(record) = &found {
            lock(&self.0).put(key.clone(), record.clone());
        }
        Ok(found)
    }

    pub(super) fn put_all(&self, records: impl Iterator<Item = (CacheKey, Arc<Conversation>)>) {
        let mut cache = lock(&self.0);
        for (key, record) in records {
            cache.put(key, record);
        }
    }
}
