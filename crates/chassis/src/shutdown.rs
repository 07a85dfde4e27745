//! The end of a process as a signal that can be handed around and waited for.

use std::{io, process};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether it is time to stop. Clones are one and the same; once triggered it stays so.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// One that is triggered by [`Shutdown::trigger`] alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and SIGINT trigger; a second signal ends the process at once, with
    /// status 128 + its number. Needs a Tokio runtime. Fails if signals can't be listened for.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let (name, number) = tokio::select! {
                    _ = terminate.recv() => ("SIGTERM", 15),
                    _ = interrupt.recv() => ("SIGINT", 2),
                };
                if trigger.is_triggered() {
                    tracing::warn!(signal = name, "second signal: exiting at once");
                    process::exit(128 + number);
                }
                tracing::info!(signal = name, "stopping; another signal exits at once");
                trigger.trigger();
            }
        });
        Ok(shutdown)
    }

    /// Says that it is time to stop.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Returns once it is time to stop; at once if it already is.
    pub async fn triggered(&self) {
        self.token.cancelled().await;
    }

    /// As [`Shutdown::triggered`], for a task that outlives this handle.
    pub fn triggered_owned(&self) -> impl Future<Output = ()> + Send + 'static {
        self.token.clone().cancelled_owned()
    }

    /// Whether it is time to stop.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_are_told() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        let waiting = tokio::spawn(shutdown.triggered_owned());
        assert!(!other.is_triggered());
        other.trigger();
        waiting.await.unwrap();
        shutdown.triggered().await;
        assert!(shutdown.is_triggered());
    }
}
