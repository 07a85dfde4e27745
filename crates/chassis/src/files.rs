//! Values that are read from files, and read anew when the files change.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};

/// A value as its files say it. Clones are one and the same.
pub(crate) struct Followed<T> {
    current: Arc<RwLock<Arc<T>>>,
}

impl<T> Clone for Followed<T> {
    fn clone(&self) -> Self {
        Self { current: self.current.clone() }
    }
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// Reads the value, and looks `every` so often whether one of the files has changed, as long as a handle is
    /// held. Files that can't be used any more change nothing: what was read before stays, and the log, where the value is
    /// called `what`, says why. Needs a Tokio runtime.
    pub(crate) fn follow(
        what: &'static str,
        files: Vec<PathBuf>,
        every: Duration,
        read: impl Fn() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<Self> {
        // From 0 on, so that the first failure is seen as a change.
        metrics::counter!("gochat_reload_failed_total", "what" => what).absolute(0);
        // Looked at first: what is written meanwhile is read again.
        let mut source = Source { seen: stamps(&files), files, read };
        let current = Arc::new(RwLock::new(Arc::new((source.read)()?)));
        let followed = Arc::downgrade(&current);
        tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let looking = tokio::task::spawn_blocking(move || (source.look(), source));
                // Fails only with the runtime, or where a reader panicked.
                let Ok((news, back)) = looking.await else { return };
                source = back;
                let Some(current) = followed.upgrade() else { return };
                match news {
                    None => {}
                    Some(Ok(value)) => {
                        *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                        tracing::info!(what, files = ?source.files, "read anew");
                    }
                    Some(Err(error)) => {
                        let error = format!("{error:#}");
                        tracing::warn!(
                            what,
                            error,
                            "changed files can't be used; what was read before stays"
                        );
                        metrics::counter!("gochat_reload_failed_total", "what" => what).increment(1);
                    }
                }
            }
        });
        Ok(Self { current })
    }

    /// As it is now.
    pub(crate) fn get(&self) -> Arc<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Files, and what they were like when they were looked at last.
struct Source<R> {
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    read: R,
}

impl<T, R: Fn() -> anyhow::Result<T>> Source<R> {
    /// What the files say; nothing where they are as they were.
    fn look(&mut self) -> Option<anyhow::Result<T>> {
        let now = stamps(&self.files);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        Some((self.read)())
    }
}

/// By what a file is seen to have changed: when it was written, its length, and which file it is.
#[derive(PartialEq)]
struct Stamp(SystemTime, u64, u64);

/// Where a file can't be looked at, there is nothing to tell it by.
fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| -> io::Result<Stamp> {
        let found = fs::metadata(file)?;
        Ok(Stamp(found.modified()?, found.len(), found.ino()))
    };
    files.iter().map(|file| stamp(file).ok()).collect()
}

/// Whether everybody on the machine may read a file.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::time::timeout;

    use super::*;

    fn number(file: &PathBuf) -> anyhow::Result<u32> {
        Ok(fs::read_to_string(file)?.trim().parse()?)
    }

    #[test]
    fn a_file_for_everybody_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_all(file.path()), open, "{mode:o}");
        }
    }

    #[test]
    fn a_file_is_read_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let read = {
            let file = file.clone();
            move || number(&file)
        };
        let mut source =
            Source { files: vec![file.clone()], seen: stamps(std::slice::from_ref(&file)), read };
        assert!(source.look().is_none());
        fs::write(&file, "1").unwrap();
        assert_eq!(source.look().unwrap().unwrap(), 1);
        assert!(source.look().is_none());
        fs::write(&file, "22").unwrap();
        assert_eq!(source.look().unwrap().unwrap(), 22);
        // As secrets are replaced where they are mounted: another file under the same name.
        fs::write(folder.path().join("next"), "33").unwrap();
        fs::rename(folder.path().join("next"), &file).unwrap();
        assert_eq!(source.look().unwrap().unwrap(), 33);
        fs::remove_file(&file).unwrap();
        assert!(source.look().unwrap().is_err());
        assert!(source.look().is_none(), "said once");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_cannot_be_used_leaves_what_was_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        let follow = || {
            let (file, tell) = (file.clone(), tell.clone());
            Followed::follow("number", vec![file.clone()], Duration::from_millis(1), move || {
                let read = number(&file);
                tell.blocking_send(()).unwrap();
                read
            })
        };
        let mut soon = async || timeout(Duration::from_secs(30), told.recv()).await.unwrap().unwrap();
        let start = || tokio::task::block_in_place(follow);
        assert!(start().is_err(), "there is nothing to stay with");
        soon().await;
        fs::write(&file, "1").unwrap();
        let followed = start().unwrap();
        soon().await;
        fs::write(&file, "none").unwrap();
        soon().await;
        assert_eq!(*followed.get(), 1);
        fs::write(&file, "22").unwrap();
        soon().await;
        while *followed.get() != 22 {
            tokio::task::yield_now().await;
        }
    }
}
