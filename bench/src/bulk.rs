//! Many requests of one kind, as fast as the server takes them: what a scenario needs before it
//! begins, and where only the answers matter.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use crate::http::{Answer, Http};
use crate::scale::BULK_WIDTH;

/// Sends `count` requests, `request(index)` each, over several connections, and gives what `read`
/// finds in each answer, in the order of the requests. An answer other than `status`, or one in
/// which nothing is found, is an error.
pub(crate) async fn ask<T: 'static>(
    address: SocketAddr,
    count: usize,
    status: u16,
    request: impl Fn(usize) -> Vec<u8> + 'static,
    read: fn(&Answer) -> Option<T>,
) -> Result<Vec<T>> {
    let request = Rc::new(request);
    let mut tasks = JoinSet::new();
    for first in 0..BULK_WIDTH.min(count) {
        let request = Rc::clone(&request);
        tasks.spawn_local(async move {
            let mut http = Http::connect(address).await?;
            let mut found = Vec::new();
            for index in (first..count).step_by(BULK_WIDTH) {
                let answer = http.exchange(&request(index)).await?;
                let text = String::from_utf8_lossy(&answer.body);
                ensure!(answer.status == status, "refused with {}: {text}", answer.status);
                found.push((index, read(&answer).with_context(|| format!("answered {text}"))?));
            }
            anyhow::Ok(found)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(part) = tasks.join_next().await {
        all.extend(part??);
    }
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, found)| found).collect())
}
