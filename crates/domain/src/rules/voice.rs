//! Whose voice is let through.

use crate::{Entry, Mic, Standing};

/// Whether what comes from an entry of somebody may be heard in a room: the room is open, and `member`, what
/// that user is there now, is of this entry and on stage, with a microphone that neither its owner nor the
/// host mutes.
pub fn may_be_heard(open: bool, member: Option<(Entry, Standing)>, entry: Entry) -> bool {
    let on = |standing: Standing| standing.mic().is_some_and(Mic::is_on);
    open && member.is_some_and(|(present, standing)| present == entry && on(standing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Millis;

    fn standing() -> impl Strategy<Value = Standing> {
        let mic = (any::<bool>(), any::<bool>())
            .prop_map(|(muted_by_self, muted_by_host)| Mic { muted_by_self, muted_by_host });
        let at = any::<i64>().prop_map(Millis);
        prop_oneof![
            proptest::option::of(at.clone()).prop_map(|hand_raised_at| Standing::Listener { hand_raised_at }),
            (at.clone(), mic.clone())
                .prop_map(|(on_stage_at, mic)| Standing::GuestSpeaker { on_stage_at, mic }),
            (at, mic).prop_map(|(on_stage_at, mic)| Standing::Host { on_stage_at, mic }),
        ]
    }

    proptest! {
        /// Each condition by itself shuts: nobody is heard who fails in one, and who fails in none is.
        #[test]
        fn nobody_is_heard_who_may_not_speak(
            open: bool,
            member in proptest::option::weighted(0.9, (0..3_u64, standing())),
            entry in 0..3_u64,
        ) {
            let heard = may_be_heard(open, member.map(|(entry, standing)| (Entry(entry), standing)), Entry(entry));
            let shut = match member {
                None => true,
                Some((present, _)) if present != entry => true,
                Some((_, Standing::Listener { .. })) => true,
                Some((_, Standing::GuestSpeaker { mic, .. } | Standing::Host { mic, .. })) => {
                    mic.muted_by_self || mic.muted_by_host
                }
            };
            prop_assert_eq!(heard, open && !shut);
        }
    }
}
