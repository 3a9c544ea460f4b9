//! One event of each kind, for `switchboard events`, the references in `docs/`, and tests.

use uuid::Uuid;

use super::super::{
    AgentStatus, ConversationId, DisconnectReason, Moment, Role, StatusReason, UserId,
};
use super::{
    AgentLogin, AgentLogout, AgentStateChanged, Alert, Announced, Assigned, Audit, Call, CallQueue,
    Candidate, ChatTransferred, Closed, Decided, DecisionOutcome, DepartmentCovered,
    DepartmentEmpty, Escalated, EscalationAction, Event, Handoff, HandoffReason, InCharge, Joined,
    Left, Message, MessageStatus, Notification, NotificationRead, OfferEnded, OfferOutcome,
    Offered, OutsideHours, PresenceChanged, QueueStats, Queued, Rated, Receipt, Reopened,
    Requirements, SessionEnded, SessionStarted, Transferred, Typing,
};

impl Event {
    /// One of each, for the catalogue that `switchboard events` and the docs print.
    #[expect(clippy::too_many_lines, reason = "a list, one entry an event")]
    pub fn samples() -> Vec<Event> {
        let session_id = ConversationId(Uuid::from_u128(0x550e_8400_e29b_41d4_a716_4466_5544_0000));
        let department = Uuid::from_u128(0x660e_8400_e29b_41d4_a716_4466_5544_0000);
        let department_id = Some(department);
        let user = |id: &str| UserId::parse(id).unwrap_or_else(|_| unreachable!("a sample id"));
        let mut events = vec![
            Event::SessionStarted(SessionStarted {
                session_id,
                customer_id: Some(user("customer_123")),
                visitor_name: Some("Budi".into()),
                visitor_email: Some("budi@example.com".into()),
                department_id,
                skills: vec!["billing".into()],
                language: Some("id".into()),
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
            Event::ChatTransferred(ChatTransferred {
                session_id,
                from_agent_id: Some(user("agent_456")),
                to_agent_id: None,
                to_department_id: department_id,
            }),
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
                agent_id: None,
                stint: None,
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
            Event::Offered(Offered {
                session_id,
                agent_id: user("agent_456"),
                agent_name: "Sari".into(),
                until: Moment(1_737_714_620_000),
                attempt: 1,
            }),
            Event::OfferEnded(OfferEnded {
                session_id,
                agent_id: user("agent_456"),
                outcome: OfferOutcome::Declined,
            }),
            Event::Escalated(Escalated {
                session_id,
                waited_seconds: 120,
                rule: "after 120 s to Billing".into(),
                action: EscalationAction::Department,
                department_id,
            }),
            Event::OutsideHours(OutsideHours {
                session_id,
                opens_at: Some(Moment(1_737_766_800_000)),
            }),
            Event::Requirements(Requirements {
                session_id,
                priority: 2,
                skills: vec!["billing".into()],
                language: Some("id".into()),
            }),
            Event::Decided(Decided {
                decision_id: Uuid::from_u128(2),
                session_id,
                department_id,
                trigger: "customer_waits".into(),
                strategy: "least_loaded".into(),
                outcome: DecisionOutcome::Assigned,
                winner_id: user("agent_456"),
                winner_name: "Sari".into(),
                candidates: vec![Candidate {
                    agent_id: user("agent_456"),
                    status: AgentStatus::Online,
                    current_chats: 1,
                    max_chats: 5,
                    idle_seconds: 40,
                    excluded: None,
                    score: Some(-1),
                }],
                considered: 3,
                excluded: [("capacity".to_owned(), 1), ("skills".to_owned(), 1)].into(),
            }),
            Event::AgentStateChanged(AgentStateChanged {
                user_id: user("agent_456"),
                username: Some("Sari".into()),
                extension: None,
                state: AgentStatus::Busy,
                reason: StatusReason::Capacity,
                declared: AgentStatus::Online,
                since: Moment(1_737_714_600_000),
                current_chats: 5,
                max_chats: 5,
                department_ids: vec![department],
            }),
            Event::AgentLogin(AgentLogin {
                user_id: user("agent_456"),
                username: Some("Sari".into()),
                extension: Some("1001".into()),
            }),
            Event::AgentLogout(AgentLogout {
                user_id: user("agent_456"),
                username: Some("Sari".into()),
            }),
            Event::DepartmentEmpty(DepartmentEmpty {
                department_id: department,
                department: "Billing".into(),
                waiting: 3,
            }),
            Event::DepartmentCovered(DepartmentCovered {
                department_id: department,
                department: "Billing".into(),
            }),
            Event::QueueStats(QueueStats {
                queue_name: "Billing".into(),
                department_id,
                calls_waiting: 3,
                available_agents: 1,
                logged_in_agents: 4,
                longest_wait_seconds: Some(95),
                estimated_wait_seconds: Some(60),
                average_hold_seconds: None,
                average_talk_seconds: None,
                completed: None,
                abandoned: None,
            }),
            Event::Notification(Notification {
                user_id: user("agent_456"),
                notification_id: Some(Uuid::from_u128(3)),
                event: None,
                kind: Some("ticket_assigned".into()),
                title: Some("New ticket".into()),
                body: Some("Ticket 17 is yours".into()),
                data: None,
            }),
            Event::NotificationRead(NotificationRead {
                user_id: user("agent_456"),
                notification_ids: vec![Uuid::from_u128(3)],
            }),
            Event::Alert(Alert {
                title: "System maintenance".into(),
                body: "The system will be down in 30 minutes".into(),
                kind: Some("maintenance".into()),
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
        ];
        let agent = user("agent_456");
        events.extend(Call::samples(&agent).into_iter().map(Event::from));
        events.extend(CallQueue::samples(&agent).into_iter().map(Event::from));
        events.extend(Announced::samples().into_iter().map(Event::from));
        events
    }
}
