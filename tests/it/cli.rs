//! The program's subcommands, as an operator types them (contract 2).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::Client;
use crate::clock::within;
use crate::process::{PROGRAM, Process, command};

/// What a run came to.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = command(PROGRAM, &[]);
    command.args(args).envs(env.iter().copied());
    let output = within("the end of the program", command.output()).await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn data_of(dir: &Path) -> String {
    dir.join("data").to_str().unwrap().to_owned()
}

/// One line, with the exit code, on standard error, and nothing elsewhere.
fn assert_refused(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.err.trim_end().lines().count(), 1, "more than a line: {ran:?}");
    assert!(ran.err.starts_with("switchboard: ") && ran.out.is_empty(), "{ran:?}");
    for part in parts {
        assert!(ran.err.contains(part), "expected {part:?} in {ran:?}");
    }
}

#[tokio::test]
async fn every_subcommand_has_help() {
    let help = run(&["--help"], &[]).await;
    assert_eq!(help.code, Some(0));
    for name in [
        "serve",
        "token",
        "check-config",
        "default-config",
        "migrate",
        "doctor",
        "backup",
        "events",
    ] {
        assert!(help.out.contains(name), "{name} is not in {}", help.out);
        let help = run(&[name, "--help"], &[]).await;
        assert_eq!(help.code, Some(0), "{name}: {help:?}");
        for flag in ["--config", "--data-dir", "--demo"] {
            assert!(help.out.contains(flag), "{name} does not take {flag}");
        }
    }
}

#[tokio::test]
async fn a_policy_is_tried_out_without_a_server() {
    let dir = TempDir::new().unwrap();
    let policy = dir.path().join("policy.json");
    fs::write(&policy, r#"{"default": {"offer": "accept"}}"#).unwrap();
    let policy = policy.to_str().unwrap();
    let simulate = |more: &'static [&'static str]| {
        let common = ["routing", "simulate", "--policy", policy, "--from"];
        let args: Vec<String> =
            common.into_iter().chain(more.iter().copied()).map(str::to_owned).collect();
        async move { run(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await }
    };
    let ran = simulate(&["generated:agents=5,hours=2,per_hour=40", "--json"]).await;
    let both: Value = serde_json::from_str(&ran.out).unwrap();
    let conversations = both["recorded"]["conversations"].as_u64().unwrap();
    assert!((40..160).contains(&conversations), "{both}");
    assert_eq!(both["proposed"]["conversations"], conversations);
    assert!(simulate(&["generated:"]).await.out.contains("wait, nine of ten within"));
    assert_refused(&simulate(&["generated:staff=1"]).await, 2, &["staff", "agents"]);
    assert_refused(&simulate(&["/nowhere.db"]).await, 2, &["/nowhere.db", "no such file"]);
    let help = run(&["routing", "simulate", "--help"], &[]).await;
    for flag in ["--policy", "--from", "--tenant", "--patience", "--json", "--config", "--demo"] {
        assert!(help.out.contains(flag), "{flag}: {}", help.out);
    }
}

#[tokio::test]
async fn bad_usage_is_one_line_and_two() {
    for (args, part) in [
        (&["dance"][..], "dance"),
        (&["serve", "--port", "1"], "--port"),
        (&["serve", "--listen", "everywhere"], "everywhere"),
        (&["token", "--role", "king", "--user", "u"], "king"),
        (&["token", "--role", "agent"], "--user"),
        (&["token", "--role", "agent", "--user", "a b"], "--user"),
        (&["token", "--role", "agent", "--user", "u", "--ttl", "soon"], "soon"),
        (&["token", "--role", "agent", "--user", "u", "--department", "x"], "UUID"),
        (&["check-config", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (&["serve", "--demo", "--listen", "0.0.0.0:0"], "0.0.0.0"),
        (&["serve", "--demo", "--listen", "[::]:0"], "[::]"),
    ] {
        let dir = TempDir::new().unwrap();
        let env = [("SWITCHBOARD__SERVER__DATA_DIR", data_of(dir.path()))];
        let env = env.each_ref().map(|(k, v)| (*k, v.as_str()));
        assert_refused(&run(args, &env).await, 2, &[part]);
    }
}

#[tokio::test]
async fn a_setting_nobody_knows_is_refused_with_the_nearest_one() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("switchboard.toml");
    fs::write(&file, "[limits]\nmesages_per_minute = 5\n").unwrap();
    let args = ["check-config", "--config", file.to_str().unwrap()];
    let nearest = ["mesages_per_minute", "limits.messages_per_minute"];
    assert_refused(&run(&args, &[]).await, 2, &nearest);
    let env = [("SWITCHBOARD__SERVER__DRAIN_TIMEOT", "5s")];
    assert_refused(&run(&["check-config"], &env).await, 2, &["server.drain_timeout"]);
    let env = [("SWITCHBOARD__LIMITS__FRAME_BYTES", "many")];
    assert_refused(&run(&["check-config"], &env).await, 2, &["limits.frame_bytes", "many"]);
    fs::write(&file, "[limits\n").unwrap();
    assert_refused(&run(&args, &[]).await, 2, &["switchboard.toml"]);
    let env = [("REDIS_PORT", "0")];
    assert_refused(&run(&["check-config"], &env).await, 2, &["redis.port", "REDIS_PORT"]);
}

#[tokio::test]
async fn the_default_configuration_can_be_loaded_and_is_the_default() {
    let dir = TempDir::new().unwrap();
    let printed = run(&["default-config"], &[]).await;
    assert_eq!(printed.code, Some(0));
    let file = dir.path().join("switchboard.toml");
    fs::write(&file, &printed.out).unwrap();
    let checked = run(&["check-config", "--config", file.to_str().unwrap()], &[]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    // What is only shown as an example, because no tenant has it by default, is not repeated.
    let (said, _example) = printed.out.split_once("\n# The telephone system of a tenant").unwrap();
    assert!(checked.out.starts_with(said.trim_end()), "it changed what it says");
    // The environment goes over the file, and a secret is not shown.
    let env = [("HEARTBEAT_INTERVAL", "77"), ("JWT_SECRET", "do not show this to anybody, please")];
    let checked = run(&["check-config", "--config", file.to_str().unwrap()], &env).await;
    assert!(checked.out.contains("heartbeat_interval = \"77s\""), "{}", checked.out);
    assert!(!checked.out.contains("do not show"), "{}", checked.out);
}

#[tokio::test]
async fn a_token_of_the_program_opens_a_socket_of_the_server() {
    let dir = TempDir::new().unwrap();
    let data = data_of(dir.path());
    // Without JWT_SECRET, both use the secret that whoever comes first makes.
    let session = Uuid::new_v4().to_string();
    let args = ["token", "--role", "customer", "--user", "budi", "--conversation", &session];
    let args = [&args[..], &["--name", "Budi", "--ttl", "5m", "--data-dir", &data]].concat();
    let made = run(&args, &[]).await;
    assert_eq!((made.code, made.out.trim_end().lines().count()), (Some(0), 1), "{made:?}");
    let secret = Path::new(&data).join("jwt_secret");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);

    let mut process = Process::serve_with_own_secret(Path::new(&data)).await;
    let token = made.out.trim();
    let path = format!("/ws/{session}/budi/customer?token={token}");
    let mut client = Client::open(process.addr, &path, &[]).await.unwrap();
    client.frame_of("connection_established").await;
    // The same flags with another secret make another token.
    let env = [("JWT_SECRET", "another secret, not the generated one")];
    let other = run(&args, &env).await.out;
    let path = format!("/ws/{session}/budi/customer?token={}", other.trim());
    let Err(answer) = Client::open(process.addr, &path, &[]).await else { panic!("let in") };
    assert_eq!(answer.status, 401);
    let (log, secret) = (process.log(), fs::read_to_string(&secret).unwrap());
    assert!(!log.contains(token) && !log.contains(secret.trim()), "secrets in the log: {log}");
    process.terminate().await;
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn a_token_by_jwt_secret_holds_where_that_secret_does() {
    let dir = TempDir::new().unwrap();
    let data = data_of(dir.path());
    let process = Process::serve(Path::new(&data), &[]).await;
    let session = Uuid::new_v4().to_string();
    let args = ["token", "--role", "customer", "--user", "b", "--conversation", &session];
    let env = [("JWT_SECRET", crate::server::SECRET)];
    let made = run(&[&args[..], &["--data-dir", &data]].concat(), &env).await;
    let path = format!("/ws/{session}/b/customer?token={}", made.out.trim());
    Client::open(process.addr, &path, &[]).await.unwrap();
    assert!(!Path::new(&data).join("jwt_secret").exists(), "a secret was made all the same");
    process.kill().await;
}

#[tokio::test]
async fn migrate_and_doctor_say_what_they_find() {
    let dir = TempDir::new().unwrap();
    let data = data_of(dir.path());
    let args = |command| [command, "--data-dir", data.as_str()];
    let env = [("SWITCHBOARD__SERVER__LISTEN", "127.0.0.1:0")];
    let first = run(&args("migrate"), &env).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.out.contains("from version 0"), "{first:?}");
    let again = run(&args("migrate"), &env).await;
    assert!(again.code == Some(0) && again.out.contains("already"), "{again:?}");
    let well = run(&args("doctor"), &env).await;
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(!well.out.contains("FAIL"), "{well:?}");

    let database = Path::new(&data).join("switchboard.db");
    fs::write(&database, "this is no database, but it is long enough to be one ".repeat(99))
        .unwrap();
    let ill = run(&args("doctor"), &env).await;
    assert_eq!(ill.code, Some(1), "{ill:?}");
    assert!(ill.out.contains("FAIL") && ill.out.contains("switchboard.db"), "{ill:?}");
    assert_refused(&run(&args("migrate"), &env).await, 1, &["switchboard.db"]);
}

#[tokio::test]
async fn the_catalogue_of_events_is_json() {
    let listed = run(&["events", "--json"], &[]).await;
    assert_eq!(listed.code, Some(0));
    let events: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
    let message = events.iter().find(|e| e["type"] == "chat.message").expect("chat.message");
    assert_eq!(message["durable"], true);
    assert!(message["roles"].as_array().unwrap().contains(&json!("customer")));
    assert!(message["payload"]["body"].is_string(), "{message}");
    for event in &events {
        assert!(event["durable"].is_boolean() && event["payload"].is_object(), "{event}");
    }
    let typing = events.iter().find(|e| e["type"] == "chat.typing").expect("chat.typing");
    assert_eq!(typing["durable"], false);
    let text = run(&["events"], &[]).await;
    assert_eq!(text.out.lines().count(), events.len() + 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    let data = data_of(dir.path());
    let ran = run(&["serve", "--listen", &address, "--data-dir", &data], &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let last = ran.err.trim_end().lines().last().unwrap();
    assert!(last.starts_with("switchboard: ") && last.contains(&address), "{ran:?}");
}

#[tokio::test]
async fn the_demo_prints_what_one_needs_and_needs_no_token() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let mut demo = Process::serve_demo(&data).await;
    let printed = demo.printed_until("token of agent Acme agent").await;
    assert!(printed.contains("/websocket-test.html"), "{printed}");
    assert!(printed.contains("test-conv, test-session"), "{printed}");
    let path = format!("/ws/{}/customer_123/customer", Uuid::new_v4());
    let mut client = Client::open(demo.addr, &path, &[]).await.unwrap();
    client.frame_of("connection_established").await;
    assert!(data.join("demo").is_dir(), "its data has a directory of its own");
    demo.kill().await;
}
