/**
 * The tabs of an origin that share a connection. The lock of the group elects the leader; a lock of each
 * tab shows that it lives; messages go over a BroadcastChannel. A browser ends the locks of a tab with it.
 */
export class Group {
  #tab;
  #callbacks;
  #channel;
  #left = new AbortController();
  #queue = new AbortController(); // ends the request for the lock of the group

  /**
   * @param {string} name
   * @param {string} tab
   * @param {{ receive(message: any): void, lead(): Promise<void>, lost(): void }} callbacks lead is called while the tab has
   *   the lock of the group, until its promise is resolved; lost is called if another tab has taken the lock
   */
  constructor(name, tab, callbacks) {
    this.name = name;
    this.#tab = tab;
    this.#callbacks = callbacks;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => callbacks.receive(data);
  }

  get left() {
    return this.#left.signal.aborted;
  }

  /** Enters the group: others see whether this tab lives. */
  async enter() {
    const { signal } = this.#left;
    await new Promise((entered) => {
      navigator.locks.request(this.#lockOf(this.#tab), { signal }, () => new Promise((release) => {
        signal.addEventListener("abort", release);
        entered(null);
      })).catch(entered);
    });
  }

  leave() {
    this.#left.abort();
    this.#queue.abort();
    this.#channel.close();
  }

  /** @param {object} message */
  post(message) {
    if (!this.left) this.#channel.postMessage(message);
  }

  /**
   * Waits for the lock of the group.
   *
   * @param {{ steal?: boolean }} [options] steal takes the lock at once, from a leader that does not answer: a frozen tab keeps it
   */
  async campaign({ steal = false } = {}) {
    if (this.left) return;
    this.#queue.abort();
    const { signal } = (this.#queue = new AbortController());
    try {
      await navigator.locks.request(this.name, steal ? { steal } : { signal }, () => (this.left ? undefined : this.#callbacks.lead()));
    } catch {
      if (!this.left && !signal.aborted) this.#callbacks.lost();
    }
  }

  /**
   * Calls back when another tab is gone.
   *
   * @param {string} tab
   * @param {AbortSignal} signal
   * @param {() => void} gone
   */
  watch(tab, signal, gone) {
    navigator.locks.request(this.#lockOf(tab), { signal }, gone).catch(() => {}); // aborted
  }

  /** @param {string} tab */
  #lockOf(tab) {
    return `${this.name}/${tab}`;
  }
}
