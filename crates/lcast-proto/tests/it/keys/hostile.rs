//! Bytes that nobody meant: no parser panics, none takes more memory than it says.

use lcast_proto::keys::{Authority, Certificate, Credential, MemberList};
use lcast_proto::value::Value;
use lcast_proto::wire::cbor::{self, Cbor, CborError, EXPANSION_MAX, Fields};
use lcast_proto::wire::header::Header;
use proptest::prelude::*;

use super::{authority, enroll};

/// What every parser of this part says to these bytes: nothing, or something, but no panic.
fn parse_all(bytes: &[u8]) {
    let authority = authority();
    let (public, realm) = (authority.public(), authority.realm());
    let _ = Header::parse(bytes);
    let _ = Certificate::verify(bytes, public, realm);
    let _ = MemberList::verify(bytes.to_vec(), public, realm);
    let _ = Credential::decode(bytes);
    let _ = Authority::decode(bytes);
    let _ = Fields::parse(bytes);
    if let Ok(item) = cbor::parse(bytes) {
        assert!(size_of_item(&item) <= EXPANSION_MAX * bytes.len(), "{bytes:02x?}");
        let _ = cbor::value_from_cbor(item);
    }
}

fn size_of_item(item: &Cbor) -> usize {
    let own = size_of::<Cbor>();
    own + match item {
        Cbor::Bytes(content) => content.capacity(),
        Cbor::Text(content) => content.capacity(),
        Cbor::Tag(_, inner) => size_of_item(inner),
        Cbor::Array(items) => {
            let spare = items.capacity() - items.len();
            spare * own + items.iter().map(size_of_item).sum::<usize>()
        }
        Cbor::Map(pairs) => {
            let spare = pairs.capacity() - pairs.len();
            let pair = |(key, value): &(Cbor, Cbor)| size_of_item(key) + size_of_item(value);
            spare * own * 2 + pairs.iter().map(pair).sum::<usize>()
        }
        _ => 0,
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1200)) {
        parse_all(&bytes);
    }

    #[test]
    fn broken_credentials_never_panic(place in 0..900_usize, byte: u8, cut in 0..2000_usize) {
        let mut bytes = enroll(&authority(), &["web1"])[0].encode().to_vec();
        let length = bytes.len();
        bytes[place % length] = byte;
        bytes.truncate(cut.max(1));
        parse_all(&bytes);
    }

    #[test]
    fn values_survive_the_wire(value in values()) {
        let bytes = cbor::encode(&cbor::value_to_cbor(&value));
        let read = cbor::value_from_cbor(cbor::parse(&bytes).unwrap()).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{value:?}"));
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        ".*".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<i64>().prop_map(|millis| {
            Value::Timestamp(lcast_proto::time::Timestamp::from_millis(millis))
        }),
    ];
    leaf.prop_recursive(Value::DEPTH_MAX as u32, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            proptest::collection::btree_map(".{0,9}", inner, 0..8).prop_map(Value::Map),
        ]
    })
}

fn refused(bytes: &[u8], expected: CborError) {
    assert_eq!(cbor::parse(bytes), Err(expected), "{bytes:02x?}");
}

/// [SEC-60]: announced lengths cost nothing, depth ends.
#[test]
fn announced_lengths_and_depth_are_not_believed() {
    for start in [0x5b, 0x7b, 0x9b, 0xbb] {
        refused(&[&[start], &[0xff; 8][..]].concat(), CborError::Malformed);
        refused(&[start, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0], CborError::Malformed);
    }
    let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
    assert!(cbor::parse(&nested(cbor::DEPTH_MAX)).is_ok());
    refused(&nested(cbor::DEPTH_MAX + 1), CborError::Depth);
    refused(&[0xc1; 1000], CborError::Depth);
    refused(&[0x01, 0x01], CborError::Trailing);
    refused(&[], CborError::Malformed);
    for costly in [vec![0x81; 16], vec![0xa1; 16], vec![0x80; 1100], vec![0xf6; 1100]] {
        let count = u8::try_from(costly.len() / 256).unwrap();
        let array = [&[0x99, count, (costly.len() % 256) as u8], &costly[..]].concat();
        parse_all(&array);
        parse_all(&[&costly[..], &[0, 0]].concat());
    }
}

/// [SEC-61]
#[test]
fn maps_have_ascending_integer_keys() {
    for (bytes, expected) in [
        (&[0xa2, 1, 5, 2, 6][..], None),
        (&[0xa2, 0x20, 5, 2, 6], None),
        (&[0xa2, 2, 5, 1, 6], Some(CborError::Keys)),
        (&[0xa2, 1, 5, 1, 6], Some(CborError::Keys)),
        (&[0xa1, 0x61, 0x61, 6], Some(CborError::Keys)),
        (&[0x81, 1], Some(CborError::NotMap)),
    ] {
        assert_eq!(Fields::parse(bytes).err(), expected, "{bytes:02x?}");
    }
    let mut fields = Fields::parse(&[0xa4, 1, 5, 2, 0x41, 9, 3, 0x61, 0x61, 4, 0x20]).unwrap();
    assert_eq!(fields.uint(1), Ok(5));
    assert_eq!(fields.uint(1), Err(CborError::Missing(1)));
    assert_eq!(fields.fixed::<2>(2), Err(CborError::Type(2)));
    assert_eq!(fields.text(3).as_deref(), Ok("a"));
    assert_eq!(fields.uint(4), Err(CborError::Type(4)));
    assert_eq!(fields.uint_opt(99), Ok(None));
}

/// [WIR-2]
#[test]
fn values_have_limits() {
    let list = |depth: usize| (0..depth).fold(Cbor::Null, |inner, _| Cbor::Array(vec![inner]));
    assert!(cbor::value_from_cbor(list(Value::DEPTH_MAX)).is_ok());
    let deeper = cbor::value_from_cbor(list(Value::DEPTH_MAX + 1));
    assert_eq!(deeper, Err(CborError::Depth));
    let map = Cbor::Map(vec![(Cbor::from("a"), Cbor::Null), (Cbor::from("a"), Cbor::Null)]);
    assert_eq!(cbor::value_from_cbor(map), Err(CborError::Keys));
    for millis in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        let time = Value::Timestamp(lcast_proto::time::Timestamp::from_millis(millis));
        assert_eq!(cbor::value_from_cbor(cbor::value_to_cbor(&time)), Ok(time));
    }
    let largest = cbor::value_from_cbor(Cbor::from(i64::MAX as u64));
    assert_eq!(largest, Ok(Value::Int(i64::MAX)));
    for odd in [
        Cbor::from(i64::MAX as u64 + 1),
        Cbor::Tag(1, Box::new(Cbor::from(1))),
        Cbor::Tag(1001, Box::new(Cbor::from(1))),
        Cbor::Tag(1001, Box::new(Cbor::Map(vec![(Cbor::from(1), Cbor::from(i64::MAX))]))),
        Cbor::Map(vec![(Cbor::from(1), Cbor::Null)]),
    ] {
        assert_eq!(cbor::value_from_cbor(odd), Err(CborError::Value));
    }
}
