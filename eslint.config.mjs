import js from '@eslint/js';
import jsdoc from 'eslint-plugin-jsdoc';
import tseslint from 'typescript-eslint';

/** What needs a docstring. Members of what a package exports are held to it by typedoc. */
const publicThings = [
  'ExportNamedDeclaration > TSInterfaceDeclaration',
  'ExportNamedDeclaration > TSTypeAliasDeclaration',
  'ExportNamedDeclaration > FunctionDeclaration',
  'ExportNamedDeclaration > ClassDeclaration',
  'ExportNamedDeclaration:has(> VariableDeclaration)',
];

export default tseslint.config(
  {
    ignores: ['**/dist/', '**/build/', '**/build-*/', '**/.turbo/', '**/vendor/', 'docs/api/'],
  },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      // Prettier decides where lines break.
      'no-unexpected-multiline': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
      ],
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      // Errors are told by their mark across copies of a package, see MobillmError.is.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // `async` also turns what is thrown into a rejection, which a promise's caller counts on.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    files: ['packages/*/src/**/*.ts', 'examples/*/src/**/*.ts'],
    plugins: { jsdoc },
    settings: { jsdoc: { mode: 'typescript' } },
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          // The selectors say what is public; the rule's own idea of it stops at functions.
          require: { FunctionDeclaration: false },
          contexts: publicThings,
          enableFixer: false,
          exemptOverloadedImplementations: true,
        },
      ],
      'jsdoc/check-param-names': ['error', { disableMissingParamChecks: true }],
      'jsdoc/check-tag-names': ['error', { definedTags: ['typeParam'] }],
      'jsdoc/no-types': 'error',
    },
  },
  {
    files: ['**/test/**/*.ts', '**/bench/**/*.ts', 'packages/core/src/testing/**/*.ts'],
    rules: {
      // A test that dereferences nothing fails, which is what it should do.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Wrong calls are what many tests are about.
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: {
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        Buffer: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        console: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        process: 'readonly',
        setImmediate: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
        structuredClone: 'readonly',
        TextDecoder: 'readonly',
        TextEncoder: 'readonly',
        URL: 'readonly',
      },
    },
  },
  {
    // Tools that load a file ask for its default export.
    files: ['**/*.config.{ts,mjs}', '.dependency-cruiser.mjs', 'scripts/lib/vitest-counts.mjs'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
