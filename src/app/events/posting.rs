//! A post of many on its way to the log: what may share a transaction does, in the order it came in.

use std::sync::Arc;

use super::super::App;
use super::{Plan, Posted};
use crate::log::{self, Batch, Change, KeptBatch, Once, Outcome};
use crate::model::{Conversation, Cursor, Envelope, Error, Identity, Typing};

/// A post that is being carried out.
pub(super) struct Posting<'a> {
    app: &'a App,
    who: &'a Identity,
    /// What is to be kept next.
    pending: Vec<Pending>,
    /// What is to be told once that is kept.
    due: Vec<Envelope>,
    rejected: Vec<(usize, Error)>,
    accepted: usize,
    once: Option<Once>,
    /// How often something went to the log so far: verbs are carried out in between.
    stretches: usize,
    cursor: Option<Cursor>,
}

/// What waits for the log.
struct Pending {
    /// Its place in the post.
    at: usize,
    change: Change,
    /// What is told and not kept, if it did not come before.
    volatile: Option<Envelope>,
}

impl<'a> Posting<'a> {
    pub(super) fn new(
        app: &'a App,
        who: &'a Identity,
        posts: usize,
        once: Option<Once>,
    ) -> Posting<'a> {
        Posting {
            app,
            who,
            pending: Vec::with_capacity(posts),
            due: vec![],
            rejected: vec![],
            accepted: 0,
            once,
            stretches: 0,
            cursor: None,
        }
    }

    /// One that does not count.
    pub(super) fn reject(&mut self, at: usize, refusal: Error) {
        self.rejected.push((at, refusal));
    }

    pub(super) async fn take(&mut self, at: usize, plan: Plan) -> Result<(), Error> {
        match plan {
            Plan::Keep(change) => {
                self.pending.push(Pending { at, change: *change, volatile: None })
            }
            Plan::Tell(envelope, once) => {
                let change = Change { once, ..Change::default() };
                self.pending.push(Pending { at, change, volatile: Some(*envelope) });
            }
            Plan::Type(typing, conversation) => {
                self.accepted += 1;
                self.type_in(typing, &conversation);
            }
            verb @ (Plan::Close(..) | Plan::Transfer(..)) => {
                self.keep_pending().await?;
                let verb = verb.known_by(self.part_of_whole(&format!("verb {at}")));
                match self.app.do_posted(self.who, verb).await {
                    Ok(()) => self.accepted += 1,
                    Err(Error::Unavailable(reason)) => return Err(Error::Unavailable(reason)),
                    Err(refusal) => self.rejected.push((at, refusal)),
                }
            }
        }
        Ok(())
    }

    fn type_in(&self, typing: Typing, conversation: &Conversation) {
        let tenant = &self.who.tenant;
        match typing.is_typing {
            true => self.app.begin_typing(tenant, typing, Arc::new(conversation.audience())),
            false => self.app.end_typing(tenant, typing.session_id, &typing.user_id),
        }
    }

    /// By what a repeat of a part of the whole is known: each part by itself, so that what a crash
    /// kept from being done is done when the whole comes again, and nothing is done twice.
    fn part_of_whole(&self, part: &str) -> Option<Once> {
        let whole = self.once.as_ref()?;
        // No header has a line break in it.
        Some(Once { key: format!("{}\n{part}", whole.key), digest: whole.digest })
    }

    async fn keep_pending(&mut self) -> Result<(), Error> {
        // The key itself is that of the first stretch, even of an empty one.
        let is_first = self.stretches == 0;
        if self.pending.is_empty() && (self.once.is_none() || !is_first) {
            return Ok(());
        }
        let once = match is_first {
            true => self.once.clone(),
            false => self.part_of_whole(&self.stretches.to_string()),
        };
        self.stretches += 1;
        let pending = std::mem::take(&mut self.pending);
        let (mut places, mut changes) = (Vec::new(), Vec::with_capacity(pending.len()));
        for Pending { at, change, volatile } in pending {
            places.push((at, volatile));
            changes.push(change);
        }
        let batch = Batch { changes, once };
        let kept = self.app.log.append_batch(&self.who.tenant, batch).await;
        let kept = match kept {
            Ok(pending) => pending.committed().await,
            Err(err) => Err(err),
        };
        let KeptBatch { changes, cursor, .. } = kept.map_err(|e| self.app.fault(e))?;
        self.cursor = Some(cursor);
        for ((at, volatile), outcome) in places.into_iter().zip(changes) {
            self.note(at, volatile, outcome);
        }
        Ok(())
    }

    fn note(
        &mut self,
        at: usize,
        volatile: Option<Envelope>,
        outcome: Result<Vec<Outcome>, log::Error>,
    ) {
        match outcome {
            Ok(outcomes) => {
                self.accepted += 1;
                let is_repeat = matches!(outcomes.as_slice(), [Outcome::Repeated(_)]);
                self.due.extend(volatile.filter(|_| !is_repeat));
            }
            Err(log::Error::KeyReused(key)) => {
                let id = key.strip_prefix("e:").unwrap_or(&key);
                let message = format!("id {id:?} came with another event before");
                self.rejected.push((at, Error::Conflict { message, holder: None }));
            }
            Err(err) => self.rejected.push((at, self.app.fault(err))),
        }
    }

    pub(super) async fn finish(mut self) -> Result<Posted, Error> {
        self.keep_pending().await?;
        for envelope in std::mem::take(&mut self.due) {
            self.app.tell_now(envelope);
        }
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => {
                let head = self.app.log.head(&self.who.tenant).await;
                head.map_err(|e| self.app.fault(e))?
            }
        };
        self.rejected.sort_by_key(|(at, _)| *at);
        let Posting { accepted, rejected, .. } = self;
        Ok(Posted { accepted, rejected, cursor })
    }
}
