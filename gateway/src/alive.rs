//! Shows the account service that heartbeats get through here, so that nobody who comes through
//! a gateway is taken for lost while there is none.

use std::time::Duration;

use gochat_proto::account::{StampRequest, account_service_client::AccountServiceClient};
use tokio::time::sleep;
use tonic::Status;

use crate::{caller::Caller, upstream::Upstream};

/// After a call that failed; else the service says when, but not sooner than the least.
const AGAIN: Duration = Duration::from_millis(500);
const LEAST: Duration = Duration::from_millis(100);

/// Stamps for ever, in the gateway's own name.
pub(crate) async fn run(mut account: AccountServiceClient<Upstream>, own: Caller) {
    let mut heard = true;
    loop {
        let stamped = stamp(&mut account, &own).await;
        if let Err(status) = &stamped
            && heard
        {
            tracing::warn!(code = ?status.code(), reason = status.message(), "the account service takes no stamp");
        }
        heard = stamped.is_ok();
        sleep(stamped.unwrap_or(AGAIN)).await;
    }
}

/// Returns when the next is due.
async fn stamp(account: &mut AccountServiceClient<Upstream>, own: &Caller) -> Result<Duration, Status> {
    let answer = account.stamp(own.request(StampRequest {})).await?.into_inner();
    Ok(Duration::from_millis(answer.interval_ms.into()).max(LEAST))
}
