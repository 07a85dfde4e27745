//! A port on loopback whose connections can be cut, and that can refuse new ones.

use std::{future::Future, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

#[derive(Clone, Copy)]
struct State {
    open: bool,
    cuts: u64,
}

/// Ends with its connections when it is dropped.
pub(crate) struct Port {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Port {
    /// Gives each connection to `serve`, which is dropped where the connection is cut.
    pub(crate) async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State { open: true, cuts: 0 }));
        let task = tokio::spawn(accept(listener, state.clone(), serve));
        Self { address, state, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection, and ends new ones as they come.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| *state = State { open: false, cuts: state.cuts + 1 });
    }

    /// Serves new connections again.
    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<F, S>(listener: TcpListener, state: Arc<watch::Sender<State>>, serve: S)
where
    S: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            Ok((connection, _)) = listener.accept() => {
                let mut state = state.subscribe();
                let State { open, cuts } = *state.borrow_and_update();
                if open {
                    let _ = connection.set_nodelay(true);
                    let serving = serve(connection);
                    connections.spawn(async move {
                        tokio::select! {
                            () = serving => {}
                            _ = state.wait_for(|now| now.cuts != cuts) => {}
                        }
                    });
                }
            }
        }
    }
}
