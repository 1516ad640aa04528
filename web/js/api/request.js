const TIMEOUT = 10_000; // milliseconds

// RequestError is an answer of the gateway that is not a success, or none at all (status 0).
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// request sends a request to the API of the gateway that has served this page, as in request("api/history"), and returns the response.
// It throws a RequestError if there is none within timeout milliseconds, or none that is a success.
export async function request(path, { method = "GET", headers = {}, body, signal, timeout = TIMEOUT } = {}) {
  const limit = AbortSignal.timeout(timeout);
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new RequestError(0, err.name === "TimeoutError" ? "the gateway does not answer" : `the gateway cannot be reached: ${err.message}`);
  }
  if (!response.ok) throw new RequestError(response.status, (await response.text()).trim() || `the gateway answers ${response.status}`);
  return response;
}
