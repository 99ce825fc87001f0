//! What stands in packets: header, CBOR, frames, values, schemas.

use lcast_proto::question::values::{decode_schema, decode_values};
use lcast_proto::wire::cbor;
use lcast_proto::wire::frame::{GroupFrame, PairFrame};
use lcast_proto::wire::header::{HEADER_LEN, Header};

/// The header in clear: one form only.
pub(crate) fn header(input: &[u8]) {
    if let Ok(header) = Header::parse(input) {
        assert_eq!(header.encode()[..], input[..HEADER_LEN], "another form of the same header");
    }
}

/// Any item, and as the value of a variable.
pub(crate) fn cbor(input: &[u8]) {
    let Ok(item) = cbor::parse(input) else { return };
    let encoded = cbor::encode(&item);
    let again = cbor::parse(&encoded).expect("what was read can be written and read");
    assert_eq!(cbor::encode(&again), encoded);
    if let Ok(value) = cbor::value_from_cbor(item) {
        let encoded = cbor::encode(&cbor::value_to_cbor(&value));
        let item = cbor::parse(&encoded).expect("a value is well-formed");
        let again = cbor::value_from_cbor(item).expect("a value reads back");
        assert_eq!(cbor::encode(&cbor::value_to_cbor(&again)), encoded);
    }
}

/// The signed frame of a GROUP packet.
pub(crate) fn group_frame(input: &[u8]) {
    let Ok(frame) = GroupFrame::decode(input) else { return };
    let encoded = frame.encode();
    let again = GroupFrame::decode(&encoded).expect("a frame reads back");
    assert_eq!(again.encode(), encoded);
}

/// The frame of a PAIR or INTRO packet.
pub(crate) fn pair_frame(input: &[u8]) {
    let Ok(frame) = PairFrame::decode(input) else { return };
    let encoded = frame.encode();
    let again = PairFrame::decode(&encoded).expect("a frame reads back");
    assert_eq!(again.encode(), encoded);
}

/// The values of a reply.
pub(crate) fn values(input: &[u8]) {
    let every = ["**".parse().expect("a pattern")];
    if let Ok(values) = decode_values(input, &every) {
        assert!(values.len() <= input.len(), "more values than bytes");
    }
}

/// The definitions of a schema.
pub(crate) fn schema(input: &[u8]) {
    drop(decode_schema(input));
}
