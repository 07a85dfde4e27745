//! Which pages may call, and read what is answered (CORS).

use std::time::Duration;

use http::{
    Method,
    header::{HeaderName, LOCATION, RETRY_AFTER},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::{
    config::{Config, Origins},
    identity::CookieMode,
};

/// How long a browser may keep the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Pages of the configured origins may call, with whatever headers they send. What a browser adds by itself, the
/// cookie, goes along only where there is one, which the configuration allows to named origins alone.
pub(crate) fn layer(config: &Config) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id"), RETRY_AFTER, LOCATION])
        .max_age(PREFLIGHT_AGE);
    match &config.origins {
        Origins::All => layer.allow_origin(Any),
        Origins::These(list) => {
            let cookies = config.identity.cookie != CookieMode::Off;
            layer.allow_origin(AllowOrigin::list(list.iter().cloned())).allow_credentials(cookies)
        }
    }
}
