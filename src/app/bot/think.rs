//! From a question to what is to be said. While the bot thinks, everybody sees it typing.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::super::App;
use super::Job;
use super::tell::Decision;
use super::tray::{Reply, Turn};
use crate::bot::{Answer, Bot, BreakerState, Failure, Question, Speaker, Turn as Said};
use crate::limits::{BOT_HISTORY_BYTES_MAX, BOT_LINES_MAX, BOT_TYPING_INTERVAL};
use crate::model::{
    Audience, Error, Event, HandoffReason, HistoryRange, InCharge, Message, Role, Typing,
};

impl App {
    /// Answers questions of one conversation together, unless that has been done, or has become
    /// somebody else's.
    pub(super) async fn answer_lines(&self, turn: &Turn, lines: Vec<Job>) -> Reply {
        let mut open = Vec::with_capacity(lines.len());
        for line in lines {
            let Job { tenant, conversation, question, seq, .. } = &line;
            match self.known_answer(tenant, *conversation, *question, *seq).await? {
                Some(known) => turn.tell_known(*question, &known),
                None => open.push(line),
            }
        }
        let Some(job) = open.into_iter().reduce(Job::join) else { return Ok(None) };
        let Some(bot) = &self.bot else {
            return self.tell(&job, Decision::Give(HandoffReason::BotOff)).await;
        };
        let found = self.log.conversation(&job.tenant, job.conversation).await;
        let found = found.map_err(|e| self.fault(e))?;
        if found.is_none_or(|c| c.in_charge() != Some(InCharge::Bot)) {
            return Ok(None);
        }
        if turn.is_overrun {
            tracing::warn!(conversation = %job.conversation, "the bot has too many questions");
            return self.tell(&job, Decision::Give(HandoffReason::Failed)).await;
        }
        let decision = self.decide(bot, &job).await?;
        self.tell(&job, decision).await
    }

    async fn decide(&self, bot: &Bot, job: &Job) -> Result<Decision, Error> {
        if self.0.desk.wishes.asks_for_a_person(&job.text) {
            return Ok(Decision::Give(HandoffReason::CustomerAsked));
        }
        let question = Question {
            tenant: job.tenant.clone(),
            conversation: job.conversation,
            text: job.text.clone(),
            history: self.history_before(job).await?,
        };
        let started = Instant::now();
        let answer = self.think(bot, job, &question).await;
        self.note_answer(bot, job, &answer, started);
        let give = |reason| Decision::Give(reason);
        Ok(match answer {
            Ok(Answer::Text(text)) => self.read_answer(&text),
            Ok(Answer::Unsure) => give(HandoffReason::Unsure),
            Err(_) => give(HandoffReason::Failed),
        })
    }

    /// Asks, and types until there is an answer.
    async fn think(&self, bot: &Bot, job: &Job, question: &Question) -> Result<Answer, Failure> {
        let mut answer = std::pin::pin!(bot.answer(question));
        let audience = self.log.conversation(&job.tenant, job.conversation).await.ok().flatten();
        let audience = Arc::new(audience.map_or_else(Audience::default, |c| c.audience()));
        loop {
            self.begin_typing(
                &job.tenant,
                Typing {
                    session_id: job.conversation,
                    user_id: self.0.desk.user.clone(),
                    sender_type: Role::Bot,
                    name: Some(self.config.bot.name.as_str().into()),
                    is_typing: true,
                },
                audience.clone(),
            );
            tokio::select! {
                answer = &mut answer => return answer,
                () = sleep(BOT_TYPING_INTERVAL) => {}
            }
            if !self.is_with_the_bot(job).await {
                // What comes of it is not said any more, so nobody is to wait for it.
                self.end_typing(&job.tenant, job.conversation, &self.0.desk.user);
                return answer.await;
            }
        }
    }

    async fn is_with_the_bot(&self, job: &Job) -> bool {
        let found = self.log.conversation(&job.tenant, job.conversation).await;
        matches!(found, Ok(Some(c)) if c.in_charge() == Some(InCharge::Bot))
    }

    fn note_answer(&self, bot: &Bot, job: &Job, answer: &Result<Answer, Failure>, since: Instant) {
        let outcome = match answer {
            Ok(Answer::Text(_)) => "answered",
            Ok(Answer::Unsure) => "unsure",
            Err(_) => "failed",
        };
        self.metrics.bot_answered(bot.provider(), outcome, since.elapsed());
        self.metrics.bot_breaker_state.set(match bot.breaker() {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
        if let Err(failure) = answer {
            let (provider, conversation) = (bot.provider(), job.conversation);
            tracing::warn!(provider, %conversation, %failure, "the bot's provider failed");
        }
    }

    /// What was said before the answer, but for the question and what has its turn after it: the
    /// newest that fits, ascending.
    async fn history_before(&self, job: &Job) -> Result<Vec<Said>, Error> {
        let limit = self.config.bot.history_messages;
        if limit == 0 {
            return Ok(vec![]);
        }
        let read = Some((limit + job.lines.len() + BOT_LINES_MAX) as u64);
        let range = HistoryRange { limit: read, ..HistoryRange::default() };
        let history = self.log.messages(&job.tenant, job.conversation, range).await;
        let history = history.map_err(|e| self.fault(e))?;
        let mut said: Vec<_> =
            history.messages.iter().filter_map(|e| said_in(&e.event, job)).collect();
        said.drain(..said.len().saturating_sub(limit));
        Ok(newest_that_fit(said))
    }

    /// An answer as it may be told: bounded, without control characters, without the marker by
    /// which a provider asks for a person.
    fn read_answer(&self, text: &str) -> Decision {
        let settings = &self.config.bot;
        let marker = settings.handoff_marker.as_str();
        let has_marker = !marker.is_empty() && text.contains(marker);
        let text = if has_marker { text.replace(marker, "") } else { text.to_owned() };
        let bytes_max = settings.answer_bytes.min(self.config.limits.message_bytes);
        let text = tidied(&text, bytes_max);
        match (text.is_empty(), has_marker) {
            (false, false) => Decision::Say(text),
            (false, true) => Decision::SayAndGive(text, HandoffReason::BotAsked),
            (true, true) => Decision::Give(HandoffReason::BotAsked),
            (true, false) => Decision::Give(HandoffReason::Unsure),
        }
    }
}

fn said_in(event: &Event, job: &Job) -> Option<Said> {
    let Event::Message(message) = event else { return None };
    let said = said_by(message);
    let is_next = message.seq > job.seq && said.speaker == Speaker::Customer;
    (!is_next && !job.lines.contains(&message.message_id)).then_some(said)
}

/// A program that speaks for a customer speaks as one.
fn said_by(message: &Message) -> Said {
    let speaker = match message.sender_type {
        Role::Customer | Role::Service => Speaker::Customer,
        Role::Agent | Role::Admin | Role::Bot => Speaker::Assistant,
    };
    Said { speaker, text: message.body.clone() }
}

fn newest_that_fit(mut turns: Vec<Said>) -> Vec<Said> {
    let mut bytes = 0;
    let newest = turns.iter().rev().take_while(|turn| {
        bytes += turn.text.len();
        bytes <= BOT_HISTORY_BYTES_MAX
    });
    let kept = newest.count();
    turns.split_off(turns.len() - kept)
}

fn tidied(text: &str, bytes_max: usize) -> String {
    let is_wanted = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.chars().filter(is_wanted).collect();
    let text = text.trim();
    text[..text.floor_char_boundary(bytes_max)].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_between_characters() {
        assert_eq!(tidied(" a\u{0}b\r\n\u{1b}c ", 99), "ab\nc");
        assert_eq!(tidied("ääää", 5), "ää");
        assert_eq!(tidied("one two", 4), "one");
        assert_eq!(tidied(" \u{7}\n", 99), "");
    }

    #[test]
    fn of_a_long_history_the_newest_is_told() {
        let turn = |bytes| Said { speaker: Speaker::Customer, text: "x".repeat(bytes) };
        let third = BOT_HISTORY_BYTES_MAX / 3;
        let kept = newest_that_fit(vec![turn(third), turn(third), turn(third), turn(third - 1)]);
        assert_eq!(
            kept.iter().map(|t| t.text.len()).collect::<Vec<_>>(),
            [third, third, third - 1]
        );
        assert!(newest_that_fit(vec![turn(1), turn(BOT_HISTORY_BYTES_MAX + 1)]).is_empty());
    }
}
