//! The people of the drill: who there is, and what makes them come.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::books::{Console as ConsoleBook, Fate};
use crate::desk::Desk;
use crate::dialect::{Console, Seat, Shown, Socket, Visitor};
use crate::dice::Dice;
use crate::line::Line;
use crate::person::{End, Order, Person, Will};
use crate::world::{Phase, World};

/// Customers who begin by REST and talk in the session dialect.
const SEATED: u64 = 6;
/// Customers who begin by REST and talk in Socket.IO.
const SOCKETS: u64 = 6;
/// Visitors in the hub dialect.
const VISITORS: u64 = 4;
/// Admins' consoles.
const CONSOLES: u64 = 3;
/// How many conversations an agent takes: fewer in all than there are customers, so some wait.
const MAX_CHATS: u64 = 2;
/// How often a conversation begins that waits for nothing but a decision.
const PULSE_INTERVAL: Duration = Duration::from_secs(1);
/// Orders that may wait for a seat.
const ORDERS: usize = 16;
/// How long a console waits for a frame before it looks whether it is to leave.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What an agent works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// One Socket.IO connection for all its conversations.
    Socket,
    /// A console, and a seat in each conversation.
    Seats,
    /// REST alone: heartbeats, questions and posts.
    Rest,
}

const AGENTS: [(Tool, Department); 7] = [
    (Tool::Socket, Department::Direct),
    (Tool::Seats, Department::Direct),
    (Tool::Rest, Department::Direct),
    (Tool::Socket, Department::Asking),
    (Tool::Seats, Department::Asking),
    (Tool::Socket, Department::Asking),
    (Tool::Seats, Department::Direct),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Department {
    /// Assigns at once.
    Direct,
    /// Offers first.
    Asking,
}

/// Everybody.
pub(crate) struct People {
    tasks: JoinSet<()>,
}

/// What everybody is made from.
struct Maker {
    world: Rc<World>,
    dice: Dice,
    number: u64,
    direct: String,
    asking: String,
    tasks: JoinSet<()>,
}

impl People {
    /// Makes the departments and agents, and has everybody come.
    pub(crate) async fn gather(world: &Rc<World>, dice: Dice) -> Result<Self> {
        let ask = json!({"offer": "accept", "offer_timeout_seconds": 5, "offer_retry_seconds": 2});
        let direct = department(world, "Direct", json!({})).await?;
        let asking = department(world, "Asking", ask).await?;
        let pulse = department(world, "Pulse", json!({})).await?;
        let tasks = JoinSet::new();
        let world = Rc::clone(world);
        let mut maker = Maker { world, dice, number: 0, direct, asking, tasks };
        for _ in 0..CONSOLES {
            maker.add_console();
        }
        maker.add_agents().await?;
        maker.add_pulse(pulse).await?;
        maker.add_customers();
        Ok(Self { tasks: maker.tasks })
    }

    /// Waits until everybody has gone, after they were told to.
    pub(crate) async fn gone(mut self, within: Duration) -> bool {
        timeout(within, async { while self.tasks.join_next().await.is_some() {} }).await.is_ok()
    }
}

async fn department(world: &World, name: &str, routing: Value) -> Result<String> {
    let body = json!({"name": name, "routing": routing});
    let made = world.insist("/api/departments", &world.admin, Some(&body)).await?;
    World::text(&made, "/data/id")
}

async fn agent(world: &World, name: &str, department: &str, max_chats: u64) -> Result<String> {
    let body = json!({"name": name, "department_ids": [department], "max_chats": max_chats});
    let made = world.insist("/api/agents", &world.admin, Some(&body)).await?;
    World::text(&made, "/data/id")
}

impl Maker {
    fn next(&mut self) -> (u64, Dice) {
        self.number += 1;
        (self.number, self.dice.part(self.number))
    }

    fn add_console(&mut self) {
        let (number, dice) = self.next();
        self.tasks.spawn_local(watch(Rc::clone(&self.world), number, dice));
    }

    async fn add_agents(&mut self) -> Result<()> {
        let mut desks = Vec::new();
        for (tool, department) in AGENTS {
            let (number, dice) = self.next();
            let name = format!("agent-{number}");
            let of = match department {
                Department::Direct => &self.direct,
                Department::Asking => &self.asking,
            };
            let id = agent(&self.world, &name, of, MAX_CHATS).await?;
            let token = self.world.token(&id, "agent")?;
            let beats = tool != Tool::Socket;
            let (desk, orders) = Desk::new(&self.world, &id, &token, beats, dice.part(1));
            desks.push(Rc::clone(&desk));
            let world = Rc::clone(&self.world);
            self.tasks.spawn_local(Rc::clone(&desk).work());
            match tool {
                Tool::Socket => {
                    self.tasks.spawn_local(by_socket(world, number, dice, desk, orders))
                }
                Tool::Seats => {
                    self.tasks.spawn_local(hear_offers(Rc::clone(&world), desk.clone()));
                    self.tasks.spawn_local(by_seats(world, number, dice, desk, orders))
                }
                Tool::Rest => self.tasks.spawn_local(by_rest(world, dice, desk, orders)),
            };
        }
        for desk in &desks {
            let colleagues = desks.iter().filter(|other| other.agent != desk.agent);
            let mut others: Vec<Value> =
                colleagues.map(|other| json!({"agent_id": other.agent})).collect();
            // Departments as often as colleagues.
            for _ in 0..3 {
                others.push(json!({"department_id": self.direct}));
                others.push(json!({"department_id": self.asking}));
            }
            desk.pass_on_to(others);
        }
        Ok(())
    }

    async fn add_pulse(&mut self, department: String) -> Result<()> {
        let id = agent(&self.world, "pulse", &department, 100).await?;
        let token = self.world.token(&id, "agent")?;
        self.world.books.borrow_mut().pulse_department.clone_from(&department);
        self.tasks.spawn_local(pulse(Rc::clone(&self.world), department, token));
        Ok(())
    }

    fn add_customers(&mut self) {
        for index in 0..SEATED + SOCKETS + VISITORS {
            let (number, dice) = self.next();
            let department = if index % 2 == 0 { &self.direct } else { &self.asking }.clone();
            let world = Rc::clone(&self.world);
            if index < SEATED {
                self.tasks.spawn_local(seated_customer(world, number, dice, department));
            } else if index < SEATED + SOCKETS {
                self.tasks.spawn_local(socket_customer(world, number, dice, department));
            } else {
                self.tasks.spawn_local(visitor(world, number, dice, department));
            }
        }
    }
}

// === customers ===

/// What a customer gets who begins a conversation: it, who the customer is, and a token.
async fn begin(world: &World, number: u64, department: &str) -> Option<(String, String, String)> {
    let body = json!({"name": format!("customer-{number}"), "department_id": department});
    let answer = world.ask("/api/sessions", None, Some(&body)).await.ok()?;
    let text = |name: &str| World::text(&answer.body, &format!("/data/{name}")).ok();
    Some((text("session_id")?, text("user_id")?, text("token")?))
}

async fn seated_customer(world: Rc<World>, number: u64, mut dice: Dice, department: String) {
    while world.phase() == Phase::Load {
        let Some((conversation, user, token)) = begin(&world, number, &department).await else {
            sleep(dice.millis(200..=800)).await;
            continue;
        };
        let seat = Seat::new(&conversation, &user, "customer", &token);
        let mut person = Person::new(&world, number, &user, seat, dice.clone());
        person.will.goes_when_closed = true;
        finish(&world, &user, person.live().await);
        dice = person.dice.part(1);
    }
}

async fn socket_customer(world: Rc<World>, number: u64, mut dice: Dice, department: String) {
    while world.phase() == Phase::Load {
        let Some((conversation, user, token)) = begin(&world, number, &department).await else {
            sleep(dice.millis(200..=800)).await;
            continue;
        };
        // Half of them are unmodified clients.
        let socket = Socket::new(&token, dice.percent(50));
        let mut person = Person::new(&world, number, &user, socket, dice.clone());
        let (order, orders) = mpsc::channel(1);
        let will = Will { goes_when_closed: true, orders: Some(orders), ..Will::default() };
        person.will = will;
        // There is room for the one order.
        let _ = order.try_send(Order::Join(conversation));
        finish(&world, &user, person.live().await);
        dice = person.dice.part(1);
        drop(order);
    }
}

async fn visitor(world: Rc<World>, number: u64, mut dice: Dice, department: String) {
    while world.phase() == Phase::Load {
        let name = format!("visitor-{number}");
        let visitor = Visitor::new(&name, &department);
        let mut person = Person::new(&world, number, &name, visitor, dice.clone());
        person.will.goes_when_closed = true;
        finish(&world, &name, person.live().await);
        dice = person.dice.part(1);
    }
}

/// A customer's own conversation is always open to it.
fn finish(world: &World, user: &str, end: End) {
    if let End::Refused(status, body) = end {
        world.trouble(user, format!("refused with {status}: {body}"));
    }
}

// === agents ===

async fn by_socket(
    world: Rc<World>,
    number: u64,
    dice: Dice,
    desk: Rc<Desk>,
    orders: mpsc::Receiver<Order>,
) {
    let socket = Socket::new(&desk.token, true);
    let mut person = Person::new(&world, number, &desk.agent, socket, dice);
    person.will = Will { goes_when_closed: false, orders: Some(orders), desk: Some(desk.clone()) };
    finish(&world, &desk.agent, person.live().await);
}

/// An agent's console, by which it hears what it is offered and given.
async fn hear_offers(world: Rc<World>, desk: Rc<Desk>) {
    let mut console = Console::new(&desk.token);
    while world.phase() != Phase::Leave {
        let node = world.nodes[world.next_node()];
        let opened = Line::open(node, &console.path(), Some(console.token())).await;
        if let Ok(mut line) = opened {
            while let Some(frame) = look_up(&world, &mut line).await {
                if let Shown::Event(event) = console.take(&frame) {
                    let conversation = event.conversation();
                    match event.kind.as_str() {
                        "conversation.assigned" => desk.given(conversation, event.text("agent_id")),
                        "conversation.offered" => {
                            desk.offered(conversation, event.text("agent_id"))
                        }
                        _ => {}
                    }
                }
            }
            if world.phase() == Phase::Leave {
                line.close().await;
            }
        }
        sleep(Duration::from_millis(300)).await;
    }
}

async fn by_seats(
    world: Rc<World>,
    number: u64,
    dice: Dice,
    desk: Rc<Desk>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut seats: BTreeMap<String, mpsc::Sender<Order>> = BTreeMap::new();
    let mut taken = JoinSet::new();
    let mut phases = world.phases();
    while world.phase() != Phase::Leave {
        let order = tokio::select! {
            order = orders.recv() => order,
            _ = phases.changed() => continue,
        };
        match order {
            // A seat that was refused is taken again, if the agent still has the conversation.
            Some(Order::Join(name)) if seats.get(&name).is_none_or(mpsc::Sender::is_closed) => {
                let (order, orders) = mpsc::channel(ORDERS);
                seats.insert(name.clone(), order);
                let seat = Seat::new(&name, &desk.agent, "agent", &desk.token);
                let dice = dice.part(taken.len() as u64);
                let mut person = Person::new(&world, number, &desk.agent, seat, dice);
                person.will.orders = Some(orders);
                // It may have gone to somebody else in the meantime: then it may be refused.
                taken.spawn_local(async move { drop(person.live().await) });
            }
            Some(Order::Join(_)) => {}
            Some(Order::Leave(name)) => {
                if let Some(seat) = seats.remove(&name) {
                    let _ = seat.try_send(Order::Leave(name));
                }
            }
            None => break,
        }
    }
    while taken.join_next().await.is_some() {}
}

async fn by_rest(
    world: Rc<World>,
    mut dice: Dice,
    desk: Rc<Desk>,
    mut orders: mpsc::Receiver<Order>,
) {
    let (mut said, serial) = (0, world.next_serial());
    while world.phase() != Phase::Leave {
        // What it has it asks its desk.
        while orders.try_recv().is_ok() {}
        sleep(dice.millis(400..=1_600)).await;
        let has = desk.has();
        if world.phase() == Phase::Load && !has.is_empty() {
            said += 1;
            let client_id = format!("{}/{serial}/{said}", desk.agent);
            let conversation: &String = dice.one_of(&has);
            say_by_rest(&world, &desk, conversation, &client_id).await;
        }
    }
}

/// Posts a message, again and again until something is known of it.
async fn say_by_rest(world: &World, desk: &Desk, conversation: &str, client_id: &str) {
    let body = json!({"conversationId": conversation, "content": client_id, "clientId": client_id});
    while world.phase() == Phase::Load {
        world.books.borrow_mut().send(client_id, &desk.agent, conversation);
        let answer = world.ask("/api/messages", Some(&desk.token), Some(&body)).await;
        match answer {
            Ok(answer) if answer.is_ok() => {
                let kept = answer.body.get("data").unwrap_or(&answer.body);
                let id = kept["messageId"].as_str().unwrap_or_default().to_owned();
                let seq = kept["seq"].as_u64().unwrap_or(0);
                return world.books.borrow_mut().answer(client_id, Fate::Kept { id, seq });
            }
            Ok(answer) if answer.status < 500 && answer.status != 429 => {
                let fate = Fate::Refused(answer.code().to_owned());
                return world.books.borrow_mut().answer(client_id, fate);
            }
            _ => sleep(Duration::from_millis(400)).await,
        }
    }
}

// === those who only listen ===

/// The next frame; `None` at the end of the line, and when everybody leaves.
async fn look_up(world: &World, line: &mut Line) -> Option<String> {
    while world.phase() != Phase::Leave {
        if let Ok(frame) = timeout(LOOK_UP, line.next()).await {
            return frame.ok();
        }
    }
    None
}

/// A console that hears the tenant, and keeps what it hears.
async fn watch(world: Rc<World>, number: u64, mut dice: Dice) {
    let user = format!("console-{number}");
    let Ok(token) = world.token(&user, "admin") else { return };
    let mut console = Console::new(&token);
    let index = {
        let mut books = world.books.borrow_mut();
        books.consoles.push(ConsoleBook { user: user.clone(), ..ConsoleBook::default() });
        books.consoles.len() - 1
    };
    while world.phase() != Phase::Leave {
        let node = world.nodes[world.next_node()];
        if let Ok(mut line) = Line::open(node, &console.path(), Some(console.token())).await {
            while let Some(frame) = look_up(&world, &mut line).await {
                let shown = console.take(&frame);
                let mut books = world.books.borrow_mut();
                let book = &mut books.consoles[index];
                match shown {
                    Shown::Hello(end) => book.began_at = book.began_at.or(end),
                    Shown::Event(event) => book.heard.push((event.position, event.kind)),
                    Shown::Passing => {}
                    Shown::Trouble(what) => {
                        drop(books);
                        world.trouble(&user, what);
                    }
                }
            }
            if world.phase() == Phase::Leave {
                line.close().await;
            }
        }
        sleep(dice.millis(100..=600)).await;
    }
}

/// Begins a conversation each second that has its agent at once if decisions are made, and ends it.
async fn pulse(world: Rc<World>, department: String, token: String) {
    let mut beats = 0_u64;
    while world.phase() == Phase::Load {
        if beats.is_multiple_of(3) {
            let (world, token) = (Rc::clone(&world), token.clone());
            spawn_local(async move {
                let path = "/api/agent-status/heartbeat";
                world.ask(path, Some(&token), Some(&json!({}))).await
            });
        }
        beats += 1;
        let (world_of, department) = (Rc::clone(&world), department.clone());
        spawn_local(async move {
            let Some((conversation, _, _)) = begin(&world_of, 0, &department).await else { return };
            sleep(Duration::from_secs(20)).await;
            let path = format!("/api/sessions/{conversation}/close");
            drop(world_of.ask(&path, Some(&world_of.admin), Some(&json!({}))).await);
        });
        sleep(PULSE_INTERVAL).await;
    }
    // Whatever waits for it still, it takes until the end.
    while world.phase() != Phase::Leave {
        drop(world.ask("/api/agent-status/heartbeat", Some(&token), Some(&json!({}))).await);
        sleep(Duration::from_secs(3)).await;
    }
}
