//! Two lines that have become one: what comes in on the one goes out on the other. Knows no frames,
//! so it can say no goodbye of its own; both sides see a line that ends.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use crate::limits::{CLOSE_GRACE, RELAY_BUFFER_BYTES, RELAY_CONNECT_TIMEOUT, WRITE_DEADLINE};

/// Runs until either side has ended, or says nothing for longer than `silence_max`.
pub(super) async fn run(client: OnUpgrade, owner: OnUpgrade, silence_max: Duration) {
    let both = async { tokio::try_join!(client, owner) };
    let Ok(Ok((client, owner))) = timeout(RELAY_CONNECT_TIMEOUT, both).await else { return };
    let (client_out, client_in) = split(TokioIo::new(client));
    let (owner_out, owner_in) = split(TokioIo::new(owner));
    let mut up = Box::pin(pump(client_out, owner_in, silence_max));
    let mut down = Box::pin(pump(owner_out, client_in, silence_max));
    // What the other side had to say last is on its way; nothing follows it.
    tokio::select! {
        () = &mut up => drop(timeout(CLOSE_GRACE, down).await),
        () = &mut down => drop(timeout(CLOSE_GRACE, up).await),
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    silence_max: Duration,
) {
    let mut buffer = vec![0; RELAY_BUFFER_BYTES];
    while let Ok(Ok(length @ 1..)) = timeout(silence_max, from.read(&mut buffer)).await {
        let written = async {
            to.write_all(&buffer[..length]).await?;
            to.flush().await
        };
        if !matches!(timeout(WRITE_DEADLINE, written).await, Ok(Ok(()))) {
            break;
        }
    }
    let _ended = timeout(CLOSE_GRACE, to.shutdown()).await;
}
