/** @typedef {{ title: string, command: string }} Command */

const INSERT = "INSERT INTO orders (customer_name, product_name, status, amount) VALUES ('Ada', 'Desk', 'new', 5.30)";

/** @param {string} text */
const quoted = (text) => `"${text.replace(/["$`\\]/g, "\\$&")}"`;

// commandsFor returns commands by which a user of this gateway makes an event, and sees it elsewhere.
/**
 * @param {any} status
 * @param {string} page the URL of the page
 * @returns {Command[]}
 */
export function commandsFor({ sources, sinks, routes, paths_here: here, demo_state: demo }, page) {
  /** @type {Command[]} */
  const commands = [];
  const psql = demo?.postgres_command ?? 'psql "$DATABASE_URL"';
  if (sources.some((/** @type {any} */ { type }) => type.startsWith("postgres-"))) commands.push({ title: "Make an event", command: `${psql} -c ${quoted(INSERT)}` });
  const sink = here && sinks.find((/** @type {any} */ { paths = [] }) => paths.some((/** @type {string} */ path) => !path.includes("{")));
  if (sink) {
    const path = sink.paths.find((/** @type {string} */ p) => !p.includes("{"));
    const url = new URL(`.${path}`, page).href;
    commands.push({ title: "See the events in a terminal", command: `gateway tail ${quoted(url.replace(/^http/, "ws"))}${sink.needs_token ? " --token TOKEN" : ""}` });
    commands.push({ title: "The same with curl", command: `curl -N -H "Accept: text/event-stream"${sink.needs_token ? ' -H "Authorization: Bearer TOKEN"' : ""} ${quoted(url)}` });
  } else {
    commands.push({ title: "See the events in a terminal", command: `gateway tap ${routes.at(-1).name} --url ${quoted(page.replace(/\/$/, ""))}` });
  }
  return commands;
}
