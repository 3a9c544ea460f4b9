//! The one thread that writes: it commits whatever has gathered, in one transaction (group commit).
//!
//! While the disk syncs, the next changes queue up; so the slower the disk, the larger the groups,
//! and an acknowledgement always means that the disk has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::super::change::{self, State, has_same_state};
use super::super::{Batch, Error, KeptBatch, Once, OpenCall, Outcome, Record, Told};
use super::rows::{self, all, first, int, run};
use super::{Cache, CacheKey, Observer, hub, routing, sql};
use crate::limits::COMMIT_BATCH_CHANGES_MAX;
use crate::model::{
    Conversation, ConversationId, Cursor, Envelope, ExternalId, Member, Message, Moment, Stint,
    TenantId, UserId,
};

/// A request to the writer.
pub(super) enum Job {
    /// Keep a batch of changes.
    Commit { tenant: TenantId, batch: Batch, answer: Answer },
    /// Run something else on the writing connection: pruning, a probe.
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
}

type Answer = oneshot::Sender<Result<KeptBatch, Error>>;

/// The writer's own state.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) tail: mpsc::Sender<Told>,
    pub(super) cache: Cache,
    pub(super) observer: Observer,
    pub(super) heads: HashMap<TenantId, Head>,
    pub(super) is_failing: Arc<AtomicBool>,
}

/// Where a tenant's log ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    cursor: Cursor,
    /// Time never runs backwards within a log, even if the clock does.
    at: Moment,
}

impl Writer {
    /// Serves until every sender of jobs is gone.
    pub(super) fn run(mut self) {
        let mut jobs = Vec::with_capacity(COMMIT_BATCH_CHANGES_MAX);
        while self.jobs.blocking_recv_many(&mut jobs, COMMIT_BATCH_CHANGES_MAX) > 0 {
            // Whoever woke us may have more to say, and on a busy core it has not come to it yet:
            // a burst that is committed as one is also told as one.
            std::thread::yield_now();
            while jobs.len() < COMMIT_BATCH_CHANGES_MAX
                && let Ok(job) = self.jobs.try_recv()
            {
                jobs.push(job);
            }
            let mut group = Vec::with_capacity(jobs.len());
            for job in jobs.drain(..) {
                match job {
                    Job::Commit { tenant, batch, answer } => group.push((tenant, batch, answer)),
                    Job::Run(f) => {
                        self.commit_group(std::mem::take(&mut group));
                        f(&mut self.db);
                    }
                }
            }
            self.commit_group(group);
        }
    }

    fn commit_group(&mut self, group: Vec<(TenantId, Batch, Answer)>) {
        if group.is_empty() {
            return;
        }
        let started = tokio::time::Instant::now();
        let (batches, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|(tenant, batch, answer)| ((tenant, batch), answer)).unzip();
        let mut transaction = Transaction {
            db: &self.db,
            cache: &self.cache,
            known_heads: &self.heads,
            heads: HashMap::new(),
            touched: HashMap::new(),
        };
        let written = transaction.write(batches);
        self.is_failing.store(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(results) => {
                let Transaction { heads, touched, .. } = transaction;
                self.heads.extend(heads);
                self.cache.put_all(touched.into_iter().map(|(key, t)| (key, t.record)));
                let changes = results.iter().flatten().flat_map(|batch| &batch.changes);
                let kept: Vec<_> = changes.flatten().flatten().filter_map(kept).collect();
                (self.observer)(kept.len(), started.elapsed());
                if !kept.is_empty() {
                    // Without a reader of the tail the server is stopping (`Running::failed`).
                    let _ = self.tail.blocking_send(Told::Events { events: kept, is_own: true });
                }
                for (answer, result) in answers.into_iter().zip(results) {
                    // Whoever asked may have left meanwhile; the change is kept all the same.
                    let _ = answer.send(result);
                }
            }
            Err(err) => {
                // What was believed of the file may be what is wrong; it is read again.
                self.heads.clear();
                tracing::error!(error = %err, batches = answers.len(), "commit failed, nothing of it is kept");
                for answer in answers {
                    let _ = answer.send(Err(err.clone()));
                }
            }
        }
    }
}

fn kept(outcome: &Outcome) -> Option<Arc<Envelope>> {
    match outcome {
        Outcome::Kept(envelope) => Some(envelope.clone()),
        Outcome::Known(_) | Outcome::Unchanged | Outcome::Repeated(_) => None,
    }
}

/// One transaction. What it learns is thrown away if it does not commit.
struct Transaction<'a> {
    db: &'a Connection,
    cache: &'a Cache,
    known_heads: &'a HashMap<TenantId, Head>,
    heads: HashMap<TenantId, Head>,
    touched: HashMap<CacheKey, Touched>,
}

/// A record this transaction changed.
struct Touched {
    record: Arc<Conversation>,
    /// Only the counters differ from what the database has.
    is_counters_only: bool,
}

type Results = Vec<Result<KeptBatch, Error>>;

impl Transaction<'_> {
    /// Writes all batches. A refused one is an `Err` inside; a failure is the `Err` outside, and
    /// then nothing of the transaction is kept.
    fn write(&mut self, batches: Vec<(TenantId, Batch)>) -> Result<Results, Error> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(Error::failed)?;
        let written = self.write_all(batches).and_then(|results| {
            self.db.execute_batch("COMMIT").map_err(Error::failed)?;
            Ok(results)
        });
        if written.is_err() && !self.db.is_autocommit() {
            // SQLite rolls back by itself on some errors; then there is nothing to roll back.
            if let Err(err) = self.db.execute_batch("ROLLBACK") {
                tracing::error!(error = %err, "rollback failed");
            }
        }
        written
    }

    fn write_all(&mut self, batches: Vec<(TenantId, Batch)>) -> Result<Results, Error> {
        let mut results = Vec::with_capacity(batches.len());
        for (tenant, batch) in batches {
            results.push(match self.write_one(&tenant, batch) {
                Err(Error::Failed(reason)) => return Err(Error::Failed(reason)),
                done => done,
            });
        }
        for ((tenant, _), touched) in &self.touched {
            let record = &touched.record;
            if touched.is_counters_only {
                let (last, delivered) = (int(record.last_seq), int(record.delivered_seq));
                run(
                    self.db,
                    sql::SET_SEQS,
                    params![tenant.as_str(), record.id.0, last, delivered],
                )?;
            } else {
                rows::put_conversation(self.db, tenant, record)?;
            }
        }
        for (tenant, head) in &self.heads {
            run(self.db, sql::SET_HEAD, params![tenant.as_str(), int(head.cursor.position)])?;
        }
        Ok(results)
    }

    fn write_one(&mut self, tenant: &TenantId, batch: Batch) -> Result<KeptBatch, Error> {
        let known = self.heads.get(tenant).or_else(|| self.known_heads.get(tenant));
        let mut head = match known {
            Some(head) => *head,
            None => self.load_head(tenant)?,
        };
        head.at = head.at.max(Moment::now());
        let mut state = InTenant { transaction: self, tenant, head };
        let kept = change::carry_out_batch(&mut state, tenant, batch, head.at);
        let head = state.head;
        self.heads.insert(tenant.clone(), head);
        kept
    }

    fn load_head(&self, tenant: &TenantId) -> Result<Head, Error> {
        let of = params![tenant.as_str()];
        let found = first(self.db, sql::TENANT, of, |row| {
            Ok(Cursor { log: rows::count(row, 0)?, position: rows::count(row, 1)? })
        })?;
        let cursor = match found {
            Some(cursor) => cursor,
            None => {
                let log = Uuid::new_v4().as_fields().0;
                run(self.db, sql::ADD_TENANT, params![tenant.as_str(), log])?;
                Cursor { log, position: 0 }
            }
        };
        let at: Option<i64> = rows::scalar(self.db, sql::LAST_MOMENT, of)?;
        Ok(Head { cursor, at: Moment(at.unwrap_or(0)) })
    }
}

/// The transaction, seen from one tenant.
struct InTenant<'a, 'b> {
    transaction: &'a mut Transaction<'b>,
    tenant: &'a TenantId,
    head: Head,
}

impl InTenant<'_, '_> {
    fn key(&self, id: ConversationId) -> CacheKey {
        (self.tenant.clone(), id)
    }
}

impl State for InTenant<'_, '_> {
    fn conversation(&mut self, id: ConversationId) -> Result<Option<Conversation>, Error> {
        let key = self.key(id);
        if let Some(touched) = self.transaction.touched.get(&key) {
            return Ok(Some(touched.record.as_ref().clone()));
        }
        let found = self.transaction.cache.get_or_load(self.transaction.db, &key)?;
        Ok(found.map(|record| record.as_ref().clone()))
    }

    fn has_external_id(&mut self, id: &ExternalId) -> Result<bool, Error> {
        let of = params![self.tenant.as_str(), id.as_str()];
        Ok(first(self.transaction.db, sql::EXTERNAL_ID, of, |_| Ok(()))?.is_some())
    }

    fn known_message(&mut self, m: &Message) -> Result<Option<Arc<Envelope>>, Error> {
        let of = params![self.tenant.as_str(), m.session_id.0, m.sender_id.as_str(), m.client_id];
        first(self.transaction.db, sql::KNOWN_MESSAGE, of, |row| rows::envelope(row, self.tenant))
    }

    fn read_mark(&mut self, id: ConversationId, user: &UserId) -> Result<u64, Error> {
        let of = params![self.tenant.as_str(), id.0, user.as_str()];
        Ok(first(self.transaction.db, sql::READ_MARK, of, |row| rows::count(row, 0))?.unwrap_or(0))
    }

    fn members(&mut self, id: ConversationId) -> Result<Vec<Member>, Error> {
        all(self.transaction.db, sql::MEMBERS, params![self.tenant.as_str(), id.0], rows::member)
    }

    fn known_post(&mut self, key: &str) -> Result<Option<([u8; 32], Cursor)>, Error> {
        let found = hub::known_post(self.transaction.db, self.tenant, key)?;
        let log = self.head.cursor.log;
        Ok(found.map(|(digest, position)| (digest, Cursor { log, position })))
    }

    fn open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        hub::find_call(self.transaction.db, self.tenant, unique_id)
    }

    fn is_unread(&mut self, user: &UserId, notification: Uuid) -> Result<bool, Error> {
        hub::is_unread(self.transaction.db, self.tenant, user, notification)
    }

    fn cursor(&self) -> Cursor {
        self.head.cursor
    }

    fn next_cursor(&mut self) -> Cursor {
        self.head.cursor.position += 1;
        self.head.cursor
    }

    fn put_event(&mut self, envelope: &Arc<Envelope>) -> Result<(), Error> {
        rows::put_event(self.transaction.db, envelope)
    }

    fn put_conversation(&mut self, record: Conversation, is_new: bool) -> Result<(), Error> {
        if is_new {
            for external in &record.external_ids {
                let of = params![self.tenant.as_str(), external.as_str(), record.id.0];
                run(self.transaction.db, sql::ADD_EXTERNAL_ID, of)?;
            }
        }
        let key = self.key(record.id);
        let before = self.conversation(record.id)?;
        let was_counters_only =
            self.transaction.touched.get(&key).is_none_or(|t| t.is_counters_only);
        let is_counters_only =
            was_counters_only && before.is_some_and(|b| has_same_state(&b, &record));
        let touched = Touched { record: Arc::new(record), is_counters_only };
        self.transaction.touched.insert(key, touched);
        Ok(())
    }

    fn put_stint(&mut self, stint: &Stint) -> Result<(), Error> {
        routing::put_stint(self.transaction.db, self.tenant, stint)
    }

    fn put_score(&mut self, of: ConversationId, number: u32, score: u8) -> Result<(), Error> {
        routing::put_score(self.transaction.db, self.tenant, of, number, score)
    }

    fn put_read_mark(&mut self, id: ConversationId, user: &UserId, seq: u64) -> Result<(), Error> {
        let of = params![self.tenant.as_str(), id.0, user.as_str(), int(seq)];
        run(self.transaction.db, sql::PUT_READ_MARK, of)
    }

    fn put_member(&mut self, id: ConversationId, m: &Member) -> Result<(), Error> {
        let (user, user_type) = (m.user_id.as_str(), m.user_type.as_str());
        let of = params![self.tenant.as_str(), id.0, user, user_type, m.joined_at.0];
        run(self.transaction.db, sql::PUT_MEMBER, of)
    }

    fn remove_member(&mut self, id: ConversationId, user: &UserId) -> Result<(), Error> {
        let of = params![self.tenant.as_str(), id.0, user.as_str()];
        run(self.transaction.db, sql::REMOVE_MEMBER, of)
    }

    fn put_post(&mut self, once: &Once, cursor: Cursor) -> Result<(), Error> {
        hub::put_post(self.transaction.db, self.tenant, once, cursor, self.head.at)
    }

    fn put_open_call(&mut self, call: &OpenCall) -> Result<(), Error> {
        hub::put_call(self.transaction.db, self.tenant, call)
    }

    fn remove_open_call(&mut self, unique_id: &str) -> Result<Option<OpenCall>, Error> {
        hub::remove_call(self.transaction.db, self.tenant, unique_id)
    }

    fn put_notice(&mut self, user: &UserId, id: Uuid, position: u64) -> Result<(), Error> {
        hub::put_notice(self.transaction.db, self.tenant, user, id, position)
    }

    fn put_notice_read(&mut self, user: &UserId, id: Uuid) -> Result<(), Error> {
        hub::put_notice_read(self.transaction.db, self.tenant, user, id, self.head.at)
    }

    fn put_record(&mut self, record: &Record) -> Result<(), Error> {
        rows::put_record(self.transaction.db, self.tenant, record, self.head.at)
    }
}
