// lockedText explains why the page shows events but no status.
export const lockedText = "they need a secret: open this page with #token=SECRET, where SECRET is http.admin.token, or stands in the file that the log names; or log in at api/session, where http.admin.users is set";

// openSession exchanges the secret in the address, as in /#token=..., for a cookie that scripts
// cannot read, and removes it from the address bar and the history. It returns an error text,
// or "".
export async function openSession() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return "";
  history.replaceState(null, "", location.pathname + location.search);
  try {
    const answer = await fetch("api/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    if (answer.ok) return "";
    return answer.status === 401 ? "This link has expired: open this page with #token=SECRET, where SECRET is http.admin.token, or stands in the file that the log names" : `The gateway answers ${answer.status}`;
  } catch (err) {
    return `The status cannot be opened: ${err.message}`;
  }
}
