import { afterAll, beforeEach, type TestContext } from 'vitest';
import {
  type ContractGroup,
  type ContractResult,
  contractTableVariable,
} from '../contract-table.js';

/**
 * Writes what becomes of the tests of the block that this is called in, where the environment names a
 * folder for it.
 */
export function recordResults(engine: string): void {
  const folder = process.env[contractTableVariable];
  if (!folder) return;
  const tasks: TestContext['task'][] = [];
  beforeEach(({ task }) => {
    tasks.push(task);
  });
  // The first hook to be registered is the last to run: by then every test has its result.
  afterAll(async () => {
    const { mkdir, writeFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    const owner = process.env['npm_package_name'] ?? '';
    const result: ContractResult = { engine, package: owner, groups: groupsOf(tasks) };
    await mkdir(folder, { recursive: true });
    const name = `${owner} ${engine}`.replaceAll(/[^\w.-]+/gu, '-');
    await writeFile(join(folder, `${name}.json`), JSON.stringify(result, undefined, 1));
  });
}

function groupsOf(tasks: readonly TestContext['task'][]): ContractGroup[] {
  const names = [...new Set(tasks.map((task) => task.suite?.name ?? ''))];
  return names.map((name) => {
    const own = tasks.filter((task) => (task.suite?.name ?? '') === name);
    const skipped = own.filter((task) => task.mode === 'skip');
    return {
      name,
      passed: own.filter((task) => task.mode !== 'skip' && task.result?.state === 'pass').length,
      failed: own
        .filter((task) => task.mode !== 'skip' && task.result?.state !== 'pass')
        .map((task) => task.name),
      skipped: skipped.map((task) => ({ title: task.name, reason: noteOf(task) })),
    };
  });
}

/** Why a test was skipped; Vitest keeps it beside the result, without a type. */
function noteOf({ result }: TestContext['task']): string {
  const { note } = (result ?? {}) as { readonly note?: unknown };
  return typeof note === 'string' ? note : '';
}
