//! A provider's server on a real socket, which does what a test tells it: answer, in pieces or
//! whole, hang, or cut the line. One request a connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What is done in answer to a request, one after the other.
pub(super) enum Act {
    /// Write these bytes, and let them go out alone.
    Say(Vec<u8>),
    /// Wait until the test opens the gate.
    Wait(Arc<Semaphore>),
    /// Say nothing more and keep the line.
    Hang,
    /// Reset the line.
    Cut,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its head in lower case.
    pub(super) head: String,
    /// Its body.
    pub(super) body: Value,
}

pub(super) struct Double {
    pub(super) url: String,
    inner: Arc<Inner>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Inner {
    script: Mutex<VecDeque<Vec<Act>>>,
    asked: Mutex<Vec<Asked>>,
}

/// Holds an answer back.
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn open(self) {
        self.0.add_permits(1);
    }
}

impl Double {
    pub(super) async fn start() -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::<Inner>::default();
        let serving = inner.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        Double { url, inner, listening: Mutex::new(Some(listening)) }
    }

    /// What the next request that has no answer yet gets.
    pub(super) fn will(&self, acts: Vec<Act>) {
        self.inner.script.lock().unwrap().push_back(acts);
    }

    /// As [`Double::will`], once the gate is open.
    pub(super) fn will_wait(&self, mut acts: Vec<Act>) -> Gate {
        let gate = Arc::new(Semaphore::new(0));
        acts.insert(0, Act::Wait(gate.clone()));
        self.will(acts);
        Gate(gate)
    }

    pub(super) fn hits(&self) -> usize {
        self.inner.asked.lock().unwrap().len()
    }

    pub(super) async fn until_hits(&self, hits: usize) {
        while self.hits() < hits {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn asked(&self, index: usize) -> Asked {
        self.inner.asked.lock().unwrap()[index].clone()
    }

    pub(super) async fn stop_listening(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.abort();
            assert!(listening.await.unwrap_err().is_cancelled());
        }
    }
}

async fn serve(inner: Arc<Inner>, mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let asked = read_request(&mut stream).await;
    inner.asked.lock().unwrap().push(asked);
    let acts = inner.script.lock().unwrap().pop_front().expect("a request nobody expected");
    for act in acts {
        match act {
            Act::Say(bytes) => {
                // Whoever asked may have gone.
                let _ = stream.write_all(&bytes).await;
                tokio::task::yield_now().await;
            }
            Act::Wait(gate) => drop(gate.acquire().await),
            Act::Hang => std::future::pending().await,
            Act::Cut => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Asked {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "no request");
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let length: usize = length.parse().unwrap();
    while read.len() < end + length {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "half a request");
    }
    Asked { head, body: serde_json::from_slice(&read[end..]).unwrap() }
}

/// An answer of known length.
pub(super) fn body(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(super) fn whole(status: u16, kind: &str, text: &str) -> Vec<Act> {
    vec![Act::Say(body(status, kind, text.as_bytes()))]
}

pub(super) fn refusal(status: u16, headers: &[(&str, &str)]) -> Vec<Act> {
    let headers: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    vec![Act::Say(head.into_bytes())]
}

/// An answer in chunks of so many bytes, characters cut in two where that falls.
pub(super) fn chunked(kind: &str, text: &str, size: usize) -> Vec<Act> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n"
    );
    let chunk = |bytes: &[u8]| {
        Act::Say([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
    };
    let chunks = text.as_bytes().chunks(size).map(chunk);
    let end = Act::Say(b"0\r\n\r\n".to_vec());
    [Act::Say(head.into_bytes())].into_iter().chain(chunks).chain([end]).collect()
}

/// While it lives, time moves only when a test moves it. A paused runtime jumps to its next timer
/// whenever it has nothing to do, and waiting for a socket is nothing to do; it does not while a
/// blocking task runs, so one does.
pub(super) fn stop_time() -> std::sync::mpsc::Sender<()> {
    tokio::time::pause();
    let (end, ended) = std::sync::mpsc::channel();
    drop(tokio::task::spawn_blocking(move || ended.recv()));
    end
}
