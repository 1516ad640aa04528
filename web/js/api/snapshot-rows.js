const FIRST = 500; // rows that are read

/**
 * Returns the payloads of the first rows of a table that a WebSocket sink offers as a snapshot. It throws an error with the reason if the
 * gateway refuses them.
 *
 * @param {string} address of the sink, ws://
 * @param {{ table: string, filter: string, token: string }} request
 * @returns {Promise<string[]>}
 */
export async function snapshotRows(address, { table, filter, token }) {
  const url = new URL(address.replace(/^ws/, "http"));
  url.searchParams.set("snapshot", table);
  if (filter) url.searchParams.set("filter", filter);
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal, cache: "no-store", headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok || !response.body) throw new Error((await response.text()).trim() || `the gateway answers ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", lines = [];
  while (lines.length <= FIRST + 1) { // the first line is the position
    const { done, value } = await reader.read();
    if (done) break;
    lines.push(...(text + value).split("\n"));
    text = lines.pop() ?? "";
  }
  abort.abort();
  lines = lines.slice(1);
  if (lines.length > FIRST) return lines.slice(0, FIRST);
  const { complete, error } = JSON.parse(lines.pop() ?? "{}");
  if (complete !== true) throw new Error(error ?? "the gateway has ended the connection");
  return lines;
}
