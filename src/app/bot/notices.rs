//! The bot's own words, for what a customer is told when there is no answer.

use crate::bot::Language;
use crate::model::HandoffReason;

/// What a customer is told when a person takes over, in the language of its question.
pub(super) fn handoff(reason: HandoffReason, language: Option<Language>) -> &'static str {
    let (english, indonesian) = match reason {
        HandoffReason::Unsure => (
            "I am not sure about that. I am passing you on to a colleague, who will answer here.",
            "Saya kurang yakin soal itu. Saya teruskan ke rekan kami, yang akan menjawab di sini.",
        ),
        HandoffReason::Failed | HandoffReason::Interrupted | HandoffReason::BotOff => (
            "I cannot answer at the moment. I am passing you on to a colleague, who will answer \
             here.",
            "Saya sedang tidak dapat menjawab. Saya teruskan ke rekan kami, yang akan menjawab di \
             sini.",
        ),
        HandoffReason::First
        | HandoffReason::Asked
        | HandoffReason::CustomerAsked
        | HandoffReason::BotAsked
        | HandoffReason::Taken
        | HandoffReason::Transferred
        | HandoffReason::AgentLost
        | HandoffReason::Escalated => (
            "I am passing you on to a colleague, who will answer here as soon as possible.",
            "Saya teruskan ke rekan kami, yang akan menjawab di sini secepatnya.",
        ),
    };
    in_language(language, english, indonesian)
}

/// What whoever asks the bot is told when there is none. Nobody says it in the conversation.
pub(super) fn no_bot(language: Option<Language>) -> &'static str {
    in_language(
        language,
        "There is no automatic answer here. A colleague will answer as soon as possible.",
        "Tidak ada jawaban otomatis di sini. Rekan kami akan menjawab secepatnya.",
    )
}

fn in_language(
    language: Option<Language>,
    english: &'static str,
    indonesian: &'static str,
) -> &'static str {
    match language {
        Some(Language::Indonesian) => indonesian,
        Some(Language::English) | None => english,
    }
}
