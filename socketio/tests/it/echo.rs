//! The example's server over real sockets: what the protocols' conformance suites check, as far
//! as it depends on HTTP and on a real WebSocket.

#[path = "../../examples/echo/server.rs"]
mod server;
#[path = "../../examples/echo/websocket.rs"]
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use engineio_socketio::{engine, socket};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tungstenite::Message;

/// Nothing here should take longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A heartbeat that a test can wait for.
const QUICK: Duration = Duration::from_millis(100);

struct Server(SocketAddr);

type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Server {
    async fn start(engine: engine::Config, socket: socket::Config) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let engine_route = server::route("/engine.io/", server::engine_service(engine.clone()));
        let socket_route = server::route("/socket.io/", server::socket_service(engine, socket));
        tokio::spawn(axum::serve(listener, engine_route.merge(socket_route)).into_future());
        Server(address)
    }

    async fn with_defaults() -> Server {
        Server::start(engine::Config::default(), socket::Config::default()).await
    }

    /// One request on a connection of its own: status and body.
    async fn request(&self, method: &str, query: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        let head = format!(
            "{method} /engine.io/?{query} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn open_polling(&self) -> String {
        let (status, body) = self.request("GET", "EIO=4&transport=polling", "").await;
        assert_eq!(status, 200);
        let open: serde_json::Value = serde_json::from_str(&body[1..]).unwrap();
        format!("EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap())
    }

    async fn websocket(&self, path: &str, query: &str) -> Result<Ws, tungstenite::Error> {
        let url = format!("ws://{}/{path}/?{query}", self.0);
        connect_async(url).await.map(|(ws, _)| ws)
    }

    /// A Socket.IO client in the main namespace.
    async fn socket_client(&self) -> Ws {
        let mut ws = self.websocket("socket.io", "EIO=4&transport=websocket").await.unwrap();
        assert!(hear(&mut ws).await.starts_with("0{"));
        say(&mut ws, "40").await;
        assert!(hear(&mut ws).await.starts_with(r#"40{"sid":""#));
        assert_eq!(hear(&mut ws).await, r#"42["auth",{}]"#);
        ws
    }
}

async fn say(ws: &mut Ws, text: &str) {
    ws.send(Message::text(text)).await.unwrap();
}

async fn next(ws: &mut Ws) -> Option<Message> {
    timeout(PATIENCE, ws.next()).await.expect("nothing came").and_then(Result::ok)
}

async fn hear(ws: &mut Ws) -> String {
    match next(ws).await {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn is_closed(ws: &mut Ws) -> bool {
    loop {
        match next(ws).await {
            None | Some(Message::Close(_)) => return true,
            // The heartbeat goes on until then.
            Some(Message::Text(text)) if text.as_str() == "2" => {}
            Some(_) => return false,
        }
    }
}

#[tokio::test]
async fn handshakes_that_make_no_sense_are_refused() {
    let server = Server::with_defaults().await;
    for (method, query) in [
        ("GET", "transport=polling"),
        ("GET", "EIO=abc&transport=polling"),
        ("GET", "EIO=4"),
        ("GET", "EIO=4&transport=abc"),
        ("GET", "EIO=4&transport=websocket"),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA"),
        ("POST", "EIO=4&transport=polling"),
        ("PUT", "EIO=4&transport=polling"),
    ] {
        let (status, body) = server.request(method, query, "").await;
        assert_eq!(status, 400, "{method} {query}: {body}");
    }
    for query in [
        "EIO=3&transport=websocket",
        "EIO=4&transport=abc",
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA",
    ] {
        assert!(server.websocket("engine.io", query).await.is_err(), "{query}");
    }
}

#[tokio::test]
async fn messages_are_echoed_over_polling() {
    let server = Server::with_defaults().await;
    let session = server.open_polling().await;
    let posted = server.request("POST", &session, "4tést\u{1e}bAQIDBA==\u{1e}4two").await;
    assert_eq!(posted, (200, "ok".into()));
    let polled = server.request("GET", &session, "").await;
    assert_eq!(polled, (200, "4tést\u{1e}bAQIDBA==\u{1e}4two".into()));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read_whole() {
    let config = engine::Config { max_payload: 1_000, ..engine::Config::default() };
    let server = Server::start(config, socket::Config::default()).await;
    let session = server.open_polling().await;
    let body = format!("4{}", "x".repeat(1_000));
    assert_eq!(server.request("POST", &session, &body).await.0, 413);
    assert_eq!(server.request("POST", &session, "4small").await.0, 200);
}

#[tokio::test]
async fn a_connection_that_drops_its_poll_ends_the_session() {
    let server = Server::with_defaults().await;
    let session = server.open_polling().await;
    let mut stream = TcpStream::connect(server.0).await.unwrap();
    let head = format!("GET /engine.io/?{session} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    let (status, _) = server.request("GET", &session, "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_polling_session_becomes_a_websocket() {
    let server = Server::with_defaults().await;
    let session = server.open_polling().await;
    let upgrade = session.replace("polling", "websocket");
    let mut ws = server.websocket("engine.io", &upgrade).await.unwrap();
    say(&mut ws, "2probe").await;
    assert_eq!(hear(&mut ws).await, "3probe");
    assert_eq!(server.request("GET", &session, "").await, (200, "6".into()));
    say(&mut ws, "5").await;
    say(&mut ws, "4hello").await;
    assert_eq!(hear(&mut ws).await, "4hello");
    assert_eq!(server.request("GET", &session, "").await.0, 400);
    let mut second = server.websocket("engine.io", &upgrade).await.unwrap();
    assert!(is_closed(&mut second).await);
    ws.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(next(&mut ws).await, Some(Message::binary(vec![1, 2, 3])));
}

#[tokio::test]
async fn a_websocket_that_does_not_answer_pings_is_closed() {
    let config =
        engine::Config { ping_interval: QUICK, ping_timeout: QUICK, ..engine::Config::default() };
    let server = Server::start(config, socket::Config::default()).await;
    let mut ws = server.websocket("engine.io", "EIO=4&transport=websocket").await.unwrap();
    let open: serde_json::Value = serde_json::from_str(&hear(&mut ws).await[1..]).unwrap();
    assert_eq!(open["upgrades"], serde_json::json!([]));
    assert_eq!(hear(&mut ws).await, "2");
    say(&mut ws, "3").await;
    assert_eq!(hear(&mut ws).await, "2");
    assert!(is_closed(&mut ws).await);
}

#[tokio::test]
async fn packets_that_cannot_be_read_close_a_websocket() {
    let server = Server::with_defaults().await;
    for said in ["abc", "", "1"] {
        let mut ws = server.websocket("engine.io", "EIO=4&transport=websocket").await.unwrap();
        hear(&mut ws).await;
        say(&mut ws, said).await;
        assert!(is_closed(&mut ws).await, "{said:?}");
    }
}

#[tokio::test]
async fn events_and_acknowledgements_carry_text_and_bytes() {
    let server = Server::with_defaults().await;
    let mut ws = server.socket_client().await;
    say(&mut ws, r#"42["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(hear(&mut ws).await, r#"42["message-back",1,"2",{"3":[true]}]"#);
    say(&mut ws, r#"42456["message-with-ack",1]"#).await;
    assert_eq!(hear(&mut ws).await, "43456[1]");
    say(&mut ws, r#"451-789["message-with-ack",{"_placeholder":true,"num":0}]"#).await;
    ws.send(Message::binary(vec![7])).await.unwrap();
    assert_eq!(hear(&mut ws).await, r#"461-789[{"_placeholder":true,"num":0}]"#);
    assert_eq!(next(&mut ws).await, Some(Message::binary(vec![7])));
}

#[tokio::test]
async fn namespaces_are_entered_left_and_refused() {
    let server = Server::with_defaults().await;
    let mut ws = server.socket_client().await;
    say(&mut ws, r#"40/custom,{"token":"abc"}"#).await;
    assert!(hear(&mut ws).await.starts_with(r#"40/custom,{"sid":""#));
    assert_eq!(hear(&mut ws).await, r#"42/custom,["auth",{"token":"abc"}]"#);
    say(&mut ws, "40/random").await;
    assert_eq!(hear(&mut ws).await, r#"44/random,{"message":"Invalid namespace"}"#);
    say(&mut ws, "41/custom").await;
    say(&mut ws, r#"42["message"]"#).await;
    assert_eq!(hear(&mut ws).await, r#"42["message-back"]"#);
}

#[tokio::test]
async fn faults_close_the_connection() {
    let server = Server::with_defaults().await;
    for said in ["4abc", "42{}", r#"42abc["message"]"#, "40", r#"42/custom,["message"]"#] {
        let mut ws = server.socket_client().await;
        say(&mut ws, said).await;
        assert!(is_closed(&mut ws).await, "{said}");
    }
}

#[tokio::test]
async fn who_enters_no_namespace_is_sent_away() {
    let config = socket::Config { connect_timeout: QUICK, ..socket::Config::default() };
    let server = Server::start(engine::Config::default(), config).await;
    let mut ws = server.websocket("socket.io", "EIO=4&transport=websocket").await.unwrap();
    hear(&mut ws).await;
    assert!(is_closed(&mut ws).await);
}
