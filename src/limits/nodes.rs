//! Bounds between nodes: what they tell each other, what Redis holds of them, what is relayed.

use std::time::Duration;

/// How often what routing knows of agents is compared with what all nodes know of them: a word
/// between nodes that got lost is made good by then.
pub const AGENTS_COMPARED_INTERVAL: Duration = Duration::from_secs(5);

/// How often the log is searched for users whom presence does not know ...
pub const GHOSTS_SOUGHT_INTERVAL: Duration = Duration::from_secs(15);
/// ... and how long after that they are looked for again: a node notes its users anew within a
/// second or two, and a join or leave takes less from presence to the log.
pub const GHOSTS_DOUBT: Duration = Duration::from_secs(2);

/// What presence found that is brought to the log in one go.
pub const FINDINGS_AT_ONCE: usize = 512;

/// Questions to presence about them that are asked at the same time.
pub const FINDINGS_CHECKED_AT_ONCE: usize = 64;

/// What presence found that may wait; presence waits then.
pub const FINDINGS_MAX: usize = 4_096;

/// Commits of one node that may wait to be told to the others; what has no room they read from the
/// log.
pub const LIVE_COPIES_MAX: usize = 1_024;

/// How much longer than a lease a start waits for another node to be gone.
pub const DUTIES_PATIENCE: Duration = Duration::from_secs(3);

/// How long a question to the other nodes waits for their answers.
pub const NODES_ANSWER_TIMEOUT: Duration = Duration::from_millis(700);

/// How often it is looked whether agents are shown in Redis as what they are.
pub const AGENTS_SHOWN_INTERVAL: Duration = Duration::from_secs(1);

/// How long after a failure a connection to Redis is tried again: its return is felt at once.
pub const REDIS_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How often the connections to Redis are looked after when none is known to have ended.
pub const REDIS_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a command is tried again where a cluster has moved its key ...
pub const REDIS_CLUSTER_RETRIES: u32 = 4;
/// ... and after how many milliseconds first.
pub const REDIS_CLUSTER_PAUSE_MS: u64 = 20;

/// Messages other nodes published that may wait to be read. Whoever falls behind further begins
/// anew, and reads what is missing from the log.
pub const REDIS_PUBLISHED_QUEUE: usize = 4_096;

/// How long what Redis holds of a place lasts after the last node that renews it ...
pub const SESSION_KEYS_TTL: Duration = Duration::from_secs(120);
/// ... and how often nodes do. Two rounds may fail.
pub const SESSION_KEYS_INTERVAL: Duration = Duration::from_secs(40);

/// How often a node looks whether others are gone. Two looks have to agree, and the longest lease
/// is 8 s: no ghost for longer than 10 s (contract 9).
pub const PRESENCE_LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How often it is looked whether Redis is back.
pub const PRESENCE_RETURN_INTERVAL: Duration = Duration::from_millis(250);

/// Stays that are noted in Redis at once: enough to fill the line, and few enough that none of them
/// waits for its deadline behind the others.
pub const PRESENCE_AT_ONCE: usize = 128;

/// Places of a lost node that are looked after at once.
pub const PRESENCE_PLACES_AT_ONCE: usize = 64;

/// Stays of one place that one script ends: a few milliseconds in which Redis does nothing else.
pub const PRESENCE_ENDED_AT_ONCE: usize = 500;

/// Users whose last connection went while Redis was away and who are asked for again after its
/// return. Of more it is only known that they went from here.
pub const PRESENCE_UNSURE_MAX: usize = 200_000;

/// Order locks of presence. Two users who share one wait for each other now and then.
pub const PRESENCE_ORDERS: usize = 1_024;

/// Words for the other nodes that may wait while others are sent.
pub const WORDS_QUEUE: usize = 8_192;

/// Words of other nodes that may wait to be taken. Whoever falls behind reads the log.
pub const WORDS_HEARD_QUEUE: usize = 8_192;

/// Words that are sent in one go.
pub const WORDS_AT_ONCE: usize = 512;

/// About how long one message is at most: Redis copies it once for each node.
pub const WORDS_MESSAGE_BYTES: usize = 256 * 1024;

/// Channels on a cluster: some for each server of a usual one.
pub const WORDS_CHANNELS: usize = 8;

/// How soon a node that has nothing to say says so ...
pub const WORDS_BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// ... and how long a channel may be silent before the line counts as broken.
pub const WORDS_SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long it is known that nothing is left to be done about a node that is gone: longer than any
/// other node takes to notice that it is.
pub const PRESENCE_SETTLED_KEPT: Duration = Duration::from_secs(60);

/// Requests passed on to other nodes at once, WebSockets that came of them included. Each takes two
/// descriptors and some 20 KiB, and a node has as many connections of its own.
pub const RELAYS_AT_ONCE_MAX: usize = 10_000;

/// How long it may take to connect to another node, TLS included: they are near each other.
pub const RELAY_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node may take longer than what it waits for itself, for the way there and back.
pub const RELAY_SPARE: Duration = Duration::from_secs(5);

/// How long the rest of an answer may take once its head is there: a large page of history over a
/// slow mobile line.
pub const RELAY_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines to one node that wait for their next request: what a burst of answers gives back ...
pub const RELAY_LINES_IDLE_MAX: usize = 256;
/// ... for so long. A client polls again within a round trip, and the other side closes an idle line
/// after `server.handshake_timeout`.
pub const RELAY_LINE_IDLE_MAX: Duration = Duration::from_secs(5);

/// What is read at once from a WebSocket that is passed on. Each has two of these for as long as it
/// lives, and frames are small.
pub const RELAY_BUFFER_BYTES: usize = 2 * 1024;

/// How often it is looked whether nodes are alive that requests were passed on to.
pub const RELAY_WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// In how many groups those are sent away whose requests a draining node passes on: over a second.
pub const RELAY_LEAVING_GROUPS: u32 = 20;
