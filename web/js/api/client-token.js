// The tokens of this page as a client of WebSocket sinks. They are stored for the tab only, one for each address. The page sends them to
// its own origin only, so there is none for an address that a link has chosen (?ws=).

/** @param {string} url */
const keyOf = (url) => `token of ${new URL(url).pathname}`;

/** @param {string} url */
const isOwn = (url) => new URL(url).host === location.host;

// tokenOf returns the token for the events at a URL, "" if there is none.
/** @param {string} url */
export const tokenOf = (url) => (isOwn(url) && sessionStorage.getItem(keyOf(url))) || "";

// keepToken stores a token for the events at a URL; "" removes it.
/**
 * @param {string} url
 * @param {string} token
 */
export function keepToken(url, token) {
  if (!isOwn(url)) return;
  if (token) sessionStorage.setItem(keyOf(url), token);
  else sessionStorage.removeItem(keyOf(url));
}
