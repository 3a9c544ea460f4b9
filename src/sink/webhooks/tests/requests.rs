//! Requests over real sockets, to receivers that do what they should not, and to names that change
//! what they mean.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::limits::WEBHOOK_ANSWER_BYTES_MAX;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

/// Names with what each means the first time, the second, and so on; the last one stays.
#[derive(Default)]
struct Names {
    known: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    fn of(name: &str, meanings: impl IntoIterator<Item = Vec<IpAddr>>) -> Arc<Names> {
        let names = Names::default();
        let meanings = meanings.into_iter().collect();
        names.known.lock().unwrap().insert(name.into(), meanings);
        Arc::new(names)
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut known = self.known.lock().unwrap();
        let meanings = known.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        let meaning =
            if meanings.len() > 1 { meanings.pop_front() } else { meanings.front().cloned() };
        Ok(meaning.unwrap_or_default())
    }
}

fn client(networks: Networks, names: Arc<Names>) -> Client {
    let settings = Settings { networks, timeout: Duration::from_millis(500), requests_max: 4 };
    Client::new(settings, names).unwrap()
}

fn message() -> Message {
    Message { id: "L00000001-1".into(), body: b"{\"type\":\"alert\"}".to_vec() }
}

async fn post(client: &Client, url: &str) -> Answer {
    client.post(Post { url, secrets: &[SECRET], message: &message() }).await
}

/// A receiver that takes one request and answers with these bytes; then it keeps the line.
async fn receiver(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let told = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        if answer.is_empty() {
            return request;
        }
        stream.write_all(answer).await.unwrap();
        // Gone with the runtime; until then the line is open.
        tokio::spawn(async move {
            let _line = stream;
            std::future::pending::<()>().await;
        });
        request
    });
    (url, told)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(&message().body) {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
    }
    String::from_utf8(read).unwrap()
}

async fn answered(answer: &'static [u8]) -> Answer {
    let (url, _) = receiver(answer).await;
    post(&client(Networks::All, Arc::default()), &url).await
}

#[tokio::test]
async fn a_request_has_the_headers_of_the_standard() {
    let (url, told) = receiver(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let answer = post(&client(Networks::All, Arc::default()), &url).await;
    assert_eq!((answer.status, answer.fault), (Some(204), None));
    let told = told.await.unwrap();
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap().1.to_owned()
    };
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("user-agent"), concat!("Switchboard/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("webhook-id"), "L00000001-1");
    let timestamp: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((Moment::now().unix_seconds() - timestamp).abs() < 60);
    let signed = sign([SECRET], "L00000001-1", timestamp, body.as_bytes()).unwrap();
    assert_eq!(header("webhook-signature"), signed);
}

#[tokio::test]
async fn a_status_says_what_came_of_it() {
    let answer = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!((answer.status, answer.fault), (Some(200), None));
    for (line, fault, text) in [
        ("HTTP/1.1 410 Gone\r\n\r\n", Fault::Gone, "410: the receiver wants no more"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", Fault::Status(404), "404: the receiver did not take it"),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
            Fault::Redirect(307),
            "307: redirects are not followed; give the webhook its new address",
        ),
    ] {
        let answer = answered(line.as_bytes()).await;
        assert_eq!(answer.fault.as_ref().unwrap().to_string(), text);
        assert_eq!(answer.fault, Some(fault));
    }
    let busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n";
    assert_eq!(answered(busy).await.retry_after, Some(Duration::from_secs(120)));
    let dated = b"HTTP/1.1 429 Slow down\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n";
    assert!(answered(dated).await.retry_after.unwrap() > Duration::from_secs(86_400));
    let past = b"HTTP/1.1 429 Slow down\r\nRetry-After: Fri, 01 Jan 2010 00:00:00 GMT\r\n\r\n";
    assert_eq!(answered(past).await.retry_after, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_receiver_that_hangs_has_its_time_and_no_more() {
    let started = tokio::time::Instant::now();
    let nothing = answered(b"HTTP/1.1 ").await;
    assert_eq!(nothing.fault, Some(Fault::Timeout(Duration::from_millis(500))));
    assert_eq!(nothing.fault.unwrap().to_string(), "no answer within 500 ms");
    assert!(started.elapsed() < Duration::from_secs(5));
    let hung_up = answered(b"").await;
    assert_eq!(hung_up.fault, Some(Fault::BrokenOff));
}

#[tokio::test]
async fn of_an_endless_answer_a_little_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let written = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut written = 0;
        while stream.write_all(b"400\r\n").await.is_ok()
            && stream.write_all(&[b'x'; 1_024]).await.is_ok()
            && stream.write_all(b"\r\n").await.is_ok()
        {
            written += 1_024;
        }
        written
    });
    let answer = post(&client(Networks::All, Arc::default()), &url).await;
    assert_eq!((answer.status, answer.fault), (Some(200), None));
    let written = written.await.unwrap();
    assert!(written < 1_000 * WEBHOOK_ANSWER_BYTES_MAX, "the line was not closed: {written}");
}

#[tokio::test]
async fn nobody_there_is_told_without_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/secret-token");
    let answer = post(&client(Networks::All, Arc::default()), &url).await;
    let text = answer.fault.unwrap().to_string();
    assert!(text.starts_with("no connection: ") && !text.contains("secret-token"), "{text}");
}

#[tokio::test]
async fn a_name_is_refused_by_what_it_means() {
    let cases = [
        (vec![LOOPBACK], "leads to this machine; webhooks go to public addresses only"),
        (
            vec![PUBLIC, IpAddr::from([10, 0, 0, 1])],
            "leads to a private network; webhooks go to public addresses only",
        ),
        (vec![], "the host's name cannot be resolved"),
    ];
    for (meaning, reason) in cases {
        let client = client(Networks::Public, Names::of("hooks.example.com", [meaning]));
        let refused = client.check("https://hooks.example.com/a").await.unwrap_err();
        assert_eq!(refused.to_string(), reason);
    }
    let client = client(Networks::Public, Names::of("hooks.example.com", [vec![PUBLIC]]));
    assert_eq!(client.check("https://hooks.example.com/a").await, Ok(()));
    let unknown = client.check("https://other.example.com/a").await;
    assert_eq!(unknown, Err(BadAddress::Unresolved));
}

/// DNS rebinding: public when it is looked at, this machine when it is connected to.
#[tokio::test]
async fn a_name_that_changes_its_meaning_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Names::of("rebind.example.com", [vec![PUBLIC], vec![LOOPBACK]]);
    let public = client(Networks::Public, names.clone());
    let url = format!("https://rebind.example.com:{port}/");
    assert_eq!(public.check(&url).await, Ok(()));
    let answer = post(&public, &url).await;
    let expected = "the address leads to this machine; webhooks go to public addresses only";
    assert_eq!(answer.fault.unwrap().to_string(), expected);
    assert_eq!(names.asked.load(Ordering::Relaxed), 2, "what was asked before does not count");
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "nobody came");
}

/// The address that was judged is the one that is connected to: it is not looked up again.
#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_asked() {
    let (url, told) = receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let names = Names::of("hooks.example.com", [vec![LOOPBACK], vec![PUBLIC]]);
    let url = url.replace("127.0.0.1", "hooks.example.com");
    let answer = post(&client(Networks::PublicAndLoopback, names.clone()), &url).await;
    assert_eq!(answer.fault, None);
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    assert!(told.await.unwrap().to_ascii_lowercase().contains("host: hooks.example.com"));
}

/// Whatever was stored while more was allowed.
#[tokio::test]
async fn an_address_in_digits_is_judged_when_it_is_asked_too() {
    let (url, _) = receiver(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let url = url.replace("http:", "https:");
    let answer = post(&client(Networks::Public, Arc::default()), &url).await;
    assert!(matches!(answer.fault, Some(Fault::Address(BadAddress::Forbidden(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_secret_that_cannot_sign_sends_nothing() {
    let client = client(Networks::All, Arc::default());
    let url = "http://127.0.0.1:1/";
    let answer = client.post(Post { url, secrets: &["x"], message: &message() }).await;
    assert_eq!(answer.fault, Some(Fault::Secret(BadSecret)));
}
