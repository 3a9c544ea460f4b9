//! The line itself: TCP, and TLS over it where that is asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Ami;

/// A line, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no line. One line each.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    /// Nobody there, or nobody reachable.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The other side is not who it should be, or speaks no TLS.
    #[error("no TLS: {0}")]
    Tls(io::Error),
    /// The certificates that should vouch for it cannot be used.
    #[error("tls_ca {0}: {1}")]
    Roots(String, String),
}

/// Connects.
pub(super) async fn connect(settings: &Ami) -> Result<Box<dyn Stream>, NoLine> {
    let tcp = TcpStream::connect(&settings.address).await.map_err(NoLine::Connect)?;
    tcp.set_nodelay(true).map_err(NoLine::Connect)?;
    if !settings.tls {
        return Ok(Box::new(tcp));
    }
    let host = settings.address.rsplit_once(':').map_or("", |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|err| NoLine::Tls(io::Error::other(err)))?;
    let connector = TlsConnector::from(Arc::new(trust(&settings.tls_ca)?));
    let stream = connector.connect(name, tcp).await.map_err(NoLine::Tls)?;
    Ok(Box::new(stream))
}

/// Whom to believe: the given certificates, or whom this machine does.
fn trust(roots: &Path) -> Result<ClientConfig, NoLine> {
    if roots.as_os_str().is_empty() {
        let config = ClientConfig::with_platform_verifier();
        return config.map_err(|err| NoLine::Tls(io::Error::other(err)));
    }
    let bad = |problem: String| NoLine::Roots(roots.display().to_string(), problem);
    let certificates = CertificateDer::pem_file_iter(roots).map_err(|err| bad(err.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|err| bad(err.to_string()))?;
        store.add(certificate).map_err(|err| bad(err.to_string()))?;
    }
    if store.is_empty() {
        return Err(bad("holds no certificate; it must be a PEM file with one".into()));
    }
    Ok(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
}
