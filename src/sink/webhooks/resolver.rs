//! From a host's name to the addresses that are connected to. The HTTP client has no other way to
//! find one, so an address that is refused here is never reached, whatever its name said a moment
//! ago (DNS rebinding).

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::networks::{BadAddress, Networks};
use crate::limits::WEBHOOK_LOOKUPS_AT_ONCE_MAX;

/// Who knows the addresses of names.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name; may block.
    ///
    /// # Errors
    /// When the name has none, or nobody could be asked.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// A resolver that knows where no webhook may go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Resolver {
    networks: Networks,
    lookup: Arc<dyn Lookup>,
    /// The threads that look names up are those that read the store, too.
    permits: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new(networks: Networks, lookup: Arc<dyn Lookup>) -> Resolver {
        let permits = Arc::new(Semaphore::new(WEBHOOK_LOOKUPS_AT_ONCE_MAX));
        Resolver { networks, lookup, permits }
    }

    /// The addresses of a name. All must be allowed: a name with an address in a private network is
    /// either a mistake or an attempt.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, BadAddress> {
        let unresolved = |_| BadAddress::Unresolved;
        let permit =
            self.permits.clone().acquire_owned().await.map_err(|_| BadAddress::Unresolved)?;
        let (lookup, host) = (self.lookup.clone(), host.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            // Whoever asked may have given up; the thread is taken until this is over.
            let _permit = permit;
            lookup.lookup(&host)
        });
        let found = found.await.map_err(|_| BadAddress::Unresolved)?.map_err(unresolved)?;
        if found.is_empty() {
            return Err(BadAddress::Unresolved);
        }
        found.iter().try_for_each(|ip| self.networks.check_ip(*ip))?;
        Ok(found)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            // The client puts in the port.
            let found = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}
