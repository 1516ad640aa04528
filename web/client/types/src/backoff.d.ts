/** Computes growing random pauses (full jitter), so that clients do not return all at once. */
export class Backoff {
    /** Returns the next pause, in milliseconds. */
    next(): number;
    reset(): void;
    #private;
}
