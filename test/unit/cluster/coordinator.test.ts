/** The coordinator's books: the order of the stream, versions, slots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamOrder, type StreamItem } from '../../../src/cluster/coordinator/order.js';
import { Slots } from '../../../src/cluster/coordinator/slots.js';
import { Versions } from '../../../src/cluster/coordinator/versions.js';
import { compile } from '../../../src/compiler/compile.js';
import type { Program } from '../../../src/compiler/program.js';
import { gpt } from '../../../src/model/presets/gpt.js';
import { byteLm, mlp } from '../../../src/model/presets/small.js';
import { specs } from '../../../src/spec/wafer.js';
import { Credits } from '../../../src/stream/credit.js';
import { EmulatorBug } from '../../../src/util/errors.js';

const brief = (program: Program) => (item: StreamItem): string => {
  const pass = program.passes[item.pass];
  assert.equal(pass?.op, item.op);
  return `${item.step}.${item.microBatch} ${item.op}${pass !== undefined && 'streamed' in pass ? ` ${pass.streamed}/${item.block}` : ''}`;
};

test('the stream goes step by step, micro-batch by micro-batch, pass by pass, block by block', () => {
  const program = compile(mlp([5, 400, 3]), { tokens: 32, wafer: 'auto', spec: specs.wse2 });
  const items = [...streamOrder(program, 2, 3, 5)].map(brief(program));
  const once = ['input', 'forward 0/0', 'forward 0/1', 'forward 1/0', 'gradient 1/0', 'delta 1/0', 'delta 1/1', 'gradient 0/0', 'gradient 0/1'];
  assert.deepEqual(items, ['3.0', '3.1', '4.0', '4.1'].flatMap((place) => once.map((what) => `${place} ${what}`)));
  assert.deepEqual([...streamOrder(program, 3, 0, 1)].map((item) => item.lastMicroBatch), [false, false, true].flatMap((last) => once.map(() => last)));
});

test('a model of ids enters with its table and ends with the scatter', () => {
  const program = compile(byteLm({ context: 2, embed: 3, hidden: 4, layers: 1 }), { tokens: 32, wafer: 'auto', spec: specs.wse2 });
  const items = [...streamOrder(program, 1, 0, 1)];
  assert.deepEqual([items[0]?.op, items.at(-1)?.op], ['gather', 'scatter']);
  const layers = items.flatMap(({ pass }) => [program.passes[pass]]).flatMap((pass) => (pass !== undefined && 'layer' in pass ? [pass.layer] : []));
  assert.deepEqual(layers, [1, 1]);
});

test('what only knows the loss stops behind it', () => {
  const program = compile(gpt({ layers: 2, heads: 2, dim: 8, context: 33, vocabulary: 7 }), { tokens: 66, wafer: 'auto', spec: specs.wse2 });
  const all = [...streamOrder(program, 2, 0, 1)], forward = [...streamOrder(program, 2, 0, 1, false)];
  assert.deepEqual(forward, all.filter(({ pass }) => program.passes[pass]?.backward === false));
  assert.deepEqual([...new Set(forward.map(({ op }) => op))].toSorted(), ['attention', 'forward', 'gather']);
  assert.ok(program.passes[forward.at(-1)?.pass ?? -1]?.locals.some(({ op }) => op === 'loss'));
});

test('whoever waits for a version gets it when it is reached, and a step is whole when all have', async () => {
  const versions = new Versions(2, 4);
  await versions.at(0, 4);
  const order: string[] = [];
  const waits = [versions.at(0, 5).then(() => order.push('0 at 5')), versions.at(0, 5).then(() => order.push('0 at 5, too')), versions.at(1, 5).then(() => order.push('1 at 5'))];
  assert.equal(versions.reach(1, 5), false);
  await waits[2];
  assert.deepEqual(order, ['1 at 5']);
  assert.equal(versions.reach(0, 5), true);
  await Promise.all(waits);
  assert.equal(order.length, 3);
});

test('a slot is a credit: distinct while held, given in the order of asking, counted back when all is over', async () => {
  const slots = new Slots(new Credits('blocks', 2));
  const [a, b] = [await slots.acquire(), await slots.acquire()];
  assert.deepEqual([a, b].toSorted(), [0, 1]);
  let third = -1;
  const waiting = slots.acquire().then((slot) => (third = slot));
  await Promise.resolve();
  assert.equal(third, -1);
  slots.release(b);
  await waiting;
  assert.equal(third, b);
  assert.throws(() => slots.release(7), EmulatorBug);
  const refused = assert.rejects(slots.acquire(), /over/);
  slots.close(new Error('over'));
  await refused;
  assert.deepEqual([slots.credits.out, slots.credits.returned], [3, 3]);
  slots.release(a);
  assert.equal(slots.credits.returned, 3);
});
