// What is heard: one audio element for each slot, and the browser's leave to play them.

/** Plays slots. Tells `blocked` where the browser wants a tap or a key first, and `playing` once it plays. */
export class Playback extends EventTarget {
  #place;
  #slots = new Map();
  #blocked = false;

  constructor(place) {
    super();
    this.#place = place;
  }

  /** Plays a stream in its slot, instead of what was there. */
  play(slot, stream) {
    let audio = this.#slots.get(slot);
    if (!audio) {
      audio = document.createElement('audio');
      audio.dataset.slot = slot;
      audio.autoplay = true;
      audio.setAttribute('playsinline', '');
      this.#slots.set(slot, audio);
      this.#place.append(audio);
    }
    audio.srcObject = stream;
    this.#start(audio);
  }

  /** Tries again, from within a tap or a key. */
  unblock() {
    this.#blocked = false;
    return Promise.all([...this.#slots.values()].map((audio) => this.#start(audio)));
  }

  stop() {
    for (const audio of this.#slots.values()) {
      audio.srcObject = null;
      audio.remove();
    }
    this.#slots.clear();
  }

  async #start(audio) {
    try {
      await audio.play();
      if (!this.#blocked) this.dispatchEvent(new Event('playing'));
    } catch (error) {
      // Another stream in the same slot cuts a play short; that is no refusal.
      if (error.name !== 'NotAllowedError' || this.#blocked) return;
      this.#blocked = true;
      this.dispatchEvent(new Event('blocked'));
    }
  }
}
