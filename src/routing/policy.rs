//! What a department decides about its queue: who is asked first, how, and what happens when
//! nobody comes. The shape REST and `routing simulate` read; every field may be left out.
//!
//! To add a rule: a field with its default here, its bound in [`Policy::check`], its meaning in
//! `docs/routing.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::hours::Hours;

/// Rules of escalation a department may have: more than anybody can foresee the effect of.
const RULES_MAX: usize = 20;
/// A week, in seconds: whoever waits longer for anything here waits for ever.
const SECONDS_MAX: u32 = 7 * 24 * 3600;
/// An offer shorter than this is over before an agent has read it.
const OFFER_SECONDS_MIN: u32 = 3;
/// Places one chat or call can take.
const WEIGHT_MAX: u32 = 100;
const NAME_CHARS_MAX: usize = 100;

/// How a department's queue is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Which of several free agents is taken.
    pub strategy: Strategy,
    /// Whether the agent a customer had last is taken before all others, if it is a candidate.
    pub last_agent_first: bool,
    /// Whether an agent is asked first.
    pub offer: OfferMode,
    /// Seconds an agent has to accept an offer.
    pub offer_timeout_seconds: u32,
    /// Seconds an agent is not asked again for a conversation that it declined or let pass.
    pub offer_retry_seconds: u32,
    /// Seconds of waiting that one level of priority is worth.
    pub priority_step_seconds: u32,
    /// Seconds the place of a conversation stays taken after it has left its agent.
    pub wrap_up_seconds: u32,
    /// What chats and calls take of an agent's places.
    pub weights: Weights,
    /// What happens after so much waiting.
    pub escalations: Vec<Rule>,
    /// When the department serves; always, if absent.
    pub hours: Option<Hours>,
    /// Seconds within which a conversation should be answered: what the service level counts.
    pub service_level_seconds: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            strategy: Strategy::LeastLoaded,
            last_agent_first: false,
            offer: OfferMode::Direct,
            offer_timeout_seconds: 20,
            offer_retry_seconds: 30,
            priority_step_seconds: 60,
            wrap_up_seconds: 0,
            weights: Weights::default(),
            escalations: Vec::new(),
            hours: None,
            service_level_seconds: 20,
        }
    }
}

/// Which of several free agents is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The one with the fewest places taken; of several, the one idle for longest.
    #[default]
    LeastLoaded,
    /// The one whose last turn is longest ago.
    RoundRobin,
    /// The one whose work changed last the longest ago, however much it has.
    LongestIdle,
}

impl Strategy {
    /// The strategy as the policy and the log name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::LeastLoaded => "least_loaded",
            Strategy::RoundRobin => "round_robin",
            Strategy::LongestIdle => "longest_idle",
        }
    }
}

/// Whether an agent is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfferMode {
    /// The conversation is the agent's at once.
    #[default]
    Direct,
    /// The agent has some seconds to accept.
    Accept,
}

/// How many of an agent's places one unit of work takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// One chat; at least 1.
    pub chat: u32,
    /// One call; 0 if calls and chats do not get in each other's way.
    pub call: u32,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights { chat: 1, call: 0 }
    }
}

/// What happens to a conversation that has waited for so long. Each rule fires once per stint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What people call it; what it does, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds of waiting, counted while the department is open.
    pub after_seconds: u32,
    /// What to do.
    pub action: Action,
}

impl Rule {
    /// Its name, or what it does.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.action.as_str().to_owned())
    }
}

/// What an escalation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Tells the supervisors.
    Supervisors,
    /// Lets the agents of another department take it, too.
    Department(Uuid),
    /// Gives it to the bot.
    Bot,
    /// Tells the customer to leave a message.
    OfflineMessage,
}

impl Action {
    /// The action as the log names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Supervisors => "supervisors",
            Action::Department(_) => "department",
            Action::Bot => "bot",
            Action::OfflineMessage => "offline_message",
        }
    }
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct PolicyError {
    /// The field, as `escalations[1].after_seconds`.
    pub path: String,
    /// What it should be.
    pub reason: String,
}

impl PolicyError {
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>) -> PolicyError {
        PolicyError { path: path.into(), reason: reason.into() }
    }
}

impl Policy {
    /// Whether it can be followed.
    ///
    /// # Errors
    /// The first field that is out of its bounds.
    pub fn check(&self) -> Result<(), PolicyError> {
        check_seconds("offer_timeout_seconds", self.offer_timeout_seconds, OFFER_SECONDS_MIN)?;
        check_seconds("offer_retry_seconds", self.offer_retry_seconds, 1)?;
        check_seconds("priority_step_seconds", self.priority_step_seconds, 0)?;
        check_seconds("wrap_up_seconds", self.wrap_up_seconds, 0)?;
        check_seconds("service_level_seconds", self.service_level_seconds, 1)?;
        check_range("weights.chat", self.weights.chat, 1, WEIGHT_MAX)?;
        check_range("weights.call", self.weights.call, 0, WEIGHT_MAX)?;
        if self.escalations.len() > RULES_MAX {
            return Err(PolicyError::new("escalations", format!("at most {RULES_MAX} rules")));
        }
        for (index, rule) in self.escalations.iter().enumerate() {
            rule.check(&format!("escalations[{index}]"))?;
        }
        self.hours.as_ref().map_or(Ok(()), Hours::check)
    }
}

impl Rule {
    fn check(&self, path: &str) -> Result<(), PolicyError> {
        check_seconds(&format!("{path}.after_seconds"), self.after_seconds, 1)?;
        let is_fit = |name: &String| (1..=NAME_CHARS_MAX).contains(&name.trim().chars().count());
        if self.name.as_ref().is_some_and(|name| !is_fit(name)) {
            let reason = format!("1 to {NAME_CHARS_MAX} characters");
            return Err(PolicyError::new(format!("{path}.name"), reason));
        }
        Ok(())
    }
}

fn check_seconds(path: &str, seconds: u32, min: u32) -> Result<(), PolicyError> {
    check_range(path, seconds, min, SECONDS_MAX)
}

fn check_range(path: &str, value: u32, min: u32, max: u32) -> Result<(), PolicyError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::new(path, format!("from {min} to {max}, not {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Policy {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_empty_policy_is_the_contracts_default() {
        assert_eq!(read(""), Policy::default());
        assert_eq!(Policy::default().check(), Ok(()));
    }

    #[test]
    fn a_policy_survives_its_written_form() {
        let policy = read(
            r#"
            strategy = "round_robin"
            offer = "accept"
            weights = { call = 5 }
            [[escalations]]
            after_seconds = 60
            action = "supervisors"
            [[escalations]]
            name = "second line"
            after_seconds = 120
            action = { department = "6f0f6b1e-4d34-4a9e-b3a8-0d5a3a3c2b11" }
            [hours]
            time_zone = "Asia/Jakarta"
            weekly = { mon = ["09:00-12:00", "13:00-17:00"] }
            holidays = ["2026-12-25"]
            "#,
        );
        assert_eq!(policy.check(), Ok(()));
        assert_eq!(policy.weights, Weights { chat: 1, call: 5 });
        assert_eq!(read(&toml::to_string(&policy).unwrap()), policy);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let err = toml::from_str::<Policy>("stratgy = 'round_robin'").unwrap_err();
        assert!(err.to_string().contains("stratgy"), "{err}");
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let rule = "[[escalations]]\nafter_seconds = 60\naction = 'bot'\n";
        for (text, path) in [
            ("offer_timeout_seconds = 1".to_owned(), "offer_timeout_seconds"),
            ("priority_step_seconds = 604801".to_owned(), "priority_step_seconds"),
            ("weights = { chat = 0 }".to_owned(), "weights.chat"),
            (format!("{rule}{}", rule.replace("60", "0")), "escalations[1].after_seconds"),
            (format!("{rule}name = ' '"), "escalations[0].name"),
            (rule.repeat(21), "escalations"),
            ("[hours]\ntime_zone = 'Mars/Olympus'".to_owned(), "hours.time_zone"),
        ] {
            assert_eq!(read(&text).check().unwrap_err().path, path, "{text}");
        }
    }
}
