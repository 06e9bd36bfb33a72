/** At most this often is a line written when it cannot be overwritten. */
const quietIntervalMs = 5000;

/**
 * A line that tells how far a job is: overwritten in place on a terminal, written anew every few
 * seconds where output goes to a file.
 *
 * @param {string} title
 * @param {NodeJS.WriteStream} [stream]
 */
export function progressLine(title, stream = process.stderr) {
  let lastAt = Date.now();
  let wrote = false;
  return {
    /**
     * @param {number} doneBytes
     * @param {number | undefined} totalBytes
     */
    update(doneBytes, totalBytes) {
      const share =
        totalBytes === undefined
          ? ''
          : ` of ${megabytes(totalBytes)} (${Math.floor((100 * doneBytes) / totalBytes)} %)`;
      const line = `${title}: ${megabytes(doneBytes)}${share}`;
      if (stream.isTTY) {
        stream.write(`\r\x1b[K${line}`);
        wrote = true;
      } else if (Date.now() - lastAt >= quietIntervalMs) {
        stream.write(`${line}\n`);
        lastAt = Date.now();
      }
    },
    /** Ends the line. */
    done() {
      if (wrote) stream.write('\r\x1b[K');
    },
  };
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
