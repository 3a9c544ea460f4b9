//! Packets on their way out, as whole Engine.IO frames: the `4` of an Engine.IO message is in
//! front, so that one frame serves every transport and any number of connections.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Frame, Sid};

/// Builds an event or an acknowledgement, argument by argument.
///
/// ```
/// # use engineio_socketio::{Frame, socket::Builder};
/// let frame = Builder::event("/", "hello").arg("world")?.arg(&1)?.build();
/// assert_eq!(frame, Frame::Text(r#"42["hello","world",1]"#.into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    /// The packet up to here, written as if there were no attachments.
    packet: Vec<u8>,
    is_empty: bool,
    placeholders: usize,
}

impl Builder {
    /// An event that asks for no acknowledgement.
    pub fn event(namespace: &str, name: &str) -> Builder {
        Builder::begin("42", namespace, None).name(name)
    }

    /// An event that asks for an acknowledgement under the number that
    /// [`Connection::expect_ack`](super::Connection::expect_ack) gave.
    pub fn event_with_ack(namespace: &str, id: u64, name: &str) -> Builder {
        Builder::begin("42", namespace, Some(id)).name(name)
    }

    /// The acknowledgement that the client asked for under this number.
    pub fn ack(namespace: &str, id: u64) -> Builder {
        Builder::begin("43", namespace, Some(id))
    }

    fn begin(kind: &str, namespace: &str, id: Option<u64>) -> Builder {
        let mut packet = head(kind, namespace);
        if let Some(id) = id {
            packet.extend_from_slice(id.to_string().as_bytes());
        }
        packet.push(b'[');
        Builder { packet, is_empty: true, placeholders: 0 }
    }

    fn name(mut self, name: &str) -> Builder {
        self.separate();
        push_string(&mut self.packet, name);
        self
    }

    /// Adds an argument. Fails if the value cannot be written as JSON, such as a map whose keys
    /// are not strings.
    pub fn arg<T: Serialize + ?Sized>(mut self, value: &T) -> serde_json::Result<Builder> {
        self.separate();
        serde_json::to_writer(&mut self.packet, value)?;
        Ok(self)
    }

    /// Adds an argument that is JSON already.
    pub fn raw(mut self, value: &RawValue) -> Builder {
        self.separate();
        self.packet.extend_from_slice(value.get().as_bytes());
        self
    }

    /// Adds the placeholder of an attachment: the first one stands for attachment 0, and so on.
    pub fn placeholder(mut self) -> Builder {
        self.separate();
        let placeholder = format!(r#"{{"_placeholder":true,"num":{}}}"#, self.placeholders);
        self.packet.extend_from_slice(placeholder.as_bytes());
        self.placeholders += 1;
        self
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.packet.push(b',');
        }
        self.is_empty = false;
    }

    /// The packet, without attachments.
    pub fn build(mut self) -> Frame {
        self.packet.push(b']');
        Frame::Text(Bytes::from(self.packet))
    }

    /// The packet and behind it its attachments, in the order of their numbers. The frames have to
    /// be sent one directly after the other. Without attachments it is a plain packet.
    pub fn build_with(self, attachments: Vec<Bytes>) -> Vec<Frame> {
        let (Frame::Text(plain) | Frame::Binary(plain)) = self.build();
        if attachments.is_empty() {
            return vec![Frame::Text(plain)];
        }
        // An event becomes a binary event and an ack a binary ack: `2` to `5`, `3` to `6`.
        let kind = plain[1] + 3;
        let count = attachments.len().to_string();
        let mut packet = Vec::with_capacity(plain.len() + count.len() + 1);
        packet.extend_from_slice(&[b'4', kind]);
        packet.extend_from_slice(count.as_bytes());
        packet.push(b'-');
        packet.extend_from_slice(&plain[2..]);
        let packet = Frame::Text(Bytes::from(packet));
        std::iter::once(packet).chain(attachments.into_iter().map(Frame::Binary)).collect()
    }
}

/// `40`: the client is in the namespace, as `sid`. `pid` is the private id under which it may
/// recover its state when it comes back.
pub fn connected(namespace: &str, sid: Sid, pid: Option<&str>) -> Frame {
    let mut packet = head("40", namespace);
    packet.extend_from_slice(format!(r#"{{"sid":"{sid}""#).as_bytes());
    if let Some(pid) = pid {
        packet.extend_from_slice(br#","pid":"#);
        push_string(&mut packet, pid);
    }
    packet.push(b'}');
    Frame::Text(Bytes::from(packet))
}

/// `44`: the client may not enter the namespace. `data` is for its `connect_error` handler.
pub fn connect_error(namespace: &str, message: &str, data: Option<&RawValue>) -> Frame {
    let mut packet = head("44", namespace);
    packet.extend_from_slice(br#"{"message":"#);
    push_string(&mut packet, message);
    if let Some(data) = data {
        packet.extend_from_slice(br#","data":"#);
        packet.extend_from_slice(data.get().as_bytes());
    }
    packet.push(b'}');
    Frame::Text(Bytes::from(packet))
}

/// `41`: the client is no longer in the namespace.
pub fn disconnected(namespace: &str) -> Frame {
    Frame::Text(Bytes::from(head("41", namespace)))
}

/// The Engine.IO and Socket.IO types, and the namespace unless it is the main one.
fn head(kind: &str, namespace: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(kind.as_bytes());
    if namespace != "/" {
        head.extend_from_slice(namespace.as_bytes());
        head.push(b',');
    }
    head
}

fn push_string(packet: &mut Vec<u8>, text: &str) {
    // A string can always be written as JSON, and a vector always takes it.
    let written = serde_json::to_writer(packet, text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Frame) -> &str {
        let Frame::Text(bytes) = frame else { panic!("not text") };
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn events_and_acks_look_as_the_protocol_says() {
        let event = Builder::event("/", "foo").arg(&[1, 2]).unwrap().build();
        assert_eq!(text(&event), r#"42["foo",[1,2]]"#);
        let event = Builder::event_with_ack("/admin", 12, "a\"b").build();
        assert_eq!(text(&event), r#"42/admin,12["a\"b"]"#);
        assert_eq!(text(&Builder::ack("/", 7).build()), "437[]");
        let raw: &RawValue = serde_json::from_str("{\"x\": 1}").unwrap();
        assert_eq!(
            text(&Builder::ack("/n", 0).raw(raw).raw(raw).build()),
            "43/n,0[{\"x\": 1},{\"x\": 1}]"
        );
    }

    #[test]
    fn attachments_follow_their_packet() {
        let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
        let event = Builder::event("/", "b").placeholder().placeholder();
        let frames = event.build_with(vec![one.clone(), two.clone()]);
        assert_eq!(
            text(&frames[0]),
            r#"452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
        );
        assert_eq!(frames[1..], [Frame::Binary(one.clone()), Frame::Binary(two)]);
        let frames = Builder::ack("/n", 3).placeholder().build_with(vec![one]);
        assert_eq!(text(&frames[0]), r#"461-/n,3[{"_placeholder":true,"num":0}]"#);
        let frames = Builder::event("/", "plain").build_with(Vec::new());
        assert_eq!(frames, [Builder::event("/", "plain").build()]);
    }

    #[test]
    fn a_value_that_is_no_json_is_refused() {
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(Builder::event("/", "e").arg(&map).is_err());
    }

    #[test]
    fn namespaces_are_entered_refused_and_left() {
        let sid = Sid::parse("AAAAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(text(&connected("/", sid, None)), r#"40{"sid":"AAAAAAAAAAAAAAAAAAAA"}"#);
        assert_eq!(
            text(&connected("/n", sid, Some("p"))),
            r#"40/n,{"sid":"AAAAAAAAAAAAAAAAAAAA","pid":"p"}"#
        );
        assert_eq!(text(&connect_error("/", "no", None)), r#"44{"message":"no"}"#);
        let data: &RawValue = serde_json::from_str("[1]").unwrap();
        assert_eq!(
            text(&connect_error("/n", "no", Some(data))),
            r#"44/n,{"message":"no","data":[1]}"#
        );
        assert_eq!(text(&disconnected("/")), "41");
        assert_eq!(text(&disconnected("/n")), "41/n,");
    }
}
