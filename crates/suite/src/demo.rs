//! A demonstration: a host and two listeners go through the six flows of the guide against a running suite.

mod cast;
mod words;

use std::io::Write;

use anyhow::{Context, Result, ensure};
use gochat_client::{
    ChangeCause, Client, Endpoints, GoodbyeReason, Kind, Member, MemberList, Page, Role, Update,
};

use self::cast::Cast;

const HOST: usize = 0;
const LEA: usize = 1;
const LEO: usize = 2;
const ALL: [usize; 3] = [HOST, LEA, LEO];

/// Where the suite that is shown runs.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// The host that the five services run on, at their default ports.
    #[arg(long, default_value = "http://127.0.0.1")]
    pub url: String,
    /// The account service, where it is elsewhere.
    #[arg(long, env = "GOCHAT_ACCOUNT_URL")]
    pub account_url: Option<String>,
    /// The room service, where it is elsewhere.
    #[arg(long, env = "GOCHAT_ROOM_URL")]
    pub room_url: Option<String>,
    /// The stage service, where it is elsewhere.
    #[arg(long, env = "GOCHAT_STAGE_URL")]
    pub stage_url: Option<String>,
    /// The notifier, where it is elsewhere.
    #[arg(long, env = "GOCHAT_NOTIFIER_URL")]
    pub notifier_url: Option<String>,
}

impl DemoArgs {
    /// The addresses that the arguments name.
    pub fn endpoints(&self) -> Endpoints {
        let at = Endpoints::at(&self.url);
        Endpoints {
            account: self.account_url.clone().unwrap_or(at.account),
            room: self.room_url.clone().unwrap_or(at.room),
            stage: self.stage_url.clone().unwrap_or(at.stage),
            notifier: self.notifier_url.clone().unwrap_or(at.notifier),
            media: at.media,
        }
    }

    /// Shows it on standard output: in colour on a terminal, unless `NO_COLOR` is set.
    pub async fn run(&self) -> Result<()> {
        demo(&self.endpoints(), &mut anstream::stdout()).await
    }
}

/// Goes through the six flows, waits for every event that they should bring about,
/// and writes each call and each event to `out` (with ANSI colours, which a writer
/// of `anstream` takes out where they don't belong). Fails at the first step that did
/// not come about, or if all takes longer than a minute.
pub async fn demo(endpoints: &Endpoints, out: &mut (dyn Write + Send)) -> Result<()> {
    let client = Client::connect(endpoints)?;
    let mut cast = Cast::new(out);
    let played = play(&client, endpoints, &mut cast).await;
    if played.is_err() {
        cast.go_home().await;
    }
    played
}

async fn play(client: &Client, endpoints: &Endpoints, cast: &mut Cast<'_>) -> Result<()> {
    let room = opens(client, endpoints, cast).await?;
    let room = room.as_str();
    listeners_join(client, room, cast).await?;
    asks_to_speak(room, cast).await?;
    is_asked_to_speak(room, cast).await?;
    stops_speaking(room, cast).await?;
    is_muted(room, cast).await?;
    ends(room, cast).await?;
    cast.check_who_saw_what()?;
    cast.say("all six flows came about, and nobody saw what was not for them")
}

/// Flow 2.1 of the guide. Gives the room's id.
async fn opens(client: &Client, endpoints: &Endpoints, cast: &mut Cast<'_>) -> Result<String> {
    cast.flow("1  the host logs in and opens a room")?;
    cast.enter(client, "host")
        .await
        .with_context(|| format!("log in at {}; does the suite run?", endpoints.account))?;
    let host = cast.session(HOST)?;
    let entered = cast.call(HOST, "create_room \"the demo\"", host.create_room("the demo")).await?;
    let room = entered.room.room_id;
    cast.say(&format!("the room is {room}"))?;
    let member = &entered.member;
    ensure!(
        member.role() == Role::Host && member.on_stage_at != 0 && mic_on(member),
        "the host of a new room should be on stage with the microphone on, but is {member:?}"
    );
    cast.subscribe(HOST, host.subscribe(&room).min(entered.place)).await?;
    Ok(room)
}

/// Flow 2.2.
async fn listeners_join(client: &Client, room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("2  two listeners find the room and join it")?;
    for (who, name, present) in [(LEA, "lea", &[HOST][..]), (LEO, "leo", &[HOST, LEA][..])] {
        cast.enter(client, name).await?;
        let listener = cast.session(who)?;
        cast.find_room(who, room).await?;
        let entered = cast.call(who, &format!("join_room {room}"), listener.join_room(room)).await?;
        cast.subscribe(who, listener.subscribe(room).min(entered.place)).await?;
        let uid = listener.uid();
        cast.see(present, &format!("that {} joined", listener.nick_name()), |update| {
            matches!(kind(update), Some(Kind::MemberJoined(joined))
                if joined.member.as_ref().is_some_and(|member| member.uid == uid))
        })
        .await?;
        let list = listener.members(room, MemberList::All, Page::default());
        let members = cast.call(who, "list_members", list).await?.members;
        cast.say(&format!("{} are in the room: {}", members.len(), words::names(&members)))?;
        ensure!(members.len() == present.len() + 1, "somebody is missing in the list of members");
        ensure!(members[0].role() == Role::Host, "the list of members should begin with the host");
    }
    Ok(())
}

/// Flow 2.3, once accepted and once declined.
async fn asks_to_speak(room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("3  listeners raise their hands and are invited: one accepts, one declines")?;
    raise_hand(room, cast, LEA).await?;
    let invitation = invite(room, cast, LEA).await?;
    accept(room, cast, LEA, &invitation).await?;

    raise_hand(room, cast, LEO).await?;
    let invitation = invite(room, cast, LEO).await?;
    let leo = cast.session(LEO)?;
    cast.call(LEO, "respond_to_invitation decline", leo.respond(room, &invitation, false)).await?;
    cast.see(&[HOST], "that the invitation was declined", |update| {
        matches!(kind(update), Some(Kind::InvitationDeclined(declined)) if declined.target_uid == leo.uid())
    })
    .await?;
    cast.call(LEO, "lower_hand", leo.lower_hand(room)).await?;
    let lowered = cast.see_change(leo.uid(), ChangeCause::HandLowered).await?;
    ensure!(lowered.hand_raised_at == 0, "a lowered hand should have no time, but is {lowered:?}");
    Ok(())
}

/// Flow 2.4.
async fn is_asked_to_speak(room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("4  the host invites a listener who didn't ask")?;
    let invitation = invite(room, cast, LEO).await?;
    accept(room, cast, LEO, &invitation).await
}

/// Flow 2.5, by the host and by the guest.
async fn stops_speaking(room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("5  the host makes one guest speaker a listener again, another steps down")?;
    let (host, lea, leo) = (cast.session(HOST)?, cast.session(LEA)?, cast.session(LEO)?);
    let what = format!("leave_stage {}", lea.nick_name());
    cast.call(HOST, &what, host.take_off_stage(room, lea.uid())).await?;
    is_listener(&cast.see_change(lea.uid(), ChangeCause::TakenOffStage).await?)?;
    cast.call(LEO, "leave_stage", leo.leave_stage(room)).await?;
    is_listener(&cast.see_change(leo.uid(), ChangeCause::LeftStage).await?)
}

/// Flow 2.6.
async fn is_muted(room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("6  the host mutes a guest speaker; the guest has a switch of its own")?;
    let (host, lea) = (cast.session(HOST)?, cast.session(LEA)?);
    let (uid, name) = (lea.uid(), lea.nick_name());
    let invitation = invite(room, cast, LEA).await?;
    accept(room, cast, LEA, &invitation).await?;

    cast.call(HOST, &format!("set_mic {name} off"), host.set_mic_of(room, uid, false)).await?;
    let muted = cast.see_change(uid, ChangeCause::MutedByHost).await?;
    ensure!(!mic_on(&muted) && muted.on_stage_at != 0, "{name} should be on stage, muted, but is {muted:?}");

    cast.call(HOST, &format!("set_mic {name} on (lifts the mute)"), host.set_mic_of(room, uid, true)).await?;
    let free = cast.see_change(uid, ChangeCause::MuteLifted).await?;
    ensure!(!mic_on(&free), "{name}'s microphone should stay off until its owner switches it on");

    for (on, what) in [(true, "set_mic on"), (false, "set_mic off")] {
        cast.call(LEA, what, lea.set_mic(room, on)).await?;
        let switched = cast.see_change(uid, ChangeCause::MicSwitched).await?;
        ensure!(
            mic_on(&switched) == on,
            "{name}'s microphone should be as it was switched, not {switched:?}"
        );
    }
    Ok(())
}

async fn ends(room: &str, cast: &mut Cast<'_>) -> Result<()> {
    cast.flow("   the host closes the room, and all go home")?;
    let host = cast.session(HOST)?;
    cast.call(HOST, "close_room", host.close_room(room)).await?;
    cast.see(&ALL, "that the room is closed", |update| matches!(kind(update), Some(Kind::RoomClosed(_))))
        .await?;
    cast.see(&ALL, "the end of the stream", |update| *update == Update::Ended(GoodbyeReason::RoomClosed))
        .await?;
    for who in ALL {
        let session = cast.session(who)?;
        cast.call(who, "logout", session.logout()).await?;
    }
    Ok(())
}

async fn raise_hand(room: &str, cast: &mut Cast<'_>, who: usize) -> Result<()> {
    let listener = cast.session(who)?;
    cast.call(who, "raise_hand", listener.raise_hand(room)).await?;
    let raised = cast.see_change(listener.uid(), ChangeCause::HandRaised).await?;
    ensure!(raised.hand_raised_at != 0, "a raised hand should have its time, but is {raised:?}");
    Ok(())
}

/// Gives the token of the invitation, as the person invited was sent it.
async fn invite(room: &str, cast: &mut Cast<'_>, who: usize) -> Result<String> {
    let (host, listener) = (cast.session(HOST)?, cast.session(who)?);
    let uid = listener.uid();
    let what = format!("invite {}", listener.nick_name());
    cast.call(HOST, &what, host.invite(room, uid)).await?;
    let seen = cast
        .see(&[who], "the invitation", |update| {
            matches!(kind(update), Some(Kind::InvitationSent(sent))
                if sent.invitation.as_ref().is_some_and(|invitation| invitation.target_uid == uid))
        })
        .await?;
    let token = seen.iter().find_map(|update| match kind(update) {
        Some(Kind::InvitationSent(sent)) => {
            sent.invitation.as_ref().map(|invitation| invitation.token.clone())
        }
        _ => None,
    });
    token.filter(|token| !token.is_empty()).context("the invitation came without its token")
}

async fn accept(room: &str, cast: &mut Cast<'_>, who: usize, invitation: &str) -> Result<()> {
    let listener = cast.session(who)?;
    cast.call(who, "respond_to_invitation accept", listener.respond(room, invitation, true)).await?;
    let guest = cast.see_change(listener.uid(), ChangeCause::InvitationAccepted).await?;
    ensure!(
        guest.role() == Role::GuestSpeaker
            && guest.on_stage_at != 0
            && mic_on(&guest)
            && guest.hand_raised_at == 0,
        "who accepted should be on stage, microphone on, hand down, but is {guest:?}"
    );
    Ok(())
}

fn is_listener(member: &Member) -> Result<()> {
    ensure!(
        member.role() == Role::Listener && member.on_stage_at == 0 && !mic_on(member),
        "who left the stage should be a listener, microphone off, but is {member:?}"
    );
    Ok(())
}

fn mic_on(member: &Member) -> bool {
    member.mic.is_some_and(|mic| mic.on)
}

fn kind(update: &Update) -> Option<&Kind> {
    match update {
        Update::Event { event, .. } => Some(event),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_suite_it_says_so() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let account = format!("http://{free}");
        let endpoints = Endpoints { account: account.clone(), ..Endpoints::default() };
        let mut out = Vec::new();
        let error = demo(&endpoints, &mut out).await.unwrap_err();
        assert_eq!(error.to_string(), format!("log in at {account}; does the suite run?"));
        assert!(String::from_utf8(out).unwrap().contains("login"));
    }

    #[test]
    fn each_service_may_be_elsewhere() {
        let args = DemoArgs {
            url: "http://suite".into(),
            account_url: None,
            room_url: None,
            stage_url: Some("http://stage:1".into()),
            notifier_url: None,
        };
        let endpoints = Endpoints { stage: "http://stage:1".into(), ..Endpoints::at("http://suite") };
        assert_eq!(args.endpoints(), endpoints);
    }
}
