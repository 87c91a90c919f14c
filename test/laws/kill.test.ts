/**
 * Law: a training whose process is killed outright at any moment goes on from its store with the last acknowledged step, or the one whose commit was under way, and ends with the
 * bits of a run that nobody disturbed.
 *
 * Twenty deaths here; `node dist/test/kill-many.js` dies hundreds of times. Not here: losses of power (storage-crashes.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../../src/index.js';
import { kind, liveAndDie, names } from '../support/kill-cases.js';
import { budgetOf, freshFolder, prng } from '../support/tiers.js';

test('twenty kills at drawn moments: every reopened store has the acknowledged step, and the end has the right bits', async () => {
  const random = prng(20260804), steps = 14, seen = { kills: 0, resumed: 0, ahead: 0, unbegun: 0 };
  for (const [i, name] of names.entries()) {
    const training = { name, seed: i, steps }, { model, options } = kind(training), shards = 1 + (i % 3);
    await using cluster = await Cluster.start({ dispatcher: 'local', threads: 1 });
    const calm = await cluster.train(model, options).finished;
    const { least } = budgetOf({ model, options: { ...options, seed: i } }, { threads: 2 }), flashDir = freshFolder('kill');
    const lives = await liveAndDie({ training, memoryX: { flashDir, shards, durability: i % 2 === 0 ? 'process' : 'power' } }, flashDir, calm.record.weightsDigest, (life) =>
      // The first dies early, the others on their way.
      life >= 5 ? null : { killStep: life === 0 ? Math.floor(random() * 2) - 1 : Math.floor(random() * 3), killMs: Math.floor(random() * (life === 0 ? 60 : 12)), cluster: { dispatcher: 'local', threads: 1 + Math.floor(random() * 2) }, dramBytes: least });
    for (const key of ['kills', 'resumed', 'ahead', 'unbegun'] as const) seen[key] += lives[key];
  }
  assert.ok(seen.kills >= 18 && seen.resumed >= 12, JSON.stringify(seen));
});
