//! A server that echoes, over both protocols: what the conformance suites of Engine.IO and
//! Socket.IO run against. `cargo run --example echo [PORT]`; the port is 3000 unless given there
//! or in `PORT`. It listens on this machine only.

mod server;
mod websocket;

use std::time::Duration;

use axum::serve::ListenerExt;
use engineio_socketio::{engine, socket};
use tokio::net::TcpListener;

const DEFAULT_PORT: u16 = 3000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).or_else(|| std::env::var("PORT").ok());
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse())?;
    // The times that the suites expect.
    let engine = engine::Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        ..engine::Config::default()
    };
    let socket =
        socket::Config { connect_timeout: Duration::from_secs(1), ..socket::Config::default() };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    // Small packets must not wait for the acknowledgement of the ones before.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let engine_route = server::route("/engine.io/", server::engine_service(engine.clone()));
    let socket_route = server::route("/socket.io/", server::socket_service(engine, socket));
    axum::serve(listener, engine_route.merge(socket_route)).await?;
    Ok(())
}
