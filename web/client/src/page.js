/**
 * Calls back when the page freezes, and when it goes on. A frozen page runs no timers and gets nothing from
 * its WebSockets, but it still answers on a BroadcastChannel.
 *
 * @param {{ froze(): void, resumed(): void }} callbacks
 * @param {AbortSignal} signal removes the listeners
 */
export function watchFreeze({ froze, resumed }, signal) {
  if (typeof document === "undefined") return;
  document.addEventListener("freeze", froze, { signal });
  document.addEventListener("resume", resumed, { signal });
}

/**
 * Calls back when the page is online, offline, or returns: hidden and cached pages have timers that
 * stood still, and the network may have changed. Outside of browsers it does nothing.
 *
 * @param {{ online(): void, offline(): void, returned(): void }} callbacks
 * @param {AbortSignal} signal removes the listeners
 */
export function watchPage({ online, offline, returned }, signal) {
  if (typeof document === "undefined") return;
  addEventListener("online", online, { signal });
  addEventListener("offline", offline, { signal });
  addEventListener("pageshow", (event) => { if (event.persisted) returned(); }, { signal });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) returned(); }, { signal });
}
