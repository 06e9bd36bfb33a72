/** What became of the tests of one group. */
export interface ContractGroup {
  /** Title of the group. */
  readonly name: string;
  /** Tests that passed. */
  readonly passed: number;
  /** Titles of the tests that failed. */
  readonly failed: readonly string[];
  /** Tests of what the engine does not declare, with the reason that was given. */
  readonly skipped: readonly { readonly title: string; readonly reason: string }[];
}

/** What `describeEngine` came to for one engine. */
export interface ContractResult {
  /** Name that `describeEngine` was given. */
  readonly engine: string;
  /** npm package whose tests it ran in; empty where they were not started by npm. */
  readonly package: string;
  /** In the order in which they ran; none where the engine or its model could not be opened. */
  readonly groups: readonly ContractGroup[];
}

/** Environment variable that names the folder for {@link ContractResult} files. */
export const contractTableVariable = 'MOBILLM_CONTRACT_TABLE';

/** Reads what `describeEngine` wrote into a folder, ordered by engine; none where there is no folder. */
export async function readContractResults(folder: string): Promise<ContractResult[]> {
  const { readdir, readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const names = await readdir(folder).catch(() => []);
  const results = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map(
        async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as ContractResult,
      ),
  );
  return results.sort((a, b) => (a.engine < b.engine ? -1 : 1));
}

/**
 * The results as a table for people: a row a group, a column an engine; below, what each column is and
 * why tests were left out.
 */
export function formatContractTable(results: readonly ContractResult[]): string {
  const groups = [...new Set(results.flatMap((result) => result.groups.map(({ name }) => name)))];
  const columns = results.map((_, index) => String.fromCharCode(65 + index));
  const rows = groups.map((group) => [
    group,
    ...results.map((result) => cell(result.groups.find(({ name }) => name === group))),
  ]);
  const table = [['test group', ...columns], ...rows];
  const widths = table[0]?.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row
      .map((text, column) => text.padEnd(widths?.[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const legend = results.flatMap((result, index) => [
    `${columns[index] ?? ''}  ${result.engine}${result.groups.length === 0 ? ': FAILED to open' : ''}`,
    ...reasonsOf(result).map((reason) => `     ${reason}`),
  ]);
  return [...lines, '', ...legend, ''].join('\n');
}

/**
 * What is wrong with a result: a test failed, or a group of tests that other engines ran is missing or
 * was skipped for another reason than a capability; `undefined` where all is well.
 */
export function contractFault(
  { groups }: ContractResult,
  others: readonly ContractResult[],
): string | undefined {
  const names = new Set(others.flatMap((other) => other.groups.map(({ name }) => name)));
  if (groups.every(({ passed }) => passed === 0)) return 'nothing passed';
  for (const name of names) {
    const text = cell(groups.find((group) => group.name === name));
    if (/[A-Z]{3}|did not run/.test(text)) return `${name}: ${text}`;
  }
  return undefined;
}

function cell(group: ContractGroup | undefined): string {
  if (!group) return 'did not run';
  if (group.failed.length > 0) return `${group.failed.length} FAILED`;
  if (group.passed === 0) {
    const undeclared = group.skipped.every(({ reason }) => reason.includes('declare'));
    return undeclared ? 'not a capability' : 'SKIPPED';
  }
  const partly = group.skipped.length > 0 ? `, ${group.skipped.length} not declared` : '';
  return `passed ${group.passed}${partly}`;
}

function reasonsOf({ groups }: ContractResult): string[] {
  const reasons = groups.flatMap(({ skipped }) => skipped.map(({ reason }) => reason));
  return [...new Set(reasons)].map(
    (reason) => `${reasons.filter((other) => other === reason).length} left out: ${reason}`,
  );
}
