//! Voice: the token that the media provider's own software asks for, `misc/get_web_token`.

use axum::extract::State;
use gochat_proto::account::GetMediaTokenRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    caller::Call,
    error::{Failure, ReturnCode},
    json::{Answer, Data},
    upstream::Upstreams,
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct GetWebToken {
    /// How long the token should be good for, in seconds; 0 for the longest allowed.
    ttl: u64,
    /// The room that it is for; null, empty or absent for the one that the caller is in, if any.
    room_id: Option<String>,
}

impl From<GetWebToken> for GetMediaTokenRequest {
    fn from(GetWebToken { ttl, room_id }: GetWebToken) -> Self {
        let ttl_ms = ttl.saturating_mul(1_000).try_into().unwrap_or(i64::MAX);
        Self { room_id: room_id.unwrap_or_default(), ttl_ms }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WebToken {
    /// Never empty. Outside of the room that it is for it admits nowhere.
    token: String,
}

/// Whether there is such a room makes no difference here, so what can't be one is a bad parameter.
pub(crate) async fn get_web_token(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<GetWebToken>,
) -> Answer<Data<WebToken>> {
    let issued = up.account().get_media_token(caller.request(body.into())).await.map_err(|status| {
        Failure::from(status).instead(ReturnCode::RoomNotFound, ReturnCode::BadParameter)
    })?;
    Ok(Data(WebToken { token: issued.into_inner().token }))
}
