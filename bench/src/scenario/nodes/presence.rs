//! A node with many users is killed. How long until the other one has told each of them as gone,
//! and until nothing in Redis says that they are here. It is seen in three places: by a console,
//! which hears the whole log; by somebody in each of some conversations, whose list of users
//! follows; and in Redis itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, sleep};

use super::Bench;
use crate::client::{Body, Frame};
use crate::clock::{self, seconds};
use crate::console::Console;
use crate::crowd::{self, Crowd};
use crate::report::Figure;
use crate::scale::{IDLE_REST, JOIN_WIDTH, QUIET, RETURN_TIMEOUT};
use crate::scenario::{pairs, trouble_figure};
use crate::server::Ending;
use crate::services::Services;
use crate::session::Seat;
use crate::ws::Writer;

/// How often it is asked what is in Redis.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// How many keys there are, and how many entries of users in those that have several. Not counted:
/// what is remembered for a while of those who went, so that it is known if they come back; of
/// nodes that are gone, so that nobody ends them twice; and the console, who is written down as
/// working some seconds after it came.
const COUNT_KEYS: &str = "
local keys, users = 0, 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  local is_memory = key:find('^sb:away:') or key:find('^sb:claim:')
  local is_console = key == 'agents:all' or key == 'agent:online:bench-console'
  if not is_memory and not is_console then
    keys = keys + 1
    if key:find('^session:') or key:find('^sb:conns:') then
      users = users + redis.call('HLEN', key)
    end
  end
end
return {keys, users}";

/// What Redis holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    keys: u64,
    users: u64,
}

/// Who was told as gone, to one kind of listener.
#[derive(Debug, Default)]
struct Told {
    /// By user: how often.
    times: HashMap<String, u32>,
    last_ns: u64,
    /// With another reason than the node's end, or somebody else.
    wrong: u64,
}

/// What the console and those in the conversations heard.
#[derive(Debug, Default)]
struct Books {
    log: Told,
    watched: Told,
}

pub(in crate::scenario) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let services = bench.launch.start_services().await?;
    let stays = bench.launch.start_node(&services.environment()).await?;
    let seats = pairs(bench.scale.lost_users / 2);
    let watched = bench.scale.lost_watched.min(seats.len() / 2);
    let books = Rc::new(RefCell::new(Books::of(&seats, watched)));
    let console = console(bench, stays.address, &books).await?;
    let watchers = watchers(stays.address, &seats, watched, &books).await?;
    sleep(IDLE_REST).await;
    let before = held(&services).await?;

    let mut dies = bench.launch.start_node(&services.environment()).await?;
    let users = Crowd::gather(dies.address, &seats, JOIN_WIDTH, crowd::deaf).await?;
    sleep(IDLE_REST).await;
    let full = held(&services).await?;
    let cut_ns = clock::now_ns();
    dies.end(Ending::Killed).await?;
    let gone_ns = wait_for_all(&services, before, &books).await?;
    drop(users);
    // Nobody may be told again.
    sleep(QUIET).await;

    let mut figures = books.borrow().figures(cut_ns);
    figures.push(redis_figure(gone_ns.map(|ns| ns - cut_ns), before, full));
    for crowd in [console, watchers] {
        figures.extend(trouble_figure(crowd.troubles()));
    }
    stays.stop().await;
    services.stop().await;
    Ok(figures)
}

/// An admin's console, who hears of everybody.
async fn console(bench: &Bench, address: SocketAddr, books: &Rc<RefCell<Books>>) -> Result<Crowd> {
    let token = bench.launch.secret.sign("bench-console", "admin", &[])?;
    let console = Console::new("bench-console", token);
    Crowd::gather(address, &[console], 1, |_| {
        let books = Rc::clone(books);
        move |_: &Rc<Writer>, frame: Frame<'_>| {
            if let Frame::Left(body) = frame {
                let (user, reason) = (body.text_of("user_id"), body.text_of("reason"));
                books.borrow_mut().log.take(user, reason);
            }
        }
    })
    .await
}

/// An admin in each of the first conversations.
async fn watchers(
    address: SocketAddr,
    seats: &[Seat],
    watched: usize,
    books: &Rc<RefCell<Books>>,
) -> Result<Crowd> {
    let admin = |(number, seat): (usize, &Seat)| Seat {
        session: seat.session,
        user: format!("bench-watcher-{number}"),
        role: "admin",
    };
    let admins: Vec<Seat> = seats.iter().step_by(2).take(watched).enumerate().map(admin).collect();
    Crowd::gather(address, &admins, JOIN_WIDTH, |_| {
        let books = Rc::clone(books);
        move |_: &Rc<Writer>, frame: Frame<'_>| {
            if let Frame::Left(body) = frame {
                books.borrow_mut().watched.take_status(body);
            }
        }
    })
    .await
}

/// Waits until everybody was told as gone and Redis holds what it did before; says when that was
/// seen, if it was.
async fn wait_for_all(
    services: &Services,
    before: Held,
    books: &RefCell<Books>,
) -> Result<Option<u64>> {
    let give_up = Instant::now() + RETURN_TIMEOUT;
    let mut gone_ns = None;
    while Instant::now() < give_up {
        if gone_ns.is_none() {
            let now = held(services).await?;
            let is_gone = now.keys <= before.keys && now.users <= before.users;
            gone_ns = is_gone.then(clock::now_ns);
        }
        if gone_ns.is_some() && books.borrow().is_complete() {
            break;
        }
        sleep(ASKED_EVERY).await;
    }
    Ok(gone_ns)
}

async fn held(services: &Services) -> Result<Held> {
    let answer = services.ask_redis(COUNT_KEYS).await?;
    let [keys, users] = &answer[..] else { bail!("redis-cli says {answer:?}") };
    let number = |text: &str| text.parse().with_context(|| format!("redis-cli says {text:?}"));
    Ok(Held { keys: number(keys)?, users: number(users)? })
}

fn redis_figure(after: Option<u64>, before: Held, full: Held) -> Figure {
    let name = "killed to none of its keys in Redis";
    let (keys, users) = (full.keys - before.keys, full.users - before.users);
    let note = format!("{keys} keys, {users} entries of users");
    match after {
        Some(ns) => Figure::new(name, seconds(ns), "s").at_most(10.0).note(note),
        None => Figure::new(name, RETURN_TIMEOUT.as_secs_f64(), "s")
            .at_most(10.0)
            .note(format!("NOT SEEN; of {note}")),
    }
}

impl Books {
    /// Two seats to a conversation; the first conversations are watched.
    fn of(seats: &[Seat], watched: usize) -> Self {
        Self { log: Told::of(seats), watched: Told::of(&seats[..watched * 2]) }
    }

    fn is_complete(&self) -> bool {
        self.log.is_complete() && self.watched.is_complete()
    }

    fn figures(&self, cut_ns: u64) -> Vec<Figure> {
        let mut figures = self.log.figures("in the log", cut_ns).to_vec();
        figures.extend(self.watched.figures("in the watched conversations", cut_ns));
        figures
    }
}

impl Told {
    fn of(seats: &[Seat]) -> Self {
        let times = seats.iter().map(|seat| (seat.user.clone(), 0)).collect();
        Self { times, ..Self::default() }
    }

    /// Takes who was told as gone, and why.
    fn take(&mut self, user: Option<&str>, reason: Option<&str>) {
        let times = user.and_then(|user| self.times.get_mut(user));
        match times.filter(|_| reason == Some("node_lost")) {
            Some(times) => *times += 1,
            None => self.wrong += 1,
        }
        self.last_ns = clock::now_ns();
    }

    fn take_status(&mut self, body: Body<'_>) {
        self.take(body.text_of("event_user_id"), body.text_of("disconnect_reason"));
    }

    fn is_complete(&self) -> bool {
        self.times.values().all(|times| *times > 0)
    }

    fn figures(&self, place: &str, cut_ns: u64) -> [Figure; 2] {
        let after = seconds(self.last_ns.saturating_sub(cut_ns));
        let users = self.times.len();
        let untold = self.times.values().filter(|times| **times == 0).count() as u64;
        let again: u64 = self.times.values().map(|times| u64::from(times.saturating_sub(1))).sum();
        let flaws = Figure::new(
            format!("not told once as node_lost, {place}"),
            (untold + again + self.wrong) as f64,
            "",
        );
        let note = format!("{untold} never, {again} again, {} in another way", self.wrong);
        [
            Figure::new(format!("killed to all told as gone, {place}"), after, "s")
                .at_most(10.0)
                .note(format!("{users} users")),
            flaws.at_most(0.0).note(note),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_twice_or_in_another_way_is_counted() {
        let seats = pairs(1);
        let mut told = Told::of(&seats);
        let customer = Some("bench-customer-0");
        told.take(customer, Some("node_lost"));
        assert!(!told.is_complete());
        told.take(customer, Some("node_lost"));
        told.take(Some("bench-agent-0"), Some("node_lost"));
        told.take(Some("bench-agent-0"), Some("network_error"));
        assert!(told.is_complete());
        assert_eq!((told.times["bench-customer-0"], told.wrong), (2, 1));
    }
}
