//! Who calls: what a service learns of its caller, and the gate that finds it out.

mod cache;
mod gate;
mod tokens;

use std::{fmt, sync::Arc};

use tonic::{Request, Status};

pub use gate::{Gate, MayCall, ON_BEHALF_OF};
pub use tokens::{ServiceTokens, digest};

use crate::status;

/// SHA-256 of a token.
pub type Digest = [u8; 32];

/// Sessions can't be looked up now. Whoever looks them up logs why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sessions can't be looked up")
    }
}

impl std::error::Error for Unavailable {}

/// Who makes a call, as the server's gate found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No token, or one that nobody knows.
    Nobody,
    /// A user who is logged in.
    User {
        /// Its id.
        subject: u32,
        /// Its session: SHA-256 of the token that it presented.
        digest: Digest,
    },
    /// One of our services.
    Service {
        /// Its name, from the file of service tokens.
        name: Arc<str>,
        /// The user it acts for, if for one.
        on_behalf_of: Option<u32>,
    },
}

impl Caller {
    /// Who makes this call. Nobody if it didn't come through a gate.
    pub fn of<T>(request: &Request<T>) -> &Self {
        request.extensions().get().unwrap_or(&Self::Nobody)
    }

    /// The user that the caller is, or acts for.
    pub fn subject(&self) -> Option<u32> {
        match self {
            Self::Nobody => None,
            Self::User { subject, .. } => Some(*subject),
            Self::Service { on_behalf_of, .. } => *on_behalf_of,
        }
    }

    /// The user that the caller is, or acts for; UNAUTHENTICATED if there is none.
    #[allow(clippy::result_large_err, reason = "what a handler answers is tonic's")]
    pub fn require_subject(&self) -> Result<u32, Status> {
        self.subject().ok_or_else(status::not_logged_in)
    }

    /// Whether it is one of our services, for a user or not.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_passed_no_gate_is_nobodys() {
        let mut request = Request::new(());
        assert_eq!(Caller::of(&request), &Caller::Nobody);
        assert_eq!(Caller::of(&request).require_subject().unwrap_err().code(), tonic::Code::Unauthenticated);
        request.extensions_mut().insert(Caller::User { subject: 7, digest: [0; 32] });
        assert_eq!(Caller::of(&request).require_subject().unwrap(), 7);
    }

    #[test]
    fn a_service_has_the_subject_that_it_acts_for() {
        let service = |on_behalf_of| Caller::Service { name: "gateway".into(), on_behalf_of };
        assert_eq!(service(Some(7)).subject(), Some(7));
        assert_eq!(service(None).subject(), None);
        assert!(service(None).is_service());
    }
}
