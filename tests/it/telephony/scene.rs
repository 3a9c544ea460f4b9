//! A telephone system in which people do things, and a server that is connected to it.

use std::time::Duration;

use switchboard::model::Event;

use super::conversation::calls;
use crate::asterisk::{Asterisk, pbx::Pbx};
use crate::clock::{self, within};
use crate::office::Office;

/// A telephone system and the server that listens to it.
pub struct Scene {
    /// The telephone system as it answers.
    pub asterisk: Asterisk,
    /// What goes on in it.
    pub pbx: Pbx,
    /// Whoever listens.
    pub office: Office,
}

impl Scene {
    /// Both, connected.
    pub async fn set() -> Scene {
        let asterisk = Asterisk::start().await;
        let office = Office::open(&asterisk.options()).await;
        Scene::of(asterisk, office).await
    }

    /// Both, once they are connected.
    pub async fn of(asterisk: Asterisk, office: Office) -> Scene {
        asterisk.has_listed(1).await;
        clock::settle().await;
        Scene { asterisk, pbx: Pbx::default(), office }
    }

    /// People do this on their telephones, and whoever listens is told.
    pub async fn act<T>(&mut self, act: impl FnOnce(&mut Pbx) -> T) -> T {
        let done = act(&mut self.pbx);
        let told = std::mem::take(&mut self.pbx.told).concat();
        {
            let mut inner = self.asterisk.inner();
            inner.channels = items(self.pbx.list_channels("x"));
            inner.queues = items(self.pbx.list_queues("x"));
        }
        self.asterisk.tell(&told).await;
        done
    }

    /// What came into the log about telephones.
    pub async fn told(&self) -> Vec<Event> {
        clock::settle().await;
        calls(self.office.log().await)
    }

    /// The same by name.
    pub async fn names(&self) -> Vec<&'static str> {
        self.told().await.iter().map(Event::name).collect()
    }

    /// Waits until the server knows all that was listed.
    pub async fn is_connected(&self) {
        within("a connection", async {
            while self.metric("ami_connected").await == 0 {
                clock::real_pause(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// A metric of the tenant's.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.office.server.request("GET", "/metrics", "").await.text;
        let line = format!("switchboard_{name}{{tenant=\"default\"}} ");
        let found = text.lines().find_map(|l| l.strip_prefix(&line));
        found.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    }
}

/// The items of a list without what names the action.
pub fn items(list: Vec<String>) -> Vec<String> {
    let items = list[1..list.len() - 1].iter();
    items.map(|item| item.replacen("ActionID: x\r\n", "", 1)).collect()
}
