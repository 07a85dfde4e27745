//! From a request of the contract to its commit: what every mutating RPC does.

use gochat_domain::{Change, Loaded, RoomId, Uid, rules::Rule};
use gochat_proto::{Mutation, model, parse};
use prost::{Message, Name};
use tonic::Status;

use crate::{Committed, Request, Store, accounts::Digest};

impl Request {
    /// The request as one that must not be done twice; none where it has no id.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for an id that is too long.
    pub fn of<M: Message + Name>(caller: Uid, id: &str, message: &M) -> Result<Option<Self>, Status> {
        let Some(id) = parse::request_id(id)? else { return Ok(None) };
        let asked = [M::full_name().as_bytes(), &message.encode_to_vec()].concat();
        Ok(Some(Self { caller, id: id.to_owned(), digest: Digest::of(asked).number() }))
    }
}

impl Store {
    /// Decides on the room that a request names and commits it; answers the place it made.
    pub async fn perform(
        &self,
        caller: Uid,
        message: &impl Mutation,
        rule: &impl Rule,
    ) -> Result<Option<model::Place>, Status> {
        let committed = self.perform_with(caller, message, rule, |_, _| ()).await?;
        Ok(Some(committed.place.into()))
    }

    /// As [`Store::perform`], with more in the answer than the place.
    pub async fn perform_with<R: Message + Default>(
        &self,
        caller: Uid,
        message: &impl Mutation,
        rule: &impl Rule,
        reply: impl Fn(&Loaded, &Change) -> R + Send + Sync,
    ) -> Result<Committed<R>, Status> {
        let room: RoomId = parse::field("room_id", message.room_id())?;
        let request = Request::of(caller, message.request_id(), message)?;
        Ok(self.transact(room, rule, request.as_ref(), reply).await?)
    }
}
