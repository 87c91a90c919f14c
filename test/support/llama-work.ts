/**
 * The work of the calibration's one row, by hand: Llama-7B on one CS-2, 99 sequences of 2,048 tokens, numbers of 16 bits, the inner activations of blocks made again.
 *
 *   750 × 994 tiles · micro-batches of 15 sequences, the most that 48 KiB hold (32 tokens a row), six of them, and one of 9 (19 tokens a row)
 *
 * Not here: what plan() makes of the same model.
 */
import type { MicroBatchWork, PassWork, PlacedPass, UpdateWork, Work } from '../../src/trace/work.js';
import { gradient, pass, Passes, streamed, update, workOf, type Mesh } from './works.js';

const dim = 4096, hidden = 11_008, layers = 32, heads = 32, context = 2048, vocabulary = 32_000, rows = 994, cols = 750, classesOfBlock = 256;
const perTile = (features: number): number => Math.ceil(features / cols);

/** A norm's way over one row: the sum of squares there and back, then every value once more. */
const norm = (phase: 'forward' | 'recompute', mesh: Mesh): PassWork => {
  const { tokensOfRow: T } = mesh, n = perTile(dim);
  return pass('norm.forward', phase, { rowVectors: 1, rowValues: T, elements: 2 * n * T, elementVectors: 2 * n, tasks: 2, waveletsSouth: n / 2, waveletsEast: 2 * T }, { columns: cols, rows, inBytes: 2 * dim, memoryXOutBytes: 2 * dim });
};
const normDelta = ({ tokensOfRow: T }: Mesh): PassWork => pass('norm.delta', 'delta', { rowVectors: 1, rowValues: T, elements: 2 * perTile(dim) * T, elementVectors: 2 * perTile(dim), tasks: 2, waveletsEast: 2 * T }, { columns: cols, rows, inBytes: 2 * dim, memoryXOutBytes: 2 * dim });
const normGradient = ({ tokensOfRow: T }: Mesh): PassWork => pass('norm.gradient', 'gradient', { elements: perTile(dim) * T, elementVectors: perTile(dim), columnValues: perTile(dim), tasks: 1, waveletsNorth: perTile(dim) }, { columns: cols, rows, outBytes: 4 * dim, memoryXInBytes: 4 * dim });

/** The row with the last tokens of a sample sees every key: T AXPYs' worth of queries against 2,048 keys, feature by feature. */
const attention = (phase: 'forward' | 'recompute' | 'delta', mesh: Mesh): PassWork => {
  const { tokensOfRow: T, tokens } = mesh, n = perTile(dim), pairs = T * (context - (T - 1) / 2), isDelta = phase === 'delta', products = isDelta ? 5 : 2, columnsOfHead = Math.ceil((dim / heads) / n) + 1;
  const sums = isDelta ? 2 : 1, macs = (products * dim * tokens * (context + 1)) / 2;
  return pass(isDelta ? 'attention.delta' : 'attention', phase, {
    vectors: products * n * context, macs: products * n * pairs, rowVectors: sums * context, rowValues: sums * pairs, elements: (sums * pairs) / columnsOfHead + n * T, elementVectors: (sums * context) / columnsOfHead + n, tasks: products,
    waveletsSouth: 2 * n * (context - T), waveletsEast: 2 * sums * pairs, ...(isDelta ? { columnValues: 2 * n * (context - T), waveletsNorth: 2 * n * (context - T) } : {}),
  }, { columns: columnsOfHead, rows, counts: { macs, sramReadWords: 2 * macs, sramWriteWords: macs }, denseMacs: macs });
};

/** Logits again, deltas, the gradient, and dx block by block of 256 classes: each block adds a sum to every feature's. */
const headDelta = (mesh: Mesh): PassWork => {
  const logits = streamed('head.delta', 'delta', mesh, dim, vocabulary), up = gradient(mesh, dim, vocabulary), blocks = vocabulary / classesOfBlock, { tokensOfRow: T } = mesh;
  const macs = 3 * dim * vocabulary * mesh.tokens;
  return {
    ...logits,
    tile: {
      ...logits.tile, vectors: logits.tile.vectors + up.tile.vectors + blocks * dim, macs: logits.tile.macs + up.tile.macs + blocks * dim * T, rowVectors: vocabulary + blocks * dim, rowValues: (vocabulary + blocks * dim) * T, columnValues: up.tile.columnValues,
      elements: (2 * vocabulary * T) / cols, elementVectors: (2 * vocabulary) / cols, waveletsSouth: 2 * logits.tile.waveletsSouth, waveletsEast: (2 * vocabulary + blocks * dim) * T, waveletsNorth: up.tile.waveletsNorth,
    },
    counts: { macs, sramReadWords: 2 * macs, sramWriteWords: macs }, denseMacs: macs,
    inBytes: 2 * logits.inBytes, memoryXOutBytes: 2 * logits.inBytes, outBytes: up.outBytes, memoryXInBytes: up.memoryXInBytes,
  };
};

/** Linear layers of a block: inputs, outputs, elements of the local work behind it, all a token. */
const linears = { qkv: [dim, 3 * dim, 2 * dim], o: [dim, dim, dim], gateUp: [dim, 2 * hidden, hidden], down: [hidden, dim, dim] } as const;

/** One micro-batch's stream, its passes noted in `passes`. */
const stream = (mesh: Mesh, passes: Passes, updates: UpdateWork[] | null): PlacedPass[] => {
  const { tokensOfRow: T, tokens } = mesh, order: PlacedPass[] = [];
  const withLocals = (one: PassWork, values: number): PassWork => ({ ...one, tile: { ...one.tile, elements: perTile(values) * T, elementVectors: perTile(values) } });
  const forwardOf = (phase: 'forward' | 'recompute') => {
    const linear = ([inputs, outputs, local]: readonly [number, number, number]): number => passes.add(withLocals(streamed('linear.forward', phase, mesh, inputs, outputs), local));
    return [passes.add(norm(phase, mesh)), linear(linears.qkv), passes.add(attention(phase, mesh)), linear(linears.o), passes.add(norm(phase, mesh)), linear(linears.gateUp), linear(linears.down)];
  };
  const gradientOf = ([inputs, outputs]: readonly [number, number, number]): number => passes.add(gradient(mesh, inputs, outputs));
  const deltaOf = ([inputs, outputs, local]: readonly [number, number, number]): number => passes.add(withLocals(streamed('linear.delta', 'delta', mesh, outputs, inputs), local));
  const forward = forwardOf('forward'), recompute = forwardOf('recompute'), ups = passes.add(normGradient(mesh)), downs = passes.add(normDelta(mesh));
  const back = [gradientOf(linears.down), deltaOf(linears.down), gradientOf(linears.gateUp), deltaOf(linears.gateUp), ups, downs, gradientOf(linears.o), deltaOf(linears.o), passes.add(attention('delta', mesh)), gradientOf(linears.qkv), deltaOf(linears.qkv), ups, downs];
  const logits = (op: 'head.max' | 'head.sum'): number => passes.add(withLocals(streamed(op, 'forward', mesh, dim, vocabulary), vocabulary));
  const place = (layer: number, ...numbers: readonly number[]): void => void order.push(...numbers.map((number) => ({ pass: number, layer })));
  const last = layers + 1, elements = Object.values(linears).reduce((sum, [inputs, outputs]) => sum + inputs * outputs, 2 * dim);

  place(0, passes.add(pass('gather', 'forward', {}, { memoryXOutBytes: tokens * dim * 2 })));
  for (let l = 1; l <= layers; l++) place(l, ...forward);
  place(last, forward[0] as number, logits('head.max'), logits('head.sum'), passes.add(headDelta(mesh)), ups, downs);
  updates?.push(update(last, dim * vocabulary + dim, order.length - 1, 1 + layers * forward.length));
  for (let l = layers; l >= 1; l--) {
    if (l < layers) place(l, ...recompute);
    place(l, ...back);
    updates?.push(update(l, elements, order.length - 2, 1 + (l - 1) * forward.length));
  }
  place(0, passes.add(pass('scatter', 'gradient', {}, { memoryXInBytes: tokens * dim * 4 })));
  updates?.push(update(0, dim * vocabulary, order.length - 1, -1));
  return order;
};

/** Sequences of a micro-batch and tokens of its fullest row: the largest that fit, and what is left of 99. */
const parts = [{ sequences: 15, tokensOfRow: 32, times: 6 }, { sequences: 9, tokensOfRow: 19, times: 1 }] as const;

/** 6.74 billion parameters; `more` replaces what the work says of itself. */
export const llamaWork = (more: Partial<Work> = {}): Work => {
  const passes = new Passes(), updates: UpdateWork[] = [], meshOf = (tokens: number, tokensOfRow: number): Mesh => ({ rows, cols, numCsx: 1, tokens, tokensOfRow, bytes: 2, density: 1 });
  const microBatches = parts.map(({ sequences, tokensOfRow, times }, i): MicroBatchWork => {
    const tokens = sequences * context, order = stream(meshOf(tokens, tokensOfRow), passes, i === 0 ? updates : null);
    return { times, tokens, tokensOfRow, rows: Math.ceil(tokens / tokensOfRow), busyCsx: 1, order };
  });
  const parameters = updates.reduce((sum, { elements }) => sum + elements, 0), samples = parts.reduce((sum, { sequences, times }) => sum + sequences * times, 0);
  return workOf({
    mesh: meshOf(samples * context, 0), passes: passes.list, microBatches, updates, layers: ['embedding', ...Array.from({ length: layers }, (_, l) => `block ${l}`), 'head'], samples, tokens: samples * context, parameters,
  }, { model: { name: 'llama-7b', parameterCount: parameters }, ...more });
};
