//! The one loop of every connection, whatever its dialect, and its one exit.
//!
//! Three things happen in it, whichever comes first: a frame comes in, an answer is ready, or
//! there is something to tell. What is told comes from the log until the connection has caught
//! up, and from its outbox from then on; [`Feed`] is the seam.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::Codec;
use super::registry::{Registered, Registry};
use super::socket::{Incoming, Socket};
use crate::app::{Answer, App, Connection, Resume};
use crate::hub::{Publication, Todo};
use crate::limits::{
    ANSWERS_PENDING_MAX, REPLAY_WRITE_DEADLINE, REPLAY_WRITE_EVENTS, WRITE_DEADLINE,
};
use crate::model::{
    CloseReason, ConversationId, Envelope, Error, Event, HistoryRange, Reply, Topic,
};

/// A socket that has been let in, with all it needs.
pub(super) struct Opened<C: Codec> {
    pub(super) app: App,
    pub(super) registry: Registry,
    pub(super) codec: C,
    pub(super) conn: Connection,
    pub(super) conversation: ConversationId,
    /// What the client said it has read, if it comes back.
    pub(super) after: Option<String>,
}

/// Serves a connection to its end, and takes it out of everything it was in.
pub(super) fn run<C: Codec>(
    opened: Opened<C>,
    socket: Socket,
) -> impl Future<Output = ()> + Send + use<C> {
    let Opened { app, registry, codec, conn, conversation, after } = opened;
    let registered =
        registry.register(conn.id, C::DIALECT, &conn.who, conversation, conn.outbox.clone());
    app.metrics.opened(C::DIALECT);
    let feed = Feed::Starting { after };
    let pending = VecDeque::new();
    // In a box, as are the steps below that are rare: an idle connection pays for its loop alone.
    let mut serving = Box::new(Serving {
        app,
        registry,
        registered,
        codec,
        conn,
        conversation,
        socket,
        feed,
        pending,
        reading: None,
        is_present: false,
    });
    async move {
        // A panic ends this connection, not the process, and leaves no ghost behind.
        let served = AssertUnwindSafe(serving.serve()).catch_unwind().await;
        Box::pin(serving.exit(served.unwrap_or(CloseReason::Internal))).await;
    }
}

/// Where what is told comes from.
enum Feed {
    /// Nowhere yet.
    Starting { after: Option<String> },
    /// From the log, after this position; `is_listening` once the outbox fills meanwhile.
    Log { after: u64, is_listening: bool },
    /// From the outbox, what is after this position.
    Live { after: u64 },
}

/// Answers that wait for the disk, in the order of their questions.
type Pending<T> = VecDeque<BoxFuture<'static, (T, Result<Reply, Error>)>>;

struct Serving<C: Codec> {
    app: App,
    registry: Registry,
    registered: Registered,
    codec: C,
    conn: Connection,
    conversation: ConversationId,
    socket: Socket,
    feed: Feed,
    pending: Pending<C::Tag>,
    /// The page of the log that is being read; frames that come in meanwhile do not disturb it.
    reading: Option<BoxFuture<'static, Result<Replayed, Error>>>,
    is_present: bool,
}

/// What the loop woke up for.
enum Woken<T> {
    Incoming(Incoming),
    Answer(T, Result<Reply, Error>),
    Told(Todo),
    Replay(Result<Replayed, Error>),
}

type Replayed = (Vec<Arc<Envelope>>, u64, bool);

impl<C: Codec> Serving<C> {
    /// Runs until the end; returns why it ended.
    async fn serve(&mut self) -> CloseReason {
        match self.try_serve().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    async fn try_serve(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        Box::pin(self.begin()).await?;
        let mut batch = VecDeque::new();
        loop {
            match self.wake(&mut batch).await {
                Woken::Incoming(Incoming::Alive) => self.registry.seen(&self.registered),
                Woken::Incoming(incoming) => Box::pin(self.take_in(incoming)).await?,
                Woken::Answer(tag, result) => Box::pin(self.answer(tag, result)).await?,
                Woken::Replay(read) => Box::pin(self.replay(read)).await?,
                Woken::Told(Todo::Write) => self.tell(&mut batch).await?,
                Woken::Told(Todo::Ping) => self.socket.ping().await?,
                Woken::Told(Todo::Close(reason)) => return Err(reason),
            }
        }
    }

    /// The opening frames, and the choice of the feed.
    async fn begin(&mut self) -> Result<(), CloseReason> {
        let Feed::Starting { after } = &mut self.feed else { return Ok(()) };
        let after = after.take();
        if after.is_none() {
            // Listening before asking where the log ends: nothing falls in between.
            self.listen();
        }
        let tenant = &self.conn.who.tenant;
        let start = self.app.start_of(tenant, self.conversation, after.as_deref()).await;
        let start = start.map_err(|_| CloseReason::Internal)?;
        let position = start.cursor.position;
        let mut frames = vec![self.codec.established(self.conn.id, &self.conn.who, &start)];
        self.feed = match start.resume {
            Resume::Live => Feed::Live { after: position },
            Resume::Missed => Feed::Log { after: position, is_listening: false },
            Resume::Resync(reason) => {
                frames.push(self.codec.resync(reason));
                let range = HistoryRange::default();
                let latest = self.app.history(&self.conn.who, self.conversation, range).await;
                let mut latest = latest.map_err(|_| CloseReason::Internal)?;
                // What came after the log's end was read follows by itself.
                latest.messages.retain(|e| e.position() <= position);
                frames.push(self.codec.history(&latest));
                Feed::Log { after: position, is_listening: false }
            }
        };
        self.socket.enqueue(frames);
        self.write().await?;
        if matches!(self.feed, Feed::Live { .. }) {
            self.become_present().await?;
        }
        Ok(())
    }

    fn topic(&self) -> Topic {
        Topic::Conversation(self.conn.who.tenant.clone(), self.conversation)
    }

    fn listen(&self) {
        self.app.hub.subscribe(self.topic(), self.conn.id, self.conn.outbox.clone());
    }

    async fn wake(&mut self, batch: &mut VecDeque<Arc<Publication>>) -> Woken<C::Tag> {
        let has_room = self.pending.len() < ANSWERS_PENDING_MAX;
        let has_pending = !self.pending.is_empty();
        let is_live = !matches!(self.feed, Feed::Log { .. });
        if let (Feed::Log { after, .. }, None) = (&self.feed, &self.reading) {
            let (app, id, after) = (self.app.clone(), self.conversation, *after);
            let tenant = self.conn.who.tenant.clone();
            self.reading = Some(async move { app.missed(&tenant, id, after).await }.boxed());
        }
        let (reading, pending) = (&mut self.reading, &mut self.pending);
        let missed = async {
            match reading {
                Some(reading) => reading.await,
                None => std::future::pending().await,
            }
        };
        let told = async {
            match is_live {
                true => self.conn.outbox.next(batch).await,
                // What waits in the outbox meanwhile is read from the log.
                false => Todo::Close(self.conn.outbox.closed().await),
            }
        };
        tokio::select! {
            incoming = self.socket.recv(), if has_room => Woken::Incoming(incoming),
            (tag, result) = poll_fn(|cx| poll_front(pending, cx)), if has_pending => Woken::Answer(tag, result),
            todo = told => Woken::Told(todo),
            read = missed => Woken::Replay(read),
        }
    }

    async fn take_in(&mut self, incoming: Incoming) -> Result<(), CloseReason> {
        let text = match incoming {
            Incoming::Text(text) => text,
            Incoming::Alive => return Ok(()),
            Incoming::End(reason) => return Err(reason),
        };
        self.registry.seen(&self.registered);
        let (tag, command) = self.codec.decode(text.as_str());
        let answer = match command {
            Ok(command) => self.app.start(&mut self.conn, command).await,
            // Unreadable frames cost as much as others, and are counted like them.
            Err(refusal) => Answer::Now(Err(self.conn.count_unreadable().err().unwrap_or(refusal))),
        };
        match answer {
            // Answers come in the order of the questions.
            Answer::Now(result) if self.pending.is_empty() => self.answer(tag, result).await,
            Answer::Now(result) => {
                self.pending.push_back(std::future::ready((tag, result)).boxed());
                Ok(())
            }
            Answer::Later(future) => {
                self.pending.push_back(future.map(|result| (tag, result)).boxed());
                Ok(())
            }
        }
    }

    async fn answer(
        &mut self,
        tag: C::Tag,
        result: Result<Reply, Error>,
    ) -> Result<(), CloseReason> {
        let mut frames = Vec::new();
        let is_renewed = matches!(result, Ok(Reply::Authenticated { .. }));
        self.note_answer(&result);
        frames.extend(self.codec.reply(tag, result));
        // A group commit answers many at once; they share a system call.
        while !self.pending.is_empty()
            && let Poll::Ready((tag, result)) =
                poll_fn(|cx| Poll::Ready(poll_front(&mut self.pending, cx))).await
        {
            self.note_answer(&result);
            frames.extend(self.codec.reply(tag, result));
        }
        self.socket.enqueue(frames);
        self.write().await?;
        if is_renewed {
            self.check_stay().await?;
        }
        if self.conn.is_overrun() { Err(CloseReason::RateLimited) } else { Ok(()) }
    }

    fn note_answer(&self, result: &Result<Reply, Error>) {
        match result {
            Ok(Reply::Authenticated { expires_at }) => {
                self.registry.end_at(&self.registered, Some(*expires_at));
            }
            Err(refusal) => self.app.metrics.refused(refusal),
            Ok(_) => {}
        }
    }

    /// Writes a stretch of the log; at its end, goes live.
    async fn replay(&mut self, read: Result<Replayed, Error>) -> Result<(), CloseReason> {
        self.reading = None;
        let (events, read_to, is_end) = read.map_err(|_| CloseReason::Internal)?;
        self.check_stay().await?;
        for group in events.chunks(REPLAY_WRITE_EVENTS) {
            let frames = group.iter().filter_map(|e| C::encode(e));
            self.socket.enqueue(frames);
            // The reader sets the pace, as long as it lives; taking something is a sign of that.
            self.write_slowly(REPLAY_WRITE_DEADLINE).await?;
            self.registry.seen(&self.registered);
            self.app.note_delivered(&self.conn.who, group);
        }
        let Feed::Log { is_listening, .. } = self.feed else { return Ok(()) };
        self.feed = Feed::Log { after: read_to, is_listening };
        if !is_end {
            return Ok(());
        }
        if !is_listening {
            self.conn.outbox.begin_catch_up();
            self.listen();
            self.feed = Feed::Log { after: read_to, is_listening: true };
        } else if self.conn.outbox.end_catch_up() {
            self.feed = Feed::Live { after: read_to };
            self.become_present().await?;
        }
        Ok(())
    }

    /// Joins the conversation: told to all by an event if this is the user's first connection,
    /// and to this one alone otherwise.
    async fn become_present(&mut self) -> Result<(), CloseReason> {
        let id = self.conversation;
        // While it caught up, the conversation may have gone to somebody else.
        self.check_stay().await?;
        let who = &self.conn.who;
        tracing::info!(
            connection = %self.conn.id,
            "[Connect] WebSocket client connected: {} ({}) to session {id}", who.user, who.user_type
        );
        let is_first = match self.app.enter(&self.conn, id).await {
            Ok(is_first) => is_first,
            Err(Error::UserTypeConflict { .. }) => return Err(CloseReason::Forbidden),
            Err(_) => return Err(CloseReason::Internal),
        };
        self.is_present = true;
        if is_first {
            return Ok(());
        }
        let status = self.app.status_in(&self.conn.who.tenant, id).await;
        let status = status.map_err(|_| CloseReason::Internal)?;
        let frame = self.codec.status(id, &status);
        self.socket.enqueue([frame]);
        self.write().await
    }

    /// Writes what the outbox handed over.
    async fn tell(&mut self, batch: &mut VecDeque<Arc<Publication>>) -> Result<(), CloseReason> {
        let Feed::Live { after } = self.feed else { return Ok(()) };
        self.app.metrics.outbox_depth(batch.len());
        let hand_over = batch.iter().position(|p| {
            matches!(
                p.envelope.event,
                Event::Assigned(_) | Event::Transferred(_) | Event::Closed(_) | Event::Reopened(_)
            )
        });
        let stays = match hand_over {
            Some(at) => {
                let stays = Box::pin(self.check_stay()).await;
                if stays.is_err() {
                    batch.truncate(at + 1);
                }
                stays
            }
            None => Ok(()),
        };
        let is_new =
            |p: &&Arc<Publication>| p.envelope.cursor.is_none_or(|cursor| cursor.position > after);
        let frames = batch.iter().filter(is_new).filter_map(|p| p.frame(C::DIALECT, C::encode));
        self.socket.enqueue(frames);
        self.write().await?;
        let delivers = |p: &&Arc<Publication>| {
            matches!(&p.envelope.event, Event::Message(m) if m.sender_id != self.conn.who.user)
                && p.is_first_delivery()
        };
        let newest = batch.iter().rev().find(delivers);
        if let Some(publication) = newest {
            self.app.note_delivered(&self.conn.who, std::slice::from_ref(&publication.envelope));
        }
        batch.clear();
        batch.shrink_to(BATCH_KEPT);
        stays
    }

    async fn check_stay(&mut self) -> Result<(), CloseReason> {
        match self.app.may_stay(&self.conn.who, self.conversation).await {
            true => Ok(()),
            false => Err(CloseReason::Forbidden),
        }
    }

    /// Writes what was put into the socket's queue.
    async fn write(&mut self) -> Result<(), CloseReason> {
        // Nearly every write is done at once, and then needs neither timer nor company.
        match poll_fn(|cx| Poll::Ready(self.socket.poll_write(cx))).await {
            Poll::Ready(written) => written,
            // In a box, because an idle connection need not keep room for a slow one's timer.
            Poll::Pending => Box::pin(self.write_slowly(WRITE_DEADLINE)).await,
        }
    }

    async fn write_slowly(&mut self, within: Duration) -> Result<(), CloseReason> {
        let Serving { socket, conn, .. } = self;
        tokio::select! {
            written = poll_fn(|cx| socket.poll_write(cx)) => written,
            reason = conn.outbox.closed() => Err(reason),
            () = sleep(within) => Err(CloseReason::SlowConsumer),
        }
    }

    /// The one exit: out of the hub, out of presence, out of the registry, and then goodbye.
    async fn exit(self: Box<Self>, reason: CloseReason) {
        self.app.hub.unsubscribe(&self.topic(), self.conn.id);
        let Serving {
            app, registered, mut conn, conversation, socket, pending, is_present, ..
        } = *self;
        let (user, role, tenant) =
            (conn.who.user.clone(), conn.who.user_type, conn.who.tenant.clone());
        tracing::info!(
            connection = %conn.id, reason = reason.text(),
            "[Disconnect] User {user} ({role}) disconnecting from session {conversation}"
        );
        // What was accepted is carried out, whether or not its sender hears of it.
        for answer in pending {
            let (_, _answered) = answer.await;
        }
        conn.give_up_seat();
        tracing::info!(
            "[Disconnect] Removed connection: {user} from session {conversation}. \
             Remaining connections: {}",
            app.connections_in(&tenant, conversation)
        );
        if is_present {
            app.leave(&conn, conversation, reason.disconnect_reason()).await;
        }
        app.metrics.closed(C::DIALECT, reason);
        drop(registered);
        tracing::info!(
            "[Disconnect] WebSocket client disconnected: {user} ({role}) from session {conversation}"
        );
        socket.close(reason).await;
    }
}

/// Room a batch keeps while its connection is idle.
const BATCH_KEPT: usize = 16;

/// The answer that is due next. Only the first is looked at: the log answers in order, and none
/// of them needs us to get on.
fn poll_front<T>(pending: &mut Pending<T>, cx: &mut Context) -> Poll<(T, Result<Reply, Error>)> {
    let Some(first) = pending.front_mut() else { return Poll::Pending };
    let answer = ready!(first.poll_unpin(cx));
    pending.pop_front();
    Poll::Ready(answer)
}
