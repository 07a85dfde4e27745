//! HTTP/2 as an attacker writes it, frame by frame (RFC 9113), and what comes back.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::timeout,
};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
/// Nothing follows what is said.
pub(crate) const END_HEADERS: u8 = 4;
/// Longer than any server of ours has patience with an attack.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The headers of a call (RFC 7541, nothing of it in tables), of which the message is still to come.
pub(crate) fn call(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x01, 1, b'x', 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    block
}

/// What an attacker was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Streams that were reset, and why the last of them was.
    pub(crate) resets: usize,
    pub(crate) why: Option<u32>,
    /// Why the connection was ended, where that was said.
    pub(crate) goaway: Option<u32>,
    /// Whether the server ended it while the attacker still listened.
    pub(crate) ended: bool,
}

pub(crate) struct Attacker {
    write: OwnedWriteHalf,
    told: JoinHandle<Told>,
}

impl Attacker {
    /// Greets as any client does.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let (read, mut write) = TcpStream::connect(to).await.unwrap().into_split();
        write.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await.unwrap();
        Self { write, told: tokio::spawn(listen(read)) }
    }

    /// Says this; false once the server doesn't take it.
    pub(crate) async fn says(&mut self, bytes: &[u8]) -> bool {
        let said = timeout(PATIENCE, self.write.write_all(bytes)).await;
        said.is_ok_and(|said| said.is_ok()) && !self.told.is_finished()
    }

    /// Waits until the server ends the connection.
    pub(crate) async fn until_ended(self) -> Told {
        let Self { write, mut told } = self;
        let ended = timeout(PATIENCE, &mut told).await;
        drop(write);
        ended.expect("the server holds the connection").unwrap()
    }

    /// Leaves; what it was told until then.
    pub(crate) async fn leaves(mut self) -> Told {
        let _ = self.write.shutdown().await;
        timeout(PATIENCE, self.told).await.expect("the server ends it too").unwrap()
    }
}

async fn listen(mut read: OwnedReadHalf) -> Told {
    let mut told = Told::default();
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            told.ended = true;
            return told;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if read.read_exact(&mut payload).await.is_err() {
            told.ended = true;
            return told;
        }
        let number = |at: usize| payload[at..at + 4].try_into().map(u32::from_be_bytes).ok();
        match head[3] {
            RST_STREAM => (told.resets, told.why) = (told.resets + 1, number(0)),
            // The first is the reason; a later one may only say that it is over.
            GOAWAY => told.goaway = told.goaway.or(number(4)),
            _ => {}
        }
    }
}
