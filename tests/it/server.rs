//! A server in this process, on a free port, with options as the environment gives them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchboard::auth::Claims;
use switchboard::config::{Config, Sources};
use switchboard::model::{Moment, Role};
use switchboard::presence::Presence;
use switchboard::server::{self, Running};
use tempfile::TempDir;

use crate::client::{self, Answer, Client};

/// The secret of every test server's tokens.
pub const SECRET: &str = "a secret of tests, and long enough for HS256";

/// A server that serves, and its data.
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The server itself.
    pub running: Running,
    _data: Arc<TempDir>,
}

impl Server {
    /// A server that forgets everything when it ends.
    pub async fn start(options: &[(&str, &str)]) -> Server {
        let data = Arc::new(TempDir::new().unwrap());
        let options = [&[("store.url", "memory:")], options].concat();
        Server::try_start(data, &options).await.unwrap()
    }

    /// A server with SQLite in `data`.
    pub async fn on_disk(data: Arc<TempDir>, options: &[(&str, &str)]) -> Server {
        Server::try_start(data, options).await.unwrap()
    }

    /// A server in `data`, or why there is none.
    pub async fn try_start(data: Arc<TempDir>, options: &[(&str, &str)]) -> anyhow::Result<Server> {
        let running = server::start(config(data.path(), options)).await?;
        Ok(Server::of(running, data))
    }

    /// A server that forgets everything when it ends, and shares this presence with others.
    pub async fn beside(presence: Arc<dyn Presence>, options: &[(&str, &str)]) -> Server {
        let data = Arc::new(TempDir::new().unwrap());
        let options = [&[("store.url", "memory:")], options].concat();
        let running =
            server::start_with(config(data.path(), &options), Some(presence)).await.unwrap();
        Server::of(running, data)
    }

    fn of(running: Running, data: Arc<TempDir>) -> Server {
        let (_, addr) = running.urls[0].split_once("://").unwrap();
        Server { addr: addr.parse().unwrap(), running, _data: data }
    }

    /// Opens a socket that must be let in.
    pub async fn open(&self, path: &str) -> Client {
        match self.try_open(path).await {
            Ok(client) => client,
            Err(refusal) => panic!("{path}: refused: {refusal:?}"),
        }
    }

    /// Asks by HTTP; the query may hold a token.
    pub async fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        client::request(self.addr, method, path, &[], body).await
    }

    /// Opens a socket, or says how it was refused.
    pub async fn try_open(&self, path: &str) -> Result<Client, Answer> {
        Client::open(self.addr, path, &[]).await
    }
}

/// Signs claims as every test server would.
pub fn sign(claims: &Claims) -> String {
    let tokens = server::tokens(&Config::default(), SECRET.into()).unwrap();
    tokens.sign(claims).unwrap()
}

/// A token of the default tenant that holds for an hour.
pub fn token(role: Role, sub: &str) -> String {
    sign(&claims(role, sub))
}

/// Claims of the default tenant that hold for an hour.
pub fn claims(role: Role, sub: &str) -> Claims {
    Claims {
        sub: sub.to_owned(),
        tenant: "default".to_owned(),
        role,
        name: None,
        email: None,
        departments: vec![],
        conversations: vec![],
        exp: Moment::now().unix_seconds() + 3_600,
        iat: None,
    }
}

/// A configuration for a server in `data`; the options are `section.key` and a value.
pub fn config(data: &Path, options: &[(&str, &str)]) -> Config {
    let given = [
        ("auth.jwt_secret", SECRET),
        ("limits.connections_per_address", "0"),
        ("limits.rest_per_minute", "0"),
    ];
    let env = given.iter().chain(options).map(|(key, value)| {
        let name = format!("SWITCHBOARD__{}", key.replace('.', "__").to_ascii_uppercase());
        (name, (*value).to_owned())
    });
    // The later of two values counts, as in a real environment.
    let env: std::collections::BTreeMap<String, String> = env.collect();
    let sources = Sources {
        file: None,
        env: env.into_iter(),
        listen: vec!["127.0.0.1:0".to_owned()],
        data_dir: Some(PathBuf::from(data)),
        demo: false,
    };
    Config::load(sources).unwrap()
}
