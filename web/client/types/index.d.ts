export { GatewayClient } from "./src/client.js";
export { parse } from "./src/parse.js";
export type Options = import("./src/client.js").Options;
export type Selection = import("./src/subscription.js").Selection;
export type Handlers = import("./src/subscription.js").Handlers;
export type Gap = import("./src/subscription.js").Gap;
export type Position = import("./src/subscription.js").Position;
export type Subscription = import("./src/subscription.js").Subscription;
export type State = import("./src/connection.js").State;
