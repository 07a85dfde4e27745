//! A table of methods that is both: what is served, and what the document says is served.

use axum::{Router, handler::Handler, routing::post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Gateway,
    caller::{Call, OpenCall},
    error::ReturnCode,
    identity::CookieLine,
    json::{Answer, Data, Done},
    openapi::{Document, Method},
};

/// Methods by name: their handlers, and what is written about them.
#[derive(Default)]
pub(crate) struct Methods {
    router: Router<Gateway>,
    document: Document,
    names: Vec<&'static str>,
}

impl Methods {
    /// Adds `POST /chat_room/<name>`. What it takes and gives is read off the handler; `codes` are the return
    /// codes beyond those that any method may answer.
    pub(crate) fn method<M, T, H>(
        self,
        name: &'static str,
        handler: H,
        about: &'static str,
        codes: &[ReturnCode],
    ) -> Self
    where
        M: 'static,
        H: Handler<M, Gateway> + Typed<T>,
    {
        let path = format!("/chat_room/{name}");
        let Self { mut document, mut names, .. } = self;
        names.push(name);
        let method = Method { name, about, codes, open: H::Takes::OPEN };
        document.add::<<H::Takes as Takes>::Body, <H::Gives as Gives>::Data>(&path, &method);
        Self { router: self.router.route(&path, post(handler)), document, names }
    }

    /// The routes, the document about them, and their names.
    pub(crate) fn into_parts(self) -> (Router<Gateway>, Document, Vec<&'static str>) {
        (self.router, self.document, self.names)
    }
}

/// A handler whose types say what its method takes and gives.
pub(crate) trait Typed<M> {
    type Takes: Takes;
    type Gives: Gives;
}

impl<F, Fut, S, T, G> Typed<(S, T)> for F
where
    F: Fn(S, T) -> Fut,
    Fut: Future<Output = Answer<G>>,
    T: Takes,
    G: Gives,
{
    type Takes = T;
    type Gives = G;
}

impl<F, Fut, S, R, T, G> Typed<(S, R, T)> for F
where
    F: Fn(S, R, T) -> Fut,
    Fut: Future<Output = Answer<G>>,
    T: Takes,
    G: Gives,
{
    type Takes = T;
    type Gives = G;
}

/// What comes with a call.
pub(crate) trait Takes {
    /// Its parameters, beside the caller.
    type Body: ToSchema;
    /// Whether anybody may call.
    const OPEN: bool;
}

impl<T: ToSchema> Takes for Call<T> {
    type Body = T;
    const OPEN: bool = false;
}

impl<T: ToSchema> Takes for OpenCall<T> {
    type Body = T;
    const OPEN: bool = true;
}

/// What is answered to a call.
pub(crate) trait Gives {
    /// What stands in `data`; [`NoData`] where nothing does.
    type Data: ToSchema + Serialize + 'static;
}

/// The schema of what isn't there.
#[derive(Serialize, ToSchema)]
pub(crate) struct NoData {}

impl Gives for Done {
    type Data = NoData;
}

impl<T: ToSchema + Serialize + 'static> Gives for Data<T> {
    type Data = T;
}

impl<T: Gives> Gives for (CookieLine, T) {
    type Data = T::Data;
}
