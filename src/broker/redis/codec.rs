//! Words as JSON: a message is the sender's id, 16 digits, and an array of words. Events look as the
//! log stores them, so a node of another version reads those it knows and leaves out the others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::broker::{AgentNews, Word};
use crate::model::{
    AgentStatus, Audience, ConnectionInfo, ConversationId, Cursor, Dialect, Envelope, Event,
    Member, Moment, NodeId, Origin, Role, TenantId, UserId,
};

/// How long the sender's id is.
const NODE_BYTES: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Committed { events: Vec<WrittenEvent>, staff: Vec<TenantId> },
    Volatile(WrittenEvent),
    Agent { tenant: TenantId, agent: UserId, news: WrittenNews },
    Kick(TenantId, String),
    PutOut(TenantId, UserId),
    WhoIsConnected { tenant: TenantId, question: Uuid },
    Connected { question: Uuid, connections: Vec<WrittenConnection> },
}

#[derive(Serialize, Deserialize)]
struct WrittenEvent {
    tenant: TenantId,
    /// The log's number and the position in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<(u32, u64)>,
    /// Milliseconds of Unix time.
    at: i64,
    name: String,
    payload: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    present: Option<Vec<Member>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<WrittenAudience>,
}

#[derive(Serialize, Deserialize)]
struct WrittenAudience {
    departments: Vec<Uuid>,
    agent: Option<UserId>,
    is_for_all: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenNews {
    Came,
    Went,
    /// Milliseconds of Unix time, and the status.
    Beat(i64, Option<AgentStatus>),
    Declared(AgentStatus),
}

#[derive(Serialize, Deserialize)]
struct WrittenConnection {
    connection_id: String,
    dialect: String,
    tenant: TenantId,
    user_id: UserId,
    role: Role,
    session_id: Option<ConversationId>,
    /// Milliseconds of Unix time.
    connected_at: i64,
    queued: usize,
}

/// A message begins so.
pub(super) fn begin(node: NodeId) -> Vec<u8> {
    format!("{node}[").into_bytes()
}

/// Whose message it is, and its words; `None` for what is no message.
pub(super) fn open(message: &[u8]) -> Option<(NodeId, &[u8])> {
    let (node, words) = message.split_at_checked(NODE_BYTES)?;
    Some((NodeId::parse(std::str::from_utf8(node).ok()?)?, words))
}

/// The words of a message, and how many of its parts could not be read.
pub(super) fn read(words: &[u8]) -> (Vec<Word>, usize) {
    let Ok(parts) = serde_json::from_slice::<Vec<&RawValue>>(words) else { return (vec![], 1) };
    let mut unreadable = 0;
    let mut read = Vec::with_capacity(parts.len());
    for part in parts {
        match serde_json::from_str(part.get()) {
            Ok(written) => read.extend(unwritten(written, &mut unreadable)),
            Err(_) => unreadable += 1,
        }
    }
    (read, unreadable)
}

/// A word as JSON.
pub(super) fn write(word: &Word) -> Option<String> {
    let written = match word {
        Word::Committed { events, staff } => {
            let events = events.iter().map(|event| written_event(event)).collect::<Option<_>>()?;
            Written::Committed { events, staff: staff.clone() }
        }
        Word::Volatile(event) => Written::Volatile(written_event(event)?),
        Word::Agent { tenant, agent, news } => {
            let (tenant, agent) = (tenant.clone(), agent.clone());
            Written::Agent { tenant, agent, news: written_news(*news) }
        }
        Word::Kick(tenant, id) => Written::Kick(tenant.clone(), id.clone()),
        Word::PutOut(tenant, user) => Written::PutOut(tenant.clone(), user.clone()),
        Word::WhoIsConnected { tenant, question } => {
            Written::WhoIsConnected { tenant: tenant.clone(), question: *question }
        }
        Word::Connected { question, connections } => {
            let connections = connections.iter().map(written_connection).collect();
            Written::Connected { question: *question, connections }
        }
    };
    serde_json::to_string(&written).ok()
}

fn unwritten(written: Written, unreadable: &mut usize) -> Option<Word> {
    let mut event = |written| {
        let read = event_of(written);
        *unreadable += usize::from(read.is_none());
        read.map(Arc::new)
    };
    Some(match written {
        Written::Committed { events, staff } => {
            Word::Committed { events: events.into_iter().filter_map(event).collect(), staff }
        }
        Written::Volatile(written) => Word::Volatile(event(written)?),
        Written::Agent { tenant, agent, news } => {
            Word::Agent { tenant, agent, news: news_of(news) }
        }
        Written::Kick(tenant, id) => Word::Kick(tenant, id),
        Written::PutOut(tenant, user) => Word::PutOut(tenant, user),
        Written::WhoIsConnected { tenant, question } => Word::WhoIsConnected { tenant, question },
        Written::Connected { question, connections } => {
            let count = connections.len();
            let connections: Vec<_> = connections.into_iter().filter_map(connection_of).collect();
            *unreadable += count - connections.len();
            Word::Connected { question, connections }
        }
    })
}

fn written_event(envelope: &Envelope) -> Option<WrittenEvent> {
    let audience = envelope.audience.as_deref().map(|audience| WrittenAudience {
        departments: audience.departments.clone(),
        agent: audience.agent.clone(),
        is_for_all: audience.is_for_all,
    });
    Some(WrittenEvent {
        tenant: envelope.tenant.clone(),
        cursor: envelope.cursor.map(|cursor| (cursor.log, cursor.position)),
        at: envelope.at.0,
        name: envelope.event.name().into(),
        payload: RawValue::from_string(envelope.event.payload().ok()?).ok()?,
        present: envelope.present.as_deref().map(<[Member]>::to_vec),
        origin: envelope.origin.as_deref().cloned(),
        audience,
    })
}

fn event_of(written: WrittenEvent) -> Option<Envelope> {
    let audience = written.audience.map(|audience| Audience {
        departments: audience.departments,
        agent: audience.agent,
        is_for_all: audience.is_for_all,
    });
    Some(Envelope {
        tenant: written.tenant,
        cursor: written.cursor.map(|(log, position)| Cursor { log, position }),
        at: Moment(written.at),
        event: Event::from_parts(&written.name, written.payload.get()).ok()?,
        present: written.present.map(Arc::from),
        origin: written.origin.map(Arc::new),
        audience: audience.map(Arc::new),
    })
}

fn written_news(news: AgentNews) -> WrittenNews {
    match news {
        AgentNews::Came => WrittenNews::Came,
        AgentNews::Went => WrittenNews::Went,
        AgentNews::Beat(until, status) => WrittenNews::Beat(until.0, status),
        AgentNews::Declared(status) => WrittenNews::Declared(status),
    }
}

fn news_of(written: WrittenNews) -> AgentNews {
    match written {
        WrittenNews::Came => AgentNews::Came,
        WrittenNews::Went => AgentNews::Went,
        WrittenNews::Beat(until, status) => AgentNews::Beat(Moment(until), status),
        WrittenNews::Declared(status) => AgentNews::Declared(status),
    }
}

fn written_connection(info: &ConnectionInfo) -> WrittenConnection {
    WrittenConnection {
        connection_id: info.connection_id.clone(),
        dialect: info.dialect.into(),
        tenant: info.tenant.clone(),
        user_id: info.user_id.clone(),
        role: info.role,
        session_id: info.session_id,
        connected_at: info.connected_at.0,
        queued: info.queued,
    }
}

fn connection_of(written: WrittenConnection) -> Option<ConnectionInfo> {
    let known = Dialect::ALL.into_iter().map(Dialect::as_str);
    Some(ConnectionInfo {
        connection_id: written.connection_id,
        dialect: known.into_iter().find(|dialect| *dialect == written.dialect)?,
        tenant: written.tenant,
        user_id: written.user_id,
        role: written.role,
        session_id: written.session_id,
        connected_at: Moment(written.connected_at),
        queued: written.queued,
    })
}
