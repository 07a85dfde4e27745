//! gRPC-Web: the same calls from pages in browsers, over HTTP/1.1 as well, translated before anything looks at them.

use std::time::Duration;

use http::Method;
use tonic::{Status, body::Body};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, Cors, CorsLayer};

use crate::{Origins, request::REQUEST_ID};

/// How long a browser may keep the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// `service` for pages of these origins too. To it, what they ask is gRPC like any other; what is neither
/// gRPC-Web nor HTTP/2 is answered 400 without it.
///
/// Nothing that a browser adds by itself tells who calls, so whatever headers a page sends are let through.
pub(crate) fn translated<S>(service: S, origins: &Origins) -> Cors<GrpcWebService<S>>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
{
    // Where there is nothing but a refusal, it stands in the headers.
    let exposed = [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS, REQUEST_ID];
    CorsLayer::new()
        .allow_origin(origins.allow())
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(PREFLIGHT_AGE)
        .layer(GrpcWebLayer::new().layer(service))
}
