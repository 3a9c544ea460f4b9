//! Who a Socket.IO client is: said in its handshake, or by an event soon after (contract 6). Until
//! then it is in no room and hears nothing; afterwards the loop of every dialect takes over.

use std::sync::Arc;

use engineio_socketio::socket::{Arrival, Config, Connection as Packets, Fault};
use engineio_socketio::{Frame, Incoming, Link, Sid, Text};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::codec::{INVALID_NAMESPACE, SocketIo};
use super::frames::{AckOut, ErrorOut, ack, event};
use super::line::reason_of;
use super::requests::{self, AuthIn};
use crate::app::{App, Connection, Recovered, Resume, Seat, Start};
use crate::limits::{AUTHENTICATE_DEADLINE, CREDENTIALS_TRIED_MAX, PACKETS_BEFORE_KNOWN_MAX};
use crate::model::{CloseReason, Credential, Cursor, Error, Identity};
use crate::wire::connection::{Beginning, Opened};
use crate::wire::registry::Registry;
use crate::wire::socket::Socket;
use crate::wire::{Beat, Door};

/// What finds out who a client is.
pub(super) struct Greeter {
    pub(super) app: App,
    pub(super) registry: Registry,
    pub(super) packets: Arc<Config>,
    /// The token that the request carried which opened the session, if it carried one.
    pub(super) carried: Option<String>,
}

/// A client that is known.
pub(super) struct Greeted {
    conn: Connection,
    codec: SocketIo,
    beginning: Beginning,
}

impl Greeted {
    pub(super) fn open(self, door: Door, line: Link<Socket>, beat: Beat) -> Opened<SocketIo> {
        let Greeted { conn, codec, beginning } = self;
        tracing::info!(
            socket_id = %conn.id, user_id = %conn.who.user, role = %conn.who.role,
            "Socket.IO client connected"
        );
        Opened { app: door.app, registry: door.registry, codec, conn, line, beginning, beat }
    }
}

/// How a greeting ends early: the session ended, or has to.
struct Ending(CloseReason);

impl From<Fault> for Ending {
    fn from(fault: Fault) -> Ending {
        tracing::debug!(%fault, "a Socket.IO client broke the protocol");
        Ending(CloseReason::ProtocolError)
    }
}

/// What a client proved, and where it wants to go on.
struct Proof {
    who: Identity,
    seat: Seat,
    auth: AuthIn,
}

impl Greeter {
    /// Talks to a client until it is known.
    pub(super) async fn greet(
        self,
        link: &mut Link<Socket>,
        shutdown: &CancellationToken,
    ) -> Result<Greeted, CloseReason> {
        match shutdown.run_until_cancelled(self.talk(link)).await {
            None => Err(CloseReason::GoingAway),
            Some(greeted) => greeted.map_err(|Ending(reason)| reason),
        }
    }

    async fn talk(&self, link: &mut Link<Socket>) -> Result<Greeted, Ending> {
        let link = &mut Talk { link, deadline: Instant::now() + AUTHENTICATE_DEADLINE, said: 0 };
        let mut packets = Packets::new(self.packets.clone(), Instant::now());
        let auth = self.connect(link, &mut packets).await?;
        match auth {
            Connected::Known(proof) => self.begin(proof, packets, None).await,
            Connected::Unknown(auth) => {
                let (sid, recovery) = (new_sid()?, Uuid::new_v4());
                let pid = recovery.simple().to_string();
                link.link.enqueue(packets.accept("/", sid, Some(&pid)));
                link.flush().await?;
                let proof = self.await_event(link, &mut packets, auth).await?;
                self.begin(proof, packets, Some(recovery)).await
            }
        }
    }

    /// Waits for the client to enter the namespace, with whatever it proves itself.
    async fn connect(
        &self,
        link: &mut Talk<'_>,
        packets: &mut Packets,
    ) -> Result<Connected, Ending> {
        for _ in 0..CREDENTIALS_TRIED_MAX {
            let text = link.next_text().await?;
            let Some(Arrival::Connect { namespace, auth }) = packets.text(&text, Instant::now())?
            else {
                continue;
            };
            let refused = if namespace == "/" {
                match self.check(auth).await {
                    Ok(connected) => return Ok(connected),
                    Err(refusal) => {
                        self.app.metrics.refused(&refusal);
                        let data = serde_json::value::to_raw_value(&ErrorData::of(&refusal)).ok();
                        packets.refuse(namespace, &refusal.to_string(), data.as_deref())
                    }
                }
            } else {
                packets.refuse(namespace, INVALID_NAMESPACE, None)
            };
            link.link.enqueue(refused);
            link.flush().await?;
        }
        Err(Ending(CloseReason::Forbidden))
    }

    async fn check(&self, auth: Option<&RawValue>) -> Result<Connected, Error> {
        let auth = AuthIn::read(auth)?;
        let carried = || self.carried.clone().map(Credential::Token);
        match auth.credential().or_else(carried) {
            Some(credential) => Ok(Connected::Known(self.prove(&credential, auth).await?)),
            None => Ok(Connected::Unknown(auth)),
        }
    }

    async fn prove(&self, credential: &Credential, auth: AuthIn) -> Result<Proof, Error> {
        let who = self.app.identify_by(credential).await?;
        let seat = self.app.seat(&who).await?;
        Ok(Proof { who, seat, auth })
    }

    /// Waits for the `authenticate` event; whatever else comes before it is refused.
    async fn await_event(
        &self,
        link: &mut Talk<'_>,
        packets: &mut Packets,
        auth: AuthIn,
    ) -> Result<Proof, Ending> {
        loop {
            let text = link.next_text().await?;
            let (name, args, id) = match packets.text(&text, Instant::now())? {
                Some(Arrival::Event { name, args, ack, .. }) => (name, args, ack),
                Some(Arrival::Disconnect { .. }) => {
                    return Err(Ending(CloseReason::ClientClosed));
                }
                Some(Arrival::Connect { namespace, .. }) => {
                    link.link.enqueue(packets.refuse(namespace, INVALID_NAMESPACE, None));
                    link.flush().await?;
                    continue;
                }
                _ => continue,
            };
            let is_it = name == "authenticate";
            let proved = match is_it {
                true => requests::credential(args.first().copied()),
                false => Err(Error::Unauthorized("authenticate first".into())),
            };
            let proved = match proved {
                Ok(credential) => self.prove(&credential, AuthIn::default()).await,
                Err(refusal) => Err(refusal),
            };
            match proved {
                Ok(proof) => {
                    let done = id.and_then(|id| ack(id, &AckOut::done()));
                    done.into_iter().for_each(|frame| link.link.enqueue(Frame::Text(frame)));
                    return Ok(Proof { auth, ..proof });
                }
                Err(refusal) => {
                    self.app.metrics.refused(&refusal);
                    let told = id.and_then(|id| ack(id, &AckOut::refused(&refusal)));
                    let told =
                        told.into_iter().chain(event("error", &ErrorOut::of(&refusal, &name)));
                    told.for_each(|frame| link.link.enqueue(Frame::Text(frame)));
                    if is_it {
                        // What is told goes out with the end.
                        return Err(Ending(CloseReason::Forbidden));
                    }
                    link.flush().await?;
                }
            }
        }
    }

    /// Finds out where the client goes on. Whether it is `recovered` is told with the answer to
    /// its handshake, so only one that proved itself there can be; `answered` is what one was told
    /// that did not.
    async fn begin(
        &self,
        proof: Proof,
        packets: Packets,
        answered: Option<Uuid>,
    ) -> Result<Greeted, Ending> {
        let Proof { who, seat, auth } = proof;
        let failed = |_: Error| Ending(CloseReason::Internal);
        let known = auth.pid.as_deref().map(|pid| Uuid::try_parse(pid).unwrap_or_default());
        let after = auth.offset.as_deref().or(auth.after.as_deref());
        let mut conn = self.app.connect(who, seat);
        let (mut recovery, mut lost) = (answered.unwrap_or_else(Uuid::new_v4), vec![]);
        let beginning = match (known, after) {
            (Some(_), _) if answered.is_some() => {
                let start = self.start(&conn, None).await.map_err(failed)?;
                at(start, Resume::Resync("authenticate_in_handshake"))
            }
            (Some(known), after) => {
                let is_patient = auth.after.is_some();
                let after = after.unwrap_or_default();
                let recovered = self.app.recover(&conn.who, known, after, is_patient).await;
                let Recovered { start, rooms, lost: left } = recovered.map_err(failed)?;
                let is_taken_up = start.resume == Resume::Missed;
                self.registry.replace(known, &conn.who, is_taken_up);
                if is_taken_up {
                    (conn.rooms, recovery, lost) = (rooms, known, left);
                    // What it did not come to join before the cut still has its past.
                    if let Some(after) = auth.after.as_deref() {
                        let joining = self.start(&conn, Some(after)).await.map_err(failed)?;
                        conn.after = past_of(&joining);
                    }
                }
                Beginning::At(start)
            }
            (None, Some(after)) => {
                let start = self.start(&conn, Some(after)).await.map_err(failed)?;
                conn.after = past_of(&start);
                Beginning::At(start)
            }
            (None, None) => Beginning::Now,
        };
        conn.recovery = Some(recovery);
        let answer = match answered {
            None => Some((new_sid()?, recovery)),
            Some(_) => None,
        };
        let codec = SocketIo::new(packets, answer, lost);
        Ok(Greeted { conn, codec, beginning })
    }

    async fn start(&self, conn: &Connection, after: Option<&str>) -> Result<Start, Error> {
        self.app.start_of(&conn.who.tenant, None, after).await
    }
}

/// A client in the namespace.
enum Connected {
    Known(Proof),
    Unknown(AuthIn),
}

#[derive(serde::Serialize)]
struct ErrorData {
    code: &'static str,
}

impl ErrorData {
    fn of(error: &Error) -> ErrorData {
        ErrorData { code: error.code() }
    }
}

/// From where on a conversation is told that is joined, if it is told of its past.
fn past_of(start: &Start) -> Option<Cursor> {
    (start.resume == Resume::Missed).then_some(start.cursor)
}

fn at(start: Start, resume: Resume) -> Beginning {
    Beginning::At(Start { resume, ..start })
}

fn new_sid() -> Result<Sid, Ending> {
    Sid::random().map_err(|_| Ending(CloseReason::Internal))
}

/// A talk with a client that has so long to say who it is; what we need for it ourselves does not
/// count.
struct Talk<'a> {
    link: &'a mut Link<Socket>,
    deadline: Instant,
    said: u32,
}

impl Talk<'_> {
    async fn next_text(&mut self) -> Result<Text, Ending> {
        self.said += 1;
        if self.said > PACKETS_BEFORE_KNOWN_MAX {
            return Err(Ending(CloseReason::RateLimited));
        }
        loop {
            let came = timeout_at(self.deadline, self.link.recv()).await;
            match came.map_err(|_| Ending(CloseReason::Forbidden))? {
                Incoming::Text(text) => return Ok(text),
                // Nothing that is said before one is known has an attachment.
                Incoming::Binary(_) => return Err(Ending(CloseReason::ProtocolError)),
                Incoming::Alive | Incoming::Alarm => {}
                Incoming::End(reason) => return Err(Ending(reason_of(reason))),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        let written = timeout_at(self.deadline, self.link.flush()).await;
        let written = written.map_err(|_| Ending(CloseReason::SlowConsumer))?;
        written.map_err(|reason| Ending(reason_of(reason)))
    }
}
