// One page at a time is somebody in a room: a second tab of the same session would take the sound from the first.

/** Milliseconds that a page which is just being reloaded has to let go. */
const PATIENCE = 1_500;

/**
 * Holds a name for this page. Gives the function that lets go of it, or null where another page holds it. With
 * `steal` that one loses it, and is told by its `lost`.
 */
export async function alone(name, { steal = false, lost = () => {} } = {}) {
  // Plain HTTP from another machine: there are no locks, and no microphone either.
  if (!navigator.locks) return () => {};
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  return new Promise((resolve) => {
    let got = false;
    const options = steal ? { steal } : { signal: AbortSignal.timeout(PATIENCE) };
    const hold = () => {
      got = true;
      resolve(release);
      return held;
    };
    navigator.locks.request(name, options, hold).catch(() => (got ? lost() : resolve(null)));
  });
}
