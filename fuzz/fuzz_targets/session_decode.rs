//! Frames of the session dialect: whatever a client sends is read or refused, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| switchboard::wire::session::fuzz_session_decode(text));
