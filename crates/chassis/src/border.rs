//! What a gate reads of the headers of a call, laid open for fuzzing alone.

use http::HeaderMap;
use tonic::Status;

use crate::{Caller, Gate, tls::Names};

/// Who makes a call with these headers, over a connection without a certificate, if it may make it.
///
/// # Errors
/// What the caller is answered.
pub async fn admit(gate: &Gate, path: &str, headers: &HeaderMap) -> Result<Caller, Box<Status>> {
    gate.admit(path, headers, &Names::default()).await
}
