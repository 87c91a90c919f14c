/** First masks by hand: a user's function and what is refused of it, zeros, the checkerboard. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparsityGroup, type MaskFunction, type SparseParameter, type SparsityOptions } from '../../../src/model/sparsity.js';
import { firstMask } from '../../../src/sparsity/init.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const of = (options: SparsityOptions, weights: readonly number[], inputs: number, outputs: number, start = 0.5): Uint8Array => {
  const group = sparsityGroup(options), { algorithm, pattern, balance } = group;
  const plan: SparseParameter = { parameter: 0, inputs, outputs, algorithm, pattern, balance, updates: [], storedMax: inputs * outputs };
  return firstMask(group, { ...plan, name: 'a.weight', shape: [inputs, outputs] }, Float32Array.from(weights), start, 1);
};

test('a function is told name, shape and weights, and its answer is copied', () => {
  const answer = Uint8Array.of(1, 0, 0, 1);
  let told: unknown;
  const own: MaskFunction = (parameter, weights) => {
    told = [parameter, [...weights]];
    weights.fill(9);
    return answer;
  };
  const weights = [1, 2, 3, 4], mask = of({ init: own }, weights, 2, 2);
  assert.deepEqual(told, [{ name: 'a.weight', shape: [2, 2] }, weights]);
  assert.deepEqual(mask, answer);
  answer.fill(0);
  assert.deepEqual([...mask], [1, 0, 0, 1]);
});

test('a function whose answer does not keep to its parameter is refused', () => {
  const bits = (text: string): MaskFunction => () => Uint8Array.from(text, Number);
  const refused: readonly (readonly [SparsityOptions, number, number, RegExp])[] = [
    [{ init: bits('101') }, 2, 2, /mask of a\.weight: positions \(got 3, limit 4\)/],
    [{ init: bits('1021') }, 2, 2, /position 2 \(got 2, limit '0 or 1'\)/],
    [{ init: (() => [1, 0, 1, 0]) as unknown as MaskFunction }, 2, 2, /a Uint8Array/],
    [{ init: bits('11110010'), sparsity: 0.5, pattern: 'blocks' }, 2, 4, /position 6 is stored .*four consecutive outputs/],
    [{ init: bits('1000'), pattern: { n: 1, m: 2 } }, 2, 2, /output 1 among inputs 0 to 1 \(got 0, limit 1\)/],
    [{ init: bits('1101'), balance: { axis: 'inputs', groups: 2 } }, 2, 2, /group 1 of inputs \(got 1/],
    [{ init: 'from_zeros', balance: { axis: 'outputs', groups: 2 } }, 2, 2, /group 1 of outputs \(got 0/],
  ];
  for (const [options, inputs, outputs, message] of refused) assert.throws(() => of(options, [1, 0, 2, 0, 0, 0, 0, 0].slice(0, inputs * outputs), inputs, outputs), (e) => e instanceof InvalidConfig && message.test(e.message), String(message));
  assert.deepEqual([...of({ init: bits('11110000'), pattern: 'blocks' }, Array.from({ length: 8 }, () => 0), 2, 4)], [1, 1, 1, 1, 0, 0, 0, 0]);
});

test('from_zeros: what is not 0 of either sign; blocks with one such weight; N:M filled up from the first input', () => {
  assert.deepEqual([...of({ init: 'from_zeros' }, [1, 0, -0, NaN, 1e-45, -2], 2, 3)], [1, 0, 0, 1, 1, 1]);
  assert.deepEqual([...of({ init: 'from_zeros', pattern: 'blocks' }, [0, 0, 3, 0, 0, 0, 0, 0], 2, 4)], [1, 1, 1, 1, 0, 0, 0, 0]);
  assert.deepEqual([...of({ init: 'from_zeros', pattern: { n: 2, m: 4 } }, [0, 0, 5, 0], 4, 1)], [1, 0, 1, 0]);
  assert.throws(() => of({ init: 'from_zeros', pattern: { n: 1, m: 4 } }, [0, 4, 5, 0], 4, 1), /among inputs 0 to 3 \(got 2, limit 1\)/);
});

test('checkerboard: rows and columns hold as many, each row turned by one', () => {
  const rows = (mask: Uint8Array, outputs: number): string[] => Array.from({ length: mask.length / outputs }, (_, i) => mask.subarray(i * outputs, (i + 1) * outputs).join(''));
  assert.deepEqual(rows(of({ init: 'checkerboard', sparsity: 0.5 }, Array.from({ length: 16 }, () => 0), 4, 4), 4), ['0101', '1010', '0101', '1010']);
  assert.deepEqual(rows(of({ init: 'checkerboard', sparsity: 0.75 }, Array.from({ length: 16 }, () => 0), 4, 4, 0.75), 4), ['0001', '0010', '0100', '1000']);
  assert.deepEqual(rows(of({ init: 'checkerboard', pattern: { n: 1, m: 2 } }, Array.from({ length: 8 }, () => 0), 4, 2), 2), ['01', '10', '01', '10']);
});
