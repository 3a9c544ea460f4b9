//! One event of each kind, for `switchboard events`, the references in `docs/`, and tests.

use uuid::Uuid;

use super::super::{AgentStatus, ConversationId, DisconnectReason, Moment, Role, UserId};
use super::{
    Assigned, Audit, Closed, Event, Handoff, HandoffReason, InCharge, Joined, Left, Message,
    MessageStatus, Notification, PresenceChanged, Queued, Rated, Receipt, Reopened, SessionEnded,
    SessionStarted, Transferred, Typing,
};

impl Event {
    /// One of each, for the catalogue that `switchboard events` and the docs print.
    #[expect(clippy::too_many_lines, reason = "a list, one entry an event")]
    pub fn samples() -> Vec<Event> {
        let session_id = ConversationId(Uuid::from_u128(0x550e_8400_e29b_41d4_a716_4466_5544_0000));
        let department_id = Some(Uuid::from_u128(0x660e_8400_e29b_41d4_a716_4466_5544_0000));
        let user = |id: &str| UserId::parse(id).unwrap_or_else(|_| unreachable!("a sample id"));
        vec![
            Event::SessionStarted(SessionStarted {
                session_id,
                customer_id: Some(user("customer_123")),
                visitor_name: Some("Budi".into()),
                visitor_email: Some("budi@example.com".into()),
                department_id,
                external_ids: vec![],
                metadata: None,
            }),
            Event::Message(Message {
                session_id,
                message_id: Uuid::from_u128(1),
                seq: 1,
                client_id: Some("m-1".into()),
                sender_id: user("customer_123"),
                sender_type: Role::Customer,
                sender_name: Some("Budi".into()),
                body: "Hello".into(),
            }),
            Event::MessageStatus(MessageStatus {
                session_id,
                seq: 1,
                user_id: user("agent_456"),
                status: Receipt::Read,
            }),
            Event::Typing(Typing {
                session_id,
                user_id: user("agent_456"),
                sender_type: Role::Agent,
                name: Some("Sari".into()),
                is_typing: true,
            }),
            Event::SessionEnded(SessionEnded { session_id }),
            Event::Joined(Joined {
                session_id,
                user_id: user("customer_123"),
                user_type: Role::Customer,
                joined_at: Moment(1_737_714_600_000),
                away_ms: Some(2_100),
            }),
            Event::Left(Left {
                session_id,
                user_id: user("customer_123"),
                user_type: Role::Customer,
                reason: DisconnectReason::ClientClose,
            }),
            Event::Queued(Queued {
                session_id,
                position: 2,
                estimated_wait_seconds: 90,
                department_id,
            }),
            Event::Assigned(Assigned {
                session_id,
                agent_id: user("agent_456"),
                agent_name: "Sari".into(),
                department_id,
            }),
            Event::Transferred(Transferred {
                session_id,
                from_agent_id: Some(user("agent_456")),
                to_agent_id: None,
                to_agent_name: None,
                to_department_id: department_id,
                note: Some("Asks about an invoice".into()),
            }),
            Event::Handoff(Handoff {
                session_id,
                from: InCharge::Bot,
                to: InCharge::Queue,
                reason: HandoffReason::CustomerAsked,
            }),
            Event::Closed(Closed {
                session_id,
                by: user("agent_456"),
                agent_id: Some(user("agent_456")),
            }),
            Event::Reopened(Reopened { session_id, by: user("customer_123"), agent_id: None }),
            Event::Rated(Rated {
                session_id,
                score: 5,
                comment: Some("Fast".into()),
                agent_id: None,
            }),
            Event::Notification(Notification {
                user_id: user("agent_456"),
                event: None,
                kind: Some("ticket_assigned".into()),
                title: Some("New ticket".into()),
                body: Some("Ticket 17 is yours".into()),
                data: None,
            }),
            Event::PresenceChanged(PresenceChanged {
                user_id: user("agent_456"),
                status: AgentStatus::Online,
                conversations: vec![],
            }),
            Event::Audit(Audit {
                actor: user("admin_1"),
                role: Role::Admin,
                action: "conversation.viewed".into(),
                target: Some(session_id.to_string()),
            }),
        ]
    }
}
