//! Requests of REST over one connection that is kept: only what the bench asks for.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::scale::REQUEST_TIMEOUT;
use crate::ws::find;

/// Most bytes of an answer's head, and of its body.
const PART_BYTES_MAX: usize = 64 * 1024;

/// A connection to REST.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    address: SocketAddr,
    /// What was read behind the last answer.
    input: BytesMut,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body as JSON, null when it is none.
    pub(crate) body: serde_json::Value,
}

impl Http {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let connecting = timeout(REQUEST_TIMEOUT, TcpStream::connect(address));
        let stream = connecting.await.context("no connection in time")?.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, input: BytesMut::new() })
    }

    /// Posts JSON and waits for the answer. After an error the connection is of no use.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Result<Answer> {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{}\r\n{body}",
            self.address,
            body.len(),
            bearer.unwrap_or_default(),
        );
        let exchange = async {
            self.stream.write_all(request.as_bytes()).await.context("send a request")?;
            self.answer().await
        };
        timeout(REQUEST_TIMEOUT, exchange).await.context("no answer in time")?
    }

    async fn answer(&mut self) -> Result<Answer> {
        let end = loop {
            match find(&self.input, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let length = body_length(&head).context("an answer without Content-Length")?;
        ensure!(length <= PART_BYTES_MAX, "an answer of {length} bytes");
        while self.input.len() < end + length {
            self.read().await?;
        }
        let body = serde_json::from_slice(&self.input[end..end + length]).unwrap_or_default();
        self.input.advance(end + length);
        Ok(Answer { status: status.context("an answer without a status")?, body })
    }

    async fn read(&mut self) -> Result<()> {
        ensure!(self.input.len() <= 2 * PART_BYTES_MAX, "an answer without an end");
        let read = self.stream.read_buf(&mut self.input).await.context("read an answer")?;
        ensure!(read > 0, "cut before the answer");
        Ok(())
    }
}

fn body_length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_however_it_is_written() {
        assert_eq!(body_length("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"), Some(12));
        assert_eq!(body_length("HTTP/1.1 204 No Content\r\n\r\n"), None);
    }
}
