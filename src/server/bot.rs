//! From the options of `[bot]` to the bot.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::app::FaqOf;
use crate::bot::{Bot, Coze, CozeSettings, Faq, OpenAi, OpenAiSettings, Patience, Provider};
use crate::config::{self, BotProvider};
use crate::log::Log;

/// The bot that is asked for, if one is.
///
/// # Errors
/// What is wrong with an option, in one line.
pub(super) fn open(settings: &config::Bot, log: &Arc<dyn Log>) -> Result<Option<Bot>> {
    let (base_url, api_key) = (settings.base_url.clone(), settings.api_key.expose().to_owned());
    let provider: Box<dyn Provider> = match settings.provider {
        BotProvider::None => return Ok(None),
        BotProvider::Faq => Box::new(Faq::new(Box::new(FaqOf(log.clone())), settings.confidence)),
        BotProvider::Coze => {
            let bot_id = settings.bot_id.clone();
            Box::new(Coze::new(CozeSettings { base_url, api_key, bot_id }).context("bot")?)
        }
        BotProvider::OpenAi => {
            let model = settings.model.clone();
            let instructions = settings.instructions.replace("{marker}", &settings.handoff_marker);
            let settings = OpenAiSettings { base_url, api_key, model, instructions };
            Box::new(OpenAi::new(settings).context("bot")?)
        }
    };
    Ok(Some(Bot::new(
        provider,
        Patience {
            timeout: settings.timeout,
            attempts: settings.attempts,
            failures_max: settings.breaker_failures,
            rest: settings.breaker_rest,
        },
    )))
}
