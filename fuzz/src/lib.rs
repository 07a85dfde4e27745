//! Bytes of the fuzzer as what parsers are given, and what every refusal has to be.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The first byte, which chooses what is tried, and the text after it; none for what isn't text.
pub fn choice(data: &[u8]) -> Option<(usize, &str)> {
    let (first, rest) = data.split_first()?;
    Some((usize::from(*first), std::str::from_utf8(rest).ok()?))
}

/// The first line and what is after it.
pub fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// Lines of `name: value` as headers, up to an empty line; and what is after that. What can't be a header isn't one.
pub fn headers(mut data: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    while !data.is_empty() {
        let (line, rest) = first_line(data);
        data = rest;
        if line.is_empty() {
            break;
        }
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    (headers, data)
}

/// The refusal of a field says which, says why in a few words, and nothing of what stood there.
pub fn assert_named(field: &str, refused: &Status) {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let bad = refused.get_details_bad_request().expect("a bad field is a BadRequest");
    assert_eq!(bad.field_violations.len(), 1, "{bad:?}");
    assert_eq!(bad.field_violations[0].field, field);
    assert!(refused.message().starts_with(field), "{refused:?}");
    assert!(refused.message().len() <= 100, "{refused:?}");
}

/// Takes what is well, and sees that whatever isn't is refused by its name.
pub fn read<T>(field: &str, parsed: Result<T, Status>) -> Option<T> {
    parsed.map_err(|refused| assert_named(field, &refused)).ok()
}
