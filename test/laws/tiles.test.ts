/**
 * Law: a transformer trained tile by tile, every tile working on its own features and tokens and joined to others by messages alone, has the bits of whole bands swept in one call.
 *
 * Rectangles are odd on purpose: columns cut heads, rows cut slabs, threads share a sample. Every door of a tile's SRAM refuses the features and lanes of others
 * (src/cluster/tile/doors.ts), so these runs also show that no tile reaches for them. Not here: other machines (same-bits.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDoors, piecesOf, type TileSram } from '../../src/cluster/tile/doors.js';
import { compile } from '../../src/compiler/compile.js';
import { adamW, attention, block, Cluster, constant, dropout, embedding, gelu, gpt, layerNorm, linear, llama, model, relu, residual, rmsNorm, rotary, sequence, sgd, swiglu } from '../../src/index.js';
import type { LayerSpec, Model, RunResult, TrainOptions } from '../../src/index.js';
import { assertSameBits, roomyWafer } from '../../src/testing/index.js';
import { purposes, randomWord } from '../../src/util/prng.js';

const seed = 20220412;

interface Drawn {
  readonly family: 'gpt' | 'llama' | 'mixed';
  readonly layers: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly half: number;
  readonly odd: boolean;
  readonly hidden: number;
  readonly context: number;
  readonly vocabulary: number;
  readonly tied: boolean;
  readonly erf: boolean;
  readonly rate: number;
}

/** A transformer of few odd numbers. Heads of a GPT may have an odd size; rotary positions want pairs. */
const build = ({ family, layers, kvHeads, group, half, odd, hidden, context, vocabulary, tied, erf, rate }: Drawn): Model => {
  const heads = kvHeads * group, initStd = 0.4, activation = erf ? 'erf' : 'tanh';
  if (family === 'gpt') return gpt({ layers, heads: kvHeads * group, dim: heads * (2 * half - (odd ? 1 : 0)), context, vocabulary, hidden, tied, activation, dropout: rate, initStd });
  if (family === 'llama') return llama({ layers, heads, kvHeads, dim: hidden + 3, headSize: 2 * half, hidden, context, vocabulary, tied, initStd });
  // Neither of the two: steps in every order, dropout behind attention and positions, residuals that begin with a product or a step.
  const shape = { heads, kvHeads, headSize: 2 * half }, dim = hidden + 1, drop: LayerSpec[] = rate === 0 ? [] : [dropout(rate)];
  return model({
    name: 'mixed',
    input: sequence({ vocabulary, context }),
    layers: [
      embedding({ dim, init: { kind: 'normal', std: initStd } }),
      ...Array.from({ length: layers }, () => block([
        residual([layerNorm({ bias: odd }), linear((heads + 2 * kvHeads) * shape.headSize), ...drop, rotary(shape), attention(shape), ...drop, linear(dim, { bias: odd })]),
        residual([linear(2 * hidden), swiglu(), linear(hidden), relu(), linear(dim), ...drop]),
        residual([gelu({ approximation: activation }), linear(dim)]),
      ])),
      ...(odd ? [rmsNorm()] : []),
      linear(vocabulary, { tied }),
    ],
  });
};

const aTransformer = (): fc.Arbitrary<Drawn> =>
  fc.record({
    family: fc.constantFrom('gpt' as const, 'llama' as const, 'mixed' as const),
    layers: fc.integer({ min: 1, max: 2 }),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    half: fc.integer({ min: 1, max: 3 }),
    odd: fc.boolean(),
    hidden: fc.integer({ min: 2, max: 17 }),
    context: fc.oneof({ weight: 1, arbitrary: fc.integer({ min: 2, max: 32 }) }, { weight: 3, arbitrary: fc.integer({ min: 33, max: 70 }).filter((tokens) => tokens % 32 !== 0) }),
    vocabulary: fc.integer({ min: 3, max: 19 }),
    tied: fc.boolean(),
    erf: fc.boolean(),
    rate: fc.constantFrom(0, 0.25),
  });

const dataFor = (of: Model, context: number, vocabulary: number, samples: number, masked: boolean, key: number): TrainOptions['data'] => {
  const length = samples * context + 1, draw = (i: number, what: number): number => randomWord(key, purposes.testData, i, what);
  assert.equal(of.tokensPerSample, context);
  const ids = Int32Array.from({ length }, (_, i) => draw(i, 0) % vocabulary);
  return masked ? { kind: 'sequence', ids, labels: Int32Array.from({ length }, (_, i) => (i > 0 && draw(i, 1) % 5 === 0 ? -1 : draw(i, 2) % vocabulary)) } : { kind: 'sequence', ids };
};

const aMachine = () =>
  fc.record({
    rows: fc.integer({ min: 1, max: 7 }),
    cols: fc.integer({ min: 1, max: 9 }),
    numCsx: fc.integer({ min: 1, max: 2 }),
    threads: fc.integer({ min: 1, max: 3 }),
    microBatchSize: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
    kernels: fc.oneof({ weight: 4, arbitrary: fc.constant('auto' as const) }, { weight: 1, arbitrary: fc.constant('twin' as const) }),
  });
type Machine = ReturnType<typeof aMachine> extends fc.Arbitrary<infer T> ? T : never;

const trainBy = async (sweep: 'band' | 'tile', of: Model, { rows, cols, microBatchSize, ...rest }: Machine, options: TrainOptions, dispatcher: 'local' | 'thread' = 'local'): Promise<RunResult> => {
  await using cluster = await Cluster.start({ dispatcher, sweep, wafer: { rows, cols, spec: roomyWafer }, ...rest });
  return await cluster.train(of, microBatchSize === undefined ? options : { ...options, microBatchSize }).finished;
};

/** Trains on the same machine both ways. */
const sameEitherWay = async (of: Model, machine: Machine, options: TrainOptions, dispatcher: 'local' | 'thread' = 'local'): Promise<void> => {
  const swept = await trainBy('band', of, machine, options), tiled = await trainBy('tile', of, machine, options, dispatcher);
  assert.deepEqual(tiled.record.losses, swept.record.losses);
  assertSameBits(tiled.weights, swept.weights, 'tiles and bands');
};

test('transformers trained tile by tile have the bits of whole bands', async () => {
  const seen = { families: new Set<string>(), shared: 0, cutSlabs: 0, cutHeads: 0, kept: 0 };
  await fc.assert(
    fc.asyncProperty(
      aTransformer(),
      aMachine(),
      fc.record({ steps: fc.integer({ min: 1, max: 2 }), batchSize: fc.integer({ min: 1, max: 3 }), masked: fc.boolean(), key: fc.nat(), recompute: fc.constantFrom('none' as const, 'attention' as const, 'block' as const, 'offload' as const) }),
      async (drawn, machine, { steps, batchSize, masked, key, recompute }) => {
        const of = build(drawn), { context, vocabulary } = drawn, slabs = Math.ceil(context / 32);
        const data = dataFor(of, context, vocabulary, 4, masked, key);
        await sameEitherWay(of, machine, { data, optimizer: adamW({ learningRate: constant(0.01), weightDecay: 0.01 }), steps, batchSize, seed: key, recompute, clipNorm: 1 });
        const share = machine.microBatchSize ?? Math.ceil(batchSize / machine.numCsx);
        seen.families.add(drawn.family);
        if (machine.rows > share * slabs) seen.cutSlabs++;
        if (machine.threads > batchSize) seen.shared++;
        if (machine.cols > 2) seen.cutHeads++;
        if (recompute === 'none') seen.kept++;
      },
    ),
    { seed, numRuns: 30 },
  );
  assert.ok(seen.families.size === 3 && seen.shared > 2 && seen.cutSlabs > 2 && seen.cutHeads > 5 && seen.kept > 5, `the machines were too much alike: ${JSON.stringify(seen)}, ${seen.families.size}`);
});

test('sums of more than one chunk, layers of several blocks and heads that begin inside a chunk', async () => {
  const machine: Machine = { rows: 3, cols: 7, numCsx: 1, threads: 1, microBatchSize: undefined, kernels: 'auto' };
  const of = llama({ layers: 1, heads: 2, kvHeads: 1, dim: 259, headSize: 262, hidden: 131, context: 37, vocabulary: 11, tied: true, initStd: 0.1 });
  await sameEitherWay(of, machine, { data: dataFor(of, 37, 11, 2, false, seed), optimizer: sgd({ learningRate: constant(0.1) }), steps: 1, batchSize: 1, seed, recompute: 'attention' });
});

test('threads that share a sample work its tiles at once', async () => {
  const of = gpt({ layers: 1, heads: 3, dim: 15, context: 70, vocabulary: 9, initStd: 0.4, dropout: 0.1 });
  const options: TrainOptions = { data: dataFor(of, 70, 9, 2, true, seed), optimizer: sgd({ learningRate: constant(0.1) }), steps: 2, batchSize: 1, seed };
  const machine: Machine = { rows: 5, cols: 4, numCsx: 1, threads: 2, microBatchSize: undefined, kernels: 'auto' };
  await sameEitherWay(of, machine, options, 'thread');
});

test('a tile that reaches for features or lanes of another is refused', () => {
  const of = gpt({ layers: 1, heads: 1, dim: 6, context: 40, vocabulary: 5 });
  const { rowEdges } = compile(of, { tokens: 40, wafer: { rows: 4, cols: 3 }, spec: roomyWafer });
  const pieces = piecesOf(rowEdges, 0, [32, 8]);
  assert.deepEqual(pieces.flat().map(({ row, slab, first, last }) => [row, slab, first, last]), [[0, 0, 0, 10], [1, 0, 10, 20], [2, 0, 20, 30], [3, 0, 30, 32], [3, 1, 0, 8]]);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const sram: TileSram = {
    kernels: {} as TileSram['kernels'], memory, scratch: [8192, 16_384, 24_576],
    range: () => [2, 4],
    at: (_, slab, feature) => (slab * 6 + feature) * 128,
    holds: (piece) => pieces.flat().some((own) => own.row === 1 && own.slab === piece.slab && piece.first >= own.first && piece.last <= own.last),
  };
  const own = { row: 1, slab: 0, first: 10, last: 20 };
  const panel = new Float32Array(memory.buffer, 8192, 64), sramOf = new Float32Array(memory.buffer, 0, 12 * 32);
  sramOf.fill(1);
  panel.fill(7);
  openDoors(sram, own).store(0, 8192, 2, 4);
  assert.deepEqual([...sramOf.entries()].filter(([, value]) => value === 7).map(([i]) => i), [2, 3].flatMap((feature) => Array.from({ length: 10 }, (_, t) => feature * 32 + 10 + t)));
  openDoors(sram, own).load(0, 8192, 3, 4);
  assert.deepEqual([...panel.subarray(0, 32)], Array.from({ length: 32 }, (_, t) => (t >= 10 && t < 20 ? 7 : 0)));
  for (const [from, to] of [[1, 3], [3, 5], [0, 1], [4, 4]] as const) {
    assert.throws(() => openDoors(sram, own).load(0, 8192, from, to), /own features/);
    assert.throws(() => openDoors(sram, own).store(0, 8192, from, to), /own features/);
  }
  assert.throws(() => openDoors(sram, { ...own, last: 21 }), /own row/);
  assert.throws(() => openDoors(sram, { ...own, slab: 1, first: 0, last: 8 }), /own row/);
});
