/**
 * Calls back when the page freezes, and when it goes on. A frozen page runs no timers and gets nothing from
 * its WebSockets, but it still answers on a BroadcastChannel.
 *
 * @param {{ froze(): void, resumed(): void }} callbacks
 * @param {AbortSignal} signal removes the listeners
 */
export function watchFreeze({ froze, resumed }: {
    froze(): void;
    resumed(): void;
}, signal: AbortSignal): void;
/**
 * Calls back when the page is online, offline, or returns: hidden and cached pages have timers that
 * stood still, and the network may have changed. Outside of browsers it does nothing.
 *
 * @param {{ online(): void, offline(): void, returned(): void }} callbacks
 * @param {AbortSignal} signal removes the listeners
 */
export function watchPage({ online, offline, returned }: {
    online(): void;
    offline(): void;
    returned(): void;
}, signal: AbortSignal): void;
