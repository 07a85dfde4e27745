// The heartbeat: says that this page is still there, in the lobby or in a room.

const AT_FIRST = 10;
/** Milliseconds after which a heartbeat that failed is tried again. */
const AGAIN = 900;

/** Beats until it is stopped. Tells `gone` { code } where the services take it for gone from the room. */
export class Presence extends EventTarget {
  #api;
  #roomId = '';
  #timer = null;
  #beating = 0;

  constructor(api) {
    super();
    this.#api = api;
  }

  /** Beats for a room from now on; for the lobby with ''. */
  in(roomId) {
    this.#roomId = roomId;
    this.stop();
    this.#beat(this.#beating);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#beating += 1;
  }

  async #beat(beating) {
    let wait = AT_FIRST * 1000;
    try {
      const { interval } = await this.#api.call('heartbeat', { room_id: this.#roomId || null });
      wait = (interval || AT_FIRST) * 1000;
    } catch (refused) {
      if (beating !== this.#beating) return;
      if (!refused.mayPass) {
        this.stop();
        this.dispatchEvent(new CustomEvent('gone', { detail: { code: refused.code } }));
        return;
      }
      wait = (refused.retryAfter ?? 0) * 1000 || AGAIN;
    }
    if (beating === this.#beating) this.#timer = setTimeout(() => this.#beat(beating), wait);
  }
}
