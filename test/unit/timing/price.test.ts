/** Prices where the answer is known without them: limits that hold exactly, rates by number type, machines that a work does not fit. Not here: laws over drawn works (laws/timing.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machines, type MachineSpec } from '../../../src/spec/machine.js';
import { arithmeticOf, sramBytesOfMac, vectorCycles, vectorRate } from '../../../src/timing/cycles.js';
import { costOf } from '../../../src/timing/demands.js';
import { price } from '../../../src/timing/price.js';
import { roofline } from '../../../src/timing/roofline.js';
import { stepOf } from '../../../src/timing/step.js';
import { spansOf } from '../../../src/timing/spans.js';
import type { PassWork, PlacedPass, Work } from '../../../src/trace/work.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { endlessLinks, noLatency, overridden } from '../../support/machines.js';
import { chainWork, pass, workOf, type ChainOptions } from '../../support/works.js';

const { toy, wse2, wse3 } = machines;
const near = (actual: number, expected: number, what = ''): void => assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(Math.abs(actual), Math.abs(expected)), `${what} ${actual} against ${expected}`);
const causesOf = (work: Work, machine: MachineSpec): string[] => price(work, machine).critical.map(({ cause }) => cause);

test('one tile, nothing to communicate: cycles are counted on the fingers', () => {
  const T = 13, [a, b, c] = [7, 5, 3] as const;
  const work = chainWork({ widths: [a, b, c], rows: 1, cols: 1, tokensOfRow: T });
  const machine = overridden(toy, { ...endlessLinks, ...noLatency });
  // f32: T cycles and one of overhead an AXPY; a task of two cycles a result. A gradient's products start no tasks of their own.
  const product = (contracted: number, results: number): number => contracted * results * (T + 1) + 2 * results;
  const cycles = product(a, b) + product(b, c) + product(b, c) + product(c, b) + product(a, b);
  near(price(work, machine).step.cycles, cycles);
  assert.deepEqual(causesOf(work, machine), ['products', 'overhead']);
});

test('communication that costs nothing: what is left is the arithmetic of the fullest tile', () => {
  const T = 40, work = chainWork({ widths: [30, 20, 9], rows: 4, cols: 7, tokensOfRow: T, bytes: 2, numCsx: 5 });
  const machine = overridden(toy, { ...endlessLinks, ...noLatency, 'core.fabricCyclesPerWord': 0, 'core.vectorOverheadCycles': 0, 'core.taskCycles': 0, 'fabric.linkBitsPerCycle': Number.POSITIVE_INFINITY });
  const tile = (features: number): number => Math.ceil(features / 7), vectors = 2 * tile(30) * 20 + 2 * tile(20) * 9 + tile(9) * 20;
  // Between two steps the additions that wait for each other remain: of a row's first sum, of a column's, and one more for what is spread.
  near(price(work, machine).step.cycles, vectors * (T / 4) + 6 + 3 + 1);
  assert.deepEqual(causesOf(work, machine), ['products', 'latency']);
});

test('endless links: bytes take no time, and no pass waits for them', () => {
  const work = chainWork({ widths: [50, 60, 40], rows: 8, cols: 8, tokensOfRow: 4 }), slow = price(work, toy), endless = price(work, overridden(toy, { ...endlessLinks }));
  assert.ok(slow.critical.some(({ cause }) => cause === 'wafer input'));
  for (const { demands } of endless.passes) assert.equal(Math.max(demands.waferInput, demands.waferOutput, demands.swarmX, demands.memoryX), 0);
  for (const { seconds, demands } of endless.passes) near(seconds, Math.max(demands.tile, demands.fabric));
  for (const { name, occupancy } of endless.links) assert.ok(occupancy === 0 || /fabric|ramp/.test(name), name);
});

test('density to 0: no products, no weights; sums and tasks of empty rows stay', () => {
  const chain: ChainOptions = { widths: [40, 40], rows: 4, cols: 4, tokensOfRow: 16, density: 0 }, work = chainWork(chain), { passes, flops } = price(work, overridden(toy, endlessLinks));
  for (const { demands } of passes) assert.deepEqual([demands.products, demands.waferInput, demands.waferOutput], [0, 0, 0]);
  assert.deepEqual([flops.achieved, flops.utilization], [0, 0]);
  assert.ok(flops.denseEquivalent > 0);
  // Forty sums of sixteen values, their instructions and tasks.
  near(passes[1]?.cycles ?? 0, 40 * 16 + 40 + 2 * 40);
  const limit = stepOf(work, toy).seconds, close = stepOf(chainWork({ ...chain, density: 1e-9 }), toy).seconds;
  assert.ok(Math.abs(close / limit - 1) < 1e-6, 'no jump at the limit');
});

test('one system: one node each way between two steps, and no more', () => {
  const work = chainWork({ widths: [8, 8], rows: 1, cols: 1, tokensOfRow: 4 }), machine = overridden(toy, { ...endlessLinks, 'swarmX.nodeLatencySeconds': 1e-3 });
  const { boundarySeconds, step, passes } = price(work, machine), compute = passes.reduce((sum, { secondsAStep }) => sum + secondsAStep, 0);
  // The input pass is over before the first weights are back.
  near(boundarySeconds, 2e-3 - (passes[0]?.seconds ?? 0));
  near(step.seconds, compute + boundarySeconds);
  near(stepOf({ ...work, numCsx: 4 }, machine).exposedSeconds, boundarySeconds);
  near(stepOf({ ...work, numCsx: 5 }, machine).exposedSeconds, boundarySeconds + 2e-3);
  near(stepOf({ ...work, numCsx: 192 }, machine).exposedSeconds, boundarySeconds + 6e-3);
});

test('rates by number type', () => {
  const { core } = wse2;
  assert.equal(arithmeticOf({ weights: 'float32', activations: 'float32' }, core), 'fp32');
  assert.equal(arithmeticOf({ weights: 'bfloat16', activations: 'float32' }, core), 'fp32');
  assert.equal(arithmeticOf({ weights: 'cbfloat16', activations: 'cbfloat16' }, core), 'fp16');
  assert.equal(arithmeticOf({ weights: 'cbfloat16', activations: 'cbfloat16' }, { sumBits: 32 }), 'mixed');
  for (const length of [4, 128, 129, 4000]) assert.deepEqual((['fp32', 'mixed', 'fp16'] as const).map((each) => vectorRate(core, each, length)), [1, 2, 4]);
  // Eight a cycle need the cache: SRAM's ports feed four.
  assert.deepEqual([256, 257].map((length) => vectorRate(wse3.core, 'fp16', length)), [8, 4]);
  assert.deepEqual([256, 257].map((length) => sramBytesOfMac(wse3.core, 'fp16', length)), [2, 6]);
  // A mean of whole lengths that division has bent up by a bit is no longer vector.
  assert.deepEqual([32, 32 * (1 + 2 ** -52), 33].map((length) => vectorCycles(core, 'fp16', length)), [8, 8, 9]);
  const peak = (machine: MachineSpec, bytes: 2 | 4): number => price(chainWork({ widths: [8, 8], rows: 1, cols: 1, tokensOfRow: 4, bytes, numCsx: 2 }), machine).flops.peak;
  assert.equal(peak(wse2, 2), 2 * 745_500 * 4 * 2 * 0.85e9);
  assert.equal(peak(wse2, 4), 2 * 745_500 * 2 * 0.85e9);
  assert.equal(peak(wse3, 2), 2 * 755 * 1170 * 8 * 2 * 0.875e9);
});

test('flops: what is done again earns nothing', () => {
  const work = chainWork({ widths: [32, 32], rows: 4, cols: 4, tokensOfRow: 32 }), again = { ...work, passes: work.passes.map((one): PassWork => (one.op === 'linear.forward' ? { ...one, phase: 'recompute' } : one)) };
  const [all, less] = [price(work, toy), price(again, toy)];
  assert.equal(all.step.seconds, less.step.seconds);
  near(less.flops.achieved, all.flops.achieved / 2);
  near(all.flops.achieved * all.step.seconds, 2 * 2 * 32 * 32 * 128);
  assert.deepEqual([all.flops.tilesUsed, all.step.tokensPerSecond], [0.25, 128 / all.step.seconds]);
});

test('state beyond DRAM is streamed and updated at the rate of flash', () => {
  const parts = { widths: [64, 64], rows: 8, cols: 8, tokensOfRow: 4 } as const, dram = price(chainWork(parts, { stateBytes: 1e9 }), toy), half = price(chainWork(parts, { stateBytes: 2e9 }), toy);
  const [inDram, onFlash] = half.tiers.filter(({ name }) => name !== 'SRAM');
  assert.deepEqual([inDram?.usedBytes, onFlash?.usedBytes], [1e9, 1e9]);
  assert.equal(dram.tiers.find(({ name }) => name === 'flash')?.bytes, 0);
  near(onFlash?.bytes ?? 0, 0.5 * (28 + 4) * 64 * 64);
  assert.ok(half.step.seconds > dram.step.seconds);
  assert.match(price(chainWork(parts, { stateBytes: 20e9 }), toy).verdict, /MemoryX has no room for the state: 20 GB of 11 GB/);
});

test('a text is generated token by token: every step waits for the way out and in', () => {
  const work = chainWork({ widths: [16, 16], rows: 2, cols: 2, tokensOfRow: 4 }, { kind: 'generation', updates: [] }), machine = overridden(toy, { ...endlessLinks, 'swarmX.nodeLatencySeconds': 1e-3 });
  const { boundarySeconds, critical } = price(work, machine);
  assert.ok(boundarySeconds >= 2e-3 && boundarySeconds < 2.001e-3);
  assert.deepEqual(critical.slice(0, 1).map(({ cause }) => cause), ['latency']);
});

test('a norm waits for each sum to go along the row and back; a linear layer does not', () => {
  const norm = pass('norm.forward', 'forward', { rowVectors: 2, rowValues: 64, waveletsEast: 64 }, { columns: 8, rows: 8 }), linear = { ...norm, op: 'linear.forward' as const };
  const cycles = (one: PassWork): number => costOf(one, { numCsx: 1, stateBytes: 0 }, toy, 'fp32').seconds * 1e9;
  near(cycles(norm) - cycles(linear), 2 * (7 * 6 + 7 + 5));
  near(cycles({ ...norm, columns: 1 }), cycles(linear));
});

test('a gradient that leaves and a delta whose weights arrive run side by side; of two layers, or the other way round, they do not', () => {
  const one = { ...pass('linear.gradient', 'gradient', { vectors: 1000, macs: 1000 }), outBytes: 3e6, memoryXInBytes: 3e6 }, other = { ...pass('linear.delta', 'delta', { vectors: 2000, macs: 2000 }), inBytes: 2e6, memoryXOutBytes: 2e6 };
  const mesh = { rows: 1, cols: 1, numCsx: 1, tokens: 1, tokensOfRow: 1, bytes: 4, density: 1 } as const;
  const seconds = (order: readonly PlacedPass[], machine = toy): number => stepOf(workOf({ mesh, passes: [one, other], updates: [], layers: [], samples: 1, tokens: 1, parameters: 0, microBatches: [{ times: 1, tokens: 1, tokensOfRow: 1, rows: 1, busyCsx: 1, order }] }), machine).seconds;
  near(seconds([{ pass: 0, layer: 0 }, { pass: 1, layer: 0 }]), 3e-3, 'the longer of both');
  near(seconds([{ pass: 0, layer: 0 }, { pass: 1, layer: 1 }]), 5e-3);
  near(seconds([{ pass: 1, layer: 0 }, { pass: 0, layer: 0 }]), 5e-3);
  // Tiles do the work of both.
  near(seconds([{ pass: 0, layer: 0 }, { pass: 1, layer: 0 }], overridden(toy, endlessLinks)), 3000 * 2e-9);
});

test('rows of tables come and go beside MemoryX, so that systems do not share their rate', () => {
  const gather = pass('gather', 'forward', {}, { memoryXOutBytes: 12e6 }), seconds = (numCsx: number): number => costOf({ ...gather, memoryXOutBytes: 12e6 * numCsx }, { numCsx, stateBytes: 0 }, toy, 'fp32').seconds;
  near(seconds(1), 12e-3);
  near(seconds(50), 12e-3);
});

test('of a gradient one sum reaches MemoryX, whatever the token tree has beside it', () => {
  const gradient = pass('linear.gradient', 'gradient', {}, { outBytes: 4e6, memoryXInBytes: 3 * 4e6 });
  assert.equal(costOf(gradient, { numCsx: 4, stateBytes: 0 }, toy, 'fp32').traffic.memoryXInBytes, 4e6);
});

test('work that a machine has no room for is refused', () => {
  const work = chainWork({ widths: [8, 8], rows: 9, cols: 8, tokensOfRow: 4 });
  for (const [bad, machine] of [[work, toy], [{ ...work, rectangle: { rows: 1, cols: 751 } }, wse2], [{ ...work, fanIn: 8 }, wse2], [{ ...work, sram: { ...work.sram, totalBytes: 50_000 } }, wse2]] as const) {
    for (const act of [price, spansOf, roofline]) assert.throws(() => act(bad, machine), InvalidConfig);
  }
  assert.throws(() => spansOf(work, wse2, { spansMax: 13 }), InvalidConfig);
});

test('a hundred passes in sixty thousand places are priced at once', () => {
  const passes = Array.from({ length: 100 }, (_, i) => pass('linear.forward', 'forward', { vectors: 1000 + i, macs: 32_000 + 32 * i, rowVectors: 10, rowValues: 320 }, { inBytes: 1e6 }));
  const order = Array.from({ length: 30_000 }, (_, i): PlacedPass => ({ pass: i % 100, layer: Math.floor(i / 100) })), mesh = { rows: 8, cols: 8, numCsx: 1, tokens: 256, tokensOfRow: 32, bytes: 2, density: 1 } as const;
  const updates = Array.from({ length: 300 }, (_, layer) => ({ layer, elements: 1e6, readBytes: 16e6, writeBytes: 12e6, after: 29_999 - layer, before: layer }));
  const work = workOf({ mesh, passes, updates, layers: [], samples: 1, tokens: 256, parameters: 3e8, microBatches: [0, 1].map(() => ({ times: 10, tokens: 256, tokensOfRow: 32, rows: 8, busyCsx: 1, order })) }, { steps: 1000, stateBytes: 1e9 });
  price(work, toy);
  // Time of this process alone: others may share the machine.
  const begin = process.cpuUsage();
  const { passes: priced, step } = price(work, toy);
  const { user, system } = process.cpuUsage(begin);
  assert.ok(user + system < 200_000, `${user + system} µs`);
  near(priced.reduce((sum, { secondsAStep }) => sum + secondsAStep, 0) + stepOf(work, toy).exposedSeconds + stepOf(work, toy).starvedSeconds, step.seconds);
  assert.ok(spansOf(work, toy).length <= 20_000);
});
