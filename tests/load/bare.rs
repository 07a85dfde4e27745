//! The bare handlers: the contract's hands and subscriptions with no rules, no gate and no history behind them.

use std::{
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{Stream, StreamExt};
use gochat_proto::{
    model::{Commit, Event, Member, MemberChanged, Place, event::Kind},
    notifier::{
        SubscribeRequest, SubscribeResponse,
        notifier_service_server::{NotifierService, NotifierServiceServer},
        subscribe_response::Frame,
    },
    stage::{
        stage_service_server::{StageService, StageServiceServer},
        *,
    },
};
use redis::{Script, aio::MultiplexedConnection};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

/// Messages that a subscriber may be behind; the scenario never has as many on their way.
const BEHIND: usize = 256;
const LOG_CAP: u32 = 1_000;

/// Reads eleven fields, as a decision about a hand does.
static LOAD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "return redis.call('HMGET', KEYS[1], 'f0','f1','f2','f3','f4','f5','f6','f7','f8','f9','f10')",
    )
});

/// The writes of a raised hand: fields, log, list of hands, feed.
static COMMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for field = 0, 5 do redis.call('HSET', KEYS[1], 'f' .. field, ARGV[1]) end \
         redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'c', ARGV[1]) \
         redis.call('ZADD', KEYS[3], 1, 'hand') \
         redis.call('SPUBLISH', KEYS[4], ARGV[1])",
    )
});

/// The two calls of a commit.
#[derive(Clone)]
pub(crate) struct Commits {
    redis: MultiplexedConnection,
}

impl Commits {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { redis })
    }

    async fn commit(&self) -> redis::RedisResult<()> {
        let mut redis = self.redis.clone();
        let _: Vec<Option<String>> = LOAD.key("{0}room").invoke_async(&mut redis).await?;
        let mut call = COMMIT.key("{0}room");
        call.key("{0}log").key("{0}hands").key("{0}feed").arg([b'm'; 160].as_slice()).arg(LOG_CAP);
        call.invoke_async(&mut redis).await
    }
}

#[derive(Clone)]
enum Work {
    Commit(Commits),
    FanOut(broadcast::Sender<SubscribeResponse>),
}

/// Both services; what a hand does depends on what is measured.
#[derive(Clone)]
pub(crate) struct Stage {
    work: Work,
    revision: Arc<AtomicU64>,
}

impl Stage {
    pub(crate) fn committing(commits: Commits) -> Self {
        Self { work: Work::Commit(commits), revision: Arc::default() }
    }

    pub(crate) fn fanning_out() -> Self {
        Self { work: Work::FanOut(broadcast::Sender::new(BEHIND)), revision: Arc::default() }
    }

    pub(crate) fn services(self) -> (StageServiceServer<Self>, NotifierServiceServer<Self>) {
        (StageServiceServer::new(self.clone()), NotifierServiceServer::new(self))
    }

    async fn hand(&self) -> Result<Option<Place>, Status> {
        let revision = self.revision.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.work {
            Work::Commit(commits) => {
                commits.commit().await.map_err(|why| Status::from_error(Box::new(why)))?;
            }
            Work::FanOut(to) => {
                // Nobody listening is nobody to tell.
                let _ = to.send(message(revision));
            }
        }
        Ok(Some(Place { revision, tag: 1 }))
    }
}

/// A message of the size that a raised hand has.
fn message(revision: u64) -> SubscribeResponse {
    let member = Member {
        uid: 100_001,
        nick_name: "listener-1".to_owned(),
        joined_at: 1_700_000_000_000,
        hand_raised_at: 1_700_000_000_000,
        entry: 1,
        ..Member::default()
    };
    let changed = MemberChanged { member: Some(member), ..MemberChanged::default() };
    let commit = Commit {
        revision,
        after: revision - 1,
        tag: 1,
        tag_before: 1,
        room_id: "123456789".to_owned(),
        committed_at: 1_700_000_000_000,
        operator_uid: 100_001,
        operator_name: "listener-1".to_owned(),
        events: vec![Event { to: Vec::new(), kind: Some(Kind::MemberChanged(changed)) }],
    };
    SubscribeResponse { frame: Some(Frame::Commit(commit)) }
}

type Answered<T> = Result<Response<T>, Status>;

fn not_measured<T>() -> Answered<T> {
    Err(Status::unimplemented("only hands are measured"))
}

#[tonic::async_trait]
impl StageService for Stage {
    async fn raise_hand(&self, _: Request<RaiseHandRequest>) -> Answered<RaiseHandResponse> {
        Ok(Response::new(RaiseHandResponse { place: self.hand().await? }))
    }

    async fn lower_hand(&self, _: Request<LowerHandRequest>) -> Answered<LowerHandResponse> {
        Ok(Response::new(LowerHandResponse { place: self.hand().await? }))
    }

    async fn lower_all_hands(&self, _: Request<LowerAllHandsRequest>) -> Answered<LowerAllHandsResponse> {
        not_measured()
    }

    async fn invite(&self, _: Request<InviteRequest>) -> Answered<InviteResponse> {
        not_measured()
    }

    async fn withdraw_invitation(
        &self,
        _: Request<WithdrawInvitationRequest>,
    ) -> Answered<WithdrawInvitationResponse> {
        not_measured()
    }

    async fn respond_to_invitation(
        &self,
        _: Request<RespondToInvitationRequest>,
    ) -> Answered<RespondToInvitationResponse> {
        not_measured()
    }

    async fn leave_stage(&self, _: Request<LeaveStageRequest>) -> Answered<LeaveStageResponse> {
        not_measured()
    }

    async fn set_mic(&self, _: Request<SetMicRequest>) -> Answered<SetMicResponse> {
        not_measured()
    }

    async fn mute_all(&self, _: Request<MuteAllRequest>) -> Answered<MuteAllResponse> {
        not_measured()
    }
}

#[tonic::async_trait]
impl NotifierService for Stage {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Answered<Self::SubscribeStream> {
        let Work::FanOut(to) = &self.work else { return not_measured() };
        let frames = BroadcastStream::new(to.subscribe());
        let frames = frames.map(|frame| frame.map_err(|behind| Status::from_error(Box::new(behind))));
        Ok(Response::new(Box::pin(frames)))
    }
}
