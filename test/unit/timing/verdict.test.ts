/** Verdicts: they name what binds with its share, and what they promise is what the step is when it is priced again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machines, withOverride, type MachineSpec } from '../../../src/spec/machine.js';
import { price } from '../../../src/timing/price.js';
import type { Cause } from '../../../src/timing/types.js';
import type { Work } from '../../../src/trace/work.js';
import { endlessLinks, overridden } from '../../support/machines.js';
import { llamaWork } from '../../support/llama-work.js';
import { chainWork, pass } from '../../support/works.js';

const { toy } = machines;
const chain = (tokensOfRow: number, more: Partial<Work> = {}, microBatches = 4): Work => chainWork({ widths: [256, 256], rows: 8, cols: 8, tokensOfRow, microBatches, bytes: 2 }, more);
const compute = overridden(toy, { ...endlessLinks, 'swarmX.nodeLatencySeconds': 0 });
const elementwise = (): Work => {
  const work = chain(16);
  return { ...work, passes: work.passes.map((one) => ({ ...one, tile: { ...pass('locals', 'forward', { elements: 1e5 }).tile } })) };
};

interface Case {
  readonly cause: Cause;
  readonly work: Work;
  readonly machine: MachineSpec;
  /** What the sentence says would help, and the same by hand. */
  readonly helps?: readonly [path: string, value: number];
}

const cases: readonly Case[] = [
  { cause: 'products', work: chain(100), machine: compute },
  { cause: 'overhead', work: chain(2), machine: overridden(compute, { 'core.vectorOverheadCycles': 20 }), helps: ['core.vectorOverheadCycles', 0] },
  { cause: 'row sums', work: chainWork({ widths: [8, 256, 8], rows: 8, cols: 8, tokensOfRow: 100, bytes: 2 }), machine: compute, helps: ['core.rowSumBits', 16] },
  { cause: 'column sums', work: chain(1), machine: overridden(compute, { 'core.fabricCyclesPerWord': 5, 'core.rowSumBits': 16 }) },
  { cause: 'elementwise', work: elementwise(), machine: compute, helps: ['core.elementwiseCyclesPerValue', 2] },
  { cause: 'fabric', work: chain(100), machine: overridden(compute, { 'fabric.linkBitsPerCycle': 0.1 }), helps: ['fabric.linkBitsPerCycle', 0.2] },
  { cause: 'wafer input', work: { ...chain(2), passes: chain(2).passes.map((one) => ({ ...one, outBytes: 0 })) }, machine: overridden(compute, { 'wafer.ioBytesPerSecond': 1e6 }) },
  { cause: 'wafer output', work: chain(2), machine: overridden(compute, { 'wafer.ioBytesPerSecond': 1e6 }) },
  { cause: 'SwarmX', work: chain(2), machine: overridden(compute, { 'swarmX.laneBytesPerSecond': 1e6 }), helps: ['swarmX.laneBytesPerSecond', 2e6] },
  { cause: 'MemoryX', work: chain(2), machine: overridden(compute, { 'memoryX.inBytesPerSecond': 1e6 }), helps: ['memoryX.inBytesPerSecond', 2e6] },
  { cause: 'MemoryX', work: chain(2), machine: overridden(compute, { 'memoryX.outBytesPerSecond': 1e6 }), helps: ['memoryX.outBytesPerSecond', 2e6] },
  { cause: 'latency', work: chain(2), machine: overridden(compute, { 'swarmX.nodeLatencySeconds': 1 }) },
  { cause: 'update', work: chain(2, { verdict: true }, 1), machine: overridden(compute, { 'memoryX.dramBytesPerSecond': 1e8 }), helps: ['memoryX.dramBytesPerSecond', 2e8] },
];

for (const { cause, work, machine, helps } of cases) {
  test(`${cause}${helps === undefined ? '' : ` (${helps[0]})`}: named, with its share, and what it promises is so`, () => {
    const { verdict, critical, step } = price(work, machine), [top] = critical;
    assert.equal(top?.cause, cause, JSON.stringify(critical));
    assert.match(verdict, new RegExp(`^${cause === 'overhead' ? 'Overhead of instructions, tasks and fill' : cause === 'update' ? 'Waiting for updates' : cause === 'elementwise' ? 'Elementwise work' : cause === 'fabric' ? 'The fabric' : cause.charAt(0).toUpperCase() + cause.slice(1)} (takes?|binds?) ${(100 * (top?.share ?? 0)).toFixed(0)} % of the step: .+\\.$`));
    const promised = verdict.match(/would save (less than 1|\d+) % of the step/)?.[1];
    if (cause !== 'latency' && !/have fewer sums/.test(verdict)) assert.ok(promised !== undefined, verdict);
    if (helps === undefined) return;
    const saved = 1 - price(work, withOverride(machine, helps[0], helps[1])).step.seconds / step.seconds;
    assert.equal(promised, saved < 0.005 ? 'less than 1' : (100 * saved).toFixed(0), verdict);
    assert.ok(saved > 0.1, 'and it is worth saying');
  });
}

test('twice the tokens of a micro-batch: what is promised is what half as many of twice the tokens take', () => {
  const machine = overridden(compute, { 'wafer.ioBytesPerSecond': 1e6 }), work = chain(2, {}, 4), twice = chain(4, {}, 2), before = price(work, machine), after = price(twice, machine);
  assert.deepEqual([work.tokens, before.critical[0]?.cause], [twice.tokens, 'wafer output']);
  assert.match(before.verdict, new RegExp(`micro-batches of twice the samples, 2 a step, would save ${(100 * (1 - after.step.seconds / before.step.seconds)).toFixed(0)} % of the step`));
});

test('a small tile says that numbers of 16 bits would help, a large training what recomputation costs', () => {
  const f32 = chainWork({ widths: [64, 64], rows: 8, cols: 8, tokensOfRow: 100 }), saved = 1 - price({ ...f32, numbers: { weights: 'bfloat16', activations: 'bfloat16' } }, compute).step.seconds / price(f32, compute).step.seconds;
  assert.match(price(f32, compute).verdict, new RegExp(`16 bits would save ${(100 * saved).toFixed(0)} % of the step`));
  const llama = price(llamaWork(), machines.wse2), again = llama.passes.filter(({ phase }) => phase === 'recompute').reduce((sum, { secondsAStep }) => sum + secondsAStep, 0);
  assert.match(llama.verdict, new RegExp(`^Products take ${(100 * (llama.critical[0]?.share ?? 0)).toFixed(0)} % of the step: .*without recomputation the same tiles would save ${((100 * again) / llama.step.seconds).toFixed(0)} % of the step\\.$`));
});

test('nothing to do has a verdict, too', () => {
  const work = chain(2);
  assert.equal(price({ ...work, passes: [], microBatches: [], updates: [] }, toy).verdict, 'The step asks nothing of the machine.');
});
