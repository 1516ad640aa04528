// Claims that say for how long a token is valid, and not what it permits.
const VALIDITY = ["exp", "iat", "nbf", "jti"];

/**
 * Returns the name of the tabs that may share a connection: those with the same URLs, the same options,
 * and tokens with the same claims. It does not reveal them.
 *
 * @param {URL[]} urls
 * @param {number} heartbeat
 * @param {string} token
 */
export async function groupName(urls, heartbeat, token) {
  const text = JSON.stringify([urls.map(String), heartbeat, rights(token)]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `eventgateway:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// rights returns the claims of a token; the token itself, if it is not signed.
/** @param {string} token */
function rights(token) {
  try {
    const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    for (const name of VALIDITY) delete claims[name];
    return claims;
  } catch {
    return token;
  }
}
