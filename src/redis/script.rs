//! A script that Redis runs as a whole, known to it by its hash.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

/// A Lua script.
pub struct Script {
    text: &'static str,
    hash: LazyLock<String, Box<dyn FnOnce() -> String + Send + Sync>>,
}

impl Script {
    /// The script of this text.
    pub fn new(text: &'static str) -> Script {
        let hash = move || redis::Script::new(text).get_hash().to_owned();
        Script { text, hash: LazyLock::new(Box::new(hash)) }
    }

    pub(super) fn by_hash(&self, keys: &[&str], args: &[&[u8]]) -> Cmd {
        command("EVALSHA", &self.hash, keys, args)
    }

    pub(super) fn by_text(&self, keys: &[&str], args: &[&[u8]]) -> Cmd {
        command("EVAL", self.text, keys, args)
    }
}

fn command(name: &str, script: &str, keys: &[&str], args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}

/// Whether the server does not know the hash.
pub(super) fn is_unknown(err: &RedisError) -> bool {
    err.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
