//! The server and its service manager: a socket that is handed over, and what it is told.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::client::request;
use crate::clock::within;
use crate::process::{PROGRAM, Process, command};

/// Runs the program with a socket as its third file, as a service manager does.
fn with_socket(socket: TcpListener) -> tokio::process::Command {
    let mut command = command("/bin/sh", &[]);
    let become_it = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null"#;
    command.args(["-c", become_it, PROGRAM]).stdin(Stdio::from(OwnedFd::from(socket)));
    command
}

/// The next thing that the service manager is told.
async fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = within("a notification", manager.recv(&mut bytes)).await.unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served_in_place_of_the_configured_ones() {
    let dir = TempDir::new().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut process = Process::serve_by(with_socket(socket), &dir.path().join("data")).await;
    assert_eq!(process.addr, address);
    assert_eq!(request(address, "GET", "/ready", &[], "").await.status, 200);
    process.terminate().await;
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn the_service_manager_is_told_when_it_serves_lives_and_stops() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut serve = command(PROGRAM, &[]);
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut process = Process::serve_by(serve, &dir.path().join("data")).await;
    let mut before_ready = 0;
    loop {
        match told(&manager).await.as_str() {
            "READY=1\n" => break,
            "WATCHDOG=1\n" => before_ready += 1,
            other => panic!("{other:?}"),
        }
        assert!(before_ready < 100);
    }
    assert_eq!(request(process.addr, "GET", "/ready", &[], "").await.status, 200);
    for _ in 0..3 {
        assert_eq!(told(&manager).await, "WATCHDOG=1\n");
    }
    process.terminate().await;
    while told(&manager).await != "STOPPING=1\n" {}
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn a_process_that_is_paused_gives_no_sign_of_life() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut serve = command(PROGRAM, &[]);
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let process = Process::serve_by(serve, &dir.path().join("data")).await;
    while told(&manager).await != "READY=1\n" {}
    let signal = async |which: &str| {
        let kill = format!("kill -{which} {}", process.id());
        let sent = command("/bin/sh", &[]).args(["-c", &kill]).status().await.unwrap();
        assert!(sent.success());
    };
    signal("STOP").await;
    // It stops when it is next looked at, which on a busy machine is not at once.
    let state = format!("/proc/{}/stat", process.id());
    let is_stopped = || std::fs::read_to_string(&state).unwrap().contains(") T ");
    while !is_stopped() {
        crate::clock::real_pause(std::time::Duration::from_millis(5)).await;
    }
    let mut bytes = [0; 256];
    // What it said before is still to be read.
    while manager.try_recv(&mut bytes).is_ok() {}
    let moment = std::time::Duration::from_millis(400);
    let heard = crate::clock::within_real(moment, manager.recv(&mut bytes)).await;
    assert!(heard.is_none(), "{heard:?}");
    signal("CONT").await;
    assert_eq!(told(&manager).await, "WATCHDOG=1\n");
}
