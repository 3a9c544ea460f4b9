//! The wall between tenants, and those within one: whatever happens, whoever listens, in whatever
//! dialect, from whatever cursor, everybody hears what is for them, once, and nothing else.
//!
//! The dice make tenants whose people, conversations, departments, external ids, event ids and
//! idempotency keys are called the same, and let things happen to them. What each listener was told
//! is compared with what [`rules`] say of what the log has.

mod ear;
mod rules;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use switchboard::auth::Claims;
use switchboard::model::{ConversationId, Role};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock::{real_pause, within};
use crate::console::{Console, make_key, must_post};
use crate::dice::Dice;
use crate::packet::position;
use crate::server::{Server, claims, sign};
use ear::{Ear, From};
use rules::{History, Passing, Place, Who};

const TENANTS: [&str; 3] = ["default", "acme", "zeta"];
const DEPARTMENTS: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];
/// Begun under these ids in every tenant, by customers of these names. One is called like an agent.
const CHATS: [(Uuid, &str); 2] = [(Uuid::from_u128(0xc0), "budi"), (Uuid::from_u128(0xc1), "ana")];
const AGENTS: [(&str, &[Uuid]); 4] =
    [("ana", &[DEPARTMENTS[0]]), ("ben", &[DEPARTMENTS[1]]), ("cid", &DEPARTMENTS), ("dot", &[])];
const USERS: [&str; 7] = ["ana", "ben", "cid", "budi", "boss", "crm", "nobody"];
const PATTERNS: [&[&str]; 6] = [
    &["*"],
    &["call.*"],
    &["chat.message", "alert"],
    &["conversation.*", "chat.*"],
    &["queue.stats", "notification"],
    &["agent.*", "call.hold", "audit.*"],
];
const CALLS: &[&str] = &["call.*"];
const CHATTER: &[&str] = &["call.hold", "chat.*", "conversation.*"];

/// What has to be the same of all tenants: what they do at one turn, under one name.
struct Turn {
    kind: u64,
    seed: u64,
    number: u64,
}

struct Tenant {
    name: &'static str,
    admin: String,
    writer: String,
    /// Hears the alerts that say how far the log was told.
    sentinel: Console,
    chats: Vec<ConversationId>,
    customers: Vec<(ConversationId, String)>,
    passing: Vec<Passing>,
    /// Up to where users were notified while they had no line.
    notified: HashMap<String, u64>,
}

struct World {
    server: Server,
    tenants: Vec<Tenant>,
    ears: Vec<Ear>,
    markers: u64,
}

fn claims_of(tenant: &str, role: Role, sub: &str) -> Claims {
    let name = Some(format!("{sub} of {tenant}"));
    Claims { tenant: tenant.to_owned(), name, ..claims(role, sub) }
}

impl Tenant {
    /// A tenant with its people and conversations, and everybody who listens there.
    async fn found(server: &Server, name: &'static str, ears: &mut Vec<Ear>) -> Tenant {
        let admin = sign(&claims_of(name, Role::Admin, "boss"));
        let sentinel = sign(&claims_of(name, Role::Admin, "sentinel"));
        let sentinel = Console::open(server, &format!("/ws?events=alert&token={sentinel}")).await;
        let mut add = |who: &str, role, departments: &[Uuid], place, credential: String| {
            let (subject, departments) = (who.to_owned(), departments.to_vec());
            let who = Who { subject, role, departments, patterns: None, is_ruler: false };
            ears.push(Ear::new(name, who, place, credential));
        };
        for (agent, departments) in AGENTS {
            let mut claims = claims_of(name, Role::Agent, agent);
            claims.departments = departments.iter().map(Uuid::to_string).collect();
            let token = sign(&claims);
            // Departments and agents are made by their first use.
            server.request("GET", &format!("/api/sessions?token={token}"), "").await;
            add(agent, Role::Agent, departments, Place::Console, token.clone());
            if agent == "ana" {
                add(agent, Role::Agent, departments, Place::SocketIo(None), token);
            }
        }
        let mut customers = Vec::new();
        for (id, customer) in CHATS {
            let mut claims = claims_of(name, Role::Customer, customer);
            claims.conversations = vec![id.to_string()];
            let token = sign(&claims);
            drop(server.open(&format!("/ws/{id}/{customer}/customer?token={token}")).await);
            customers.push((ConversationId(id), customer.to_owned(), token));
        }
        let body = json!({
            "name": format!("eve of {name}"), "external_id": "chat-1",
            "department_id": DEPARTMENTS[0],
        });
        let path = format!("/api/sessions?tenant={name}");
        let begun = server.request("POST", &path, &body.to_string()).await.body["data"].clone();
        let text = |field: &str| begun[field].as_str().expect(field).to_owned();
        let id = ConversationId::parse(&text("session_id")).unwrap();
        customers.push((id, text("user_id"), text("token")));
        let chats: Vec<_> = customers.iter().map(|(id, ..)| *id).collect();
        for (at, (id, customer, token)) in customers.iter().enumerate() {
            add(customer, Role::Customer, &[], Place::Visitor(*id), token.clone());
            if at > 0 {
                add(customer, Role::Customer, &[], Place::Session(*id), token.clone());
                add(customer, Role::Customer, &[], Place::SocketIo(Some(*id)), token.clone());
            }
        }
        for place in [Place::Console, Place::Session(chats[0]), Place::SocketIo(Some(chats[1]))] {
            add("boss", Role::Admin, &[], place, admin.clone());
        }
        for (scope, patterns) in [
            ("events:read", None),
            ("events:read", Some(CALLS)),
            ("events:read", Some(CHATTER)),
            ("admin", None),
        ] {
            let key = json!({ "name": "reader", "scopes": [scope], "events": patterns });
            let (id, key) = make_key(server, &admin, key).await;
            let (subject, is_ruler) = (format!("key:{id}"), scope == "admin");
            let (role, departments) = (Role::Service, vec![]);
            let who = Who { subject, role, departments, patterns, is_ruler };
            ears.push(Ear::new(name, who, Place::Console, key));
        }
        let key = json!({ "name": "writer", "scopes": ["events:write"] });
        let (_, writer) = make_key(server, &admin, key).await;
        let customers = customers.into_iter().map(|(id, _, token)| (id, token)).collect();
        let (passing, notified) = (Vec::new(), HashMap::new());
        Tenant { name, admin, writer, sentinel, chats, customers, passing, notified }
    }

    /// What every frame of this tenant may have in it, and none of another: the marks of what was
    /// posted, its people's names, and its log.
    fn marks(&self) -> [String; 3] {
        let (log, _) = self.sentinel.cursor.split_once('-').unwrap();
        [format!("~{}~", self.name), format!(" of {}", self.name), format!("{log}-")]
    }
}

impl World {
    async fn begin(server: Server, tenants: usize) -> World {
        let (mut founded, mut ears) = (Vec::new(), Vec::new());
        for name in TENANTS.into_iter().take(tenants) {
            founded.push(Tenant::found(&server, name, &mut ears).await);
        }
        for ear in &mut ears {
            let others = founded.iter().filter(|one| one.name != ear.tenant);
            ear.foreign = others.flat_map(Tenant::marks).collect();
        }
        World { server, tenants: founded, ears, markers: 0 }
    }

    fn marker(&mut self, tenant: &str) -> String {
        self.markers += 1;
        format!("~{tenant}~{}~", self.markers)
    }

    fn at(&self, tenant: &str) -> usize {
        self.tenants.iter().position(|one| one.name == tenant).unwrap()
    }

    /// Waits until everything of a tenant so far was handed to those who listen; where its log ends.
    async fn flush(&mut self, tenant: &str) -> u64 {
        let (marker, at) = (self.marker(tenant), self.at(tenant));
        let others = self.tenants.iter().filter(|one| one.name != tenant);
        let foreign: Vec<String> = others.flat_map(Tenant::marks).collect();
        let of = &mut self.tenants[at];
        let alert = json!({ "title": marker, "body": "flushed" });
        must_post(&self.server, &of.admin, &json!({ "type": "alert", "payload": alert })).await;
        loop {
            let frame = of.sentinel.frame_of("alert").await;
            let text = frame.to_string();
            assert!(!foreign.iter().any(|mark| text.contains(mark)), "{tenant} heard {text}");
            if frame["payload"]["title"] == marker {
                return position(frame["cursor"].as_str().unwrap());
            }
        }
    }

    /// Lets a listener hear everything so far; where the log ends then.
    async fn settle(&mut self, ear: usize) -> u64 {
        let tenant = self.ears[ear].tenant;
        let marker = self.marker(tenant);
        let (who, place) = (&self.ears[ear].who, self.ears[ear].place);
        // What every key is for, and what every dialect has a frame for.
        let (kind, payload) = match place {
            Place::Console | Place::Visitor(_) => ("call.hold", json!({ "unique_id": marker })),
            _ => ("alert", json!({ "title": marker, "body": "settled" })),
        };
        let target = json!({ "user_id": who.subject });
        let event = json!({ "type": kind, "payload": payload, "target": target });
        let admin = &self.tenants[self.at(tenant)].admin;
        let end = must_post(&self.server, admin, &event).await;
        self.ears[ear].hear_until(&marker).await;
        position(&end)
    }

    fn has_other_line(&self, ear: usize) -> bool {
        let (tenant, user) = (self.ears[ear].tenant, &self.ears[ear].who.subject);
        let others = self.ears.iter().enumerate().filter(|(at, _)| *at != ear);
        others
            .into_iter()
            .any(|(_, one)| one.tenant == tenant && one.who.subject == *user && one.is_open())
    }

    async fn open(&mut self, ear: usize, from: From, events: Option<&[&str]>) {
        let tenant = self.ears[ear].tenant;
        let head = self.flush(tenant).await;
        let user = &self.ears[ear].who.subject;
        let notified = self.tenants[self.at(tenant)].notified.get(user).copied();
        let unnotified = (!self.has_other_line(ear)).then_some(notified.unwrap_or(0));
        self.ears[ear].open(&self.server, head, from, events, unnotified).await;
        self.settle(ear).await;
    }

    /// Ends a listener's line, and checks what it was told on it.
    async fn end(&mut self, ear: usize, is_polite: bool) {
        let end = self.settle(ear).await;
        let open = self.server.running.app.open_connections();
        self.ears[ear].cut(is_polite).await;
        let app = &self.server.running.app;
        within("the end of a line", async {
            while app.open_connections() == open {
                real_pause(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        let (tenant, user) = (self.ears[ear].tenant, self.ears[ear].who.subject.clone());
        let at = self.at(tenant);
        if !self.has_other_line(ear) {
            self.tenants[at].notified.insert(user, end);
        }
        let history = History::read(&self.server, tenant).await;
        self.ears[ear].check(&history, &self.tenants[at].passing, end);
    }
}

impl World {
    /// A listener's line ends, and another begins: now, where it was, or somewhere else.
    async fn come_back(&mut self, dice: &mut Dice, ear: usize) {
        let cursor = self.ears[ear].cursor();
        if self.ears[ear].is_open() {
            self.end(ear, dice.below(2) == 0).await;
            if dice.below(3) == 0 {
                return;
            }
        }
        let tenant = self.ears[ear].tenant;
        let other = (self.at(tenant) + 1) % self.tenants.len();
        let events = PATTERNS[dice.below(PATTERNS.len() as u64) as usize];
        let is_of_the_hub = self.ears[ear].is_of_the_hub();
        let events = (is_of_the_hub && dice.below(2) == 0).then_some(events);
        let from = match (dice.below(4), cursor) {
            _ if !self.ears[ear].may_come_back() => From::Now,
            (0, _) => From::Now,
            (1, Some(cursor)) => From::Cursor(cursor),
            (2, _) if is_of_the_hub => From::Foreign(self.tenants[other].sentinel.cursor.clone()),
            _ => From::Cursor(self.earlier(dice, tenant)),
        };
        self.open(ear, from, events).await;
    }

    /// A cursor somewhere in a tenant's past.
    fn earlier(&self, dice: &mut Dice, tenant: &str) -> String {
        let cursor = &self.tenants[self.at(tenant)].sentinel.cursor;
        let (log, _) = cursor.rsplit_once('-').unwrap();
        format!("{log}-{}", dice.below(position(cursor)))
    }

    async fn choose(&mut self, dice: &mut Dice, ear: usize) {
        if !self.ears[ear].is_open() || !self.ears[ear].is_of_the_hub() {
            return self.come_back(dice, ear).await;
        }
        let patterns = PATTERNS[dice.below(PATTERNS.len() as u64) as usize];
        let at = self.settle(ear).await;
        let tenant = self.ears[ear].tenant;
        match dice.below(3) {
            0 => self.ears[ear].unsubscribe(at, patterns).await,
            1 if self.ears[ear].may_ask_for_a_past() => {
                let after = self.earlier(dice, tenant);
                self.ears[ear].subscribe(at, patterns, Some(&after)).await;
            }
            _ => self.ears[ear].subscribe(at, patterns, None).await,
        }
        let until = self.settle(ear).await;
        self.ears[ear].has_chosen(until);
    }

    async fn turn(&mut self, dice: &mut Dice, number: u64) {
        let turn = Turn { kind: dice.below(10), seed: dice.below(u64::MAX), number };
        let ear = dice.below(self.ears.len() as u64) as usize;
        match turn.kind {
            8 => return self.come_back(dice, ear).await,
            9 => return self.choose(dice, ear).await,
            _ => {}
        }
        for at in 0..self.tenants.len() {
            match turn.kind {
                0..4 => self.post(at, &turn).await,
                4..6 => self.tell(at, &turn).await,
                _ => self.hand_over(at, &turn).await,
            }
        }
    }
}

/// Lets things happen as the dice fall.
async fn run(seed: u64, is_on_disk: bool, turns: u64) {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let options = [("limits.outbox_events", "4096"), ("limits.messages_per_minute", "0")];
    let server = match is_on_disk {
        true => Server::on_disk(Arc::new(TempDir::new().unwrap()), &options).await,
        false => Server::start(&options).await,
    };
    let tenants = 2 + dice.below(2) as usize;
    let mut world = World::begin(server, tenants).await;
    for ear in 0..world.ears.len() {
        // Some come later, and have notifications waiting for them.
        if dice.below(4) > 0 {
            world.open(ear, From::Now, None).await;
        }
    }
    for number in 0..turns {
        world.turn(&mut dice, number).await;
    }
    for ear in 0..world.ears.len() {
        if world.ears[ear].is_open() {
            world.end(ear, true).await;
        }
    }
}

/// These, or those that the environment asks for.
fn seeds(usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let wanted = std::env::var("WALL_SEEDS").ok().and_then(|n| n.parse::<u64>().ok());
    wanted.map_or(usual.clone(), |n| usual.start..usual.start + n)
}

const TURNS: u64 = 90;

#[tokio::test]
async fn nobody_hears_another_tenant_or_what_is_not_for_them_and_everybody_hears_the_rest() {
    for seed in seeds(0..6) {
        run(seed, false, TURNS).await;
    }
}

#[tokio::test]
async fn the_wall_stands_on_disk_as_well() {
    for seed in seeds(100..102) {
        run(seed, true, TURNS).await;
    }
}
