// From a fresh clone to an answer: installs and builds what is missing, then runs examples/chat with
// the default model. A second run builds nothing.
//   npm run quickstart -- "Why is the sky blue?"
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { defaultModel, ensureDefaultModelAloud } from './default-model.mjs';
import { isBuilt, rememberBuild, sourceStamp } from './lib/build-stamp.mjs';
import { installDependencies, turbo } from './lib/pnpm.mjs';
import { requireNode, requireTools } from './lib/tools.mjs';
import { runMain } from './lib/user-error.mjs';
import { root } from './lib/workspace.mjs';

await runMain(async () => {
  requireNode();
  await build();
  const { main } = await import(pathToFileURL(join(root, 'examples/chat/dist/main.js')).href);
  return main(process.argv.slice(2), {
    command: 'npm run quickstart --',
    defaultModel: { name: defaultModel.name, fetch: ensureDefaultModelAloud },
  });
});

async function build() {
  const stamp = sourceStamp();
  if (isBuilt(stamp)) return;
  requireTools(['git', 'cmake', 'ninja', 'cxx', 'python', 'pip']);
  // What builds say goes to standard error, so that --json has standard output to itself.
  console.error('Building once; later runs start at once.');
  await installDependencies({ output: process.stderr });
  const only = '--filter=mobillm-example-chat...';
  await turbo(['build', 'build:native', only, '--concurrency=2'], { output: process.stderr });
  rememberBuild(stamp);
}
