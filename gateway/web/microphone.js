// The microphone: asked for when it is needed, let go of when it isn't.

/** Why there is no microphone, in a word that words.js has a sentence for. */
export class NoMicrophone extends Error {
  constructor(why) {
    super(why);
    Object.assign(this, { name: 'NoMicrophone', why });
  }
}

const WHY = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'missing',
  OverconstrainedError: 'missing',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

/** A track of the microphone. Fails with `NoMicrophone`. */
export async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) throw new NoMicrophone('insecure');
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  try {
    const [track] = (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks();
    track.contentHint = 'speech';
    return track;
  } catch (error) {
    throw new NoMicrophone(WHY[error.name] ?? 'busy');
  }
}
