//! `test.v1.Probe`: a service written by hand, whose methods behave as a test needs it.

use std::{
    cell::RefCell,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use gochat_chassis::{Caller, request::RequestId};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use tokio::sync::{Notify, watch};
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
};
use tonic_prost::ProstCodec;
use tower::Service;

/// Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Probe {
    /// Told for each call of `Hang` that has begun.
    pub(crate) hanging: Arc<Notify>,
    /// While true, `Hang` answers and `Stream` goes on.
    pub(crate) released: Arc<watch::Sender<bool>>,
    /// The threads that have answered `Core` and haven't ended.
    pub(crate) threads: Arc<watch::Sender<usize>>,
}

impl NamedService for Probe {
    const NAME: &'static str = "test.v1.Probe";
}

/// The descriptors of `Probe`, as they come out of a build.
pub(crate) fn descriptors() -> &'static [u8] {
    let method = |name: &str| MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".test.v1.Text".to_owned()),
        output_type: Some(".test.v1.Text".to_owned()),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("test/v1/probe.proto".to_owned()),
        package: Some("test.v1".to_owned()),
        service: vec![ServiceDescriptorProto {
            name: Some("Probe".to_owned()),
            method: ["Who", "Hang", "Panic", "Stream", "Fail", "Core"].map(method).into(),
            ..Default::default()
        }],
        message_type: vec![prost_types::DescriptorProto {
            name: Some("Text".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec().leak()
}

impl Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let probe = self.clone();
        let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
        async move {
            Ok(match request.uri().path() {
                "/test.v1.Probe/Who" => grpc.unary(Who, request).await,
                "/test.v1.Probe/Hang" => grpc.unary(Hang(probe), request).await,
                "/test.v1.Probe/Panic" => panic!("as the test wants"),
                "/test.v1.Probe/Core" => grpc.unary(Core(probe), request).await,
                "/test.v1.Probe/Stream" => grpc.server_streaming(Stream(probe), request).await,
                "/test.v1.Probe/Fail" => grpc.server_streaming(Fail, request).await,
                _ => Status::from(std::io::Error::other("no such method")).into_http(),
            })
        }
        .boxed()
    }
}

impl Probe {
    async fn release(&self) {
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }
}

/// Answers who called, under which id, and whether its token came through.
struct Who;

impl UnaryService<String> for Who {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let caller = match Caller::of(&request) {
            Caller::Nobody => "nobody".to_owned(),
            Caller::User { subject, .. } => format!("user {subject}"),
            Caller::Service { name, on_behalf_of } => format!("{name} for {on_behalf_of:?}"),
        };
        let token = if request.metadata().contains_key("authorization") { ", token" } else { "" };
        let id = RequestId::current().map(|id| format!(", {id}")).unwrap_or_default();
        async move { Ok(Response::new(caller + token + &id)) }.boxed()
    }
}

/// Answers once released.
struct Hang(Probe);

impl UnaryService<String> for Hang {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let probe = self.0.clone();
        async move {
            probe.hanging.notify_one();
            probe.release().await;
            Ok(Response::new("released".to_owned()))
        }
        .boxed()
    }
}

/// Sends `first`; once released, sends `second` and never ends.
struct Stream(Probe);

impl ServerStreamingService<String> for Stream {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let probe = self.0.clone();
        let second = async move {
            probe.release().await;
            Ok("second".to_owned())
        };
        let first = futures::future::ready(Ok("first".to_owned()));
        let stream = first.into_stream().chain(second.into_stream()).chain(futures::stream::pending());
        async move { Ok(Response::new(stream.boxed())) }.boxed()
    }
}

/// Sends `first`, then fails.
struct Fail;

impl ServerStreamingService<String> for Fail {
    type Response = String;
    type ResponseStream = BoxStream<'static, Result<String, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let denied = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "no more");
        let stream = futures::stream::iter([Ok("first".to_owned()), Err(denied.into())]);
        async move { Ok(Response::new(stream.boxed())) }.boxed()
    }
}

/// Answers the core and the name of the thread that serves it.
struct Core(Probe);

/// Counts a thread until it ends.
struct Counted(Arc<watch::Sender<usize>>);

thread_local! {
    static COUNTED: RefCell<Option<Counted>> = const { RefCell::new(None) };
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|threads| *threads -= 1);
    }
}

impl UnaryService<String> for Core {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        COUNTED.with_borrow_mut(|counted| {
            counted.get_or_insert_with(|| {
                self.0.threads.send_modify(|threads| *threads += 1);
                Counted(self.0.threads.clone())
            });
        });
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        async move { Ok(Response::new(format!("{} {name}", gochat_chassis::core()))) }.boxed()
    }
}
