const TIMEOUT = 10_000; // milliseconds

// RequestError is an answer of the gateway that is not a success, or none at all (status 0).
export class RequestError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// request sends a request to the API of the gateway that has served this page, as in request("api/history"), and returns the response.
// It throws a RequestError if there is none within timeout milliseconds, or none that is a success. It follows no redirect.
/**
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, body?: string, signal?: AbortSignal, timeout?: number }} [options]
 */
export async function request(path, { method = "GET", headers = {}, body, signal, timeout = TIMEOUT } = {}) {
  const limit = AbortSignal.timeout(timeout);
  let response;
  try {
    response = await fetch(path, { method, headers, body, redirect: "error", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (err) {
    if (signal?.aborted) throw err;
    const { name, message } = /** @type {Error} */ (err);
    throw new RequestError(0, name === "TimeoutError" ? "the gateway does not answer" : `the gateway cannot be reached: ${message}`);
  }
  if (!response.ok) throw new RequestError(response.status, (await response.text()).trim() || `the gateway answers ${response.status}`);
  return response;
}

/**
 * messageOf returns the text of what was thrown.
 * @param {unknown} thrown
 */
export const messageOf = (thrown) => (thrown instanceof Error ? thrown.message : String(thrown));
