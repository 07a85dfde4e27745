//! One case: a plot is played on the store and in the model at once, deed by deed.

use gochat_domain::{Millis, rules::Due};
use gochat_rig::checker;
use gochat_store::DueEntry;

use crate::{
    act::{Act, Chance, Deed, Ended},
    agree,
    casting::{Casting, Memory, nick},
    command::{Command, Plot, Verb},
    house::House,
    real::{Real, Stage, Trouble},
    shrink::Failure,
    tally::Tally,
};

/// After so many deeds all state is compared, and at the end.
const COMPARED: usize = 20;

/// Why a case is not passed.
#[derive(Debug)]
enum Why {
    /// Store and model don't agree: on what.
    Disagree(String),
    /// The machine was too busy.
    Away(String),
}

impl From<Trouble> for Why {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(told) => Self::Away(told),
            Trouble::Fault(told) => Self::Disagree(told),
        }
    }
}

struct Case<'a> {
    real: Real,
    house: House,
    memory: Memory,
    compared: usize,
    tally: &'a mut Tally,
    trace: &'a mut Vec<String>,
}

/// What became of a case.
pub(crate) enum Played {
    Passed,
    Failed(Failure),
    /// The machine was too busy.
    Away(String),
}

/// Plays a plot to its end, or to where the two disagree.
pub(crate) async fn play(stage: &Stage, plot: &Plot, tally: &mut Tally) -> Played {
    let mut trace = Vec::new();
    let mut at = 0;
    match played(stage, plot, tally, &mut trace, &mut at).await {
        Ok(()) => Played::Passed,
        Err(Why::Away(told)) => Played::Away(told),
        Err(Why::Disagree(told)) => {
            Played::Failed(Failure { at, told: format!("{}\n{told}", trace.join("\n")) })
        }
    }
}

async fn played(
    stage: &Stage,
    (settings, commands): &Plot,
    tally: &mut Tally,
    trace: &mut Vec<String>,
    at: &mut usize,
) -> Result<(), Why> {
    let real = Real::begin(stage, *settings).await?;
    let uids = real.uids();
    trace.push(format!("{settings:?}; {}", agree::cast(&uids)));
    let house = House::new(*settings, &uids);
    let mut case = Case { real, house, memory: Memory::default(), compared: 0, tally, trace };
    case.begin().await?;
    for (number, command) in commands.iter().enumerate() {
        *at = number;
        case.command(*command).await?;
    }
    case.end().await
}

impl Case<'_> {
    /// The model is told that everybody has logged in.
    async fn begin(&mut self) -> Result<(), Why> {
        for who in 0..self.house.users.len() {
            let before = self.real.time().await?;
            let deed = Deed { by: who, act: Act::Login { nick: nick(who) }, once: None };
            let chance = Chance { before, after: before, ..Chance::default() };
            self.house.answer(&deed, chance).map_err(|refusal| Why::Disagree(format!("{refusal:?}")))?;
        }
        Ok(())
    }

    async fn command(&mut self, command: Command) -> Result<(), Why> {
        for deed in Casting::deeds(&self.house, &mut self.memory, command) {
            self.deed(&deed).await?;
        }
        let sweeps = command.verb == Verb::Sweep || (command.verb == Verb::Pass && command.once < 180);
        if sweeps {
            self.sweep(command).await?;
        }
        let compares = self.trace.len() / COMPARED > self.compared;
        if compares {
            self.compared = self.trace.len() / COMPARED;
            self.compare().await?;
        }
        Ok(())
    }

    /// What is due is ended, and what is left of forgotten rooms dropped. Then all state is
    /// compared, and the checker explains every key.
    async fn end(&mut self) -> Result<(), Why> {
        self.compare().await?;
        let ended = self.ended().await?;
        self.expire(ended).await?;
        let gone = self.house.rooms.iter().filter(|room| room.gone);
        let left = gone.flat_map(|room| room.due.iter().map(|(due, at)| (room.id, *due, Millis(*at))));
        let left = left.map(|(room, due, deadline)| Ended(DueEntry { room, due, deadline })).collect();
        self.expire(left).await?;
        self.compare().await?;
        let objections = checker::objections(&self.real.store, &self.real.raw).await;
        if objections.is_empty() { Ok(()) } else { Err(Why::Disagree(objections.join("\n"))) }
    }

    async fn deed(&mut self, deed: &Deed) -> Result<(), Why> {
        let performed = self.real.perform(deed).await;
        let (answered, chance) = match performed {
            Ok(performed) => performed,
            Err(trouble) => {
                self.trace.push(format!("{deed:?}"));
                return Err(trouble.into());
            }
        };
        let told = match &answered {
            Ok(_) => "ok".to_owned(),
            Err(refusal) => format!("{refusal:?}"),
        };
        self.trace.push(format!("{deed:?} → {told}"));
        let (commits, bounds) = agree::parts(&chance);
        let expected = self.house.answer(deed, chance);
        self.tally.count(deed, &answered, &commits);
        if let Act::Pass { ms } = deed.act {
            self.memory.ended.iter_mut().for_each(|ended| ended.0.deadline.0 -= ms);
        }
        agree::on_deed(&answered, &expected, &commits, bounds, &self.house).map_err(Why::Disagree)
    }

    /// Looks for what has passed its deadline, and ends all of it, or for once nothing.
    async fn sweep(&mut self, command: Command) -> Result<(), Why> {
        let mut ended = self.ended().await?;
        // Replicas end what they find in any order; here it is the command's to choose.
        ended.sort_by_key(|ended| self.order(ended));
        let turn = usize::from(command.whom) % ended.len().max(1);
        ended.rotate_left(turn);
        self.memory.ended.clone_from(&ended);
        match command.how % 8 {
            0 | 1 => Ok(()),
            2 | 3 => self.expire_late(ended).await,
            _ => self.expire(ended).await,
        }
    }

    /// What has passed its deadline.
    async fn ended(&mut self) -> Result<Vec<Ended>, Why> {
        let due = self.real.sweep().await?;
        let now = self.real.time().await?;
        agree::on_ended(&due, &mut self.house, now).map_err(Why::Disagree)?;
        Ok(due.into_iter().map(Ended).collect())
    }

    /// Half of those whose leases were found to have ended come back before these are ended.
    async fn expire_late(&mut self, ended: Vec<Ended>) -> Result<(), Why> {
        for entry in ended.iter().step_by(2) {
            let (_, by, is_lease) = self.order(entry);
            if is_lease {
                self.deed(&Deed { by, act: Act::Heartbeat { room: None }, once: None }).await?;
            }
        }
        self.expire(ended).await
    }

    /// Sorts deadlines without regard to what is chance's.
    fn order(&self, Ended(entry): &Ended) -> (usize, usize, bool) {
        let (uid, is_lease) = match entry.due {
            Due::Lease(uid, _) => (uid, true),
            Due::Invitation(uid) => (uid, false),
        };
        let room = self.house.rooms.iter().position(|room| room.id == entry.room);
        let who = self.house.users.iter().position(|user| user.uid == uid);
        (room.unwrap_or_default(), who.unwrap_or_default(), is_lease)
    }

    async fn expire(&mut self, ended: Vec<Ended>) -> Result<(), Why> {
        for entry in ended {
            self.deed(&Deed { by: 0, act: Act::Expire { entry }, once: None }).await?;
        }
        Ok(())
    }

    async fn compare(&mut self) -> Result<(), Why> {
        agree::on_state(&mut self.real, &mut self.house).await?.map_err(Why::Disagree)
    }
}
