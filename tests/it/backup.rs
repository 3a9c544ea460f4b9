//! `switchboard backup`: while people talk, and what a server makes of the copy afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use switchboard::model::Role;
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::Client;
use crate::clock::within;
use crate::process::{PROGRAM, Process, command};
use crate::server::{claims, sign};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn backup(data: &Path, to: &Path, more: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = command(PROGRAM, &[]);
    command.args(["backup", "--data-dir"]).arg(data).arg("--to").arg(to).args(more);
    let output = within("the backup", command.envs(env.iter().copied()).output()).await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn budi(session: Uuid) -> String {
    let mut budi = claims(Role::Customer, "budi");
    budi.conversations = vec![session.to_string()];
    format!("/ws/{session}/budi/customer?token={}", sign(&budi))
}

/// Says these, and waits for their acknowledgements.
async fn say(client: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers.clone() {
        client.say(&format!("message {number}"), &format!("m-{number}")).await;
    }
    for _ in numbers {
        assert_eq!(client.frame_of("ack").await["success"], true);
    }
}

/// The messages after a cursor, whole, with their cursors.
async fn messages(process: &Process, session: Uuid, after: &str) -> Vec<Value> {
    let token = sign(&claims(Role::Admin, "auditor"));
    let path = format!("/ws/{session}/auditor/admin?token={token}&after={after}");
    let mut reader = Client::open(process.addr, &path, &[]).await.unwrap();
    let mut found = Vec::new();
    loop {
        let frame = reader.frame().await;
        match frame["type"].as_str() {
            Some("message") => found.push(frame["data"].clone()),
            // Present: all that was missed has been told.
            Some("connection_status_update") => break,
            other => assert_ne!(other, Some("resync"), "{frame}"),
        }
    }
    reader.close().await;
    reader.end().await;
    found
}

#[tokio::test]
async fn a_server_on_the_backup_tells_the_same_under_the_same_cursors() {
    let dir = TempDir::new().unwrap();
    let (data, session) = (dir.path().join("data"), Uuid::new_v4());
    let process = Process::serve(&data, &[]).await;
    let mut budi = Client::open(process.addr, &budi(session), &[]).await.unwrap();
    say(&mut budi, 0..50).await;

    // While it is made, budi goes on.
    let to = dir.path().join("copy.db");
    let given = [("JWT_SECRET", crate::server::SECRET)];
    let (ran, ()) =
        tokio::join!(backup(&data, &to, &[], &given), async { say(&mut budi, 50..250).await });
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("whole") && ran.out.contains("JWT_SECRET"), "{}", ran.out);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with('.')), "{names:?}");
    let told = messages(&process, session, "0").await;
    assert_eq!(told.len(), 250);
    process.kill().await;

    let restored = dir.path().join("restored");
    fs::create_dir(&restored).unwrap();
    fs::copy(&to, restored.join("switchboard.db")).unwrap();
    let process = Process::serve(&restored, &[]).await;
    let kept = messages(&process, session, "0").await;
    assert!((50..=250).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[..], told[..kept.len()], "the same messages under the same cursors");
    // A cursor of the old server goes on where it stood.
    let cursor = told[20]["cursor"].as_str().expect("a cursor");
    assert_eq!(messages(&process, session, cursor).await[..], kept[21..]);
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_says_what_is_missing() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let ran = backup(&data, &dir.path().join("b"), &[], &[]).await;
    assert!(ran.code == Some(1) && ran.err.contains("no database"), "{}", ran.err);

    let mut process = Process::serve_with_own_secret(&data).await;
    let ran = backup(&data, &dir.path().join("b"), &["--with-secret"], &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let secret = dir.path().join("b.jwt_secret");
    assert_eq!(fs::read(&secret).unwrap(), fs::read(data.join("jwt_secret")).unwrap());
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!ran.out.contains(fs::read_to_string(&secret).unwrap().trim()));

    let before = fs::read(dir.path().join("b")).unwrap();
    for more in [&[][..], &["--with-secret"]] {
        let ran = backup(&data, &dir.path().join("b"), more, &[]).await;
        assert!(ran.code == Some(1) && ran.err.contains("is there already"), "{}", ran.err);
        assert_eq!(ran.err.trim_end().lines().count(), 1, "{}", ran.err);
    }
    assert_eq!(fs::read(dir.path().join("b")).unwrap(), before);

    // A directory gets a name by the time; without the secret it says where that is.
    let into = dir.path().join("into");
    fs::create_dir(&into).unwrap();
    let ran = backup(&data, &into, &[], &[]).await;
    assert!(ran.code == Some(0) && ran.out.contains("--with-secret"), "{}{}", ran.out, ran.err);
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    let ran = backup(&data, &dir.path().join("no/such/b"), &[], &[]).await;
    assert!(ran.code == Some(1) && ran.err.contains("no/such/b"), "{}", ran.err);
    process.terminate().await;
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn of_another_store_it_says_who_backs_it_up() {
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("b");
    let env = [("DATABASE_URL", "postgres://joe:hush-hush@db/chat")];
    let ran = backup(dir.path(), &to, &[], &env).await;
    assert!(ran.code == Some(1) && ran.err.contains("pg_dump"), "{}", ran.err);
    assert!(!ran.err.contains("hush-hush"), "{}", ran.err);
    let ran = backup(dir.path(), &to, &[], &[("DATABASE_URL", "memory:")]).await;
    assert!(ran.code == Some(1) && !to.exists(), "{}", ran.err);
}
