/** Whether a host name is this machine's own. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Whether a host name leads to this machine in any of the ways that systems know, however it is spelled. */
export function isThisMachine(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  // The last are "::" and the addresses of IPv4 as `URL` writes them in IPv6.
  return (
    isLoopback(name) ||
    name.endsWith('.localhost') ||
    /^0(?:\.\d{1,3}){3}$/.test(name) ||
    /^\[::(?:ffff:(?:7f[0-9a-f]{2}|0):[0-9a-f]{1,4})?\]$/.test(name)
  );
}
