export { GatewayClient } from "./src/client.js";
export { parse } from "./src/parse.js";

/** @typedef {import("./src/client.js").Options} Options */
/** @typedef {import("./src/subscription.js").Selection} Selection */
/** @typedef {import("./src/subscription.js").Request} Request */
/** @typedef {import("./src/subscription.js").Handlers} Handlers */
/** @typedef {import("./src/subscription.js").Gap} Gap */
/** @typedef {import("./src/subscription.js").Position} Position */
/** @typedef {import("./src/subscription.js").Presence} Presence */
/** @typedef {import("./src/subscription.js").Subscription} Subscription */
/** @typedef {import("./src/connection.js").State} State */
