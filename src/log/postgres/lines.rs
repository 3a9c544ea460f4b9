//! The lines that read: a few, each shared by all who ask, opened again by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::Row;
use tokio_util::task::AbortOnDropHandle;

use super::super::Error;
use super::connect::{Address, Fault, Line, Params};
use super::reading::rows;
use crate::limits::{POSTGRES_LINE_WAIT, POSTGRES_PAUSE, POSTGRES_PAUSE_MAX};

/// What reads go over.
pub(super) struct Lines {
    lines: Vec<Kept>,
    turn: AtomicUsize,
}

/// A line that is opened again when it ends.
pub(super) struct Kept {
    now: watch::Receiver<Option<Arc<Line>>>,
    _keeper: AbortOnDropHandle<()>,
}

impl Kept {
    pub(super) fn new(address: Address) -> Kept {
        let (sender, now) = watch::channel(None);
        let keeper = tokio::spawn(keep(address, sender));
        Kept { now, _keeper: AbortOnDropHandle::new(keeper) }
    }

    fn get(&self) -> Option<Arc<Line>> {
        self.now.borrow().clone()
    }

    /// The line, as soon as there is one.
    pub(super) async fn line(&self) -> Result<Arc<Line>, Error> {
        let mut now = self.now.clone();
        let waited = timeout(POSTGRES_LINE_WAIT, now.wait_for(Option::is_some)).await;
        let found = waited.ok().and_then(Result::ok).and_then(|line| line.clone());
        found.ok_or_else(|| Error::failed("there is no connection to PostgreSQL"))
    }
}

/// Opens a line again and again, and carries its bytes.
async fn keep(address: Address, now: watch::Sender<Option<Arc<Line>>>) {
    let mut pause = POSTGRES_PAUSE;
    loop {
        match address.connect().await {
            Ok((line, driver)) => {
                now.send_replace(Some(Arc::new(line)));
                pause = POSTGRES_PAUSE;
                let ended = driver.await;
                now.send_replace(None);
                if let Err(err) = ended {
                    tracing::warn!(error = %err, "a line to PostgreSQL ended; it is opened again");
                }
            }
            Err(err) => {
                tracing::warn!(error = %err, "no line to PostgreSQL; it is tried again");
                pause = (pause * 2).min(POSTGRES_PAUSE_MAX);
            }
        }
        sleep(pause).await;
    }
}

impl Lines {
    pub(super) fn open(address: &Address, count: usize) -> Lines {
        let lines = (0..count.max(1)).map(|_| Kept::new(address.clone())).collect();
        Lines { lines, turn: AtomicUsize::new(0) }
    }

    /// The next line whose turn it is, of those that are there.
    pub(super) async fn line(&self) -> Result<Arc<Line>, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.lines.len();
        let mut found = (0..count).filter_map(|step| self.lines[(turn + step) % count].get());
        match found.next() {
            Some(line) => Ok(line),
            None => self.lines[turn % count].line().await,
        }
    }

    /// The rows of a statement that only reads. A line that ends under it is not told to whoever
    /// asks, unless the next one does so too.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        match rows(self.line().await?, sql, params).await {
            Err(fault @ Fault::Told(_)) if fault.is_of_line() => {}
            answer => return Ok(answer?),
        }
        Ok(rows(self.line().await?, sql, params).await?)
    }

    /// The rows, as words.
    pub(super) async fn all<T>(
        &self,
        sql: &'static str,
        params: Params<'_>,
        read: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.query(sql, params).await?.iter().map(read).collect()
    }

    /// The first row, if there is one.
    pub(super) async fn first<T>(
        &self,
        sql: &'static str,
        params: Params<'_>,
        read: impl FnOnce(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.query(sql, params).await?.first().map(read).transpose()
    }
}
