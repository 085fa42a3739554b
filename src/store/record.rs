//! How facts become records: keys that sort in the order of replay and can be read back for messages, values that
//! hold the whole fact, and the way from one format to the next.

use super::{FORMAT, StoreError};
use crate::model::{Change, Fact, FactKey};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Longest key that is stored as it is. Peers choose parts of some keys (transaction-id), and engines have a limit.
const LONGEST_KEY: usize = 512;

/// Follows the kind in the key of a record whose own key is too long. No number and no length is encoded like this.
const SHORTENED: [u8; 10] = [0xFF; 10];

/// What a batch does to the records: for each key the new value, or `None` for its removal.
pub(super) type Effects = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Encodes a batch; of several changes of one key the last counts.
pub(super) fn effects(batch: &[Change]) -> Result<Effects, StoreError> {
    let mut effects = Effects::new();
    for change in batch {
        match change {
            Change::Put(fact) => {
                let key = fact.key();
                let value = postcard::to_stdvec(fact).map_err(|error| unreadable(&key, &error))?;
                effects.insert(encode_key(&key)?, Some(value));
            }
            Change::Remove(key) => {
                effects.insert(encode_key(key)?, None);
            }
        }
    }
    Ok(effects)
}

/// The key of a record: the number of the fact's variant, then its fields.
pub(super) fn encode_key(key: &FactKey) -> Result<Vec<u8>, StoreError> {
    let whole = postcard::to_stdvec(key).map_err(|error| unreadable(key, &error))?;
    Ok(match whole.first() {
        Some(kind) if whole.len() > LONGEST_KEY => {
            let mut short = vec![*kind];
            short.extend_from_slice(&SHORTENED);
            short.extend_from_slice(&Sha256::digest(&whole));
            short
        }
        _ => whole,
    })
}

/// The fact of a record.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Fact, StoreError> {
    let bad = |why: String| StoreError::Record { key: readable(key), why };
    let (fact, rest): (Fact, _) = postcard::take_from_bytes(value).map_err(|error| bad(error.to_string()))?;
    if !rest.is_empty() {
        return Err(bad(format!("{} octets follow it", rest.len())));
    }
    if encode_key(&fact.key())? != key {
        return Err(bad(format!("it holds {:?}", fact.key())));
    }
    Ok(fact)
}

/// A key as an operator can read it.
pub(super) fn readable(key: &[u8]) -> String {
    match postcard::from_bytes::<FactKey>(key) {
        Ok(key) => format!("{key:?}"),
        Err(_) => {
            let digits: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("0x{digits}")
        }
    }
}

fn unreadable(key: &FactKey, error: &postcard::Error) -> StoreError {
    StoreError::Record { key: format!("{key:?}"), why: error.to_string() }
}

/// Brings one record of a format to the next: none, one or several records come of it.
pub(super) type Migration = fn(&[u8], &[u8]) -> Result<Migrated, String>;

/// What a record of an older format becomes: keys with their values.
pub(super) type Migrated = Vec<(Vec<u8>, Vec<u8>)>;

/// The formats a binary can read: the newest, and the way to it from each older one.
#[derive(Clone, Copy)]
pub(super) struct Formats {
    /// What this binary writes.
    pub newest: u32,
    /// The last one leads to `newest`, the one before it to `newest - 1`, and so on.
    pub migrations: &'static [Migration],
}

/// What this binary reads and writes. Format 1 is the first.
pub(super) const FORMATS: Formats = Formats { newest: FORMAT, migrations: &[] };

impl Formats {
    /// Oldest format that can be read.
    pub(super) fn oldest(&self) -> u32 {
        self.newest.saturating_sub(u32::try_from(self.migrations.len()).unwrap_or(u32::MAX))
    }

    /// The migrations that lead from `found` to the newest format, in order.
    ///
    /// # Errors
    /// [`StoreError::Format`] if there is no way.
    pub(super) fn way_from(&self, found: u32, path: &str) -> Result<&'static [Migration], StoreError> {
        let steps = self.newest.checked_sub(found).and_then(|steps| usize::try_from(steps).ok());
        let first = steps.and_then(|steps| self.migrations.len().checked_sub(steps));
        first.and_then(|first| self.migrations.get(first..)).ok_or_else(|| StoreError::Format {
            path: path.to_owned(),
            found,
            oldest: self.oldest(),
            newest: self.newest,
            hint: if found > self.newest {
                "start the newer binary that wrote it, or restore an older copy"
            } else {
                "start a binary between the two first, so that it migrates the data"
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallRef, GroupId, LegId, OwedRef, Side, UserId};

    #[test]
    fn keys_sort_by_the_variants_of_facts() {
        let keys = [
            FactKey::TemporaryGroup(Side::Mc, GroupId::from("sip:z@one.example")),
            FactKey::Regrouped(Side::Gms, GroupId::from("sip:a@one.example")),
            FactKey::Registration("sip:a@one.example".into()),
            FactKey::Affiliation("sip:a@one.example".into(), "urn:uuid:1".into()),
            FactKey::Call(CallRef(u64::MAX)),
            FactKey::Participant(CallRef(0), LegId(1)),
            FactKey::Participation(crate::model::ParticipationRef(1)),
            FactKey::Leg(LegId(7)),
            FactKey::Subscription(crate::model::SubscriptionRef(3)),
            FactKey::Owed(OwedRef(2)),
            FactKey::Operation(UserId::from("sip:a@one.example"), "t1".to_owned()),
        ];
        let encoded: Vec<_> = keys.iter().map(|key| encode_key(key).unwrap()).collect();
        assert!(encoded.is_sorted());
        let kinds: Vec<u8> = encoded.iter().map(|key| key[0]).collect();
        assert_eq!(kinds, (0..11).collect::<Vec<u8>>());
    }

    #[test]
    fn a_key_reads_back_as_text() {
        let key = FactKey::Operation(UserId::from("sip:alice@one.example"), "t-17".to_owned());
        assert_eq!(readable(&encode_key(&key).unwrap()), r#"Operation(sip:alice@one.example, "t-17")"#);
        assert_eq!(readable(&[0xFE, 0x01]), "0xfe01");
    }

    #[test]
    fn long_keys_stay_distinct_and_short() {
        let long = |end: &str| FactKey::Operation(UserId::from("u"), format!("{}{end}", "x".repeat(70_000)));
        let (a, b) = (encode_key(&long("a")).unwrap(), encode_key(&long("b")).unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
        assert_eq!(a[0], 10, "still among the operations");
        let limit = FactKey::Operation(UserId::from("u"), "x".repeat(LONGEST_KEY - 5));
        assert_eq!(encode_key(&limit).unwrap().len(), LONGEST_KEY);
        let beyond = FactKey::Operation(UserId::from("u"), "x".repeat(LONGEST_KEY - 4));
        assert_eq!(encode_key(&beyond).unwrap().len(), 43);
    }

    #[test]
    fn the_way_from_a_format_is_its_migrations_in_order() {
        fn one(key: &[u8], value: &[u8]) -> Result<Migrated, String> {
            Ok(vec![(key.to_vec(), value.to_vec())])
        }
        fn two(_: &[u8], _: &[u8]) -> Result<Migrated, String> {
            Ok(Vec::new())
        }
        let formats = Formats { newest: 5, migrations: &[one, two] };
        assert_eq!(formats.oldest(), 3);
        assert_eq!(formats.way_from(5, "d").unwrap().len(), 0);
        assert_eq!(formats.way_from(4, "d").unwrap().len(), 1);
        assert_eq!(formats.way_from(3, "d").unwrap().len(), 2);
        assert_eq!(formats.way_from(4, "d").unwrap()[0](b"k", b"v").unwrap(), []);
        for stranger in [0, 2, 6, u32::MAX] {
            let error = formats.way_from(stranger, "d").unwrap_err();
            assert!(matches!(error, StoreError::Format { found, .. } if found == stranger));
        }
    }
}
