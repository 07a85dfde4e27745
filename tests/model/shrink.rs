//! From a case that fails to one as short as can be found that fails as well.

use crate::command::{Command, Plot};

/// How often a shorter case is tried.
const TRIES: usize = 600;

/// Where a case fails: at which command, and with what trace.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) at: usize,
    pub(crate) told: String,
}

/// Takes commands out, the half of them at first and one at the last, as long as what is left
/// still fails. Nothing that comes after the failure is needed.
pub(crate) fn shrink(
    (settings, mut commands): Plot,
    mut failure: Failure,
    fails: impl Fn(&Plot) -> Option<Failure>,
) -> Failure {
    commands.truncate(failure.at + 1);
    let mut tries = 0;
    let mut size = commands.len() / 2;
    while size > 0 && tries < TRIES {
        let (mut from, mut shorter) = (0, false);
        while from < commands.len() && tries < TRIES {
            let kept: Vec<Command> = without(&commands, from, size);
            tries += 1;
            match fails(&(settings, kept.clone())) {
                Some(found) => {
                    commands = kept;
                    commands.truncate(found.at + 1);
                    (failure, shorter) = (found, true);
                }
                None => from += size,
            }
        }
        if size > 1 {
            size /= 2;
        } else if !shorter {
            break;
        }
    }
    failure
}

fn without(commands: &[Command], from: usize, size: usize) -> Vec<Command> {
    let taken = from..from + size;
    let kept = commands.iter().enumerate().filter(|(at, _)| !taken.contains(at));
    kept.map(|(_, command)| *command).collect()
}
