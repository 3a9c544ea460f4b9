//! The longer defaults of `[bot]`, and what its providers cannot do without.

use super::value::Value;
use super::{Bot, BotProvider, Config, ConfigError};

/// What a model is told when nobody tells it better.
pub(super) const INSTRUCTIONS: &str = "You answer the customers of a contact centre, briefly, politely and \
    in the language they write in. Answer only what you know for certain. When you do not know, \
    or when the customer wants a person, answer with one short sentence and put {marker} behind it.";

/// How customers ask for a person, in English and Indonesian.
pub(super) fn phrases() -> Vec<String> {
    const PHRASES: &[&str] = &[
        "talk to a person",
        "talk to someone",
        "talk to a human",
        "talk to an agent",
        "speak to a person",
        "speak to someone",
        "speak to a human",
        "speak to an agent",
        "speak with someone",
        "real person",
        "real human",
        "human agent",
        "live agent",
        "human please",
        "representative",
        "bicara dengan orang",
        "bicara dengan manusia",
        "bicara dengan petugas",
        "bicara dengan agen",
        "bicara dengan cs",
        "bicara dengan admin",
        "ngobrol dengan orang",
        "hubungi petugas",
        "hubungkan ke agen",
        "hubungkan dengan agen",
        "hubungkan dengan petugas",
        "minta petugas",
        "orang asli",
        "manusia asli",
        "chat dengan cs",
    ];
    PHRASES.iter().map(|phrase| (*phrase).to_owned()).collect()
}

impl Config {
    /// A provider has all it needs.
    pub(super) fn check_bot(&self) -> Result<(), ConfigError> {
        let Bot { provider, api_key, bot_id, model, .. } = &self.bot;
        let needed: &[(&str, bool)] = match provider {
            BotProvider::None | BotProvider::Faq => &[],
            BotProvider::Coze => &[("api_key", api_key.is_empty()), ("bot_id", bot_id.is_empty())],
            BotProvider::OpenAi => &[("model", model.is_empty())],
        };
        match needed.iter().find(|(_, is_missing)| *is_missing) {
            Some((key, _)) => Err(ConfigError::Contradiction(format!(
                "bot.provider is {} but bot.{key} is not set; set it, or turn the bot off with \
                 bot.provider = \"none\"",
                provider.to_toml()
            ))),
            None => Ok(()),
        }
    }
}
