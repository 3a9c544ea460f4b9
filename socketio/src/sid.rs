//! Session ids. Whoever knows the id of a polling session can read and write it, so an id is
//! 120 random bits and its `Debug` output does not show it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

const RAW_BYTES: usize = 15;
const TEXT_BYTES: usize = 20;

/// The id of an Engine.IO session, or of a Socket.IO client in a namespace. As text it is 20
/// characters of `A-Z a-z 0-9 - _`; what a server puts before it (`Config::sid_prefix`) is no part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; RAW_BYTES]);

impl Sid {
    /// A new id from the system's random source; fails when the system has none to give.
    pub fn random() -> Result<Sid, getrandom::Error> {
        let mut raw = [0; RAW_BYTES];
        getrandom::fill(&mut raw)?;
        Ok(Sid(raw))
    }

    /// Reads an id; `None` when the text cannot be one of ours.
    pub fn parse(text: &str) -> Option<Sid> {
        let mut raw = [0; RAW_BYTES];
        let is_right_size = text.len() == TEXT_BYTES;
        let read = URL_SAFE_NO_PAD.decode_slice(text, &mut raw);
        (is_right_size && read == Ok(RAW_BYTES)).then_some(Sid(raw))
    }

    /// A byte as random as the others, to divide the ids by.
    pub(crate) fn first_byte(self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(..)")
    }
}

impl Serialize for Sid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_no_two_are_alike() {
        let (one, two) = (Sid::random().unwrap(), Sid::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.to_string().len(), TEXT_BYTES);
        assert_eq!(Sid::parse(&one.to_string()), Some(one));
    }

    #[test]
    fn what_is_no_id_of_ours_is_not_read() {
        for text in ["", "short", "!!!!!!!!!!!!!!!!!!!!", "AAAAAAAAAAAAAAAAAAAAA", "ééééééééééé"]
        {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debug_output_does_not_give_the_id_away() {
        let sid = Sid::random().unwrap();
        assert!(!format!("{sid:?}").contains(&sid.to_string()));
    }
}
