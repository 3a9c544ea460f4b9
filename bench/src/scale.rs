//! How much of everything: the sizes of the scenarios, and the times the bench waits.

use std::time::Duration;

/// How long one connection may take until it is established.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the last frames of a scenario may take before they count as lost.
pub(crate) const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the server may take to print its ready line.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an idle server is left alone before its memory is read.
pub(crate) const IDLE_REST: Duration = Duration::from_secs(2);
/// How long no frame may have come before connections count as quiet.
pub(crate) const QUIET: Duration = Duration::from_secs(3);
/// How long the server may take to end after SIGTERM: its drain, and what it has to write.
pub(crate) const TERMINATE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the answer to a request may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all clients may take to come back after a restart before the scenario gives up.
pub(crate) const RETURN_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests under way at a time where their speed is not what is measured.
pub(crate) const REQUEST_WIDTH: usize = 16;
/// Requests under way at a time when many of one kind are asked: enough to share the disk's syncs.
pub(crate) const BULK_WIDTH: usize = 64;
/// Connections opened at a time where the speed of opening is not what is measured.
pub(crate) const JOIN_WIDTH: usize = 32;
/// How long the disk's own rate is measured.
pub(crate) const SYNC_PROBE: Duration = Duration::from_secs(1);
/// How long a rate is let settle before it is measured.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);
/// Messages of one burst of the fan-out.
pub(crate) const BURST: u64 = 16;

/// The sizes of one run.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// Starts of the server.
    pub(crate) starts: usize,
    /// Idle connections, two to a conversation.
    pub(crate) idle_connections: usize,
    /// Users who listen to the fan-out.
    pub(crate) fanout_users: usize,
    /// Connections of each of these users.
    pub(crate) fanout_connections_per_user: usize,
    /// The server's CPU time each half of the fan-out runs for.
    pub(crate) fanout_cpu: Duration,
    /// Conversations of the chat and of the durable rate.
    pub(crate) conversations: usize,
    /// Messages of the chat per second.
    pub(crate) chat_per_second: u64,
    /// Length of the chat.
    pub(crate) chat: Duration,
    /// Messages each sender keeps unacknowledged.
    pub(crate) durable_window: u64,
    /// Length of the durable rate.
    pub(crate) durable: Duration,
    /// Connections opened at once.
    pub(crate) connects: usize,
    /// Conversations of the storm.
    pub(crate) storm_conversations: usize,
    /// Clients of each of these conversations that are cut.
    pub(crate) storm_listeners: usize,
    /// How often they are cut.
    pub(crate) storm_rounds: u64,
    /// Socket.IO connects per second.
    pub(crate) connects_per_second: u64,
    /// Length of these connects.
    pub(crate) connects_for: Duration,
    /// Socket.IO clients that come back after a restart, in the storm's conversations.
    pub(crate) restart_clients: usize,
    /// How many of them are agents, each in its share of all conversations.
    pub(crate) restart_agents: usize,
    /// Agents who send heartbeats, and who are online when it is asked who is.
    pub(crate) beat_agents: usize,
    /// Kept connections their heartbeats come over.
    pub(crate) beat_connections: usize,
    /// Heartbeats per second: a little more than is wanted, so that what is wanted can be reached.
    pub(crate) beats_per_second: u64,
    /// How many a second are wanted.
    pub(crate) beats_wanted: f64,
    /// Length of the heartbeats.
    pub(crate) beats: Duration,
    /// How often it is asked who is online.
    pub(crate) online_asks: usize,
    /// Heartbeats per second beside such questions.
    pub(crate) online_beats_per_second: u64,
    /// How long it is asked beside heartbeats.
    pub(crate) online_beside: Duration,
    /// Agents who free a place and wait for what fills it, and how many conversations each has.
    pub(crate) free_agents: usize,
    pub(crate) free_chats: usize,
    /// Places freed per second.
    pub(crate) frees_per_second: u64,
    /// How long they are freed.
    pub(crate) frees: Duration,
    /// Agents of the large tenant.
    pub(crate) large_agents: usize,
    /// How many of them free their place.
    pub(crate) large_free_agents: usize,
    /// Conversations that wait there: first few, then many.
    pub(crate) large_waiting: [usize; 2],
    /// Producers that post as fast as they are answered, and events of each post.
    pub(crate) ingest_producers: u64,
    pub(crate) ingest_batch: u64,
    /// Length of that.
    pub(crate) ingest: Duration,
    /// Consoles that hear what is posted at a fixed rate.
    pub(crate) hub_consoles: usize,
    /// Events posted per second, and in one post.
    pub(crate) hub_per_second: u64,
    pub(crate) hub_batch: u64,
    /// Producers that post them.
    pub(crate) hub_producers: u64,
    /// Length of that.
    pub(crate) hub: Duration,
    /// Tenants with consoles: first few, then many.
    pub(crate) tenants: [usize; 2],
    /// Consoles of each.
    pub(crate) tenant_consoles: usize,
    /// Events posted per second to all of them.
    pub(crate) tenants_per_second: u64,
    /// Length of that.
    pub(crate) tenants_for: Duration,
    /// Events of the log that is told again.
    pub(crate) replay_events: u64,
    /// Conversations in which a part of it is said, where there are any.
    pub(crate) replay_conversations: usize,
    /// How often it is.
    pub(crate) replays: usize,
    /// Messages per second from node to node, in the chat's conversations.
    pub(crate) cluster_per_second: u64,
    /// Length of that.
    pub(crate) cluster: Duration,
    /// Users of the node that is killed.
    pub(crate) lost_users: usize,
    /// Their conversations in which somebody looks on from another node.
    pub(crate) lost_watched: usize,
    /// Clients that go on at another node, in the storm's conversations; half of them speak
    /// Socket.IO.
    pub(crate) failover_clients: usize,
}

impl Scale {
    /// The sizes the targets speak of.
    pub(crate) fn full() -> Self {
        Self {
            starts: 10,
            idle_connections: 5_000,
            fanout_users: 20,
            fanout_connections_per_user: 50,
            fanout_cpu: Duration::from_secs(3),
            conversations: 500,
            chat_per_second: 2_000,
            chat: Duration::from_secs(20),
            durable_window: 16,
            durable: Duration::from_secs(10),
            connects: 10_000,
            storm_conversations: 500,
            storm_listeners: 4,
            storm_rounds: 3,
            connects_per_second: 500,
            connects_for: Duration::from_secs(10),
            restart_clients: 5_000,
            restart_agents: 50,
            beat_agents: 10_000,
            beat_connections: 5_000,
            beats_per_second: 5_250,
            beats_wanted: 5_000.0,
            beats: Duration::from_secs(10),
            online_asks: 200,
            online_beats_per_second: 1_000,
            online_beside: Duration::from_secs(5),
            free_agents: 50,
            free_chats: 5,
            frees_per_second: 100,
            frees: Duration::from_secs(10),
            large_agents: 10_000,
            large_free_agents: 100,
            large_waiting: [1_000, 100_000],
            ingest_producers: 8,
            ingest_batch: 100,
            ingest: Duration::from_secs(10),
            hub_consoles: 100,
            hub_per_second: 2_000,
            hub_batch: 10,
            hub_producers: 4,
            hub: Duration::from_secs(10),
            tenants: [10, 1_000],
            tenant_consoles: 10,
            tenants_per_second: 1_000,
            tenants_for: Duration::from_secs(10),
            replay_events: 100_000,
            replay_conversations: 500,
            replays: 5,
            cluster_per_second: 1_000,
            cluster: Duration::from_secs(20),
            lost_users: 10_000,
            lost_watched: 100,
            failover_clients: 5_000,
        }
    }

    /// Small enough to see in a minute that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            starts: 3,
            idle_connections: 1_000,
            fanout_users: 10,
            fanout_connections_per_user: 20,
            fanout_cpu: Duration::from_millis(500),
            conversations: 100,
            chat_per_second: 500,
            chat: Duration::from_secs(3),
            durable_window: 16,
            durable: Duration::from_secs(2),
            connects: 1_000,
            storm_conversations: 50,
            storm_listeners: 4,
            storm_rounds: 2,
            connects_per_second: 100,
            connects_for: Duration::from_secs(2),
            restart_clients: 200,
            restart_agents: 5,
            beat_agents: 1_000,
            beat_connections: 500,
            beats_per_second: 525,
            beats_wanted: 500.0,
            beats: Duration::from_secs(2),
            online_asks: 50,
            online_beats_per_second: 200,
            online_beside: Duration::from_secs(1),
            free_agents: 20,
            free_chats: 5,
            frees_per_second: 100,
            frees: Duration::from_secs(2),
            large_agents: 500,
            large_free_agents: 100,
            large_waiting: [500, 5_000],
            ingest_producers: 8,
            ingest_batch: 100,
            ingest: Duration::from_secs(2),
            hub_consoles: 50,
            hub_per_second: 500,
            hub_batch: 10,
            hub_producers: 4,
            hub: Duration::from_secs(2),
            tenants: [10, 100],
            tenant_consoles: 10,
            tenants_per_second: 500,
            tenants_for: Duration::from_secs(3),
            replay_events: 20_000,
            replay_conversations: 100,
            replays: 3,
            cluster_per_second: 500,
            cluster: Duration::from_secs(3),
            lost_users: 500,
            lost_watched: 20,
            failover_clients: 200,
        }
    }
}
