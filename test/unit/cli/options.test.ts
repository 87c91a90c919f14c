/** Options: a value is taken exactly or refused by the name of its option; none is guessed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import fc from 'fast-check';
import { addOptions, flagOf, optionNames, parseOptions, type OptionName, type Options } from '../../../src/cli/options.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const parse = (...argv: string[]): Options => {
  const command = new Command().exitOverride();
  addOptions(command, optionNames);
  return parseOptions(command.parse(argv, { from: 'user' }).opts());
};
const refusedBy = (name: OptionName, value: string): void =>
  assert.throws(() => parse(flagOf(name), value), (error) => error instanceof InvalidConfig && error.message.includes(flagOf(name)) && error.details.value === value, `${flagOf(name)} ${value}`);

/** Least and largest of each whole number. */
const wholes: Readonly<Partial<Record<OptionName, readonly [number, number]>>> = {
  hidden: [1, 2 ** 20], layers: [0, 256], embed: [1, 2 ** 20], context: [1, 2 ** 20], batchSize: [1, 2 ** 26], microBatchSize: [1, 2 ** 26], warmupSteps: [0, 2 ** 30],
  steps: [1, 2 ** 30], numCsx: [1, 192], rows: [1, 2 ** 20], cols: [1, 2 ** 20], threads: [1, 256], seed: [0, Number.MAX_SAFE_INTEGER],
  heads: [1, 4096], kvHeads: [1, 4096], dim: [1, 2 ** 20], vocab: [2, 2 ** 24], gradAccumSteps: [1, 2 ** 26], evaluateEvery: [1, 2 ** 30], evaluationBatches: [1, 2 ** 26], patience: [1, 2 ** 30],
  maxTokens: [1, 2 ** 20], topK: [1, 2 ** 24], sparsityUpdateEvery: [1, 2 ** 30], jobs: [1, 256],
};
const wholeNames = Object.keys(wholes) as OptionName[];
const reals = ['learningRate', 'momentum', 'weightDecay'] as const;
const wordy = ['', ' ', 'NaN', 'Infinity', '-Infinity', '0x10', '1_000', '12abc', 'abc', '1,5', ' 5', '5 ', '--', '१', '1e', 'e3', '.', '+', '1.2.3'];

describe('options', () => {
  test('whole numbers are taken from the least to the largest and no further', () => {
    for (const name of wholeNames) {
      const [low, high] = wholes[name] ?? [0, 0];
      for (const value of [low, high]) assert.equal(parse(flagOf(name), String(value))[name], value);
      for (const text of [String(low - 1), String(BigInt(high) + 1n), '1.5', '1e2', '+5', '-5', `${high}0`, '9'.repeat(400), ...wordy]) refusedBy(name, text);
    }
  });

  test('any text for a number is either its exact decimal reading or refused', () =>
    fc.assert(
      fc.property(fc.constantFrom(...wholeNames, ...reals), fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String), fc.stringMatching(/^[-+.e0-9]{1,8}$/)), (name, text) => {
        try {
          const value = parse(`${flagOf(name)}=${text}`)[name];
          assert.equal(value, name === 'threads' && text === 'auto' ? 'auto' : Number(text));
          assert.match(text, /^[+]?[0-9.]|^-0|^auto$/);
        } catch (error) {
          assert.ok(error instanceof InvalidConfig && error.message.includes(flagOf(name)), String(error));
        }
      }),
      { seed: 31, numRuns: 500 },
    ));

  test('numbers with a fraction are taken in their range', () => {
    for (const name of reals) {
      for (const [text, value] of [['0', 0], ['.5', 0.5], ['1e-3', 0.001], ['3.', 3], ['1E+2', 100], ['1e6', 1e6]] as const) assert.equal(parse(flagOf(name), text)[name], value);
      for (const text of ['-1', '-1e-9', '1e7', '1e400', ...wordy]) refusedBy(name, text);
    }
  });

  test('shares, rates and norms have open ends where their ends make no sense', () => {
    for (const [name, taken, refused] of [
      ['temperature', ['0', '0.8', '1e-6', '100'], ['-1', '1e-7', '100.1']],
      ['topP', ['1', '.9', '1e-9'], ['0', '1.001', '-0.5']],
      ['clipNorm', ['1e-9', '1', '1e6'], ['0', '1e7', '-1']],
      ['evaluationSplit', ['.05', '0.999'], ['0', '1', '-.1']],
      ['dropout', ['0', '0.999'], ['1', '-0.1', 'on']],
    ] as const) {
      for (const text of taken) assert.equal(parse(flagOf(name), text)[name], Number(text));
      for (const text of [...refused, ...wordy]) refusedBy(name, text);
    }
    assert.equal(parse('--dropout', 'off').dropout, 'off');
  });

  test('sparsity is a share, a word, or the path of a config; a number out of range is none of them', () => {
    for (const [text, value] of [['0', 0], ['.9', 0.9], ['0.999', 0.999], ['1e-3', 0.001]] as const) assert.equal(parse('--sparsity', text).sparsity, value);
    for (const text of ['kept', 'off', 'rules.yaml', '0.9.json', './off', 'nano', '12abc']) assert.equal(parse('--sparsity', text).sparsity, text);
    for (const text of ['', ' ', '1', '1.0', '-0.1', '2', '1e3', 'NaN', '-nan', 'Infinity', '-Infinity', '0x1', ' 0.5']) refusedBy('sparsity', text);
  });

  test('a pattern of masks is a word, or some of so many', () => {
    for (const [text, value] of [['unstructured', 'unstructured'], ['4x1', 'blocks'], ['2:4', { n: 2, m: 4 }], ['1:16', { n: 1, m: 16 }]] as const) assert.deepEqual(parse('--sparsity-pattern', text).sparsityPattern, value);
    for (const text of [...wordy, 'blocks', '4:4', '5:4', '0:4', '2:', ':4', '2:4:8', '1x4', '-1:4']) refusedBy('sparsityPattern', text);
  });

  test('rectangles and generations are words or sizes', () => {
    for (const [text, value] of [['whole', 'whole'], ['auto', 'auto'], ['64x32', { rows: 64, cols: 32 }]] as const) assert.deepEqual(parse('--rectangle', text).rectangle, value);
    for (const text of [...wordy, '64', '64x', 'x32', '0x1', '64X32', '1x2x3', '-1x2']) refusedBy('rectangle', text);
    assert.deepEqual(parse('--generate', '8x512+128').generate, { prompts: 8, promptTokens: 512, newTokens: 128 });
    for (const text of [...wordy, '8', '8x512', '512+128', '0x1+1', '1x0+1', '1x1+0', '8×512+128']) refusedBy('generate', text);
    assert.deepEqual([parse('--scaling').scaling, parse('--scaling', 'weak').scaling], [true, 'weak']);
  });

  test('published shapes are models by their names', () => {
    for (const name of ['gpt', 'llama', 'gpt2', 'gpt3-175b', '111m', 'llama3.2-1b'] as const) assert.equal(parse('--model', name).model, name);
    for (const text of ['tiny', 'gpt4', 'GPT2', 'toString']) refusedBy('model', text);
  });

  test('an option that may come again is kept in its order, empty ones too', () =>
    fc.assert(fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), (texts) => {
      assert.deepEqual(parse(...texts.map((text) => `--prompt=${text}`)).prompt, texts);
    }), { seed: 77 }));

  test('words are taken from their list', () => {
    assert.deepEqual(parse('--model', 'mlp', '--optimizer', 'sgd', '--schedule', 'cosine', '--dispatcher', 'local', '--kernels', 'twin', '--threads', 'auto', '--json', '--nesterov', '--recompute', 'block', '--dtype', 'bfloat16',
      '--sparsity-algorithm', 'rigl', '--sparsity-init', 'from_zeros', '--sparse-layout', 'compact'),
      { model: 'mlp', optimizer: 'sgd', schedule: 'cosine', dispatcher: 'local', kernels: 'twin', threads: 'auto', json: true, nesterov: true, recompute: 'block', dtype: 'bfloat16',
        sparsityAlgorithm: 'rigl', sparsityInit: 'from_zeros', sparseLayout: 'compact' });
    for (const name of ['model', 'optimizer', 'schedule', 'dispatcher', 'kernels', 'recompute', 'dtype', 'sparsityAlgorithm', 'sparsityInit', 'sparseLayout'] as const) for (const text of ['', 'MLP', 'sgd ', 'constructor', '__proto__']) refusedBy(name, text);
    for (const name of ['data', 'images', 'labels', 'config', 'weights', 'tokenizer', 'save', 'prompts', 'field'] as const) refusedBy(name, '');
  });

  test('what is not given is absent', () => assert.deepEqual(parse(), {}));
});
