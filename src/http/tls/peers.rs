//! Which certificate another node has to show: ours, or one for a name that ours is for as well, or
//! for the address it is reached under (`docs/adr/0030-long-polling-through-any-node.md`). Knows no
//! nodes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use webpki::EndEntityCert;

use super::{Pair, TlsReloader};

impl TlsReloader {
    /// What shakes hands with another node. It follows the files as well.
    ///
    /// # Errors
    /// When the cryptography that is built in cannot be used.
    pub fn peer_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = self.pair.provider.clone();
        let algorithms = provider.signature_verification_algorithms;
        let peers = Peers { pair: self.pair.clone(), algorithms, authority: Mutex::default() };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(peers))
            .with_no_client_auth();
        config.alpn_protocols = vec![super::ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

struct Peers {
    pair: Arc<Pair>,
    algorithms: WebPkiSupportedAlgorithms,
    /// Made for one certificate of ours, and made anew for the next.
    authority: Mutex<Option<Authority>>,
}

/// Who vouches for other nodes, while this certificate is ours.
#[derive(Clone)]
struct Authority {
    own: Arc<CertifiedKey>,
    chain: Arc<Verifier>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("pair", &self.pair).finish_non_exhaustive()
    }
}

impl Peers {
    /// Those in our own chain, beside those whom this machine trusts.
    fn authority(&self, own: Arc<CertifiedKey>) -> Result<Arc<Verifier>, Error> {
        let mut kept = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authority) = kept.as_ref().filter(|kept| Arc::ptr_eq(&kept.own, &own)) {
            return Ok(authority.chain.clone());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let issuers = own.cert.iter().skip(1).cloned();
        let chain = Arc::new(Verifier::new_with_extra_roots(issuers, provider)?);
        *kept = Some(Authority { own, chain: chain.clone() });
        Ok(chain)
    }
}

impl ServerCertVerifier for Peers {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = self.pair.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Whoever has its key, which the handshake proves, is one of us. How it is signed, and for
        // how long, is for those who come from outside.
        if own.cert.first().is_some_and(|ours| ours == shown) {
            return Ok(ServerCertVerified::assertion());
        }
        let chain = self.authority(own.clone())?;
        let check = |name| chain.verify_server_cert(shown, intermediates, name, ocsp_response, now);
        let checked = check(name);
        if checked.is_ok() {
            return checked;
        }
        match names_of(&own).iter().find_map(|name| check(name).ok()) {
            Some(verified) => Ok(verified),
            None => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The names a certificate is for; of all names under a domain, one.
fn names_of(own: &CertifiedKey) -> Vec<ServerName<'static>> {
    let Some(leaf) = own.cert.first() else { return vec![] };
    let Ok(leaf) = EndEntityCert::try_from(leaf) else { return vec![] };
    let names = leaf.valid_dns_names().map(|name| name.replacen('*', "node", 1));
    names.filter_map(|name| DnsName::try_from(name).ok()).map(ServerName::DnsName).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::TlsConnector;

    use super::*;

    /// Somebody who vouches for others.
    struct Vouching {
        issuer: Issuer<'static, KeyPair>,
        pem: String,
    }

    impl Vouching {
        fn new() -> Vouching {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            Vouching { issuer: Issuer::new(params, key), pem }
        }

        /// A node with a new certificate for these names, the chain in its file.
        fn node(&self, names: &[&str]) -> TlsReloader {
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(names).unwrap();
            let leaf = params.signed_by(&key, &self.issuer).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let chain = format!("{}{}", leaf.pem(), self.pem);
            std::fs::write(dir.path().join("cert.pem"), chain).unwrap();
            std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
            open(dir.path())
        }
    }

    fn open(dir: &Path) -> TlsReloader {
        TlsReloader::open(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap()
    }

    /// Whether one node believes another that it reaches under this name or address.
    async fn believes(one: &TlsReloader, another: &TlsReloader, address: &'static str) -> bool {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let accepting = another.acceptor();
        let accepted = tokio::spawn(async move { accepting.accept(far).await.is_ok() });
        let name = ServerName::try_from(address).unwrap();
        let connector = TlsConnector::from(one.peer_config().unwrap());
        let is_believed = connector.connect(name, near).await.is_ok();
        let _accepted = accepted.await.unwrap();
        is_believed
    }

    #[tokio::test]
    async fn a_node_with_the_same_certificate_is_believed_whatever_its_address() {
        let dir = tempfile::tempdir().unwrap();
        super::super::tests::write_pair(dir.path());
        assert!(believes(&open(dir.path()), &open(dir.path()), "10.0.0.7").await);
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        super::super::tests::write_pair(one.path());
        super::super::tests::write_pair(two.path());
        assert!(!believes(&open(one.path()), &open(two.path()), "localhost").await);
        let (ours, theirs) = (Vouching::new(), Vouching::new());
        let names = &["chat.example.com"];
        assert!(!believes(&ours.node(names), &theirs.node(names), "chat.example.com").await);
    }

    #[tokio::test]
    async fn one_for_a_name_of_ours_or_for_the_address_is_believed() {
        let ours = Vouching::new();
        let one = ours.node(&["chat.example.com", "*.nodes.example.com"]);
        for (names, address, is_believed) in [
            // Renewed a moment before ours is.
            (["chat.example.com"], "10.0.0.7", true),
            (["*.nodes.example.com"], "10.0.0.7", true),
            (["10.0.0.7"], "10.0.0.7", true),
            (["b.internal"], "b.internal", true),
            (["b.internal"], "10.0.0.7", false),
            (["10.0.0.8"], "10.0.0.7", false),
            (["shop.example.com"], "10.0.0.7", false),
        ] {
            let another = ours.node(&names);
            assert_eq!(believes(&one, &another, address).await, is_believed, "{names:?} {address}");
        }
    }
}
