const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 64));

/**
 * Names what a file that is not GGUF looks like by its first bytes, as the end of a sentence that
 * says what to do; `undefined` when nothing is recognized.
 */
export function recognizeContent(head: Uint8Array): string | undefined {
  const text = latin1(head);
  const lower = text.trimStart().toLowerCase();
  if (lower.startsWith('<!doctype') || lower.startsWith('<html') || lower.startsWith('<?xml')) {
    return 'it is a web page, most likely an error page saved in place of the model; download the model again';
  }
  if (text.startsWith('version https://git-lfs')) {
    return 'it is a Git LFS pointer, which only names the model; run "git lfs pull" or download the model itself';
  }
  if (text.startsWith('PK\x03\x04')) {
    return 'it is a zip archive or a PyTorch checkpoint; unpack it, or convert the checkpoint to GGUF';
  }
  if (text[8] === '{' && head[6] === 0 && head[7] === 0) {
    return 'it is a safetensors file; convert it to GGUF first';
  }
  if (/^(lmgg|fmgg|tjgg|algg)/.test(text)) {
    return 'it is in a format that came before GGUF; convert it with the tools of its time, or use a newer conversion';
  }
  if (text.startsWith('\x1f\x8b') || text.startsWith('\xfd7zXZ') || text.startsWith('7z\xbc\xaf')) {
    return 'it is a compressed archive; unpack it first';
  }
  if (text.slice(4, 8) === 'TFL3') return 'it is a TensorFlow Lite model; use a GGUF file';
  if (head[0] === 0x80 && head[1] !== undefined && head[1] >= 2 && head[1] <= 5) {
    return 'it is a Python pickle; convert the checkpoint to GGUF';
  }
  if (lower.startsWith('{') || lower.startsWith('[')) {
    return 'it is JSON, most likely an error message saved in place of the model; download the model again';
  }
  if (head.every((byte) => byte === 0)) {
    return 'it begins with zeros, most likely a download that was never finished; download the model again';
  }
  return undefined;
}
