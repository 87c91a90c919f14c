/** Stream order: a walk over the passes of any model, in which every value must be there when it is read and be read before it is overwritten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../../src/compiler/compile.js';
import type { AttentionPlan, LocalStep, Logits, Program, Recompute, StreamedPlan } from '../../../src/compiler/program.js';
import type { Layer, Model } from '../../../src/model/graph.js';
import { aModel, aTransformer, roomyWafer } from '../../../src/testing/index.js';
import { attention, embedding, linear, model, residual, rotary, sequence, type LayerSpec } from '../../../src/index.js';
import { InvalidModel } from '../../../src/util/errors.js';

const programOf = (m: Model, recompute: Recompute | 'auto' = 'auto', logits: Logits = 'held'): Program => compile(m, { tokens: 40, wafer: { rows: 1, cols: 1 }, spec: roomyWafer, recompute, logits });

/**
 * What stands in each buffer: `y3` the output of layer 3, `d3` the delta of its output, `s3` what a layer keeps of its own (statistics, scores).
 * Local steps in place move a value on; a residual's delta stands for all that it passes by until the branch has come round.
 */
const walk = (m: Model, recompute: Recompute | 'auto', logits: Logits): void => {
  const { passes, streamed, attentions, buffers } = programOf(m, recompute, logits);
  const holds = new Map<number, string>();
  const layerOf = (id: number): Layer => m.layers[id] as Layer;
  const from = (id: number, place = 0): number => layerOf(id).inputs[place] as number;
  const loss = m.layers.length - 1;
  /** Deltas of a layer's output: whole, or that of one reader of several. */
  const readersOf = (id: number): number => m.layers.filter((layer) => layer.inputs.includes(id)).length;
  const put = (buffer: number, value: string): void => {
    const width = buffers[buffer]?.features ?? -1, wanted = layerOf(Number(value.slice(1).split('@')[0])).features;
    assert.ok(buffers[buffer]?.scratch === true ? width >= wanted : width === wanted, `${value} has the width of buffer ${buffer}`);
    holds.set(buffer, value);
  };
  const reads = (buffer: number, ...values: string[]): void => assert.ok(values.includes(holds.get(buffer) ?? ''), `buffer ${buffer} holds ${holds.get(buffer)}, not ${values.join(' or ')}`);
  /** What a delta of the input of `reader` is called: whole where nobody else reads that layer. */
  const deltaInto = (reader: number, place = 0): string => (readersOf(from(reader, place)) === 1 ? `d${from(reader, place)}` : `d${from(reader, place)}@${reader}`);
  /** The delta of the output of `id`, also under the name of the residual behind it, whose delta it is. */
  const names = (id: number): string[] => {
    const readers = m.layers.filter((layer) => layer.inputs.includes(id)), only = readers[0];
    return [`d${id}`, ...(readers.length === 1 && only?.kind === 'add' && only.inputs[1] === id ? names(only.id) : [])];
  };
  const local = (step: LocalStep): void => {
    const id = step.layer, before = id === loss ? loss - 1 : from(id);
    switch (step.op) {
      case 'relu':
      case 'gelu':
      case 'swiglu':
        reads(step.x, `y${before}`);
        if (step.op !== 'relu') assert.notEqual(step.x, step.y, 'the derivative needs the input');
        return put(step.y, `y${id}`);
      case 'dropout': {
        const isForward = holds.get(step.x) === `y${before}`;
        if (isForward) return put(step.y, `y${id}`);
        reads(step.x, ...names(id));
        return put(step.y, `d${before}`);
      }
      case 'rotary':
        reads(step.x, ...(step.direction === 1 ? [`y${before}`] : names(id)));
        return put(step.x, step.direction === 1 ? `y${id}` : `d${before}`);
      case 'add': {
        if (layerOf(id).kind === 'add' && holds.get(step.x) === `y${before}` && holds.get(step.branch) === `y${from(id, 1)}`) return put(step.y, `y${id}`);
        // Deltas that meet: of everybody who reads layer `id`, what passes by first.
        const by = m.layers.find((layer) => layer.kind === 'add' && layer.inputs[0] === id), first = m.layers.find((layer) => layer.inputs[0] === id && layer.kind !== 'add');
        assert.ok(by !== undefined && first !== undefined);
        reads(step.x, ...names(by.id));
        reads(step.branch, `d${id}@${first.id}`);
        return put(step.y, `d${id}`);
      }
      case 'loss':
        reads(step.x, `y${loss - 1}`);
        return put(step.x, `d${loss - 1}`);
      case 'reluDelta':
        reads(step.d, ...names(id));
        // Input and output of relu are positive together.
        reads(step.y, `y${id}`, `y${before}`);
        return put(step.dst, deltaInto(id));
      case 'geluDelta':
      case 'swigluDelta':
        reads(step.d, ...names(id));
        reads(step.x, `y${before}`);
        return put(step.dst, deltaInto(id));
    }
  };
  const gradients: number[] = [];
  let scattered = false, heads = 0;
  for (const pass of passes) {
    switch (pass.op) {
      case 'input':
        put(pass.buffer, 'y0');
        break;
      case 'gather':
        put(pass.buffer, `y${pass.layer}`);
        break;
      case 'scatter':
        reads(pass.buffer, ...names(pass.layer));
        scattered = true;
        break;
      case 'locals':
        break;
      case 'attention': {
        const plan = attentions[pass.attention] as AttentionPlan;
        reads(plan.qkv, `y${from(plan.layer)}`);
        put(plan.o, `y${plan.layer}`);
        for (const own of [plan.stats, plan.scores]) if (own !== null) holds.set(own, `s${plan.layer}`);
        break;
      }
      case 'attentionDelta': {
        const plan = attentions[pass.attention] as AttentionPlan;
        reads(plan.qkv, `y${from(plan.layer)}`);
        reads(plan.o, `y${plan.layer}`);
        reads(plan.d, ...names(plan.layer));
        for (const own of [plan.stats, plan.scores]) if (own !== null) reads(own, `s${plan.layer}`);
        put(plan.qkv, `d${from(plan.layer)}`);
        break;
      }
      case 'headMax':
      case 'headSum':
      case 'headDelta': {
        const plan = streamed[pass.streamed] as StreamedPlan;
        reads(plan.x, `y${from(plan.layer)}`);
        assert.equal(['headMax', 'headSum', 'headDelta'][heads++], pass.op);
        if (pass.op !== 'headDelta') break;
        gradients.push(pass.streamed);
        if (plan.dx !== null) assert.notEqual(plan.dx, plan.x, 'every block reads the inputs');
        if (plan.dx !== null) put(plan.dx, deltaInto(plan.layer));
        break;
      }
      default: {
        const plan = streamed[pass.streamed] as StreamedPlan, before = from(plan.layer);
        if (pass.op === 'forward') {
          reads(plan.x, `y${before}`);
          put(plan.y, `y${plan.layer}`);
          if (plan.kind === 'norm') holds.set(plan.stats, `s${plan.layer}`);
          break;
        }
        reads(plan.dy, ...names(plan.layer));
        if (plan.kind === 'norm') reads(plan.stats, `s${plan.layer}`);
        if (pass.op === 'gradient') {
          reads(plan.x, `y${before}`);
          gradients.push(pass.streamed);
          break;
        }
        assert.ok(plan.dx !== null && gradients.includes(pass.streamed), 'the gradient has read x before the delta may take its place');
        assert.ok(plan.kind === 'norm' || plan.dx !== plan.dy, 'a product does not work in place');
        if (plan.kind === 'norm' && plan.skip !== null) {
          const by = m.layers.find((layer) => layer.kind === 'add' && layer.inputs[0] === before);
          assert.ok(by !== undefined);
          reads(plan.skip, ...names(by.id));
          put(plan.dx, `d${before}`);
        } else put(plan.dx, deltaInto(plan.layer));
      }
    }
    pass.locals.forEach(local);
  }
  assert.deepEqual(gradients, streamed.map((_, i) => streamed.length - 1 - i));
  assert.equal(scattered, m.layers.some((l) => l.kind === 'embedding'));
};

const choices = ['auto', 'none', 'attention', 'block', 'offload'] as const;
const aLogits = (): fc.Arbitrary<Logits> => fc.constantFrom('held' as const, 'streamed' as const);

test('every value is there when it is read', () => fc.assert(fc.property(aModel({ hiddenMax: 4 }), fc.constantFrom(...choices), (m, recompute) => walk(m, recompute, 'held')), { seed: 1, numRuns: 400 }));

test('every value of a transformer is there when it is read, whatever is computed again', () =>
  fc.assert(fc.property(aTransformer(), fc.constantFrom(...choices), aLogits(), walk), { seed: 1, numRuns: 400 }));

test('a program is plain data and the same for the same input', () => {
  fc.assert(
    fc.property(fc.oneof(aModel(), aTransformer()), aLogits(), (m, logits) => {
      const program = programOf(m, 'auto', logits);
      assert.deepEqual(JSON.parse(JSON.stringify(program)), program);
      assert.deepEqual(programOf(m, 'auto', logits), program);
      assert.equal(program.numericsVersion, 1);
      for (const plan of program.streamed) {
        const [down, back] = plan.kind === 'norm' ? [1, 1] : [plan.inputs, plan.kind === 'head' ? 2 * plan.inputs : plan.outputs];
        for (const block of plan.forwardBlocks) assert.ok((down + 1) * block.count <= program.blockFloatsMax);
        for (const block of plan.deltaBlocks) assert.ok(back * block.count <= program.blockFloatsMax);
      }
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('what works in the place of its projection is refused without one of its own', () => {
  const shape = { heads: 1, kvHeads: 1, headSize: 2 };
  const over = (...layers: readonly LayerSpec[]): Model => model({ input: sequence({ vocabulary: 3, context: 4 }), layers: [embedding({ dim: 6 }), ...layers, linear(3)] });
  for (const m of [over(attention(shape)), over(rotary(shape), attention(shape)), over(linear(6), residual([attention(shape), linear(6)]))]) {
    assert.throws(() => programOf(m), (e) => e instanceof InvalidModel && /projection/.test(e.message));
  }
  assert.doesNotThrow(() => programOf(over(linear(6), rotary(shape), attention(shape))));
});
