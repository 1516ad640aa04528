/**
 * Returns the name of the tabs that may share a connection: those with the same URLs, the same options,
 * and tokens with the same claims. It does not reveal them.
 *
 * @param {URL[]} urls
 * @param {number} heartbeat
 * @param {string} token
 */
export function groupName(urls: URL[], heartbeat: number, token: string): Promise<string>;
