//! Keys and tokens for the tests of this module. Keys are made afresh in every run.

use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::{Secret, Settings, install_crypto};

/// The moment at which the tests take place, in seconds of Unix time.
pub(super) const NOW: i64 = 1_800_000_000;

/// The shared secret of [`settings`].
pub(super) const SECRET: &str = "a shared secret of more than 32 bytes";

/// Somebody who signs with a private key.
pub(super) struct Signer {
    pub(super) algorithm: Algorithm,
    pair: KeyPair,
}

impl Signer {
    /// Somebody new.
    pub(super) fn new(algorithm: Algorithm) -> Signer {
        install_crypto();
        let kind = match algorithm {
            Algorithm::RS256 => &PKCS_RSA_SHA256,
            Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
            _ => &PKCS_ED25519,
        };
        Signer { algorithm, pair: KeyPair::generate_for(kind).unwrap() }
    }

    pub(super) fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    pub(super) fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value, kid: Option<&str>) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        self.sign_with(&header, claims)
    }

    /// A token with this header, which may name another algorithm of the same family.
    pub(super) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        let pem = self.private_pem();
        let key = match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        jsonwebtoken::encode(header, claims, &key.unwrap()).unwrap()
    }

    /// The public key as a key set lists it.
    pub(super) fn jwk(&self, kid: &str) -> Jwk {
        let pem = self.public_pem();
        let key = match self.algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
            _ => DecodingKey::from_ed_pem(pem.as_bytes()),
        };
        let mut jwk = Jwk::from_decoding_key(&key.unwrap(), Some(self.algorithm)).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        jwk
    }
}

/// A signer with RSA, the same in all tests since making one is slow.
pub(super) fn rsa() -> &'static Signer {
    static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::RS256));
    &RSA
}

/// A signer with P-256.
pub(super) fn ec() -> &'static Signer {
    static EC: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::ES256));
    &EC
}

/// A signer with Ed25519.
pub(super) fn ed() -> &'static Signer {
    static ED: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::EdDSA));
    &ED
}

/// Claims of an agent, valid at [`NOW`].
pub(super) fn claims() -> Value {
    json!({"sub": "u1", "role": "agent", "exp": NOW + 3600})
}

/// A token signed with a shared secret.
pub(super) fn hmac(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    install_crypto();
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

/// Base64url, as a key set writes a shared secret.
pub(super) fn base64url(text: &str) -> String {
    let jwk = Jwk::from_decoding_key(&DecodingKey::from_secret(text.as_bytes()), None).unwrap();
    let AlgorithmParameters::OctetKey(key) = jwk.algorithm else { panic!("a secret is octets") };
    key.value
}

/// The shared secret and no public keys.
pub(super) fn settings() -> Settings {
    Settings {
        secret: Secret::from(SECRET),
        public_key_pem: None,
        jwks_url: None,
        jwks_refresh: Duration::from_secs(300),
        jwks_timeout: Duration::from_secs(5),
    }
}
