export { probeRpcServer } from './probe-rpc-server.js';
export { startRpcServer } from './start-rpc-server.js';
