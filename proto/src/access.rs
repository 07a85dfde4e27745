//! Who may call what: one row for each RPC of the contract. What is not here is refused.

/// The callers that an RPC is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, with or without a token.
    Anybody,
    /// A logged-in user, or a service that acts for one.
    User,
    /// As `User`; also a service on its own behalf, which looks on.
    UserOrService,
    /// A service on its own behalf.
    Service,
    /// As `Service`, if its line in the file of service tokens has this right: it has power over users.
    ServiceWith(&'static str),
}

const TABLE: &[(&str, Access)] = &[
    ("/gochat.account.v1.AccountService/Login", Access::Anybody),
    ("/gochat.account.v1.AccountService/Logout", Access::User),
    ("/gochat.account.v1.AccountService/RevokeSessions", Access::ServiceWith("revoke-sessions")),
    ("/gochat.account.v1.AccountService/Heartbeat", Access::User),
    ("/gochat.account.v1.AccountService/Stamp", Access::Service),
    ("/gochat.account.v1.AccountService/GetMediaToken", Access::User),
    ("/gochat.room.v1.RoomService/CreateRoom", Access::User),
    ("/gochat.room.v1.RoomService/GetRoom", Access::UserOrService),
    ("/gochat.room.v1.RoomService/ListRooms", Access::UserOrService),
    ("/gochat.room.v1.RoomService/JoinRoom", Access::User),
    ("/gochat.room.v1.RoomService/LeaveRoom", Access::User),
    ("/gochat.room.v1.RoomService/CloseRoom", Access::User),
    ("/gochat.room.v1.RoomService/ListMembers", Access::UserOrService),
    ("/gochat.room.v1.RoomService/RemoveMember", Access::User),
    ("/gochat.room.v1.RoomService/Unban", Access::User),
    ("/gochat.room.v1.RoomService/ListBans", Access::UserOrService),
    ("/gochat.room.v1.RoomService/TransferHost", Access::User),
    ("/gochat.stage.v1.StageService/RaiseHand", Access::User),
    ("/gochat.stage.v1.StageService/LowerHand", Access::User),
    ("/gochat.stage.v1.StageService/LowerAllHands", Access::User),
    ("/gochat.stage.v1.StageService/Invite", Access::User),
    ("/gochat.stage.v1.StageService/WithdrawInvitation", Access::User),
    ("/gochat.stage.v1.StageService/RespondToInvitation", Access::User),
    ("/gochat.stage.v1.StageService/LeaveStage", Access::User),
    ("/gochat.stage.v1.StageService/SetMic", Access::User),
    ("/gochat.stage.v1.StageService/MuteAll", Access::User),
    ("/gochat.notifier.v1.NotifierService/Subscribe", Access::UserOrService),
    ("/gochat.media.v1.MediaService/CreateSession", Access::User),
    ("/gochat.media.v1.MediaService/EndSession", Access::User),
    ("/gochat.media.v1.MediaService/GetRoomMedia", Access::UserOrService),
    ("/gochat.media.v1.MediaService/WatchSpeakers", Access::UserOrService),
    ("/grpc.health.v1.Health/Check", Access::Anybody),
    ("/grpc.health.v1.Health/Watch", Access::Anybody),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Anybody),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Anybody),
];

/// The row of an RPC, named by its HTTP/2 path; `None` for one that nobody may call.
pub fn access(path: &str) -> Option<Access> {
    TABLE.iter().find(|(rpc, _)| *rpc == path).map(|(_, access)| *access)
}

/// Whether a caller may call an RPC: one that is, or acts for, a user (`as_user`),
/// or one that is a service with nobody behind it (`as_service`), and has these rights. Neither is nobody.
pub fn may_call(path: &str, as_user: bool, as_service: Option<&[&str]>) -> bool {
    match access(path) {
        Some(Access::Anybody) => true,
        Some(Access::User) => as_user,
        Some(Access::UserOrService) => as_user || as_service.is_some(),
        Some(Access::Service) => as_service.is_some(),
        Some(Access::ServiceWith(right)) => as_service.is_some_and(|rights| rights.contains(&right)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every RPC of the contract has a row, and every row of ours an RPC.
    #[test]
    fn table_and_contract_agree() {
        let set = <prost_types::FileDescriptorSet as prost::Message>::decode(crate::DESCRIPTORS).unwrap();
        let rpcs: BTreeSet<String> = set
            .file
            .iter()
            .flat_map(|file| {
                file.service.iter().flat_map(move |service| {
                    service
                        .method
                        .iter()
                        .map(move |rpc| format!("/{}.{}/{}", file.package(), service.name(), rpc.name()))
                })
            })
            .collect();
        let rows: BTreeSet<String> = TABLE
            .iter()
            .map(|(rpc, _)| (*rpc).to_owned())
            .filter(|rpc| rpc.starts_with("/gochat."))
            .collect();
        assert_eq!(rpcs, rows);
    }
}
