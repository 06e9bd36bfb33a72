/** Folders and files for Node alone: they alone may import Node's own modules. */
const nodeOnly = [
  // One side of a seam: chosen by the condition `node` of "imports".
  '/node\\.ts$',
  '/file-system/(process-name|hash-thread)\\.ts$',
  '/http/tunnel-agents\\.ts$',
  '^packages/core/src/testing/',
  '^packages/core/src/native/(load-addon|platform-package)-node\\.ts$',
  // What `src/rpc/node.ts` brings in, and a program.
  '^packages/engine-llamacpp/src/rpc/(cli|probe-rpc-server|rpc-server-process|start-rpc-server)\\.ts$',
  '^packages/engine-llamacpp/src/(command-line|optimize/cli)\\.ts$',
  // Runs Python and a linker: a door of its own, for Node alone.
  '^packages/engine-mlc/src/compile/',
  '^packages/[^/]+/(test|bench|scripts)/',
  '\\.config\\.ts$',
  '^(examples|integration)/',
];

const engines = '^packages/engine-[^/]+/';
const store = '^packages/model-store/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'core-imports-no-engine-or-store',
      severity: 'error',
      comment: 'Core is what the others stand on; it joins them through its contracts alone.',
      from: { path: '^packages/core/' },
      to: { path: [engines, store] },
    },
    {
      name: 'engines-stand-alone',
      severity: 'error',
      comment: 'An engine imports neither another engine nor the store: the application composes.',
      from: { path: '^packages/(engine-[^/]+)/' },
      to: { path: ['^packages/engine-[^/]+/', store], pathNot: '^packages/$1/' },
    },
    {
      name: 'store-imports-no-engine',
      severity: 'error',
      from: { path: store },
      to: { path: engines },
    },
    {
      name: 'packages-import-no-example',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(examples|integration)/' },
    },
    {
      name: 'public-doors-only',
      severity: 'error',
      comment: "Another package's files are reached by its name, never by a path into its folder.",
      from: { path: '^(packages|examples|integration)/([^/]+)/' },
      to: {
        path: '^(packages|examples|integration)/[^/]+/(src|test|bench)/',
        pathNot: '^$1/$2/',
      },
    },
    {
      name: 'planner-is-plain',
      severity: 'error',
      comment: 'The planner runs in a browser on plain data: no addon, no runtime, no system.',
      from: { path: '^packages/core/src/planner/' },
      to: { path: '^packages/core/(src|dist)/(native|runtime|testing|platform)/' },
    },
    {
      name: 'testing-stays-behind-its-door',
      severity: 'error',
      comment: 'Applications must not carry test suites and Vitest.',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/core/src/testing/' },
      to: {
        path: [
          '^packages/core/src/testing/',
          '^packages/core/dist/testing/',
          'node_modules/vitest/',
        ],
      },
    },
    {
      name: 'native-door-is-for-engines',
      severity: 'error',
      comment: 'The main door loads nothing native.',
      from: { path: '^packages/core/src/', pathNot: '^packages/core/src/(native|testing)/' },
      to: { path: '^packages/core/src/native/' },
    },
    {
      name: 'node-modules-in-node-files-only',
      severity: 'error',
      comment: 'What differs between platforms is reached through the conditions of "imports".',
      from: { path: '\\.ts$', pathNot: nodeOnly },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'declared-dependencies-only',
      severity: 'error',
      from: {},
      to: {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown'],
        // A peer that is optional counts as undeclared and as a peer.
        dependencyTypesNot: ['npm', 'npm-dev', 'npm-peer'],
      },
    },
    {
      name: 'no-dev-dependency-in-src',
      severity: 'error',
      comment: 'What is published finds only what its manifest says.',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/core/src/testing/' },
      to: {
        // Bundled into the package, see its tsup.config.ts.
        pathNot: 'node_modules/@huggingface/',
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only', 'npm', 'npm-peer', 'npm-optional'],
      },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: ['^#', '^react-native-node-api$'] },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    exclude: {
      path: [
        '/build/',
        '/build-release/',
        '/build-sanitize/',
        '/build-arm64(-release)?/',
        '/vendor/',
        '/\\.turbo/',
        '/test/fixtures/',
        '/test/testing/fixtures/',
      ],
    },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
