//! Kafka without its readers: what a record says of an event (`record`, pure), how a client is set
//! up (`settings`), and records on their way (`producer`). Whose events go there, and what is kept
//! of how far, is `app::export`'s; what comes from there is `ingest::kafka`'s.

mod producer;
mod record;
mod settings;

pub use producer::{Fault, Outgoing, Producer, Receipt};
pub use record::{Record, SCHEMA};
pub use settings::{BadSettings, Murmur, Settings, drop_aside};
