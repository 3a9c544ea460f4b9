//! Time in tests: the runtime's clock stands still and moves when a test says so; waiting is
//! bounded by the real clock, so that a test that would hang fails instead.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a test waits for what must come. Only ever waited for by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// While it lives, the runtime's clock moves only by [`advance`].
pub struct Stopped {
    _end: Sender<()>,
}

/// Stops the clock of a current-thread runtime.
///
/// A paused runtime jumps to its next timer whenever it has nothing to do, and a server that
/// waits for a real socket has nothing to do. It does not while a blocking task runs, so one does.
pub fn stop() -> Stopped {
    tokio::time::pause();
    let (end, ended) = channel();
    drop(tokio::task::spawn_blocking(move || ended.recv()));
    Stopped { _end: end }
}

/// The runtime rounds its timers up to this.
const TICK: Duration = Duration::from_millis(1);

/// Moves the stopped clock, at most a second at a time, so that answers to what happens meanwhile
/// (a pong to a ping) come in time; and a tick further, so that what is due then has happened.
pub async fn advance(by: Duration) {
    settle().await;
    let mut left = by + TICK;
    while !left.is_zero() {
        let step = left.min(Duration::from_secs(1));
        tokio::time::advance(step).await;
        left -= step;
        real_pause(Duration::from_millis(1)).await;
    }
    settle().await;
}

/// Gives whatever is under way in this process time to come to rest.
pub async fn settle() {
    for _ in 0..4 {
        real_pause(Duration::from_millis(8)).await;
    }
}

/// A pause of the real clock. Not for waiting until something happened; [`within`] is.
pub async fn real_pause(pause: Duration) {
    within_real(pause, std::future::pending::<()>()).await;
}

/// What comes of `future` within [`PATIENCE`] of the real clock.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match within_real(PATIENCE, future).await {
        Some(value) => value,
        None => panic!("{what}: nothing for {PATIENCE:?}"),
    }
}

/// What comes of `future` before the real clock has moved that far.
pub async fn within_real<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let (done, is_done) = channel::<()>();
    let (ring, rung) = oneshot::channel::<()>();
    thread::spawn(move || {
        if is_done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = ring.send(());
        }
    });
    let value = tokio::select! {
        biased;
        value = future => Some(value),
        _ = rung => None,
    };
    drop(done);
    value
}

#[tokio::test]
async fn a_stopped_clock_moves_only_when_it_is_told_to() {
    let _stopped = stop();
    let start = tokio::time::Instant::now();
    let sleeper = tokio::spawn(tokio::time::sleep(Duration::from_secs(5)));
    settle().await;
    assert!(!sleeper.is_finished() && start.elapsed().is_zero());
    advance(Duration::from_secs(5)).await;
    assert!(sleeper.is_finished());
    assert_eq!(start.elapsed(), Duration::from_secs(5) + TICK);
}
