//! What the value of an option may look like, in the file, in the environment and on the command
//! line, and how it is printed. Knows no key.
//!
//! To add a kind of value: an `impl Value`. To add a range: a `check_*` function.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::limits::OPTION_DURATION_MAX;

/// A value as a source gave it.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// From the file, with a type.
    Toml(toml::Value),
    /// From the environment or a flag: text whatever the type.
    Text(String),
}

/// A type an option can have.
pub(super) trait Value: Sized {
    /// What a value looks like, after "expected".
    const EXPECTED: &'static str;
    /// Whether a wrong value may be shown in the error.
    const SHOWN: bool = true;
    /// Reads a value of the file.
    fn from_toml(given: &toml::Value) -> Option<Self>;
    /// Reads a value of the environment or a flag.
    fn from_text(given: &str) -> Option<Self>;
    /// The value as the file would have it.
    fn to_toml(&self) -> String;
}

/// Reads and checks a value; the error says what was expected.
pub(super) fn read<T: Value>(
    given: &Given,
    check: fn(&T) -> Result<(), String>,
) -> Result<T, String> {
    let (value, shown) = match given {
        Given::Toml(value) => (T::from_toml(value), value.to_string()),
        Given::Text(text) => (T::from_text(text.trim()), format!("{text:?}")),
    };
    // An address may carry a password before its `@`.
    let is_shown = T::SHOWN && !shown.contains('@');
    let but = if is_shown { format!(", not {}", shown.replace('\n', " ")) } else { String::new() };
    let value = value.ok_or_else(|| format!("expected {}{but}", T::EXPECTED))?;
    check(&value).map_err(|expected| format!("expected {expected}{but}"))?;
    Ok(value)
}

/// A value that is never shown: `Debug`, `Serialize` and the printed file say `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself; for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn masked(&self) -> &'static str {
        if self.is_empty() { "" } else { "***" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.masked())
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "a string";
    const SHOWN: bool = false;
    fn from_toml(given: &toml::Value) -> Option<Secret> {
        given.as_str().map(Secret::new)
    }
    fn from_text(given: &str) -> Option<Secret> {
        Some(Secret::new(given))
    }
    fn to_toml(&self) -> String {
        quoted(self.masked())
    }
}

/// An address with a password in it perhaps, which is printed as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole; for whoever opens it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn masked(&self) -> String {
        match Url::parse(&self.0) {
            Ok(mut url) if url.password().is_some() => {
                // An address with a password has room for one.
                let _ = url.set_password(Some("***"));
                url.to_string()
            }
            _ => self.0.clone(),
        }
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        Address(text.to_owned())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.masked())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Value for Address {
    const EXPECTED: &'static str = "a string";
    fn from_toml(given: &toml::Value) -> Option<Address> {
        given.as_str().map(Address::from)
    }
    fn from_text(given: &str) -> Option<Address> {
        Some(Address::from(given))
    }
    fn to_toml(&self) -> String {
        quoted(&self.masked())
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object a line.
    Json,
}

impl Value for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";
    fn from_toml(given: &toml::Value) -> Option<LogFormat> {
        LogFormat::from_text(given.as_str()?)
    }
    fn from_text(given: &str) -> Option<LogFormat> {
        match given {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        }
    }
    fn to_toml(&self) -> String {
        quoted(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

/// Who answers before a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotProvider {
    /// Nobody.
    None,
    /// The FAQ.
    Faq,
    /// Coze's chat API.
    Coze,
    /// Any endpoint that speaks OpenAI's chat completions.
    OpenAi,
}

impl BotProvider {
    const ALL: [(BotProvider, &'static str); 4] = [
        (BotProvider::None, "none"),
        (BotProvider::Faq, "faq"),
        (BotProvider::Coze, "coze"),
        (BotProvider::OpenAi, "openai"),
    ];
}

impl Value for BotProvider {
    const EXPECTED: &'static str = "\"none\", \"faq\", \"coze\" or \"openai\"";
    fn from_toml(given: &toml::Value) -> Option<BotProvider> {
        BotProvider::from_text(given.as_str()?)
    }
    fn from_text(given: &str) -> Option<BotProvider> {
        BotProvider::ALL.iter().find(|(_, name)| *name == given).map(|(provider, _)| *provider)
    }
    fn to_toml(&self) -> String {
        let found = BotProvider::ALL.iter().find(|(provider, _)| provider == self);
        quoted(found.map_or("none", |(_, name)| name))
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a string";
    fn from_toml(given: &toml::Value) -> Option<String> {
        given.as_str().map(str::to_owned)
    }
    fn from_text(given: &str) -> Option<String> {
        Some(given.to_owned())
    }
    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";
    fn from_toml(given: &toml::Value) -> Option<PathBuf> {
        given.as_str().map(PathBuf::from)
    }
    fn from_text(given: &str) -> Option<PathBuf> {
        Some(given.into())
    }
    fn to_toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_toml(given: &toml::Value) -> Option<bool> {
        given.as_bool()
    }
    fn from_text(given: &str) -> Option<bool> {
        given.parse().ok()
    }
    fn to_toml(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = "a whole number, 0 or more";
            fn from_toml(given: &toml::Value) -> Option<$type> {
                given.as_integer()?.try_into().ok()
            }
            fn from_text(given: &str) -> Option<$type> {
                given.parse().ok()
            }
            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers!(u32, usize);

impl Value for Duration {
    const EXPECTED: &'static str =
        "a duration such as \"300ms\", \"10s\", \"2m\", \"12h\" or \"30d\", or whole seconds";
    fn from_toml(given: &toml::Value) -> Option<Duration> {
        match given {
            toml::Value::Integer(seconds) => {
                bounded(Duration::from_secs(u64::try_from(*seconds).ok()?))
            }
            toml::Value::String(text) => Duration::from_text(text),
            _ => None,
        }
    }
    fn from_text(given: &str) -> Option<Duration> {
        let digits = given.find(|c: char| !c.is_ascii_digit()).unwrap_or(given.len());
        let (number, unit) = given.split_at(digits);
        let unit_ms = if unit.is_empty() { Some(1_000) } else { unit_ms(unit) };
        bounded(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms?)?))
    }
    fn to_toml(&self) -> String {
        let ms = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        // The largest unit that divides it, but "24h" rather than "1d": a single unit reads badly
        // beside its neighbours.
        let fits = |&&(_, unit): &&(&str, u64)| ms.is_multiple_of(unit) && ms / unit > 1;
        let (name, unit) = UNITS_MS.iter().rev().find(fits).unwrap_or(&SECONDS);
        if ms.is_multiple_of(*unit) {
            quoted(&format!("{}{name}", ms / unit))
        } else {
            quoted(&format!("{ms}ms"))
        }
    }
}

/// Reads a duration as every option and flag writes it.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::from_text(text).ok_or_else(|| format!("expected {}", Duration::EXPECTED))
}

const SECONDS: (&str, u64) = ("s", 1_000);
const UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), SECONDS, ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn unit_ms(unit: &str) -> Option<u64> {
    UNITS_MS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms)
}

fn bounded(duration: Duration) -> Option<Duration> {
    (duration <= OPTION_DURATION_MAX).then_some(duration)
}

impl Value for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";
    fn from_toml(given: &toml::Value) -> Option<Vec<String>> {
        given.as_array()?.iter().map(String::from_toml).collect()
    }
    fn from_text(given: &str) -> Option<Vec<String>> {
        Some(parts(given).map(str::to_owned).collect())
    }
    fn to_toml(&self) -> String {
        list(self.iter().map(|text| quoted(text)))
    }
}

impl Value for Vec<SocketAddr> {
    const EXPECTED: &'static str = "addresses with ports, such as 127.0.0.1:8080 or [::1]:8080";
    fn from_toml(given: &toml::Value) -> Option<Vec<SocketAddr>> {
        given.as_array()?.iter().map(|v| v.as_str()?.parse().ok()).collect()
    }
    fn from_text(given: &str) -> Option<Vec<SocketAddr>> {
        parts(given).map(|part| part.parse().ok()).collect()
    }
    fn to_toml(&self) -> String {
        list(self.iter().map(|address| quoted(&address.to_string())))
    }
}

impl Value for Vec<Duration> {
    const EXPECTED: &'static str = "a list of durations such as \"5s\" or \"2m\"";
    fn from_toml(given: &toml::Value) -> Option<Vec<Duration>> {
        given.as_array()?.iter().map(Duration::from_toml).collect()
    }
    fn from_text(given: &str) -> Option<Vec<Duration>> {
        parts(given).map(Duration::from_text).collect()
    }
    fn to_toml(&self) -> String {
        list(self.iter().map(Value::to_toml))
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// At least one address.
pub(super) fn check_addresses(addresses: &[SocketAddr]) -> Result<(), String> {
    require(!addresses.is_empty(), "at least one address")
}

/// A duration that is not zero.
pub(super) fn check_positive(duration: &Duration) -> Result<(), String> {
    require(!duration.is_zero(), "more than 0 seconds")
}

/// At least one pause, and none that is no pause.
pub(super) fn check_pauses(pauses: &[Duration]) -> Result<(), String> {
    let are_pauses = !pauses.is_empty() && pauses.iter().all(|pause| !pause.is_zero());
    require(are_pauses, "at least one duration, each of more than 0 seconds")
}

/// A number that is not zero.
pub(super) fn check_count(count: &usize) -> Result<(), String> {
    require(*count > 0, "at least 1")
}

/// A number that is not zero.
pub(super) fn check_number(number: &u32) -> Result<(), String> {
    require(*number > 0, "at least 1")
}

/// A share of a hundred.
pub(super) fn check_percent(percent: &u32) -> Result<(), String> {
    require(*percent <= 100, "0 to 100")
}

/// A text that says something.
pub(super) fn check_filled(text: &str) -> Result<(), String> {
    require(!text.trim().is_empty(), "a text that is not empty")
}

/// A frame that has room for the protocols' own frames.
pub(super) fn check_frame_bytes(bytes: &usize) -> Result<(), String> {
    require((1_024..=1 << 30).contains(bytes), "1024 bytes to 1 GiB")
}

/// A store there is.
pub(super) fn check_store(address: &Address) -> Result<(), String> {
    let url = address.expose();
    const KINDS: &str = "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, memory: or nothing";
    match url.split_once(':') {
        None => require(url.is_empty(), KINDS),
        Some(("memory", "")) => Ok(()),
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_plain = !path.is_empty() && !path.contains('?') && path != ":memory:";
            require(is_plain, "sqlite:PATH without options, or memory:")
        }
        Some(("postgres" | "postgresql", _)) => {
            let is_address = Url::parse(url).is_ok_and(|url| url.has_host());
            require(is_address, "postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        }
        Some(_) => Err(KINDS.into()),
    }
}

/// Redis, by its host, or several of a cluster with their ports.
pub(super) fn check_redis_host(hosts: &str) -> Result<(), String> {
    let is_one = is_host_name(hosts) || hosts.parse::<Ipv6Addr>().is_ok();
    let are_peers = || parts(hosts).all(|peer| check_peer(peer).is_ok());
    require(
        hosts.is_empty() || is_one || are_peers(),
        "a host, or several with their ports: redis-1:6379,redis-2:6379",
    )
}

/// Hosts and their ports, or nothing.
pub(super) fn check_peers(peers: &str) -> Result<(), String> {
    let are_peers = parts(peers).all(|peer| check_peer(peer).is_ok());
    require(are_peers, "hosts and their ports, such as kafka-1:9092,kafka-2:9092")
}

/// A port.
pub(super) fn check_port(port: &u32) -> Result<(), String> {
    require((1..=65_535).contains(port), "1 to 65535")
}

/// Long enough to be a secret.
pub(super) fn check_encryption_key(key: &Secret) -> Result<(), String> {
    let is_long = key.expose().chars().count() >= 16;
    require(key.is_empty() || is_long, "16 characters or more, or nothing")
}

/// A lease that is renewed in time and ends soon enough (contract 9: no ghost for longer than 10
/// s).
pub(super) fn check_lease(lease: &Duration) -> Result<(), String> {
    let bounds = Duration::from_secs(2)..=Duration::from_secs(8);
    require(bounds.contains(lease), "2s to 8s")
}

/// The name of a topic, or nothing.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    let is_name = topic.len() <= 249
        && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    require(is_name, "a topic's name of letters, digits, `.`, `_` and `-`")
}

/// Settings of another program, each a name and a value.
pub(super) fn check_properties(properties: &Secret) -> Result<(), String> {
    let is_setting = |part: &str| part.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    require(parts(properties.expose()).all(is_setting), "name=value, name=value, ...")
}

/// They, with their values.
pub(super) fn properties_of(properties: &Secret) -> Vec<(String, String)> {
    let settings = parts(properties.expose()).filter_map(|part| part.split_once('='));
    settings.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// A host and a port, or nothing.
pub(super) fn check_peer(address: &str) -> Result<(), String> {
    let is_peer = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
            None => is_host_name(host),
        };
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    require(
        address.is_empty() || is_peer,
        "a host and a port, such as pbx.example.com:5038 or [::1]:5038",
    )
}

/// A text that is sent as part of a line.
pub(super) fn check_one_line(text: &str) -> Result<(), String> {
    require(!text.contains(char::is_control), "a text of one line")
}

/// A secret that is sent as part of a line.
pub(super) fn check_secret(secret: &Secret) -> Result<(), String> {
    check_one_line(secret.expose())
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// An `http` or `https` address, or nothing.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    let is_http = |url: Url| matches!(url.scheme(), "http" | "https");
    let ok = address.is_empty() || Url::parse(address).is_ok_and(is_http);
    require(ok, "an address that starts with https:// or http://")
}

/// Origins as browsers send them: a scheme, a host, perhaps a port. They also stand in a
/// Content-Security-Policy, where a `;` or a `,` would begin something else.
pub(super) fn check_origins(origins: &[String]) -> Result<(), String> {
    let wrong = origins.iter().find(|origin| *origin != "*" && !is_origin(origin));
    let Some(wrong) = wrong else { return Ok(()) };
    // What is before an `@` may be a password, here as in `read`.
    let named = if wrong.contains('@') { String::new() } else { format!(" ({wrong:?} is none)") };
    Err(format!("origins such as https://chat.example.com:8443 without a path, or *{named}"))
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    is_scheme && is_host && port.is_none_or(is_port)
}

/// A level, or filters that `tracing` understands.
pub(super) fn check_level(level: &str) -> Result<(), String> {
    // The filter syntax takes a bare word for a module's name, so that "inof" would silence
    // everything without a word; here a bare word is a level.
    let is_level = |part: &str| {
        part.contains(['=', '[']) || part.parse::<tracing::level_filters::LevelFilter>().is_ok()
    };
    let parses = EnvFilter::builder().parse(level).is_ok();
    require(
        parses && !level.is_empty() && level.split(',').all(|p| is_level(p.trim())),
        "error, warn, info, debug, trace, off, or filters such as info,switchboard::wire=debug",
    )
}

fn require(holds: bool, expected: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(expected.to_owned()) }
}
