//! What keeps an agent alive: two tabs, a phone and a heartbeat, in every order of their ends.

use serde_json::json;
use tokio::time::Instant;

use super::{GRACE, OPTIONS, SECOND, Scene, TTL};
use crate::client::Client;
use crate::clock::{self, settle};
use crate::socketio::Socket;

/// What can keep an agent alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    FirstTab,
    SecondTab,
    Phone,
    Heartbeat,
}

const SOURCES: [Source; 4] =
    [Source::FirstTab, Source::SecondTab, Source::Phone, Source::Heartbeat];

fn orders(of: &[Source]) -> Vec<Vec<Source>> {
    if of.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in of {
        let others: Vec<Source> = of.iter().copied().filter(|other| other != first).collect();
        for mut rest in orders(&others) {
            rest.insert(0, *first);
            all.push(rest);
        }
    }
    all
}

/// One agent's sources; those that ended are `None`.
struct Sources {
    tabs: [Option<Socket>; 2],
    phone: Option<Client>,
    lease_ends: Instant,
}

impl Sources {
    async fn all(scene: &Scene) -> Sources {
        let Scene { office, dewi, chat } = scene;
        let tabs = [Some(office.socket(dewi).await), Some(office.socket(dewi).await)];
        let phone = office.server.open(&office.path(dewi, chat)).await;
        scene.sockets_are(3).await;
        office.beat(dewi, json!({})).await;
        Sources { tabs, phone: Some(phone), lease_ends: Instant::now() + TTL }
    }

    async fn end(&mut self, source: Source, scene: &Scene) {
        let tab = match source {
            Source::FirstTab => self.tabs[0].take(),
            Source::SecondTab => self.tabs[1].take(),
            Source::Phone => {
                self.phone.take().unwrap().cut().await;
                None
            }
            Source::Heartbeat => {
                clock::advance(self.lease_ends - Instant::now() - SECOND).await;
                scene.is_here("the heartbeat counts until its time is over").await;
                clock::advance(SECOND).await;
                None
            }
        };
        if let Some(tab) = tab {
            tab.client.cut().await;
        }
        let left = self.tabs.iter().flatten().count() + usize::from(self.phone.is_some());
        scene.sockets_are(left).await;
    }
}

/// Every order that ends with this one.
async fn ends_all_but_last(last: Source) {
    let _stopped = clock::stop();
    let others: Vec<Source> = SOURCES.into_iter().filter(|source| *source != last).collect();
    let orders = orders(&others);
    assert_eq!(orders.len(), 6);
    for order in orders {
        let scene = Scene::set(OPTIONS).await;
        let mut sources = Sources::all(&scene).await;
        for source in &order {
            sources.end(*source, &scene).await;
            // For longer than any grace.
            clock::advance(GRACE + SECOND).await;
            scene.is_here(&format!("{order:?}: {source:?} has ended, others have not")).await;
        }
        sources.end(last, &scene).await;
        scene.is_lost_and_then_told(&format!("{order:?}, {last:?}")).await;
    }
}

#[tokio::test]
async fn an_agent_is_here_until_the_first_tab_is_closed_last() {
    ends_all_but_last(Source::FirstTab).await;
}

#[tokio::test]
async fn an_agent_is_here_until_the_second_tab_is_closed_last() {
    ends_all_but_last(Source::SecondTab).await;
}

#[tokio::test]
async fn an_agent_is_here_until_the_phone_is_cut_last() {
    ends_all_but_last(Source::Phone).await;
}

#[tokio::test]
async fn an_agent_is_here_until_the_heartbeat_ends_last() {
    ends_all_but_last(Source::Heartbeat).await;
}

#[tokio::test]
async fn whoever_is_back_within_the_grace_was_never_gone() {
    let _stopped = clock::stop();
    for source in [Source::FirstTab, Source::Phone, Source::Heartbeat] {
        let scene = Scene::set(OPTIONS).await;
        let since = scene.office.record(&scene.dewi).await["since"].clone();
        clock::advance(TTL).await;
        scene.is("offline", "heartbeat_ended").await;
        clock::advance(GRACE - SECOND).await;
        let mut sources =
            Sources { tabs: [None, None], phone: None, lease_ends: Instant::now() + TTL };
        match source {
            Source::Phone => {
                let path = scene.office.path(&scene.dewi, &scene.chat);
                sources.phone = Some(scene.office.server.open(&path).await);
            }
            Source::Heartbeat => scene.office.beat(&scene.dewi, json!({})).await,
            _ => sources.tabs[0] = Some(scene.office.socket(&scene.dewi).await),
        }
        settle().await;
        scene.is_here(&format!("back by {source:?}")).await;
        assert_eq!(scene.office.record(&scene.dewi).await["since"], since, "{source:?}");
        clock::advance(2 * GRACE).await;
        scene.is_here(&format!("back by {source:?}, and it stays")).await;
        assert_eq!(scene.office.announced(&scene.dewi).await, ["online"], "{source:?}");
        sources.end(source, &scene).await;
        assert_eq!(scene.office.status(&scene.dewi).await, "offline", "{source:?}");
    }
}
