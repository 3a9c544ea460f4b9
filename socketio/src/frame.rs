//! The two kinds of data that travel: text that is known to be UTF-8, and bytes. It knows nothing
//! of packets.

use std::fmt;
use std::str::Utf8Error;

use bytes::Bytes;

/// UTF-8 text in shared memory: cloning and slicing copy nothing.
///
/// Its `Debug` output shows the length only, so that no content ends up in a log by accident.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The text. It was checked when it was made; the standard library offers no safe way to say
    /// so, so this checks again, which is cheap but not free: call it once per packet.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same bytes, without the promise.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A part of the text, sharing its memory. Both ends must lie next to an ASCII character,
    /// which is what keeps the part valid; that is why only this crate may cut.
    pub(crate) fn cut(&self, from: usize, to: usize) -> Text {
        Text(self.0.slice(from..to))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.len())
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Text, Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Text(bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Bytes::from(text))
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Text {
        Text(Bytes::from_static(text.as_bytes()))
    }
}

/// One Engine.IO packet as it goes out, ready-made: the same bytes are sent to a WebSocket, shared
/// by any number of connections, or joined into the payload of a poll.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Frame {
    /// A text packet with its type in front, such as `42["hello"]`. Must be UTF-8.
    Text(Bytes),
    /// The bytes of a binary message. A poll carries them as `b` and base64.
    Binary(Bytes),
}

impl Frame {
    /// Bytes of the content.
    pub fn len(&self) -> usize {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Frame::Text(_) => "Text",
            Frame::Binary(_) => "Binary",
        };
        write!(f, "Frame::{kind}({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_must_be_utf8() {
        assert!(Text::try_from(Bytes::from_static(b"caf\xc3")).is_err());
        let text = Text::try_from(Bytes::from_static("café".as_bytes())).unwrap();
        assert_eq!(text.as_str(), "café");
        assert_eq!(text.len(), 5);
    }

    #[test]
    fn debug_output_never_shows_content() {
        let shown = format!("{:?} {:?}", Text::from("secret"), Frame::Text("secret".into()));
        assert_eq!(shown, "Text(6 bytes) Frame::Text(6 bytes)");
    }
}
