/**
 * Works by plain formulas: a few linear layers on a rectangle, for tests of prices that need no compiler.
 *
 *   T tokens a row, n = ⌈features / columns⌉ of the fullest tile: n · results AXPYs of T, one sum of T values a result
 *
 * Not here: the works of real plans and records (src/plan/), transformers (llama-work.ts).
 */
import type { Counts } from '../../src/trace/counts.js';
import type { MicroBatchWork, PassOp, PassWork, Phase, PlacedPass, TileWork, UpdateWork, Work } from '../../src/trace/work.js';

export interface Mesh {
  readonly rows: number;
  readonly cols: number;
  readonly numCsx: number;
  /** Tokens of a wafer, and of its fullest row. */
  readonly tokens: number;
  readonly tokensOfRow: number;
  /** Of a weight and of an activation. */
  readonly bytes: 2 | 4;
  /** Share of linear weights that is stored. */
  readonly density: number;
}

const noTile: TileWork = { vectors: 0, macs: 0, rowVectors: 0, rowValues: 0, columnValues: 0, elements: 0, elementVectors: 0, tasks: 0, waveletsSouth: 0, waveletsEast: 0, waveletsNorth: 0 };
const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

export const pass = (op: PassOp, phase: Phase, tile: Partial<TileWork>, rest: Partial<Omit<PassWork, 'op' | 'phase' | 'tile'>> = {}): PassWork => ({
  op, phase, times: 1, counts: {}, tile: { ...noTile, ...tile }, columns: 1, rows: 1, blocks: 0, inBytes: 0, outBytes: 0, memoryXOutBytes: 0, memoryXInBytes: 0, denseMacs: 0, ...rest,
});

const products = (mesh: Mesh, stored: number, extra: Partial<Counts>): Partial<Counts> => {
  const macs = stored * mesh.tokens * mesh.numCsx;
  return { macs, sramReadWords: 2 * macs, sramWriteWords: macs, ...extra };
};

/** A product of streamed weights: `contracted` features on the tiles, `results` one after the other. */
export const streamed = (op: PassOp, phase: Phase, mesh: Mesh, contracted: number, results: number): PassWork => {
  const { density, tokensOfRow: T, cols, rows, numCsx, bytes } = mesh, n = ceilDiv(contracted, cols), columns = Math.min(cols, contracted);
  const vectors = n * results * density, stored = contracted * results * density, inBytes = stored * (density < 1 ? bytes + 2 : bytes);
  const tile = { vectors, macs: vectors * T, rowVectors: columns > 1 ? results : 0, rowValues: columns > 1 ? results * T : 0, tasks: vectors + results, waveletsSouth: (vectors * (density < 1 ? bytes + 2 : bytes)) / 4, waveletsEast: columns > 1 ? results * T : 0 };
  const counts = products(mesh, stored, {
    waveletsSouth: (inBytes / 4) * rows * numCsx, waveletsEast: results * mesh.tokens * (columns - 1) * numCsx, tasks: (stored + columns * results) * rows * numCsx, ioInBytes: inBytes * numCsx, linkDownBytes: inBytes * numCsx, weightBytesOut: inBytes,
  });
  return pass(op, phase, tile, { counts, columns, rows, blocks: 1, inBytes, memoryXOutBytes: inBytes, denseMacs: contracted * results * mesh.tokens * numCsx });
};

export const gradient = (mesh: Mesh, inputs: number, outputs: number): PassWork => {
  const { density, tokensOfRow: T, cols, rows, numCsx } = mesh, n = ceilDiv(inputs, cols), columns = Math.min(cols, inputs), values = n * outputs * density, stored = inputs * outputs * density, outBytes = 4 * stored;
  const tile = { vectors: values, macs: values * T, columnValues: rows > 1 ? values : 0, tasks: outputs, waveletsEast: columns > 1 ? outputs * T : 0, waveletsNorth: rows > 1 ? values : 0 };
  const counts = products(mesh, stored, {
    waveletsNorth: stored * rows * numCsx, waveletsEast: outputs * mesh.tokens * (columns - 1) * numCsx, tasks: outputs * columns * rows * numCsx, ioOutBytes: outBytes * numCsx, linkUpBytes: outBytes * numCsx, reduceAdds: stored * (numCsx - 1), gradientBytesIn: outBytes,
  });
  return pass('linear.gradient', 'gradient', tile, { counts, columns, rows, blocks: 1, outBytes, memoryXInBytes: outBytes, denseMacs: inputs * outputs * mesh.tokens * numCsx });
};

/** AdamW: weight, two moments and the gradient come, three go. */
export const update = (layer: number, elements: number, after: number, before: number): UpdateWork => ({ layer, elements, readBytes: 16 * elements, writeBytes: 12 * elements, after, before });

/** Passes by their number, each noted once, as works have them. */
export class Passes {
  readonly list: PassWork[] = [];
  add(one: PassWork): number {
    return this.list.push(one) - 1;
  }
}

export interface WorkParts {
  readonly mesh: Mesh;
  readonly passes: readonly PassWork[];
  readonly microBatches: readonly MicroBatchWork[];
  readonly updates: readonly UpdateWork[];
  readonly layers: readonly string[];
  readonly samples: number;
  readonly tokens: number;
  readonly parameters: number;
}

/** Fills in what prices read little of, and repeats each pass's counts as often as it is placed. */
export const workOf = ({ mesh, passes, microBatches, updates, layers, samples, tokens, parameters }: WorkParts, more: Partial<Work> = {}): Work => {
  const { steps = 1 } = more, times = passes.map(() => 0);
  for (const { order, times: repeated } of microBatches) for (const { pass: p } of order) times[p] = (times[p] ?? 0) + repeated * steps;
  const type = mesh.bytes === 2 ? 'bfloat16' : 'float32';
  return {
    format: 1, kind: 'training', steps, model: { name: 'a few layers', parameterCount: parameters }, samples, tokens, numCsx: mesh.numCsx, fanIn: 4, rectangle: { rows: mesh.rows, cols: mesh.cols }, numbers: { weights: type, activations: type },
    sram: { limitBytes: 49_152, codeBytes: 8192, activationBytes: 20_000, streamBytes: 4000, totalBytes: 32_192 }, stateBytes: 20 * parameters, verdict: false, layers,
    passes: passes.map((one, i) => ({ ...one, times: times[i] ?? 0, counts: Object.fromEntries(Object.entries(one.counts).map(([action, amount]) => [action, amount * (times[i] ?? 0)])) })),
    microBatches, updates, updateCounts: { optimizerElements: updates.reduce((sum, { elements }) => sum + elements, 0) * steps },
    map: { products: [], scores: [], south: [], east: [], activationBytes: [], tokens: [], pairs: [], heldTokens: [] },
    ...more,
  };
};

export interface ChainOptions {
  /** Features: inputs, then of each layer. */
  readonly widths: readonly number[];
  readonly rows: number;
  readonly cols: number;
  readonly numCsx?: number;
  readonly tokensOfRow: number;
  readonly microBatches?: number;
  readonly bytes?: 2 | 4;
  readonly density?: number;
}

/** A training of linear layers in a chain, every row equally full. */
export const chainWork = ({ widths, rows, cols, numCsx = 1, tokensOfRow, microBatches = 1, bytes = 4, density = 1 }: ChainOptions, more: Partial<Work> = {}): Work => {
  const tokens = rows * tokensOfRow, mesh: Mesh = { rows, cols, numCsx, tokens, tokensOfRow, bytes, density }, passes = new Passes(), order: PlacedPass[] = [], updates: UpdateWork[] = [];
  const layers = widths.slice(1).map((outputs, l) => ({ inputs: widths[l] as number, outputs }));
  const place = (layer: number, one: PassWork): void => void order.push({ pass: passes.add(one), layer });
  place(0, pass('input', 'forward', {}, { inBytes: tokens * (widths[0] as number) * bytes, counts: { ioInBytes: tokens * (widths[0] as number) * bytes * numCsx } }));
  layers.forEach(({ inputs, outputs }, l) => place(l, streamed('linear.forward', 'forward', mesh, inputs, outputs)));
  for (const [l, { inputs, outputs }] of [...layers.entries()].toReversed()) {
    place(l, gradient(mesh, inputs, outputs));
    updates.push(update(l, inputs * outputs * density, order.length - 1, l + 1));
    if (l > 0) place(l, streamed('linear.delta', 'delta', mesh, outputs, inputs));
  }
  const samples = tokens * numCsx * microBatches;
  return workOf({
    mesh, passes: passes.list, updates, layers: layers.map((_, l) => `linear ${l}`), samples, tokens: samples, parameters: layers.reduce((sum, { inputs, outputs }) => sum + inputs * outputs * density, 0),
    microBatches: [{ times: microBatches, tokens, tokensOfRow, rows, busyCsx: numCsx, order }],
  }, more);
};
