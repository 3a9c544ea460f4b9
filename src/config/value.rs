//! What the value of an option may look like, in the file, in the environment and on the command
//! line, and how it is printed. Knows no key.
//!
//! To add a kind of value: an `impl Value`. Ranges are in `checks`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};
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

pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
