//! Times and bounds of a Socket.IO server, with the defaults of the reference server where it has
//! any.

use std::time::Duration;

/// Times and bounds of Socket.IO connections. Shared by all connections of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a client may take to be connected to its first namespace.
    pub connect_timeout: Duration,
    /// How long a client may take to send all attachments of a packet.
    pub attachments_timeout: Duration,
    /// How long an acknowledgement is waited for.
    pub ack_timeout: Duration,
    /// Acknowledgements of one client that may be waited for at the same time.
    pub acks_pending_max: usize,
    /// Binary attachments of one packet.
    pub attachments_max: usize,
    /// Bytes of all attachments of one packet.
    pub attachment_bytes_max: usize,
    /// Arguments of one event or acknowledgement.
    pub args_max: usize,
    /// How deep arrays and objects may be nested in a packet's JSON, the outermost array included.
    /// At most 127, because that is where the JSON parser stops as well.
    pub json_depth_max: usize,
    /// Namespaces of one client, connected or about to be.
    pub namespaces_max: usize,
    /// Bytes of a namespace's name.
    pub namespace_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            connect_timeout: Duration::from_secs(45),
            attachments_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            acks_pending_max: 256,
            attachments_max: 10,
            attachment_bytes_max: 1_000_000,
            args_max: 256,
            json_depth_max: 64,
            namespaces_max: 16,
            namespace_bytes_max: 256,
        }
    }
}
