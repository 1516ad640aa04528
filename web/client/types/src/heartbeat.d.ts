/**
 * Notices that the other side is silent: after `interval` milliseconds without a message it calls
 * `probe`, and `lost` where no message follows. Else a half-open connection would stay for ever.
 */
export class Heartbeat {
    /**
     * @param {number} interval 0: none
     * @param {() => void} probe sends something that the other side answers
     * @param {() => void} lost
     */
    constructor(interval: number, probe: () => void, lost: () => void);
    /** When the last message came, by performance.now(). */
    lastMessageAt: number;
    start(): void;
    stop(): void;
    /** Records that a message has come. */
    received(): void;
    /** Probes now, and not after the interval. */
    probe(): void;
    #private;
}
