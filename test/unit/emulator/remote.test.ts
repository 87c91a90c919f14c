/** A cluster on a thread of its own: the same bits, typed errors, abort, and nothing left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adamW, byteLm, Cluster, gpt, InvalidConfig, startRemote, type RunPlan } from '../../../src/index.js';
import { assertSameBits } from '../../../src/testing/index.js';

const options = { data: { kind: 'text' as const, bytes: new TextEncoder().encode('a wafer is a wheel of cores. '.repeat(20)) }, optimizer: adamW(), steps: 3, batchSize: 100, seed: 3 };
const model = byteLm({ context: 4, embed: 6, hidden: 20, layers: 1 });

test('a remote cluster trains to the same bits, tells its steps, and its errors keep their class', async () => {
  await using remote = await startRemote({ numCsx: 3, threads: 1 });
  const losses: number[] = [];
  const plans: RunPlan[] = [];
  const far = await remote.train(model, options, { onStep: ({ loss }) => losses.push(loss), onPlan: (plan) => plans.push(plan) });
  await using cluster = await Cluster.start({ dispatcher: 'local' });
  const near = await cluster.train(model, options).finished;
  assertSameBits(near.weights, far.weights);
  assert.deepEqual(losses, near.record.losses);
  assert.equal(plans.length, 1);
  await assert.rejects(remote.train(model, { ...options, batchSize: 0 }), InvalidConfig);

  const stop = new AbortController();
  const reason = new Error('enough');
  await assert.rejects(remote.train(model, { ...options, steps: 100_000 }, { signal: stop.signal, onStep: () => stop.abort(reason) }), (error) => error === reason);
  assert.equal((await remote.train(model, options)).record.weightsDigest, near.record.weightsDigest);
});

test('a remote cluster evaluates and generates as a near one', async () => {
  const small = gpt({ layers: 1, heads: 2, dim: 12, context: 40, vocabulary: 256 });
  const { bytes } = options.data;
  const training = { ...options, batchSize: 4, evaluation: { data: { kind: 'text' as const, bytes: bytes.subarray(100) }, every: 2, batches: 1 } };
  await using remote = await startRemote({ numCsx: 2, threads: 1 });
  await using cluster = await Cluster.start({ dispatcher: 'local' });
  const perplexities: number[] = [];
  const far = await remote.train(small, training, { onEvaluation: ({ perplexity }) => perplexities.push(perplexity) });
  const near = await cluster.train(small, training).finished;
  assertSameBits(near.weights, far.weights);
  assert.deepEqual(perplexities, near.record.evaluations.map(({ perplexity }) => perplexity));
  const asked = { weights: near.weights, prompts: [{ tokens: bytes.subarray(0, 5) }], maxTokens: 9, temperature: 1, seed: 4 };
  const tokens: number[] = [];
  const { sequences } = await remote.generate(small, asked, { onToken: ({ token }) => tokens.push(token) });
  assert.deepEqual(sequences, (await cluster.generate(small, asked).finished).sequences);
  assert.deepEqual(tokens, [...(sequences[0] ?? [])]);
});

test('options that a cluster refuses are refused from afar, and the thread ends', async () => {
  await assert.rejects(startRemote({ numCsx: 193 }), InvalidConfig);
});
