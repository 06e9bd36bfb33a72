// Prints what the contract suites came to: test group by engine. `node scripts/contract-table.mjs
// <folder>`, the folder being the one that MOBILLM_CONTRACT_TABLE named while the tests ran. Needs
// core to be built. The exit status is 1 where a package with a suite has recorded nothing, or a group
// failed, was not run, or was skipped for another reason than a capability.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  contractFault,
  formatContractTable,
  readContractResults,
} from '../packages/core/dist/testing/index.js';
import { workspacePackages } from './lib/workspace.mjs';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/contract-table.mjs <folder>');
  process.exit(2);
}
const results = await readContractResults(folder);
if (results.length > 0) console.log(formatContractTable(results));

const faults = results.flatMap((result) => {
  const fault = contractFault(result, results);
  return fault === undefined ? [] : [`${result.engine}: ${fault}`];
});
const leftOut = new Set((process.env.MOBILLM_LEFT_OUT ?? '').split(',').filter(Boolean));
for (const { folder: packageFolder, manifest } of workspacePackages()) {
  const path = join(packageFolder, 'test', 'contract.test.ts');
  const hasSuite = existsSync(path) && readFileSync(path, 'utf8').includes('describeEngine(');
  if (!hasSuite || leftOut.has(manifest.name)) continue;
  if (results.some((result) => result.package === manifest.name)) continue;
  faults.push(`${manifest.name}: its contract suite recorded nothing`);
}
for (const fault of faults) console.error(`contract: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);
