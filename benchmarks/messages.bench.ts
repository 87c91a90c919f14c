/**
 * Messages a second: of tiles that work for themselves, and of the actor system between the main side and its actors.
 *
 *   tiles    a training step with sweep 'tile': each tile takes a message, does its share in WebAssembly, hands it on eastwards
 *   actors   bursts of tells, each answered; and single asks, one after the other
 *
 * Verified: a run by tiles gives the weights of a run by bands to the bit; every tell is answered with its own value. Not here: RxJS (whole blocks and steps only).
 */
import { startLocalSystem } from '../src/actor/local/dispatcher.js';
import type { ActorSystem } from '../src/actor/system.js';
import { startThreadSystem } from '../src/actor/thread/dispatcher.js';
import { compile } from '../src/compiler/compile.js';
import type { LocalStep, Program } from '../src/compiler/program.js';
import { sgd, specs } from '../src/index.js';
import { slabTokens } from '../src/kernels/types.js';
import { devices, devicesUrl } from './echo-devices.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, type Variant } from './harness/rounds.js';
import { classifier, classifierData, firstWeights, startCluster, trainTimed, type Job } from './harness/training.js';
import type { BenchOptions } from './run.js';

const rows = 16, cols = 64, batch = rows * slabTokens, sizes = [64, 64, 64, 64, 64, 10], stepsARound = 4;
const burst = 512, bursts = 40, asks = 400;

/** Messages that a local step sends round a row. */
const phasesOf = (step: LocalStep): number => (step.op === 'loss' ? 3 : 1);

/** Tile turns of one training step: phases of every row × columns. One slab a row here, so that a row is one piece. */
const tileMessages = (program: Program): number => {
  const phases = program.passes.reduce((sum, pass) => {
    if (pass.op === 'scatter') return sum;
    const linear = pass.op === 'forward' || pass.op === 'delta' || pass.op === 'gradient' ? program.streamed[pass.streamed] : undefined;
    const blocks = linear === undefined ? 0 : pass.op === 'delta' ? linear.deltaBlocks.length : linear.forwardBlocks.length;
    const locals: readonly LocalStep[] = pass.op === 'gradient' ? [] : pass.locals;
    return sum + 2 * blocks + locals.reduce((count, step) => count + phasesOf(step), 0);
  }, 0);
  return phases * program.rectangle.rows * program.rectangle.cols;
};

const benchTiles = async (rounds: number, verified: string[]): Promise<{ readonly table: Table; readonly kernels: string }> => {
  const model = classifier(sizes);
  const job: Job = { model, data: classifierData(sizes[0] as number, batch, sizes.at(-1) as number), optimizer: sgd({ learningRate: 0.25 }), batchSize: batch, weights: firstWeights(model) };
  const program = compile(model, { tokens: batch, wafer: { rows, cols }, spec: specs.wse2 });
  const messages = tileMessages(program);
  const [tiles, bands] = [await startCluster({ threads: 1, wafer: { rows, cols }, sweep: 'tile' }), await startCluster({ threads: 1, wafer: { rows, cols } })];
  try {
    const digests = [(await trainTimed(tiles, job, 2)).result.record.weightsDigest, (await trainTimed(bands, job, 2)).result.record.weightsDigest];
    if (digests[0] !== digests[1]) throw new Error(`tiles give ${digests[0]}, bands ${digests[1]}`);
    verified.push(`tiles by messages and bands in one sweep gave the same weights: ${digests[0]}`);
    const samples = await interleave([{ name: `${rows} × ${cols} tiles, ${messages} messages a step`, measure: async () => (await trainTimed(tiles, job, stepsARound)).seconds }], rounds);
    return { table: { title: `tile messages with their arithmetic, ${sizes.join('-')}, batch ${batch}, 1 thread`, work: { amount: messages / 1e6, unit: 'M messages/s' }, samples, ratios: [] }, kernels: tiles.kernels };
  } finally {
    await tiles[Symbol.asyncDispose]();
    await bands[Symbol.asyncDispose]();
  }
};

const timeBursts = async (system: ActorSystem<typeof devices>, name: string): Promise<number> => {
  const ref = system.spawn({ name, kind: 'echo', thread: 0, props: {}, mailboxCapacity: 1024 });
  let answered = 0, wake = (): void => {};
  const stop = ref.onReply(({ value }) => {
    if (value !== answered % burst) throw new Error(`reply ${value} in the place of ${answered % burst}`);
    answered++;
    if (answered % burst === 0) wake();
  });
  const start = performance.now();
  for (let i = 0; i < bursts; i++) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      for (let value = 0; value < burst; value++) ref.tell({ type: 'echo.say', value });
    });
  }
  const seconds = (performance.now() - start) / 1000;
  stop();
  return seconds;
};

const timeAsks = async (system: ActorSystem<typeof devices>, name: string): Promise<number> => {
  const ref = system.spawn({ name, kind: 'echo', thread: 0, props: {} });
  await ref.ask({ type: 'echo.say', value: 0 });
  const start = performance.now();
  for (let value = 0; value < asks; value++) {
    const reply = await ref.ask({ type: 'echo.say', value });
    if (reply.value !== value) throw new Error(`asked ${value}, answered ${reply.value}`);
  }
  return (performance.now() - start) / 1000;
};

const benchActors = async (rounds: number): Promise<readonly Table[]> => {
  const systems = { local: await startLocalSystem({ threads: 1, devices, devicesUrl }), thread: await startThreadSystem({ threads: 1, devices, devicesUrl }) };
  let number = 0;
  const variants = (measure: (system: ActorSystem<typeof devices>, name: string) => Promise<number>): Variant[] =>
    Object.entries(systems).map(([name, system]) => ({ name: `dispatcher ${name}`, measure: () => measure(system, `echo ${number++}`) }));
  try {
    return [
      { title: `tells answered, in bursts of ${burst}`, work: { amount: (bursts * burst) / 1e6, unit: 'M messages/s' }, samples: await interleave(variants(timeBursts), rounds), ratios: [] },
      { title: 'asks, one after the other', work: { amount: asks / 1000, unit: 'thousand round trips/s' }, samples: await interleave(variants(timeAsks), rounds), ratios: [] },
    ];
  } finally {
    await systems.local[Symbol.asyncDispose]();
    await systems.thread[Symbol.asyncDispose]();
  }
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const verified: string[] = [];
  const tiles = await benchTiles(rounds, verified);
  const actors = await benchActors(rounds);
  verified.push('every tell and ask was answered in order with its own value');
  return { tables: [tiles.table, ...actors], verified, skipped: [], kernels: tiles.kernels };
};
