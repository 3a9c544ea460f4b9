//! The routes and loops of the echo server, without a port: what an embedding server has to write
//! itself. The crate's own tests use it too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use engineio_socketio::engine::{self, Refusal, Request, classify};
use engineio_socketio::socket::{self, Arrival, Builder, Connection, Fault};
use engineio_socketio::{Frame, Incoming, Link, Sessions, Sid};
use http::Method;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use super::websocket::Socket;

/// How long a write may take before the client counts as gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// The namespaces that clients may enter.
const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// One of the two services, with its sessions.
#[derive(Clone)]
pub(crate) struct Service {
    sessions: Sessions<Socket>,
    protocol: Protocol,
}

#[derive(Clone)]
enum Protocol {
    /// Echoes messages.
    Engine,
    /// Answers events.
    Socket(Arc<socket::Config>),
}

/// Echoes the messages of Engine.IO sessions.
pub(crate) fn engine_service(config: engine::Config) -> Service {
    Service { sessions: Sessions::new(config), protocol: Protocol::Engine }
}

/// Answers the events of Socket.IO clients.
pub(crate) fn socket_service(config: engine::Config, socket: socket::Config) -> Service {
    Service { sessions: Sessions::new(config), protocol: Protocol::Socket(Arc::new(socket)) }
}

/// The route of a service.
pub(crate) fn route(path: &str, service: Service) -> Router {
    Router::new().route(path, any(answer)).with_state(service)
}

async fn answer(
    State(service): State<Service>,
    method: Method,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    body: Body,
) -> Response {
    let answered = service.answer(method, &query.unwrap_or_default(), upgrade.ok(), body).await;
    answered.unwrap_or_else(|refusal| refusal.to_response().map(Body::from))
}

impl Service {
    async fn answer(
        self,
        method: Method,
        query: &str,
        upgrade: Option<WebSocketUpgrade>,
        body: Body,
    ) -> Result<Response, Refusal> {
        let bytes_max = self.sessions.config().max_payload;
        let upgrade = upgrade.map(|upgrade| upgrade.max_message_size(bytes_max));
        match (classify(&method, query, upgrade.is_some(), "")?, upgrade) {
            (Request::OpenPolling, _) => {
                let (link, response) = self.sessions.open_polling()?;
                tokio::spawn(self.protocol.serve(link));
                Ok(response.map(Body::from))
            }
            (Request::OpenWebSocket, Some(upgrade)) => Ok(upgrade.on_upgrade(async move |ws| {
                if let Ok(link) = self.sessions.open_websocket(Socket::new(ws)) {
                    self.protocol.serve(link).await;
                }
            })),
            (Request::Poll(sid), _) => Ok(self.sessions.poll(sid).await.map(Body::from)),
            (Request::Post(sid), _) => {
                let body = to_bytes(body, bytes_max).await;
                let body = body.map_err(|_| Refusal::PayloadTooLarge)?;
                Ok(self.sessions.post(sid, body).await.map(Body::from))
            }
            (Request::Upgrade(sid), Some(upgrade)) => {
                self.sessions.check_upgrade(sid)?;
                Ok(upgrade.on_upgrade(async move |ws| {
                    self.sessions.upgrade(sid, Socket::new(ws)).await;
                }))
            }
            (Request::OpenWebSocket | Request::Upgrade(_), None) => Err(Refusal::BadRequest),
        }
    }
}

impl Protocol {
    /// Serves a session to its end.
    async fn serve(self, mut link: Link<Socket>) {
        match self {
            Protocol::Engine => echo_messages(&mut link).await,
            Protocol::Socket(config) => answer_events(&mut link, config).await,
        }
        link.close(NORMAL_CLOSURE, "").await;
    }
}

async fn write(link: &mut Link<Socket>) -> bool {
    matches!(timeout(WRITE_DEADLINE, link.flush()).await, Ok(Ok(())))
}

async fn echo_messages(link: &mut Link<Socket>) {
    loop {
        match link.recv().await {
            Incoming::Text(text) => {
                link.enqueue(Frame::Text(Bytes::from([b"4", text.as_bytes()].concat())));
            }
            Incoming::Binary(bytes) => link.enqueue(Frame::Binary(bytes)),
            Incoming::Alive | Incoming::Alarm => {}
            Incoming::End(_) => return,
        }
        if !write(link).await {
            return;
        }
    }
}

async fn answer_events(link: &mut Link<Socket>, config: Arc<socket::Config>) {
    let mut connection = Connection::new(config, Instant::now());
    loop {
        link.set_alarm(connection.deadline());
        let incoming = link.recv().await;
        if let Incoming::End(_) = incoming {
            return;
        }
        let Ok(frames) = take_in(&mut connection, incoming) else { return };
        frames.into_iter().for_each(|frame| link.enqueue(frame));
        if !write(link).await {
            return;
        }
    }
}

/// What is to be sent for what came in.
fn take_in(connection: &mut Connection, incoming: Incoming) -> Result<Vec<Frame>, Fault> {
    match incoming {
        Incoming::Text(text) => {
            let arrival = connection.text(&text, Instant::now())?;
            Ok(arrival.map_or_else(Vec::new, |arrival| reply(connection, arrival)))
        }
        Incoming::Binary(bytes) => match connection.binary(&bytes)? {
            Some(assembled) => {
                let arrival = assembled.arrival(connection.config())?;
                Ok(reply(connection, arrival))
            }
            None => Ok(Vec::new()),
        },
        Incoming::Alarm => {
            while connection.expire(Instant::now())?.is_some() {}
            Ok(Vec::new())
        }
        Incoming::Alive | Incoming::End(_) => Ok(Vec::new()),
    }
}

fn reply(connection: &mut Connection, arrival: Arrival<'_>) -> Vec<Frame> {
    match arrival {
        Arrival::Connect { namespace, auth } => greet(connection, namespace, auth),
        Arrival::Event { namespace: "/", name, args, attachments, .. } if name == "message" => {
            let echo = args.into_iter().fold(Builder::event("/", "message-back"), Builder::raw);
            echo.build_with(attachments.to_vec())
        }
        Arrival::Event { namespace: "/", name, args, ack: Some(id), attachments }
            if name == "message-with-ack" =>
        {
            let ack = args.into_iter().fold(Builder::ack("/", id), Builder::raw);
            ack.build_with(attachments.to_vec())
        }
        Arrival::Event { .. } | Arrival::Ack { .. } | Arrival::Disconnect { .. } => Vec::new(),
    }
}

/// Lets a client in and shows it what it said of itself.
fn greet(connection: &mut Connection, namespace: &str, auth: Option<&RawValue>) -> Vec<Frame> {
    let sid = match Sid::random() {
        Ok(sid) if NAMESPACES.contains(&namespace) => sid,
        Ok(_) => return vec![connection.refuse(namespace, "Invalid namespace", None)],
        Err(_) => return vec![connection.refuse(namespace, "Try again later", None)],
    };
    let welcome = connection.accept(namespace, sid, None);
    let nothing = serde_json::from_str("{}").unwrap_or(RawValue::NULL);
    let shown = Builder::event(namespace, "auth").raw(auth.unwrap_or(nothing));
    vec![welcome, shown.build()]
}
