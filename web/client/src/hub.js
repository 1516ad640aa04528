/** @typedef {import("./subscription.js").Selection} Selection */
/** @typedef {import("./subscription.js").Position} Position */
/** @typedef {import("./subscription.js").Delivery} Delivery */

/** @typedef {{ stream: import("./stream.js").Stream, start: Position | null, members: Set<string>, changed: boolean }} Group */

/**
 * Serves the subscriptions of all tabs by one session, in the tab that leads. Those with the same
 * selection and the same position are one subscription at the gateway.
 */
export class Hub {
  #session;
  #deliver;
  /** @type {Set<Group>} */
  #groups = new Set();

  /**
   * @param {import("./session.js").Session} session
   * @param {(members: string[], delivery: Delivery) => void} deliver
   */
  constructor(session, deliver) {
    this.#session = session;
    this.#deliver = deliver;
  }

  /**
   * @param {string} member
   * @param {Selection} selection
   * @param {Position | null} position
   */
  join(member, selection, position) {
    this.leave(member);
    for (const group of this.#groups) {
      const { stream } = group;
      const fits = position ? equal(stream.position ?? group.start, position) : stream.subscribed || !(stream.position ?? group.start);
      if (group.changed || !fits || !equal(stream.selection, selection)) continue;
      group.members.add(member);
      if (stream.subscribed) {
        this.#deliver([member], { kind: "subscribed", detail: position ? true : undefined, position: stream.position, selection });
        for (const detail of stream.presences) this.#deliver([member], { kind: "presence", detail, position: stream.position, selection });
      }
      return;
    }
    this.#open(member, selection, position);
  }

  /**
   * Replaces the selection of a member. One that others have too is split off where it stands.
   *
   * @param {string} member
   * @param {Selection} selection
   */
  change(member, selection) {
    let group = this.#groupOf(member);
    if (!group) return;
    if (group.members.size > 1) {
      group.members.delete(member);
      group = this.#open(member, group.stream.selection, group.stream.position);
    }
    group.changed = true;
    group.stream.change(selection);
  }

  /** @param {string} member */
  leave(member) {
    const group = this.#groupOf(member);
    group?.members.delete(member);
    if (!group || group.members.size > 0) return;
    this.#groups.delete(group);
    group.stream.close();
  }

  /** @param {string} tab */
  leaveAll(tab) {
    for (const group of [...this.#groups]) {
      for (const member of [...group.members]) if (member.startsWith(`${tab}/`)) this.leave(member);
    }
  }

  /**
   * @param {string} member
   * @param {Selection} selection
   * @param {Position | null} position
   */
  #open(member, selection, position) {
    const members = new Set([member]);
    const stream = this.#session.open(selection, position, (delivery) => this.#deliver([...members], delivery));
    const group = { stream, start: position, members, changed: false };
    this.#groups.add(group);
    return group;
  }

  /** @param {string} member */
  #groupOf(member) {
    return [...this.#groups].find(({ members }) => members.has(member));
  }
}

/**
 * @param {object | null} a
 * @param {object | null} b
 */
const equal = (a, b) => JSON.stringify(a) === JSON.stringify(b);
