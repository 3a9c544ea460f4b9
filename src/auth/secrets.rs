//! Random secrets: API keys, session keys, the token secret's file; and how to keep and compare
//! them. What is handed out once is kept as its digest only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How an API key begins, by which it is told from a token.
pub const API_KEY_PREFIX: &str = "sbk_";

/// Shortest good secret, in bytes: the output of the hash it is used with (RFC 7518, 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// More than any secret needs; keeps a wrong path from being read into memory.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// Permission bits of group and others.
const SHARED_BITS: u32 = 0o077;

/// What is kept of an API key or session key. They are random, so a plain hash is enough.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// A fresh API key: the prefix and 32 random bytes as hex.
pub fn new_api_key() -> String {
    format!("{API_KEY_PREFIX}{}", hex(&random_bytes()))
}

/// A fresh secret that signs a webhook's requests: `whsec_` and 32 random bytes as base64, as
/// Standard Webhooks has it.
pub fn new_signing_secret() -> String {
    format!("whsec_{}", STANDARD.encode(random_bytes()))
}

/// Whether a bearer credential claims to be an API key.
pub fn is_api_key(credential: &str) -> bool {
    credential.starts_with(API_KEY_PREFIX)
}

/// A fresh session key: a random UUID (contract 4).
pub fn new_session_key() -> String {
    Uuid::new_v4().to_string()
}

/// Whether two secrets are equal, in a time that does not depend on where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // Without the box the compiler may leave the loop at the first difference.
    let differing = a.iter().zip(b).fold(0, |bits, (x, y)| std::hint::black_box(bits | (x ^ y)));
    differing == 0
}

/// The secret kept in a file, made on the first call, and whether this call made it.
///
/// The secret is the file's text without surrounding space, so that the same text given as
/// `JWT_SECRET` is the same secret. The file appears whole or not at all, with mode 0600, and of
/// several processes that start at once one makes it and all read it. The directory must exist.
///
/// # Errors
/// `PermissionDenied` for a file that others may open, naming the `chmod` that mends it;
/// `InvalidData` for a secret under [`SECRET_BYTES_MIN`]; else the file system's own.
pub fn load_or_create_secret(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    match load(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        loaded => return loaded.map(|secret| (secret, false)),
    }
    match create(path) {
        Ok(secret) => Ok((secret, true)),
        // Another process was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => load(path).map(|s| (s, false)),
        Err(e) => Err(io::Error::new(e.kind(), format!("cannot make {}: {e}", path.display()))),
    }
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    check_private(&file, path)?;
    let mut text = Vec::new();
    file.take(SECRET_FILE_BYTES_MAX).read_to_end(&mut text)?;
    let secret = text.trim_ascii().to_vec();
    if secret.len() < SECRET_BYTES_MIN {
        let text = format!(
            "{} holds fewer than {SECRET_BYTES_MIN} bytes; remove it to have a new secret made",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(secret)
}

fn check_private(file: &File, path: &Path) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    if mode & SHARED_BITS == 0 {
        return Ok(());
    }
    let path = path.display();
    let text = format!("others may open {path} (mode {:03o}): chmod 600 {path}", mode & 0o777);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn create(path: &Path) -> io::Result<Vec<u8>> {
    let secret = hex(&random_bytes()).into_bytes();
    let draft = path.with_file_name(format!(".secret-{}", Uuid::new_v4()));
    // A link, unlike a rename, does not replace what another process has just put there.
    let made = write_private(&draft, &secret).and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    made.map(|()| secret)
}

fn write_private(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    // Without randomness there is nothing to go on with: ids are made of it as well, and their
    // library ends in the same way.
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the system gives random bytes");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_sha_256_of_the_text() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&digest("abc")), known);
    }

    #[test]
    fn api_keys_are_long_random_and_known_by_their_prefix() {
        let (one, two) = (new_api_key(), new_api_key());
        assert_eq!(one.len(), "sbk_".len() + 64);
        assert!(is_api_key(&one) && !is_api_key("eyJhbGciOiJIUzI1NiJ9.e30.x"));
        assert_ne!(one, two);
    }

    #[test]
    fn a_session_key_is_a_random_uuid() {
        let key = Uuid::parse_str(&new_session_key()).unwrap();
        assert_eq!(key.get_version_num(), 4);
    }

    #[test]
    fn secrets_are_equal_only_in_full() {
        assert!(constant_time_eq(b"", b""));
        assert!(constant_time_eq(b"same", b"same"));
        for other in [&b"sam"[..], b"samf", b"tame", b"same ", b""] {
            assert!(!constant_time_eq(b"same", other));
        }
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let (made, created) = load_or_create_secret(&path).unwrap();
        assert!(created && made.len() == 64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_create_secret(&path).unwrap(), (made, false));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn of_many_who_start_at_once_one_makes_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let starts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load_or_create_secret(&path).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(starts.iter().filter(|(_, created)| *created).count(), 1);
        assert!(starts.iter().all(|(secret, _)| *secret == starts[0].0));
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        load_or_create_secret(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = load_or_create_secret(&path).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().contains(&format!("chmod 600 {}", path.display())));
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_private(&path, b"short").unwrap();
        let refused = load_or_create_secret(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_secret_in_a_missing_directory_names_its_path() {
        let refused = load_or_create_secret(Path::new("/nowhere/at/all/secret")).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/at/all/secret"));
    }
}
