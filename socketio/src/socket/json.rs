//! JSON that is looked at without being built: how deep it is, and what an array consists of.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Whether arrays and objects are nested no deeper than this. Looks at brackets only, so it
/// neither recurses nor needs the text to be valid; a parser has to look at it afterwards.
pub(super) fn is_within_depth(json: &str, depth_max: usize) -> bool {
    let (mut depth, mut is_in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// The elements of a JSON array as they stand in the text.
pub(super) fn elements(json: &str, elements_max: usize) -> serde_json::Result<Vec<&RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let elements = Elements(elements_max).deserialize(&mut reader)?;
    reader.end()?;
    Ok(elements)
}

struct Elements(usize);

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} elements", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() >= self.0 {
                return Err(A::Error::invalid_length(elements.len() + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// The number of an attachment's placeholder, `{"_placeholder":true,"num":0}`; `None` when the
/// value is something else.
pub(super) fn placeholder(value: &RawValue) -> Option<usize> {
    match serde_json::from_str(value.get()).ok()? {
        Seen::Placeholder(number) => usize::try_from(number?).ok(),
        _ => None,
    }
}

/// Whether every placeholder in the value, however deep, stands for one of so many attachments.
pub(super) fn are_placeholders_within(value: &RawValue, attachments: usize) -> bool {
    let mut reader = serde_json::Deserializer::from_str(value.get());
    match (Walk { attachments: Some(attachments) }).deserialize(&mut reader) {
        Ok(Seen::Placeholder(number)) => is_number_within(number, attachments),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn is_number_within(number: Option<u64>, attachments: usize) -> bool {
    number.is_some_and(|number| number < attachments as u64)
}

/// What a value is, as far as placeholders are concerned.
enum Seen {
    True,
    Number(u64),
    /// With its number, if that is one.
    Placeholder(Option<u64>),
    Other,
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Seen, D::Error> {
        Walk { attachments: None }.deserialize(from)
    }
}

/// Walks through a value. With a number of attachments it refuses placeholders beyond it.
#[derive(Clone, Copy)]
struct Walk {
    attachments: Option<usize>,
}

impl Walk {
    fn check<E: Error>(self, seen: &Seen) -> Result<(), E> {
        match (seen, self.attachments) {
            (Seen::Placeholder(number), Some(max)) if !is_number_within(*number, max) => {
                Err(E::custom("a placeholder stands for no attachment"))
            }
            _ => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Seen, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while let Some(seen) = seq.next_element_seed(self)? {
            self.check(&seen)?;
        }
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut is_placeholder, mut number) = (false, None);
        while let Some(key) = map.next_key::<String>()? {
            let seen = map.next_value_seed(self)?;
            self.check(&seen)?;
            match (key.as_str(), seen) {
                ("_placeholder", seen) => is_placeholder = matches!(seen, Seen::True),
                ("num", Seen::Number(value)) => number = Some(value),
                ("num", _) => number = None,
                _ => {}
            }
        }
        Ok(if is_placeholder { Seen::Placeholder(number) } else { Seen::Other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert!(is_within_depth(r#"[{"a":[1]}]"#, 3));
        assert!(!is_within_depth(r#"[{"a":[1]}]"#, 2));
        assert!(is_within_depth(r#"["[[[[", "\"[[[["]"#, 1));
        assert!(is_within_depth("[[],[],[]]", 2));
        assert!(!is_within_depth(&"[".repeat(1_000_000), 64));
    }

    #[test]
    fn elements_stand_as_they_stood() {
        let elements = elements(r#"[1, "a\u00e9" ,{"b": [2]}]"#, 3).unwrap();
        let texts: Vec<_> = elements.iter().map(|element| element.get()).collect();
        assert_eq!(texts, ["1", r#""a\u00e9""#, r#"{"b": [2]}"#]);
    }

    #[test]
    fn what_is_not_one_array_within_bounds_is_refused() {
        for json in ["", "{}", "[1", "[1]x", "[1][2]", "[1,2,3,4]", "[1,]"] {
            assert!(elements(json, 3).is_err(), "{json}");
        }
    }

    #[test]
    fn a_placeholder_has_the_mark_and_a_number() {
        assert_eq!(placeholder(raw(r#"{"_placeholder":true,"num":3}"#)), Some(3));
        assert_eq!(placeholder(raw(r#"{"num":3,"_placeholder":true}"#)), Some(3));
        for other in [r#"{"_placeholder":true}"#, r#"{"num":1}"#, r#"{"_placeholder":1,"num":1}"#] {
            assert_eq!(placeholder(raw(other)), None, "{other}");
        }
    }

    #[test]
    fn every_placeholder_has_to_stand_for_an_attachment() {
        let within = |json: &str| are_placeholders_within(raw(json), 2);
        assert!(within(r#"{"_placeholder":true,"num":1}"#));
        assert!(within(r#"[{"a":{"_placeholder":true,"num":0}},{"num":9}]"#));
        for number in ["2", "-1", "1.5", "\"0\"", "null", "18446744073709551616"] {
            assert!(!within(&format!(r#"{{"_placeholder":true,"num":{number}}}"#)), "{number}");
            let nested = format!(r#"[{{"a":[{{"_placeholder":true,"num":{number}}}]}}]"#);
            assert!(!within(&nested), "{nested}");
            let nested = format!(r#"{{"a":{{"_placeholder":true,"num":{number}}}}}"#);
            assert!(!within(&nested), "{nested}");
        }
    }
}
