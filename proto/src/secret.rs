//! Messages that hold a secret show the rest of themselves: which and what is said in `build.rs`.

use std::fmt;

/// A secret: whether there is one may be seen.
struct Hidden<'a>(&'a str);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "hidden" })
    }
}

include!(concat!(env!("OUT_DIR"), "/secrets.rs"));

#[cfg(test)]
mod tests {
    use crate::{
        account::{GetMediaTokenResponse, LoginRequest, LoginResponse},
        media::{IceServer, Provider},
        model::Invitation,
        stage::RespondToInvitationRequest,
    };

    #[test]
    fn no_secret_is_shown() {
        let secret = || "hush".to_owned();
        let shown = [
            format!("{:?}", LoginRequest { external_id: secret(), ..Default::default() }),
            format!("{:#?}", LoginResponse { token: secret(), ..Default::default() }),
            format!("{:?}", GetMediaTokenResponse { token: secret(), ..Default::default() }),
            format!("{:?}", Invitation { token: secret(), ..Default::default() }),
            format!("{:?}", RespondToInvitationRequest { invitation_token: secret(), ..Default::default() }),
            format!("{:?}", Provider { token: secret(), ..Default::default() }),
            format!("{:?}", IceServer { credential: secret(), ..Default::default() }),
        ];
        for text in shown {
            assert!(text.contains("hidden") && !text.contains("hush"), "{text}");
        }
        let none = LoginResponse { uid: 7, nick_name: "ann".to_owned(), ..Default::default() };
        let text = format!("{none:?}");
        assert!(
            text.starts_with("LoginResponse { uid: 7, nick_name: \"ann\"") && text.contains("token: none"),
            "{text}"
        );
    }
}
