//! TLS from two PEM files, read again when they change. Knows no HTTP beyond its ALPN name.
//!
//! New handshakes get the new certificate; open connections keep the one they began with. A new
//! pair that does not hold is logged and the old one stays: a half-written file must not take the
//! server off the air.

mod peers;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::limits::TLS_RELOAD_INTERVAL;

/// HTTP/2 is not offered: WebSocket over it gains nothing here and costs a second code path.
const ALPN: &[u8] = b"http/1.1";

/// Why a certificate and key cannot be used. One line each, naming the option and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or may not be read.
    #[error("cannot read {option} {}: {source}", path.display())]
    Unreadable {
        /// `tls.cert` or `tls.key`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file without what it is for.
    #[error("{option} {} holds no {what}; it must be a PEM file with one", path.display())]
    Missing {
        /// `tls.cert` or `tls.key`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is not in it.
        what: &'static str,
    },
    /// The key is not the certificate's.
    #[error("tls.key {} does not belong to the first certificate of tls.cert {}",
        key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A certificate or key that rustls does not take.
    #[error("tls.cert {} and tls.key {} cannot be used: {source}", cert.display(), key.display())]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        source: RustlsError,
    },
}

/// A TLS configuration that follows its files.
#[derive(Clone)]
pub struct TlsReloader {
    config: Arc<ServerConfig>,
    pair: Arc<Pair>,
}

impl fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloader").field("files", &self.pair.files).finish_non_exhaustive()
    }
}

impl TlsReloader {
    /// Reads both files.
    pub fn open(cert: &Path, key: &Path) -> Result<TlsReloader, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files { cert: cert.to_owned(), key: key.to_owned() };
        // Stamped before reading: a change in between is then seen as one.
        let seen = Mutex::new(files.stamp());
        let current = RwLock::new(Arc::new(files.load(&provider)?));
        let pair = Arc::new(Pair { provider: provider.clone(), files, seen, current });
        let config = server_config(provider, pair.clone()).map_err(|e| pair.files.unusable(e))?;
        Ok(TlsReloader { config: Arc::new(config), pair })
    }

    /// What shakes hands on a new connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// Looks at the files every two seconds until shutdown. `server.rs` spawns it.
    pub async fn watch(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(TLS_RELOAD_INTERVAL) => {}
            }
            let pair = self.pair.clone();
            // Reading files blocks, on a network file system for long.
            match tokio::task::spawn_blocking(move || pair.reload_if_changed()).await {
                Ok(Ok(true)) => tracing::info!("the TLS certificate was reloaded"),
                Ok(Err(error)) => tracing::warn!(%error, "the old TLS certificate stays in use"),
                Ok(Ok(false)) | Err(_) => {}
            }
        }
    }

    /// Reads the files again when they changed since the last look; whether they did.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        self.pair.reload_if_changed()
    }
}

fn server_config(
    provider: Arc<CryptoProvider>,
    pair: Arc<Pair>,
) -> Result<ServerConfig, RustlsError> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(pair);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The files, what they looked like last, and the pair in use.
struct Pair {
    provider: Arc<CryptoProvider>,
    files: Files,
    seen: Mutex<[Stamp; 2]>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Pair {
    fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let stamp = self.files.stamp();
        // A broken pair is complained about once, not at every look: the stamp is kept either way.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, stamp) == stamp {
            return Ok(false);
        }
        let fresh = Arc::new(self.files.load(&self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Modification time and length; `None` while the file cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn stamp(&self) -> [Stamp; 2] {
        [&self.cert, &self.key].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        })
    }

    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let (cert, key) = (read("tls.cert", &self.cert)?, read("tls.key", &self.key)?);
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&cert)
            .collect::<Result<_, _>>()
            .map_err(|_| missing("tls.cert", &self.cert, "readable certificate"))?;
        if chain.is_empty() {
            return Err(missing("tls.cert", &self.cert, "certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                missing("tls.key", &self.key, "private key that is not encrypted")
            }
            _ => missing("tls.key", &self.key, "readable private key"),
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, source: RustlsError) -> TlsError {
        let (cert, key) = (self.cert.clone(), self.key.clone());
        match source {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { cert, key }
            }
            source => TlsError::Unusable { cert, key, source },
        }
    }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        option,
        path: path.to_owned(),
        source,
    })
}

fn missing(option: &'static str, path: &Path, what: &'static str) -> TlsError {
    TlsError::Missing { option, path: path.to_owned(), what }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    /// Writes a fresh self-signed pair for `localhost`; the certificate's DER.
    pub(in crate::http) fn write_pair(dir: &Path) -> CertificateDer<'static> {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        write(&dir.join("cert.pem"), &pair.cert.pem());
        write(&dir.join("key.pem"), &pair.signing_key.serialize_pem());
        pair.cert.der().clone()
    }

    /// Writes a file with a time of its own: two writes within one tick of the file system's
    /// clock would look the same.
    fn write(path: &Path, text: &str) {
        static SECONDS: AtomicU64 = AtomicU64::new(1);
        std::fs::write(path, text).unwrap();
        let age = Duration::from_secs(SECONDS.fetch_add(1, Ordering::Relaxed));
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
    }

    fn open(dir: &Path) -> Result<TlsReloader, TlsError> {
        TlsReloader::open(&dir.join("cert.pem"), &dir.join("key.pem"))
    }

    #[test]
    fn a_missing_file_is_named_with_its_option() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read tls.cert ") && error.contains("cert.pem"));
    }

    #[test]
    fn a_file_of_the_wrong_kind_is_named_with_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        write_pair(dir.path());
        let cert = dir.path().join("cert.pem");
        let key = dir.path().join("key.pem");
        let error = TlsReloader::open(&key, &key).unwrap_err().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
        let error = TlsReloader::open(&cert, &cert).unwrap_err().to_string();
        assert!(error.contains("holds no private key"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_pair(one.path());
        write_pair(two.path());
        let error = TlsReloader::open(&one.path().join("cert.pem"), &two.path().join("key.pem"));
        assert!(matches!(error, Err(TlsError::Mismatch { .. })));
    }

    #[test]
    fn a_broken_new_file_is_told_once_and_the_old_pair_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = write_pair(dir.path());
        let tls = open(dir.path()).unwrap();
        assert!(!tls.reload_if_changed().unwrap());
        write(&dir.path().join("key.pem"), "nonsense");
        assert!(tls.reload_if_changed().is_err());
        assert!(!tls.reload_if_changed().unwrap());
        assert_eq!(tls.pair.current.read().unwrap().cert, [first]);
        let second = write_pair(dir.path());
        assert!(tls.reload_if_changed().unwrap());
        assert_eq!(tls.pair.current.read().unwrap().cert, [second]);
    }
}
