//! The hub dialect's handshakes (document 004): consoles at `/ws`, visitors at `/ws/public`.

mod codec;
mod frames;
mod requests;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;

use super::Door;
use super::connection::Beginning;
use super::handshake::Knock;
use crate::app::{NewConversation, SessionPath, Subscription};
use crate::door;
use crate::model::{ConversationId, Error, EventSet, Identity, Role, TenantId, UnknownEvent};
use codec::{Console, Greeting, Visitor};

/// The dialect's two routes.
pub fn router(door: Door) -> Router {
    Router::new().route("/ws", get(console)).route("/ws/public", get(visitor)).with_state(door)
}

async fn console(State(door): State<Door>, request: Request) -> Response {
    let app = door.app.clone();
    let admitted = admit_console(door, request).await;
    admitted.unwrap_or_else(|refusal| {
        app.metrics.refused(&refusal);
        door::refuse(&refusal)
    })
}

async fn visitor(State(door): State<Door>, request: Request) -> Response {
    let app = door.app.clone();
    let admitted = admit_visitor(door, request).await;
    admitted.unwrap_or_else(|refusal| {
        app.metrics.refused(&refusal);
        door::refuse(&refusal)
    })
}

async fn admit_console(door: Door, request: Request) -> Result<Response, Error> {
    let knock = Knock::of(&door, request).await?;
    let app = door.app.clone();
    let credential = knock.credential(&[door::LOGIN_COOKIE])?;
    let credential = credential.ok_or_else(|| Error::Unauthorized("no token".into()))?;
    let who = app.identify(&credential).await?;
    let seat = app.open_console(&who, knock.objection()).await?;
    let place = knock.place(&door)?;
    let mut conn = app.connect(who, seat);
    conn.is_console = true;
    let (subscription, unknown) = wanted(&knock);
    conn.subscription = Some(Box::new(subscription));
    knock.open(door, place, conn, Console::new(Greeting { unknown, ..Greeting::default() }))
}

/// What the query subscribes to, and names in it that no event has.
fn wanted(knock: &Knock) -> (Subscription, Vec<UnknownEvent>) {
    let Some(events) = knock.parameter("events") else {
        return (Subscription::everyday(), vec![]);
    };
    let names = events.split(',').map(str::trim).filter(|name| !name.is_empty());
    let (set, unknown) = EventSet::parse_all(names);
    (Subscription::to(set), unknown)
}

async fn admit_visitor(door: Door, request: Request) -> Result<Response, Error> {
    let knock = Knock::of(&door, request).await?;
    let app = door.app.clone();
    let tenant = knock.parameter("tenant").map(|text| TenantId::parse(&text)).transpose();
    let tenant = tenant.map_err(|err| Error::InvalidId(format!("tenant: {err}")))?;
    let asked = knock.parameter("session_id");
    let asked = asked.map(|text| ConversationId::parse(&text).ok_or(Error::InvalidSessionId));
    let asked = asked.transpose()?;
    let credential = knock.credential(&[door::SESSION_COOKIE])?;
    let mut greeting = Greeting::default();
    let who = match credential {
        Some(credential) => known_visitor(&door, &credential).await?,
        None => {
            // Nothing is begun for a request that comes to nothing.
            if let Some(objection) = knock.objection() {
                return Err(objection);
            }
            app.count_request(None, &knock.address()).await?;
            begin(&door, &knock, tenant.as_ref(), &mut greeting).await?
        }
    };
    if tenant.is_some_and(|tenant| tenant != who.tenant) {
        return Err(Error::Forbidden("the token is another tenant's".into()));
    }
    let session = asked.or_else(|| who.conversations.first().copied());
    let session = session.ok_or(Error::NotFound("conversation"))?;
    let path = SessionPath { session, user: who.subject.clone(), role: Role::Customer };
    let (who, seat, room) = app.admit(Some(who), &path, knock.objection()).await?;
    let place = knock.place(&door)?;
    let mut conn = app.connect(who, seat);
    conn.rooms = vec![room];
    conn.hears_role = true;
    let (subscription, unknown) = wanted(&knock);
    conn.subscription = Some(Box::new(subscription));
    greeting.unknown = unknown;
    greeting.session_id = Some(session);
    // Of a conversation that begins with it, it hears all: where it stands in the queue, too.
    let beginning = match greeting.session_key {
        Some(_) => Beginning::After("0".into()),
        None => knock.beginning(),
    };
    knock.open_at(door, place, conn, Visitor::new(greeting), beginning)
}

/// The customer that a token or a session key speaks for.
async fn known_visitor(door: &Door, credential: &str) -> Result<Identity, Error> {
    if let Some(customer) = door.app.customer_by_key(credential).await? {
        return Ok(customer);
    }
    let who = door.app.identify(credential).await?;
    match who.role {
        Role::Customer => Ok(who),
        role => Err(Error::Forbidden(format!("role {role} connects to /ws"))),
    }
}

/// Begins a conversation for a visitor nobody knows.
async fn begin(
    door: &Door,
    knock: &Knock,
    tenant: Option<&TenantId>,
    greeting: &mut Greeting,
) -> Result<Identity, Error> {
    let tenant = tenant.cloned().unwrap_or_else(TenantId::default_tenant);
    let department = knock.parameter("department_id").map(|text| uuid::Uuid::try_parse(&text));
    let department = department.transpose();
    let new = NewConversation {
        name: knock.parameter("name"),
        email: knock.parameter("email"),
        department: department.map_err(|_| Error::InvalidUuid(crate::model::IdOf::Department))?,
        ..NewConversation::default()
    };
    let started = door.app.start_conversation(&tenant, new).await?;
    greeting.token = Some(started.token);
    let who = door.app.customer_by_key(&started.session_key).await?;
    greeting.session_key = Some(started.session_key);
    who.ok_or(Error::NotFound("conversation"))
}

/// Reads any text as a client's frame, and writes the answer to what is refused; for `fuzz/`.
#[doc(hidden)]
pub fn fuzz_hub_decode(text: &str) {
    use super::socket::Frame;
    use super::{Codec, Decoded};
    let mut codec = Console::new(Greeting::default());
    if let Decoded::Request(tag, Err(refusal)) = codec.decode(Frame::Text(text.into())) {
        let mut answer = Vec::new();
        codec.reply(tag, Err(refusal), &mut answer);
        assert!(answer.iter().any(|json| json.starts_with(b"{")), "a refusal is answered");
    }
}
