import tseslint from 'typescript-eslint';

/** What an orchestrator must not touch: whatever gives another answer on replay. */
const nonDeterministicGlobals = [
  'Date',
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'crypto',
  'fetch',
  'performance',
  'Promise',
].map((name) => ({
  name,
  message: 'An orchestrator is replayed: take it from context.df or from the input, or move it into an activity.',
}));

export default tseslint.config(
  { ignores: ['dist/', 'out/', 'coverage/', 'node_modules/', '.sqlfleet/', 'jest.config.js', '.dependency-cruiser.cjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
    },
  },
  { files: ['cli/**', 'bench/**', 'local/**'], rules: { 'no-console': 'off' } },
  {
    files: ['lib/*/orchestrators/**'],
    rules: {
      'no-restricted-globals': ['error', ...nonDeterministicGlobals],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Not the same on replay.' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'AwaitExpression', message: 'An orchestrator yields durable tasks; it never awaits.' },
        { selector: 'FunctionDeclaration[async=true]', message: 'An orchestrator is a synchronous generator.' },
        { selector: 'ArrowFunctionExpression[async=true]', message: 'An orchestrator is a synchronous generator.' },
        { selector: 'FunctionExpression[async=true]', message: 'An orchestrator is a synchronous generator.' },
      ],
    },
  },
  { files: ['**/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
