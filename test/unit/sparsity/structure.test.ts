/** The structure of a stream: positions, indices, starts and the gather of the delta form, against lists made by sorting; sizes bound them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MaskPattern } from '../../../src/model/sparsity.js';
import { structureOf, structureSizes, type BlockRun, type StreamStructure } from '../../../src/sparsity/structure.js';
import { aCase, runsOf, type StructureCase } from './structure-cases.js';

interface Entry {
  readonly block: number;
  readonly chunk: number;
  readonly result: number;
  readonly feature: number;
  readonly dense: number;
  readonly lane: number;
}
const byOrder = (a: Entry, b: Entry): number => a.block - b.block || a.chunk - b.chunk || a.result - b.result || a.feature - b.feature || a.lane - b.lane;

/** Stored positions of one direction, sorted into stream order. `results` of a group of lanes share one number. */
const entriesOf = ({ mask, inputs, outputs }: StructureCase, blocks: readonly BlockRun[], direction: 'forward' | 'delta', lanes: number): Entry[] => {
  const entries: Entry[] = [];
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      if (mask[i * outputs + o] === 0) continue;
      const [feature, result] = direction === 'forward' ? [i, o] : [o, i];
      const block = blocks.findIndex(({ first, count }) => result >= first && result < first + count);
      entries.push({ block, chunk: Math.floor(feature / 256), result: Math.floor(result / lanes), lane: result % lanes, feature, dense: i * outputs + o });
    }
  }
  return entries.toSorted(byOrder);
};

const checkForm = (entries: readonly Entry[], form: StreamStructure['forward'], blocks: readonly BlockRun[], features: number, lanes: number): void => {
  const heads = entries.filter(({ lane }) => lane === 0), chunks = Math.ceil(features / 256);
  assert.deepEqual([...form.indices], heads.map(({ feature, chunk }) => (feature - 256 * chunk) * 128));
  assert.deepEqual([...form.firstOf], [0, ...blocks.map((_, b) => entries.filter(({ block }) => block <= b).length)]);
  const counts = new Map<string, number>(), starts: number[] = [], startsOf = [0];
  for (const { block, chunk, result } of heads) counts.set(`${block} ${chunk} ${result}`, (counts.get(`${block} ${chunk} ${result}`) ?? 0) + 1);
  for (const [b, { first, count }] of blocks.entries()) {
    let before = 0;
    for (let c = 0; c < chunks; c++) {
      for (let r = first / lanes; r < (first + count) / lanes; r++) {
        starts.push(before);
        before += counts.get(`${b} ${c} ${r}`) ?? 0;
      }
    }
    starts.push(before);
    startsOf.push(starts.length);
  }
  assert.deepEqual([...form.starts], starts);
  assert.deepEqual([...form.startsOf], startsOf);
};

const check = (c: StructureCase): void => {
  const { mask, inputs, outputs, pattern, forwardBlocks, deltaBlocks } = c;
  const s = structureOf(mask, inputs, outputs, pattern, forwardBlocks, deltaBlocks);
  const lanes = pattern === 'blocks' ? 4 : 1, forward = entriesOf(c, forwardBlocks, 'forward', lanes);
  assert.equal(s.stored, forward.length);
  assert.deepEqual([...s.positions], forward.map(({ dense }) => dense));
  checkForm(forward, s.forward, forwardBlocks, inputs, lanes);
  const delta = deltaBlocks.length === 0 ? [] : entriesOf(c, deltaBlocks, 'delta', 1);
  assert.deepEqual([...s.delta.order].map((place) => s.positions[place]), delta.map(({ dense }) => dense));
  checkForm(delta, s.delta, deltaBlocks, outputs, 1);
  const sizes = structureSizes(inputs, outputs, pattern, forwardBlocks, deltaBlocks, s.stored);
  assert.deepEqual(sizes, {
    positions: s.positions.length, forwardIndices: s.forward.indices.length, forwardStarts: s.forward.starts.length,
    deltaOrder: s.delta.order.length, deltaIndices: s.delta.indices.length, deltaStarts: s.delta.starts.length,
  });
};

test('any mask, pattern and blocks: the orders of the stream, sizes exactly as foretold', () => {
  fc.assert(fc.property(aCase(), check), { seed: 1, numRuns: 150 });
});

test('more than one chunk of either side, empty and full', () => {
  for (const pattern of ['unstructured', 'blocks', { n: 2, m: 4 }] satisfies MaskPattern[]) {
    for (const density of [0, 1]) {
      const [inputs, outputs] = [516, 260];
      check({ inputs, outputs, pattern, mask: new Uint8Array(inputs * outputs).fill(density), forwardBlocks: runsOf(outputs, 80), deltaBlocks: runsOf(inputs, 300) });
    }
  }
});

test('blocks that leave a gap are a bug', () => {
  assert.throws(() => structureOf(new Uint8Array(12), 3, 4, 'unstructured', [{ first: 0, count: 3 }], []), /blocks cover/);
  assert.throws(() => structureOf(new Uint8Array(12), 3, 4, 'blocks', runsOf(4, 2), []), /block of 2 results/);
});
