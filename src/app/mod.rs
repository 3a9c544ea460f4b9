//! The verbs. Every rule about conversations, messages, people and who may do what lives here or
//! nowhere.
//!
//! A verb checks, then commits; the log's tail does the telling. Edges call [`App::start`] for a
//! socket's commands and the verbs by name for REST. No file here knows a dialect or a socket.

mod access;
mod agents;
mod agents_shown;
mod attendance;
mod audit;
mod bot;
mod calls;
mod console;
mod conversations;
mod demo;
mod duties;
mod events;
mod export;
mod faq;
mod feed;
mod health;
mod identity;
mod messages;
mod nodes;
mod notices;
mod notify;
mod pace;
mod people;
mod presence;
mod receipts;
mod reports;
mod resume;
mod rooms;
mod routing;
mod staff;
mod subscription;
mod typing;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex as OrderLock, Notify, Semaphore};
use uuid::Uuid;

use crate::auth::{Passwords, Tokens};
use crate::bot::Bot;
use crate::broker::Broker;
use crate::config::Config;
use crate::hub::{Hub, Outbox};
use crate::limits::POSTS_AT_ONCE_MAX;
use crate::log::{self, Log};
use crate::model::{
    Command, ConnId, Conversation, ConversationId, Cursor, Error, Identity, NodeId, Reply, Role,
    TenantId,
};
use crate::presence::Presence;
use crate::sink::webhooks::Client as WebhookClient;
use crate::telemetry::Metrics;

pub use access::{Seat, SessionPath};
pub use agents::{AgentView, DepartmentView};
pub use bot::{BotReply, FaqOf};
pub use conversations::{Claim, NewConversation, Started, Summary, SummaryPage, TransferTo};
pub use demo::Demo;
pub use events::{
    EventIn, Post, PostTarget, Posted, check_producer, digest_of, read_post_lines, read_posts,
    refuse_post,
};
#[cfg(test)]
pub(crate) use export::testing as kafka_testing;
pub use export::{Export, ExportEnd, KafkaStatus};
pub use faq::{FaqChange, NewFaq};
pub use feed::FeedProgress;
pub use identity::Login;
pub use pace::Pace;
pub use people::NewKey;
pub use reports::{AgentReport, DepartmentReport, QueueNow, Span, total as total_figures};
pub use resume::{Missed, Recovered, Resume, Start};
pub use rooms::Room;
pub use routing::{NewRequirements, Unread};
pub use staff::{
    AgentChange, DepartmentChange, NewAgent, NewDepartment, Tenant, is_email, policy_of,
};
pub use subscription::Subscription;
pub use webhooks::{NewWebhook, Replayed, Tried, WebhookChange, WebhookView};

/// Everything the verbs need. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of; `server.rs` fills it in.
pub struct Inner {
    /// Which of the nodes that serve together this is.
    pub node: NodeId,
    /// Every option.
    pub config: Arc<Config>,
    /// The tenants' logs.
    pub log: Arc<dyn Log>,
    /// Who is where.
    pub presence: Arc<dyn Presence>,
    /// The line to the others.
    pub broker: Arc<dyn Broker>,
    /// Who listens to what.
    pub hub: Hub,
    /// Signs and verifies tokens.
    pub tokens: Tokens,
    /// Hashes and verifies passwords.
    pub passwords: Passwords,
    /// Who answers before a person does; nobody if there is none.
    pub bot: Option<Bot>,
    /// Tells receivers outside.
    pub webhooks: WebhookClient,
    /// What is counted.
    pub metrics: Metrics,
}

struct Parts {
    inner: Inner,
    typing: typing::Typists,
    receipts: receipts::Marks,
    seats: access::Seats,
    logins: pace::Attempts,
    requests: pace::Paces,
    known: people::Known,
    owed: attendance::Owed,
    departures: presence::Departures,
    duties: duties::Duties,
    staff_news: nodes::StaffNews,
    /// A node is gone: there may be users of whom nobody told that they went.
    ghosts: Notify,
    /// Turns of those who post events.
    posts: Semaphore,
    desk: bot::Desk,
    router: routing::Router,
    offices: webhooks::Offices,
    exports: export::Exports,
    store_verdict: health::Verdict,
    pulse: feed::Pulse,
    next_conn: AtomicU64,
    /// Joins and leaves of a conversation take effect in presence and in the log in one order.
    /// A few locks shared by all conversations: contention is harmless, memory is not.
    order: [OrderLock<()>; 64],
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0.inner
    }
}

/// One connected, authenticated client.
pub struct Connection {
    /// Its number.
    pub id: ConnId,
    /// Who it speaks for.
    pub who: Identity,
    /// Where to leave what it should hear.
    pub outbox: Arc<Outbox>,
    /// The conversations it takes part in.
    pub rooms: Vec<Room>,
    /// What is meant for its user was told up to this position, or is not to be; to a console, all
    /// of the tenant.
    pub told: u64,
    /// Whether it hears the whole tenant as far as its role goes, rather than what it takes part in.
    pub is_console: bool,
    /// Whether it hears what is meant for everybody of its role.
    pub hears_role: bool,
    /// What of that it wants to hear; all, where its dialect has no choice.
    pub subscription: Option<Box<Subscription>>,
    /// What happened in a conversation it joins first is told from here on, if it said so.
    pub after: Option<Cursor>,
    /// The conversations of which that was told; joined again, they are told from then on.
    pub told_past: Vec<ConversationId>,
    /// Under which number it can be taken up again after a cut, if its dialect can.
    pub recovery: Option<Uuid>,
    messages: Pace,
    typing: Pace,
    others: Pace,
    /// Given back when the connection ends.
    seat: Option<Seat>,
}

impl Connection {
    /// It counts no longer against its user's limit.
    pub fn give_up_seat(&mut self) {
        self.seat = None;
    }

    /// Counts a frame that could not be read; it costs as much as one that can.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub fn count_unreadable(&mut self) -> Result<(), Error> {
        self.others.take()
    }

    /// Whether it kept sending over its limits.
    pub fn is_overrun(&self) -> bool {
        [&self.messages, &self.typing, &self.others].iter().any(|pace| pace.is_overrun())
    }
}

/// A command that has been carried out, or waits for the disk only.
pub enum Answer {
    /// Here it is.
    Now(Result<Reply, Error>),
    /// It will come; commands given later may be started meanwhile.
    Later(BoxFuture<'static, Result<Reply, Error>>),
}

impl App {
    /// Puts the parts together.
    pub fn new(inner: Inner) -> App {
        let limits = &inner.config.limits;
        let logins = pace::Attempts::new(limits.logins_per_minute);
        let requests = pace::Paces::new(limits.rest_per_minute);
        let desk = bot::Desk::new(&inner.config.bot.handoff_phrases);
        // Numbers of connections are told apart on other nodes as well.
        let first_conn = if inner.presence.is_shared() { inner.node.first_number() } else { 1 };
        App(Arc::new(Parts {
            inner,
            typing: typing::Typists::default(),
            receipts: receipts::Marks::default(),
            seats: access::Seats::default(),
            logins,
            requests,
            known: people::Known::default(),
            owed: attendance::Owed::default(),
            departures: presence::Departures::default(),
            duties: duties::Duties::default(),
            staff_news: nodes::StaffNews::default(),
            ghosts: Notify::new(),
            posts: Semaphore::new(POSTS_AT_ONCE_MAX),
            desk,
            router: routing::Router::new(),
            offices: webhooks::Offices::default(),
            exports: export::Exports::default(),
            store_verdict: health::Verdict::default(),
            pulse: feed::Pulse::default(),
            next_conn: AtomicU64::new(first_conn),
            order: std::array::from_fn(|_| OrderLock::new(())),
        }))
    }

    /// A connection for somebody who holds a seat.
    pub fn connect(&self, who: Identity, seat: Seat) -> Connection {
        let limits = &self.config.limits;
        Connection {
            id: ConnId(self.0.next_conn.fetch_add(1, Ordering::Relaxed)),
            outbox: Outbox::new(who.user.clone(), limits.outbox_events),
            who,
            rooms: Vec::new(),
            told: 0,
            is_console: false,
            hears_role: false,
            subscription: None,
            after: None,
            told_past: Vec::new(),
            recovery: None,
            messages: Pace::per_minute(limits.messages_per_minute),
            typing: Pace::per_minute(limits.typing_per_minute),
            others: Pace::per_minute(crate::limits::OTHER_FRAMES_PER_MINUTE),
            seat: Some(seat),
        }
    }

    /// Carries out a command of a connection. Commands take effect in the order of the calls.
    pub async fn start(&self, conn: &mut Connection, command: Command) -> Answer {
        let pace = match &command {
            Command::Send { .. } => &mut conn.messages,
            Command::Typing { .. } => &mut conn.typing,
            _ => &mut conn.others,
        };
        if let Err(refusal) = pace.take() {
            return Answer::Now(Err(refusal));
        }
        match self.carry_out(conn, command).await {
            Ok(answer) => answer,
            Err(refusal) => Answer::Now(Err(refusal)),
        }
    }

    async fn carry_out(&self, conn: &mut Connection, command: Command) -> Result<Answer, Error> {
        let reply = match command {
            Command::Send { conversation, content, client_id } => {
                let id = self.resolve(conn, &conversation).await?;
                let sending = messages::start_send(self, &conn.who, id, content, client_id).await?;
                return Ok(Answer::Later(sending.boxed()));
            }
            Command::Typing { conversation, is_typing } => {
                let id = self.resolve(conn, &conversation).await?;
                typing::set(self, &conn.who, id, is_typing).await?
            }
            Command::Read { conversation, seq } => {
                let id = self.resolve(conn, &conversation).await?;
                receipts::read(self, &conn.who, id, seq).await?
            }
            Command::History { conversation, range } => {
                let id = self.resolve(conn, &conversation).await?;
                Reply::History(self.history_on(conn, id, range).await?)
            }
            Command::Close(conversation) => {
                let id = self.resolve(conn, &conversation).await?;
                self.close(&conn.who, id).await?;
                Reply::Done
            }
            Command::Join(conversation) => self.join(conn, conversation).await?,
            Command::Leave(conversation) => self.part(conn, conversation).await?,
            Command::Subscribe { events, after } => {
                self.subscribe(conn, &events, after.as_deref()).await?
            }
            Command::Unsubscribe { events } => self.unsubscribe(conn, &events).await?,
            Command::ReadNotifications(ids) => self.read_notifications(&conn.who, ids).await?,
            Command::Ping => Reply::Pong,
            Command::Authenticate(credential) => self.renew(&mut conn.who, &credential).await?,
        };
        Ok(Answer::Now(Ok(reply)))
    }

    /// The conversation, if `who` may see it.
    async fn conversation_for(
        &self,
        who: &Identity,
        id: ConversationId,
    ) -> Result<Arc<Conversation>, Error> {
        let found = self.log.conversation(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        let found = found.ok_or(Error::NotFound("conversation"))?;
        if found.is_open_to(who) { Ok(found) } else { Err(not_open_to(who)) }
    }

    /// The conversation, if `who` may write in it.
    async fn conversation_to_write(
        &self,
        who: &Identity,
        id: ConversationId,
    ) -> Result<Arc<Conversation>, Error> {
        let found = self.log.conversation(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        let found = found.ok_or(Error::NotFound("conversation"))?;
        if found.takes_messages_of(who) { Ok(found) } else { Err(not_open_to(who)) }
    }

    /// Whether `who` may stay in a conversation that changed hands.
    pub async fn may_stay(&self, who: &Identity, id: ConversationId) -> bool {
        !matches!(self.conversation_for(who, id).await, Err(Error::Forbidden(_)))
    }

    /// What a failure of the log looks like from outside.
    fn fault(&self, err: log::Error) -> Error {
        match err {
            log::Error::Conflict(message, holder) => Error::Conflict { message, holder },
            log::Error::KeyReused(key) => {
                // The letter before it keeps the keys of requests and of events apart.
                let key = key.split_once(':').map_or(key.as_str(), |(_, key)| key);
                let message = format!("Idempotency-Key {key:?} came with something else before");
                Error::Conflict { message, holder: None }
            }
            log::Error::UnknownConversation => Error::NotFound("conversation"),
            log::Error::Closed | log::Error::Superseded => {
                Error::Conflict { message: err.to_string(), holder: None }
            }
            log::Error::Failed(reason) => {
                self.metrics.faults_total.inc();
                tracing::error!(error = %reason, "the log failed");
                Error::Unavailable("the server cannot store anything at the moment".into())
            }
        }
    }

    /// The lock of whatever is to happen in one order: a conversation, or a user, of a tenant.
    fn order_of(&self, tenant: &TenantId, of: impl std::hash::Hash) -> &OrderLock<()> {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((tenant, of));
        &self.0.order[hash as usize % self.0.order.len()]
    }
}

fn not_open_to(who: &Identity) -> Error {
    Error::Forbidden(match who.role {
        Role::Customer => "this conversation is not yours".into(),
        Role::Service => "the key's scopes do not reach this conversation".into(),
        _ => "this conversation is neither assigned to you nor waiting for you".into(),
    })
}
