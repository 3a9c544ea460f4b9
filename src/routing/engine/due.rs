//! What happens because time passes.

use super::{Engine, Pending};
use crate::model::{ConversationId, UserId};
use crate::routing::alarms::Alarm;
use crate::routing::policy::Action;
use crate::routing::words::{Decision, OfferEnd, Trigger};

impl Engine {
    /// Does whatever is due, in order of time.
    pub(super) fn do_what_is_due(&mut self) {
        if !self.is_started() {
            return;
        }
        while let Some(alarm) = self.alarms.due(self.now) {
            match alarm {
                Alarm::Beat(agent) => self.end_beat(&agent),
                Alarm::Lost(agent) => self.lose(&agent),
                Alarm::WrapUp(agent) => self.end_wrap_up(&agent),
                Alarm::Hours(lane) => self.keep_hours(lane),
                Alarm::Cover(lane) => self.miss_cover(lane),
                Alarm::Offer(conversation) => self.expire(conversation),
                Alarm::Retry(conversation) => self.ask_again(conversation),
                Alarm::Escalate(conversation) => self.escalate(conversation),
            }
        }
    }

    fn end_beat(&mut self, agent: &UserId) {
        if self.agents.contains_key(agent) {
            self.change(agent, Trigger::StatusChanged, |agent, _| agent.end_beat());
        }
    }

    fn expire(&mut self, conversation: ConversationId) {
        let Some(wait) = self.waiting.get(&conversation) else { return };
        if let Pending::Offer(agent, _) = wait.pending.clone() {
            self.end_offer(conversation, &agent, OfferEnd::Expired);
            self.pass(conversation, &agent, Trigger::OfferExpired);
        }
    }

    fn escalate(&mut self, conversation: ConversationId) {
        let Some(wait) = self.waiting.get_mut(&conversation) else { return };
        let lane = &self.lanes[&wait.home];
        let due = lane.escalates_at(&wait.info);
        let is_given = matches!(wait.pending, Pending::Assign(_));
        let rule = usize::try_from(wait.info.escalations_done).ok();
        let rule = rule.and_then(|rule| lane.rules.get(rule)).cloned();
        let (Some(rule), false) = (rule, is_given || due.is_none_or(|due| due > self.now)) else {
            self.mind_escalation(conversation);
            return;
        };
        let number = wait.info.escalations_done;
        wait.info.escalations_done += 1;
        self.out.push(Decision::Escalate {
            conversation,
            rule: number,
            name: rule.label(),
            waited_seconds: self.now.ms_since(wait.info.queued_at) / 1000,
            action: rule.action,
        });
        if let Action::Department(department) = rule.action {
            self.unready(conversation);
            if let Some(wait) = self.waiting.get_mut(&conversation) {
                wait.info.also.push(department);
            }
            self.make_ready(conversation);
            self.seek_agent(conversation, Trigger::Escalated);
        }
        self.mind_escalation(conversation);
    }
}
