//! What happens to a tenant: what its producers post, what is said in its conversations, and how
//! they change hands. At one turn the same happens in every tenant, under the same names.

use serde_json::{Value, json};
use switchboard::model::{Event, Role, Target, UserId};

use super::rules::Passing;
use super::{AGENTS, DEPARTMENTS, Tenant, Turn, USERS, World};
use crate::client::request;
use crate::console::{NDJSON, must_post};
use crate::dice::Dice;
use crate::packet::position;

/// Something that is posted, and whether it passes by.
fn event(dice: &mut Dice, marker: &str) -> (Value, Option<Event>) {
    let chat = format!("elsewhere {marker}");
    let (kind, payload) = match dice.below(9) {
        0 => ("call.hold", json!({ "unique_id": marker })),
        1 => ("call.ended", json!({ "unique_id": marker, "duration": 3 })),
        2 => ("queue.joined", json!({ "queue_name": "q", "unique_id": marker })),
        3 => ("alert", json!({ "title": marker, "body": "x" })),
        4 => ("agent.login", json!({ "user_id": "ana", "username": marker })),
        5 => ("agent.state.changed", json!({ "user_id": "ana", "state": marker })),
        6 => ("chat.session.started", json!({ "session_id": chat })),
        7 => {
            let said = json!({
                "session_id": chat, "sender_id": "budi", "sender_type": "visitor", "body": "x",
            });
            ("chat.message", said)
        }
        _ => {
            let stats = json!({
                "queue_name": marker, "calls_waiting": 1, "available_agents": 1,
                "logged_in_agents": 1,
            });
            ("queue.stats", stats)
        }
    };
    let passing =
        (kind == "queue.stats").then(|| Event::from_post(kind, &payload.to_string()).unwrap());
    (json!({ "type": kind, "payload": payload }), passing)
}

/// A target as it is posted, and what it means in a tenant.
fn target(dice: &mut Dice, tenant: &Tenant) -> Option<(Value, Target)> {
    Some(match dice.below(6) {
        0 | 1 => {
            let user = USERS[dice.below(USERS.len() as u64) as usize];
            (json!({ "user_id": user }), Target::User(UserId::parse(user).unwrap()))
        }
        2 => {
            let roles = [Role::Customer, Role::Agent, Role::Admin, Role::Service];
            let role = roles[dice.below(4) as usize];
            (json!({ "role": role }), Target::Role(role))
        }
        3 | 4 => {
            let at = dice.below(3) as usize;
            let id = tenant.chats[at];
            let name = if at == 2 { json!("chat-1") } else { json!(id) };
            (json!({ "conversation_id": name }), Target::Conversation(id))
        }
        _ => return None,
    })
}

impl World {
    /// Posts some events under an id and a key that every tenant uses at this turn.
    pub(super) async fn post(&mut self, at: usize, turn: &Turn) {
        let mut dice = Dice::new(turn.seed);
        let name = self.tenants[at].name;
        let (mut events, mut passing) = (Vec::new(), Vec::new());
        for n in 0..=dice.below(4) {
            let marker = self.marker(name);
            let (mut posted, passes) = event(&mut dice, &marker);
            let target = target(&mut dice, &self.tenants[at]);
            posted["id"] = json!(format!("turn {} {n}", turn.number));
            if let Some((target, _)) = &target {
                posted["target"] = target.clone();
            }
            let target = target.map(|(_, target)| target);
            passing.extend(passes.map(|event| Passing { event, target, marker, at: 0 }));
            events.push(posted);
        }
        let tenant = &mut self.tenants[at];
        let bearer = if dice.below(2) == 0 { &tenant.admin } else { &tenant.writer };
        let bearer = format!("Bearer {bearer}");
        let key = format!("turn {}", turn.number);
        let mut headers = vec![("Authorization", &*bearer), ("Idempotency-Key", &*key)];
        let body = match dice.below(2) {
            0 => json!({ "events": events }).to_string(),
            _ => {
                headers.push(NDJSON);
                events.iter().map(|event| format!("{event}\n")).collect()
            }
        };
        // Sometimes its producer is not sure that it has arrived.
        for _ in 0..=dice.below(2) {
            let answer = request(self.server.addr, "POST", "/api/events", &headers, &body).await;
            assert_eq!(answer.status, 202, "{body}: {answer:?}");
            let data = &answer.body["data"];
            assert_eq!((&data["accepted"], &data["rejected"]), (&json!(events.len()), &json!([])));
            let end = position(data["cursor"].as_str().unwrap());
            passing.iter_mut().for_each(|one| one.at = end);
        }
        tenant.passing.extend(passing);
    }

    /// Tells a user something, or says something in a conversation, by its customer or a producer.
    pub(super) async fn tell(&mut self, at: usize, turn: &Turn) {
        let mut dice = Dice::new(turn.seed);
        let marker = self.marker(self.tenants[at].name);
        let tenant = &self.tenants[at];
        let (id, token) = &tenant.customers[dice.below(3) as usize];
        let user = USERS[dice.below(USERS.len() as u64) as usize];
        match dice.below(5) {
            0 => {
                let told = json!({ "user_id": user, "title": marker });
                let told = json!({ "type": "notification", "payload": told });
                must_post(&self.server, &tenant.writer, &told).await;
            }
            1 => {
                let said = json!({
                    "session_id": id, "sender_id": "crm", "sender_type": "agent", "body": marker,
                });
                let said = json!({ "type": "chat.message", "payload": said });
                must_post(&self.server, &tenant.writer, &said).await;
            }
            2 => {
                let typing = json!({
                    "session_id": id, "user_id": "crm", "sender_type": "agent", "name": marker,
                    "is_typing": true,
                });
                let typing = json!({ "type": "chat.typing", "payload": typing });
                must_post(&self.server, &tenant.writer, &typing).await;
            }
            _ => {
                // One client id in all tenants, too.
                let name = format!("turn {}", turn.number);
                let body = json!({ "conversationId": id, "content": marker, "clientId": name });
                let path = format!("/api/messages?token={token}");
                let answer = self.server.request("POST", &path, &body.to_string()).await;
                assert!(answer.status < 300, "{answer:?}");
            }
        }
    }

    /// A conversation changes hands, or ends, or goes on; some of it cannot be.
    pub(super) async fn hand_over(&mut self, at: usize, turn: &Turn) {
        let mut dice = Dice::new(turn.seed);
        let marker = self.marker(self.tenants[at].name);
        let tenant = &self.tenants[at];
        let id = tenant.chats[dice.below(3) as usize];
        let agent = AGENTS[dice.below(4) as usize].0;
        let department = DEPARTMENTS[dice.below(2) as usize];
        let (verb, body) = match dice.below(7) {
            0 | 1 => ("/assign", json!({ "agent_id": agent })),
            2 => ("/transfer", json!({ "agent_id": agent, "note": marker })),
            3 => ("/transfer", json!({ "department_id": department, "note": marker })),
            4 => ("/close", json!({})),
            5 => ("/reopen", json!({})),
            // The staff's own business.
            _ => ("", json!({ "priority": turn.number % 50 })),
        };
        let method = if verb.is_empty() { "PATCH" } else { "POST" };
        let path = format!("/api/sessions/{id}{verb}?token={}", tenant.admin);
        let answer = self.server.request(method, &path, &body.to_string()).await;
        assert!(answer.status < 300 || answer.status == 409, "{verb}: {answer:?}");
    }
}
