/** Generation as a user holds it: streams, stop tokens, refusals, deaths of threads, weights of several memories, counts. Not here: its laws (laws/generation.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstValueFrom, toArray } from 'rxjs';
import { startLocalSystem } from '../../../src/actor/local/dispatcher.js';
import { generate } from '../../../src/cluster/coordinator/generation.js';
import { devices, devicesUrl } from '../../../src/cluster/devices.js';
import { lanesMax, planGeneration } from '../../../src/cluster/generation/plan.js';
import { storeGenerationWeights } from '../../../src/cluster/generation/weights.js';
import { compile } from '../../../src/compiler/compile.js';
import { ActorFailed, Cluster, DoesNotFit, gpt, gptShape, InvalidConfig, InvalidModel, llama, llamaShape, mlp, NonFiniteLoss, specs, type GenerateOptions } from '../../../src/index.js';
import { twinPlan } from '../../../src/kernels/load.js';
import { generateOn, lively, someTokens } from '../../support/generating.js';

const model = gpt(gptShape('tiny')), weights = lively(model, 3);
const options: GenerateOptions = { weights, prompts: [{ tokens: [1, 2, 3] }, { tokens: [250] }], maxTokens: 10 };
const local = { dispatcher: 'local', threads: 2 } as const;

test('tokens arrive as they are chosen: Observable, iterator and result agree', async () => {
  await using cluster = await Cluster.start(local);
  const generation = cluster.generate(model, options);
  const observed = firstValueFrom(generation.tokens$.pipe(toArray()));
  const iterated: number[][] = [[], []], places: number[] = [];
  for await (const { prompt, place, token } of generation) {
    iterated[prompt]?.push(token);
    if (prompt === 0) places.push(place);
  }
  const { sequences, record } = await generation.finished;
  assert.deepEqual(iterated, sequences.map((tokens) => [...tokens]));
  assert.deepEqual(places, Array.from({ length: 10 }, (_, i) => 3 + i));
  assert.equal((await observed).length, 20);
  assert.deepEqual([record.prompts, record.promptTokens, record.tokens, record.steps, record.faults], [2, 4, 20, 10, 0]);
  // Whoever comes late misses none.
  assert.deepEqual(await firstValueFrom(generation.tokens$.pipe(toArray())), await observed);
});

test('a stop token is the last of its sequence, and the others go on', async () => {
  const { sequences } = await generateOn(local, model, options), whole = [...(sequences[0] as Int32Array)];
  const stop = whole[4] as number, first = whole.indexOf(stop);
  const stopped = await generateOn(local, model, { ...options, stop: [stop] });
  assert.deepEqual([...(stopped.sequences[0] as Int32Array)], whole.slice(0, first + 1));
  const other = [...(sequences[1] as Int32Array)];
  assert.deepEqual([...(stopped.sequences[1] as Int32Array)], other.includes(stop) ? other.slice(0, other.indexOf(stop) + 1) : other);
});

test('what makes no sense is refused before anything starts', async () => {
  await using cluster = await Cluster.start(local);
  const refused = (change: Partial<GenerateOptions>, what: RegExp): void => void assert.throws(() => cluster.generate(model, { ...options, ...change }), (error) => error instanceof InvalidConfig && what.test(error.message));
  refused({ prompts: [] }, /prompts/);
  refused({ prompts: [{ tokens: [1] }, { tokens: [] }] }, /prompts\[1\].*no token/);
  refused({ prompts: [{ tokens: [1, 256] }] }, /prompts\[0\]\.tokens\[1\].*256/);
  refused({ prompts: [{ tokens: [-1] }] }, /tokens\[0\]/);
  refused({ prompts: [{ tokens: [0.5] }] }, /tokens\[0\]/);
  refused({ prompts: [{ tokens: [1], id: -1 }] }, /id/);
  refused({ prompts: [{ tokens: someTokens(model, 23, 1) }] }, /33.*32 places/);
  refused({ maxTokens: 0 }, /maxTokens/);
  for (const temperature of [-1, Number.NaN, Infinity, 1e-9]) refused({ temperature }, /temperature/);
  for (const topK of [0, 1.5, 257]) refused({ topK }, /topK/);
  for (const topP of [0, 1.1, Number.NaN]) refused({ topP }, /topP/);
  refused({ stop: [256] }, /stop/);
  refused({ seed: -1 }, /seed/);
  refused({ weights: weights.slice(1) }, /weights/);
  refused({ weights: weights.map((tensor, i) => (i === 2 ? { ...tensor, name: 'other' } : tensor)) }, /weights\[2\].*other/);
  refused({ weights: weights.map((tensor) => ({ ...tensor, shape: tensor.shape.toReversed() })) }, /weights\[0\]/);
  assert.throws(() => cluster.generate(mlp([4, 3]), { ...options, weights: [] }), InvalidModel);
  // The longest that fits does.
  await cluster.generate(model, { ...options, prompts: [{ tokens: someTokens(model, 22, 1) }] }).finished;
});

test('keys and values that the tiles cannot hold are refused', async () => {
  const wide = gpt({ layers: 2, heads: 2, dim: 32, context: 4096, vocabulary: 64 });
  await using cluster = await Cluster.start({ ...local, wafer: { rows: 8, cols: 32 } });
  assert.throws(() => cluster.generate(wide, { weights: lively(wide, 1), prompts: Array.from({ length: 12 }, () => ({ tokens: [1] })), maxTokens: 4000 }), (error) => error instanceof DoesNotFit && /keys and values/.test(error.message));
});

test('logits that are no numbers end the generation', async () => {
  const broken = weights.map((tensor) => (tensor.name === 'ln_f.bias' ? { ...tensor, data: tensor.data.map(() => Number.NaN) } : tensor));
  await assert.rejects(generateOn(local, model, { ...options, weights: broken }), NonFiniteLoss);
});

test('a signal stops it, and a closed cluster does', async () => {
  const stop = new AbortController();
  await using cluster = await Cluster.start(local);
  const generation = cluster.generate(model, { ...options, signal: stop.signal });
  for await (const { place } of { [Symbol.asyncIterator]: () => generation[Symbol.asyncIterator]() }) {
    if (place === 4) break;
  }
  stop.abort(new Error('enough'));
  await assert.rejects(generation.finished, /enough/);
  // The next one starts as if nothing had been.
  const next = cluster.generate(model, options);
  assert.throws(() => cluster.generate(model, options), /in progress/);
  await next.finished;
  const closing = await Cluster.start(local), left = closing.generate(model, options), refused = assert.rejects(left.finished, InvalidConfig);
  await closing[Symbol.asyncDispose]();
  await refused;
});

test('a thread that dies at any turn does not show', async () => {
  const calm = await generateOn(local, model, options);
  let struck = 0;
  for (let turn = 1; turn < 130; turn += 13) {
    for (const at of ['start', 'reply', 'end'] as const) {
      const result = await generateOn({ ...local, faults: [{ thread: turn % 2, turn, at }] }, model, options);
      assert.deepEqual(result.sequences, calm.sequences);
      assert.deepEqual(result.record.counts, calm.record.counts);
      struck += result.record.faults;
    }
  }
  assert.ok(struck > 15, `${struck} deaths`);
  const killed = await generateOn({ dispatcher: 'thread', threads: 2, faults: [{ thread: 1, turn: 20, at: 'reply' }] }, model, options);
  assert.deepEqual(killed.sequences, calm.sequences);
  assert.equal(killed.record.faults, 1);
});

test('a thread that always dies is a lasting fault', async () => {
  const faults = Array.from({ length: 20 }, (_, generation) => ({ thread: 0, turn: 2, at: 'start' as const, generation }));
  await assert.rejects(generateOn({ ...local, faults }, model, options), ActorFailed);
});

test('weights of several memories give the tokens of one', async () => {
  for (const each of [model, llama(llamaShape('tiny'))]) {
    const given = lively(each, 8), prompts = [{ tokens: [1, 2, 3], id: 0 }, { tokens: [99], id: 1 }];
    const expected = await generateOn(local, each, { weights: given, prompts, maxTokens: 8 });
    const program = compile(each, { tokens: 32, wafer: 'auto', spec: specs.wse2, recompute: 'block' });
    const { layout } = planGeneration({ program, kernels: twinPlan, hosts: 2, numCsx: 1, links: 1, sequences: prompts.map(({ tokens }) => ({ prompt: tokens.length, places: tokens.length + 7 })), memoryBytes: 90_000 });
    assert.ok(layout.memories.length > 2, `${layout.memories.length} memories`);
    storeGenerationWeights(layout, given);
    await using system = await startLocalSystem({ threads: 2, devices, devicesUrl });
    const hosts = layout.hosts.map((_, host) => system.spawn({ name: `generation/${host}`, kind: 'generation', thread: host, props: { layout, host } }));
    const result = await generate({
      layout, hosts, prompts, maxTokens: 8, sampling: { temperature: 0, topK: null, topP: 1, seed: 0 }, stop: new Set(), lanesMax, signal: new AbortController().signal,
      revive: () => Promise.resolve(), onToken: () => {}, onLogits: null,
    });
    assert.deepEqual(result.sequences, expected.sequences);
    assert.equal(result.credits.out, result.credits.back);
  }
});

test('counts are those of the formulas, on any number of hosts', async () => {
  const one = await generateOn({ ...local, threads: 1 }, model, { ...options, prompts: [{ tokens: [1] }], maxTokens: 3 });
  const three = await generateOn({ ...local, threads: 3, numCsx: 5 }, model, { ...options, prompts: [{ tokens: [1] }], maxTokens: 3 });
  // Three tokens: d 32, 2 layers, hidden 128, vocabulary 256; places 1 + 2 + 3 for each of the layers.
  const products = 3 * (2 * (32 * 96 + 32 * 32 + 2 * 32 * 128) + 32 * 256), attention = 2 * 2 * 32 * (1 + 2 + 3);
  assert.equal(one.record.counts.macs, products + attention);
  const parameters = 4 * (model.parameterCount - 32 * 32);
  // The tied table leaves once as the head's weight; positions and table rows are gathered.
  assert.equal(one.record.counts.weightBytesOut, 3 * (parameters + 2 * 32 * 4));
  for (const action of ['macs', 'biasAdds', 'elementwise', 'weightBytesOut', 'gatheredRows'] as const) assert.equal(three.record.counts[action], one.record.counts[action], action);
  assert.equal(three.record.counts.ioInBytes, 3 * 5 * parameters);
});
