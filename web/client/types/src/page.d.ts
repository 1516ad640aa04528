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
