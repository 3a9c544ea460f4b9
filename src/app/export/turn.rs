//! A tenant's turn: a page of its log, and how far it is, to be kept.

use tokio::time::Instant;

use super::page::Page;
use super::serve::Exporting;
use super::{Desk, Progress, READER};
use crate::limits::KAFKA_PAGE_EVENTS;
use crate::log::{self, Change, Reading, Record};
use crate::model::TenantId;

/// Why a turn ended before its time.
#[derive(Debug)]
pub(super) enum TurnEnd {
    /// The duties are another node's.
    Superseded,
    /// The log does not answer.
    Failed(log::Error),
}

impl From<log::Error> for TurnEnd {
    fn from(err: log::Error) -> TurnEnd {
        match err {
            log::Error::Superseded => TurnEnd::Superseded,
            err => TurnEnd::Failed(err),
        }
    }
}

impl Exporting {
    /// Sends the next page, and keeps how far that is if it is time.
    pub(super) async fn turn(&self, tenant: &TenantId) -> Result<(), TurnEnd> {
        let exports = &self.app.0.exports;
        let progress = match exports.note(tenant, |desk| desk.progress) {
            Some(progress) => progress,
            None => self.begin(tenant).await?,
        };
        if exports.note(tenant, |desk| desk.is_behind()) {
            self.send_page(tenant, progress.sent).await?;
        }
        if exports.note(tenant, |desk| desk.progress.is_some_and(|p| p.is_due())) {
            self.keep(tenant).await?;
        }
        Ok(())
    }

    /// Learns from the log how far the tenant is.
    async fn begin(&self, tenant: &TenantId) -> Result<Progress, TurnEnd> {
        let sent = self.app.log.read_by(tenant, READER).await?.unwrap_or(0);
        let head = self.app.log.head(tenant).await?.position;
        let progress = Progress { sent, kept: sent, kept_at: Instant::now() };
        if sent > 0 {
            self.tell_gap(tenant, sent).await?;
        }
        self.app.0.exports.note(tenant, |desk| {
            desk.head = desk.head.max(head);
            desk.progress = Some(progress);
        });
        Ok(progress)
    }

    /// What is past its retention cannot be exported any more. Operators should know.
    async fn tell_gap(&self, tenant: &TenantId, sent: u64) -> Result<(), log::Error> {
        let pruned = self.app.log.pruned_through(tenant).await?;
        if sent < pruned {
            tracing::error!(
                %tenant, position = sent, pruned,
                "events were deleted for their age before they were exported to Kafka"
            );
        }
        Ok(())
    }

    async fn send_page(&self, tenant: &TenantId, after: u64) -> Result<(), log::Error> {
        let exports = &self.app.0.exports;
        let head = exports.note(tenant, |desk| desk.head);
        let log = &self.app.log;
        let read = log.read(tenant, Reading::All, after, KAFKA_PAGE_EVENTS).await?;
        let newest = read.events.last().map_or(after, |envelope| envelope.position());
        // Behind the last one there may be a hole: what was there is past its retention.
        let through = if read.is_end { newest.max(head) } else { newest };
        exports.note(tenant, |desk| {
            desk.waits_since = read.events.first().map(|envelope| envelope.at);
        });
        let page = Page::of(&read.events, through);
        drop(read);
        page.send(self, &|sent, exported| {
            self.app.metrics.kafka_exported_total.inc_by(exported as u64);
            exports.note(tenant, |desk| desk.advance(sent));
        })
        .await;
        Ok(())
    }

    /// Keeps how far the tenant is exported, if the duties are still this node's.
    pub(super) async fn keep(&self, tenant: &TenantId) -> Result<(), log::Error> {
        let exports = &self.app.0.exports;
        let Some(Progress { sent, .. }) = exports.note(tenant, |desk| desk.progress) else {
            return Ok(());
        };
        let under = self.export.under;
        let change = Change { under, ..Change::record(Record::ReadBy(READER, sent)) };
        self.app.log.commit(tenant, change).await?;
        exports.note(tenant, |desk| {
            if let Some(progress) = &mut desk.progress {
                (progress.kept, progress.kept_at) = (sent, Instant::now());
            }
        });
        Ok(())
    }
}

impl Desk {
    /// Everything up to here is acknowledged.
    fn advance(&mut self, sent: u64) {
        if let Some(progress) = &mut self.progress {
            progress.sent = progress.sent.max(sent);
        }
        if !self.is_behind() {
            self.waits_since = None;
        }
    }
}
