//! Whether Redis does as presence and the broker need it: who it is, whether it keeps what it is
//! given, and whether its clock is ours. Asks by connections of its own; a probe key ends by itself.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, RedisError, TlsCertificates, cmd,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Finding, Verdict, bad, clocks, doubtful, millis, well};
use crate::config::Redis;
use crate::model::Moment;

const SUBJECT: &str = "redis";
/// For connecting, and for each answer.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// For all that is asked of one server.
const SERVER_WAIT: Duration = Duration::from_secs(8);
/// The first release with all commands that are used.
const VERSION_MIN: (u32, u32) = (6, 2);
/// The first one whose cluster carries messages shard by shard.
const CLUSTER_VERSION_MIN: (u32, u32) = (7, 0);
/// The middle one of so many round trips is told.
const PINGS: usize = 5;
/// A join waits for a round trip or two; beyond this, people notice.
const LATENCY_MAX: Duration = Duration::from_millis(20);
/// Of `maxmemory`, in percent.
const MEMORY_USED_MAX: u64 = 80;

type Address = (String, u16);

/// Looks at the configured Redis, or at every shard of the cluster.
pub(super) async fn examine(settings: &Redis) -> Vec<Finding> {
    let seeds = addresses(settings);
    if seeds.len() > 1 && !settings.cluster {
        let told = "redis.host names several servers, which only a cluster has; set redis.cluster \
                    to true, or name one";
        return vec![bad(SUBJECT, told)];
    }
    let mut findings = Vec::new();
    let mut reached = None;
    for seed in &seeds {
        match Server::connect(settings, seed).await {
            Ok(server) if reached.is_none() => reached = Some(server),
            Ok(_) => {}
            Err(finding) => findings.push(finding),
        }
    }
    let Some(mut server) = reached else { return findings };
    // A cluster's other nodes will do until this one is back.
    findings.iter_mut().for_each(|finding| finding.verdict = Verdict::Warn);
    let looked = timeout(SERVER_WAIT, server.look(settings, &mut findings)).await;
    if looked.is_err() {
        findings.push(server.silent());
        return findings;
    }
    if findings.iter().any(|finding| finding.verdict == Verdict::Fail) {
        // What else goes wrong follows from that.
        return findings;
    }
    if settings.cluster {
        findings.extend(shards(settings, &mut server).await);
    }
    findings.push(write(settings, &seeds).await);
    findings.push(server.hear().await);
    findings
}

/// The servers that are named, with their ports.
fn addresses(settings: &Redis) -> Vec<Address> {
    let port = u16::try_from(settings.port).unwrap_or_default();
    let parts = settings.host.split(',').map(str::trim).filter(|part| !part.is_empty());
    let address = |part: &str| match part.rsplit_once(':') {
        // An IPv6 address alone has colons, and no port.
        Some((host, given)) if !host.contains(':') || host.ends_with(']') => {
            (host.trim_matches(['[', ']']).to_owned(), given.parse().unwrap_or(port))
        }
        _ => (part.to_owned(), port),
    };
    parts.map(address).collect()
}

fn info(settings: &Redis, (host, port): &Address) -> Result<ConnectionInfo, RedisError> {
    let (host, port) = (host.clone(), *port);
    let address = match settings.tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    let info = address.into_connection_info()?;
    let mut who = info.redis_settings().clone();
    if !settings.username.is_empty() {
        who = who.set_username(&settings.username);
    }
    if !settings.password.is_empty() {
        who = who.set_password(settings.password.expose());
    }
    Ok(info.set_redis_settings(who))
}

/// Whom to believe, if not those this machine does.
fn certificates(settings: &Redis) -> Result<TlsCertificates, String> {
    let root_cert = match settings.tls_ca.as_os_str().is_empty() {
        true => None,
        false => Some(fs::read(&settings.tls_ca).map_err(|err| {
            format!("redis.tls_ca {}: {err}; name a PEM file", settings.tls_ca.display())
        })?),
    };
    Ok(TlsCertificates { client_tls: None, root_cert })
}

/// One server of the configured ones.
struct Server {
    name: String,
    client: Client,
    line: MultiplexedConnection,
}

impl Server {
    async fn connect(settings: &Redis, address: &Address) -> Result<Server, Finding> {
        let name = format!("{}:{}", address.0, address.1);
        let certificates = certificates(settings).map_err(|what| bad(SUBJECT, what))?;
        let told = |err: &RedisError| bad(SUBJECT, format!("{name}: {}", reason(err)));
        let client = info(settings, address)
            .and_then(|info| match settings.tls {
                true => Client::build_with_tls(info, certificates),
                false => Client::open(info),
            })
            .map_err(|err| told(&err))?;
        let waits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WAIT))
            .set_response_timeout(Some(ANSWER_WAIT));
        let connecting = client.get_multiplexed_async_connection_with_config(&waits);
        match timeout(ANSWER_WAIT, connecting).await {
            Ok(Ok(line)) => Ok(Server { name, client, line }),
            Ok(Err(err)) => Err(told(&err)),
            Err(_) => Err(bad(SUBJECT, format!("{name}: {SILENCE}"))),
        }
    }

    async fn ask<T: FromRedisValue>(&mut self, question: &Cmd) -> Result<T, String> {
        question.query_async(&mut self.line).await.map_err(|err| reason(&err))
    }

    fn silent(&self) -> Finding {
        bad(SUBJECT, format!("{}: {SILENCE}", self.name))
    }

    /// All that one server tells of itself.
    async fn look(&mut self, settings: &Redis, findings: &mut Vec<Finding>) {
        let told: Result<String, String> = self.ask(&cmd("INFO")).await;
        match told {
            Ok(text) => {
                let facts = facts(&text);
                findings.push(self.version(settings, &facts).await);
                findings.extend(self.role(settings, &facts));
                findings.push(self.memory(&facts));
            }
            Err(what) => findings.push(doubtful(SUBJECT, format!("{}: INFO: {what}", self.name))),
        }
        findings.extend(self.database(settings).await);
        findings.push(self.clock().await);
    }

    async fn version(&mut self, settings: &Redis, facts: &HashMap<&str, &str>) -> Finding {
        let version = *facts.get("redis_version").unwrap_or(&"0");
        let wanted = if settings.cluster { CLUSTER_VERSION_MIN } else { VERSION_MIN };
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let told = format!("{}: Redis {version}", self.name);
        if found < wanted {
            let what = format!("{told} is too old; install {}.{} or newer", wanted.0, wanted.1);
            return bad(SUBJECT, what);
        }
        match self.latency().await {
            Ok(took) if took > LATENCY_MAX => doubtful(
                SUBJECT,
                format!(
                    "{told} answers in {}; every join waits for it: move it nearer",
                    millis(took)
                ),
            ),
            Ok(took) => well(SUBJECT, format!("{told} answers in {}", millis(took))),
            Err(what) => bad(SUBJECT, format!("{told}: {what}")),
        }
    }

    async fn latency(&mut self) -> Result<Duration, String> {
        let mut took = Vec::new();
        for _ in 0..PINGS {
            let start = Instant::now();
            self.ask::<String>(&cmd("PING")).await?;
            took.push(start.elapsed());
        }
        took.sort_unstable();
        Ok(took[PINGS / 2])
    }

    /// Whether it may be written to, and is what the configuration says.
    fn role(&self, settings: &Redis, facts: &HashMap<&str, &str>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut is_bad = |what: &str| findings.push(bad(SUBJECT, format!("{}: {what}", self.name)));
        let is_cluster = facts.get("cluster_enabled") == Some(&"1");
        if is_cluster && !settings.cluster {
            is_bad("is a node of a cluster; set redis.cluster to true");
        }
        if !is_cluster && settings.cluster {
            is_bad("is no node of a cluster; set redis.cluster to false");
        }
        if facts.get("role") == Some(&"slave") && !settings.cluster {
            is_bad("is a replica, which cannot be written to; name the primary");
        }
        if facts.get("loading") == Some(&"1") {
            is_bad("still reads its data from disk; wait");
        }
        findings
    }

    /// A key that Redis puts out to make room is a person who vanishes.
    fn memory(&self, facts: &HashMap<&str, &str>) -> Finding {
        let name = &self.name;
        let number = |key| facts.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let policy = *facts.get("maxmemory_policy").unwrap_or(&"unknown");
        let (used, most) = (number("used_memory"), number("maxmemory"));
        if policy != "noeviction" {
            let told = format!(
                "{name}: maxmemory-policy is {policy}: when memory is short Redis puts people out \
                 who are there; set it to noeviction, by CONFIG SET and in redis.conf"
            );
            return if most > 0 { bad(SUBJECT, told) } else { doubtful(SUBJECT, told) };
        }
        let mib = |bytes: u64| bytes / 1024 / 1024;
        if most > 0 && used.saturating_mul(100) / most >= MEMORY_USED_MAX {
            let told = format!(
                "{name}: {} of {} MiB are used, and what does not fit is refused; raise maxmemory",
                mib(used),
                mib(most)
            );
            return doubtful(SUBJECT, told);
        }
        well(SUBJECT, format!("{name}: puts out nobody (noeviction), {} MiB used", mib(used)))
    }

    async fn database(&mut self, settings: &Redis) -> Option<Finding> {
        let (name, db) = (self.name.clone(), settings.db);
        if db == 0 {
            return None;
        }
        if settings.cluster {
            let told = "a cluster has database 0 alone; set redis.db (REDIS_DB) to 0";
            return Some(bad(SUBJECT, format!("{name}: {told}")));
        }
        Some(match self.ask::<()>(cmd("SELECT").arg(db)).await {
            Ok(()) => well(SUBJECT, format!("{name}: has database {db}")),
            Err(what) => {
                let hint = "choose a smaller redis.db (REDIS_DB), or raise `databases`";
                bad(SUBJECT, format!("{name}: database {db}: {what}; {hint}"))
            }
        })
    }

    async fn clock(&mut self) -> Finding {
        let start = Instant::now();
        match self.ask::<(i64, i64)>(&cmd("TIME")).await {
            Ok((seconds, micros)) => {
                let theirs = Moment(seconds.saturating_mul(1_000) + micros / 1_000);
                clocks(SUBJECT, &format!("the clock of {}", self.name), theirs, start.elapsed())
            }
            Err(what) => doubtful(SUBJECT, format!("{}: TIME: {what}", self.name)),
        }
    }

    /// Whether what is published is heard.
    async fn hear(&mut self) -> Finding {
        let channel = format!("sb:doctor:{}", Uuid::new_v4());
        let heard = async {
            let mut ears = self.client.get_async_pubsub().await.map_err(|err| reason(&err))?;
            ears.subscribe(&channel).await.map_err(|err| reason(&err))?;
            self.ask::<()>(cmd("PUBLISH").arg(&channel).arg("well")).await?;
            ears.on_message().next().await.ok_or_else(|| "the line was cut".to_owned())?;
            Ok::<_, String>(())
        };
        let what = match timeout(ANSWER_WAIT, heard).await {
            Ok(Ok(())) => return well(SUBJECT, "what is published is heard"),
            Ok(Err(what)) => what,
            Err(_) => format!("nothing within {ANSWER_WAIT:?}"),
        };
        let hint = "nodes tell each other by it; allow its user the channels sb:*";
        bad(SUBJECT, format!("{}: what is published is not heard: {what}; {hint}", self.name))
    }
}

/// Every shard, because each keeps a part; and whether they are all there.
async fn shards(settings: &Redis, server: &mut Server) -> Vec<Finding> {
    let state: Result<String, String> = server.ask(cmd("CLUSTER").arg("INFO")).await;
    let nodes: Result<String, String> = server.ask(cmd("CLUSTER").arg("NODES")).await;
    let (state, nodes) = match (state, nodes) {
        (Ok(state), Ok(nodes)) => (state, nodes),
        (Err(what), _) | (_, Err(what)) => {
            return vec![bad(SUBJECT, format!("{}: CLUSTER: {what}", server.name))];
        }
    };
    let facts = facts(&state);
    let of = |key| *facts.get(key).unwrap_or(&"unknown");
    let (state, slots) = (of("cluster_state"), of("cluster_slots_ok"));
    let mut findings = vec![match state {
        "ok" => well(SUBJECT, format!("the cluster has {} shards, all there", of("cluster_size"))),
        _ => bad(
            SUBJECT,
            format!(
                "the cluster's state is {state}, {slots} of 16384 slots are served; look at \
                 redis-cli --cluster check, and bring the missing shards back"
            ),
        ),
    }];
    for address in primaries(&nodes) {
        if format!("{}:{}", address.0, address.1) == server.name {
            continue;
        }
        match Server::connect(settings, &address).await {
            Ok(mut shard) => {
                if timeout(SERVER_WAIT, shard.look(settings, &mut findings)).await.is_err() {
                    findings.push(shard.silent());
                }
            }
            Err(finding) => findings.push(finding),
        }
    }
    findings
}

/// The addresses of the primaries, from lines such as
/// `07c3... 10.0.0.7:6379@16379,name master - 0 1426238317239 4 connected 0-5460`.
fn primaries(nodes: &str) -> Vec<Address> {
    let address = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (address, flags) = (words.next()?, words.next()?);
        let (host, port) = address.split('@').next()?.rsplit_once(':')?;
        flags.split(',').any(|flag| flag == "master").then_some(())?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    nodes.lines().filter_map(address).filter(|(host, _)| !host.is_empty()).collect()
}

/// Whether a script may run and keep something, by the way that the server goes.
async fn write(settings: &Redis, seeds: &[Address]) -> Finding {
    let key = format!("sb:doctor:{}", Uuid::new_v4());
    let code = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 10000) return redis.call('GET', KEYS[1])";
    let mut script = cmd("EVAL");
    script.arg(code).arg(1).arg(&key).arg("well");
    let written = timeout(SERVER_WAIT, async {
        if settings.cluster {
            let infos: Result<Vec<_>, _> = seeds.iter().map(|seed| info(settings, seed)).collect();
            let mut builder = ClusterClientBuilder::new(infos.map_err(|err| reason(&err))?)
                .connection_timeout(ANSWER_WAIT)
                .response_timeout(ANSWER_WAIT)
                .retries(2);
            if settings.tls {
                builder = builder.certs(certificates(settings)?);
            }
            let client = builder.build().map_err(|err| reason(&err))?;
            let mut line = client.get_async_connection().await.map_err(|err| reason(&err))?;
            return script.query_async::<String>(&mut line).await.map_err(|err| reason(&err));
        }
        let mut server = match Server::connect(settings, &seeds[0]).await {
            Ok(server) => server,
            Err(finding) => return Err(finding.detail),
        };
        server.ask::<()>(cmd("SELECT").arg(settings.db)).await?;
        server.ask::<String>(&script).await
    });
    let what = match written.await {
        Ok(Ok(_)) => return well(SUBJECT, "scripts run, and what they keep is kept"),
        Ok(Err(what)) => what,
        Err(_) => SILENCE.to_owned(),
    };
    let hint = "allow its user the keys of docs/operations.md and +eval +evalsha +script";
    bad(SUBJECT, format!("a script cannot keep anything: {what}; {hint}"))
}

/// The lines of INFO, by their names.
fn facts(text: &str) -> HashMap<&str, &str> {
    text.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

const SILENCE: &str = "no answer; look at firewalls, and whether redis.tls fits what it speaks";

/// What went wrong, and what to do.
fn reason(err: &RedisError) -> String {
    let text = err.to_string();
    let has = |word: &str| text.contains(word);
    let hint = match err.code() {
        _ if err.is_connection_refusal() => "is it running, and are redis.host and redis.port its?",
        _ if err.is_timeout() => return SILENCE.to_owned(),
        Some("NOAUTH") => "set redis.password (REDIS_PASSWORD)",
        Some("WRONGPASS") => "mend redis.password (REDIS_PASSWORD) or redis.username",
        Some("NOPERM") => "its user (ACL) may not; allow it",
        Some("MISCONF") => "it cannot save to its disk and refuses writes; look at its log",
        Some("OOM") => "its memory is full; raise maxmemory",
        Some("READONLY") => "it is a replica; name the primary",
        _ if has("authentication failed") => "mend redis.password (REDIS_PASSWORD)",
        _ if has("Parse") => "is it a Redis?",
        _ if has("lookup") || has("resolve") => "is redis.host right?",
        _ if err.is_connection_dropped() => "look at whether redis.tls fits what it speaks",
        _ => "look at its log",
    };
    format!("{text}; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_their_own_ports_or_the_common_one() {
        let of = |host: &str| addresses(&Redis { host: host.into(), ..Redis::default() });
        assert_eq!(of("redis"), [("redis".to_owned(), 6379)]);
        assert_eq!(of("::1"), [("::1".to_owned(), 6379)]);
        assert_eq!(of("a:1, [::1]:2"), [("a".to_owned(), 1), ("::1".to_owned(), 2)]);
    }

    #[test]
    fn of_a_cluster_the_primaries_are_looked_at() {
        let nodes = "a 10.0.0.7:6379@16379,name myself,master - 0 0 4 connected 0-5460\n\
                     b 10.0.0.8:6380@16380 slave a 0 0 4 connected\n\
                     c [::1]:6381@16381 master - 0 0 5 connected 5461-16383\n\
                     d :0@0 master,noaddr - 0 0 6 disconnected\n";
        let found = primaries(nodes);
        assert_eq!(found, [("10.0.0.7".to_owned(), 6379), ("[::1]".to_owned(), 6381)]);
    }
}
