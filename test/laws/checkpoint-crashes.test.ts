/**
 * Checkpoints survive: crashes at any operation and inside of it, kills and losses of power. And that these laws bite: without one of the syncs they fail.
 *
 * Not here: the host's own files (unit/formats/checkpoint/real-files.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listCheckpoints, pruneCheckpoints, removeLeftovers } from '../../src/formats/checkpoint/folders.js';
import { verifyCheckpoint } from '../../src/formats/checkpoint/read.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { assertWhole, writeWhole } from '../support/checkpoints.js';
import { Crash, SimulatedDisk } from '../support/simulated-disk.js';

const dir = '/runs/a', keep = 2;

interface Life {
  readonly operations: number;
  readonly ends: 'kill' | 'power';
}
interface Lives {
  readonly seed: number;
  readonly lives: readonly Life[];
}
const lives = (ends: readonly Life['ends'][]): fc.Arbitrary<Lives> => fc.record({
  seed: fc.nat(),
  lives: fc.array(fc.record({ operations: fc.integer({ min: 0, max: 250 }), ends: fc.constantFrom(...ends) }), { minLength: 1, maxLength: 6 }),
});

/** Writes checkpoints until the process ends; gives the last that was finished. */
const write = (fs: FileSystem, first: number): number => {
  let told = first;
  try {
    removeLeftovers(dir, fs);
    for (;;) {
      writeWhole(dir, told + 1, fs);
      told++;
      pruneCheckpoints(dir, keep, fs);
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return told;
  }
};

/** One life after the other on one disk; gives how many checkpoints were made and how often leftovers were found. */
const live = ({ seed, lives: each }: Lives, wrap: (fs: FileSystem) => FileSystem = (fs) => fs): { readonly made: number; readonly left: number } => {
  const disk = new SimulatedDisk(seed);
  let newest = 0, left = 0, fs = disk.start();
  for (const { operations, ends } of each) {
    disk.crashAt = disk.operations + operations;
    const told = write(wrap(fs), newest);
    disk.crashAt = Infinity;
    fs = ends === 'kill' ? disk.kill() : disk.cutPower();
    const found = listCheckpoints(dir, fs);
    newest = found.at(-1)?.step ?? 0;
    assert.ok(newest === told || newest === told + 1, `finished ${told}, found ${newest}`);
    assert.ok(found.length >= Math.min(keep, newest), `${found.length} of ${newest}`);
    for (const { step, path } of found) {
      assert.deepEqual(verifyCheckpoint(path, fs), []);
      assertWhole(path, step, fs);
    }
    left += fs.kind(dir) === null ? 0 : fs.list(dir).length - found.length;
  }
  removeLeftovers(dir, fs);
  if (fs.kind(dir) !== null) assert.deepEqual(fs.list(dir), listCheckpoints(dir, fs).map(({ path }) => path.slice(dir.length + 1)));
  return { made: newest, left };
};

for (const ends of [['kill'], ['power', 'power', 'kill']] as const) {
  test(`ended at any operation by ${ends[0]}, every checkpoint that is listed is whole, and the last that was finished is there`, (t) => {
    let made = 0, left = 0;
    fc.assert(fc.property(lives(ends), (plan) => {
      const outcome = live(plan);
      made += outcome.made;
      left += outcome.left;
    }), { seed: 7, numRuns: 150 });
    t.diagnostic(`${made} checkpoints, ${left} leftovers`);
    assert.ok(made > 300 && left > 150);
  });
}

/** Files whose names match are never synced. */
const withoutSync = (path: RegExp) => (fs: FileSystem): FileSystem => ({
  ...fs,
  open: (at, mode, options) => {
    const file = fs.open(at, mode, options);
    return path.test(at) ? { ...file, sync: () => undefined } : file;
  },
});

for (const [what, wrap] of [
  ['of the tensors', withoutSync(/safetensors$/)],
  ['of state.json', withoutSync(/state\.json$/)],
  ['of the folder', (fs: FileSystem): FileSystem => ({ ...fs, syncFolder: () => undefined })],
] as const) {
  test(`without the sync ${what}, a loss of power is seen`, () => {
    assert.ok(fc.check(fc.property(lives(['power']), (plan) => void live(plan, wrap)), { seed: 7, numRuns: 100, endOnFailure: true }).failed);
  });
}
