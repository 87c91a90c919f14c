/** Stream order: a walk over the passes of any model, in which every value must be there when it is read and be read before it is overwritten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../../src/compiler/compile.js';
import type { LocalStep, Program } from '../../../src/compiler/program.js';
import type { Model } from '../../../src/model/graph.js';
import { specs } from '../../../src/spec/wafer.js';
import { aModel } from '../../../src/testing/index.js';
import { InvalidModel } from '../../../src/util/errors.js';

const programOf = (m: Model): Program => compile(m, { tokens: 40, wafer: 'auto', spec: specs.wse2 });

/** What stands in each buffer: `y3` the output of layer 3, `d3` the delta of its output. */
const walk = (m: Model): void => {
  const { passes, linears, buffers } = programOf(m);
  const holds = new Map<number, string>();
  const last = m.layers.length - 1;
  const widthOf = (value: string): number => m.layers[Number(value.slice(1))]?.features ?? -1;
  const put = (buffer: number, value: string): void => {
    const width = buffers[buffer]?.features ?? -1;
    assert.ok(buffers[buffer]?.scratch === true ? width >= widthOf(value) : width === widthOf(value), `${value} has the width of buffer ${buffer}`);
    holds.set(buffer, value);
  };
  const reads = (buffer: number, ...values: string[]): void => assert.ok(values.includes(holds.get(buffer) ?? ''), `buffer ${buffer} holds ${holds.get(buffer)}, not ${values.join(' or ')}`);
  const local = (step: LocalStep): void => {
    const before = step.layer - 1;
    switch (step.op) {
      case 'relu':
      case 'gelu':
        reads(step.x, `y${before}`);
        if (step.op === 'gelu') assert.notEqual(step.x, step.y, 'the derivative of gelu needs its input');
        return put(step.y, `y${step.layer}`);
      case 'loss':
        reads(step.x, `y${last - 1}`);
        return put(step.x, `d${last - 1}`);
      case 'reluDelta':
        reads(step.d, `d${step.layer}`);
        // Input and output of relu are positive together.
        reads(step.y, `y${step.layer}`, `y${before}`);
        return put(step.dst, `d${before}`);
      case 'geluDelta':
        reads(step.d, `d${step.layer}`);
        reads(step.x, `y${before}`);
        return put(step.dst, `d${before}`);
    }
  };
  const gradients: number[] = [];
  let scattered = false;
  for (const pass of passes) {
    if (pass.op === 'input') put(pass.buffer, 'y0');
    else if (pass.op === 'gather') put(pass.buffer, `y${pass.layer}`);
    else if (pass.op === 'scatter') {
      reads(pass.buffer, `d${pass.layer}`);
      scattered = true;
    } else {
      const linear = linears[pass.linear];
      assert.ok(linear);
      if (pass.op === 'forward') {
        reads(linear.x, `y${linear.layer - 1}`);
        put(linear.y, `y${linear.layer}`);
      } else if (pass.op === 'gradient') {
        reads(linear.x, `y${linear.layer - 1}`);
        reads(linear.y, `d${linear.layer}`);
        gradients.push(pass.linear);
      } else {
        reads(linear.y, `d${linear.layer}`);
        assert.ok(linear.dx !== null && gradients.includes(pass.linear), 'the gradient has read x before the delta may take its place');
        put(linear.dx, `d${linear.layer - 1}`);
      }
    }
    if ('locals' in pass) pass.locals.forEach(local);
  }
  assert.deepEqual(gradients, linears.map((_, i) => linears.length - 1 - i));
  assert.equal(scattered, m.layers.some((l) => l.kind === 'embedding'));
};

test('every value is there when it is read', () => fc.assert(fc.property(aModel({ hiddenMax: 4 }), walk), { seed: 1, numRuns: 400 }));

test('a program is plain data and the same for the same input', () => {
  fc.assert(
    fc.property(aModel(), (m) => {
      const program = programOf(m);
      assert.deepEqual(JSON.parse(JSON.stringify(program)), program);
      assert.deepEqual(programOf(m), program);
      assert.equal(program.numericsVersion, 1);
      for (const linear of program.linears) {
        for (const block of linear.forwardBlocks) assert.ok((linear.inputs + 1) * block.count <= program.blockFloatsMax);
        for (const block of linear.deltaBlocks) assert.ok(linear.outputs * block.count <= program.blockFloatsMax);
      }
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('a graph that is no chain is refused', () => {
  const [m] = fc.sample(aModel({ input: 'features' }), { seed: 1, numRuns: 1 }) as [Model];
  const skip = { ...m, layers: m.layers.map((layer, i) => (i === m.layers.length - 1 ? { ...layer, inputs: [0] } : layer)) } as Model;
  assert.throws(() => programOf(skip), (e) => e instanceof InvalidModel && /chain/.test(e.message));
});
