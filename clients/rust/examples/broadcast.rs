//! Tells of a call from its beginning to its end, and hears it. SWITCHBOARD_URL is the server's
//! address, SWITCHBOARD_TOKEN an API key with the scopes events:write and events:read, or an admin's
//! token.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_client::{EventBroadcaster, Incoming, Subscriber};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("SWITCHBOARD_URL").map_err(|_| "SWITCHBOARD_URL is not set")?;
    let key = std::env::var("SWITCHBOARD_TOKEN").map_err(|_| "SWITCHBOARD_TOKEN is not set")?;

    let mut subscriber = Subscriber::builder(&url, &key).events(["call.*"]).build()?;
    match timeout(DEADLINE, subscriber.next()).await? {
        Some(Ok(Incoming::Connected(line))) => println!("listening as {}", line.user_id),
        other => return Err(format!("cannot listen: {other:?}").into()),
    }

    let broadcaster = EventBroadcaster::builder(&url, &key)
        .on_rejected(|undelivered| eprintln!("{}: {}", undelivered.kind, undelivered.error))
        .build()?;
    let call = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64().to_string();
    let mut told = vec![
        broadcaster.call_incoming(&call, "+6281234567890", "1500", "support").await?,
        broadcaster.call_answered(&call, "agent_456", "Sari").await?,
        broadcaster.call_ended(&call, 185).await?,
    ];
    let last = told.remove(2).await?;
    println!("told; the log is at {}", last.cursor.as_deref().unwrap_or("?"));
    broadcaster.close_within(DEADLINE).await?;

    for _ in 0..3 {
        match timeout(DEADLINE, subscriber.next_event()).await? {
            Some(heard) => println!("heard {}", heard?.kind),
            None => return Err("the stream ended".into()),
        }
    }
    Ok(())
}
