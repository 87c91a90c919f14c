/**
 * Sweeps that end anywhere and go on: the table is that of the uncut one, byte for byte, and nothing that was kept is done again.
 *
 * Not here: sweeps of the command line (unit/cli/sweep.test.ts).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readAll, type FileSystem } from '../../../src/storage/file-system.js';
import { sweepPoints, variedPaths, type SweepPoint, type SweepSpec } from '../../../src/sweep/points.js';
import { openResults, refusalOf, resultsName, transientResults, type PointResult } from '../../../src/sweep/results.js';
import { runSweep, type Evaluate, type SweepEnd } from '../../../src/sweep/run.js';
import { chosenColumns, csvOfTable, showNumber, sweepTable, textOfTable } from '../../../src/sweep/table.js';
import { CorruptFile, DoesNotFit, InvalidConfig, StorageFailed } from '../../../src/util/errors.js';
import { Crash, SimulatedDisk } from '../../support/simulated-disk.js';

const spec: SweepSpec = { base: { kind: 'x' }, grid: [{ path: 'a', values: [1, 2, 3, 4] }, { path: 'b', values: [0.5, 'two, "quoted"', true] }], list: [] };
const points = sweepPoints(spec, () => 'test'), folder = '/sweep', file = `${folder}/${resultsName}`;

const resultOf = ({ parameters: { a, b } }: SweepPoint): PointResult =>
  a === 3 && b === true ? { refusal: { kind: 'DoesNotFit', message: 'it needs more than there is' } } : { figures: { seconds: Number(a) / 3, name: `${a}·${b}`, ...(a === 2 ? { late: null } : {}), even: Number(a) % 2 === 0 } };
const evaluate: Evaluate = async (some) => {
  await Promise.resolve();
  return some.map(resultOf);
};
const table = ({ results }: SweepEnd): string => {
  const made = sweepTable(variedPaths(spec), points, results);
  return `${csvOfTable(made)}\n${textOfTable(made)}`;
};
const go = async (fs: FileSystem, lanes: readonly Evaluate[], more: { readonly pointsAtOnce?: number; readonly signal?: AbortSignal; readonly onProgress?: (done: number) => void } = {}): Promise<SweepEnd> => {
  const results = openResults(fs, folder);
  try {
    const { onProgress, ...rest } = more;
    return await runSweep({ points, results, lanes, pointsAtOnce: 3, ...rest, ...(onProgress === undefined ? {} : { onProgress: ({ done }) => onProgress(done) }) });
  } finally {
    results.close();
  }
};
const uncut = await runSweep({ points, results: transientResults(), lanes: [evaluate], pointsAtOnce: 100 });
const whole = table(uncut);
/** The whole file of results, after one lane. */
const written = async (): Promise<Uint8Array> => {
  const fs = new SimulatedDisk(1).start();
  await go(fs, [evaluate]);
  return readAll(fs, file);
};
const diskWith = (bytes: Uint8Array): FileSystem => {
  const fs = new SimulatedDisk(2).start();
  fs.makeFolder(folder);
  const made = fs.open(file, 'create');
  made.write(bytes, 0);
  made.close();
  return fs;
};

test('the table has a row a point, in order, and says why one cannot be', () => {
  const lines = whole.split('\r\n');
  assert.equal(lines[0], 'a,b,seconds,name,even,late,refusal');
  assert.deepEqual(lines.slice(1, 4), ['1,0.5,0.3333333333333333,1·0.5,false,,', '1,"two, ""quoted""",0.3333333333333333,"1·two, ""quoted""",false,,', '1,true,0.3333333333333333,1·true,false,,']);
  assert.equal(lines[9], '3,true,,,,,DoesNotFit: it needs more than there is');
  assert.deepEqual([uncut.reused, uncut.missing, uncut.results.length], [0, 0, 12]);
});

test('figures are chosen and placed between parameters and refusals', () => {
  const chosen = chosenColumns(sweepTable(variedPaths(spec), points, uncut.results), (name) => ({ seconds: 2, even: 1 })[name] ?? null);
  assert.deepEqual(chosen.columns.map(({ name }) => name), ['a', 'b', 'even', 'seconds', 'refusal']);
  assert.deepEqual([chosen.rows[0], chosen.rows[8]], [[1, 0.5, false, 1 / 3, null], [3, true, null, null, 'DoesNotFit: it needs more than there is']]);
});

test('lanes, and how many points they take at once, do not show', () =>
  fc.assert(fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }), async (s, lanes, pointsAtOnce) => {
    const asked: string[] = [];
    const lane: Evaluate = async (some) => {
      asked.push(...some.map(({ key }) => key));
      await s.schedule(Promise.resolve());
      return some.map(resultOf);
    };
    const ending = runSweep({ points, results: transientResults(), lanes: Array.from({ length: lanes }, () => lane), pointsAtOnce });
    assert.equal(table(await s.waitFor(ending)), whole);
    assert.deepEqual(asked.toSorted(), points.map(({ key }) => key).toSorted());
  }), { seed: 43, numRuns: 40 }));

describe('resuming', () => {
  test('a file cut after any byte: the same table, and what is whole is not done again', async () => {
    const bytes = await written(), head = Buffer.from(bytes).indexOf(10) + 1;
    for (let cut = head; cut <= bytes.length; cut++) {
      let asked = 0;
      const kept = Buffer.from(bytes.subarray(head, cut)).toString().split('\n').length - 1;
      const fs = diskWith(bytes.subarray(0, cut)), end = await go(fs, [async (some) => {
        asked += some.length;
        return evaluate(some);
      }]);
      assert.equal(table(end), whole);
      assert.deepEqual([asked, end.reused], [points.length - kept, kept], `cut at ${cut}`);
      assert.deepEqual(readAll(fs, file), bytes);
    }
  });

  test('a byte that changed: its point is done again, or the file is refused; never another table', async () => {
    const bytes = await written(), head = Buffer.from(bytes).indexOf(10) + 1;
    await fc.assert(fc.asyncProperty(fc.integer({ min: head, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const fs = diskWith(damaged), results = openResults(fs, folder);
      assert.ok(results.damaged >= 1 && results.damaged <= 2, `${results.damaged}`);
      results.close();
      assert.equal(table(await go(fs, [evaluate])), whole);
    }), { seed: 44, numRuns: 200 });
  });

  test('ended by a kill or a loss of power at any operation: what was told as done is kept, and the table is the uncut one', async () => {
    const operations = 40;
    for (const ends of ['kill', 'power'] as const) {
      for (let at = 1; at < operations; at++) {
        const disk = new SimulatedDisk(at), told = { done: 0 };
        disk.crashAt = at;
        await go(disk.start(), [evaluate, evaluate], { pointsAtOnce: 2, onProgress: (done) => (told.done = done) }).catch((error: unknown) => assert.ok(error instanceof Crash, String(error)));
        disk.crashAt = Infinity;
        const fs = ends === 'power' ? disk.cutPower() : disk.kill(), end = await go(fs, [evaluate]);
        assert.ok(end.reused >= told.done, `${ends} at ${at}: ${told.done} told, ${end.reused} kept`);
        assert.equal(table(end), whole, `${ends} at ${at}`);
      }
    }
  });

  test('another sweep in the folder takes what it shares and leaves the rest', async () => {
    const fs = new SimulatedDisk(3).start();
    await go(fs, [evaluate]);
    const wider: SweepSpec = { ...spec, grid: [{ path: 'a', values: [4, 5] }, { path: 'b', values: [true] }] }, more = sweepPoints(wider, () => 'test'), results = openResults(fs, folder);
    const end = await runSweep({ points: more, results, lanes: [evaluate], pointsAtOnce: 9 });
    results.close();
    assert.deepEqual([end.reused, end.missing, end.results], [1, 0, more.map(resultOf)]);
    assert.equal((await go(fs, [() => assert.fail('nothing is missing')])).reused, points.length);
  });
});

test('a stop comes at a point’s edge: what was under way is kept', async () => {
  const fs = new SimulatedDisk(4).start(), controller = new AbortController();
  const stopped = await go(fs, [evaluate], { pointsAtOnce: 1, signal: controller.signal, onProgress: (done) => done === 5 && controller.abort() });
  assert.deepEqual([stopped.missing, stopped.results.filter((one) => one !== null).length], [7, 5]);
  assert.equal(table(await go(fs, [evaluate])), whole);
});

test('a lane that fails ends the sweep, and what the others did is kept', async () => {
  const fs = new SimulatedDisk(5).start();
  let answered = 0;
  const slow: Evaluate = async (some) => {
    await new Promise((resolve) => setImmediate(resolve));
    answered += some.length;
    return evaluate(some);
  };
  await assert.rejects(go(fs, [slow, () => Promise.reject(new StorageFailed({ what: 'a disk', value: 'EIO' }))]), StorageFailed);
  assert.ok(answered > 0 && answered < points.length);
  const end = await go(fs, [evaluate]);
  assert.deepEqual([end.reused, table(end)], [answered, whole]);
});

test('two sweeps at once in a folder are refused, and a file of another kind is left as it is', async () => {
  const fs = new SimulatedDisk(6).start(), held = openResults(fs, folder);
  assert.throws(() => openResults(fs, folder), InvalidConfig);
  held.close();
  openResults(fs, folder).close();
  for (const text of ['', 'mine', '{"format":2,"file":"waferstream sweep"}\n', '[]\n[]\n']) {
    const bytes = Buffer.from(text), other = diskWith(bytes);
    assert.throws(() => openResults(other, folder), (error) => error instanceof CorruptFile && /no results of a sweep.*another folder/.test(error.message));
    assert.deepEqual(Buffer.from(readAll(other, file)), bytes);
  }
});

test('errors that follow from the parameters are results, others are not; numbers that JSON lacks are none', () => {
  assert.deepEqual(refusalOf(new DoesNotFit({ what: 'it', needBytes: 2, haveBytes: 1, hint: 'halve\n it' })), { refusal: { kind: 'DoesNotFit', message: 'it needs 2 bytes and 1 are there; halve; it' } });
  assert.equal(refusalOf(new StorageFailed({ what: 'a disk', value: 'EIO' })), null);
  assert.equal(refusalOf(new TypeError('x')), null);
  const fs = new SimulatedDisk(7).start(), results = openResults(fs, folder), [point] = points;
  assert.ok(point !== undefined);
  results.append([[point, { figures: { loss: Number.NaN, rate: Infinity, steps: 3 } }]]);
  results.close();
  assert.deepEqual(openResults(fs, folder).results.get(point.key), { figures: { loss: null, rate: null, steps: 3 } });
});

test('numbers of the terminal have four digits', () => {
  for (const [value, text] of [[0, '0'], [1234567, '1,234,567'], [12345678, '1.235e7'], [0.012345, '0.01235'], [1 / 3, '0.3333'], [1e-6, '1e-6'], [-2500.55, '-2,501'], [123456.7, '123,500'], [1.5e20, '1.5e20'], [100.02, '100']] as const) assert.equal(showNumber(value), text);
});
