//! Conversations, read as they are asked for by thousands at once: those that were asked for while
//! a statement was under way are read with the next one.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::super::Error;
use super::lines::Lines;
use super::rows::{self, count};
use super::sql;
use crate::limits::{CONVERSATION_READS_MAX, CONVERSATIONS_ASKED_MAX, CONVERSATIONS_READ_AT_ONCE};
use crate::model::{Conversation, ConversationId, TenantId};

type Found = Result<Option<Arc<Conversation>>, Error>;

/// A question.
struct Asked {
    tenant: TenantId,
    id: ConversationId,
    answer: oneshot::Sender<Found>,
}

/// See the head of the file.
pub(super) struct Loader {
    asked: mpsc::Sender<Asked>,
    _task: AbortOnDropHandle<()>,
}

impl Loader {
    pub(super) fn new(lines: Arc<Lines>) -> Loader {
        let (asked, queue) = mpsc::channel(CONVERSATIONS_ASKED_MAX);
        let task = AbortOnDropHandle::new(tokio::spawn(serve(lines, queue)));
        Loader { asked, _task: task }
    }

    pub(super) async fn read(&self, tenant: &TenantId, id: ConversationId) -> Found {
        let (answer, found) = oneshot::channel();
        let asked = Asked { tenant: tenant.clone(), id, answer };
        self.asked.send(asked).await.map_err(|_| Error::failed("the log is closed"))?;
        found.await.map_err(Error::failed)?
    }
}

async fn serve(lines: Arc<Lines>, mut queue: mpsc::Receiver<Asked>) {
    let turns = Arc::new(Semaphore::new(CONVERSATION_READS_MAX));
    loop {
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        let mut asked = Vec::new();
        if queue.recv_many(&mut asked, CONVERSATIONS_READ_AT_ONCE).await == 0 {
            return;
        }
        let lines = lines.clone();
        tokio::spawn(async move {
            answer(&lines, asked).await;
            drop(turn);
        });
    }
}

async fn answer(lines: &Lines, asked: Vec<Asked>) {
    // Whoever gave up need not be read for.
    let asked: Vec<Asked> = asked.into_iter().filter(|a| !a.answer.is_closed()).collect();
    if asked.is_empty() {
        return;
    }
    let found = read(lines, &asked).await;
    for (index, asked) in asked.into_iter().enumerate() {
        let answer = match &found {
            Ok(found) => Ok(found.get(&index).cloned()),
            Err(err) => Err(err.clone()),
        };
        let _ = asked.answer.send(answer);
    }
}

async fn read(lines: &Lines, asked: &[Asked]) -> Result<HashMap<usize, Arc<Conversation>>, Error> {
    let tenants: Vec<&str> = asked.iter().map(|a| a.tenant.as_str()).collect();
    let ids: Vec<Uuid> = asked.iter().map(|a| a.id.0).collect();
    let rows = lines.query(sql::CONVERSATIONS_ASKED, &[&tenants, &ids]).await?;
    let found = rows.iter().map(|row| {
        let number: usize = count(row, 0)?;
        Ok((number.saturating_sub(1), Arc::new(rows::conversation_at(row, 1)?)))
    });
    found.collect()
}
