//! What is generated: verbs with numbers, which a case in its course makes into deeds.

use proptest::{arbitrary::any, collection::vec, prelude::Strategy, sample::select};

use crate::house::Settings;

/// What somebody sets out to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb {
    Login,
    Logout,
    Heartbeat,
    Create,
    Join,
    Leave,
    Close,
    RaiseHand,
    LowerHand,
    LowerAllHands,
    Invite,
    Withdraw,
    Respond,
    LeaveStage,
    SetMic,
    MuteAll,
    Remove,
    Unban,
    Transfer,
    Members,
    Bans,
    Room,
    Rooms,
    /// Most say that they are there, then time passes.
    Pass,
    /// What has passed its deadline is looked for, and ended.
    Sweep,
    /// What was found once is ended later, or once more.
    Late,
    /// A request is sent again.
    Again,
}

/// How often each is drawn.
const WEIGHTS: [(Verb, usize); 27] = [
    (Verb::Join, 14),
    (Verb::Login, 2),
    (Verb::Logout, 1),
    (Verb::Heartbeat, 3),
    (Verb::Create, 5),
    (Verb::Leave, 3),
    (Verb::Close, 1),
    (Verb::RaiseHand, 8),
    (Verb::LowerHand, 4),
    (Verb::LowerAllHands, 2),
    (Verb::Invite, 11),
    (Verb::Withdraw, 3),
    (Verb::Respond, 18),
    (Verb::LeaveStage, 3),
    (Verb::SetMic, 10),
    (Verb::MuteAll, 3),
    (Verb::Remove, 4),
    (Verb::Unban, 3),
    (Verb::Transfer, 2),
    (Verb::Members, 5),
    (Verb::Bans, 2),
    (Verb::Room, 2),
    (Verb::Rooms, 2),
    (Verb::Pass, 4),
    (Verb::Sweep, 2),
    (Verb::Late, 1),
    (Verb::Again, 6),
];

/// A verb, and numbers that say who, where, whom and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) who: u8,
    pub(crate) place: u8,
    pub(crate) whom: u8,
    pub(crate) how: u8,
    pub(crate) once: u8,
}

/// What one case is: what the deployment sets, and what is done.
pub(crate) type Plot = (Settings, Vec<Command>);

/// Cases of so many commands.
pub(crate) fn plots(commands: usize) -> impl Strategy<Value = Plot> {
    let settings =
        (any::<bool>(), any::<bool>()).prop_map(|(promotes, rejects)| Settings { promotes, rejects });
    (settings, vec(command(), commands))
}

fn command() -> impl Strategy<Value = Command> {
    let verbs: Vec<Verb> =
        WEIGHTS.iter().flat_map(|(verb, often)| std::iter::repeat_n(*verb, *often)).collect();
    (select(verbs), any::<[u8; 5]>()).prop_map(|(verb, [who, place, whom, how, once])| Command {
        verb,
        who,
        place,
        whom,
        how,
        once,
    })
}
