/** A process that runs clusters to every kind of end and then has nothing more to do: a thread, port or timer left behind would keep it alive. */
import { adamW, Cluster, mlp, type TrainOptions } from '../../src/index.js';

const training: TrainOptions = {
  data: { kind: 'features', inputs: new Float32Array(64 * 5).map((_, i) => (i % 7) / 7), labels: new Int32Array(64).map((_, i) => i % 2) },
  optimizer: adamW(), steps: 100_000, batchSize: 64,
};
const net = mlp([5, 6, 2]);
const ends: string[] = [];

{
  await using cluster = await Cluster.start({ threads: 2 });
  await cluster.train(net, { ...training, steps: 2 }).finished;
  ends.push('finished');
  const stop = new AbortController();
  const run = cluster.train(net, { ...training, signal: stop.signal });
  run.steps$.subscribe({ next: () => stop.abort(new Error('stop')), error: () => {} });
  await run.finished.catch(() => ends.push('aborted'));
}
{
  const cluster = await Cluster.start({ threads: 2 });
  const run = cluster.train(net, training);
  run.finished.catch(() => ends.push('closed'));
  await cluster[Symbol.asyncDispose]();
}
{
  await using cluster = await Cluster.start({ threads: 1, faults: Array.from({ length: 40 }, (_, generation) => ({ thread: 0, turn: 2, at: 'start' as const, generation })) });
  await cluster.train(net, training).finished.catch(() => ends.push('died'));
}
process.stdout.write(`${ends.join(' ')}\n`);
