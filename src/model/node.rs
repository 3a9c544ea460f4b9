//! One of the processes that serve together.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A run of this program among others that serve together. Made anew by every start, so that a
/// node that comes back is not taken for the one that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(u64);

impl NodeId {
    /// A new one.
    pub fn random() -> NodeId {
        NodeId(Uuid::new_v4().as_u64_pair().0)
    }

    /// Where this node begins to number what must not be mistaken for another node's: two nodes
    /// would have to number four billion things before they meet.
    pub fn first_number(self) -> u64 {
        (self.0 >> 33) << 32 | 1
    }

    /// Reads the written form.
    pub fn parse(text: &str) -> Option<NodeId> {
        let is_hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok().map(NodeId)).flatten()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<NodeId> for String {
    fn from(node: NodeId) -> String {
        node.to_string()
    }
}

impl TryFrom<String> for NodeId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<NodeId, &'static str> {
        NodeId::parse(&text).ok_or("a node's id is 16 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_survives_its_written_form() {
        let node = NodeId::random();
        assert_eq!(NodeId::parse(&node.to_string()), Some(node));
        for bad in ["", "xyz", "0123456789abcde", "0123456789abcdefa", "+123456789abcdef"] {
            assert_eq!(NodeId::parse(bad), None, "{bad:?}");
        }
    }
}
