//! What a client says after it connected, message by message: nothing makes the connection panic,
//! and what is kept stays within its bounds. Messages are separated by line feeds; one that begins
//! with `b` is binary.

#![no_main]

use std::sync::Arc;

use engineio_socketio::socket::{Arrival, Config, Connection};
use engineio_socketio::{Sid, Text};
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;

fuzz_target!(|messages: &str| {
    let config = Arc::new(Config::default());
    let mut connection = Connection::new(config.clone(), Instant::now());
    connection.accept("/", Sid::parse("AAAAAAAAAAAAAAAAAAAA").expect("an id"), None);
    for message in messages.split('\n') {
        let is_taken = match message.strip_prefix('b') {
            Some(bytes) => take_bytes(&mut connection, bytes.as_bytes(), &config),
            None => take_text(&mut connection, message),
        };
        if !is_taken {
            return;
        }
    }
});

fn take_text(connection: &mut Connection, message: &str) -> bool {
    let text = Text::from(message.to_owned());
    match connection.text(&text, Instant::now()) {
        Ok(arrival) => arrival.as_ref().is_none_or(look_at),
        Err(_) => false,
    }
}

fn take_bytes(connection: &mut Connection, bytes: &[u8], config: &Config) -> bool {
    match connection.binary(bytes) {
        Ok(Some(assembled)) => look_at(&assembled.arrival(config).expect("it was checked")),
        Ok(None) => true,
        Err(_) => false,
    }
}

fn look_at(arrival: &Arrival<'_>) -> bool {
    if let Arrival::Event { args, attachments, .. } = arrival {
        assert!(attachments.len() <= 10 && args.len() <= 256);
        for arg in args {
            let _ = arrival.attachment(arg);
        }
    }
    true
}
