/**
 * Law: threads may die at any turn; the run ends with the same bits, losses and counts, and what was redone is counted apart. A run that is
 * stopped rejects with the reason and leaves nothing behind.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import fc from 'fast-check';
import { ActorFailed, adafactor, adamW, Cluster, InvalidConfig, lamb, mlp, NonFiniteLoss, sgd, sparsity, type ClusterOptions, type RunResult, type TrainingData, type TrainOptions } from '../../src/index.js';
import { maskChanges } from '../support/mask-changes.js';
import { aClusterShape, assertSameBits, aTraining, roomyWafer, trainOn } from '../../src/testing/index.js';

const seed = 20210824;
type Fault = NonNullable<ClusterOptions['faults']>[number];

const someFaults = (threads: number, turnMax: number): fc.Arbitrary<readonly Fault[]> =>
  fc.uniqueArray(fc.record({ thread: fc.nat({ max: threads - 1 }), turn: fc.integer({ min: 1, max: turnMax }), at: fc.constantFrom('start' as const, 'reply' as const, 'end' as const), generation: fc.nat({ max: 1 }) }), {
    minLength: 1, maxLength: 3, selector: ({ thread, generation }) => `${thread}/${generation}`,
  });

const equal = (calm: RunResult, struck: RunResult): void => {
  assertSameBits(calm.weights, struck.weights);
  assert.deepEqual(struck.masks, calm.masks);
  assert.deepEqual(struck.record.losses, calm.record.losses);
  assert.deepEqual(struck.record.counts, calm.record.counts);
  for (const { out, back } of Object.values(struck.record.credits)) assert.equal(out, back);
};

test('groups of actors that die on the local dispatcher do not show in the result', async () => {
  let fired = 0, redone = 0, sparse = 0, changed = 0, tiles = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ batchMax: 120 }), aClusterShape({ numCsxMax: 6, threadsMax: 3 }).chain((shape) => fc.tuple(fc.constant(shape), someFaults(shape.threads as number, 120))), async ({ model, options }, [shape, faults]) => {
      const calm = await trainOn(shape, model, options), struck = await trainOn({ ...shape, faults }, model, options);
      equal(calm, struck);
      assert.equal(calm.record.faults, 0);
      assert.ok(struck.record.faults <= faults.length);
      fired += struck.record.faults;
      if (calm.masks.length > 0 && struck.record.faults > 0) {
        sparse++;
        if (maskChanges({ model, options }, calm) > 0) changed++;
        if (shape.sweep === 'tile') tiles++;
      }
      if (struck.record.redone.macs > 0) redone++;
      else if (struck.record.faults === 0) assert.deepEqual(struck.record.redone, calm.record.redone);
    }),
    { seed, numRuns: 80 },
  );
  assert.ok(fired > 20 && redone > 10, `${fired} deaths, work redone in ${redone} runs`);
  assert.ok(sparse > 8 && changed > 4 && tiles > 1, `deaths in ${sparse} sparse runs, ${changed} whose masks changed, ${tiles} tile by tile`);
});

test('threads that are killed in mid-step do not show in the result', async () => {
  let fired = 0;
  await fc.assert(
    fc.asyncProperty(aTraining({ batchMax: 120 }), aClusterShape({ dispatcher: 'thread', numCsxMax: 4, threadsMax: 2 }).chain((shape) => fc.tuple(fc.constant(shape), someFaults(shape.threads as number, 40))), async ({ model, options }, [shape, faults]) => {
      const calm = await trainOn({ ...shape, dispatcher: 'local' }, model, options), struck = await trainOn({ ...shape, faults }, model, options);
      equal(calm, struck);
      fired += struck.record.faults;
    }),
    { seed, numRuns: 8 },
  );
  assert.ok(fired >= 6, `${fired} deaths`);
});

const samples = 96;
const data: TrainingData = { kind: 'features', inputs: Float32Array.from({ length: samples * 10 }, (_, i) => ((i * 31) % 17) / 17 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 3) };
const training: TrainOptions = { data, optimizer: adamW(), steps: 100_000, batchSize: samples };
const net = mlp([10, 12, 3]);

test('a death at every single turn of a step is survived', async () => {
  const short = { ...training, steps: 2 };
  const shape = { dispatcher: 'local' as const, numCsx: 2, threads: 1, wafer: { rows: 2, cols: 2, spec: roomyWafer } };
  const calm = await trainOn(shape, net, short);
  let turn = 1, faults = 0;
  do {
    for (const at of ['start', 'reply', 'end'] as const) {
      const struck = await trainOn({ ...shape, faults: [{ thread: 0, turn, at }] }, net, short);
      equal(calm, struck);
      faults = struck.record.faults;
    }
    turn++;
  } while (faults > 0 && turn < 500);
  assert.ok(turn > 30 && turn < 500, `a run of ${turn} turns`);
});

test('deaths at the turns of steps behind which masks change are survived', async () => {
  const deep = mlp([10, 12, 8, 3]);
  const masks = sparsity((['rigl', 'set', 'gmp'] as const).map((algorithm, i) => ({ algorithm, params: `linear${i}.weight`, sparsity: [0.3, 0.6, 0.5], ...(algorithm === 'rigl' ? { pattern: 'blocks' as const } : {}) })));
  const short = { ...training, steps: 2, clipNorm: 0.1, sparsity: masks };
  const shape = { dispatcher: 'local' as const, numCsx: 2, threads: 2, wafer: { rows: 2, cols: 2, spec: roomyWafer } };
  const calm = await trainOn(shape, deep, short);
  assert.equal(maskChanges({ model: deep, options: { ...short, seed: 0 } }, calm), 3);
  let turn = 1, beyond = 0, redone = 0;
  // Each turn on one of the two threads, at one of its three places; some turns reply nothing.
  for (; beyond < 12 && turn < 900; turn++) {
    const struck = await trainOn({ ...shape, faults: [{ thread: turn % 2, turn, at: (['start', 'reply', 'end'] as const)[turn % 3] ?? 'end' }] }, deep, short);
    equal(calm, struck);
    beyond = struck.record.faults > 0 ? 0 : beyond + 1;
    if (struck.record.redone.macs > 0) redone++;
  }
  assert.ok(turn > 60 && turn < 900 && redone > 30, `a run of ${turn} turns, work redone in ${redone}`);
});

for (const [name, optimizer, masks] of [
  ['lamb', lamb({ weightDecay: 0.1 }), undefined],
  ['lamb of sparse weights', lamb({ weightDecay: 0.1 }), sparsity({ algorithm: 'set', params: 'linear0.weight', sparsity: 0.5, update: { freq: 1 } })],
  ['adafactor with momentum', adafactor({ beta1: 0.9 }), undefined],
] as const) {
  test(`deaths at the turns of updates in sweeps are survived: ${name}`, async () => {
    // 2,720 positions are three leaves, so that both units have some.
    const large = mlp([10, 272, 3]), short = { ...training, batchSize: 32, steps: 2, clipNorm: 0.1, optimizer, ...(masks === undefined ? {} : { sparsity: masks }) };
    const shape = { dispatcher: 'local' as const, numCsx: 1, threads: 2, wafer: { rows: 2, cols: 2, spec: roomyWafer } };
    const calm = await trainOn(shape, large, short);
    let turn = 1, beyond = 0, redone = 0;
    for (; beyond < 12 && turn < 900; turn++) {
      const struck = await trainOn({ ...shape, faults: [{ thread: turn % 2, turn, at: (['start', 'reply', 'end'] as const)[turn % 3] ?? 'end' }] }, large, short);
      equal(calm, struck);
      beyond = struck.record.faults > 0 ? 0 : beyond + 1;
      if (struck.record.redone.macs > 0) redone++;
    }
    assert.ok(turn > 40 && turn < 900 && redone > 20, `a run of ${turn} turns, work redone in ${redone}`);
  });
}

test('a thread that always dies is a lasting fault: ActorFailed, and nothing hangs', async () => {
  const faults = Array.from({ length: 40 }, (_, generation) => ({ thread: 0, turn: 3, at: 'start' as const, generation }));
  await assert.rejects(trainOn({ dispatcher: 'local', threads: 1, faults }, net, { ...training, steps: 3 }), ActorFailed);
});

for (const dispatcher of ['local', 'thread'] as const) {
  test(`abort stops a run on the ${dispatcher} dispatcher with the signal's reason; the cluster can run again`, async () => {
    await using cluster = await Cluster.start({ dispatcher, numCsx: 2, threads: 2 });
    const stop = new AbortController();
    const reason = new Error('enough');
    const run = cluster.train(net, { ...training, signal: stop.signal });
    run.steps$.subscribe({ next: ({ step }) => step === 3 && stop.abort(reason), error: () => {} });
    await assert.rejects(run.finished, (error) => error === reason);
    assert.throws(() => cluster.train(net, { ...training, data: { ...data, labels: new Int32Array(3) } }), InvalidConfig);
    const again = await cluster.train(net, { ...training, steps: 2 }).finished;
    assert.equal(again.record.losses.length, 2);
  });

  test(`closing the cluster stops its run on the ${dispatcher} dispatcher`, async () => {
    const cluster = await Cluster.start({ dispatcher, threads: 1 });
    const run = cluster.train(net, training);
    const rejected = assert.rejects(run.finished, /closed/);
    for await (const { step } of run) if (step === 1) break;
    await cluster[Symbol.asyncDispose]();
    await rejected;
    assert.throws(() => cluster.train(net, training), InvalidConfig);
  });
}

test('a signal that is aborted already stops a cluster before it starts', async () => {
  await assert.rejects(Cluster.start({ signal: AbortSignal.abort(new Error('too late')) }), /too late/);
  await using cluster = await Cluster.start({ dispatcher: 'local' });
  await assert.rejects(cluster.train(net, { ...training, signal: AbortSignal.abort(new Error('never')) }).finished, /never/);
});

test('a loss that is no finite number ends the run with NonFiniteLoss', async () => {
  await using cluster = await Cluster.start({ dispatcher: 'local' });
  const run = cluster.train(net, { ...training, optimizer: sgd({ learningRate: 1e38 }), steps: 20 });
  await assert.rejects(run.finished, NonFiniteLoss);
});

test('a process whose runs finished, failed or were stopped ends by itself', () => {
  const script = fileURLToPath(new URL('../support/cluster-exit.js', import.meta.url));
  const { status, stdout, stderr, signal } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ status, signal, stdout: stdout.trim() }, { status: 0, signal: null, stdout: 'finished aborted closed died' }, stderr);
});
