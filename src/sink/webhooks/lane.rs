//! Which deliveries keep their order: those of a lane go out one after the other.
//!
//! A lane is what an event is about: its conversation, its call, or else its kind and its user. It
//! is known by a number that the log keeps, so it must be the same in every version.

use sha2::{Digest, Sha256};

use crate::model::{Announced, CallQueue, Envelope, Event};

/// The lane of an event.
pub fn lane_of(envelope: &Envelope) -> i64 {
    let digest: [u8; 32] = Sha256::digest(name_of(envelope)).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    // Of two lanes that meet in 64 bits one waits for the other, now and then; nothing else.
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn name_of(envelope: &Envelope) -> String {
    if let Some(id) = envelope.conversation() {
        return format!("conversation {id}");
    }
    let of = |kind: &str, name: &str| format!("{kind} {name}");
    match &envelope.event {
        Event::Call(call) => of("call", call.unique_id()),
        Event::CallQueue(queue) => match queue {
            CallQueue::QueueJoined(e) => of("call", &e.unique_id),
            CallQueue::QueueLeft(e) => of("call", &e.unique_id),
            CallQueue::MemberAdded(e) => of("queue", e.user_id.as_str()),
            CallQueue::MemberRemoved(e) => of("queue", e.user_id.as_str()),
            CallQueue::MemberPaused(e) => of("queue", e.user_id.as_str()),
            CallQueue::MemberUnpaused(e) => of("queue", e.user_id.as_str()),
        },
        Event::Announced(announced) => match announced {
            Announced::SessionStartedAnnounced(e) => of("announced", &e.session_id),
            Announced::MessageAnnounced(e) => of("announced", &e.session_id),
            Announced::SessionEndedAnnounced(e) => of("announced", &e.session_id),
            Announced::TransferAnnounced(e) => of("announced", &e.session_id),
            Announced::TypingAnnounced(e) => of("announced", &e.session_id),
            Announced::AgentStateAnnounced(e) => of("agent", &e.user_id),
        },
        Event::AgentStateChanged(e) => of("agent", e.user_id.as_str()),
        Event::AgentLogin(e) => of("agent", e.user_id.as_str()),
        Event::AgentLogout(e) => of("agent", e.user_id.as_str()),
        Event::DepartmentEmpty(e) => of("department", &e.department_id.to_string()),
        Event::DepartmentCovered(e) => of("department", &e.department_id.to_string()),
        Event::Audit(e) => of("audit", e.actor.as_str()),
        other => {
            let name = other.public_name();
            let family = name.split('.').next().unwrap_or(name);
            of(family, envelope.addressee().map_or("", |user| user.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::TenantId;

    fn name(event: Event) -> String {
        name_of(&Envelope::volatile(TenantId::default_tenant(), event))
    }

    #[test]
    fn what_is_of_one_conversation_call_or_agent_is_of_one_lane() {
        let mut lanes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for event in Event::samples() {
            let event_name = event.name();
            lanes.entry(name(event)).or_default().push(event_name);
        }
        let of = |event: &str| lanes.values().find(|lane| lane.contains(&event)).unwrap();
        assert!(of("call.incoming").contains(&"queue.joined"), "{lanes:?}");
        assert!(of("call.incoming").contains(&"call.ended"));
        assert!(of("agent.login").contains(&"agent.state.changed"));
        assert!(of("chat.message").contains(&"conversation.closed"));
        assert!(of("notification").contains(&"notification.read"));
        assert!(!of("notification").contains(&"alert"));
        assert!(of("chat.message.announced").contains(&"chat.session.ended.announced"));
        assert!(lanes.keys().all(|name| name.contains(' ')));
    }

    #[test]
    fn a_lane_has_the_same_number_for_ever() {
        let event = Event::samples().into_iter().find(|e| e.name() == "call.incoming").unwrap();
        assert_eq!(name(event.clone()), "call 1737714600.42");
        let lane = lane_of(&Envelope::volatile(TenantId::default_tenant(), event));
        assert_eq!(lane, LANE_OF_THE_SAMPLE, "waiting deliveries of an older version have it");
    }

    const LANE_OF_THE_SAMPLE: i64 = -7_937_136_646_721_501_535;
}
