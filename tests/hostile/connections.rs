//! Connections that say nothing, or a byte a second.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{interval, timeout},
};

use crate::{
    frames::{HEADERS, PATIENCE, PREFACE, SETTINGS, call, frame},
    world::{World, connections, say},
};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_ended() {
    let world = World::start().await;
    let many = connections();
    say(&format!("idle: {many} connections, half of them to each of two servers"));
    let to = [world.address("account"), world.address("gateway")];
    let connect = |at: usize| async move {
        let connected = TcpStream::connect(to[at % 2]).await;
        connected.unwrap_or_else(|error| panic!("connection {at}: {error}"))
    };
    let mut silent: Vec<_> = stream::iter(0..many).map(connect).buffer_unordered(64).collect().await;
    let ended =
        silent.iter_mut().map(|peer| async { while matches!(peer.read(&mut [0; 64]).await, Ok(1..)) {} });
    let all = timeout(PATIENCE, futures::future::join_all(ended)).await;
    assert!(all.is_ok(), "silent connections are held");
    world.survives("idle").await;
}

/// Says this a byte a second, until the connection is ended; how many it could say.
async fn drip(to: SocketAddr, before: Vec<u8>, bytes: Vec<u8>) -> usize {
    let mut peer = TcpStream::connect(to).await.unwrap();
    peer.write_all(&before).await.unwrap();
    let (mut read, mut write) = peer.split();
    let listen = async { while matches!(read.read(&mut [0; 1024]).await, Ok(1..)) {} };
    let mut said = 0;
    let say = async {
        let mut seconds = interval(Duration::from_secs(1));
        for byte in bytes {
            seconds.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
            said += 1;
        }
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::select! {
            () = listen => {}
            () = say => {}
        }
    };
    timeout(PATIENCE, ended).await.expect("who says a byte a second is held");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_come_a_byte_a_second_are_given_up() {
    let world = World::start().await;
    let [account, gateway] = [world.address("account"), world.address("gateway")];
    let head = || [b"GET /chat_room/events HTTP/1.1\r\n".as_slice(), &b"x: y\r\n".repeat(100)].concat();
    let begun = || [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    let headers = || frame(HEADERS, 0, 1, &call(&"/x".repeat(60)));
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(drip(gateway, Vec::new(), head()));
        slow.push(drip(gateway, b"GET / HTTP/1.1\r\nhost: example.org\r\n".to_vec(), head()));
        for server in [account, gateway] {
            slow.push(drip(server, Vec::new(), begun()));
            slow.push(drip(server, begun(), headers()));
        }
    }
    let said = futures::future::join_all(slow).await;
    assert!(said.iter().all(|said| *said < 35), "{said:?}");
    world.survives("a byte a second").await;
}
