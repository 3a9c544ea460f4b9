//! What `switchboard doctor` finds of the servers it depends on, well ones and ill ones.

use rdkafka::mocking::MockCluster;
use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::clock::within;
use crate::process::{PROGRAM, command};
use crate::services::{PrivateRedis, free_port, service};

const PASSWORD: &str = "a-password-that-is-not-to-be-told";

/// The lines about one subject, and the exit code.
struct Findings {
    code: Option<i32>,
    text: String,
}

impl Findings {
    fn of(&self, subject: &str) -> Vec<&str> {
        let is_of = |line: &&str| line.split_whitespace().nth(1) == Some(subject);
        self.text.lines().filter(is_of).collect()
    }

    fn has(&self, verdict: &str, parts: &[&str]) -> bool {
        let mut lines = self.text.lines();
        lines.any(|l| l.starts_with(verdict) && parts.iter().all(|part| l.contains(part)))
    }
}

async fn doctor(env: &[(&str, &str)]) -> Findings {
    let dir = TempDir::new().unwrap();
    let mut command = command(PROGRAM, &[("server.listen", "127.0.0.1:0")]);
    command.args(["doctor", "--data-dir"]).arg(dir.path()).envs(env.iter().copied());
    let output = within("the end of the doctor", command.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains(PASSWORD) && !errors.contains(PASSWORD), "{text}{errors}");
    Findings { code: output.status.code(), text }
}

fn split(address: &str) -> (&str, &str) {
    address.rsplit_once(':').unwrap()
}

#[tokio::test]
async fn what_is_well_is_found_well() {
    let Some(postgres) = service("SWITCHBOARD_TEST_POSTGRES") else { return };
    let Some(redis) = service("SWITCHBOARD_TEST_REDIS") else { return };
    let (host, port) = split(&redis);
    let env = [("DATABASE_URL", &*postgres), ("REDIS_HOST", host), ("REDIS_PORT", port)];
    let found = doctor(&env).await;
    assert_eq!(found.code, Some(0), "{}", found.text);
    assert!(found.has("ok", &["nodes", "several"]), "{}", found.text);
    assert!(found.of("postgres").len() >= 5 && found.of("redis").len() >= 5, "{}", found.text);
    assert!(found.has("ok", &["postgres", "clock"]) && found.has("ok", &["redis", "clock"]));
    assert!(found.has("ok", &["redis", "heard"]) && found.has("ok", &["redis", "scripts run"]));
}

#[tokio::test]
async fn every_shard_of_a_cluster_is_looked_at() {
    let Some(cluster) = service("SWITCHBOARD_TEST_REDIS_CLUSTER") else { return };
    let first = cluster.split(',').next().unwrap();
    let of_cluster = ("SWITCHBOARD__REDIS__CLUSTER", "true");
    // One that is named is gone; the others tell of all.
    let hosts = format!("127.0.0.1:{},{first}", free_port());
    let found = doctor(&[("REDIS_HOST", &hosts), of_cluster]).await;
    assert_eq!(found.code, Some(0), "{}", found.text);
    for shard in cluster.split(',') {
        assert!(found.has("ok", &["redis", shard, "Redis"]), "{shard}: {}", found.text);
    }
    assert!(found.has("warn", &["redis", "refused"]), "{}", found.text);
    assert!(found.has("ok", &["3 shards"]), "{}", found.text);

    let found = doctor(&[("REDIS_HOST", first), of_cluster, ("REDIS_DB", "3")]).await;
    assert!(found.code == Some(1) && found.has("FAIL", &["redis.db"]), "{}", found.text);
    let found = doctor(&[("REDIS_HOST", first)]).await;
    assert!(found.code == Some(1) && found.has("FAIL", &["redis.cluster"]), "{}", found.text);
    let found = doctor(&[("REDIS_HOST", &cluster)]).await;
    assert!(found.code == Some(1) && found.has("FAIL", &["redis.cluster"]), "{}", found.text);
}

#[tokio::test]
async fn a_redis_that_would_lose_people_is_found_out() {
    if service("SWITCHBOARD_TEST_REDIS").is_none() {
        return;
    }
    let redis =
        PrivateRedis::start(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let port = redis.port.to_string();
    let env = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    let found = doctor(&env).await;
    assert!(found.code == Some(1) && found.has("FAIL", &["noeviction"]), "{}", found.text);
    let cluster = ("SWITCHBOARD__REDIS__CLUSTER", "true");
    let found = doctor(&[env[0], env[1], cluster]).await;
    assert!(found.has("FAIL", &["no node of a cluster"]), "{}", found.text);
    let found = doctor(&[env[0], env[1], ("REDIS_DB", "99")]).await;
    assert!(found.has("FAIL", &["database 99", "REDIS_DB"]), "{}", found.text);
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_told() {
    if service("SWITCHBOARD_TEST_REDIS").is_none() {
        return;
    }
    let redis = PrivateRedis::start(&["--requirepass", "the-right-one"]).await;
    let port = redis.port.to_string();
    let env = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    for password in [None, Some(("REDIS_PASSWORD", PASSWORD))] {
        let found = doctor(&env.into_iter().chain(password).collect::<Vec<_>>()).await;
        assert_eq!(found.code, Some(1), "{}", found.text);
        assert!(found.has("FAIL", &["redis", "REDIS_PASSWORD"]), "{}", found.text);
    }
    let right = ("REDIS_PASSWORD", "the-right-one");
    let found = doctor(&[env[0], env[1], right]).await;
    assert!(found.code == Some(0) && !found.text.contains(right.1), "{}", found.text);
}

#[tokio::test]
async fn what_a_postgres_user_may_not_is_found_out() {
    let Some(postgres) = service("SWITCHBOARD_TEST_POSTGRES") else { return };
    let (client, line) = tokio_postgres::connect(&postgres, NoTls).await.unwrap();
    tokio::spawn(line);
    let user = format!("doctor_{}", Uuid::new_v4().simple());
    let make = format!(
        "CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 9;
         ALTER ROLE {user} SET synchronous_commit = off;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
    );
    client.batch_execute(&make).await.unwrap();
    let with = |user: &str, database: &str| {
        let mut url = url::Url::parse(&postgres).unwrap();
        url.set_username(user).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url.set_path(database);
        url.to_string()
    };
    let found = doctor(&[("DATABASE_URL", &with(&user, "postgres"))]).await;
    client.batch_execute(&format!("DROP ROLE {user}")).await.unwrap();
    assert_eq!(found.code, Some(1), "{}", found.text);
    assert!(found.has("FAIL", &["GRANT CREATE ON SCHEMA public"]), "{}", found.text);
    assert!(found.has("warn", &["synchronous_commit"]), "{}", found.text);
    assert!(found.has("warn", &["9 connections", "room for 1 nodes"]), "{}", found.text);
    assert!(found.has("warn", &["nodes", "REDIS_HOST"]), "{}", found.text);

    let found = doctor(&[("DATABASE_URL", &with(&user, "postgres"))]).await;
    assert!(found.has("FAIL", &["postgres", &user]), "{}", found.text);
    let found = doctor(&[("DATABASE_URL", &with("postgres", "not_there"))]).await;
    assert!(found.has("FAIL", &["not_there", "CREATE DATABASE"]), "{}", found.text);
}

#[tokio::test]
async fn where_nobody_listens_it_says_so_in_time() {
    let port = free_port().to_string();
    let database = format!("postgres://joe:{PASSWORD}@127.0.0.1:{port}/chat");
    let brokers = format!("127.0.0.1:{port}");
    let found = doctor(&[
        ("DATABASE_URL", &*database),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &*port),
        ("REDIS_PASSWORD", PASSWORD),
        ("KAFKA_BROKERS", &*brokers),
        ("SWITCHBOARD__KAFKA__PROPERTIES", &*format!("sasl.password={PASSWORD}")),
    ])
    .await;
    assert_eq!(found.code, Some(1), "{}", found.text);
    for subject in ["postgres", "redis", "kafka"] {
        assert!(found.has("FAIL", &[subject, "refused"]), "{subject}: {}", found.text);
        assert_eq!(found.of(subject).len(), 1, "{}", found.text);
    }
}

#[tokio::test]
async fn topics_that_are_missing_are_named() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("calls", 1, 1).unwrap();
    let brokers = mock.bootstrap_servers();
    let env = [
        ("KAFKA_BROKERS", &*brokers),
        ("SWITCHBOARD__KAFKA__INGEST_TOPIC", "calls"),
        ("SWITCHBOARD__KAFKA__TOPIC", "told"),
    ];
    let found = doctor(&env).await;
    assert!(found.has("ok", &["kafka", "1 brokers"]), "{}", found.text);
    assert!(found.has("ok", &["kafka", "has the topics calls"]), "{}", found.text);
    assert!(found.has("warn", &["switchboard.events.dead, told"]), "{}", found.text);
}

#[tokio::test]
async fn a_broker_that_makes_topics_is_believed() {
    let Some(brokers) = service("SWITCHBOARD_TEST_KAFKA") else { return };
    let topic = format!("doctor-{}", Uuid::new_v4());
    let env = [("KAFKA_BROKERS", &*brokers), ("SWITCHBOARD__KAFKA__TOPIC", &*topic)];
    let found = doctor(&env).await;
    assert!(found.code == Some(0) && found.has("ok", &["will make", &topic]), "{}", found.text);
}
