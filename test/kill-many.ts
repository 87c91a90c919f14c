/**
 * Hundreds of real kills, with drawn trainings, units, durabilities, budgets and machines; minutes long, so not part of npm test.
 *
 *   npm run build && node dist/test/kill-many.js [kills, 200] [seed, 1]        prints a line a training, and exits non-zero at the first that is wrong
 *
 * A failure is come back to by its seed, but for the moment that the host chose. Not here: the twenty of npm test (laws/kill.test.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../src/index.js';
import { kind, liveAndDie, names } from './support/kill-cases.js';
import { budgetOf, prng } from './support/tiers.js';

const [wanted = 200, seed = 1] = process.argv.slice(2).map(Number);
const random = prng(seed), below = (n: number): number => Math.floor(random() * n);
const root = mkdtempSync(join(tmpdir(), 'waferstream-kills-'));
const total = { kills: 0, resumed: 0, ahead: 0, unbegun: 0 };
try {
  for (let round = 0; total.kills < wanted; round++) {
    const training = { name: names[below(names.length)] as (typeof names)[number], seed: below(1000), steps: 10 + below(20) }, { model, options } = kind(training);
    await using cluster = await Cluster.start({ dispatcher: 'local', threads: 1 });
    const calm = await cluster.train(model, options).finished;
    const { least, all } = budgetOf({ model, options: { ...options, seed: training.seed } }, { threads: 2 });
    const shards = 1 + below(4), durability = (['process', 'process', 'power', 'power', 'checkpoint'] as const)[below(5)] ?? 'process', apart = below(2) === 0;
    const folder = join(root, 'run'), flashDir = apart ? Array.from({ length: shards }, (_, s) => (s === 0 ? folder : join(root, `run/disk${s}`))) : folder, lives = 4 + below(8);
    const said = `${round}: ${training.name} seed ${training.seed} steps ${training.steps} · ${shards} units${apart ? ' apart' : ''} · ${durability}`;
    try {
      const out = await liveAndDie({ training, memoryX: { flashDir, ...(apart ? {} : { shards }), durability }, }, folder, calm.record.weightsDigest, (life) =>
        life >= lives ? null : {
          killStep: durability === 'checkpoint' ? below(training.steps) : below(4) - 1, killMs: below(life === 0 ? 80 : 20), dramBytes: least + below(2) * below(all - least),
          // Sparse weights are stored for their columns of tiles: the rectangle stays what it is.
          cluster: { dispatcher: below(3) === 0 ? 'thread' : 'local', threads: 1 + below(2), ...(training.name === 'sparse' ? {} : { numCsx: 1 + below(3) }) },
        });
      for (const key of ['kills', 'resumed', 'ahead', 'unbegun'] as const) total[key] += out[key];
      console.log(`${said}: ${out.kills} kills, ${out.ahead} with one step more, ${out.unbegun} before the first commit`);
    } catch (error) {
      console.error(said);
      throw error;
    }
  }
  console.log(`${total.kills} kills: ${total.resumed} stores gone on with, ${total.ahead} with one step more than acknowledged, ${total.unbegun} before the first commit; all ended with the right bits`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
