/** Collectives along a line: closed forms where nothing contends, and what an exhaustive look at the hops counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machines, withOverride } from '../../../src/spec/machine.js';
import { demandCycles, lineAlgorithms, lineCollectiveCycles, lineDemand } from '../../../src/timing/collectives.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const { wse2 } = machines;
const cycles = (algorithm: (typeof lineAlgorithms)[number], cores: number, words: number): number => lineCollectiveCycles({ algorithm, cores, words }, wse2);

test('a message to a neighbour, a broadcast and a chain have the closed forms of the literature', () => {
  for (const B of [1, 8, 1000]) {
    assert.equal(cycles('broadcast', 2, B), B + 1 + 5, 'B words, one hop, two ramps and a step');
    for (const P of [2, 3, 16, 750]) {
      assert.equal(cycles('broadcast', P, B), B + (P - 1) + 5);
      assert.equal(cycles('chain', P, B), B + 6 * (P - 1));
      assert.equal(cycles('star', P, B), Math.max(B * (P - 1), (B * P) / 2 + (P - 1)) + 5);
    }
    for (const P of [2, 4, 16, 512]) {
      const k = Math.log2(P);
      assert.equal(cycles('tree', P, B), Math.max(B * k, (B * P * k) / 2 / (P - 1) + (P - 1)) + 5 * k);
    }
    for (const S of [2, 4, 27]) assert.equal(cycles('two-phase', S * S, B), Math.max(2 * B, (B * (S * (S - 1) + (S - 1) * S)) / (S * S - 1) + (S * S - 1)) + 5 * (2 * (S - 1)));
  }
});

test('one core has nothing to wait for; two cores do the same whatever the algorithm', () => {
  for (const algorithm of lineAlgorithms) {
    assert.equal(cycles(algorithm, 1, 100), 0);
    assert.equal(cycles(algorithm, 2, 100), cycles('chain', 2, 100));
  }
});

test('hops of a tree are those of its messages, one by one', () => {
  for (let P = 2; P <= 40; P++) {
    let hops = 0, depth = 0;
    for (let span = 1; span < P; span *= 2, depth++) for (let to = 0; to + span < P; to += 2 * span) hops += span;
    const demand = lineDemand('tree', P, 3);
    assert.deepEqual([demand.hops, demand.depth, demand.links, demand.longest], [3 * hops, depth, P - 1, P - 1]);
  }
});

test('links without latency leave the words alone; wider links shorten them', () => {
  const free = withOverride(withOverride(wse2, 'fabric.hopCycles', 0), 'fabric.rampCycles', 0);
  assert.equal(lineCollectiveCycles({ algorithm: 'broadcast', cores: 100, words: 50 }, free), 50 + 1);
  assert.equal(demandCycles({ received: 64, hops: 0, links: 0, longest: 0, depth: 0 }, withOverride(wse2, 'fabric.linkBitsPerCycle', 64)), 32);
});

test('lines without cores are refused', () => {
  for (const cores of [0, -1, 1.5]) assert.throws(() => cycles('chain', cores, 1), InvalidConfig);
  for (const words of [-1, Number.NaN]) assert.throws(() => cycles('chain', 2, words), InvalidConfig);
});
