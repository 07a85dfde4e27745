//! Stamps: who that carries heartbeats showed when that heartbeats get through. Silence of
//! theirs is no sign that anybody is gone, so whoever ends leases looks at them first.

use std::time::Duration;

use crate::{Result, Store, keys};

/// Who carries heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The account service, any replica.
    Account,
    /// The gateway, any replica.
    Gateway,
}

/// How long ago each carrier showed that heartbeats get through it, by Redis's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// The account service; none where it hasn't for a session's length.
    pub account: Option<Duration>,
    /// The gateway; none where there is no gateway, or hasn't been for a session's length:
    /// whoever came through it is logged out by then.
    pub gateway: Option<Duration>,
}

impl Store {
    /// Writes down that heartbeats get through a carrier now. A carrier through which they
    /// don't must not call this.
    pub async fn stamp(&self, carrier: Carrier) -> Result<()> {
        let mut call = self.scripts.stamp.prepare_invoke();
        call.key(keys::stamp(carrier)).arg(self.args().session.as_millis() as u64);
        Ok(self.redis.write("stamp", &call).await?)
    }

    /// How old the carriers' stamps are.
    pub async fn ages(&self) -> Result<Ages> {
        let mut call = self.scripts.ages.prepare_invoke();
        call.key(keys::stamp(Carrier::Account)).key(keys::stamp(Carrier::Gateway));
        let (account, gateway): (Option<i64>, Option<i64>) = self.redis.read("ages", &call).await?;
        // A clock that went back makes no stamp younger than one just written.
        let age = |ms: i64| Duration::from_millis(ms.max(0).unsigned_abs());
        Ok(Ages { account: account.map(age), gateway: gateway.map(age) })
    }
}
