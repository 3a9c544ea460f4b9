//! Disks that refuse: a directory that may not be written, a disk that is full, and SIGTERM in
//! the middle of it all. The sender is told, nothing acknowledged is lost, the server lives.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::Role;
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::{Client, Seen, request};
use crate::clock::{real_pause, within};
use crate::process::{PROGRAM, Process, command};
use crate::server::{claims, sign};

/// Somebody who owns nothing here, so that a mode counts even where the tests run as root.
const NOBODY: u32 = 65_534;

fn budi(session: Uuid) -> String {
    let mut budi = claims(Role::Customer, "budi");
    budi.conversations = vec![session.to_string()];
    format!("/ws/{session}/budi/customer?token={}", sign(&budi))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Runs the server where it cannot start, as somebody who is not root.
async fn fails_to_serve(data: &Path) -> Output {
    // A copy that anybody may run, wherever the build keeps its own.
    let program = data.parent().unwrap().join("switchboard");
    if !program.exists() {
        // By a process of its own: a file that this one holds open for writing while another test
        // starts a program cannot be run.
        let copied = std::process::Command::new("cp").arg(PROGRAM).arg(&program).status();
        assert!(copied.unwrap().success());
    }
    let mut command = command(program.to_str().unwrap(), &[]);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    within("the refusal to start", command.output()).await.unwrap()
}

fn assert_one_line(output: &Output, code: i32, parts: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    let last = told.trim_end().lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(last.starts_with("switchboard: "), "{told}");
    for part in parts {
        assert!(last.contains(part), "expected {part:?} in: {told}");
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).unwrap();
    let output = fails_to_serve(&data).await;
    assert_one_line(&output, 1, &[data.to_str().unwrap(), "--data-dir"]);
    assert!(output.stdout.is_empty(), "it said that it listens");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    Process::serve(&data, &[]).await.kill().await;
    // The directory may be written, the database may not.
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let mode = if path.to_string_lossy().contains(".db") { 0o444 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() && mode == 0o600 {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let output = fails_to_serve(&data).await;
    assert_one_line(&output, 1, &["store", "switchboard.db"]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_acknowledged_is_kept() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    // No file may grow beyond this many KiB; the signal would kill, so that the write fails instead.
    let limited = format!("trap '' XFSZ; ulimit -f {}; exec {PROGRAM} \"$@\"", 2 * 600);
    let mut shell = command("/bin/sh", &[]);
    shell.args(["-c", &limited, "switchboard"]);
    let mut process = Process::serve_by(shell, &data).await;
    let session = Uuid::new_v4();
    let mut client = Client::open(process.addr, &budi(session), &[]).await.unwrap();
    client.frame_of("conversation_queued").await;

    // Until it is refused for longer than it takes to move the write-ahead log into the database,
    // which makes room once more.
    let text = "x".repeat(10_000);
    let (mut acked, mut tried, mut refused) = (0, 0, 0);
    while refused < 12 {
        tried += 1;
        client.say(&text, &format!("before-{tried}")).await;
        let ack = client.frame_of("ack").await;
        if ack["success"] == true {
            (acked, refused) = (acked + 1, 0);
            assert_eq!(ack["seq"], acked);
            assert!(acked < 1_000, "ten megabytes later the disk is still not full");
            continue;
        }
        refused += 1;
        assert_eq!(ack["code"], "unavailable", "{ack}");
        let told = ack["error"].as_str().unwrap();
        assert!(told.contains("store") && !told.contains('/'), "clear, no internals: {told}");
        real_pause(Duration::from_millis(200)).await;
    }
    assert!(acked > 3, "it was full from the start");

    // It lives: the same connection is answered, new ones come in, what was kept can be read.
    client.send(&json!({ "type": "ping" })).await;
    client.frame_of("pong").await;
    assert!(process.is_running(), "{}", process.log());
    // A probe is smaller than a message, so the last few of them still fit.
    within("a server that says it is not ready", async {
        while request(process.addr, "GET", "/ready", &[], "").await.status != 503 {}
    })
    .await;
    let health = request(process.addr, "GET", "/health", &[], "").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")));
    client.send(&json!({ "type": "history", "data": { "limit": 2 } })).await;
    let history = client.frame_of("history").await;
    assert_eq!(history["messages"][1]["seq"], acked, "a refused message was kept");
    process.kill().await;

    // With room again, everything acknowledged is there, and the refused message is no hole.
    let process = Process::serve(&data, &[]).await;
    let path = format!("{}&after=0", budi(session));
    let mut client = Client::open(process.addr, &path, &[]).await.unwrap();
    for seq in 1..=acked {
        let message = client.frame_of("message").await;
        assert_eq!((&message["seq"], &message["content"]), (&json!(seq), &json!(text)));
    }
    client.say("again", "after").await;
    assert_eq!(client.frame_of("ack").await["seq"], acked + 1);
    process.kill().await;
}

#[tokio::test]
async fn a_disk_with_room_again_is_used_again() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let mut shell = command("/bin/sh", &[]);
    let limited = format!("trap '' XFSZ; ulimit -S -f {}; exec {PROGRAM} \"$@\"", 2 * 600);
    shell.args(["-c", &limited, "switchboard"]);
    let process = Process::serve_by(shell, &data).await;
    let session = Uuid::new_v4();
    let mut client = Client::open(process.addr, &budi(session), &[]).await.unwrap();
    let text = "x".repeat(10_000);
    let mut acked = 0;
    loop {
        client.say(&text, &format!("before-{acked}")).await;
        if client.frame_of("ack").await["success"] == false {
            break;
        }
        acked += 1;
    }
    // Whoever watches the disk makes room, and nobody restarts anything.
    let id = process.id().to_string();
    let raised = command("prlimit", &[]).args(["--pid", &id, "--fsize=unlimited"]).status();
    assert!(raised.await.unwrap().success());
    within("a message that is kept", async {
        loop {
            client.say(&text, &format!("before-{acked}")).await;
            let ack = client.frame_of("ack").await;
            if ack["success"] == true {
                assert_eq!(ack["seq"], acked + 1, "no hole");
                return;
            }
        }
    })
    .await;
    process.kill().await;
}

#[tokio::test]
async fn sigterm_under_load_ends_in_time_and_with_success() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let options = [("server.drain_timeout", "5s")];
    let mut process = Process::serve(&data, &options).await;
    let session = Uuid::new_v4();
    let mut client = Client::open(process.addr, &budi(session), &[]).await.unwrap();
    // More than it can have answered when it is told to go.
    for n in 0..500 {
        client.say("hai", &n.to_string()).await;
    }
    client.frame_of("ack").await;
    let started = tokio::time::Instant::now();
    process.terminate().await;
    let mut acked: Vec<(u64, Value)> = vec![(1, Value::Null)];
    let code = loop {
        match client.next().await {
            Seen::Frame(frame) if frame["type"] == "ack" => {
                assert_eq!(frame["data"]["success"], true, "{frame}");
                acked.push((frame["data"]["seq"].as_u64().unwrap(), frame["data"]["id"].clone()));
            }
            Seen::Frame(_) | Seen::Ping => {}
            Seen::Closed(code) => break code,
            Seen::Lost => panic!("no close frame: {}", process.log()),
        }
    };
    assert_eq!(code, 1001);
    let status = process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(6), "it took {took:?}");

    let process = Process::serve(&data, &[]).await;
    let path = format!("{}&after=0", budi(session));
    let mut client = Client::open(process.addr, &path, &[]).await.unwrap();
    for (seq, id) in acked {
        let message = client.frame_of("message").await;
        assert_eq!(message["seq"], seq);
        assert!(id.is_null() || message["id"] == id, "{message}");
    }
    process.kill().await;
}
