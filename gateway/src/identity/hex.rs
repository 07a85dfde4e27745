//! Bytes as hex digits, which may stand in any address.

use std::fmt::Write;

/// Two digits a byte, in lower case.
pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a text doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What [`write`] wrote; none for anything else.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&bytes)), Some(bytes));
        assert_eq!(write(&[0, 10, 255]), "000aff");
        for text in ["0", "+0", "0g", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
