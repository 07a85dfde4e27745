//! As much of Redis's protocol (RESP3) as it takes to tell messages apart.

/// How long the first message of `bytes` is; none until it is whole.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<i64>().ok();
    let elements = match bytes[0] {
        b'$' | b'=' | b'!' => {
            let length = match number()? {
                ..0 => line,
                length => line + length as usize + 2,
            };
            return (bytes.len() >= length).then_some(length);
        }
        b'*' | b'~' | b'>' => number()?.max(0),
        b'%' => number()? * 2,
        // Attributes come before what they belong to.
        b'|' => number()? * 2 + 1,
        _ => 0,
    };
    let mut length = line;
    for _ in 0..elements {
        length += whole(&bytes[length..])?;
    }
    Some(length)
}

/// The `at`th element of a message that is a list of strings.
pub(crate) fn word(message: &[u8], at: usize) -> Option<&[u8]> {
    if !matches!(message.first()?, b'*' | b'>') {
        return None;
    }
    let line = |bytes: &[u8]| Some(bytes.windows(2).position(|pair| pair == b"\r\n")? + 2);
    let mut rest = &message[line(message)?..];
    for _ in 0..at {
        rest = &rest[whole(rest)?..];
    }
    let element = &rest[..whole(rest)?];
    (element.first()? == &b'$').then(|| element.get(line(element)?..element.len() - 2)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &[u8] = b">3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$4\r\n\r\n\r\n\r\n";

    #[test]
    fn messages_are_told_apart_wherever_they_are_cut() {
        let messages: [&[u8]; 8] = [
            PUSH,
            b"+OK\r\n",
            b":7\r\n",
            b"$-1\r\n",
            b"_\r\n",
            b"%1\r\n+a\r\n*2\r\n:1\r\n$0\r\n\r\n",
            b"|1\r\n+a\r\n+b\r\n*0\r\n",
            b"*2\r\n*1\r\n#t\r\n,1.5\r\n",
        ];
        for message in messages {
            let stream = [message, b"+next\r\n"].concat();
            assert_eq!(whole(&stream), Some(message.len()), "{message:?}");
            for end in 0..message.len() {
                assert_eq!(whole(&message[..end]), None, "{:?}", &message[..end]);
            }
        }
    }

    #[test]
    fn words_are_read() {
        assert_eq!(word(PUSH, 0), Some(b"smessage".as_slice()));
        assert_eq!(word(PUSH, 2), Some(b"\r\n\r\n".as_slice()));
        assert_eq!(word(PUSH, 3), None);
        assert_eq!(word(b"+smessage\r\n", 0), None);
        assert_eq!(word(b"*1\r\n:1\r\n", 0), None);
    }
}
