// lockedText explains why the page shows events but no status.
export const lockedText = "they need the secret";

// secretOfLink returns the secret in the address, as in /#token=..., and removes it from the address bar and the history.
export function secretOfLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token ?? "";
}

// openSession exchanges a secret, or the name and the password of a user, for a cookie that scripts cannot read and that browsers send to
// this gateway only. The page does not keep the secret. It returns an error text, or "".
/**
 * @param {string} secret
 * @param {string} [user]
 */
export async function openSession(secret, user = "") {
  const credentials = user ? `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${secret}`)))}` : `Bearer ${secret}`;
  try {
    const answer = await fetch("api/session", { method: "POST", headers: { Authorization: credentials }, redirect: "error", signal: AbortSignal.timeout(20_000) });
    if (answer.ok) return "";
    return { 401: "This secret is wrong, or the link has expired", 429: "Too many attempts to log in: try again later" }[answer.status] ?? `The gateway answers ${answer.status}`;
  } catch (err) {
    return `The gateway cannot be reached: ${/** @type {Error} */ (err).message}`;
  }
}
