//! A line between one node and one service that can be cut, fall silent, or be slow.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What is carried at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How long the service may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should be.
    Open,
    /// What is open is closed, and what is opened is closed at once.
    Cut,
    /// Everything stays open and nothing arrives, as behind a firewall that drops packets. What
    /// was on its way goes on afterwards.
    Silent,
    /// Each piece comes later by so much.
    Slow(Duration),
}

/// One line, and everything that goes over it.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where its node connects to.
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
}

impl Proxy {
    /// Opens a line to `service`, which may come and go.
    pub(crate) async fn open(service: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (mood, moods) = watch::channel(Mood::Open);
        tokio::task::spawn_local(serve(listener, service, moods));
        Ok(Self { address, mood })
    }

    /// Changes how the line is.
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

async fn serve(listener: TcpListener, service: SocketAddr, moods: watch::Receiver<Mood>) {
    loop {
        match listener.accept().await {
            Ok(_) if *moods.borrow() == Mood::Cut => {}
            Ok((near, _)) => {
                tokio::task::spawn_local(carry(near, service, moods.clone()));
            }
            // Out of files, most likely: it may be better in a moment.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Carries both directions of a connection until one of them ends.
async fn carry(near: TcpStream, service: SocketAddr, moods: watch::Receiver<Mood>) {
    let connecting = async {
        hold_while_silent(&mut moods.clone()).await?;
        timeout(CONNECT_TIMEOUT, TcpStream::connect(service)).await?
    };
    let Ok(far) = connecting.await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        _ = pump(near_in, far_out, moods.clone()) => {}
        _ = pump(far_in, near_out, moods) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut moods: watch::Receiver<Mood>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read?,
            () = cut(&mut moods) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        hold_while_silent(&mut moods).await?;
        // Copied first: to hold what was borrowed while waiting would stop whoever changes it.
        let mood = *moods.borrow();
        if let Mood::Slow(by) = mood {
            sleep(by).await;
        }
        match read {
            0 => return to.shutdown().await,
            read => to.write_all(&piece[..read]).await?,
        }
    }
}

async fn cut(moods: &mut watch::Receiver<Mood>) {
    // The sender lives as long as the run does.
    let _ = moods.wait_for(|mood| *mood == Mood::Cut).await;
}

async fn hold_while_silent(moods: &mut watch::Receiver<Mood>) -> io::Result<()> {
    match moods.wait_for(|mood| *mood != Mood::Silent).await {
        Ok(mood) if *mood != Mood::Cut => Ok(()),
        _ => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    /// A line to a server that says everything back.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::open(listener.local_addr().unwrap()).await.unwrap();
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut input, mut output) = stream.split();
            tokio::io::copy(&mut input, &mut output).await
        });
        let near = TcpStream::connect(proxy.address).await.unwrap();
        (proxy, near)
    }

    #[tokio::test]
    async fn a_silent_line_keeps_what_it_was_given_and_a_cut_one_ends() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let (proxy, mut near) = echo().await;
                let mut heard = [0; 2];
                near.write_all(b"ab").await.unwrap();
                near.read_exact(&mut heard).await.unwrap();
                proxy.set(Mood::Silent);
                near.write_all(b"cd").await.unwrap();
                assert!(timeout(MOMENT, near.read_exact(&mut heard)).await.is_err());
                proxy.set(Mood::Open);
                near.read_exact(&mut heard).await.unwrap();
                assert_eq!(&heard, b"cd");
                proxy.set(Mood::Cut);
                assert!(matches!(near.read(&mut heard).await, Ok(0) | Err(_)));
            })
            .await;
    }
}
