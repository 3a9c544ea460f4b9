//! Which session a request belongs to. A polling session is listed here by its id with a mailbox
//! of its own, from which its [`Link`] takes the requests; this module knows nothing of packets
//! beyond handing out the first one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::engine::{Config, Payload, PayloadError, Refusal, open_packet};
use crate::link::{Link, WebSocket};
use crate::mailbox::{Mailbox, Request, Unposted};
use crate::{Frame, Sid};

/// Enough that requests of different sessions hardly ever wait for each other.
const SHARDS: usize = 64;

/// The sessions of a server. Cheap to clone.
pub struct Sessions<W> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    config: Arc<Config>,
    shards: [Mutex<HashMap<Sid, Entry<W>>>; SHARDS],
    listed: AtomicUsize,
}

enum Entry<W> {
    Polling(Arc<Mailbox<W>>),
    /// It has become a WebSocket, and takes no requests any more.
    Upgraded,
}

impl<W> Clone for Sessions<W> {
    fn clone(&self) -> Sessions<W> {
        Sessions { shared: self.shared.clone() }
    }
}

impl<W: WebSocket> Sessions<W> {
    /// No sessions yet.
    pub fn new(config: Config) -> Sessions<W> {
        let shards = std::array::from_fn(|_| Mutex::default());
        let listed = AtomicUsize::new(0);
        Sessions { shared: Arc::new(Shared { config: Arc::new(config), shards, listed }) }
    }

    /// The bounds of these sessions.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Opens a session over long-polling: the link for its task, and the answer that tells the
    /// client about it. If the answer never reaches the client, the session expires unpolled.
    ///
    /// Refuses with [`Refusal::Busy`] when there are too many sessions or no randomness.
    pub fn open_polling(&self) -> Result<(Link<W>, Response<Bytes>), Refusal> {
        let config = &self.shared.config;
        let sid = Sid::random().map_err(|_| Refusal::Busy)?;
        let mailbox = Arc::new(Mailbox::new(config.requests_waiting_max));
        let listing = self.list(sid, mailbox.clone())?;
        let (Frame::Text(body) | Frame::Binary(body)) = open_packet(config, sid, true);
        let link = Link::polling(config.clone(), listing, mailbox, Instant::now());
        Ok((link, crate::engine::payload_response(body)))
    }

    /// Opens a session over a WebSocket. Its first packet waits in the socket: write it with
    /// [`Link::poll_write`].
    ///
    /// Refuses with [`Refusal::Busy`] when there is no randomness for an id.
    pub fn open_websocket(&self, mut socket: W) -> Result<Link<W>, Refusal> {
        let config = &self.shared.config;
        // Nobody has to find this session, so its id is told and forgotten.
        let sid = Sid::random().map_err(|_| Refusal::Busy)?;
        socket.enqueue(open_packet(config, sid, false));
        Ok(Link::websocket(config.clone(), socket, Instant::now()))
    }

    /// A poll of a session: waits until the session has something to say, but no longer than
    /// [`Config::unpolled_timeout`]. Dropping the future means that the client went away, and ends
    /// the session as in the reference server.
    pub async fn poll(&self, sid: Sid) -> Response<Bytes> {
        self.ask(sid, Request::Poll).await
    }

    /// Packets for a session. Waits until they were taken, but no longer than
    /// [`Config::unpolled_timeout`].
    ///
    /// A body over [`Config::max_payload`] is refused with 413, and the session goes on; the
    /// embedding server should not even read so much, and answer [`Refusal::PayloadTooLarge`]
    /// itself. A body that cannot be read is refused with 400 and ends the session.
    pub async fn post(&self, sid: Sid, body: Bytes) -> Response<Bytes> {
        let Config { max_payload, payload_packets_max, .. } = *self.config();
        match Payload::new(body, max_payload, payload_packets_max) {
            Err(PayloadError::TooLarge) => Refusal::PayloadTooLarge.to_response(),
            payload => self.ask(sid, |answer| Request::Post { payload, answer }).await,
        }
    }

    async fn ask(
        &self,
        sid: Sid,
        request: impl FnOnce(oneshot::Sender<Response<Bytes>>) -> Request<W>,
    ) -> Response<Bytes> {
        let (answer, answered) = oneshot::channel();
        let posted = self.mailbox(sid).and_then(|mailbox| {
            mailbox.post(request(answer)).map_err(|unposted| match unposted {
                Unposted::Full(_) => Refusal::Busy,
                Unposted::Closed(_) => Refusal::UnknownSid,
            })
        });
        if let Err(refusal) = posted {
            return refusal.to_response();
        }
        match timeout(self.config().unpolled_timeout(), answered).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Refusal::UnknownSid.to_response(),
            Err(_) => Refusal::Busy.to_response(),
        }
    }

    /// Whether a WebSocket may be opened for this session: to be asked before the WebSocket
    /// handshake. One that has a WebSocket already says yes, and [`upgrade`](Sessions::upgrade)
    /// closes the new one, as in the reference server.
    pub fn check_upgrade(&self, sid: Sid) -> Result<(), Refusal> {
        match self.shard(sid).contains_key(&sid) {
            true => Ok(()),
            false => Err(Refusal::UnknownSid),
        }
    }

    /// Hands a WebSocket to the polling session that it wants to take over, and closes it if
    /// nothing comes of it. Runs until either is settled, which takes no longer than
    /// [`Config::upgrade_timeout`] and the time to close.
    pub async fn upgrade(&self, sid: Sid, socket: W) {
        let (back, returned) = oneshot::channel();
        let posted = match self.mailbox(sid) {
            Ok(mailbox) => mailbox.post(Request::Upgrade { socket, back }),
            Err(_) => return socket.close(NORMAL_CLOSURE, "").await,
        };
        let unwanted = match posted {
            Ok(()) => returned.await.ok(),
            Err(Unposted::Full(request) | Unposted::Closed(request)) => {
                request.refuse();
                returned.await.ok()
            }
        };
        if let Some(socket) = unwanted {
            socket.close(NORMAL_CLOSURE, "").await;
        }
    }

    fn mailbox(&self, sid: Sid) -> Result<Arc<Mailbox<W>>, Refusal> {
        match self.shard(sid).get(&sid) {
            Some(Entry::Polling(mailbox)) => Ok(mailbox.clone()),
            Some(Entry::Upgraded) => Err(Refusal::BadRequest),
            None => Err(Refusal::UnknownSid),
        }
    }

    fn list(&self, sid: Sid, mailbox: Arc<Mailbox<W>>) -> Result<Listing<W>, Refusal> {
        let max = self.shared.config.sessions_max;
        if self.shared.listed.fetch_add(1, Ordering::Relaxed) >= max {
            self.shared.listed.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Busy);
        }
        self.shard(sid).insert(sid, Entry::Polling(mailbox));
        Ok(Listing { sessions: self.clone(), sid })
    }
}

/// RFC 6455, section 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

impl<W> Sessions<W> {
    /// Sessions that requests can reach now.
    pub fn listed(&self) -> usize {
        self.shared.listed.load(Ordering::Relaxed)
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, HashMap<Sid, Entry<W>>> {
        let shard = &self.shared.shards[usize::from(sid.first_byte()) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place in the directory; dropping it gives the place up.
pub(crate) struct Listing<W> {
    sessions: Sessions<W>,
    sid: Sid,
}

impl<W> Listing<W> {
    /// Keeps the id known, but lets requests no longer through.
    pub(crate) fn mark_upgraded(&self) {
        self.sessions.shard(self.sid).insert(self.sid, Entry::Upgraded);
    }
}

impl<W> Drop for Listing<W> {
    fn drop(&mut self) {
        self.sessions.shard(self.sid).remove(&self.sid);
        self.sessions.shared.listed.fetch_sub(1, Ordering::Relaxed);
    }
}
