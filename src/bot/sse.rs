//! Server-sent events from bytes that come in any pieces (the WHATWG's HTML standard, section
//! 9.2.6). Pure. A line is decoded when it is whole, so that a character that comes in two pieces
//! is one.

use super::Failure;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name; empty when it has none.
    pub(super) event: String,
    /// Its data; lines are joined by line feeds.
    pub(super) data: String,
}

/// Reads a stream. What it holds is bounded by whoever feeds it.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    event: String,
    data: Vec<String>,
    /// The last byte was a carriage return; a line feed behind it belongs to it.
    is_after_return: bool,
    is_begun: bool,
}

impl Decoder {
    /// Takes the next piece; returns the events it completes.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] for a line that is not UTF-8.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<Told>, Failure> {
        let mut told = Vec::new();
        for byte in piece {
            let ends_twice = std::mem::take(&mut self.is_after_return) && *byte == b'\n';
            match byte {
                b'\n' if ends_twice => {}
                b'\n' | b'\r' => {
                    self.is_after_return = *byte == b'\r';
                    told.extend(self.end_line()?);
                }
                _ => self.line.push(*byte),
            }
        }
        Ok(told)
    }

    fn end_line(&mut self) -> Result<Option<Told>, Failure> {
        let line = String::from_utf8(std::mem::take(&mut self.line));
        let line = line.map_err(|_| Failure::Unreadable("a line is not UTF-8"))?;
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let line = if is_first { line.trim_start_matches('\u{feff}') } else { &line };
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => self.data.push(value.to_owned()),
            // Comments (a line that begins with a colon), ids, and what is yet to be invented.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<Told> {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        (!data.is_empty()).then(|| Told { event, data: data.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "\u{feff}: hello\r\nevent:a\ndata: {\"x\":\"pähkinä 🌰\"}\n\n\
        data:one\rdata:  two\r\r\nid: 7\ndata\n\nevent: nothing\n\ndata: [DONE]\r\n\r\n";

    fn told(event: &str, data: &str) -> Told {
        Told { event: event.into(), data: data.into() }
    }

    fn expected() -> Vec<Told> {
        let first = told("a", "{\"x\":\"pähkinä 🌰\"}");
        vec![first, told("", "one\n two"), told("", ""), told("", "[DONE]")]
    }

    #[test]
    fn fields_lines_and_events_are_told_apart() {
        assert_eq!(Decoder::default().take(STREAM.as_bytes()).unwrap(), expected());
    }

    #[test]
    fn what_has_not_ended_is_not_told() {
        assert_eq!(Decoder::default().take(b"data: x\n").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_text_is_refused() {
        let refused = Decoder::default().take(b"data: \xff\n");
        assert!(matches!(refused, Err(Failure::Unreadable(_))), "{refused:?}");
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_same_events(cuts in prop::collection::vec(1usize..9, 1..200)) {
            let (mut decoder, mut all, mut rest) = (Decoder::default(), vec![], STREAM.as_bytes());
            for size in cuts.iter().cycle() {
                let (piece, others) = rest.split_at((*size).min(rest.len()));
                all.extend(decoder.take(piece).unwrap());
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(all, expected());
        }
    }
}
