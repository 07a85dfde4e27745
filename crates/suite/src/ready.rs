//! Whether a server says that it is ready, asked on its admin port.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

const BETWEEN_TRIES: Duration = Duration::from_millis(20);
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: suite\r\nconnection: close\r\n\r\n";
const READY: &[u8] = b"HTTP/1.1 200";

/// Returns once the server whose admin port this is says that it is ready.
pub(crate) async fn ready(admin: SocketAddr) {
    while !matches!(asked(admin).await, Ok(true)) {
        sleep(BETWEEN_TRIES).await;
    }
}

async fn asked(admin: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = [0; READY.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer == READY)
}
