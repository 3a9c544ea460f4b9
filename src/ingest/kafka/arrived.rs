//! A record of the ingest topic, and what it says.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use crate::app::{Post, digest_of, read_posts};
use crate::limits::EVENTS_BODY_BYTES_MAX;
use crate::log::Once;
use crate::model::{Error, TenantId};

/// The header that names a record's tenant.
const TENANT: &str = "tenant";

/// A record as it came.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// In milliseconds of Unix time.
    pub(super) at_ms: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

impl Arrived {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Arrived {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        Arrived {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            at_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(owned).collect(),
        }
    }

    /// Where it stands: `topic/partition/offset`.
    pub(super) fn source(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }

    pub(super) fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }

    /// The tenant that its last header of that name says, or the one of those that say none.
    ///
    /// # Errors
    /// When there is neither, or no tenant could be called so.
    pub(super) fn tenant(&self, default: Option<&TenantId>) -> Result<TenantId, Error> {
        let invalid = |reason: String| Error::Invalid { field: "header tenant", reason };
        let named = self.headers.iter().rev().find(|(name, _)| name == TENANT);
        let Some((_, value)) = named else {
            let reason = "is missing, and kafka.default_tenant is empty";
            return default.cloned().ok_or_else(|| invalid(reason.into()));
        };
        let text = str::from_utf8(value).map_err(|err| invalid(err.to_string()))?;
        TenantId::parse(text).map_err(|err| invalid(err.to_string()))
    }

    /// The events it says, at most `max`. Those without an id of their own are known by its place:
    /// Kafka may bring it twice.
    ///
    /// # Errors
    /// What is wrong with it as a whole. What is wrong with a single event is in its place.
    pub(super) fn posts(&self, max: usize) -> Result<Vec<Result<Post, Error>>, Error> {
        let value = self.value.as_deref().unwrap_or_default();
        if value.len() > EVENTS_BODY_BYTES_MAX {
            return Err(Error::TooLarge { max_bytes: EVENTS_BODY_BYTES_MAX });
        }
        if value.is_empty() {
            return Err(Error::Malformed("the record has no value".into()));
        }
        let mut posts = read_posts(value, max)?;
        let digest = digest_of(&[value]);
        for (index, post) in posts.iter_mut().enumerate() {
            if let Ok(post) = post {
                post.fallback = Some(Once { key: self.place(index), digest });
            }
        }
        Ok(posts)
    }

    /// An event's place. The time is that of the record: a topic that was made anew has the same
    /// offsets for other records.
    fn place(&self, index: usize) -> String {
        format!("r:{}@{}/{index}", self.source(), self.at_ms.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(value: &str, headers: &[(&str, &str)]) -> Arrived {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Arrived {
            topic: "calls".into(),
            partition: 2,
            offset: 41,
            at_ms: Some(1_737_714_600_000),
            key: None,
            value: Some(value.into()),
            headers: headers.collect(),
        }
    }

    #[test]
    fn the_tenant_is_that_of_the_header_or_the_default() {
        let default = TenantId::parse("home").unwrap();
        let of = |headers: &[(&str, &str)], default: Option<&TenantId>| {
            arrived("", headers).tenant(default).map(|tenant| tenant.to_string())
        };
        assert_eq!(of(&[("tenant", "acme")], Some(&default)).unwrap(), "acme");
        assert_eq!(of(&[("tenant", "a"), ("tenant", "b")], None).unwrap(), "b");
        assert_eq!(of(&[("other", "x")], Some(&default)).unwrap(), "home");
        let none = of(&[], None).unwrap_err().to_string();
        assert_eq!(none, "header tenant: is missing, and kafka.default_tenant is empty");
        let bad = of(&[("tenant", "no tenant")], Some(&default)).unwrap_err();
        assert!(bad.to_string().starts_with("header tenant: an id has"), "{bad}");
    }

    #[test]
    fn events_are_known_by_their_place() {
        let event = r#"{"type": "alert", "payload": {"title": "a", "body": "b"}}"#;
        let one = arrived(event, &[]).posts(10).unwrap();
        let key = |post: &Result<Post, Error>| {
            post.as_ref().unwrap().fallback.as_ref().unwrap().key.clone()
        };
        assert_eq!(key(&one[0]), "r:calls/2/41@1737714600000/0");
        let two = arrived(&format!(r#"{{"events": [{event}, {event}]}}"#), &[]).posts(10).unwrap();
        assert_eq!(key(&two[1]), "r:calls/2/41@1737714600000/1");
    }

    #[test]
    fn what_cannot_be_events_is_refused_as_a_whole() {
        let refused = |value: &str, max: usize| {
            arrived(value, &[]).posts(max).err().map(|err| (err.code(), err.to_string()))
        };
        let code = |value: &str| refused(value, 10).unwrap().0;
        assert_eq!(refused("", 10).unwrap().1, "the record has no value");
        assert_eq!(code("{"), "malformed");
        assert_eq!(code(&" ".repeat(EVENTS_BODY_BYTES_MAX + 1)), "too_large");
        let many = r#"{"events": [{}, {}, {}]}"#;
        assert_eq!(refused(many, 2).unwrap().1, "events: has 3, and 2 at most are taken at once");
        let tombstone = Arrived { value: None, ..arrived("", &[]) };
        assert!(tombstone.posts(10).is_err());
    }
}
