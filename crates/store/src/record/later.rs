//! A later release, for tests of updates alone: its members have one field more, which it reads, and writes anew.

use crate::StoreArgs;

/// A member's record as the release writes it that this one is: as it is.
#[cfg(not(feature = "switches"))]
pub(crate) fn released(_: &StoreArgs, record: Vec<u8>) -> Vec<u8> {
    record
}

/// A member's record as the release writes it that this one is.
#[cfg(feature = "switches")]
pub(crate) fn released(args: &StoreArgs, record: Vec<u8>) -> Vec<u8> {
    if args.one_field_more { switched::counted(record) } else { record }
}

#[cfg(feature = "switches")]
mod switched {
    use prost::Message;

    /// How often the later release has written the record.
    #[derive(Clone, PartialEq, Message)]
    struct Written {
        #[prost(uint64, tag = "1000")]
        times: u64,
    }

    /// One more time. The field comes last in what there is besides.
    pub(super) fn counted(mut record: Vec<u8>) -> Vec<u8> {
        let was = Written::decode(record.as_slice()).unwrap_or_default();
        record.truncate(record.len() - was.encoded_len());
        record.extend(Written { times: was.times + 1 }.encode_to_vec());
        record
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn each_time_is_counted_in_one_field() {
            let twice = counted(counted(b"\x08\x01".to_vec()));
            assert_eq!(twice, [b"\x08\x01".to_vec(), Written { times: 2 }.encode_to_vec()].concat());
        }
    }
}
