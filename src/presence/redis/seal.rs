//! Values that only nodes with the same key can read: AES-256-GCM, under a key derived from the
//! configured text. The form is base64 of 12 bytes of nonce, the ciphertext, and 16 bytes of tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Tells this use of the configured text from any other.
const PURPOSE: &[u8] = b"switchboard presence v1";

/// Closes values, and opens them again.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    /// The seal of a configured text.
    ///
    /// # Errors
    /// When the cryptography fails, which it does not with lengths that are constants.
    pub(super) fn new(text: &str) -> Result<Seal, Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE);
        let mut key = [0; 32];
        salt.extract(text.as_bytes()).expand(&[PURPOSE], hkdf::HKDF_SHA256)?.fill(&mut key)?;
        Ok(Seal(RandomizedNonceKey::new(&AES_256_GCM, &key)?))
    }

    /// Encrypts a value for its key: moved to another key it does not open.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub(super) fn close(&self, key: &str, value: &str) -> Result<String, Unspecified> {
        let mut bytes = value.as_bytes().to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(key.as_bytes()), &mut bytes)?;
        Ok(STANDARD.encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    /// Decrypts a value of this key.
    #[cfg(test)]
    pub(super) fn open(&self, key: &str, sealed: &str) -> Option<String> {
        use aws_lc_rs::aead::{NONCE_LEN, Nonce};
        let mut bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(key.as_bytes()), rest).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_own_key_alone() {
        let seal = Seal::new("correct horse battery").unwrap();
        let (one, two) = (seal.close("k", "secret").unwrap(), seal.close("k", "secret").unwrap());
        assert_ne!(one, two, "a nonce was used twice");
        assert_eq!(seal.open("k", &one).as_deref(), Some("secret"));
        assert_eq!(seal.open("another", &one), None);
        assert_eq!(Seal::new("another horse battery").unwrap().open("k", &one), None);
        assert!(!one.contains("secret"));
    }
}
