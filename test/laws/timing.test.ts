/**
 * Laws of prices, over drawn works and machines: nothing faster makes a step slower, nothing sparser makes it longer, shares add up, links are never busier than there is time, and a step
 * is as long as one that is simulated pass by pass and update by update.
 *
 * Not here: limits that hold exactly (unit/timing/price.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { constantsOf, machines, withOverride, type MachineSpec } from '../../src/spec/machine.js';
import { price } from '../../src/timing/price.js';
import { roofline } from '../../src/timing/roofline.js';
import { spansOf } from '../../src/timing/spans.js';
import { depthOf, stepOf } from '../../src/timing/step.js';
import type { Work } from '../../src/trace/work.js';
import { aChain, aKindOfWork, aMachine, faster, slower } from '../support/machines.js';
import { chainWork } from '../support/works.js';

const seed = 20210824;
const law = (numRuns: number) => ({ seed, numRuns });
const seconds = (work: Work, machine: MachineSpec): number => stepOf(work, machine).seconds;
const notAbove = (a: number, b: number, what: string): void => assert.ok(a <= b * (1 + 1e-12), `${what}: ${a} > ${b}`);

test('more of any bandwidth, a faster clock, less of any latency: never slower', () => {
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), fc.constantFrom(...faster, ...slower), fc.constantFrom(1.01, 2, 1000), (chain, kind, machine, path, times) => {
    const work = chainWork(chain, kind), value = constantsOf(machine).find((constant) => constant.path === path)?.value as number;
    const grows = faster.some((each) => each === path), better = path === 'core.streamedEfficiency' ? Math.min(1, value * times) : path === 'swarmX.lanes' ? Math.ceil(value * times) : grows ? value * times : value / times;
    notAbove(seconds(work, withOverride(machine, path, better)), seconds(work, machine), path);
  }), law(1500));
});

test('fewer stored weights: never more work, and among sparse ones never more time', () => {
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), fc.double({ min: 0, max: 0.999, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (chain, kind, machine, density, less) => {
    const more = chainWork({ ...chain, density }, kind), sparser = chainWork({ ...chain, density: density * less }, kind);
    notAbove(seconds(sparser, machine), seconds(more, machine), 'seconds');
    const dense = price(chainWork({ ...chain, density: 1 }, kind), machine), sparse = price(more, machine);
    notAbove(sparse.flops.achieved * sparse.step.seconds, dense.flops.achieved * dense.step.seconds, 'products');
    // A packet of value and index has 1.5 or 2 times the bytes: what does not come by links is never slower than dense.
    sparse.passes.forEach(({ demands }, i) => notAbove(demands.tile, dense.passes[i]?.demands.tile ?? 0, 'tile'));
    assert.ok(Math.abs(sparse.flops.denseEquivalent * sparse.step.seconds - dense.flops.achieved * dense.step.seconds) <= 1e-9 * dense.flops.achieved * dense.step.seconds);
  }), law(400));
});

test('more systems at the same work a system: the same passes; two node latencies a level more between steps, at most', () => {
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), fc.integer({ min: 1, max: 192 }), fc.integer({ min: 1, max: 192 }), (chain, kind, machine, a, b) => {
    const [few, many] = [Math.min(a, b), Math.max(a, b)].map((numCsx) => chainWork({ ...chain, numCsx }, kind)) as [Work, Work];
    const one = stepOf(few, machine), other = stepOf(many, machine);
    assert.equal(one.passSeconds, other.passSeconds);
    notAbove(one.seconds, other.seconds, 'fewer systems');
    const levels = depthOf(many) - depthOf(few);
    notAbove(other.seconds, one.seconds + 2 * levels * machine.swarmX.nodeLatencySeconds, `${levels} levels more`);
    if (levels === 0) assert.equal(one.seconds, other.seconds);
  }), law(400));
});

test('shares add up to the step, nothing is busier than there is time, joules add up, passes stay below their roofs', () => {
  const bound = new Set<string>();
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), fc.integer({ min: 1, max: 5 }), (chain, kind, machine, steps) => {
    const work = chainWork(chain, { ...kind, steps }), { step, critical, links, tiers, energy, flops, totalSeconds, passes, boundarySeconds } = price(work, machine);
    const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0), near = (a: number, b: number): void => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(a, b), `${a} and ${b}`);
    near(sum(critical.map((each) => each.seconds)), step.seconds);
    near(sum(critical.map((each) => each.share)), 1);
    critical.forEach(({ cause }) => bound.add(cause));
    notAbove(sum(passes.map((pass) => pass.secondsAStep)) + boundarySeconds, step.seconds, 'passes and waits');
    near(totalSeconds, steps * step.seconds);
    for (const { name, occupancy, bytes } of [...links, ...tiers]) assert.ok(occupancy >= 0 && occupancy <= 1 + 1e-9 && bytes >= 0, `${name}: ${occupancy}`);
    assert.ok(Object.values(energy.byAction).every((joules) => joules >= 0));
    near(sum(Object.values(energy.byAction)), energy.joules);
    near(energy.watts * step.seconds, energy.joules);
    assert.ok(flops.utilization >= 0 && flops.utilization <= 1 && flops.achieved <= flops.denseEquivalent * (1 + 1e-12));
    for (const { achieved, attainable } of roofline(work, machine)) {
      notAbove(achieved, attainable.edge, 'edge');
      notAbove(achieved, attainable.sram, 'SRAM');
    }
  }), law(600));
  // The draw reaches what it is meant to judge.
  assert.ok(['products', 'overhead', 'row sums', 'column sums', 'wafer input', 'wafer output', 'SwarmX', 'MemoryX', 'latency', 'update', 'fabric'].every((cause) => bound.has(cause)), [...bound].join(', '));
});

/** Steps one behind the other, event by event, with nothing but queues: when the sixth ends, less when the fifth does. */
const simulated = (work: Work, machine: MachineSpec): number => {
  const { updates, stretches } = stepOf(work, machine), { memoryX, fabric, wafer, swarmX } = machine, { rows, cols } = work.rectangle;
  const onFlash = Math.max(0, 1 - memoryX.dramBytes / work.stateBytes), hop = fabric.hopCycles, ramp = 2 * fabric.rampCycles + 1;
  let levels = 0;
  for (let reached = 1; reached < work.numCsx || levels === 0; reached *= work.fanIn) levels++;
  const up = levels * swarmX.nodeLatencySeconds + ((hop + ramp) * (cols - 1 + rows - 1)) / wafer.clockHz, down = levels * swarmX.nodeLatencySeconds + (rows > 1 ? (hop * (rows - 1) + ramp) / wafer.clockHz : 0);
  assert.equal(updates.length, work.updates.length);
  // Seconds of a place, and of the one in front of it where they run side by side.
  const placed = new Map(stretches.map(({ passes, cost }) => [passes.join('+'), cost.seconds]));
  let now = 0, before = 0, free = 0, ready = work.updates.map(() => 0);
  for (let step = 0; step < 6; step++) {
    before = now;
    const grown: number[] = [];
    work.microBatches.forEach(({ order, times }, m) => {
      for (let t = 0; t < times; t++) {
        const isFirst = m === 0 && t === 0, isLast = m === work.microBatches.length - 1 && t === times - 1;
        order.forEach(({ pass, layer }, place) => {
          const pair = placed.get(`${pass}+${order[place + 1]?.pass}`), isSecond = placed.has(`${order[place - 1]?.pass}+${pass}`);
          assert.equal(pair !== undefined, work.passes[pass]?.op === 'linear.gradient' && order[place + 1]?.layer === layer && work.passes[order[place + 1]?.pass ?? -1]?.op === 'linear.delta');
          if (isFirst) work.updates.forEach((update, i) => void (Math.max(0, update.before) === place && (now = Math.max(now, ready[i] as number))));
          if (!isSecond) now += pair ?? placed.get(String(pass)) ?? Number.NaN;
          if (isLast) work.updates.forEach(({ after }, i) => void (after === place && (grown[i] = now + up)));
        });
      }
    });
    const done = work.updates.map(() => 0), turn = work.updates.map((_, i) => i);
    if (work.verdict) turn.sort((a, b) => (work.updates[a]?.before ?? 0) - (work.updates[b]?.before ?? 0));
    for (const i of turn) {
      const { readBytes, writeBytes } = work.updates[i] as Work['updates'][number], moved = readBytes + writeBytes;
      free = Math.max(free, work.verdict ? now + up : (grown[i] as number)) + Math.max(moved / memoryX.dramBytesPerSecond, (moved * onFlash) / memoryX.flashBytesPerSecond);
      done[i] = free + down;
    }
    ready = done;
  }
  return now - before;
};

test('a steady step is as long as one among steps that are simulated', () => {
  let waited = 0;
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), (chain, kind, machine) => {
    const work = chainWork(chain, kind), { passSeconds, exposedSeconds, starvedSeconds } = stepOf(work, machine), expected = simulated(work, machine);
    if (starvedSeconds > 0) return;
    if (exposedSeconds > 0.01 * passSeconds) waited++;
    assert.ok(Math.abs(passSeconds + exposedSeconds - expected) <= 1e-9 * expected, `${passSeconds} + ${exposedSeconds} against ${expected}`);
  }), law(500));
  assert.ok(waited > 100, `${waited} steps waited`);
});

test('spans cover the step: every pass and update once, within its ends, whatever the limit', () => {
  fc.assert(fc.property(aChain(), aKindOfWork(), aMachine(), fc.integer({ min: 14, max: 200 }), (chain, kind, machine, spansMax) => {
    const work = chainWork(chain, kind), step = stepOf(work, machine), whole = spansOf(work, machine), cut = spansOf(work, machine, { spansMax });
    assert.ok(cut.length <= spansMax);
    const busy = whole.filter(({ lane }) => lane === 'wafer').reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(Math.abs(busy - step.passSeconds) <= 1e-9 * step.passSeconds);
    const optimizer = whole.filter(({ lane }) => lane === 'optimizer').reduce((sum, { start, end }) => sum + end - start, 0), updates = step.updates.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(Math.abs(optimizer - updates) <= 1e-9 * step.seconds);
    for (const spans of [whole, cut]) {
      const ends = new Map<string, number>();
      for (const { lane, start, end } of spans) {
        assert.ok(start >= -1e-12 && end <= step.seconds * (1 + 1e-9) && start < end, `${lane} ${start} ${end}`);
        assert.ok(start >= (ends.get(lane) ?? 0) - 1e-9 * step.seconds, `${lane} in ascending time`);
        ends.set(lane, end);
      }
    }
    // Nothing is lost in a merge.
    assert.equal(cut.reduce((sum, { merged = 1 }) => sum + merged, 0), whole.length);
  }), law(300));
});

test('the presets are drawn as they are, too', () => {
  for (const machine of Object.values(machines)) assert.ok(price(chainWork({ widths: [64, 64, 10], rows: 4, cols: 4, tokensOfRow: 32 }), machine).step.seconds > 0);
});
