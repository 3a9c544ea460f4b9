//! A WebSocket client that costs less than the server it measures.
//!
//! It reads into one buffer shared by all connections of the thread, hands out whole text
//! messages in place, and copies only what a read cut in two. It knows nothing of what the
//! messages say.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Most bytes taken from a socket in one read.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of an answer to the upgrade.
const RESPONSE_BYTES_MAX: usize = 16 * 1024;
/// The key of the upgrade and the proof that belongs to it, the pair printed in RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// The reading half of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    input: OwnedReadHalf,
    writer: Rc<Writer>,
    /// The start of a frame whose end has not come yet.
    rest: BytesMut,
    /// The fragments so far of a message in several frames.
    fragments: BytesMut,
    /// Whether `rest` may hold whole frames, because they came with the upgrade's answer.
    fresh: bool,
}

/// The writing half of a connection.
#[derive(Debug)]
pub(crate) struct Writer {
    output: OwnedWriteHalf,
    /// Frames not yet taken by the kernel.
    queued: RefCell<Vec<u8>>,
    /// A task waits for the kernel to take more.
    draining: Cell<bool>,
    mask: Cell<u32>,
}

/// Connects and upgrades.
pub(crate) async fn open(address: SocketAddr, path: &str) -> Result<Reader> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.context("ask for the upgrade")?;
    let rest = upgrade_answer(&mut stream).await?;
    let (input, output) = stream.into_split();
    let writer = Rc::new(Writer {
        output,
        queued: RefCell::default(),
        draining: Cell::new(false),
        mask: Cell::new(0x9e37_79b9),
    });
    Ok(Reader { input, writer, rest, fragments: BytesMut::new(), fresh: true })
}

/// Reads the answer to the upgrade and gives back what came behind it.
async fn upgrade_answer(stream: &mut TcpStream) -> Result<BytesMut> {
    let mut answer = BytesMut::with_capacity(512);
    let end = loop {
        if let Some(end) = find(&answer, b"\r\n\r\n") {
            break end;
        }
        ensure!(answer.len() < RESPONSE_BYTES_MAX, "the answer to the upgrade has no end");
        let read = stream.read_buf(&mut answer).await.context("read the upgrade's answer")?;
        ensure!(read > 0, "cut before the upgrade was answered");
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
        bail!("refused: {}", head.lines().next().unwrap_or_default());
    }
    answer.advance(end + 4);
    Ok(answer)
}

impl Reader {
    /// The other half.
    pub(crate) fn writer(&self) -> &Rc<Writer> {
        &self.writer
    }

    /// Waits until bytes come and hands every whole text message among them to `each`. An error
    /// is the end of the connection.
    pub(crate) async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        if std::mem::take(&mut self.fresh) && !self.rest.is_empty() {
            return self.decode_rest(&mut each);
        }
        poll_fn(|context| self.poll_read(context, &mut each)).await
    }

    /// Reads once. Not with `readable` and `try_read`: that asks the kernel a second time, only
    /// to hear that nothing is left.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        each: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.input).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Err(anyhow::anyhow!("cut by the server")));
            }
            Poll::Ready(self.take(read, each))
        })
    }

    fn take(&mut self, read: &[u8], each: &mut impl FnMut(&[u8])) -> Result<()> {
        if self.rest.is_empty() {
            let used = self.decode(read, each)?;
            self.rest.extend_from_slice(&read[used..]);
            return Ok(());
        }
        self.rest.extend_from_slice(read);
        self.decode_rest(each)
    }

    fn decode_rest(&mut self, each: &mut impl FnMut(&[u8])) -> Result<()> {
        let mut rest = std::mem::take(&mut self.rest);
        let used = self.decode(&rest, each)?;
        rest.advance(used);
        self.rest = rest;
        Ok(())
    }

    /// Takes all whole frames from the front and says how many bytes they were.
    fn decode(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) -> Result<usize> {
        let mut used = 0;
        while let Some(frame) = Head::of(&bytes[used..])? {
            let payload = &bytes[used + frame.start..used + frame.end];
            self.frame(&frame, payload, each)?;
            used += frame.end;
        }
        Ok(used)
    }

    fn frame(&mut self, head: &Head, payload: &[u8], each: &mut impl FnMut(&[u8])) -> Result<()> {
        match head.opcode {
            TEXT if head.last => each(payload),
            TEXT | CONTINUATION => {
                self.fragments.extend_from_slice(payload);
                if head.last {
                    each(&std::mem::take(&mut self.fragments));
                }
            }
            PING => {
                self.writer.queue(PONG, payload);
                self.writer.flush();
            }
            PONG => {}
            CLOSE => {
                let code = payload.get(..2).map_or(1005, |mut code| code.get_u16());
                bail!("closed by the server with {code}");
            }
            opcode => bail!("a frame with opcode {opcode}"),
        }
        Ok(())
    }
}

impl Writer {
    /// Queues a text message.
    pub(crate) fn queue_text(&self, text: &[u8]) {
        self.queue(TEXT, text);
    }

    /// Writes what is queued, now as far as the kernel takes it, the rest from a task. A failure
    /// is left to the reader, who sees it too.
    pub(crate) fn flush(self: &Rc<Self>) {
        if self.draining.get() || self.write() {
            return;
        }
        self.draining.set(true);
        let writer = Rc::clone(self);
        tokio::task::spawn_local(async move {
            while writer.output.writable().await.is_ok() && !writer.write() {}
            writer.draining.set(false);
        });
    }

    /// Whether nothing is left to write.
    fn write(&self) -> bool {
        let mut queued = self.queued.borrow_mut();
        while !queued.is_empty() {
            match self.output.try_write(&queued) {
                Ok(written) => drop(queued.drain(..written)),
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => queued.clear(),
            }
        }
        true
    }

    fn queue(&self, opcode: u8, payload: &[u8]) {
        let mask = self.mask.get();
        self.mask.set(mask.rotate_left(5).wrapping_mul(0x85eb_ca6b).wrapping_add(1));
        encode(&mut self.queued.borrow_mut(), opcode, mask.to_ne_bytes(), payload);
    }
}

/// Appends one masked frame.
fn encode(out: &mut Vec<u8>, opcode: u8, mask: [u8; 4], payload: &[u8]) {
    const FINAL: u8 = 0x80;
    const MASKED: u8 = 0x80;
    out.push(FINAL | opcode);
    match payload.len() {
        length @ ..=125 => out.push(MASKED | length as u8),
        length @ ..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The head of a server's frame, with the place of its payload.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    opcode: u8,
    last: bool,
    start: usize,
    end: usize,
}

impl Head {
    /// The frame at the front; None while it is not whole.
    fn of(bytes: &[u8]) -> Result<Option<Self>> {
        let [first, second, ..] = bytes[..] else { return Ok(None) };
        ensure!(second & 0x80 == 0, "the server masked a frame");
        ensure!(first & 0x70 == 0, "a frame with reserved bits");
        let (start, length): (usize, u64) = match second {
            126 => match bytes.get(2..4) {
                Some(mut length) => (4, u64::from(length.get_u16())),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(mut length) => (10, length.get_u64()),
                None => return Ok(None),
            },
            length => (2, u64::from(length)),
        };
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let end = end.context("a frame longer than memory")?;
        let head = Self { opcode: first & 0x0f, last: first & 0x80 != 0, start, end };
        Ok((bytes.len() >= end).then_some(head))
    }
}

/// Where `needle` starts in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, others) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(others) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_only_when_it_is_whole() {
        let mut bytes = vec![0x81, 126, 1, 0];
        bytes.extend([b'x'; 256]);
        for cut in 0..bytes.len() {
            assert_eq!(Head::of(&bytes[..cut]).unwrap(), None);
        }
        let head = Head { opcode: TEXT, last: true, start: 4, end: 260 };
        assert_eq!(Head::of(&bytes).unwrap(), Some(head));
    }

    #[test]
    fn masked_frames_of_the_client_are_told_by_their_length() {
        for (length, head_bytes) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let mut out = Vec::new();
            encode(&mut out, TEXT, [1, 2, 3, 4], &vec![0; length]);
            assert_eq!(out.len(), head_bytes + length);
            assert_eq!(out[head_bytes..head_bytes + 4], [1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_server_that_masks_is_refused() {
        assert!(Head::of(&[0x81, 0x80]).is_err());
    }

    #[test]
    fn needles_are_found_behind_false_starts() {
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"aab", b"b"), Some(2));
        assert_eq!(find(b"aab", b"ba"), None);
    }
}
