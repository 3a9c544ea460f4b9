//! Every fixed bound, with its reason. What an operator may want to change is an option in
//! `config.rs` instead; what is here protects the process or follows from a protocol.
//!
//! To add one: a constant with its unit in the name (a [`Duration`] carries its own) and the
//! reason above it.

mod kafka;
mod nodes;
mod postgres;

use std::time::Duration;

pub use kafka::*;
pub use nodes::*;
pub use postgres::*;

/// How long a peer may take to answer our close frame before the socket is dropped: a round trip
/// on a bad mobile line.
pub const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How long one write may take, which is at most a page of history. A peer that takes nothing for
/// so long is gone; on a busy conversation its outbox overflows long before.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(60);

/// Events read from the log at once when a connection catches up. Large enough that the reads do
/// not dominate, small enough that a thousand resuming clients hold little memory.
pub const REPLAY_PAGE_EVENTS: usize = 256;

/// Events read from the log at once when a console catches up: it reads one thing, and a large
/// page costs less for each event than a small one.
pub const CONSOLE_PAGE_EVENTS: usize = 1_024;

/// Events read at once of each conversation, where a connection catches up with many.
pub const REPLAY_SOURCE_EVENTS_MIN: usize = 16;

/// Changes the log's writer commits with one fsync at most. Under load several messages of one
/// conversation share a commit, and with it the pages of their indexes, which cost more than the
/// fsync; at full speed a commit of this size takes about a tenth of a second.
pub const COMMIT_BATCH_CHANGES_MAX: usize = 4_096;

/// Changes that may wait for the log's writer. Two batches deep, so the writer never idles; when it is full, those who commit wait, which slows the senders and nobody else.
pub const COMMIT_QUEUE_CHANGES_MAX: usize = 8_192;

/// Commits whose events may wait for the hub. The hub never waits for a socket, so this absorbs a
/// scheduling hiccup, not a slow reader.
pub const TAIL_COMMITS_MAX: usize = 64;

/// Events told one after the other before those who listen get their turn. A post may have more
/// events than an outbox holds, and whoever reads as fast as it can must not be cut for that.
pub const FEED_BURST_EVENTS: usize = 64;

/// Connections that get their turn in one: what the runtime runs at least before it comes back.
pub const FEED_TURN_CONNECTIONS: usize = 64;

/// Conversation records kept in memory: those in use stay, so a message needs no read; about 500
/// bytes each.
pub const CONVERSATION_CACHE_RECORDS: usize = 20_000;

/// How often the write-ahead log is copied back into the database. On a full disk it is also what
/// makes room again.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// Pages of 4 KiB after which the write-ahead log begins anew: 256 MiB on disk. Commits wait for
/// some milliseconds then, so it should be rare: every ten seconds at thousands of messages a
/// second.
pub const WAL_PAGES_MAX: i64 = 65_536;

/// How long the writer waits for readers of the old write-ahead log. Reads take milliseconds, and
/// every commit waits meanwhile.
pub const WAL_RESTART_WAIT: Duration = Duration::from_millis(20);

/// Read connections of the store. Reads are short; more of them only contend for the page cache.
pub const STORE_READERS: usize = 4;

/// How long a read waits for another process that holds the database file, such as a backup.
pub const STORE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The size of a request's head: a token of 8 KiB in the query, cookies, and room.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;

/// The size of a REST body: a thousand events of one KiB each.
pub const REST_BODY_BYTES_MAX: usize = 1024 * 1024;

/// The size of a body of events: a thousand of four KiB each.
pub const EVENTS_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The size of an event's payload: twice the longest text, and well below a frame.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 32 * 1024;

/// Posts of events that are read and kept at once; the others wait. Each may have a thousand events,
/// so what waits for the log is bounded by this and not by its queue of posts.
pub const POSTS_AT_ONCE_MAX: usize = 64;

/// How long a post waits for its turn. Longer means that the disk does not keep up.
pub const POST_WAIT: Duration = Duration::from_secs(10);

/// The length of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How long a client may take to send the body of a request.
pub const REST_BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections the kernel finishes while nobody accepts. A call centre whose switch came back
/// reconnects all at once; the kernel itself lowers this to `net.core.somaxconn`.
pub const ACCEPT_BACKLOG: u32 = 4_096;

/// How long the accept loop rests after an error such as "too many open files": accepting again
/// at once would fail again and turn a full table into a busy loop.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// How often the certificate and key files are looked at. Polling two files costs nothing and
/// works on every file system, Kubernetes' swapped symlinks included.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// How long the polite refusal of a connection over the address limit may take, from the first
/// byte read to the last written.
pub const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Refusals of that kind under way at once. Beyond it a connection is dropped without a word: the
/// answer is a courtesy and must not become the way to exhaust us.
pub const REFUSALS_AT_ONCE_MAX: usize = 64;

/// When a client refused that way may try again: long enough for closed tabs to be noticed.
pub const REFUSAL_RETRY_AFTER_S: u64 = 5;

/// The longest duration an option may have, ten years: added to any clock it cannot overflow.
pub const OPTION_DURATION_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// Frames a connection may send in a minute that are neither messages nor typing: read marks,
/// history, pings. A client that scrolls and reads fast sends a few a second.
pub const OTHER_FRAMES_PER_MINUTE: u32 = 1_200;

/// Refusals in a row after which a connection over its rate limit is closed with 4029: a client
/// that heeds `retry_after` never gets near it.
pub const PERSISTENT_REFUSALS: u32 = 100;

/// Callers whose pace is remembered before the idle ones are forgotten.
pub const PACES_MAX: usize = 10_000;

/// Tenants remembered to exist, so that a token need not be looked up; beyond it they are.
pub const KNOWN_TENANTS_MAX: usize = 10_000;

/// How long the server believes a typist that says nothing more (contract 5).
pub const TYPING_TIMEOUT: Duration = Duration::from_secs(3);

/// How long delivery marks gather. Short for a person, long for a disk.
pub const DELIVERY_MARK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a login may wait for its turn at the password hash.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(5);

/// How often joins and leaves are tried again that the log could not keep.
pub const OWED_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Events deleted in one transaction when they are past their retention, or rows of `recoveries`:
/// some milliseconds, during which commits wait.
pub const PRUNE_STEP_EVENTS: u64 = 1_000;

/// Longest name of a person, a department or a tenant, in characters: nobody reads more.
pub const NAME_CHARS_MAX: usize = 200;

/// Longest e-mail address (RFC 5321).
pub const EMAIL_BYTES_MAX: usize = 254;

/// Longest name of an event that is sent to a user.
pub const EVENT_NAME_CHARS_MAX: usize = 64;

/// Conversations looked at for one page of a list of which the caller may see few, and how many
/// times: the next page goes on from there.
pub const LIST_READ_ROWS: usize = 256;
/// See [`LIST_READ_ROWS`].
pub const LIST_READS_MAX: usize = 8;

/// Days of one report: a leap year.
pub const REPORT_DAYS_MAX: u32 = 366;

/// How long the store may take to say that it can write. Load balancers ask every few seconds
/// and give up after one or two.
pub const STORE_DEADLINE: Duration = Duration::from_secs(1);

/// How long a verdict about the store counts, so that watchers do not keep its writer busy.
pub const STORE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Buffers of an open WebSocket. What fits into them needs one system call; what they hold is
/// paid for by every idle connection.
pub const WS_READ_BUFFER_BYTES: usize = 256;
/// See [`WS_READ_BUFFER_BYTES`].
pub const WS_WRITE_BUFFER_BYTES: usize = 8 * 1024;

/// Messages of one connection that may wait for the disk before its next frame is read.
pub const ANSWERS_PENDING_MAX: usize = 128;

/// How long a reader may take for that many. Replay never ends a reader as slow (contract 3): by
/// then it has missed its heartbeat several times over.
pub const REPLAY_WRITE_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// Events of a replay written between two looks at whether the peer still lives.
pub const REPLAY_WRITE_EVENTS: usize = 64;

/// Conversations one connection may take part in: far more than a supervisor can watch.
pub const ROOMS_PER_CONNECTION_MAX: usize = 1_000;

/// Conversations of an agent whose customers are told that it came or went: more than anybody
/// answers at once.
pub const PRESENCE_CONVERSATIONS_MAX: usize = 100;

/// Wrong tokens a connection may show before it is closed; a client shows the same one again and
/// again, and each costs a signature check.
pub const CREDENTIALS_TRIED_MAX: u32 = 5;

/// Packets a Socket.IO client may send before it has said who it is: what it has buffered, and some
/// tries.
pub const PACKETS_BEFORE_KNOWN_MAX: u32 = 100;

/// Attachments of a Socket.IO packet and how deep its JSON may be nested. No event of ours has
/// either; what is over is a mistake or an attack.
pub const SOCKETIO_ATTACHMENTS_MAX: usize = 10;
/// See [`SOCKETIO_ATTACHMENTS_MAX`].
pub const SOCKETIO_JSON_DEPTH_MAX: usize = 32;

/// Frames that may wait for the next poll of a long-polling client before its outbox has to hold
/// them: a poll comes within a round trip.
pub const POLL_FRAMES_WAITING_MAX: usize = 256;

/// How long a Socket.IO client may take to say who it is (contract 6).
pub const AUTHENTICATE_DEADLINE: Duration = Duration::from_secs(10);

/// A drain sends connections away in groups of so many ...
pub const DRAIN_GROUP_CONNECTIONS: usize = 500;
/// ... this far apart, so that ten thousand clients come back over a second, not at once.
pub const DRAIN_GROUP_INTERVAL: Duration = Duration::from_millis(50);

/// How long a drain waits for the poll that carries the goodbye of a long-polling client: a round
/// trip. Without it the client comes back just the same.
pub const DRAIN_POLL_WAIT: Duration = Duration::from_millis(250);

/// How long it is known where a connection was that has ended, if `server.recovery_window` is not
/// longer. The window is minutes, but a client that gives `auth.after` may come back after it: a
/// week brings back a laptop that was closed over a holiday, and a row for each connection of a
/// week is little beside its joins and leaves.
pub const RECOVERIES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// For how long a repeat of a post is known (contract 7).
pub const POSTS_KEPT: Duration = Duration::from_secs(86_400);

/// For how long a call is believed to go on whose end nobody tells. Longer than anybody talks.
pub const CALLS_KEPT: Duration = Duration::from_secs(86_400);

/// Users of whom it is known when they went. A few MiB.
pub const DEPARTURES_KNOWN_MAX: usize = 10_000;

/// Notifications told to a connection that comes, the oldest first; the rest is told to the next
/// one, and is in the list meanwhile.
pub const NOTICES_AT_ONCE_MAX: usize = 200;

/// Notifications marked as read with one frame or request.
pub const NOTICES_READ_AT_ONCE_MAX: usize = 1_000;

/// The first line of a telephone system; it is 30 bytes long.
pub const AMI_GREETING_BYTES_MAX: usize = 256;

/// A packet of a telephone system. Channels with many variables have some KiB.
pub const AMI_PACKET_BYTES_MAX: usize = 64 * 1024;

/// Read from a telephone system at once; what came together is kept in one transaction.
pub const AMI_READ_BYTES: usize = 64 * 1024;

/// Memory for the lists of a telephone system and for what happens while they are read: fifty
/// thousand channels.
pub const AMI_SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long the lists may take. Asterisk makes them in memory.
pub const AMI_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a call may be on its way to a queue or a person before it is told that it came in,
/// without that.
pub const AMI_INCOMING_PATIENCE: Duration = Duration::from_secs(1);

/// How long a telephone system may take to let us connect, encryption included.
pub const AMI_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to greet, and to answer a login; Asterisk takes a second to say no.
pub const AMI_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to take an action in.
pub const AMI_WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is asked whether it is there ...
pub const AMI_PING_INTERVAL: Duration = Duration::from_secs(30);
/// ... and how long it may say nothing: three times that.
pub const AMI_SILENCE_MAX: Duration = Duration::from_secs(90);

/// The first pause before it is connected to again; it doubles ...
pub const AMI_PAUSE: Duration = Duration::from_secs(1);
/// ... up to this.
pub const AMI_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The pause after it refused us. Until somebody mends that, the answer is the same, and some
/// telephone systems lock out who tries often.
pub const AMI_REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Calls that ended and are remembered, so that what is told of them late is not told again: some
/// minutes of a busy system.
pub const AMI_CALLS_OVER_KEPT: usize = 1_000;

/// How soon after each other the figures of the queues are asked for, however much happens.
pub const AMI_STATS_PAUSE: Duration = Duration::from_secs(1);

/// Events of a telephone system that are kept in one transaction.
pub const AMI_REPORT_EVENTS_MAX: usize = 1_000;

/// How long a telephone system is not read while the log refuses what it told. The kernels' buffers
/// hold about so much; then the line is cut, and everything compared once the log takes it again.
pub const AMI_STALL_MAX: Duration = Duration::from_secs(10);

/// Most patterns of events that a key, a subscription or a webhook names. There are fewer events.
pub const PATTERNS_MAX: usize = 100;

/// How often events past their retention are deleted.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Questions a provider of the bot may have at once. Each waits for a network, so this bounds
/// sockets and what the other side has to bear.
pub const BOT_CALLS_AT_ONCE_MAX: usize = 64;

/// Questions that may wait for the bot, and as many conversations it may be busy with. Beyond it a
/// customer is better off in the queue.
pub const BOT_QUESTIONS_MAX: usize = 1_024;

/// Lines of one conversation that may wait while the bot thinks: more than anybody types in that
/// time, and few enough that no customer fills the desk of all.
pub const BOT_LINES_MAX: usize = 16;

/// How long a question whose asker has left may be on its way through the log, after which the log
/// must have refused it.
pub const BOT_ASKED_KEPT: Duration = Duration::from_secs(60);

/// How many messages after a repeated question its answer is looked for, if it was answered
/// together with others: what is said while the bot thinks twice.
pub const BOT_ANSWER_SEARCH_MESSAGES: u64 = 256;

/// How long a connection to a provider may take: a far continent and one lost packet.
pub const BOT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The first pause before a provider is asked again; it doubles ...
pub const BOT_RETRY_PAUSE: Duration = Duration::from_millis(400);
/// ... up to this.
pub const BOT_RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The largest reply of a provider, everything around the answer included.
pub const BOT_REPLY_BYTES_MAX: usize = 1024 * 1024;

/// How much of a conversation a provider is told, beside the question.
pub const BOT_HISTORY_BYTES_MAX: usize = 16 * 1024;

/// How often the bot's typing is told anew, well before it would end by itself.
pub const BOT_TYPING_INTERVAL: Duration = Duration::from_secs(2);

/// How often the questions are looked after that a node left when it died; also how long after the
/// end of all thinking they count as left.
pub const BOT_SETTLED_INTERVAL: Duration = Duration::from_secs(10);

/// Entries of the FAQ that are compared with a question, of those the index finds.
pub const FAQ_CANDIDATES: usize = 32;

/// Words of a question the FAQ is searched by. Nobody asks in more.
pub const FAQ_QUESTION_WORDS_MAX: usize = 32;

/// Entries of a tenant's FAQ.
pub const FAQ_ENTRIES_MAX: usize = 5_000;

/// How long agents have to come back after the server was started again, before they count as
/// gone: the clients' own pause before they try, and their share of a storm.
pub const RESTART_GRACE: Duration = Duration::from_secs(15);

/// Events of the log that may wait for routing before the log's tail does.
pub const ROUTING_INBOX_EVENTS: usize = 4_096;

/// How long a verb waits until what routing made of it is kept. It goes on in any case.
pub const ROUTING_KEEP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a verb waits until routing has taken in what it did.
pub const ROUTING_CATCH_UP: Duration = Duration::from_secs(1);

/// Starts of service from which a queue's rate is taken: recent, and enough of them to even out.
pub const ROUTING_STARTS_KEPT: usize = 20;

/// How often the places of one queue are told at most.
pub const PLACES_INTERVAL: Duration = Duration::from_secs(1);

/// Places that are looked at in one go: a fraction of a millisecond.
pub const PLACES_SLICE: usize = 256;

/// How often the leases of heartbeats are kept. What a crash loses ends a lease by so much sooner.
pub const BEATS_KEPT_INTERVAL: Duration = Duration::from_secs(10);

/// How far a conversation's priority may be from the usual one.
pub const PRIORITY_MAX: i32 = 100;

/// Decisions about one conversation that are shown.
pub const ROUTING_DECISIONS_MAX: usize = 50;

/// Webhooks of a tenant. Each is looked at for every event of it.
pub const WEBHOOKS_PER_TENANT_MAX: usize = 50;

/// Longest address of a webhook, as browsers and proxies have it.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;

/// How long the secret before the present one signs beside it: time to give the new one to every
/// receiver.
pub const WEBHOOK_SECRET_OVERLAP: Duration = Duration::from_secs(86_400);

/// Secrets before the present one that sign at most: somebody who gives a new one five times a day
/// does not mean the first of them any more.
pub const WEBHOOK_OLD_SECRETS_MAX: usize = 4;

/// How long a receiver may ask to be left alone (`Retry-After`). Beyond it lies a mistake.
pub const WEBHOOK_RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// How much of a receiver's answer is read, so that the connection can be used again.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 4 * 1024;

/// How long that may take. The answer itself counts before.
pub const WEBHOOK_ANSWER_WAIT: Duration = Duration::from_secs(1);

/// How much of the reason is kept for which a receiver could not be reached.
pub const WEBHOOK_FAULT_CHARS_MAX: usize = 200;

/// Names of receivers that are looked up at once. Each takes a thread of the pool that the store
/// reads with, for as long as a name server does not answer.
pub const WEBHOOK_LOOKUPS_AT_ONCE_MAX: usize = 32;

/// Events a tenant's webhooks read from the log at once.
pub const WEBHOOK_PAGE_EVENTS: usize = 256;

/// How far a webhook may have read beyond what the log knows of it, while it wanted nothing: after a
/// crash so much is read again.
pub const WEBHOOK_CURSOR_EVENTS: u64 = 1_000;

/// For how long at most.
pub const WEBHOOK_CURSOR_INTERVAL: Duration = Duration::from_secs(60);

/// How long a stopping server waits for the answers of receivers that have a request; what has none
/// by then is sent again by the next start.
pub const WEBHOOK_DRAIN_WAIT: Duration = Duration::from_secs(2);
