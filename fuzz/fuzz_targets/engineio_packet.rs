//! Engine.IO packets and polling payloads: read or refused, never a panic, and what was read goes
//! out as it came.

#![no_main]

use bytes::Bytes;
use engineio_socketio::engine::{Packet, Payload, join};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(payload) = Payload::new(Bytes::copy_from_slice(body), 1 << 16, 1 << 10) else { return };
    let Ok(packets) = payload.collect::<Result<Vec<_>, _>>() else { return };
    let frames: Vec<_> = packets.iter().map(Packet::to_frame).collect();
    let again = Payload::new(join(&frames), usize::MAX, usize::MAX).expect("it was text before");
    assert_eq!(again.collect::<Result<Vec<_>, _>>().as_ref(), Ok(&packets));
});
