/**
 * The tabs of an origin that share a connection. The lock of the group elects the leader; a lock of each
 * tab shows that it lives; messages go over a BroadcastChannel. A browser ends the locks of a tab with it.
 */
export class Group {
    /**
     * @param {string} name
     * @param {string} tab
     * @param {{ receive(message: any): void, lead(): Promise<void>, lost(): void }} callbacks lead is called while the tab has
     *   the lock of the group, until its promise is resolved; lost is called if another tab has taken the lock
     */
    constructor(name: string, tab: string, callbacks: {
        receive(message: any): void;
        lead(): Promise<void>;
        lost(): void;
    });
    name: string;
    get left(): boolean;
    /** Enters the group: others see whether this tab lives. */
    enter(): Promise<void>;
    leave(): void;
    /** @param {object} message */
    post(message: object): void;
    /**
     * Waits for the lock of the group.
     *
     * @param {{ steal?: boolean }} [options] steal takes the lock at once, from a leader that does not answer: a frozen tab keeps it
     */
    campaign({ steal }?: {
        steal?: boolean;
    }): Promise<void>;
    /**
     * Calls back when another tab is gone.
     *
     * @param {string} tab
     * @param {AbortSignal} signal
     * @param {() => void} gone
     */
    watch(tab: string, signal: AbortSignal, gone: () => void): void;
    #private;
}
