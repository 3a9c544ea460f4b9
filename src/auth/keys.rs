//! Public keys: which algorithm a key belongs to, and whether it is fit for it.
//!
//! A key is bound to one algorithm when it is read, so that a token can never choose what a key
//! is used for. Shared secrets never come through here.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Shortest RSA modulus that the cryptography verifies with, in bits.
const RSA_BITS_MIN: usize = 2048;

/// How the PEM text of every uncompressed P-256 key begins. The library looks for "some curve"
/// only and would take a key of another one, whose signatures then never fit.
const P256_PEM_START: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// Why the settings give no usable keys. For the operator; never shown to a client.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// Anybody could sign with it.
    #[error("the token secret is empty")]
    EmptySecret,
    /// A published key as the secret would let everybody sign.
    #[error("the token secret is a PEM; configure it as the public key instead")]
    PemAsSecret,
    /// A signing key, which this program must not have.
    #[error("the PEM holds a private key; take its public part: openssl pkey -in FILE -pubout")]
    PrivateKey,
    /// A certificate around a key.
    #[error("the PEM is a certificate; take its key: openssl x509 -in FILE -noout -pubkey")]
    Certificate,
    /// Neither RSA nor P-256 nor Ed25519.
    #[error("the PEM is no public key of type RSA, P-256 or Ed25519 (\"BEGIN PUBLIC KEY\")")]
    UnreadablePem,
    /// An elliptic curve that ES256 does not use.
    #[error("the PEM's elliptic curve is not P-256, the one of ES256, or its point is compressed")]
    WrongCurve,
    /// Too short to be safe.
    #[error("the PEM's RSA key has fewer than {RSA_BITS_MIN} bits")]
    WeakRsa,
    /// Not an address of a key set.
    #[error("the JWKS address must be an http or https URL: {0}")]
    BadUrl(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client for the JWKS address cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A public key and the only algorithm it is used with.
#[derive(Clone, Debug)]
pub(super) struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl PublicKey {
    /// Reads the first key of a PEM text.
    pub(super) fn from_pem(pem: &[u8]) -> Result<PublicKey, BadKey> {
        let text = String::from_utf8_lossy(pem);
        // The library would accept both and guess.
        if text.contains("PRIVATE KEY-----") {
            return Err(BadKey::PrivateKey);
        }
        if text.contains("BEGIN CERTIFICATE") {
            return Err(BadKey::Certificate);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Ok(PublicKey { algorithm: Algorithm::EdDSA, key });
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            check_p256(&text)?;
            return Ok(PublicKey { algorithm: Algorithm::ES256, key });
        }
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| BadKey::UnreadablePem)?;
        check_rsa(&key)?;
        Ok(PublicKey { algorithm: Algorithm::RS256, key })
    }

    /// Takes a key of a key set, if it is one to verify signatures with.
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<PublicKey> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        is_meant_for(jwk, algorithm).then_some(PublicKey { algorithm, key })
    }
}

fn is_meant_for(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let meant = &jwk.common;
    meant.key_algorithm.is_none_or(|a| a == KeyAlgorithm::from(algorithm))
        && meant.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature)
        && meant.key_operations.as_ref().is_none_or(|o| o.contains(&KeyOperations::Verify))
}

fn check_p256(pem: &str) -> Result<(), BadKey> {
    let body: String = pem.lines().skip_while(|l| !l.starts_with("-----BEGIN")).skip(1).collect();
    if body.starts_with(P256_PEM_START) { Ok(()) } else { Err(BadKey::WrongCurve) }
}

fn check_rsa(key: &DecodingKey) -> Result<(), BadKey> {
    let jwk = Jwk::from_decoding_key(key, None).map_err(|_| BadKey::UnreadablePem)?;
    let AlgorithmParameters::RSA(parts) = jwk.algorithm else {
        return Err(BadKey::UnreadablePem);
    };
    // Base64 carries six bits a character; a 2048-bit modulus takes 342 of them.
    if parts.n.len() * 6 < RSA_BITS_MIN { Err(BadKey::WeakRsa) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

    use super::super::testing::{ec, ed, rsa};
    use super::*;

    /// A public key on a curve whose points look like those of P-256.
    const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEIpt4CjvwJ+VXy4eIrgeKdlxLssEifG9E
YauePAPtA38nZeHAq2OYY57RoVN5d4r9sZd+GHfUZld2Xty7R6wUvg==
-----END PUBLIC KEY-----";

    /// A public key that is too short.
    const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDOyi4QcL10V5hxHU+nC4lFUzRo
rNY78Ciz6nsH4qvpn3fKgizZAMdOShha84Fee11FazSoeqfFmkle1EZ/HnjQ0Vv0
iV9oOqQEOPq49H+FJbaI37hXw8ocfz0XVj2reqXFpfglrUUNBOHhXhHAj8G5Y6pS
W95z7rr6HqcZ/af7dwIDAQAB
-----END PUBLIC KEY-----";

    #[test]
    fn a_pem_says_by_itself_which_algorithm_it_is_for() {
        for signer in [rsa(), ec(), ed()] {
            let key = PublicKey::from_pem(signer.public_pem().as_bytes()).unwrap();
            assert_eq!(key.algorithm, signer.algorithm);
        }
    }

    #[test]
    fn a_private_key_is_refused_with_the_command_that_mends_it() {
        for signer in [rsa(), ec(), ed()] {
            let refused = PublicKey::from_pem(signer.private_pem().as_bytes()).unwrap_err();
            assert!(matches!(refused, BadKey::PrivateKey), "{refused}");
            assert!(refused.to_string().contains("-pubout"));
        }
    }

    #[test]
    fn a_pem_that_fits_no_algorithm_is_refused() {
        let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().public_key_pem();
        let refusal = |pem: &str| PublicKey::from_pem(pem.as_bytes()).unwrap_err();
        assert!(matches!(refusal(&p384), BadKey::WrongCurve));
        assert!(matches!(refusal(SECP256K1), BadKey::WrongCurve));
        assert!(matches!(refusal(RSA_1024), BadKey::WeakRsa));
        assert!(matches!(refusal("secret"), BadKey::UnreadablePem));
        assert!(matches!(refusal(""), BadKey::UnreadablePem));
        let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert!(matches!(refusal(certificate), BadKey::Certificate));
    }

    #[test]
    fn a_key_of_a_set_is_taken_only_for_what_it_is_meant_for() {
        let mut jwk = rsa().jwk("k1");
        assert!(PublicKey::from_jwk(&jwk).is_some());
        jwk.common.public_key_use = Some(PublicKeyUse::Encryption);
        assert!(PublicKey::from_jwk(&jwk).is_none());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_algorithm = Some(KeyAlgorithm::RS512);
        assert!(PublicKey::from_jwk(&jwk).is_none());
        jwk.common.key_algorithm = Some(KeyAlgorithm::RS256);
        jwk.common.key_operations = Some(vec![KeyOperations::Encrypt]);
        assert!(PublicKey::from_jwk(&jwk).is_none());
    }

    #[test]
    fn a_shared_secret_in_a_set_is_never_taken() {
        let oct = serde_json::json!({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"});
        assert!(PublicKey::from_jwk(&serde_json::from_value(oct).unwrap()).is_none());
    }
}
