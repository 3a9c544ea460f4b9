//! The line to Redis, to real servers.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::testing::{Private, open, settings};
use super::{Error, Redis, Script, Settings, connect};
use crate::config::Secret;

const SINGLE: &str = "redis";
const CLUSTER: &str = "redis_cluster";

#[test]
fn hosts_are_read_with_their_ports_or_the_one_given() {
    for (text, host, port) in [
        ("redis-1", "redis-1", 6379),
        ("redis-1:7000", "redis-1", 7000),
        ("::1", "::1", 6379),
        ("[::1]:7000", "::1", 7000),
    ] {
        assert_eq!(connect::host_and_port(text, 6379), (host.to_owned(), port));
    }
}

async fn refusal(settings: &Settings) -> String {
    let Err(err) = Redis::open(settings).await else { panic!("it was let in") };
    let text = err.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_one_line_that_names_the_option() {
    let Some(server) = Private::start(&["--requirepass", "open sesame"]).await else { return };
    let right = Settings { password: Secret::new("open sesame"), ..server.settings() };
    Redis::open(&right).await.unwrap();
    let wrong = Settings { password: Secret::new("abracadabra"), ..server.settings() };
    assert!(refusal(&wrong).await.contains("redis.password (REDIS_PASSWORD)"));
    let none = server.settings();
    assert!(refusal(&none).await.contains("redis.password (REDIS_PASSWORD)"));
    let far = Settings { db: 99, ..right.clone() };
    assert!(refusal(&far).await.contains("redis.db (REDIS_DB)"));
    let no_cluster = Settings { is_cluster: true, ..right.clone() };
    let text = refusal(&no_cluster).await;
    assert!(text.contains("redis.cluster = false"), "{text}");
    let nobody = Settings { hosts: vec![("127.0.0.1".into(), 1)], ..right };
    assert!(matches!(Redis::open(&nobody).await, Err(Error::Gone(_))));
}

#[tokio::test]
async fn a_cluster_is_not_taken_for_a_server() {
    let Some(cluster) = settings(CLUSTER) else { return };
    let as_one =
        Settings { is_cluster: false, hosts: vec![cluster.hosts[0].clone()], ..cluster.clone() };
    assert!(refusal(&as_one).await.contains("redis.cluster = true"));
    let with_db = Settings { db: 3, ..cluster };
    assert!(refusal(&with_db).await.contains("redis.db"));
}

#[tokio::test]
async fn a_script_is_run_by_a_server_that_has_not_heard_of_it() {
    for variable in [SINGLE, CLUSTER] {
        let Some(settings) = settings(variable) else { continue };
        let redis = open(&settings).await;
        let text = format!("return KEYS[1] .. ARGV[1] .. '{}'", Uuid::new_v4());
        let script = Script::new(Box::leak(text.clone().into_boxed_str()));
        for key in ["a", "b", "c", "d"] {
            let told: String = redis.run(&script, &[key], &[b"1"]).await.unwrap();
            assert_eq!(told, format!("{key}1{}", &text[text.len() - 37..text.len() - 1]));
        }
    }
}

#[tokio::test]
async fn without_redis_an_answer_comes_at_once_and_after_its_return_it_is_right() {
    let Some(mut server) = Private::start(&[]).await else { return };
    let redis = open(&server.settings()).await;
    redis.ping().await.unwrap();
    server.kill();
    while redis.ping().await.is_ok() {}
    for _ in 0..4 {
        let _ = redis.ping().await;
    }
    let asked_at = Instant::now();
    assert!(matches!(redis.ping().await, Err(Error::Gone(_))));
    assert!(asked_at.elapsed() < Duration::from_millis(100), "it waited for nobody");
    server.start_again().await;
    let back = async {
        while redis.ping().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), back).await.expect("it came back");
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_until_the_deadline_only() {
    let Some(server) = Private::start(&[]).await else { return };
    let settings = Settings { timeout: Duration::from_millis(200), ..server.settings() };
    let redis = open(&settings).await;
    server.pause(true);
    let asked_at = Instant::now();
    assert!(matches!(redis.ping().await, Err(Error::Gone(_))));
    assert!(asked_at.elapsed() < Duration::from_secs(1));
    server.pause(false);
}

#[tokio::test]
async fn a_listening_hears_its_channels_and_ends_with_its_connection() {
    for variable in [SINGLE, CLUSTER] {
        let Some(settings) = settings(variable) else { continue };
        let redis = open(&settings).await;
        let channels: Vec<String> = (0..3).map(|_| format!("sb:{}", Uuid::new_v4())).collect();
        let mut listening = redis.listen(&channels).await.unwrap();
        let publish = if redis.is_cluster() { "SPUBLISH" } else { "PUBLISH" };
        for channel in &channels {
            redis.ask::<()>(redis::cmd(publish).arg(channel).arg("hello")).await.unwrap();
            let heard = timeout(Duration::from_secs(2), listening.next()).await.unwrap().unwrap();
            assert_eq!((heard.channel, heard.payload), (channel.clone().into(), b"hello".into()));
        }
    }
    let Some(mut server) = Private::start(&[]).await else { return };
    let redis = open(&server.settings()).await;
    let mut listening = redis.listen(&["sb:x".into()]).await.unwrap();
    server.kill();
    assert_eq!(timeout(Duration::from_secs(2), listening.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_line_can_be_encrypted_and_vouched_for_by_a_file() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
    let ports = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"];
    let Some(server) = Private::start(&[files, ports].concat()).await else { return };
    let right = Settings { tls: true, tls_ca: cert.into(), ..server.settings() };
    let redis = open(&right).await;
    redis.ping().await.unwrap();
    let mut listening = redis.listen(&["sb:x".into()]).await.unwrap();
    redis.ask::<()>(redis::cmd("PUBLISH").arg("sb:x").arg("hello")).await.unwrap();
    assert_eq!(listening.next().await.unwrap().payload, b"hello");
    let stranger = Settings { tls: true, ..server.settings() };
    assert!(refusal(&stranger).await.to_lowercase().contains("certificate"));
    let nowhere = Settings { tls_ca: "/nowhere.pem".into(), ..right };
    assert!(refusal(&nowhere).await.contains("redis.tls_ca"));
}
