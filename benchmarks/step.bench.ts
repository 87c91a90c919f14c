/**
 * A full training step of 784-1024-1024-10, batch 1024, SGD: the emulated cluster beside PyTorch and TensorFlow.js at equal threads, beside one plain loop
 * over the same kernels, and beside its own matrix products.
 *
 * Verified: the plain loop's weights equal the cluster's to the bit after three steps; peers' losses agree. Not here: more systems (scaling.bench.ts).
 */
import { Worker } from 'node:worker_threads';
import { sgd, type Cluster } from '../src/index.js';
import { kernelPlan, type KernelPlan } from '../src/kernels/load.js';
import { sampleAt } from '../src/model/data.js';
import type { BareThreadData } from './bare-thread.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, quotient, ratio, timeOf, type Ratio, type Variant } from './harness/rounds.js';
import { classifier, classifierData, firstWeights, startCluster, trainTimed, type Job } from './harness/training.js';
import { startPeer, type Peer, type PeerKind } from './peers/child.js';
import { plainLoop, type PlainLoop } from './plain-loop.js';
import type { Blocking } from './plain-products.js';
import type { BenchOptions } from './run.js';

const sizes = [784, 1024, 1024, 10], batch = 1024, learningRate = 0.25;
const stepsARound = 4, stepsVerified = 3, warmSteps = 2;
/** What two correct runs in fp32 with sums in different orders may be apart in the loss after a few steps. */
const lossTolerance = 1e-4;

/** The cluster draws its batch in an order of its own; the loop gets the same. */
const setDrawnBatch = (loop: PlainLoop, job: Job, step: number): void => {
  if (job.data.kind !== 'features') throw new Error('this bench trains on features');
  const { inputs, labels } = job.data, features = sizes[0] as number;
  const rows = new Float32Array(inputs.length), drawn = new Int32Array(batch);
  for (let i = 0; i < batch; i++) {
    const sample = sampleAt(batch, batch, step, i, 0);
    rows.set(inputs.subarray(sample * features, (sample + 1) * features), i * features);
    drawn[i] = labels[sample] as number;
  }
  loop.setBatch(rows, drawn);
};

const loadWeights = (loop: PlainLoop, job: Job): void =>
  (job.weights ?? []).filter(({ shape }) => shape.length === 2).forEach(({ data }, layer) => loop.setWeights(layer, data));

const verifyLoop = async (loop: PlainLoop, cluster: Cluster, job: Job): Promise<readonly number[]> => {
  const trained = await trainTimed(cluster, job, stepsVerified - warmSteps);
  loadWeights(loop, job);
  for (let step = 0; step < stepsVerified; step++) {
    setDrawnBatch(loop, job, step);
    loop.step();
  }
  trained.result.weights.forEach(({ name, data }, i) => {
    const { weight, bias } = loop.weights(i >> 1);
    const own = new Int32Array((i % 2 === 0 ? weight : bias).slice().buffer), theirs = new Int32Array(data.slice().buffer);
    const wrong = own.findIndex((bits, place) => bits !== theirs[place]);
    if (wrong >= 0) throw new Error(`the plain loop and the cluster differ in ${name}, element ${wrong}`);
  });
  return trained.losses;
};

interface BareThreads {
  alone(): Promise<number>;
  both(): Promise<number>;
  close(): Promise<void>;
}

const reply = (worker: Worker): Promise<number> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });

/** Two threads with half the batch each. */
const startBareThreads = async (plan: KernelPlan, blocking: readonly Blocking[]): Promise<BareThreads> => {
  const workers = [0, 1].map(() => new Worker(new URL('./bare-thread.js', import.meta.url), { workerData: { plan, sizes, batch: batch / 2, blocking } satisfies BareThreadData }));
  const times = async (chosen: readonly Worker[]): Promise<number> => {
    const replies = chosen.map(reply);
    for (const worker of chosen) worker.postMessage(stepsARound, []);
    return Math.max(...(await Promise.all(replies)));
  };
  await Promise.all(workers.map(reply));
  return { alone: () => times(workers.slice(0, 1)), both: () => times(workers), close: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))) };
};

/** A peer that trains, and how many steps a round it is given. */
interface Trainer {
  readonly peer: Peer;
  readonly name: string;
  readonly threads: number;
  readonly steps: number;
}

/** TensorFlow.js as it comes takes seconds a step, on any number of threads: one step a round, one thread. */
const trainers: readonly { readonly kind: PeerKind; readonly threads: number; readonly transposeFirst: boolean; readonly suffix: string; readonly steps: number }[] = [
  { kind: 'pytorch', threads: 1, transposeFirst: false, suffix: '', steps: stepsARound },
  { kind: 'pytorch', threads: 2, transposeFirst: false, suffix: '', steps: stepsARound },
  { kind: 'tfjs-wasm', threads: 1, transposeFirst: true, suffix: ', transposing first', steps: stepsARound },
  { kind: 'tfjs-wasm', threads: 2, transposeFirst: true, suffix: ', transposing first', steps: stepsARound },
  { kind: 'tfjs-wasm', threads: 1, transposeFirst: false, suffix: ', as it comes', steps: 1 },
];

const startPeers = async (skipped: string[], reference: readonly number[]): Promise<readonly Trainer[]> => {
  const started: Trainer[] = [];
  for (const { kind, threads, transposeFirst, suffix, steps } of trainers) {
    const peer = await startPeer(kind, threads);
    if (typeof peer === 'string') {
      skipped.push(`${kind}${suffix}, threads: ${threads}: ${peer}`);
      continue;
    }
    const name = `${peer.name}${suffix}`;
    await peer.ask({ op: 'mlp', sizes, batch, learningRate, transposeFirst });
    const { losses = [] } = await peer.ask({ op: 'steps', count: Math.min(steps, reference.length) });
    losses.forEach((theirs, step) => {
      const loss = reference[step] ?? Number.NaN;
      if (!(Math.abs(theirs - loss) <= lossTolerance * loss)) throw new Error(`${name}: loss ${theirs} in step ${step}, the cluster has ${loss}`);
    });
    started.push({ peer, name, threads, steps });
  }
  return started;
};

const peerGoal = (name: string): string => (name.startsWith('pytorch') ? '≥ 0.36 on Node 20, ≥ 0.70 on Node 24' : '≥ 2');

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const model = classifier(sizes);
  const job: Job = { model, data: classifierData(sizes[0] as number, batch, sizes.at(-1) as number), optimizer: sgd({ learningRate }), batchSize: batch, weights: firstWeights(model) };
  const plan = kernelPlan();
  const clusters = [await startCluster({ threads: 1 }), await startCluster({ threads: 2 })] as const;
  const loop = plainLoop(plan, sizes, batch, learningRate);
  const losses = await verifyLoop(loop, clusters[0], job);
  const verified = [`the plain loop's weights equal the cluster's to the bit after ${stepsVerified} steps`];
  const skipped: string[] = [];
  const bare = await startBareThreads(plan, loop.blocking);
  const peers = await startPeers(skipped, losses);
  if (peers.length > 0) verified.push(`losses of the first steps (at most ${losses.length}) agree within ${lossTolerance} (relative): ${peers.map(({ name }) => name).join('; ')}`);
  loadWeights(loop, job);
  const variants: Variant[] = [
    { name: 'waferstream, 1 thread', measure: async () => (await trainTimed(clusters[0], job, stepsARound)).seconds },
    { name: 'plain loop', measure: () => Array.from({ length: stepsARound }, () => timeOf(loop.step, 1)) },
    { name: 'matrix products alone', measure: () => Array.from({ length: stepsARound }, () => timeOf(loop.bareProducts, 1)) },
    { name: 'waferstream, 2 threads', measure: async () => (await trainTimed(clusters[1], job, stepsARound)).seconds },
    { name: 'bare kernels, half a batch on 1 thread', measure: bare.alone },
    { name: 'bare kernels, half a batch on each of 2 threads', measure: bare.both },
    ...peers.map(({ peer, name, steps }): Variant => ({ name, measure: async () => (await peer.ask({ op: 'steps', count: steps })).seconds ?? Number.NaN })),
  ];
  try {
    const samples = await interleave(variants, rounds);
    const [one, two] = ['waferstream, 1 thread', 'waferstream, 2 threads'];
    const speedUp = ratio(samples, 'speed-up of 2 threads', one, two);
    const bareSpeedUp = ratio(samples, 'speed-up of 2 threads, bare kernels', 'bare kernels, half a batch on 1 thread', 'bare kernels, half a batch on each of 2 threads', undefined, 2);
    const ratios: (Ratio | null)[] = [
      ratio(samples, 'matrix products alone ÷ step, 1 thread', 'matrix products alone', one, '≥ 0.85'),
      ratio(samples, 'step ÷ plain loop, 1 thread', one, 'plain loop', '≤ 1.10'),
      speedUp, bareSpeedUp, quotient('speed-up of 2 threads ÷ that of the bare kernels', speedUp, bareSpeedUp, '≥ 0.94'),
      ...peers.map(({ name, threads }) => ratio(samples, `speed ÷ ${name}`, name, threads === 2 ? two : one, peerGoal(name))),
    ];
    const table: Table = { title: `training step ${sizes.join('-')}, batch ${batch}, SGD`, samples, ratios: ratios.filter((r) => r !== null) };
    const blocks = loop.blocking.map((b) => `${b.forward}/${b.delta}/${b.gradient}`).join(', ');
    return {
      tables: [table], verified: [...verified, `plain loop's blocks, forward/delta/gradient a layer: ${blocks}`], skipped, kernels: plan.name,
    };
  } finally {
    for (const { peer } of peers) peer.close();
    await bare.close();
    await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
};
