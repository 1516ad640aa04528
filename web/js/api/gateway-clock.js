let offset = performance.timeOrigin; // milliseconds from performance.now() to the time of the gateway; first by the clock of this machine

/**
 * setGatewayTime sets the clock by the "now" of a status. The clock of the browser may be wrong, or set while the page is open.
 * @param {string} now
 */
export function setGatewayTime(now) { offset = Date.parse(now) - performance.now(); }

// gatewayTime returns the time of the gateway, in milliseconds since 1970.
export const gatewayTime = () => performance.now() + offset;
