import { request } from "../api/request.js";

/**
 * @import { DryRunResult, Letter, ReplayState } from "../../types/api.js"
 * @typedef {Record<string, string>} Query the fields of a search
 * @typedef {{ to?: string, data?: string }} Change where a letter is sent to, and its edited payload
 * @typedef {{ numbers?: number[], all?: boolean, rate?: number } | Query} Selection
 */

const PAGE = 100; // letters in one page of the table
const SLOW = 30_000; // milliseconds for a dry run, or the replay of one letter

/** @type {(path: string, method: string, body: object) => Promise<Response>} */
const send = (path, method, body) => request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), timeout: SLOW });

/**
 * searchLetters returns the newest letters that match, the newest first, and the number below which the next page goes on; 0 if there is none.
 * @param {Query} query
 * @param {number} before
 * @param {AbortSignal} signal
 */
export async function searchLetters(query, before, signal) {
  const response = await request(`api/dead-letters?${new URLSearchParams({ ...query, limit: String(PAGE), ...(before ? { before: String(before) } : {}) })}`, { signal });
  const letters = /** @type {Letter[]} */ (await response.json());
  return { letters: letters.reverse(), next: Number(response.headers.get("Dead-Letters-Next") ?? 0) };
}

/** @type {(number: number) => Promise<Letter>} */
export const fetchLetter = async (number) => (await request(`api/dead-letters/${number}`)).json();
/** @type {(number: number, change: Change) => Promise<DryRunResult>} */
export const dryRunLetter = async (number, change) => (await send(`api/dead-letters/${number}/dry-run`, "POST", change)).json();
/** @type {(number: number, change: Change) => Promise<ReplayState>} */
export const replayLetter = async (number, change) => (await send(`api/dead-letters/${number}/replay`, "POST", change)).json();
/** @type {(selection: Selection) => Promise<{ removed: number }>} */
export const deleteLetters = async (selection) => (await send("api/dead-letters/delete", "POST", selection)).json();
/** @type {(selection: Selection) => Promise<ReplayState>} */
export const replayLetters = async (selection) => (await send("api/dead-letters/replays", "POST", selection)).json();
/** @type {(id: number) => Promise<ReplayState>} */
export const fetchReplay = async (id) => (await request(`api/dead-letters/replays/${id}`)).json();
/** @type {(id: number) => Promise<ReplayState>} */
export const cancelReplay = async (id) => (await request(`api/dead-letters/replays/${id}`, { method: "DELETE" })).json();
/** @type {(query: Query) => string} */
export const downloadURL = (query) => `api/dead-letters/download?${new URLSearchParams(query)}`;
