//! The integration tests: everything here talks to a server over real sockets, as its clients do.
//!
//! - `transcripts/*.txt`, run by [`transcript`]: a text file is a test, with time stopped;
//! - dialogues that need a loop, a random number or a full disk, in Rust: [`abuse`], [`access`],
//!   [`attendance`], [`bot`], [`limits`], [`resume`], [`slow_reader`], [`staff`],
//!   [`staff_only`], [`drain`]; over Socket.IO
//!   [`audience`], [`notify`], [`recovery`], [`relay`], [`resync`], [`slow_socketio`], [`socketio_limits`],
//!   [`verbs`]; of the hub [`hub_keys`], [`hub_limits`], [`hub_producers`], [`hub_races`], [`hub_slow`],
//!   [`hub_wall`];
//! - who is there and who gets what, run as an [`office`]: [`agents`], [`offers`], [`routing`],
//!   [`routing_faults`], [`routing_restart`], [`waiting`];
//! - what a telephone system tells, in conversations recorded under `ami/`: [`telephony`];
//! - what receivers outside are told, over [`hooks`]: [`webhooks`], [`webhook_receivers`],
//!   [`webhook_restart`];
//! - tests of the program as a process of its own, over [`process`]: [`backup`], [`cli`], [`crash`],
//!   [`disk`], [`doctor`], [`systemd`];
//! - several nodes on real services: [`cluster`];
//! - [`tidy`]: rules about the code itself.
//!
//! Helpers: [`server`] runs a server in this process on a free port, [`client`] is a WebSocket
//! client, [`nodes`] lets several find each other, [`console`] one of the hub, [`polling`] one of long-polling, [`socketio`] one in the
//! namespace, [`packet`] reads packets, [`provider`] is one of the bot's, [`talk`] a conversation with
//! it, [`receiver`] is one of webhooks, [`services`] knows the servers that the tests were given,
//! [`clock`] stops time and bounds waiting.

#![expect(unreachable_pub, reason = "nothing is public in a test program")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod abuse;
mod access;
mod agents;
mod asterisk;
mod attendance;
mod audience;
mod backup;
mod bot;
mod cli;
mod client;
mod clock;
mod cluster;
mod console;
mod crash;
mod dice;
mod disk;
mod doctor;
mod drain;
mod hooks;
mod hub_keys;
mod hub_limits;
mod hub_producers;
mod hub_races;
mod hub_slow;
mod hub_wall;
mod limits;
mod nodes;
mod notify;
mod offers;
mod office;
mod packet;
mod pattern;
mod polling;
mod process;
mod provider;
mod receiver;
mod recovery;
mod relay;
mod resume;
mod resync;
mod routing;
mod routing_faults;
mod routing_restart;
mod server;
mod services;
mod slow_reader;
mod slow_socketio;
mod socketio;
mod socketio_limits;
mod staff;
mod staff_only;
mod systemd;
mod talk;
mod telephony;
mod tidy;
mod transcript;
mod verbs;
mod waiting;
mod webhook_receivers;
mod webhook_restart;
mod webhooks;
