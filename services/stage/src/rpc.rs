//! `StageService`: each RPC reads its request and has the store decide and commit.

use gochat_chassis::Caller;
use gochat_domain::{
    InvitationToken, Uid,
    rules::{
        Invite, LeaveStage, LowerAllHands, LowerHand, MuteAll, RaiseHand, Respond, SetMic, WithdrawInvitation,
    },
};
use gochat_proto::{
    parse::{field, uid_or},
    stage::{
        Answer, InviteRequest, InviteResponse, LeaveStageRequest, LeaveStageResponse, LowerAllHandsRequest,
        LowerAllHandsResponse, LowerHandRequest, LowerHandResponse, MicSwitch, MuteAllRequest,
        MuteAllResponse, RaiseHandRequest, RaiseHandResponse, RespondToInvitationRequest,
        RespondToInvitationResponse, SetMicRequest, SetMicResponse, WithdrawInvitationRequest,
        WithdrawInvitationResponse, stage_service_server::StageService,
    },
    status::invalid,
};
use gochat_store::Store;
use tonic::{Request, Response, Status, async_trait};

/// The service.
pub(crate) struct Stages {
    store: Store,
}

impl Stages {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

type Answered<T> = Result<Response<T>, Status>;

#[async_trait]
impl StageService for Stages {
    async fn raise_hand(&self, request: Request<RaiseHandRequest>) -> Answered<RaiseHandResponse> {
        let (caller, asked) = open(request)?;
        let place = self.store.perform(caller, &asked, &RaiseHand { caller }).await?;
        Ok(Response::new(RaiseHandResponse { place }))
    }

    async fn lower_hand(&self, request: Request<LowerHandRequest>) -> Answered<LowerHandResponse> {
        let (caller, asked) = open(request)?;
        let target = uid_or("target_uid", asked.target_uid, caller)?;
        let place = self.store.perform(caller, &asked, &LowerHand { caller, target }).await?;
        Ok(Response::new(LowerHandResponse { place }))
    }

    async fn lower_all_hands(
        &self,
        request: Request<LowerAllHandsRequest>,
    ) -> Answered<LowerAllHandsResponse> {
        let (caller, asked) = open(request)?;
        let place = self.store.perform(caller, &asked, &LowerAllHands { caller }).await?;
        Ok(Response::new(LowerAllHandsResponse { place }))
    }

    async fn invite(&self, request: Request<InviteRequest>) -> Answered<InviteResponse> {
        let (caller, asked) = open(request)?;
        let target: Uid = field("target_uid", &asked.target_uid)?;
        let token = InvitationToken(format!("{:032x}", rand::random::<u128>()));
        let rule = Invite { caller, target, token, lifetime: self.store.args().invitation };
        let invited = self
            .store
            .perform_with(caller, &asked, &rule, |_, change| InviteResponse {
                place: None,
                expires_at: change.invitations.values().flatten().map(|sent| sent.expires_at.0).sum(),
            })
            .await?;
        Ok(Response::new(InviteResponse { place: Some(invited.place.into()), ..invited.reply }))
    }

    async fn withdraw_invitation(
        &self,
        request: Request<WithdrawInvitationRequest>,
    ) -> Answered<WithdrawInvitationResponse> {
        let (caller, asked) = open(request)?;
        let target = field("target_uid", &asked.target_uid)?;
        let place = self.store.perform(caller, &asked, &WithdrawInvitation { caller, target }).await?;
        Ok(Response::new(WithdrawInvitationResponse { place }))
    }

    async fn respond_to_invitation(
        &self,
        request: Request<RespondToInvitationRequest>,
    ) -> Answered<RespondToInvitationResponse> {
        let (caller, asked) = open(request)?;
        let accept = match asked.answer() {
            Answer::Accept => true,
            Answer::Decline => false,
            Answer::Unspecified => return Err(invalid("answer", "must be accept or decline")),
        };
        let rule = Respond { caller, token: InvitationToken(asked.invitation_token.clone()), accept };
        let place = self.store.perform(caller, &asked, &rule).await?;
        Ok(Response::new(RespondToInvitationResponse { place }))
    }

    async fn leave_stage(&self, request: Request<LeaveStageRequest>) -> Answered<LeaveStageResponse> {
        let (caller, asked) = open(request)?;
        let target = uid_or("target_uid", asked.target_uid, caller)?;
        let place = self.store.perform(caller, &asked, &LeaveStage { caller, target }).await?;
        Ok(Response::new(LeaveStageResponse { place }))
    }

    async fn set_mic(&self, request: Request<SetMicRequest>) -> Answered<SetMicResponse> {
        let (caller, asked) = open(request)?;
        let target = uid_or("target_uid", asked.target_uid, caller)?;
        let on = match asked.mic() {
            MicSwitch::On => true,
            MicSwitch::Off => false,
            MicSwitch::Unspecified => return Err(invalid("mic", "must be on or off")),
        };
        let place = self.store.perform(caller, &asked, &SetMic { caller, target, on }).await?;
        Ok(Response::new(SetMicResponse { place }))
    }

    async fn mute_all(&self, request: Request<MuteAllRequest>) -> Answered<MuteAllResponse> {
        let (caller, asked) = open(request)?;
        let place = self.store.perform(caller, &asked, &MuteAll { caller }).await?;
        Ok(Response::new(MuteAllResponse { place }))
    }
}

/// Who calls, and what for.
fn open<T>(request: Request<T>) -> Result<(Uid, T), Status> {
    let caller = field("uid", &Caller::of(&request).require_subject()?)?;
    Ok((caller, request.into_inner()))
}
