//! Long-polling through any node (contract 6): the session lives on one, and its requests arrive
//! wherever a load balancer sends them. Here `home` is where it lives, `other` where they arrive.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use switchboard::auth::Claims;
use switchboard::model::{NodeId, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::client::{Answer, Client, Speech, read_head, request};
use crate::clock::{self, within};
use crate::nodes::Nodes;
use crate::packet::{self, SEPARATOR};
use crate::polling;
use crate::recovery::begin;
use crate::server::{Server, claims, sign, token};
use crate::socketio::Socket;

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BUSY: &str = r#"{"code":3,"message":"Too busy"}"#;

/// Two nodes that know of each other.
async fn pair(options: &[(&str, &str)]) -> (Nodes, Server, Server) {
    let nodes = Nodes::default();
    let (home, other) = (nodes.start(options).await, nodes.start(options).await);
    (nodes, home, other)
}

/// A session at this server that has not said who it is; its path.
async fn open(home: &Server) -> String {
    let opened = request(home.addr, "GET", POLLING, &[], "").await;
    let first = packet::read(&opened.text).unwrap();
    let sid = first[1]["sid"].as_str().unwrap_or_else(|| panic!("{opened:?}"));
    assert!(sid.starts_with(&home.running.app.node.to_string()), "{sid}");
    format!("{POLLING}&sid={sid}")
}

/// A path as of a session that this node made.
fn forged(node: NodeId) -> String {
    format!("{POLLING}&sid={node}AAAAAAAAAAAAAAAAAAAA")
}

/// Enters the namespace with requests to this server, and hears that it is let in.
async fn enter(at: SocketAddr, path: &str, auth: &str) {
    let entered = request(at, "POST", path, &[], &format!("40{auth}")).await;
    assert_eq!((entered.status, entered.text.as_str()), (200, "ok"));
    let told = request(at, "GET", path, &[], "").await;
    assert!(told.text.starts_with("40{") && told.text.contains("authenticated"), "{told:?}");
}

/// Opens a WebSocket that takes the session over.
async fn upgrade(at: SocketAddr, path: &str) -> Result<Client, Answer> {
    let path = path.replace("transport=polling", "transport=websocket");
    Client::open_speaking(Speech::EngineIo, at, &path, &[]).await
}

/// The same, until the session is on it.
async fn upgraded(at: SocketAddr, path: &str) -> Client {
    let mut client = upgrade(at, path).await.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    client.send_text("2probe").await;
    assert_eq!(client.frame().await[0], "3probe");
    client.send_text("5").await;
    client
}

/// A node that is none: what it is sent is read up to the end of a head, and `act` does the rest.
async fn impostor<F>(act: impl Fn(TcpStream, String) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut line, _)) = listener.accept().await {
            let (head, _) = read_head(&mut line).await;
            tokio::spawn(act(line, head));
        }
    });
    address
}

fn auth(role: Role, user: &str) -> String {
    json!({ "token": token(role, user) }).to_string()
}

fn auth_of(tenant: &str, agent: &str) -> String {
    let claims = Claims { tenant: tenant.to_owned(), ..claims(Role::Agent, agent) };
    json!({ "token": sign(&claims) }).to_string()
}

#[tokio::test]
async fn a_polling_client_whose_requests_go_everywhere_talks_as_any_other() {
    let (_nodes, home, other) = pair(&[]).await;
    let started = begin(&home, "conv-1").await;
    let mut dewi = Socket::open(&home, json!({ "token": token(Role::Agent, "dewi") })).await;
    dewi.join("conv-1").await;
    let opened = polling::open_through(vec![home.addr, other.addr], &[]).await.unwrap();
    let auth = json!({ "sessionId": started["session_key"] });
    let mut budi = Socket::enter(opened, &auth).await.unwrap();
    budi.join("conv-1").await;
    for n in 1..=20 {
        assert_eq!(budi.say("conv-1", &format!("hai {n}")).await, n * 2 - 1);
        while dewi.event_of("message_received").await["seq"] != n * 2 - 1 {}
        dewi.say("conv-1", "ya").await;
        while budi.event_of("message_received").await["seq"] != n * 2 {}
    }
    budi.client.close().await;
    let left = loop {
        let status = dewi.event_of("connection_status_update").await;
        if status["disconnect_reason"].is_string() {
            break status;
        }
    };
    assert_eq!(left["disconnect_reason"], "client_close");
}

#[tokio::test]
async fn a_websocket_takes_over_wherever_it_arrives() {
    let (_nodes, home, other) = pair(&[]).await;
    let path = open(&home).await;
    enter(other.addr, &path, &auth(Role::Agent, "dewi")).await;
    let mut client = upgraded(other.addr, &path).await;
    client.send_text(r#"420["join_conversation","nowhere"]"#).await;
    while client.frame().await[0] != "430" {}
    // Larger than what is passed on at once, and smaller than a frame may be.
    let long = "x".repeat(100_000);
    client.send_text(&format!(r#"421["join_conversation","{long}"]"#)).await;
    while client.frame().await[0] != "431" {}
    // Too large: who says so is the session's own node, with its own close code.
    client.send_text(&"x".repeat(600_000)).await;
    assert_eq!(client.end().await, Some(1009));
    assert_eq!(home.running.app.presence.counts().await.unwrap().users, 0);
}

#[tokio::test]
async fn a_drain_of_the_sessions_node_says_goodbye_through_the_other() {
    let (_nodes, home, other) = pair(&[]).await;
    let path = open(&home).await;
    enter(other.addr, &path, &auth(Role::Agent, "dewi")).await;
    let mut upgraded = upgraded(other.addr, &path).await;
    upgraded.send_text(r#"420["join_conversation","nowhere"]"#).await;
    while upgraded.frame().await[0] != "430" {}
    let path = open(&home).await;
    enter(other.addr, &path, &auth(Role::Agent, "agus")).await;
    let poll = tokio::spawn(async move { request(other.addr, "GET", &path, &[], "").await });
    clock::settle().await;
    assert!(within("the drain", home.running.drain()).await, "it was not clean");
    assert_eq!(upgraded.end().await, Some(1001));
    let told = within("the poll", poll).await.unwrap();
    assert_eq!((told.status, told.text.as_str()), (200, "1"));
}

#[tokio::test]
async fn a_drain_of_the_node_in_between_waits_for_nobody() {
    let (_nodes, home, other) = pair(&[]).await;
    let path = open(&home).await;
    enter(other.addr, &path, &auth(Role::Agent, "dewi")).await;
    let mut upgraded = upgraded(other.addr, &path).await;
    upgraded.send_text(r#"420["join_conversation","nowhere"]"#).await;
    while upgraded.frame().await[0] != "430" {}
    let path = open(&home).await;
    enter(other.addr, &path, &auth_of("acme", "agus")).await;
    let at = other.addr;
    let poll = tokio::spawn(async move { request(at, "GET", &path, &[], "").await });
    clock::settle().await;
    let began = Instant::now();
    assert!(within("the drain", other.running.drain()).await, "it was not clean");
    assert!(began.elapsed() < Duration::from_secs(3), "took {:?}", began.elapsed());
    assert_eq!(upgraded.end().await, None, "it knows no frames, so it can say nothing");
    let told = within("the poll", poll).await.unwrap();
    assert_eq!((told.status, told.text.as_str()), (503, BUSY));
    // Where they lived they are known to be gone, and did not have to be waited for.
    let is_gone = async {
        while home.running.app.presence.counts().await.unwrap().users > 0 {
            clock::settle().await;
        }
    };
    within("both to be gone", is_gone).await;
}

#[tokio::test]
async fn a_session_that_lives_nowhere_is_unknown_and_nothing_goes_in_circles() {
    let (nodes, home, other) = pair(&[]).await;
    let nobody = NodeId::random();
    // Nodes that are not what others take them for.
    let (itself, third) = (nodes.add(other.addr), nodes.add(home.addr));
    for node in [nobody, itself, third, home.running.app.node, other.running.app.node] {
        let path = forged(node);
        for (method, body) in [("GET", ""), ("POST", "3")] {
            let answer = request(other.addr, method, &path, &[], body).await;
            assert_eq!((answer.status, answer.text.as_str()), (400, UNKNOWN), "{node} {method}");
        }
        let refused = upgrade(other.addr, &path).await.err().expect("no such session");
        assert_eq!((refused.status, refused.text.as_str()), (400, UNKNOWN), "{node}");
    }
    // In another writing of it, the id is no session's either.
    let path = open(&home).await;
    let (start, sid) = path.split_once("sid=").unwrap();
    let loud = format!("{start}sid={}{}", sid[..16].to_ascii_uppercase(), &sid[16..]);
    if loud != path {
        assert_eq!(request(other.addr, "GET", &loud, &[], "").await.text, UNKNOWN);
        assert_eq!(request(home.addr, "GET", &loud, &[], "").await.text, UNKNOWN);
    }
    for strange in ["&sid=x", "&sid=%F0%9F%92%A9", "&sid=ééééééééé", "&sid=0123456789abcdef"]
    {
        let answer = request(other.addr, "GET", &format!("{POLLING}{strange}"), &[], "").await;
        assert_eq!((answer.status, answer.text.as_str()), (400, UNKNOWN), "{strange}");
    }
}

#[tokio::test]
async fn a_body_is_as_large_as_a_frame_may_be_and_no_larger() {
    let (_nodes, home, other) = pair(&[("limits.frame_bytes", "16384")]).await;
    let path = open(&home).await;
    enter(other.addr, &path, &auth(Role::Agent, "dewi")).await;
    let over = request(other.addr, "POST", &path, &[], &"4".repeat(16 * 1024 + 1)).await;
    assert_eq!(over.status, 413, "{over:?}");
    // One that does not say how long it is going to be.
    let mut line = TcpStream::connect(other.addr).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "4".repeat(0x1000));
    let chunks = async {
        for _ in 0..5 {
            line.write_all(chunk.as_bytes()).await.unwrap();
        }
        read_head(&mut line).await.0
    };
    let answer = within("an answer", chunks).await;
    assert!(answer.starts_with("http/1.1 413 "), "{answer}");
    // The session goes on, with what is just allowed.
    let padding = " ".repeat(16 * 1024 - 37);
    let body = format!(r#"420["join_conversation",{padding}"nowhere"]"#);
    let taken = request(other.addr, "POST", &path, &[], &body).await;
    assert_eq!((taken.status, taken.text.as_str()), (200, "ok"), "{}", body.len());
    let told = request(other.addr, "GET", &path, &[], "").await;
    assert!(told.text.contains("430["), "{told:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_missed_where_its_session_lives() {
    let (_nodes, home, other) = pair(&[]).await;
    let started = begin(&home, "conv-1").await;
    let mut dewi = Socket::open(&home, json!({ "token": token(Role::Agent, "dewi") })).await;
    dewi.join("conv-1").await;
    let opened = polling::open_through(vec![home.addr, other.addr], &[]).await.unwrap();
    let auth = json!({ "sessionId": started["session_key"] });
    let mut budi = Socket::enter(opened, &auth).await.unwrap();
    budi.join("conv-1").await;
    clock::settle().await;
    budi.client.cut().await;
    let left = loop {
        let status = dewi.event_of("connection_status_update").await;
        if status["disconnect_reason"].is_string() {
            break status;
        }
    };
    assert_eq!(left["disconnect_reason"], "network_error");
}

#[tokio::test]
async fn a_node_that_goes_in_the_middle_of_a_poll_ends_it() {
    let (nodes, _home, other) = pair(&[]).await;
    let dying = impostor(|line, _| async move { drop(line) }).await;
    let died = request(other.addr, "GET", &forged(nodes.add(dying)), &[], "").await;
    assert_eq!((died.status, died.text.as_str()), (400, UNKNOWN));
    // One that hangs is waited for until it counts as dead.
    let hanging = impostor(|line, _| async move {
        std::future::pending::<()>().await;
        drop(line);
    });
    let hanging = nodes.add(hanging.await);
    let (at, path) = (other.addr, forged(hanging));
    let poll = tokio::spawn(async move { request(at, "GET", &path, &[], "").await });
    clock::settle().await;
    assert!(!poll.is_finished());
    nodes.lose(hanging);
    let told = within("the end of the poll", poll).await.unwrap();
    assert_eq!((told.status, told.text.as_str()), (400, UNKNOWN));
    // A node that is alive, as presence has it, and cannot be reached.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = nodes.add(closed.local_addr().unwrap());
    drop(closed);
    let refused = request(other.addr, "POST", &forged(silent), &[], "3").await;
    assert_eq!((refused.status, refused.text.as_str()), (503, BUSY));
}

#[tokio::test]
async fn what_is_between_two_neighbours_is_not_passed_on_and_all_else_is() {
    let (nodes, _home, other) = pair(&[]).await;
    let (tell, told) = std::sync::mpsc::channel();
    let curious = impostor(move |mut line, head| {
        tell.send(head).unwrap();
        async move {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVary: origin\r\nX-Own: 1\r\n\
                          Connection: X-Own, keep-alive\r\nKeep-Alive: timeout=5\r\n\r\nok";
            line.write_all(answer.as_bytes()).await.unwrap();
            let _ = line.read(&mut [0]).await;
        }
    });
    let headers = [
        ("Origin", &*format!("http://{}", other.addr)),
        ("Cookie", "a=b"),
        ("Authorization", "Bearer t"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("Connection", "X-Mine, close"),
        ("X-Mine", "1"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic x"),
        ("X-Switchboard-Relayed", "no"),
    ];
    let path = format!("{}&t=a%20b", forged(nodes.add(curious.await)));
    let answer = request(other.addr, "GET", &path, &headers, "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    let head = told.try_recv().unwrap();
    let has = |line: &str| head.lines().any(|one| one == line);
    assert!(has(&format!("get {} http/1.1", path.to_ascii_lowercase())), "{head}");
    assert!(has(&format!("host: {}", other.addr)), "{head}");
    assert!(has(&format!("origin: http://{}", other.addr)), "{head}");
    assert!(has("cookie: a=b") && has("authorization: bearer t"), "{head}");
    assert!(has("x-forwarded-for: 192.0.2.7") && has("x-forwarded-for: 127.0.0.1"), "{head}");
    assert!(has("x-switchboard-relay: 1"), "{head}");
    for gone in ["connection:", "x-mine:", "te:", "proxy-authorization:"] {
        assert!(!head.lines().any(|line| line.starts_with(gone)), "{gone} {head}");
    }
    assert_eq!(answer.head.matches("vary:").count(), 1, "{}", answer.head);
    assert!(answer.head.contains("access-control-allow-origin"), "{}", answer.head);
    assert!(!answer.head.contains("x-own") && !answer.head.contains("keep-alive"));
}

#[tokio::test]
async fn a_page_of_another_origin_reaches_no_session_through_any_node() {
    let (_nodes, home, other) = pair(&[]).await;
    let path = open(&home).await;
    let foreign = [("Origin", "https://evil.example")];
    for at in [home.addr, other.addr] {
        assert_eq!(request(at, "GET", &path, &foreign, "").await.status, 403);
    }
}

#[tokio::test]
async fn a_thousand_polls_leave_nothing_behind() {
    const SOON_CLOSED: &[(&str, &str)] = &[("server.handshake_timeout", "1s")];
    let (_nodes, home, other) = pair(SOON_CLOSED).await;
    let path = open(&home).await;
    enter(home.addr, &path, &auth(Role::Agent, "dewi")).await;
    clock::settle().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut busiest = 0;
    for n in 0..1_000 {
        let asked = format!(r#"42{n}["join_conversation","nowhere"]"#);
        assert_eq!(request(other.addr, "POST", &path, &[], &asked).await.text, "ok");
        let told = request(other.addr, "GET", &path, &[], "").await.text;
        let is_answer = |packet: &str| packet.starts_with(&format!("43{n}["));
        assert!(told.split(SEPARATOR).any(is_answer), "{told}");
        busiest = busiest.max(tasks());
    }
    assert!(busiest < before + 20, "{busiest} tasks at once, {before} before");
    let is_idle = async {
        while tasks() > before {
            clock::real_pause(Duration::from_millis(50)).await;
        }
    };
    within("lines that nobody needs to be closed", is_idle).await;
    assert!(within("the drain", other.running.drain()).await, "it was not clean");
}

#[tokio::test]
async fn nodes_that_speak_tls_speak_it_to_each_other() {
    let certificate = rcgen::generate_simple_self_signed(vec!["chat.example.com".into()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cert = write("cert.pem", certificate.cert.pem());
    let key = write("key.pem", certificate.signing_key.serialize_pem());
    let (_nodes, home, other) = pair(&[("tls.cert", &cert), ("tls.key", &key)]).await;
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let ask = async |at: &Server, path: &str| {
        let answer = client.get(format!("https://{}{path}", at.addr)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (_, opened) = ask(&home, POLLING).await;
    let opened = packet::read(&opened).unwrap();
    let path = format!("{POLLING}&sid={}", opened[1]["sid"].as_str().unwrap());
    let url = format!("https://{}{path}", other.addr);
    let entering = client.post(url).body(format!("40{}", auth(Role::Agent, "dewi"))).send();
    assert_eq!(entering.await.unwrap().text().await.unwrap(), "ok");
    let (status, told) = ask(&other, &path).await;
    assert!(status == 200 && told.contains("authenticated"), "{status} {told}");
}
