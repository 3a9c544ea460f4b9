//! Passwords of local users: argon2id, kept as PHC strings.
//!
//! A hash takes 19 MiB and tens of milliseconds of one core, so few run at once and the rest
//! wait, not for ever. It knows no users; counting wrong tries is the caller's.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Hashes computed at the same time; bounds them to 38 MiB and two cores.
pub const HASHES_AT_ONCE_MAX: usize = 2;

/// Longest password, in bytes. Far above what people type, far below what would be work.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Stands in for the hash of a user who does not exist. Made like ours, of no password: nobody
/// finds one that hashes to zeros, and the answer is thrown away besides.
const ABSENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxpdmVzIGhlcg\
                      $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password could not be hashed or checked. Says nothing about the password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many others before it; worth a retry.
    #[error("too many logins at once, try again")]
    Busy,
    /// Over [`PASSWORD_BYTES_MAX`].
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// What is kept is no PHC string of argon2id, or asks for more memory than ours do.
    #[error("the kept password hash cannot be used")]
    BadHash,
    /// A fault of the library or of the runtime.
    #[error("the password could not be hashed: {0}")]
    Fault(String),
}

impl From<password_hash::Error> for PasswordError {
    fn from(error: password_hash::Error) -> PasswordError {
        PasswordError::Fault(error.to_string())
    }
}

/// Hashes and checks passwords, [`HASHES_AT_ONCE_MAX`] at once; clones share that bound.
#[derive(Clone, Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    wait_max: Duration,
}

impl Passwords {
    /// `wait_max`: how long a call waits for its turn before it is [`PasswordError::Busy`].
    pub fn new(wait_max: Duration) -> Passwords {
        Passwords { permits: Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX)), wait_max }
    }

    /// A PHC string for a new password, with a fresh salt.
    ///
    /// # Errors
    /// [`PasswordError::Busy`], [`PasswordError::TooLong`] or a fault.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = check_length(password)?;
        self.run(move || Ok(hasher().hash_password(password.as_bytes())?.to_string())).await
    }

    /// Whether the password is the one the PHC string was made of.
    ///
    /// # Errors
    /// [`PasswordError::BadHash`] if `phc` is not one of ours, and those of [`Self::hash`].
    pub async fn verify(&self, password: &str, phc: &str) -> Result<bool, PasswordError> {
        let password = check_length(password)?;
        let kept = parse(phc)?;
        self.run(move || match hasher().verify_password(password.as_bytes(), &kept) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(fault) => Err(fault.into()),
        })
        .await
    }

    /// Does the work of [`Self::verify`] and is always `false`: for a user who does not exist, so
    /// that the time of a refused login does not tell which addresses have accounts.
    ///
    /// # Errors
    /// Those of [`Self::hash`].
    pub async fn verify_absent(&self, password: &str) -> Result<bool, PasswordError> {
        self.verify(password, ABSENT).await.map(|_| false)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = timeout(self.wait_max, self.permits.clone().acquire_owned()).await;
        let permit = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        // The permit goes along: a caller who leaves does not end the work, nor free its memory.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.unwrap_or_else(|fault| Err(PasswordError::Fault(fault.to_string())))
    }
}

/// Argon2id with 19 MiB, two passes, one lane: the first choice of OWASP's cheat sheet.
fn hasher() -> Argon2<'static> {
    Argon2::default()
}

fn check_length(password: &str) -> Result<String, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    Ok(password.to_owned())
}

fn parse(phc: &str) -> Result<PasswordHash, PasswordError> {
    let kept = PasswordHash::new(phc).map_err(|_| PasswordError::BadHash)?;
    let params = Params::try_from(&kept).map_err(|_| PasswordError::BadHash)?;
    let is_ours = kept.algorithm.as_str() == "argon2id"
        && kept.hash.is_some()
        && params.m_cost() <= Params::DEFAULT_M_COST;
    if is_ours { Ok(kept) } else { Err(PasswordError::BadHash) }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Duration::from_secs(60))
    }

    #[tokio::test]
    async fn only_the_right_password_fits_its_hash() {
        let passwords = passwords();
        let phc = passwords.hash("correct horse").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(passwords.verify("correct horse", &phc).await.unwrap());
        assert!(!passwords.verify("Correct horse", &phc).await.unwrap());
        assert!(!passwords.verify("", &phc).await.unwrap());
    }

    #[tokio::test]
    async fn the_same_password_never_has_the_same_hash() {
        let passwords = passwords();
        let (one, two) = (passwords.hash("x").await.unwrap(), passwords.hash("x").await.unwrap());
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn an_absent_user_costs_as_much_as_a_wrong_password() {
        // Times cannot be compared on a busy machine; what the work consists of can.
        let phc = passwords().hash("x").await.unwrap();
        let (present, absent) = (parse(&phc).unwrap(), parse(ABSENT).unwrap());
        assert_eq!((absent.algorithm, absent.version), (present.algorithm, present.version));
        assert_eq!(absent.params, present.params);
        assert_eq!(ABSENT.len(), phc.len());
        assert!(!passwords().verify_absent("x").await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_for_a_turn_is_told_so() {
        let passwords = Passwords::new(Duration::from_secs(5));
        let turns = u32::try_from(HASHES_AT_ONCE_MAX).unwrap();
        let _all = passwords.permits.clone().acquire_many_owned(turns).await.unwrap();
        let start = Instant::now();
        let refused = passwords.verify_absent("x").await;
        assert!(matches!(refused, Err(PasswordError::Busy)), "{refused:?}");
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test]
    async fn a_hash_that_is_not_ours_is_a_fault_and_not_a_wrong_password() {
        let passwords = passwords();
        let huge = "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA\
                    $WVVnkXUXlWmDTQ7Ud6bMkYqHDOOJLUwTYLyJXFJzOG0";
        let other = huge.replace("argon2id", "argon2i").replace("4194304", "19456");
        for bad in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1", huge, &other] {
            let refused = passwords.verify("x", bad).await;
            assert!(matches!(refused, Err(PasswordError::BadHash)), "{bad}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn an_endless_password_is_refused_before_any_work() {
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        let refused = passwords().hash(&long).await;
        assert!(matches!(refused, Err(PasswordError::TooLong)));
    }
}
