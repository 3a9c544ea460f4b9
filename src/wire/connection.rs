//! The one loop of every connection, whatever its dialect, and its one exit.
//!
//! Three things happen in it, whichever comes first: a frame comes in, an answer is ready, or
//! there is something to tell. What is told comes from the log until the connection has caught
//! up, and from its outbox from then on; [`Feed`] is the seam.

mod hearing;
mod telling;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::sleep;

use super::registry::{Registered, Registration, Registry};
use super::{Beat, Codec, Decoded, Incoming, Line};
use crate::app::{Answer, App, Connection, Missed, Room, Start};
use crate::hub::{Publication, Todo};
use crate::limits::{ANSWERS_PENDING_MAX, WRITE_DEADLINE};
use crate::model::{CloseReason, ConversationId, Error, Moment, Reply, Topic};

/// A client that has been let in, with all it needs.
pub(super) struct Opened<C: Codec> {
    pub(super) app: App,
    pub(super) registry: Registry,
    pub(super) codec: C,
    pub(super) conn: Connection,
    pub(super) line: C::Line,
    pub(super) beginning: Beginning,
    pub(super) beat: Beat,
}

/// From where a connection is told.
pub(super) enum Beginning {
    /// From now on.
    Now,
    /// From what the client said it has read.
    After(String),
    /// From here, as the handshake found out.
    At(Start),
}

/// Serves a connection to its end, and takes it out of everything it was in.
pub(super) fn run<C: Codec>(opened: Opened<C>) -> impl Future<Output = ()> + Send + use<C> {
    let Opened { app, registry, codec, conn, line, beginning, beat } = opened;
    let registered = registry.register(Registration {
        id: conn.id,
        dialect: C::DIALECT,
        who: &conn.who,
        outbox: conn.outbox.clone(),
        session_id: conn.rooms.first().map(|room| room.id).filter(|_| !C::HEARS_BEYOND_ROOMS),
        recovery: conn.recovery,
        beat,
    });
    app.metrics.opened(C::DIALECT);
    // In a box, as are the steps below that are rare: an idle connection pays for its loop alone.
    let mut serving = Box::new(Serving {
        app,
        registry,
        registered,
        codec,
        conn,
        line,
        feed: Feed::Log,
        pending: VecDeque::new(),
        reading: None,
        marked: 0,
        notified: 0,
    });
    let beginning = Box::new(beginning);
    async move {
        // A panic ends this connection, not the process, and leaves no ghost behind.
        let served = AssertUnwindSafe(serving.serve(beginning)).catch_unwind().await;
        let reason = match served {
            Ok(Err(reason)) => reason,
            Ok(Ok(never)) => match never {},
            Err(_panic) => CloseReason::Internal,
        };
        Box::pin(serving.exit(reason)).await;
    }
}

/// Where what is told comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// From the log, each room after what was told of it; the outbox fills meanwhile for rooms
    /// that are listened to.
    Log,
    /// From the outbox, what is after that.
    Live,
}

/// Answers that wait for the disk, in the order of their questions.
type Pending<T> = VecDeque<BoxFuture<'static, (T, Result<Reply, Error>)>>;

struct Serving<C: Codec> {
    app: App,
    registry: Registry,
    registered: Registered,
    codec: C,
    conn: Connection,
    line: C::Line,
    feed: Feed,
    pending: Pending<C::Tag>,
    /// The page of the log that is being read; frames that come in meanwhile do not disturb it.
    reading: Option<BoxFuture<'static, Result<Missed, Error>>>,
    /// The position the client was told last as its own.
    marked: u64,
    /// Up to where its user was notified, if the client has not shown yet that it is there to have
    /// taken it in; 0 if there is nothing of the kind.
    notified: u64,
}

type FrameOf<C> = <<C as Codec>::Line as Line>::Frame;

/// What the loop woke up for.
enum Woken<F, T> {
    Incoming(Incoming<F>),
    Answer(T, Result<Reply, Error>),
    Told(Todo),
    Replay(Result<Missed, Error>),
}

impl<C: Codec> Serving<C> {
    /// Runs until the end; the error is why it ended.
    async fn serve(&mut self, beginning: Box<Beginning>) -> Result<Infallible, CloseReason> {
        Box::pin(self.begin(*beginning)).await?;
        let mut batch = VecDeque::new();
        loop {
            if self.may_enter() {
                Box::pin(self.become_present(None)).await?;
            }
            let woken = self.wake(&mut batch).await;
            // Given away whole before the next wait, or an idle connection would keep room for it.
            if matches!(woken, Woken::Told(Todo::Write)) {
                drop(woken);
                self.tell(&mut batch).await?;
            } else {
                Box::pin(self.attend(woken)).await?;
            }
        }
    }

    /// Does what it woke up for, other than telling.
    async fn attend(&mut self, woken: Woken<FrameOf<C>, C::Tag>) -> Result<(), CloseReason> {
        match woken {
            Woken::Incoming(incoming) => self.take_in(incoming).await,
            Woken::Answer(tag, result) => self.answer(tag, result).await,
            Woken::Replay(read) => self.replay(read).await,
            Woken::Told(Todo::Ping) => self.ping().await,
            Woken::Told(Todo::Close(reason)) => Err(reason),
            Woken::Told(Todo::Write) => Ok(()),
        }
    }

    async fn wake(&mut self, batch: &mut VecDeque<Arc<Publication>>) -> Woken<FrameOf<C>, C::Tag> {
        let has_room = self.pending.len() < ANSWERS_PENDING_MAX;
        let has_pending = !self.pending.is_empty();
        let is_live = self.feed == Feed::Live;
        if !is_live && self.reading.is_none() {
            let (app, told) = (self.app.clone(), self.conn.told());
            self.reading = Some(async move { app.missed(told).await }.boxed());
        }
        let (reading, pending) = (&mut self.reading, &mut self.pending);
        let (line, outbox) = (&mut self.line, &self.conn.outbox);
        let missed = async {
            match reading {
                Some(reading) => reading.await,
                None => std::future::pending().await,
            }
        };
        // What waits in the outbox of one that is not live is read from the log.
        let told = outbox.next(is_live.then_some(batch));
        tokio::select! {
            incoming = poll_fn(|cx| line.poll_recv(cx)), if has_room => Woken::Incoming(incoming),
            (tag, result) = poll_fn(|cx| poll_front(pending, cx)), if has_pending => Woken::Answer(tag, result),
            todo = told => Woken::Told(todo),
            read = missed => Woken::Replay(read),
        }
    }

    async fn take_in(&mut self, incoming: Incoming<FrameOf<C>>) -> Result<(), CloseReason> {
        let frame = match incoming {
            Incoming::Frame(frame) => Some(frame),
            Incoming::Alive => None,
            Incoming::End(reason) => return Err(reason),
        };
        self.registry.seen(&self.registered);
        if self.notified > 0 {
            self.confirm_notified().await;
        }
        let Some(frame) = frame else { return Ok(()) };
        let (tag, command) = match self.codec.decode(frame) {
            Decoded::Request(tag, command) => (tag, command),
            // It costs as much to read as what can be answered.
            Decoded::Nothing => {
                let _counted = self.conn.count_unreadable();
                let is_overrun = self.conn.is_overrun();
                return if is_overrun { Err(CloseReason::RateLimited) } else { Ok(()) };
            }
            Decoded::End(reason) => return Err(reason),
        };
        let answer = match command {
            Ok(command) => {
                if command.follows_what_was_said() {
                    self.answer_pending().await?;
                }
                self.app.start(&mut self.conn, command).await
            }
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

    /// Waits for what the client said before, and answers it.
    async fn answer_pending(&mut self) -> Result<(), CloseReason> {
        while !self.pending.is_empty() {
            let (tag, result) = poll_fn(|cx| poll_front(&mut self.pending, cx)).await;
            self.answer(tag, result).await?;
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        tag: C::Tag,
        result: Result<Reply, Error>,
    ) -> Result<(), CloseReason> {
        let mut frames = Vec::new();
        let mut after = After::from(&result);
        self.note_answer(&result);
        self.codec.reply(tag, result, &mut frames);
        // A group commit answers many at once; they share a system call.
        while after == After::Nothing
            && !self.pending.is_empty()
            && let Poll::Ready((tag, result)) =
                poll_fn(|cx| Poll::Ready(poll_front(&mut self.pending, cx))).await
        {
            after = After::from(&result);
            self.note_answer(&result);
            self.codec.reply(tag, result, &mut frames);
        }
        match after {
            After::Nothing => self.write_all(frames).await?,
            After::Renewed => {
                self.write_all(frames).await?;
                self.check_stays().await?;
            }
            After::Subscribed => {
                self.write_all(frames).await?;
                self.begin_past();
            }
            After::Joined(id) => self.take_up(id, frames).await?,
        }
        if self.conn.is_overrun() { Err(CloseReason::RateLimited) } else { Ok(()) }
    }

    fn note_answer(&self, result: &Result<Reply, Error>) {
        match result {
            Ok(Reply::Authenticated(who)) => {
                self.registry.end_at(&self.registered, who.expires_at);
            }
            Err(refusal) => self.app.metrics.refused(refusal),
            Ok(_) => {}
        }
    }

    async fn ping(&mut self) -> Result<(), CloseReason> {
        self.codec.check_overdue()?;
        self.line.ping();
        self.write().await
    }

    async fn write_all(&mut self, frames: Vec<Bytes>) -> Result<(), CloseReason> {
        frames.into_iter().for_each(|frame| self.line.enqueue(frame));
        self.write().await
    }

    /// Writes what was put into the line's queue.
    async fn write(&mut self) -> Result<(), CloseReason> {
        // Nearly every write is done at once, and then needs neither timer nor company.
        match poll_fn(|cx| Poll::Ready(self.line.poll_write(cx))).await {
            Poll::Ready(written) => written,
            // In a box, because an idle connection need not keep room for a slow one's timer.
            Poll::Pending => Box::pin(self.write_slowly(WRITE_DEADLINE)).await,
        }
    }

    async fn write_slowly(&mut self, within: Duration) -> Result<(), CloseReason> {
        let Serving { line, conn, .. } = self;
        tokio::select! {
            written = poll_fn(|cx| line.poll_write(cx)) => written,
            reason = conn.outbox.closed() => Err(reason),
            () = sleep(within) => Err(CloseReason::SlowConsumer),
        }
    }

    /// The one exit: out of the hub, out of presence, out of the registry, and then goodbye.
    async fn exit(mut self: Box<Self>, reason: CloseReason) {
        // Who says goodbye has taken in what came before.
        if reason == CloseReason::ClientClosed && self.notified > 0 {
            self.confirm_notified().await;
        }
        self.topics_beyond_rooms().for_each(|t| self.app.hub.unsubscribe(&t, self.conn.id));
        let Serving { app, registered, mut conn, line, pending, .. } = *self;
        for room in conn.rooms.iter_mut().filter(|room| room.is_listening) {
            let topic = Topic::Conversation(conn.who.tenant.clone(), room.id);
            app.hub.unsubscribe(&topic, conn.id);
            room.is_listening = false;
        }
        // What was accepted is carried out, whether or not its sender hears of it.
        for answer in pending {
            let (_, _answered) = answer.await;
        }
        conn.give_up_seat();
        if !registered.is_replaced() {
            app.note_rooms(&conn, Some(Moment::now())).await;
        }
        let rooms = std::mem::take(&mut conn.rooms);
        // All at once, so that they share a commit.
        join_all(rooms.into_iter().map(|room| leave_for_good(&app, &conn, room, reason))).await;
        app.depart(&conn).await;
        app.metrics.closed(C::DIALECT, reason);
        drop(registered);
        line.close(reason).await;
    }
}

/// Out of one conversation at the end, with the lines of document 002.
async fn leave_for_good(app: &App, conn: &Connection, room: Room, reason: CloseReason) {
    let (user, role, id) = (&conn.who.user, conn.who.user_type, room.id);
    tracing::info!(
        connection = %conn.id, reason = reason.text(),
        "[Disconnect] User {user} ({role}) disconnecting from session {id}"
    );
    // The seat goes first: those who are counted below are the others.
    let is_present = room.is_present;
    drop(room);
    tracing::info!(
        "[Disconnect] Removed connection: {user} from session {id}. Remaining connections: {}",
        app.connections_in(&conn.who.tenant, id)
    );
    if is_present {
        app.leave(conn, id, reason.disconnect_reason()).await;
    }
    tracing::info!("[Disconnect] WebSocket client disconnected: {user} ({role}) from session {id}");
}

/// What is to be done once an answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Renewed,
    Subscribed,
    Joined(ConversationId),
}

impl From<&Result<Reply, Error>> for After {
    fn from(result: &Result<Reply, Error>) -> After {
        match result {
            Ok(Reply::Authenticated(_)) => After::Renewed,
            Ok(Reply::Joined(id)) => After::Joined(*id),
            Ok(Reply::Subscribed(_)) => After::Subscribed,
            _ => After::Nothing,
        }
    }
}

/// The answer that is due next. Only the first is looked at: the log answers in order, and none
/// of them needs us to get on.
fn poll_front<T>(pending: &mut Pending<T>, cx: &mut Context) -> Poll<(T, Result<Reply, Error>)> {
    let Some(first) = pending.front_mut() else { return Poll::Pending };
    let answer = ready!(first.poll_unpin(cx));
    pending.pop_front();
    Poll::Ready(answer)
}
