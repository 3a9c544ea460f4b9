//! Requests of REST over a connection that is kept, one after the other, and what all requests and
//! answers of the bench are made of: only as much of HTTP as it needs.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::digits;
use crate::scale::REQUEST_TIMEOUT;
use crate::ws::find;

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of an answer's body: ten thousand agents are about five MiB.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Room for an answer whose length is not known yet: most of them fit.
const ANSWER_BYTES: usize = 2 * 1024;

/// A connection to REST.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    answers: Answers,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
}

/// The answers in what was read of a connection.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// What was read behind the last whole answer.
    input: BytesMut,
    /// Where the next answer's head and body end, once its head is whole.
    expected: Option<Extent>,
}

/// How long an answer is, and what its first line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    status: u16,
    head: usize,
    body: usize,
}

impl Http {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(address).await?, answers: Answers::default() })
    }

    /// Posts JSON and waits for the answer. After an error the connection is of no use.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Answer> {
        self.exchange(&request("POST", path, token, body)).await
    }

    /// Sends a whole request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        let exchange = async {
            self.stream.write_all(request).await.context("send a request")?;
            loop {
                match self.answers.take()? {
                    Some(answer) => return Ok(answer),
                    None => self.read().await?,
                }
            }
        };
        timeout(REQUEST_TIMEOUT, exchange).await.context("no answer in time")?
    }

    async fn read(&mut self) -> Result<()> {
        let read = self.stream.read_buf(self.answers.room()).await.context("read an answer")?;
        ensure!(read > 0, "cut before the answer");
        Ok(())
    }
}

/// Opens a connection for requests.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connecting = timeout(REQUEST_TIMEOUT, TcpStream::connect(address));
    let stream = connecting.await.context("no connection in time")?.context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A whole request with a JSON body.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    request_with(method, path, &bearer.unwrap_or_default(), body)
}

/// The same with other lines in its head, each with its end.
pub(crate) fn request_with(method: &str, path: &str, lines: &str, body: &str) -> Vec<u8> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{lines}\r\n{body}",
        body.len(),
    );
    request.into_bytes()
}

impl Answer {
    /// The body as JSON, null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The text at this place in the JSON of the body.
    pub(crate) fn text_at(&self, pointer: &str) -> Option<String> {
        self.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    }
}

impl Answers {
    /// Where to read to.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        self.input.reserve(ANSWER_BYTES);
        &mut self.input
    }

    /// The next answer, once it is whole.
    pub(crate) fn take(&mut self) -> Result<Option<Answer>> {
        if self.expected.is_none() {
            self.expected = self.extent()?;
        }
        let Some(Extent { status, head, body }) = self.expected else { return Ok(None) };
        if self.input.len() < head + body {
            // One growth for a long body, not one for each part of it.
            self.input.reserve(head + body - self.input.len());
            return Ok(None);
        }
        self.expected = None;
        let mut whole = self.input.split_to(head + body);
        let body = whole.split_off(head).freeze();
        Ok(Some(Answer { status, body }))
    }

    fn extent(&self) -> Result<Option<Extent>> {
        let Some(end) = find(&self.input, b"\r\n\r\n") else {
            ensure!(self.input.len() <= HEAD_BYTES_MAX, "an answer without an end");
            return Ok(None);
        };
        let head = &self.input[..end];
        let status = find(head, b" ").and_then(|at| digits(&head[at + 1..]));
        let (status, _) = status.context("an answer without a status")?;
        let body = body_length(head).context("an answer without Content-Length")?;
        ensure!(body <= BODY_BYTES_MAX, "an answer of {body} bytes");
        Ok(Some(Extent { status: u16::try_from(status)?, head: end + 4, body }))
    }
}

fn body_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let is_length =
        |line: &&[u8]| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
    let line = head.split(|byte| *byte == b'\n').find(is_length)?;
    let (length, _) = digits(line[NAME.len()..].trim_ascii_start())?;
    usize::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &str) -> Answers {
        Answers { input: text.into(), ..Answers::default() }
    }

    #[test]
    fn the_length_is_found_however_it_is_written() {
        assert_eq!(body_length(b"HTTP/1.1 200 OK\r\ncontent-length: 12"), Some(12));
        assert_eq!(body_length(b"HTTP/1.1 200 OK\r\nContent-Length:3\r\nx: y"), Some(3));
        assert_eq!(body_length(b"HTTP/1.1 204 No Content"), None);
    }

    #[test]
    fn answers_that_come_together_are_told_apart_and_a_part_waits() {
        let mut answers = answers(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}\
             HTTP/1.1 409 Conflict\r\ncontent-length: 4\r\n\r\nnu",
        );
        let first = answers.take().unwrap().unwrap();
        assert_eq!((first.status, &first.body[..]), (200, &b"{}"[..]));
        assert!(answers.take().unwrap().is_none());
        answers.input.extend_from_slice(b"ll");
        let second = answers.take().unwrap().unwrap();
        assert_eq!((second.status, second.json()), (409, Value::Null));
        assert!(answers.take().unwrap().is_none());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(answers("HTTP/1.1 204 No Content\r\n\r\n").take().is_err());
        assert!(answers("nonsense\r\n\r\n").take().is_err());
    }
}
