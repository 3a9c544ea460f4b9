//! Hearing what is published.
//!
//! A listening ends with its connection, or with any of a cluster's: whoever listens begins anew.
//! The library could subscribe again by itself, but does not say what was missed meanwhile.

use std::sync::Arc;

use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::mpsc;

use super::connect::{Connection, Connector};
use crate::limits::REDIS_PUBLISHED_QUEUE;

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// In which channel.
    pub channel: Vec<u8>,
    /// What.
    pub payload: Vec<u8>,
}

/// Channels that are listened to, until the connection ends or more comes than is taken.
pub struct Listening {
    published: mpsc::Receiver<Published>,
    _connection: Connection,
}

impl Listening {
    /// The next; `None` when nothing more will come.
    pub async fn next(&mut self) -> Option<Published> {
        self.published.recv().await
    }
}

pub(super) async fn open(connector: &Connector, channels: &[String]) -> RedisResult<Listening> {
    let (sender, published) = mpsc::channel(REDIS_PUBLISHED_QUEUE);
    let sender = std::sync::Mutex::new(Some(sender));
    let on_push = Arc::new(move |push: PushInfo| {
        let mut sender = sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_open = sender.as_ref().is_some_and(|sender| pass(sender, push));
        if !is_open {
            sender.take();
        }
    });
    let mut connection = connector.connect(Some(on_push)).await?;
    for channel in channels {
        connection.subscribe(channel).await?;
    }
    Ok(Listening { published, _connection: connection })
}

/// Passes on what was published; false if the listening is over.
fn pass(sender: &mpsc::Sender<Published>, push: PushInfo) -> bool {
    match (push.kind, push.data.as_slice()) {
        (PushKind::Message | PushKind::SMessage, [channel, payload]) => {
            let published = Published { channel: bytes(channel), payload: bytes(payload) };
            // Whoever does not keep up has missed something either way, and should know.
            sender.try_send(published).is_ok()
        }
        // A slot that moved to another server ends its channels' subscriptions.
        (PushKind::Disconnection | PushKind::SUnsubscribe | PushKind::Unsubscribe, _) => false,
        _ => true,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::SimpleString(text) => text.clone().into_bytes(),
        _ => Vec::new(),
    }
}
