/**
 * Input for reports, made by plain formulas: a GPT-like training whose work, price and spans belong together, small or as large as a whole wafer.
 *
 *   shape ─▶ passes a layer ─▶ Work ─▶ PassPrices ─▶ one step's spans, occupancies, causes ─▶ ReportInput
 *
 * Its figures are plausible and add up; they are no prices (src/timing/ makes those).
 */
import type { ReportInput } from '../../src/report/input.js';
import type { Cause, CurvePoint, PassDemands, PassPrice, Price, Span } from '../../src/timing/types.js';
import { actions, type Counts } from '../../src/trace/counts.js';
import type { RunRecord } from '../../src/trace/record.js';
import type { PassOp, PassWork, Phase, PlacedPass, Work } from '../../src/trace/work.js';

export interface ReportShape {
  readonly name: string;
  readonly blocks: number;
  readonly width: number;
  readonly rows: number;
  readonly cols: number;
  readonly numCsx: number;
  readonly microBatches: number;
  readonly losses: number;
}

export const smallShape: ReportShape = { name: 'gpt-small', blocks: 4, width: 256, rows: 32, cols: 16, numCsx: 2, microBatches: 2, losses: 200 };
export const largeShape: ReportShape = { name: 'gpt3-175b', blocks: 96, width: 12_288, rows: 994, cols: 750, numCsx: 192, microBatches: 4, losses: 0 };

const clockHz = 0.85e9, ioBytesPerSecond = 1.2e12 / 8;
const zeros = Object.fromEntries(actions.map((action) => [action, 0])) as Counts;

/** What a block streams: name, op, inputs and outputs in widths. */
const inBlock = [['norm 1', 'norm', 1, 1], ['qkv', 'linear', 1, 3], ['attention', 'attention', 0, 0], ['projection', 'linear', 1, 1], ['norm 2', 'norm', 1, 1], ['mlp up', 'linear', 1, 4], ['mlp down', 'linear', 4, 1]] as const;

const demandsOf = (macs: number, tile: number, bytesIn: number, bytesOut: number): PassDemands => {
  const products = macs / tile / clockHz, overhead = products * 0.12 + 4e-7, rowSums = products * 0.07, elementwise = products * 0.02 + 1e-7;
  return {
    products, overhead, rowSums, columnSums: bytesOut > 0 ? products * 0.05 : 0, elementwise, tile: products + overhead + rowSums + elementwise + (bytesOut > 0 ? products * 0.05 : 0), fabric: products * 0.3,
    waferInput: bytesIn / ioBytesPerSecond, waferOutput: bytesOut / ioBytesPerSecond, swarmX: (bytesIn + bytesOut) / ioBytesPerSecond, memoryX: (bytesIn + bytesOut) / (1.1 * ioBytesPerSecond),
  };
};

const boundOf = (d: PassDemands): Cause => (d.tile >= Math.max(d.waferInput, d.waferOutput) ? 'products' : d.waferInput >= d.waferOutput ? 'wafer input' : 'wafer output');

interface Draft {
  readonly work: PassWork;
  readonly price: Omit<PassPrice, 'pass' | 'timesAStep' | 'secondsAStep'>;
}

const draft = (shape: ReportShape, op: PassOp, phase: Phase, times: number, weights: number, macs: number): Draft => {
  const tiles = shape.rows * shape.cols, inBytes = phase === 'gradient' ? 0 : weights * 4, outBytes = phase === 'gradient' ? weights * 4 : 0;
  const demands = demandsOf(macs, tiles * 0.9, inBytes, outBytes), seconds = Math.max(demands.tile, demands.waferInput, demands.waferOutput);
  const perTile = macs / tiles;
  return {
    work: {
      op, phase, times, counts: { macs: macs * times * shape.numCsx, ioInBytes: inBytes * times * shape.numCsx, ioOutBytes: outBytes * times * shape.numCsx }, columns: shape.cols, rows: shape.rows, blocks: weights > 0 ? Math.ceil(weights / 65_536) : 0, inBytes, outBytes,
      memoryXOutBytes: inBytes, memoryXInBytes: outBytes, denseMacs: macs * shape.numCsx,
      tile: { vectors: perTile / 32, macs: perTile, rowVectors: perTile / 320, rowValues: perTile / 10, columnValues: outBytes / 4, elements: perTile / 50, elementVectors: perTile / 1600, tasks: perTile / 32, waveletsSouth: inBytes / 4, waveletsEast: perTile / 10, waveletsNorth: outBytes / 4 },
    },
    price: { op, phase, cycles: seconds * clockHz, seconds, demands, bound: boundOf(demands) },
  };
};

/** Passes that are alike once, and the order of a micro-batch. */
const drafts = (shape: ReportShape, tokens: number): { readonly passes: readonly Draft[]; readonly order: readonly PlacedPass[]; readonly layers: readonly string[] } => {
  const passes: Draft[] = [], order: PlacedPass[] = [], layers = ['embedding', ...Array.from({ length: shape.blocks }, (_, b) => inBlock.map(([name]) => `block ${b} ${name}`)).flat(), 'head'];
  const add = (op: PassOp, phase: Phase, times: number, weights: number): number => passes.push(draft(shape, op, phase, times * shape.microBatches, weights, op.startsWith('attention') ? tokens * shape.width * 128 : Math.max(weights, shape.width) * tokens)) - 1;
  const times = shape.blocks, square = shape.width ** 2, layerOf = (block: number, i: number): number => 1 + block * inBlock.length + i;
  const input = add('gather', 'forward', 1, 0), head = add('head.sum', 'forward', 1, square * 4), headDelta = add('head.delta', 'delta', 1, square * 4);
  const forward = inBlock.map(([, op, ins, outs]) => add(op === 'attention' ? 'attention' : `${op}.forward`, 'forward', times, op === 'linear' ? square * ins * outs : op === 'norm' ? 2 * shape.width : 0));
  const delta = inBlock.map(([, op, ins, outs]) => add(op === 'attention' ? 'attention.delta' : `${op}.delta`, 'delta', times, op === 'linear' ? square * ins * outs : op === 'norm' ? 2 * shape.width : 0));
  const gradient = inBlock.map(([, op, ins, outs]) => (op === 'attention' ? -1 : add(`${op}.gradient`, 'gradient', times, op === 'linear' ? square * ins * outs : 2 * shape.width)));
  order.push({ pass: input, layer: 0 });
  for (let b = 0; b < shape.blocks; b++) for (const [i, pass] of forward.entries()) order.push({ pass, layer: layerOf(b, i) });
  order.push({ pass: head, layer: layers.length - 1 }, { pass: headDelta, layer: layers.length - 1 });
  for (let b = shape.blocks - 1; b >= 0; b--) {
    for (let i = inBlock.length - 1; i >= 0; i--) {
      order.push({ pass: delta[i] as number, layer: layerOf(b, i) });
      if ((gradient[i] as number) >= 0) order.push({ pass: gradient[i] as number, layer: layerOf(b, i) });
    }
  }
  return { passes, order, layers };
};

/** One step: wafers work pass after pass, links beside them, updates behind each gradient. */
const spansOfStep = (shape: ReportShape, passes: readonly Draft[], order: readonly PlacedPass[]): { readonly spans: readonly Span[]; readonly end: number } => {
  const spans: Span[] = [];
  let now = 0, update = 0;
  for (let microBatch = 0; microBatch < shape.microBatches; microBatch++) {
    for (const { pass, layer } of order) {
      const { work, price } = passes[pass] as Draft, own = { layer, pass, phase: price.phase, microBatch } as const, start = now, end = now + price.seconds;
      spans.push({ ...own, lane: 'wafer', start, end });
      if (work.inBytes > 0) for (const [lane, busy] of [['MemoryX out', price.demands.memoryX], ['SwarmX', price.demands.swarmX], ['wafer input', price.demands.waferInput]] as const) spans.push({ ...own, lane, start, end: start + busy });
      if (work.outBytes > 0) for (const [lane, busy] of [['wafer output', price.demands.waferOutput], ['SwarmX', price.demands.swarmX], ['MemoryX in', price.demands.memoryX]] as const) spans.push({ ...own, lane, start, end: start + busy });
      if (price.phase === 'gradient' && microBatch === shape.microBatches - 1) {
        const begin = Math.max(end, update);
        update = begin + price.demands.memoryX * 0.8;
        spans.push({ layer, pass, phase: 'update', microBatch, lane: 'optimizer', start: begin, end: update });
      }
      now = end;
    }
  }
  return { spans, end: Math.max(now, update) };
};

const repeated = (count: number, value: (i: number) => number): readonly number[] => Array.from({ length: count }, (_, i) => value(i));

const curve = (xs: readonly number[], speedup: (x: number) => number, perfect: (x: number) => number, tokensPerSecond: number, utilization: number): readonly CurvePoint[] =>
  xs.map((x) => ({ x, batchSize: 64, secondsAStep: 1 / speedup(x), tokensPerSecond: tokensPerSecond * speedup(x), speedup: speedup(x), efficiency: speedup(x) / perfect(x), utilization: (utilization * speedup(x)) / perfect(x), verdict: speedup(x) > 0.95 * perfect(x) ? 'products bind' : 'the step boundary binds' }));

const recordOf = (shape: ReportShape, parameterCount: number, layers: readonly string[], work: Work): RunRecord => {
  const losses = repeated(shape.losses, (i) => 2.1 + 3.4 * Math.exp(-i / 45) + 0.06 * Math.sin(i * 1.7));
  return {
    format: 1, numericsVersion: 1, model: { name: shape.name, parameterCount, layers }, seed: 7, steps: shape.losses, batchSize: 64, optimizer: { kind: 'adamW', learningRate: 1e-3 },
    shape: { numCsx: shape.numCsx, rows: shape.rows, cols: shape.cols, microBatches: shape.microBatches, slabsPerWafer: 8, threads: 2, dispatcher: 'thread', kernels: 'wasm simd' }, losses,
    evaluations: [50, 100, 150, 200].filter((step) => step <= shape.losses).map((step) => ({ step, loss: 2.3 + 3.4 * Math.exp(-step / 45), perplexity: Math.exp(2.3 + 3.4 * Math.exp(-step / 45)), batches: 4 })),
    counts: { total: { ...zeros, macs: 1.25e12, tasks: 3.5e9 }, devices: { 'wafer/0': { ...zeros, macs: 1.25e12 } } }, redone: { ...zeros, macs: 4096 }, evaluated: { ...zeros, macs: 2.5e9 }, faults: 1, sparsity: [], masksKept: 0, precision: null, skippedSteps: 0, lossScale: null,
    tiers: null, checkpoints: { count: 2, bytes: 25_000_000 }, memory: { allocatedBytes: 96_000_000, stateBytes: 60_000_000, activationBytes: 12_000_000 }, credits: {}, work, weightsDigest: '0123456789abcdef',
  };
};

export const reportInput = (shape: ReportShape = smallShape): ReportInput => {
  const tokensOfRow = 64, tokens = tokensOfRow * shape.rows, { passes, order, layers } = drafts(shape, tokens);
  const { spans, end } = spansOfStep(shape, passes, order), boundary = end * 0.02, step = end + boundary;
  const columnShare = (i: number): number => (i < shape.cols * 0.93 ? 1 : 0.6) * Math.ceil(shape.width / shape.cols), rowTokens = (i: number): number => (i < shape.rows * 0.97 ? tokensOfRow : tokensOfRow / 2) * shape.microBatches;
  const parameterCount = shape.blocks * (12 * shape.width ** 2 + 4 * shape.width) + 50_257 * shape.width, stepTokens = tokens * shape.numCsx * shape.microBatches;
  const work: Work = {
    format: 1, kind: 'training', steps: Math.max(1, shape.losses), model: { name: shape.name, parameterCount }, samples: stepTokens / 2048, tokens: stepTokens, numCsx: shape.numCsx, fanIn: 4, rectangle: { rows: shape.rows, cols: shape.cols },
    numbers: { weights: 'bfloat16', activations: 'float32' }, sram: { limitBytes: 49_152, codeBytes: 8192, activationBytes: 29_000, streamBytes: 6144, totalBytes: 43_336 }, stateBytes: parameterCount * 20, verdict: false, layers,
    passes: passes.map(({ work: pass }) => pass), microBatches: [{ times: shape.microBatches, tokens, tokensOfRow, rows: shape.rows, busyCsx: shape.numCsx, order }],
    updates: layers.map((_, layer) => ({ layer, elements: shape.width ** 2, readBytes: shape.width ** 2 * 16, writeBytes: shape.width ** 2 * 12, after: 0, before: 0 })), updateCounts: { optimizerElements: parameterCount },
    map: {
      products: repeated(shape.cols, (i) => columnShare(i) * shape.blocks * 12), scores: repeated(shape.cols, (i) => (i % 12 === 0 ? 2 : 1) * shape.blocks), south: repeated(shape.cols, (i) => columnShare(i) * 400), east: repeated(shape.cols, (i) => 30 + (i / shape.cols) * 20),
      activationBytes: repeated(shape.cols, (i) => (columnShare(i) / columnShare(0)) * 400), tokens: repeated(shape.rows, rowTokens), pairs: repeated(shape.rows, (i) => rowTokens(i) * (32 + (i % 16) * 4)), heldTokens: repeated(shape.rows, (i) => rowTokens(i) / shape.microBatches),
    },
  };
  const timesAStep = (pass: number): number => order.filter((placed) => placed.pass === pass).length * shape.microBatches;
  const prices = passes.map(({ price }, pass): PassPrice => ({ ...price, pass, timesAStep: timesAStep(pass), secondsAStep: price.seconds * timesAStep(pass) }));
  const seconds = (of: (pass: PassPrice) => boolean, demand: keyof PassDemands): number => prices.filter(of).reduce((sum, pass) => sum + pass.demands[demand] * pass.timesAStep, 0);
  const all = (demand: keyof PassDemands): number => seconds(() => true, demand), macs = passes.reduce((sum, { work: pass }, i) => sum + (pass.denseMacs * timesAStep(i)), 0);
  const peak = 2 * shape.numCsx * shape.rows * shape.cols * clockHz, achieved = (2 * macs) / step, byCause = new Map<Cause, number>();
  for (const pass of prices) byCause.set(pass.bound, (byCause.get(pass.bound) ?? 0) + pass.secondsAStep);
  const paused = step - [...byCause.values()].reduce((sum, one) => sum + one, 0), ofProducts = byCause.get('products') ?? 0;
  const critical = ([['products', ofProducts * 0.8], ['overhead', ofProducts * 0.1], ['row sums', ofProducts * 0.06], ['elementwise', ofProducts * 0.04], ['wafer input', byCause.get('wafer input') ?? 0], ['wafer output', byCause.get('wafer output') ?? 0], ['update', paused], ['MemoryX', 0]] as const)
    .map(([cause, spent]) => ({ cause, seconds: spent, share: spent / step }));
  const link = (name: string, demand: keyof PassDemands, rate: number) => ({ name, bytes: all(demand) * rate, bytesPerSecond: rate, occupancy: all(demand) / step });
  const energy = { 'multiply-adds': macs * 1.1e-12, SRAM: macs * 2.3e-12, fabric: macs * 0.4e-12, links: all('swarmX') * 300, idling: step * 9000 * shape.numCsx }, joules = Object.values(energy).reduce((sum, one) => sum + one, 0);
  const price: Price = {
    format: 1, machine: 'WSE-2', clockHz, numCsx: shape.numCsx, step: { cycles: step * clockHz, seconds: step, tokensPerSecond: stepTokens / step, samplesPerSecond: stepTokens / 2048 / step }, totalSeconds: step * work.steps,
    flops: { achieved, denseEquivalent: achieved, peak, utilization: achieved / peak, denseUtilization: achieved / peak, tilesUsed: 0.9 }, passes: prices,
    links: [link('wafer input', 'waferInput', ioBytesPerSecond), link('wafer output', 'waferOutput', ioBytesPerSecond), link('SwarmX root', 'swarmX', ioBytesPerSecond)],
    tiers: [{ ...link('DRAM', 'memoryX', 1.1 * ioBytesPerSecond), capacityBytes: work.stateBytes * 2, usedBytes: work.stateBytes }, { name: 'flash', bytes: 0, bytesPerSecond: 2e10, occupancy: 0, capacityBytes: 5e14, usedBytes: 0 }],
    energy: { byAction: energy, joules, watts: joules / step, joulesPerToken: joules / stepTokens }, critical, boundarySeconds: boundary,
    verdict: `Products of the fullest tile bind ${Math.round((100 * ofProducts * 0.8) / step)} % of the step; sparser weights or more systems would help, a faster link would not.`,
  };
  const systems = [1, 2, 4, 8, 16, 32, 64, 128, 192], perSystem = price.step.tokensPerSecond / shape.numCsx;
  return {
    title: `${shape.name} on ${shape.numCsx} CS-2`, work, price, spans,
    roofline: {
      peakFlops: peak, bytesPerSecond: ioBytesPerSecond,
      points: passes.map(({ work: pass, price: one }, i) => {
        const bytes = pass.inBytes + pass.outBytes, intensity = (2 * pass.denseMacs) / bytes;
        return { name: `${pass.op} (${i})`, phase: pass.phase, intensity, achieved: (2 * pass.denseMacs) / one.seconds, attainable: Math.min(peak, intensity * ioBytesPerSecond) };
      }),
    },
    ...(shape.losses === 0 ? {} : { record: recordOf(shape, parameterCount, layers, work) }),
    scaling: [{ mode: 'weak', points: curve(systems, (x) => x * (1 - 0.01 * Math.log2(x)), (x) => x, perSystem, 0.4) }, { mode: 'strong', points: curve(systems, (x) => x / (1 + 0.01 * (x - 1)), (x) => x, perSystem, 0.4) }],
    sparsity: curve([0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99], (x) => 1 / (1 - x * 0.93), (x) => 1 / (1 - x), perSystem, 0.4),
    machine: [
      { path: 'clockHz', value: clockHz, unit: 'Hz', trust: 'published', source: 'every vendor tool and paper measurement; slides say 1.1 GHz' },
      { path: 'io.bytesPerSecond', value: ioBytesPerSecond, unit: 'B/s', trust: 'published', source: '12 × 100 GbE a system' },
      { path: 'swarmX.nodeLatencySeconds', value: 5e-6, unit: 's', trust: 'guess', source: 'a switch and a network card each way; no published figure', range: [1e-6, 2e-5] },
      { path: 'tile.fmacsPerCycle.float32', value: 1, unit: 'FMAC a cycle', trust: 'published', source: 'measured' },
      { path: 'energy.sramReadJoules', value: 4.4e-12, unit: 'J a word', trust: 'guess', source: 'a small memory in 7 nm', range: [1e-12, 1e-11] },
      { path: 'memoryX.dramBytes', value: 1e12, unit: 'B', trust: 'secondary', source: 'a node up to 1 TB DRAM' },
    ],
  };
};
