/** A work, its price and its spans, made up by hand: what exports and their tests need, small enough to check by eye. */
import type { PassPrice, Price, Span } from '../../../src/timing/types.js';
import type { TileWork, Work } from '../../../src/trace/work.js';

const tile: TileWork = { vectors: 8, macs: 512, rowVectors: 2, rowValues: 64, columnValues: 0, elements: 64, elementVectors: 2, tasks: 10, waveletsSouth: 32, waveletsEast: 64, waveletsNorth: 0 };
const pass = { times: 2, tile, columns: 4, rows: 3, blocks: 1, inBytes: 4096, outBytes: 0, memoryXOutBytes: 4096, memoryXInBytes: 0, denseMacs: 1024 } as const;

export const work: Work = {
  format: 1, kind: 'training', steps: 2, model: { name: 'a "small" model', parameterCount: 1234 }, samples: 32, tokens: 32, numCsx: 2, fanIn: 4, rectangle: { rows: 3, cols: 4 },
  numbers: { weights: 'float32', activations: 'float32' }, sram: { limitBytes: 49_152, codeBytes: 8192, activationBytes: 1024, streamBytes: 512, totalBytes: 9728 }, stateBytes: 14_808, verdict: false,
  layers: ['layers.0', 'layers.1, "last"'],
  passes: [{ ...pass, op: 'linear.forward', phase: 'forward', counts: { macs: 1024 } }, { ...pass, op: 'linear.delta', phase: 'delta', counts: { macs: 1024 } }],
  microBatches: [{ times: 1, tokens: 32, tokensOfRow: 32, rows: 1, busyCsx: 1, order: [{ pass: 0, layer: 0 }, { pass: 0, layer: 1 }, { pass: 1, layer: 1 }] }],
  updates: [], updateCounts: { optimizerElements: 2468 },
  map: { products: [1, 1, 1, 1], scores: [0, 0, 0, 0], south: [1, 1, 1, 1], east: [1, 1, 1, 1], activationBytes: [4, 4, 4, 4], tokens: [32, 0, 0], pairs: [0, 0, 0], heldTokens: [32, 0, 0] },
};

const demands = { tile: 1e-6, products: 8e-7, overhead: 1e-7, rowSums: 1e-7, columnSums: 0, elementwise: 0, fabric: 3e-7, waferInput: 2e-7, waferOutput: 0, swarmX: 1e-7, memoryX: 1e-7 } as const;
const priced = (n: number, op: PassPrice['op'], phase: PassPrice['phase']): PassPrice => ({ pass: n, op, phase, cycles: 850, seconds: 1e-6, demands, bound: 'products', timesAStep: 1, secondsAStep: 1e-6 });

export const price: Price = {
  format: 1, machine: 'toy', clockHz: 850e6, numCsx: 2, step: { cycles: 8500, seconds: 10e-6, tokensPerSecond: 3.2e6, samplesPerSecond: 3.2e6 }, totalSeconds: 20e-6,
  flops: { achieved: 1e9, denseEquivalent: 1e9, peak: 1e10, utilization: 0.1, denseUtilization: 0.1, tilesUsed: 0.5 },
  passes: [priced(0, 'linear.forward', 'forward'), priced(1, 'linear.delta', 'delta')],
  links: [{ name: 'wafer input', bytes: 4096, bytesPerSecond: 1.5e11, occupancy: 0.25 }],
  tiers: [{ name: 'DRAM', bytes: 8192, bytesPerSecond: 1e12, occupancy: 0, capacityBytes: 1e12, usedBytes: 14_808 }],
  energy: { byAction: { macs: 1e-6 }, joules: 1e-6, watts: 0.1, joulesPerToken: 3e-8 }, critical: [{ cause: 'products', seconds: 10e-6, share: 1 }], boundarySeconds: 0, verdict: 'bound by products',
};

const span = (lane: Span['lane'], layer: number, pass: number, phase: Span['phase'], start: number, end: number): Span => ({ lane, layer, pass, phase, start, end, microBatch: 0 });

/** Two spans of SwarmX overlap; the optimizer's is shorter than a nanosecond is long. */
export const spans: readonly Span[] = [
  span('wafer', 0, 0, 'forward', 1e-6, 4e-6), span('wafer', 1, 0, 'forward', 4e-6, 6e-6), span('wafer', 1, 1, 'delta', 6e-6, 9.5e-6),
  span('wafer input', 0, 0, 'forward', 0, 1e-6), span('SwarmX', 1, 0, 'forward', 0.5e-6, 2.5e-6), span('SwarmX', 0, 0, 'forward', 0, 1e-6), span('SwarmX', 1, 1, 'delta', 2.5e-6, 3e-6),
  span('MemoryX out', 0, 0, 'forward', 0, 0.25e-6), span('optimizer', 1, -1, 'update', 9.5e-6, 9.5000004e-6),
];
