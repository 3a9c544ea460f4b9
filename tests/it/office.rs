//! A tenant with departments, agents and customers, run by REST as its administrators run it: the
//! scene of everything that is about who gets which conversation.

use serde_json::{Value, json};
use switchboard::log::Reading;
use switchboard::model::{ConversationId, Envelope, Event, Role, TenantId, UserId};
use uuid::Uuid;

use crate::client::Answer;
use crate::clock::{real_pause, settle, within};
use crate::server::{Server, claims, sign, token};
use crate::socketio::Socket;

/// More events than any test makes.
const ALL: usize = 1_000_000;

/// A server and the token of its administrator.
pub struct Office {
    /// The server.
    pub server: Server,
    admin: String,
}

/// An agent that was made.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its token, with its departments.
    pub token: String,
}

/// A conversation that began.
#[derive(Clone, Debug)]
pub struct Chat {
    /// Its id.
    pub id: String,
    /// Its customer's token.
    pub token: String,
}

impl Office {
    /// An office that forgets everything when it ends.
    pub async fn open(options: &[(&str, &str)]) -> Office {
        Office::of(Server::start(options).await)
    }

    /// The office of a server that runs.
    pub fn of(server: Server) -> Office {
        Office { server, admin: token(Role::Admin, &Uuid::from_u128(0xad).to_string()) }
    }

    /// Asks with a token; what is null is sent without a body.
    pub async fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}token={token}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.request(method, &path, &body).await
    }

    /// What an administrator asks for and gets.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let mut answer = self.ask(&self.admin, method, path, &body).await;
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
        answer.body["data"].take()
    }

    /// A department whose queue is served like this.
    pub async fn department(&self, name: &str, policy: Value) -> String {
        let body = json!({ "name": name, "routing": policy });
        text(&self.admin("POST", "/api/departments", body).await["id"])
    }

    /// An agent of some departments who has these skills and whatever else.
    pub async fn agent(&self, name: &str, departments: &[&str], more: Value) -> Agent {
        let mut body = json!({ "name": name, "department_ids": departments });
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let id = text(&self.admin("POST", "/api/agents", body).await["id"]);
        let mut claims = claims(Role::Agent, &id);
        claims.departments = departments.iter().map(|id| (*id).to_owned()).collect();
        Agent { id, token: sign(&claims) }
    }

    /// A customer comes, with these wishes.
    pub async fn customer(&self, wishes: Value) -> Chat {
        let answer = self.server.request("POST", "/api/sessions", &wishes.to_string()).await;
        assert_eq!(answer.status, 201, "{wishes}: {answer:?}");
        let data = &answer.body["data"];
        Chat { id: text(&data["session_id"]), token: text(&data["token"]) }
    }

    /// A customer comes and asks for a department.
    pub async fn customer_of(&self, department: &str) -> Chat {
        self.customer(json!({ "department_id": department })).await
    }

    /// An agent says that it is there.
    pub async fn beat(&self, agent: &Agent, body: Value) {
        let answer = self.ask(&agent.token, "POST", "/api/agent-status/heartbeat", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// An agent leaves, whatever it has open.
    pub async fn go_offline(&self, agent: &Agent) {
        let path = "/api/agent-status/offline";
        let answer = self.ask(&agent.token, "POST", path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// What an agent does with a conversation, and the answer to that.
    pub async fn act(&self, agent: &Agent, chat: &Chat, act: &str, body: Value) -> Answer {
        let path = format!("/api/sessions/{}/{act}", chat.id);
        self.ask(&agent.token, "POST", &path, &body).await
    }

    /// As [`Office::act`]; it must succeed.
    pub async fn does(&self, agent: &Agent, chat: &Chat, act: &str, body: Value) {
        let answer = self.act(agent, chat, act, body).await;
        assert_eq!(answer.status, 200, "{act}: {answer:?}");
    }

    /// An agent's record as document 001 shows it.
    pub async fn record(&self, agent: &Agent) -> Value {
        self.admin("GET", &format!("/api/agent-status/agent/{}", agent.id), Value::Null).await
    }

    /// An agent's status.
    pub async fn status(&self, agent: &Agent) -> String {
        text(&self.record(agent).await["status"])
    }

    /// The agent's socket of Socket.IO.
    pub async fn socket(&self, agent: &Agent) -> Socket {
        Socket::open(&self.server, json!({ "token": agent.token })).await
    }

    /// The administrator's socket of Socket.IO.
    pub async fn supervisor(&self) -> Socket {
        Socket::open(&self.server, json!({ "token": self.admin })).await
    }

    /// The path of the agent's socket in a conversation.
    pub fn path(&self, agent: &Agent, chat: &Chat) -> String {
        format!("/ws/{}/{}/agent?token={}", chat.id, agent.id, agent.token)
    }

    /// Where a conversation stands, by what the log keeps of it.
    pub async fn kept(&self, chat: &Chat) -> switchboard::model::Conversation {
        let id = ConversationId::parse(&chat.id).unwrap();
        let (tenant, log) = (TenantId::default_tenant(), &self.server.running.app.log);
        log.conversation(&tenant, id).await.unwrap().unwrap().as_ref().clone()
    }

    /// Who has a conversation; `None` while it waits.
    pub async fn holder(&self, chat: &Chat) -> Option<String> {
        settle().await;
        self.kept(chat).await.agent.map(|agent| agent.to_string())
    }

    /// Checks who has a conversation.
    pub async fn is_with(&self, chat: &Chat, agent: &Agent) {
        assert_eq!(self.holder(chat).await.as_ref(), Some(&agent.id));
    }

    /// Checks that nobody has it.
    pub async fn waits(&self, chat: &Chat) {
        assert_eq!(self.holder(chat).await, None);
        assert_eq!(self.kept(chat).await.status, switchboard::model::Status::Waiting);
    }

    /// Everything that happened in the tenant, in order.
    pub async fn log(&self) -> Vec<Event> {
        settle().await;
        let (tenant, log) = (TenantId::default_tenant(), &self.server.running.app.log);
        let page = log.read(&tenant, Reading::All, 0, ALL).await.unwrap();
        assert!(page.is_end);
        let event = |envelope: &std::sync::Arc<Envelope>| envelope.event.clone();
        page.events.iter().map(event).collect()
    }

    /// What happened in a conversation, by name and in order, of the names that are asked for.
    pub async fn told(&self, chat: &Chat, names: &[&str]) -> Vec<String> {
        let id = ConversationId::parse(&chat.id);
        let events = self.log().await.into_iter().filter(|event| event.conversation() == id);
        let names = events.map(|event| event.name().to_owned()).filter(|n| names.contains(&&**n));
        names.collect()
    }

    /// The statuses an agent was told to have, in order.
    pub async fn announced(&self, agent: &Agent) -> Vec<String> {
        let id = UserId::parse(&agent.id).unwrap();
        let of_agent = |event: Event| match event {
            Event::AgentStateChanged(changed) if changed.user_id == id => {
                Some(changed.state.as_str().to_owned())
            }
            _ => None,
        };
        self.log().await.into_iter().filter_map(of_agent).collect()
    }

    /// Waits until so many connections are open.
    pub async fn connections_are(&self, count: usize) {
        within("connections", async {
            while self.server.running.app.open_connections() != count {
                real_pause(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        settle().await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
