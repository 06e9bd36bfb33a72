// Prints what the contract suites came to: test group by engine. `node scripts/contract-table.mjs
// <folder>`, the folder being the one that MOBILLM_CONTRACT_TABLE named while the tests ran. Needs
// core to be built. The exit status is 1 where nothing was recorded or a group failed.
import { formatContractTable, readContractResults } from '../packages/core/dist/testing/index.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/contract-table.mjs <folder>');
  process.exit(2);
}
const results = await readContractResults(folder);
if (results.length === 0) {
  console.error(`No contract suite has written its results to ${folder}.`);
  process.exit(1);
}
console.log(formatContractTable(results));
const isSound = ({ groups }) =>
  groups.length > 0 && groups.every(({ failed }) => failed.length === 0);
process.exit(results.every(isSound) ? 0 : 1);
