//! The rules' words in the contract's.

use gochat_domain as domain;

use crate::{model, model::event::Kind};

impl From<domain::Place> for model::Place {
    fn from(place: domain::Place) -> Self {
        Self { revision: place.revision, tag: place.tag }
    }
}

impl From<model::Place> for domain::Place {
    fn from(place: model::Place) -> Self {
        Self { revision: place.revision, tag: place.tag }
    }
}

impl From<&domain::Member> for model::Member {
    fn from(member: &domain::Member) -> Self {
        Self {
            uid: member.uid.get(),
            nick_name: member.nick_name.as_str().to_owned(),
            avatar: member.avatar.clone(),
            role: role(member.standing).into(),
            joined_at: member.joined_at.0,
            mic: Some(mic(member.standing.mic())),
            hand_raised_at: member.standing.hand_raised_at().map_or(0, |at| at.0),
            on_stage_at: member.standing.on_stage_at().map_or(0, |at| at.0),
            entry: member.entry.0,
        }
    }
}

fn role(standing: domain::Standing) -> model::Role {
    match standing {
        domain::Standing::Listener { .. } => model::Role::Listener,
        domain::Standing::GuestSpeaker { .. } => model::Role::GuestSpeaker,
        domain::Standing::Host { .. } => model::Role::Host,
    }
}

/// Off stage there is no microphone: off, and muted by nobody.
fn mic(mic: Option<domain::Mic>) -> model::Mic {
    mic.map_or_else(model::Mic::default, |mic| model::Mic {
        on: mic.is_on(),
        muted_by_self: mic.muted_by_self,
        muted_by_host: mic.muted_by_host,
    })
}

impl model::Room {
    /// A room as lists show it.
    pub fn of(room: domain::RoomId, head: &domain::Head, counts: domain::Counts) -> Self {
        Self {
            room_id: room.to_string(),
            subject: head.subject.as_str().to_owned(),
            created_at: head.created_at.0,
            host_uid: head.host.get(),
            host_name: head.host_name.as_str().to_owned(),
            member_count: counts.members,
            on_stage_count: counts.speakers + 1,
            member_limit: head.limits.members,
            seat_limit: head.limits.seats,
        }
    }
}

impl model::Invitation {
    /// An invitation as its person is shown it.
    pub fn of(invitation: &domain::Invitation) -> Self {
        Self { token: invitation.token.0.clone(), ..Self::without_token(invitation) }
    }

    /// An invitation as its host is shown it.
    pub fn without_token(invitation: &domain::Invitation) -> Self {
        Self {
            target_uid: invitation.target.get(),
            host_uid: invitation.host.get(),
            host_name: invitation.host_name.as_str().to_owned(),
            sent_at: invitation.sent_at.0,
            expires_at: invitation.expires_at.0,
            token: String::new(),
        }
    }
}

impl model::Ban {
    /// A ban as the host is shown it.
    pub fn of(uid: domain::Uid, ban: &domain::Ban) -> Self {
        Self {
            uid: uid.get(),
            reason: ban.reason.clone(),
            since: ban.since.0,
            until: ban.until.map_or(0, |until| until.0),
        }
    }
}

impl From<&domain::Event> for model::Event {
    fn from(event: &domain::Event) -> Self {
        Self { to: event.to.iter().map(|uid| uid.get()).collect(), kind: Some((&event.kind).into()) }
    }
}

impl From<&domain::EventKind> for Kind {
    fn from(kind: &domain::EventKind) -> Self {
        use domain::EventKind as E;
        match kind {
            E::RoomOpened { room, head } => Self::RoomOpened(model::RoomOpened {
                room: Some(model::Room::of(*room, head, domain::Counts { members: 1, speakers: 0 })),
            }),
            E::MemberJoined(member) => {
                Self::MemberJoined(model::MemberJoined { member: Some(member.into()) })
            }
            E::MemberLeft { member, reason } => Self::MemberLeft(model::MemberLeft {
                member: Some(member.into()),
                reason: model::LeaveReason::from(*reason).into(),
            }),
            E::MemberChanged { member, cause } => Self::MemberChanged(model::MemberChanged {
                member: Some(member.into()),
                cause: model::ChangeCause::from(*cause).into(),
            }),
            E::HandsLowered => Self::HandsLowered(model::HandsLowered {}),
            E::HostChanged { host, host_name, former } => Self::HostChanged(model::HostChanged {
                host_uid: host.get(),
                host_name: host_name.as_str().to_owned(),
                former_host_uid: former.get(),
            }),
            E::RoomClosed(reason) => {
                Self::RoomClosed(model::RoomClosed { reason: model::CloseReason::from(*reason).into() })
            }
            _ => invitation_kind(kind),
        }
    }
}

/// What is told of invitations, to those concerned.
fn invitation_kind(kind: &domain::EventKind) -> Kind {
    use domain::EventKind as E;
    match kind {
        E::InvitationSent { invitation, with_token } => Kind::InvitationSent(model::InvitationSent {
            invitation: Some(if *with_token {
                model::Invitation::of(invitation)
            } else {
                model::Invitation::without_token(invitation)
            }),
        }),
        E::InvitationDeclined { target, target_name } => {
            Kind::InvitationDeclined(model::InvitationDeclined {
                target_uid: target.get(),
                target_name: target_name.as_str().to_owned(),
            })
        }
        E::InvitationWithdrawn(target) => {
            Kind::InvitationWithdrawn(model::InvitationWithdrawn { target_uid: target.get() })
        }
        E::InvitationExpired(target) => {
            Kind::InvitationExpired(model::InvitationExpired { target_uid: target.get() })
        }
        _ => unreachable!("public kinds are converted by their own arms"),
    }
}

macro_rules! same_names {
    ($($from:path => $to:path { $($name:ident)* })*) => {
        $(impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value {
                    $(<$from>::$name => Self::$name,)*
                }
            }
        })*
    };
}

same_names! {
    domain::LeaveReason => model::LeaveReason { Left Removed Lost Replaced LoggedOut }
    domain::CloseReason => model::CloseReason { Closed HostLeft HostLost }
    domain::ChangeCause => model::ChangeCause {
        HandRaised HandLowered InvitationAccepted LeftStage TakenOffStage MicSwitched MutedByHost MuteLifted
        HostTransferred
    }
}

impl From<domain::Refusal> for model::Refusal {
    fn from(refusal: domain::Refusal) -> Self {
        use domain::Refusal as R;
        match refusal {
            R::NickNameInUse => Self::NickNameInUse,
            R::RoomNotFound => Self::RoomNotFound,
            R::NoRoomId => Self::NoRoomId,
            R::RoomFull => Self::RoomFull,
            R::AlreadyInRoom => Self::AlreadyInRoom,
            R::NotInRoom => Self::NotInRoom,
            R::TargetNotInRoom => Self::TargetNotInRoom,
            R::NotPermitted => Self::NotPermitted,
            R::Banned => Self::Banned,
            R::StageFull => Self::StageFull,
            R::AlreadyOnStage => Self::AlreadyOnStage,
            R::NotOnStage => Self::NotOnStage,
            R::MutedByHost => Self::MutedByHost,
            R::InvitationInvalid => Self::InvitationInvalid,
            R::Overtaken => Self::Conflict,
        }
    }
}
