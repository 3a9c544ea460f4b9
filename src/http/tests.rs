//! A whole REST server in memory, and what is asked of it. Knows no endpoint; the files beside
//! it do.

mod agent_status;
mod auth;
mod bot;
mod described;
mod edge;
mod messages;
mod refusals;
mod reports;
mod sessions;
mod staff;
mod users;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Parts, Readiness, Sockets};
use crate::app::{App, FaqOf, Inner};
use crate::auth::{Claims, Passwords, Secret, Settings, Tokens};
use crate::bot::{Bot, Faq, Patience};
use crate::broker;
use crate::config::{self, BotProvider, Config, StoreUrl};
use crate::door::Origins;
use crate::hub::Hub;
use crate::limits::PASSWORD_WAIT;
use crate::log::{self, Agent, Change, Location, Record};
use crate::model::{ConnectionInfo, Error, Moment, NodeId, Role, TenantId, UserId};
use crate::presence;
use crate::sink::webhooks::{Client, Networks, Settings as HookSettings, SystemLookup};
use crate::telemetry::Metrics;

/// No open sockets: they are another layer's.
struct NoSockets;

#[async_trait::async_trait]
impl Sockets for NoSockets {
    async fn of_tenant(&self, _: &TenantId) -> Result<Vec<ConnectionInfo>, Error> {
        Ok(vec![])
    }

    async fn kick(&self, _: &TenantId, _: &str) -> bool {
        false
    }

    fn put_out(&self, _: &TenantId, _: &UserId) {}
}

/// A department that tokens may name.
pub(super) const DEPARTMENT: &str = "660e8400-e29b-41d4-a716-446655440000";
/// A conversation that nobody ever began.
pub(super) const UNKNOWN: &str = "550e8400-e29b-41d4-a716-4466554400ff";
/// The address of this server as browsers name it.
pub(super) const HOST: &str = "chat.example.com";
/// A page of this server.
pub(super) const SAME_ORIGIN: &str = "https://chat.example.com";
/// A page that the configuration allows.
pub(super) const ALLOWED_ORIGIN: &str = "https://shop.example";
/// Any other page.
pub(super) const FOREIGN_ORIGIN: &str = "https://evil.example";

/// A server without sockets.
pub(super) struct Server {
    pub(super) parts: Parts,
    router: Router,
}

impl Server {
    pub(super) async fn start() -> Server {
        Server::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config::default();
        config.store.url = "memory:".into();
        config.auth.cors_origin = vec![ALLOWED_ORIGIN.into()];
        change(&mut config);
        let observer: log::Observer = Arc::new(|_, _| {});
        let location = match config.store_url() {
            StoreUrl::Memory => Location::Memory,
            StoreUrl::Sqlite(path) => Location::Sqlite(path),
            StoreUrl::Postgres(_) => unreachable!("no test asks for it"),
        };
        let (log, tail) = log::open(&location, observer, None).await.unwrap();
        let tenant = TenantId::default_tenant();
        let record = Record::Tenant(tenant.to_string());
        log.commit(&tenant, Change::record(record)).await.unwrap();
        let origins = Origins::new(&config.auth, config.tls_files().is_some());
        let bot = match config.bot.provider {
            BotProvider::Faq => Some(faq_bot(&config, log.clone())),
            _ => None,
        };
        let app = App::new(Inner {
            node: NodeId::random(),
            config: Arc::new(config),
            log,
            presence: presence::memory(),
            broker: broker::local(),
            hub: Hub::default(),
            tokens: Tokens::new(settings()).unwrap(),
            passwords: Passwords::new(PASSWORD_WAIT),
            metrics: Metrics::new(),
            bot,
            webhooks: webhook_client(),
        });
        app.note_duties(app.ask_for_duties(Duration::from_secs(5)).await.unwrap());
        let feeding = app.clone();
        tokio::spawn(async move { feeding.feed_hub(tail).await });
        let (routing, unread) = (app.clone(), app.restore_routing().await.unwrap());
        tokio::spawn(async move { routing.serve_routing(unread).await });
        let answering = app.clone();
        tokio::spawn(async move { answering.serve_bot().await });
        let parts =
            Parts { app, origins, readiness: Readiness::default(), sockets: Arc::new(NoSockets) };
        let router = super::outer(super::router(parts.clone()), &parts);
        Server { parts, router }
    }

    /// A token of the tenant `default`; agents work in [`DEPARTMENT`].
    pub(super) fn token(&self, role: Role, sub: &str) -> String {
        self.token_of(json!({"sub": sub, "role": role, "departments": [DEPARTMENT]}))
    }

    /// A token with these claims, an hour from now.
    pub(super) fn token_of(&self, mut claims: Value) -> String {
        if claims["exp"].is_null() {
            claims["exp"] = json!(Moment::now().unix_seconds() + 3_600);
        }
        let claims: Claims = serde_json::from_value(claims).unwrap();
        self.parts.app.tokens.sign(&claims).unwrap()
    }

    /// A customer's new conversation: its id and its token.
    pub(super) async fn begin(&self, body: Value) -> (String, String) {
        let begun = self.ask(post("/api/sessions").json(&body)).await;
        assert_eq!(begun.status, 201, "{}", begun.text);
        let text = |key: &str| begun.body["data"][key].as_str().unwrap().to_owned();
        (text("session_id"), text("token"))
    }

    /// An API key with these scopes.
    pub(super) async fn key(&self, scopes: Value) -> String {
        let admin = self.token(Role::Admin, "boss");
        let new = json!({"name": "k", "scopes": scopes});
        let made = self.ask(post("/api/keys").bearer(&admin).json(&new)).await;
        made.body["data"]["key"].as_str().unwrap().to_owned()
    }

    /// Keeps a local user of the tenant `default`.
    pub(super) async fn hire(&self, agent: Agent) {
        let change = Change::record(Record::Agent(agent));
        self.parts.app.log.commit(&TenantId::default_tenant(), change).await.unwrap();
    }

    pub(super) async fn ask(&self, ask: Ask) -> Reply {
        Reply::of(self.router.clone().oneshot(ask.0).await.unwrap()).await
    }
}

fn webhook_client() -> Client {
    let timeout = std::time::Duration::from_secs(5);
    let settings = HookSettings { networks: Networks::Public, timeout, requests_max: 8 };
    Client::new(settings, Arc::new(SystemLookup)).unwrap()
}

fn faq_bot(config: &Config, log: Arc<dyn log::Log>) -> Bot {
    let config::Bot { confidence, timeout, attempts, .. } = config.bot;
    let faq = Faq::new(Box::new(FaqOf(log)), confidence);
    let (failures_max, rest) = (config.bot.breaker_failures, config.bot.breaker_rest);
    Bot::new(Box::new(faq), Patience { timeout, attempts, failures_max, rest })
}

fn settings() -> Settings {
    Settings {
        secret: Secret::from("a shared secret of more than 32 bytes"),
        public_key_pem: None,
        jwks_url: None,
        jwks_refresh: std::time::Duration::from_secs(300),
        jwks_timeout: std::time::Duration::from_secs(5),
    }
}

/// An agent that anybody may assign, and that cannot log in.
pub(super) fn an_agent(id: &str) -> Agent {
    Agent {
        id: UserId::parse(id).unwrap(),
        role: Role::Agent,
        name: id.to_owned(),
        email: None,
        password: None,
        departments: vec![],
        max_chats: 5,
        skills: vec![],
        languages: vec![],
        is_disabled: false,
        extension: None,
        created_at: Moment::now(),
    }
}

/// A request.
pub(super) struct Ask(Request<Body>);

pub(super) fn get(path: &str) -> Ask {
    ask("GET", path)
}

pub(super) fn post(path: &str) -> Ask {
    ask("POST", path)
}

pub(super) fn ask(method: &str, path: &str) -> Ask {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    Ask(request.body(Body::empty()).unwrap())
}

impl Ask {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Ask {
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(super) fn bearer(self, token: &str) -> Ask {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn json(self, body: &Value) -> Ask {
        self.header("content-type", "application/json").text(&body.to_string())
    }

    pub(super) fn text(mut self, body: &str) -> Ask {
        *self.0.body_mut() = Body::from(body.to_owned());
        self
    }

    pub(super) fn from(mut self, address: &str) -> Ask {
        let address: SocketAddr = format!("{address}:1234").parse().unwrap();
        self.0.extensions_mut().insert(ConnectInfo(address));
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body as JSON, null if it is none.
    pub(super) body: Value,
    pub(super) text: String,
}

impl Reply {
    pub(super) async fn of(response: Response) -> Reply {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Reply { status: head.status, headers: head.headers, body, text }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Checks that this is a refusal in the contract's shape.
    #[track_caller]
    pub(super) fn is_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{self:?}");
        assert_eq!(self.body["success"], false);
        for key in ["message", "error"] {
            assert!(self.body[key].as_str().is_some_and(|t| !t.is_empty()), "{self:?}");
        }
        assert_eq!(self.header("content-type"), "application/json");
    }

    /// The cookie this answer sets under a name: its value, and its attributes.
    pub(super) fn cookie(&self, name: &str) -> Option<(String, String)> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        let mut cookies = lines.filter_map(|line| line.to_str().unwrap().split_once('='));
        let (_, cookie) = cookies.find(|(key, _)| *key == name)?;
        let (value, attributes) = cookie.split_once("; ").unwrap();
        Some((value.to_owned(), attributes.to_owned()))
    }
}
