//! What stands in front of the notifiers as a Kubernetes Service does: it gives each new
//! connection to one of them, in turn, and knows nothing of what is said there.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{io::copy_bidirectional, net::TcpStream};

use crate::port::Port;

/// Ends with its connections when it is dropped.
pub struct Balancer {
    port: Port,
    targets: Arc<Targets>,
}

#[derive(Default)]
struct Targets {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inside: Vec<SocketAddr>,
    next: usize,
}

impl Balancer {
    /// One in front of these.
    pub async fn start(addresses: &[SocketAddr]) -> Self {
        let targets = Arc::new(Targets::default());
        targets.state.lock().unwrap().inside = addresses.to_vec();
        let given = targets.clone();
        let port = Port::start(move |connection| relay(connection, given.clone())).await;
        Self { port, targets }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Gives no new connection to this address; those that it has stay.
    pub fn take_out(&self, address: SocketAddr) {
        self.targets.state.lock().unwrap().inside.retain(|inside| *inside != address);
    }

    /// Gives new connections to this address again.
    pub fn put_in(&self, address: SocketAddr) {
        let mut state = self.targets.state.lock().unwrap();
        if !state.inside.contains(&address) {
            state.inside.push(address);
        }
    }

    /// Cuts every connection, and refuses new ones until it is opened.
    pub fn close(&self) {
        self.port.close();
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.port.open();
    }
}

impl Targets {
    /// Those that are in, beginning with whose turn it is.
    fn in_turn(&self) -> Vec<SocketAddr> {
        let mut state = self.state.lock().unwrap();
        state.next = state.next.wrapping_add(1);
        let mut inside = state.inside.clone();
        if !inside.is_empty() {
            let first = state.next % inside.len();
            inside.rotate_left(first);
        }
        inside
    }
}

async fn relay(mut client: TcpStream, targets: Arc<Targets>) {
    for address in targets.in_turn() {
        if let Ok(mut server) = TcpStream::connect(address).await {
            let _ = server.set_nodelay(true);
            // However it ends, both sides are closed by dropping them.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
