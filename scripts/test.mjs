// The whole of `npm test`: installs, builds and runs every test, on a machine with Node and the
// tools of a C++ build alone. Uses nothing that is installed by it before it is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDefaultModelAloud } from './default-model.mjs';
import { ensureModelServers } from './model-servers.mjs';
import { ensureVendorLibraries, noVendorLibraries } from './vendor-libraries.mjs';
import { inLanes } from './lib/in-lanes.mjs';
import { installDependencies, turbo } from './lib/pnpm.mjs';
import { runCommand } from './lib/run-command.mjs';
import { noTests, readJunitCounts, readVitestCounts, sumCounts } from './lib/test-counts.mjs';
import { requireNode, requireTools } from './lib/tools.mjs';
import { runMain } from './lib/user-error.mjs';
import { root, workspacePackages } from './lib/workspace.mjs';

const reporter = fileURLToPath(new URL('./lib/vitest-counts.mjs', import.meta.url));

/** Packages whose tests run on TVM or on Qualcomm's emulator. */
const needVendorLibraries = [
  '@mobillm/engine-mlc',
  '@mobillm/engine-qnn',
  'mobillm-example-mlc',
  'mobillm-example-npu-hybrid',
  'mobillm-integration-engines',
];

/** Packages whose tests keep two cores busy: they come last, one after another. */
const alone = new Set(['mobillm-integration-engines']);

await runMain(async () => {
  requireNode();
  requireTools(['git', 'cmake', 'ninja', 'cxx', 'python', 'pip']);
  await timed('install', () => installDependencies());
  // The native build keeps every core busy by itself.
  await timed('build', () => turbo(['build', 'build:native', '--concurrency=2']));
  process.env.MOBILLM_TEST_MODEL = await timed('default model', () => ensureDefaultModelAloud());
  Object.assign(process.env, await timed('servers of models', () => ensureModelServers()));
  const reason = noVendorLibraries();
  if (reason === undefined) {
    Object.assign(
      process.env,
      await timed('libraries of the engines', () => ensureVendorLibraries()),
    );
  } else {
    process.env.MOBILLM_LEFT_OUT = needVendorLibraries.join();
  }

  const reports = mkdtempSync(join(tmpdir(), 'mobillm-test-'));
  try {
    process.env.MOBILLM_CONTRACT_TABLE = join(reports, 'contract');
    const counts = sumCounts([...(await runAll(reports, reason)), await printContractTable()]);
    printSummary(counts);
    return counts.failed === 0 ? 0 : 1;
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
});

/** Two packages at a time, where there are cores and memory for two: most tests use one core. */
async function runAll(reports, noLibraries) {
  const isLeftOut = ({ name }) =>
    noLibraries !== undefined && needVendorLibraries.some((it) => name.startsWith(it));
  const runs = testRuns().map((run, index) => ({
    ...run,
    file: join(reports, `${index}.${run.report}`),
  }));
  const leftOut = runs
    .filter(isLeftOut)
    .map(({ name }) => ({ ...noTests(), skips: [{ name, reason: noLibraries }] }));
  const jobs = (chosen) => chosen.map((run) => () => runTests(run));
  const rest = runs.filter((run) => !isLeftOut(run));
  return [
    ...(await inLanes(lanes(), jobs(rest.filter(({ name }) => !alone.has(name))))),
    ...(await inLanes(1, jobs(rest.filter(({ name }) => alone.has(name))))),
    ...leftOut,
  ];
}

function testRuns() {
  const ofPackages = workspacePackages().flatMap(({ folder, manifest: { name, scripts = {} } }) =>
    [
      { folder, name, script: 'test', report: 'vitest' },
      { folder, name: `${name} (C++)`, script: 'test:native', report: 'junit' },
    ].filter(({ script }) => script in scripts),
  );
  return [
    ...ofPackages,
    { folder: root, name: 'scripts', script: 'test:scripts', report: 'vitest' },
  ];
}

/** @returns {number} how many packages are tested at a time. */
function lanes() {
  const given = Number(process.env.MOBILLM_TEST_LANES);
  if (Number.isInteger(given) && given > 0) return given;
  // A container's limit, where there is one.
  const memory = Math.min(totalmem(), process.constrainedMemory?.() || Infinity);
  return availableParallelism() >= 2 && memory >= 8 * 2 ** 30 ? 2 : 1;
}

async function runTests({ folder, name, script, report, file }) {
  const args = report === 'vitest' ? ['--', '--reporter=default', `--reporter=${reporter}`] : [];
  const { status } = await timed(`test ${name}`, () =>
    runCommand('npm', ['run', '--silent', script, ...args], {
      cwd: folder,
      env: { ...process.env, MOBILLM_COUNTS_FILE: file, MOBILLM_JUNIT_FILE: file },
      prefix: `${name.replace('@mobillm/', '')} | `,
    }),
  );
  const read = report === 'vitest' ? readVitestCounts : readJunitCounts;
  return read(file, name, status);
}

/** Prints what became of the contract suites by engine; none to print is a failure of its own. */
async function printContractTable() {
  console.log('');
  const args = [join(root, 'scripts', 'contract-table.mjs'), process.env.MOBILLM_CONTRACT_TABLE];
  const { status } = await runCommand(process.execPath, args);
  const failures = status === 0 ? [] : ['the table of the contract suites'];
  return { passed: 1 - failures.length, failed: failures.length, failures, skips: [] };
}

async function timed(title, job) {
  console.log(`\n── ${title}`);
  const startedAt = performance.now();
  const result = await job();
  console.log(`── ${title}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}

function printSummary({ passed, failed, failures, skips }) {
  console.log('');
  for (const { name, reason } of skips) {
    console.log(`skipped: ${name}${reason === '' ? '' : ` (${reason})`}`);
  }
  for (const name of failures) console.log(`failed: ${name}`);
  const skipped = skips.length === 0 ? '' : `, ${skips.length} skipped`;
  // A caller that adds these counts to its own says so, and prints the one line itself.
  const target = process.env.MOBILLM_TEST_SUMMARY;
  if (target)
    writeFileSync(target, JSON.stringify({ passed, failed, failures, skipped: skips.length }));
  else console.log(`${passed} passed, ${failed} failed${skipped}`);
}
