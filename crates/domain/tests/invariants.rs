//! Any sequence of commands by any actors keeps the invariants of a room.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

#[path = "invariants/changes.rs"]
mod changes;

use std::{collections::BTreeMap, time::Duration};

use gochat_domain::{
    Change, ClientId, Counts, Entry, Event, EventKind, InvitationToken, LeaveReason, Limits, Loaded, Millis,
    NickName, Person, Place, Refusal, RoomId, Standing, Subject, Uid,
    rules::{
        BanTerms, Close, Create, Expire, ExpireInvitation, HostLoss, Invite, Join, Leave, LeaveStage,
        LowerAllHands, LowerHand, MuteAll, Newcomer, RaiseHand, RemoveMember, ReplaceHost, Respond, Rule,
        SecondClient, SetMic, TransferHost, Unban, WithdrawInvitation,
    },
};
use proptest::{prelude::*, sample::select};

const ACTORS: u32 = 5;
const LIMITS: Limits = Limits { members: 4, seats: 2 };
const INVITATION: Duration = Duration::from_millis(50);

/// A room held in memory, changed by nothing but changes.
struct World {
    now: Millis,
    head: Option<gochat_domain::Head>,
    people: BTreeMap<Uid, Person>,
    entries: u64,
}

impl World {
    fn new() -> Self {
        let people = (1..=ACTORS).map(|n| (uid(n), Person::default())).collect();
        Self { now: Millis(1_000), head: None, people, entries: 0 }
    }

    /// What a rule sees: the people it named, hands below the floor down.
    fn load(&self, rule: &dyn Rule) -> Loaded {
        let load = rule.load();
        let people = load.people.iter().map(|uid| (*uid, self.person(*uid))).collect();
        let stage =
            if load.stage { self.members().filter(|m| m.standing.mic().is_some()).collect() } else { vec![] };
        Loaded {
            room: RoomId::from_number(0),
            now: self.now,
            place: Place::default(),
            head: self.head.clone(),
            counts: self.counts(),
            people,
            stage,
        }
    }

    fn person(&self, uid: Uid) -> Person {
        let mut person = self.people[&uid].clone();
        let floor = self.head.as_ref().map_or(Millis(0), |head| head.hands_lowered_at);
        if let Some(member) = &mut person.member
            && member.standing.hand_raised_at().is_some_and(|raised| raised <= floor)
        {
            member.standing = Standing::LISTENER;
        }
        person
    }

    fn members(&self) -> impl Iterator<Item = gochat_domain::Member> + '_ {
        self.people.keys().filter_map(|uid| self.person(*uid).member)
    }

    fn counts(&self) -> Counts {
        let speakers = self.members().filter(|member| member.standing.is_guest_speaker()).count() as u32;
        Counts { members: self.members().count() as u32, speakers }
    }

    fn apply(&mut self, change: Change) {
        if let Some(head) = change.head {
            self.head = Some(head);
        }
        for (uid, member) in change.members {
            self.people.get_mut(&uid).unwrap().member = member;
        }
        for (uid, ban) in change.bans {
            self.people.get_mut(&uid).unwrap().ban = ban;
        }
        for (uid, invitation) in change.invitations {
            self.people.get_mut(&uid).unwrap().invitation = invitation;
        }
    }

    fn check(&self) {
        let Some(head) = self.head.as_ref().filter(|head| !head.closed) else {
            return;
        };
        let hosts: Vec<Uid> =
            self.members().filter(|m| matches!(m.standing, Standing::Host { .. })).map(|m| m.uid).collect();
        assert_eq!(hosts, [head.host], "one host while open");
        assert!(self.counts().speakers <= head.limits.seats, "speakers within seats");
        assert!(self.counts().members <= head.limits.members, "members within places");
        for (uid, person) in &self.people {
            if let Some(invitation) = &person.invitation {
                assert_eq!(invitation.target, *uid, "an invitation is recorded with its person");
                let member = person.member.as_ref().expect("an invitation ends with its person's stay");
                assert!(member.standing.mic().is_none(), "nobody on stage is invited there");
            }
            let banned = person.ban.as_ref().is_some_and(|ban| ban.holds(self.now));
            assert!(!banned || person.member.is_none(), "nobody banned is in");
        }
    }
}

fn uid(n: u32) -> Uid {
    Uid::try_from(n).unwrap()
}

fn token(n: u32) -> InvitationToken {
    InvitationToken(format!("token-{n}"))
}

fn expire(uid: Uid, entry: Entry, deadline: Millis, promote: bool) -> Expire {
    let host_loss = if promote { HostLoss::Promote } else { HostLoss::Close };
    Expire { uid, entry, deadline, host_loss }
}

fn join(newcomer: Newcomer) -> Join {
    Join { newcomer, second_client: SecondClient::TakeOver }
}

fn newcomer(caller: u32, client: u32, entry: u64) -> Newcomer {
    Newcomer {
        uid: uid(caller),
        nick_name: NickName::parse(&format!("user {caller}")).unwrap(),
        avatar: String::new(),
        client: ClientId::parse(&format!("{client}")).unwrap(),
        entry: Entry(entry),
    }
}

#[derive(Clone, Debug)]
struct Command {
    name: &'static str,
    caller: u32,
    target: u32,
    flag: bool,
    wait: i64,
}

const COMMANDS: [&str; 18] = [
    "create",
    "join",
    "join",
    "join",
    "leave",
    "close",
    "expire",
    "raise",
    "lower",
    "lower all",
    "invite",
    "invite",
    "withdraw",
    "respond",
    "leave stage",
    "set mic",
    "mute all",
    "moderate",
];

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let actor = || 1..=ACTORS;
    let command = (select(&COMMANDS[..]), actor(), actor(), any::<bool>(), 0..20i64)
        .prop_map(|(name, caller, target, flag, wait)| Command { name, caller, target, flag, wait });
    prop::collection::vec(command, 1..120)
}

fn rule(command: &Command, world: &mut World) -> Box<dyn Rule> {
    world.entries += 1;
    let (caller, target, on) = (uid(command.caller), uid(command.target), command.flag);
    let member = world.people[&target].member.clone();
    match command.name {
        "create" => Box::new(Create {
            host: newcomer(command.caller, 0, world.entries),
            subject: Subject::parse("proof").unwrap(),
            limits: LIMITS,
            created_at: world.now,
        }),
        "join" => Box::new(Join {
            newcomer: newcomer(command.caller, u32::from(on), world.entries),
            second_client: if command.wait % 4 == 0 { SecondClient::Reject } else { SecondClient::TakeOver },
        }),
        "leave" => {
            let reason = if on { LeaveReason::LoggedOut } else { LeaveReason::Left };
            Box::new(Leave { uid: caller, entry: None, reason })
        }
        "close" => Box::new(Close { caller }),
        "expire" => match member {
            Some(member) if on => {
                Box::new(ReplaceHost { uid: target, entry: member.entry, deadline: world.now })
            }
            Some(member) => Box::new(expire(target, member.entry, world.now, command.wait % 2 == 0)),
            None => Box::new(ExpireInvitation { target, deadline: world.now }),
        },
        "raise" => Box::new(RaiseHand { caller }),
        "lower" => Box::new(LowerHand { caller, target }),
        "lower all" => Box::new(LowerAllHands { caller }),
        "invite" => Box::new(Invite { caller, target, token: token(command.target), lifetime: INVITATION }),
        "withdraw" if on => Box::new(WithdrawInvitation { caller, target }),
        "withdraw" => Box::new(ExpireInvitation { target, deadline: world.now }),
        "respond" => Box::new(Respond { caller, token: token(command.caller), accept: on }),
        "leave stage" => Box::new(LeaveStage { caller, target }),
        "set mic" => Box::new(SetMic { caller, target, on }),
        "mute all" => Box::new(MuteAll { caller }),
        _ => match command.wait % 3 {
            0 => Box::new(TransferHost { caller, target }),
            1 => Box::new(Unban { caller, target }),
            _ => {
                let ban = on.then(|| BanTerms { duration: Some(INVITATION), reason: String::new() });
                Box::new(RemoveMember { caller, target, ban })
            }
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_invariants(from_full_stage in any::<bool>(), commands in commands()) {
        let mut world = if from_full_stage { full_stage() } else { World::new() };
        for command in commands {
            world.now = Millis(world.now.0 + command.wait);
            let rule = rule(&command, &mut world);
            let loaded = world.load(&*rule);
            let Ok(change) = rule.decide(&loaded) else { continue };
            changes::check(&*rule, &loaded, &change);
            world.apply(change);
            world.check();
        }
    }
}

fn decide(world: &mut World, rule: impl Rule) -> Result<(), Refusal> {
    let change = rule.decide(&world.load(&rule))?;
    world.apply(change);
    world.check();
    Ok(())
}

fn opened() -> World {
    let mut world = World::new();
    let create = Create {
        host: newcomer(1, 0, 1),
        subject: Subject::parse("talk").unwrap(),
        limits: LIMITS,
        created_at: Millis(1),
    };
    decide(&mut world, create).unwrap();
    for n in 2..=3 {
        decide(&mut world, join(newcomer(n, 0, u64::from(n)))).unwrap();
    }
    world
}

fn invite(target: u32) -> Invite {
    Invite { caller: uid(1), target: uid(target), token: token(target), lifetime: INVITATION }
}

fn respond(caller: u32) -> Respond {
    Respond { caller: uid(caller), token: token(caller), accept: true }
}

/// Every seat is taken, the higher uid's first.
fn full_stage() -> World {
    let mut world = opened();
    for n in [3, 2] {
        decide(&mut world, invite(n)).unwrap();
        decide(&mut world, respond(n)).unwrap();
        world.now = Millis(world.now.0 + 1);
    }
    world
}

#[test]
fn an_invitation_is_good_for_one_answer_in_time_from_its_host() {
    let mut world = opened();
    decide(&mut world, invite(2)).unwrap();
    decide(&mut world, respond(2)).unwrap();
    assert_eq!(decide(&mut world, respond(2)), Err(Refusal::InvitationInvalid), "answered");

    decide(&mut world, invite(3)).unwrap();
    world.now = world.now + INVITATION;
    assert_eq!(decide(&mut world, respond(3)), Err(Refusal::InvitationInvalid), "expired");

    decide(&mut world, invite(3)).unwrap();
    decide(&mut world, TransferHost { caller: uid(1), target: uid(2) }).unwrap();
    assert_eq!(decide(&mut world, respond(3)), Err(Refusal::InvitationInvalid), "its host is host no more");
    decide(&mut world, TransferHost { caller: uid(2), target: uid(1) }).unwrap();
    assert_eq!(decide(&mut world, respond(3)), Err(Refusal::InvitationInvalid), "nor has been since");
}

#[test]
fn a_mute_by_the_host_binds_and_lifting_it_leaves_the_microphone_off() {
    let mut world = opened();
    decide(&mut world, invite(2)).unwrap();
    decide(&mut world, respond(2)).unwrap();
    let set = |caller, on| SetMic { caller: uid(caller), target: uid(2), on };
    assert_eq!(decide(&mut world, set(1, true)), Err(Refusal::NotPermitted), "nobody switches on another's");
    decide(&mut world, set(1, false)).unwrap();
    assert_eq!(decide(&mut world, set(2, true)), Err(Refusal::MutedByHost));
    decide(&mut world, set(1, true)).unwrap();
    let mic = world.person(uid(2)).member.unwrap().standing.mic().unwrap();
    assert!(!mic.is_on() && !mic.muted_by_host);
    decide(&mut world, set(2, true)).unwrap();
    assert!(world.person(uid(2)).member.unwrap().standing.mic().unwrap().is_on());
}

#[test]
fn hands_go_down_together_and_up_again() {
    let mut world = opened();
    decide(&mut world, RaiseHand { caller: uid(2) }).unwrap();
    decide(&mut world, LowerAllHands { caller: uid(1) }).unwrap();
    assert_eq!(world.person(uid(2)).member.unwrap().standing, Standing::LISTENER);
    decide(&mut world, RaiseHand { caller: uid(2) }).unwrap();
    assert!(
        world.person(uid(2)).member.unwrap().standing.hand_raised_at().is_some(),
        "in the same millisecond"
    );
    decide(&mut world, LowerAllHands { caller: uid(1) }).unwrap();
    assert_eq!(world.person(uid(2)).member.unwrap().standing, Standing::LISTENER);
}

#[test]
fn an_earlier_entry_neither_displaces_nor_removes_a_later_one() {
    let mut world = opened();
    decide(&mut world, join(newcomer(4, 0, 9))).unwrap();
    assert_eq!(decide(&mut world, join(newcomer(4, 1, 8))), Err(Refusal::Overtaken));
    decide(&mut world, Leave { uid: uid(4), entry: Some(Entry(8)), reason: LeaveReason::Left }).unwrap();
    assert!(world.person(uid(4)).member.is_some());
    decide(&mut world, expire(uid(4), Entry(8), Millis(0), false)).unwrap();
    assert!(world.person(uid(4)).member.is_some());
    decide(&mut world, Leave { uid: uid(4), entry: Some(Entry(9)), reason: LeaveReason::Left }).unwrap();
    assert!(world.person(uid(4)).member.is_none());
}

#[test]
fn the_others_are_told_why_somebody_left() {
    for reason in [LeaveReason::Left, LeaveReason::LoggedOut] {
        let world = opened();
        let member = world.person(uid(2)).member.unwrap();
        let rule = Leave { uid: uid(2), entry: None, reason };
        let change = rule.decide(&world.load(&rule)).unwrap();
        assert_eq!(change.events, [Event::public(EventKind::MemberLeft { member, reason })]);
    }
}
