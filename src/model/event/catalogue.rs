//! How a catalogue of events is made: from one list come the enum, the names, who hears each, and how
//! a row of the log is read.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, Schema};

use super::super::Role;

/// What the catalogue says of an event beside its payload.
pub struct Facts {
    /// As the log names it. What a listener sees is [`Facts::public_name`].
    pub name: &'static str,
    /// What has happened, in a sentence.
    pub about: &'static str,
    /// Kept in the log; a volatile event may be missed by a slow reader.
    pub is_durable: bool,
    /// Who may hear it.
    pub roles: &'static [Role],
    /// Who makes it.
    pub maker: Maker,
    /// What asks for it: one of the five source documents, or a section of the contract.
    pub source: &'static str,
    /// What its payload looks like, and the named parts of that.
    pub schema: fn() -> PayloadSchema,
}

/// Who makes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The server alone, of what it sees itself.
    Here,
    /// Other systems alone: whoever posts it, and the connector to the telephone system.
    Producers,
    /// Both.
    Either,
}

/// The JSON Schema of a payload.
pub struct PayloadSchema {
    /// The payload's type.
    pub name: Cow<'static, str>,
    /// The payload's own.
    pub schema: RefOr<Schema>,
    /// Those it refers to, by name.
    pub parts: Vec<(String, RefOr<Schema>)>,
}

/// What marks the name of an event that a producer announced and nothing here follows from.
const ANNOUNCED: &str = ".announced";

impl Facts {
    /// The name listeners know it by: what was only announced has the name of the real thing, and
    /// says so in its payload.
    pub fn public_name(&self) -> &'static str {
        self.name.strip_suffix(ANNOUNCED).unwrap_or(self.name)
    }

    /// Whether it is only announced.
    pub fn is_announcement(&self) -> bool {
        self.name.ends_with(ANNOUNCED)
    }

    /// Whether a producer may post it (contract 7, `POST /api/events`).
    pub fn is_producible(&self) -> bool {
        self.maker != Maker::Here
    }
}

/// A log row that is no event of this catalogue.
#[derive(Debug, thiserror::Error)]
pub enum BadEvent {
    /// A name nobody knows.
    #[error("unknown event {0:?}")]
    Unknown(String),
    /// A payload that does not fit its name.
    #[error("bad payload: {0}")]
    Payload(#[from] serde_json::Error),
}

/// The schema of a payload type.
pub(super) fn schema_of<T: utoipa::ToSchema>() -> PayloadSchema {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    PayloadSchema { name: T::name(), schema: T::schema(), parts }
}

/// Slots of the catalogue itself, and of each family behind it: their sum fits a set's bits.
pub(super) const SLOTS_OWN: usize = 64;
pub(super) const SLOTS_EACH_FAMILY: usize = 16;

macro_rules! catalogue {
    (
        $(#[doc = $enum_doc:literal])*
        pub enum $Enum:ident {
            $(
                $(#[doc = $about:literal])*
                $name:literal $variant:ident: $kept:ident, $roles:ident, $maker:ident,
                    $source:literal;
            )*
        }
        families { $($(#[doc = $family_doc:literal])* $family:ident,)* }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $Enum {
            $($(#[doc = $about])* $variant($variant),)*
            $($(#[doc = $family_doc])* $family($family),)*
        }

        impl $Enum {
            /// Those of its own, in the order of the list.
            pub(super) const OWN: &[$crate::model::Facts] = &[$($crate::model::Facts {
                name: $name,
                about: concat!($($about),*).trim_ascii(),
                is_durable: catalogue!(@is_durable $kept),
                roles: $roles,
                maker: catalogue!(@maker $maker),
                source: $source,
                schema: $crate::model::event::catalogue::schema_of::<$variant>,
            },)*];

            /// The whole list, families included, each with its slot.
            pub fn catalogue() -> impl Iterator<Item = (usize, &'static $crate::model::Facts)> {
                #[allow(dead_code, reason = "a family has none")]
                enum Family { $($family,)* }
                let own = $Enum::OWN.iter().enumerate();
                $(
                    let offset = catalogue!(@offset Family::$family);
                    let own = own.chain(
                        $family::catalogue().map(move |(slot, facts)| (offset + slot, facts)),
                    );
                )*
                own
            }

            /// Its number in the catalogue: fixed while the program runs, and good for nothing else.
            pub fn slot(&self) -> usize {
                #[allow(clippy::enum_variant_names, reason = "they are called as the payloads are")]
                enum Slot { $($variant,)* }
                #[allow(dead_code, reason = "a family has none")]
                enum Family { $($family,)* }
                match self {
                    $($Enum::$variant(_) => Slot::$variant as usize,)*
                    $($Enum::$family(e) => catalogue!(@offset Family::$family) + e.slot(),)*
                }
            }

            /// What the catalogue says of it.
            pub fn facts(&self) -> &'static $crate::model::Facts {
                match self {
                    $($Enum::$family(e) => e.facts(),)*
                    own => &$Enum::OWN[own.slot()],
                }
            }

            /// The payload alone, as JSON text.
            pub fn payload(&self) -> serde_json::Result<String> {
                match self {
                    $($Enum::$variant(p) => serde_json::to_string(p),)*
                    $($Enum::$family(e) => e.payload(),)*
                }
            }

            /// Writes the payload into JSON that is being made.
            pub(super) fn serialize_payload<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match self {
                    $($Enum::$variant(p) => serde::Serialize::serialize(p, serializer),)*
                    $($Enum::$family(e) => e.serialize_payload(serializer),)*
                }
            }

            /// An event from its name and payload, as a log row holds them.
            pub fn from_parts(
                name: &str,
                payload: &str,
            ) -> Result<$Enum, $crate::model::BadEvent> {
                match name {
                    $($name => Ok($Enum::$variant(serde_json::from_str(payload)?)),)*
                    _ => {
                        $(
                            if $family::OWN.iter().any(|facts| facts.name == name) {
                                return Ok($Enum::$family($family::from_parts(name, payload)?));
                            }
                        )*
                        Err($crate::model::BadEvent::Unknown(name.to_owned()))
                    }
                }
            }
        }

        $(
            impl From<$family> for $Enum {
                fn from(event: $family) -> $Enum {
                    $Enum::$family(event)
                }
            }
        )*
    };
    (@is_durable durable) => { true };
    (@is_durable volatile) => { false };
    (@maker here) => { $crate::model::Maker::Here };
    (@maker posted) => { $crate::model::Maker::Producers };
    (@maker either) => { $crate::model::Maker::Either };
    (@offset $family:expr) => {
        $crate::model::event::catalogue::SLOTS_OWN
            + ($family as usize) * $crate::model::event::catalogue::SLOTS_EACH_FAMILY
    };
}
