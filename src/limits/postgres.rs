//! The bounds of the log in PostgreSQL, of following it, and of moving a log there.

use std::time::Duration;

/// How long connecting to PostgreSQL may take: another city, and a lost packet.
pub const POSTGRES_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take, by the server's clock. Pages are short; what takes longer is
/// better tried again.
pub const POSTGRES_STATEMENT_MAX: Duration = Duration::from_secs(8);

/// How long a transaction may do nothing. A node that was stopped in the middle of one holds the
/// rows of its tenants for so long, and every other node waits for them.
pub const POSTGRES_IDLE_TRANSACTION: Duration = Duration::from_secs(4);

/// How long a transaction waits for another's rows: longer than a stopped node may hold them.
pub const POSTGRES_LOCK_WAIT: Duration = Duration::from_secs(6);

/// How long an answer of PostgreSQL is waited for, by our clock: longer than the server itself lets
/// a statement take, so that this ends only what the network has swallowed.
pub const POSTGRES_DEADLINE: Duration = Duration::from_secs(10);

/// How long the other end of a line to PostgreSQL may acknowledge nothing.
pub const POSTGRES_SILENCE_MAX: Duration = Duration::from_secs(8);

/// How long a group of changes is tried before those who wait are told that it failed: a restart of
/// the database, or a stopped node that has to be waited for first.
pub const POSTGRES_COMMIT_PATIENCE: Duration = Duration::from_secs(15);

/// How long it is asked what became of a commit whose answer was lost. The server ends what it
/// was part of before.
pub const POSTGRES_DOUBT_MAX: Duration = Duration::from_secs(20);

/// The first pause before a lost line to PostgreSQL is opened again; it doubles ...
pub const POSTGRES_PAUSE: Duration = Duration::from_millis(20);
/// ... up to this.
pub const POSTGRES_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a read waits for a line to PostgreSQL when there is none.
pub const POSTGRES_LINE_WAIT: Duration = Duration::from_secs(2);

/// Conversations read with one statement: those that were asked for while the one before it was
/// under way.
pub const CONVERSATIONS_READ_AT_ONCE: usize = 256;
/// Such statements at once: while one is under way, the next one's gather.
pub const CONVERSATION_READS_MAX: usize = 2;
/// Conversations that may wait to be read.
pub const CONVERSATIONS_ASKED_MAX: usize = 4_096;

/// Tenants that a writer remembers to exist, so that it need not make them.
pub const WRITER_TENANTS_KNOWN_MAX: usize = 100_000;

/// How often the heads of the logs are read where other nodes tell what they commit: what that
/// loses is told by so much later.
pub const HEADS_INTERVAL: Duration = Duration::from_secs(1);
/// And where they do not.
pub const HEADS_INTERVAL_ALONE: Duration = Duration::from_millis(200);

/// How long an event that is missing between others may be on its way, before it is read from the
/// log.
pub const GAP_WAIT: Duration = Duration::from_millis(50);

/// Events that wait for one before them. When there are so many nothing more is taken in until the
/// gap is read.
pub const HELD_EVENTS_MAX: usize = 16_384;

/// Events of a gap read at once, and tenants whose gaps are read at once.
pub const GAP_PAGE_EVENTS: usize = 512;
/// See [`GAP_PAGE_EVENTS`].
pub const GAP_READS_MAX: usize = 4;

/// Rows copied at once where a log is moved to another database: some MiB.
pub const MOVE_BATCH_EVENTS: usize = 10_000;
/// Such batches read ahead.
pub const MOVE_BATCHES_WAITING_MAX: usize = 2;
/// How often it is looked whether the server has stopped whose log is moved.
pub const MOVE_FOLLOW_INTERVAL: Duration = Duration::from_secs(1);
