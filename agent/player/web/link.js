// The page's link to whoever tells it what to show: the agent on this device. A server that shows the page to plain browsers has a file of its
// own in the place of this one.
export {Socket as Link} from './socket.js';
