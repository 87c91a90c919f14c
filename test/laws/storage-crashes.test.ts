/**
 * A store survives: crashes at any operation and inside of it, kills and losses of power, disks that lie. And that these laws bite: without either sync they fail.
 *
 * Not here: the player (support/storage-lives.ts), the host's own files (unit/storage/real-files.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FileSystem, OpenFile } from '../../src/storage/file-system.js';
import { layoutOf } from '../../src/storage/layout.js';
import { live, identity, type Life, type Lives, type LivesOptions, type Outcome } from '../support/storage-lives.js';

const aBlock = fc.oneof(fc.constantFrom(4, 508, 512, 4096, 4100, 12_288), fc.integer({ min: 1, max: 2500 }).map((words) => words * 4));
const shards = fc.array(fc.record({ blocks: fc.array(aBlock, { minLength: 1, maxLength: 5 }), scratchBytes: fc.constantFrom(0, 8192) }), { minLength: 1, maxLength: 3 });
const lives = (ends: readonly Life['ends'][], durability: readonly Life['durability'][]): fc.Arbitrary<Lives> =>
  fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 30 }),
    shards,
    firstStep: fc.constantFrom(0, 1, 7, 2 ** 32 - 1),
    lives: fc.array(fc.record({ operations: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 250 })), ends: fc.constantFrom(...ends), durability: fc.constantFrom(...durability) }), { minLength: 1, maxLength: 8 }),
  });

const add = (sum: Outcome, { crashes, commits, damage }: Outcome): void => {
  sum.crashes += crashes;
  sum.commits += commits;
  sum.damage += damage;
};
/** All outcomes of so many runs. */
const holds = (arbitrary: fc.Arbitrary<Lives>, numRuns: number, options: LivesOptions = {}): Outcome => {
  const sum: Outcome = { crashes: 0, commits: 0, damage: 0 };
  fc.assert(fc.property(arbitrary, (plan) => add(sum, live(plan, options))), { seed: 7, numRuns });
  return sum;
};
const fails = (arbitrary: fc.Arbitrary<Lives>, numRuns: number, options: LivesOptions): boolean =>
  fc.check(fc.property(arbitrary, (plan) => void live(plan, options)), { seed: 7, numRuns, endOnFailure: true }).failed;

test('killed at any operation, the store holds the last acknowledged step, or the one that was being committed', (t) => {
  const { crashes, commits, damage } = holds(lives(['kill'], ['process', 'power']), 250);
  t.diagnostic(`${crashes} crashes, ${commits} commits`);
  assert.ok(crashes > 900 && commits > 1500 && damage === 0);
});

test('power lost at any operation: the same, where commits have power durability', (t) => {
  const { crashes, commits, damage } = holds(lives(['power', 'power', 'kill'], ['power']), 500);
  t.diagnostic(`${crashes} crashes, ${commits} commits`);
  assert.ok(crashes > 1800 && commits > 3000 && damage === 0);
});

test('power lost after commits with process durability: a whole step, or damage that is found', (t) => {
  const { crashes, damage } = holds(lives(['power', 'kill'], ['process', 'power']), 400);
  t.diagnostic(`${crashes} crashes, ${damage} times damage`);
  assert.ok(crashes > 700 && damage > 20);
});

for (const faults of [{ lyingWrites: 30 }, { lyingSyncs: 3 }, { lyingWrites: 100, lyingSyncs: 5 }]) {
  test(`a disk that lies (${JSON.stringify(faults)}): nothing wrong is ever returned as data`, (t) => {
    const { crashes, damage } = holds(lives(['power', 'kill'], ['power']), 200, { faults });
    t.diagnostic(`${crashes} crashes, ${damage} times damage`);
    assert.ok(damage > 20);
  });
}

/** A storage that leaves out the syncs which come after a write to a superblock, or those which do not. */
const withoutSyncs = (kind: 'of the superblock' | 'of blocks and table') => (fs: FileSystem): FileSystem => ({
  ...fs,
  open: (path, mode, options): OpenFile => {
    const file = fs.open(path, mode, options);
    // Files here have fewer blocks than a page of sizes, so superblocks lie at the same place in all.
    const [first, second] = layoutOf({ blocks: [4], scratchBytes: 0, identity }).superblocks;
    let last = -1;
    return {
      ...file,
      write: (from, at) => {
        last = at;
        file.write(from, at);
      },
      sync: () => {
        if ((last === first || last === second) !== (kind === 'of the superblock')) file.sync();
      },
    };
  },
});

for (const kind of ['of blocks and table', 'of the superblock'] as const) {
  test(`the law bites: without the sync ${kind} it fails`, () => {
    assert.ok(fails(lives(['power'], ['power']), 500, { wrap: withoutSyncs(kind) }));
  });
}
