const TIMEOUT = 5000; // milliseconds

// refusalOf asks why the events at a WebSocket URL of this origin are refused, because a browser does not tell a page: the same path
// answers a request for server-sent events with the reason. It returns {status, reason}, or null if the path is open or does not answer.
/**
 * @param {string} url
 * @param {string} token
 */
export async function refusalOf(url, token) {
  const address = new URL(url.replace(/^ws/, "http"));
  if (address.origin !== location.origin) return null;
  const end = new AbortController();
  /** @type {Record<string, string>} */
  const headers = { Accept: "text/event-stream" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(address, { headers, redirect: "error", cache: "no-store", signal: AbortSignal.any([end.signal, AbortSignal.timeout(TIMEOUT)]) });
    if (answer.ok) return null;
    return { status: answer.status, reason: (await answer.text()).trim().slice(0, 500) };
  } catch {
    return null;
  } finally {
    end.abort(); // the stream of events, if there is one
  }
}
