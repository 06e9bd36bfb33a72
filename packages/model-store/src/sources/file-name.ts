/** File systems take 255, and some keep a part of that for themselves. */
const maxNameBytes = 140;
/** What Windows takes for a device, with any extension. */
const deviceName = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** A name that somebody else chose, as one that every file system takes. */
export function safeFileName(name: string): string {
  const safe = name.replaceAll(/[^\p{L}\p{N}._+-]+/gu, '-').replace(/\.+$/, '');
  const short = endOf(safe).replace(/^[.-]+/, '');
  if (short === '') return 'model.gguf';
  return deviceName.test(short) ? `model-${short}` : short;
}

/** The end of a name, as much as file systems take of letters of any script. */
function endOf(name: string): string {
  const letters = Array.from(name);
  let left = maxNameBytes;
  let at = letters.length;
  while (at > 0) {
    left -= new TextEncoder().encode(letters[at - 1]).byteLength;
    if (left < 0) break;
    at--;
  }
  return letters.slice(at).join('');
}
