/** A failure whose message is one sentence for the person at the keyboard; no stack is shown. */
export class UserError extends Error {
  name = 'UserError';
}

/**
 * Runs a script's main function: its number becomes the exit status, a {@link UserError} is printed
 * as its sentence alone, anything else with its stack, since that is a fault of the script.
 *
 * @param {() => Promise<number | void>} main
 */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}
