//! The life of a server, from its listeners to its end: serve, drain, finish, cut.

use std::{convert::Infallible, future::Future, pin::pin, time::Duration};

use anyhow::Context;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::codegen::StdError;

use crate::{
    ConnectionArgs, Listeners, Readiness, Shutdown, admin,
    connection::{Cutter, Incoming},
    metrics,
    tls::{Acceptor, Speaks},
};

/// How long the end of connections that were cut is waited for.
const AFTER_THE_CUT: Duration = Duration::from_secs(1);
/// How long a server may be not ready before its callers are sent elsewhere.
const UNREADY: Duration = Duration::from_secs(2);

/// How a server is known, and what becomes of its callers.
pub(crate) struct Manner {
    /// What the log calls it.
    pub(crate) name: &'static str,
    pub(crate) speaks: Speaks,
    /// Whether connections are ended while it isn't ready: a caller that stays on its connection would
    /// never find a replica that is.
    pub(crate) turns_away: bool,
}

/// Runs `server` on the listeners until the shutdown, and ends it in order: not ready at once; after the
/// delay `stop` tells the server to take no more and finish; at the hard end, what is still open is cut.
/// The admin port answers through all of it.
///
/// Refuses to be reached from other machines in plain text, unless that is allowed.
///
/// `server` gets the connections and `stop`, and returns once `stop` has come and its connections are done.
/// If it ends before, that is an error.
pub(crate) async fn run<S, F>(
    Manner { name, speaks, turns_away }: Manner,
    listeners: Listeners,
    args: &ConnectionArgs,
    readiness: &Readiness,
    shutdown: &Shutdown,
    server: S,
) -> anyhow::Result<()>
where
    S: FnOnce(Incoming, CancellationToken) -> F,
    F: Future<Output = Result<(), StdError>>,
{
    args.check(listeners.service_addr()?)?;
    let tls = Acceptor::new(&args.tls, speaks, args.reload_interval)?;
    metrics::install();
    let _admin = AbortOnDropHandle::new(tokio::spawn(admin::serve(listeners.admin, readiness.clone())));
    let (incoming, cutter) = Incoming::new(listeners.service, args.max_connections, tls);
    let stop = CancellationToken::new();
    let mut serving = pin!(server(incoming, stop.clone()));
    tokio::select! {
        ended = &mut serving => {
            ended.map_err(anyhow::Error::from_boxed).context("the server failed")?;
            anyhow::bail!("the server ended by itself");
        }
        never = turn_away(name, readiness, &cutter), if turns_away => match never {},
        () = shutdown.triggered() => {}
    }
    let hard_end = Instant::now() + args.drain_timeout;
    readiness.drain();
    tracing::info!(server = name, delay = ?args.drain_delay, timeout = ?args.drain_timeout, "draining");
    let orderly = timeout_at(hard_end, async {
        // Still serving: load balancers take a while to notice.
        if let Ok(ended) = timeout(args.drain_delay, &mut serving).await {
            return ended;
        }
        stop.cancel();
        serving.as_mut().await
    });
    match orderly.await {
        Ok(ended) => ended.map_err(anyhow::Error::from_boxed).context("the server failed while draining"),
        Err(_) => {
            tracing::warn!(server = name, "calls didn't end in time and are cut");
            stop.cancel();
            drop(cutter);
            // Nothing is left to read or write, so this is a matter of scheduling.
            let _ = timeout(AFTER_THE_CUT, serving).await;
            Ok(())
        }
    }
}

/// Cuts all connections each time that the server has not been ready for a while, for ever.
async fn turn_away(name: &'static str, readiness: &Readiness, cutter: &Cutter) -> Infallible {
    loop {
        readiness.until(false).await;
        if timeout(UNREADY, readiness.until(true)).await.is_err() {
            tracing::warn!(server = name, missing = ?readiness.missing(), "not ready: connections are ended");
            cutter.cut_open();
            readiness.until(true).await;
        }
    }
}
