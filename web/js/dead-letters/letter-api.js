import { request } from "../api/request.js";

/** @typedef {import("../../types/api.js").Letter} Letter */

const PAGE = 100; // letters in one page of the table
const SLOW = 30_000; // milliseconds for a dry run, or the replay of one letter

const send = (path, method, body) => request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), timeout: SLOW });

// searchLetters returns the newest letters that match, the newest first, and the number below which the next page goes on; 0 if there is none.
export async function searchLetters(query, before, signal) {
  const response = await request(`api/dead-letters?${new URLSearchParams({ ...query, limit: String(PAGE), ...(before ? { before: String(before) } : {}) })}`, { signal });
  const letters = await response.json();
  return { letters: letters.reverse(), next: Number(response.headers.get("Dead-Letters-Next") ?? 0) };
}

export const fetchLetter = async (number) => (await request(`api/dead-letters/${number}`)).json();
export const dryRunLetter = async (number, change) => (await send(`api/dead-letters/${number}/dry-run`, "POST", change)).json();
export const replayLetter = async (number, change) => (await send(`api/dead-letters/${number}/replay`, "POST", change)).json();
export const deleteLetters = async (selection) => (await send("api/dead-letters/delete", "POST", selection)).json();
export const replayLetters = async (selection) => (await send("api/dead-letters/replays", "POST", selection)).json();
export const fetchReplay = async (id) => (await request(`api/dead-letters/replays/${id}`)).json();
export const cancelReplay = async (id) => (await request(`api/dead-letters/replays/${id}`, { method: "DELETE" })).json();
export const downloadURL = (query) => `api/dead-letters/download?${new URLSearchParams(query)}`;
