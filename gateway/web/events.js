// What happens in a room, as the event stream tells it; taken up again wherever it was left.

const FIRST_DELAY = 400;
const MOST_DELAY = 8_000;
/** The stream says every ten seconds that it is there; after so many milliseconds of silence it is lost. */
const SILENCE = 35_000;
const NORMAL = 1000;
const TRY_LATER = 1013;
/** Close codes from here on are return codes: 4000 + n stands for 80000 + n. */
const FIRST_REFUSAL = 4000;
const FIRST_CODE = 80_000;

/**
 * A room's events. Tells:
 * `notification` { cmd, data }, `media` { … } as they come; `state` { open } as the stream comes and goes;
 * and once, at the end, `over` { reason } or `over` { code }, after which nothing more comes.
 */
export class RoomEvents extends EventTarget {
  #api;
  #roomId;
  #socket = null;
  #lastId = '';
  #failed = 0;
  #retryAfter = null;
  #timer = null;
  #watch = null;
  #ended = false;
  #online = () => this.#connect();

  constructor(api, roomId) {
    super();
    this.#api = api;
    this.#roomId = roomId;
    window.addEventListener('online', this.#online);
    this.#connect();
  }

  /** Ends the stream, without a word. */
  close() {
    this.#ended = true;
    window.removeEventListener('online', this.#online);
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    this.#drop();
  }

  #connect() {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    this.#drop();
    const socket = new WebSocket(...this.#api.events(this.#roomId, this.#lastId));
    this.#socket = socket;
    this.#listen();
    const mine = (handle) => (event) => socket === this.#socket && handle(event);
    socket.addEventListener('message', mine(({ data }) => this.#take(JSON.parse(data))));
    socket.addEventListener('close', mine(({ code, reason }) => this.#closed(code, reason)));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #listen() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#lost(), SILENCE);
  }

  #take({ id, event, data }) {
    this.#listen();
    if (id) this.#lastId = id;
    if (event === 'retry') {
      this.#retryAfter = data.after;
      return;
    }
    this.#failed = 0;
    this.#tell('state', { open: true });
    if (event === 'media') this.#tell('media', data);
    else if (data?.cmd) this.#tell('notification', data);
  }

  #closed(code, reason) {
    if (code === NORMAL) return this.#over({ reason: reason || 'ended' });
    if (code >= FIRST_REFUSAL && code < FIRST_REFUSAL + 1000) {
      return this.#over({ code: FIRST_CODE + code - FIRST_REFUSAL });
    }
    return this.#lost(code === TRY_LATER ? 1000 : 0);
  }

  #over(how) {
    this.close();
    this.#tell('over', how);
  }

  /** Comes back: when it was told to, else soon, and less and less often. */
  #lost(least = 0) {
    this.#drop();
    clearTimeout(this.#watch);
    this.#tell('state', { open: false });
    const growing = Math.min(FIRST_DELAY * 2 ** this.#failed, MOST_DELAY);
    const delay = this.#retryAfter ?? Math.max(least, growing * (0.5 + Math.random() / 2));
    this.#retryAfter = null;
    this.#failed += 1;
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
