/** Sparsity configurations: what they may look like, and that everything else is refused with the path of the field. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSparsityConfig, sparsityOfConfig } from '../../../src/formats/sparsity-config.js';
import { sparsity, type Sparsity } from '../../../src/model/sparsity.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';

const read = (value: unknown): Sparsity => sparsityOfConfig(value, 'rules.yaml');

test('a block, in the file itself, under sparsity, or under trainer.init.sparsity', () => {
  const block = { algorithm: 'rigl', sparsity: 0.9, update: { freq: 100, stop: 1000 }, drop_fraction: 0.2, init_method: 'topk', param_filter: ['*.mlp.*', 'head.weight'], balance_in_groups: 4, pattern: '4x1' };
  const meant = sparsity({ algorithm: 'rigl', sparsity: 0.9, update: { freq: 100, stop: 1000 }, dropFraction: 0.2, init: 'topk', params: ['*.mlp.*', 'head.weight'], balance: { axis: 'inputs', groups: 4 }, pattern: 'blocks' });
  for (const form of [block, { sparsity: block }, [block], { sparsity: [block] }, { sparsity: block, optimizer: {} }, { trainer: { init: { sparsity: block, model: {} }, fit: {} } }]) assert.deepEqual(read(form), meant);
});

test('a number is a static sparsity; a list of numbers takes turns; a list of blocks is a list of groups', () => {
  for (const form of [0.9, { sparsity: 0.9 }, { sparsity: { sparsity: 0.9 } }, { trainer: { init: { sparsity: 0.9 } } }, [0.9]]) assert.deepEqual(read(form), sparsity({ sparsity: 0.9 }));
  assert.deepEqual(read({ algorithm: 'gmp', sparsity: [0.1, 0.2] }), sparsity({ algorithm: 'gmp', sparsity: [0.1, 0.2] }));
  assert.deepEqual(read([{ sparsity: 0.9, param_filter: 'a*' }, { type: 'SET', sparsity: 0.5 }]), sparsity([{ sparsity: 0.9, params: 'a*' }, { algorithm: 'set', sparsity: 0.5 }]));
});

test('every kind of step-aware number, whatever the case of its name', () => {
  const of = (value: unknown): unknown => read({ type: 'Gmp', sparsity: value })[0]?.sparsity;
  assert.deepEqual(of({ type: 'constant', value: 0.5 }), { kind: 'constant', value: 0.5 });
  assert.deepEqual(of({ type: 'Linear', init: 0.1, slope: 0.01 }), { kind: 'linear', init: 0.1, slope: 0.01 });
  assert.deepEqual(of({ type: 'exp', init: 0, gamma: -0.1 }), { kind: 'exponential', init: 0, gamma: -0.1, final: 1 });
  assert.deepEqual(of({ type: 'EXP', init: 0, gamma: -0.1, final: 0.9 }), { kind: 'exponential', init: 0, gamma: -0.1, final: 0.9 });
  assert.deepEqual(of({ type: 'power', init: 0.3, beta: 0.99 }), { kind: 'power', init: 0.3, beta: 0.99 });
  assert.deepEqual(of({ type: 'cosine', init: 0.3, half_period: 100 }), { kind: 'cosine', init: 0.3, halfPeriod: 100, minimum: 0 });
  assert.deepEqual(of({ type: 'cycling', values: [0.1, 0.2] }), { kind: 'cycling', values: [0.1, 0.2] });
});

test('groups have the outer keys as defaults; what would have no effect on one is left out; null takes a default away', () => {
  const groups = [{ param_filter: 'a*' }, { algorithm: 'static', param_filter: 'b*', pattern: '2:4' }, { param_filter: 'c*', drop_fraction: null, balance_out_groups: 2 }];
  assert.deepEqual(
    read({ algorithm: 'set', sparsity: 0.9, update: { steps: [0, 5] }, drop_fraction: 0.1, balance_in_groups: null, groups }),
    sparsity([
      { algorithm: 'set', sparsity: 0.9, update: { steps: [0, 5] }, dropFraction: 0.1, params: 'a*' },
      { params: 'b*', pattern: { n: 2, m: 4 } },
      { algorithm: 'set', sparsity: 0.9, update: { steps: [0, 5] }, params: 'c*', balance: { axis: 'outputs', groups: 2 } },
    ]),
  );
});

test('everything else is refused: the path of the field, the value, what is accepted', () => {
  const gmp = (rest: object): object => ({ sparsity: { algorithm: 'gmp', sparsity: 0.5, ...rest } });
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [null, /the whole of it \(got null/],
    [[], /at least one block/],
    [{}, /field sparsity \(got 'nothing'/],
    [{ sparsities: 0.5 }, /field sparsities \(got 0.5, limit 'one of the keys algorithm, type, sparsity/],
    [gmp({ updates: 3 }), /field sparsity\.updates/],
    [JSON.parse('{ "__proto__": { "sparsity": 1 }, "sparsity": 0.5 }'), /field __proto__/],
    [gmp({ update: { freq: 'x' } }), /field sparsity\.update\.freq \(got 'x', limit 'a number'/],
    [gmp({ update: { freq: 0 } }), /field sparsity\.update\.freq \(got 0, limit 'a whole number ≥ 1'/],
    [gmp({ update: { freq: 1.5 } }), /field sparsity\.update\.freq \(got 1.5, limit 'a whole number'/],
    [gmp({ update: { frequency: 3 } }), /field sparsity\.update\.frequency \(got 3, limit 'an object of freq, start, stop'/],
    [gmp({ update: { start: 5, stop: 5 } }), /field sparsity\.update\.stop \(got 5/],
    [gmp({ update: { steps: [] } }), /field sparsity\.update\.steps/],
    [gmp({ update: { steps: [1, -2] } }), /field sparsity\.update\.steps\[1\] \(got -2/],
    [gmp({ update: { steps: [1], freq: 2 } }), /field sparsity\.update\.freq/],
    [gmp({ update: 100 }), /field sparsity\.update \(got 100/],
    [gmp({ sparsity: 1.5 }), /field sparsity\.sparsity \(got 1.5, limit 'a number from 0 to 1'/],
    [gmp({ sparsity: '0.5' }), /field sparsity\.sparsity \(got '0.5', limit 'a number, a list/],
    [gmp({ sparsity: [0.1, 2] }), /field sparsity\.sparsity\[1\] \(got 2/],
    [gmp({ sparsity: { type: 'cycling', values: [0.1, 2] } }), /field sparsity\.sparsity\.values\[1\] \(got 2/],
    [gmp({ sparsity: { type: 'constant', value: -1 } }), /field sparsity\.sparsity\.value \(got -1/],
    [gmp({ sparsity: { type: 'cosine', init: 1, half_period: 0 } }), /field sparsity\.sparsity\.half_period \(got 0/],
    [gmp({ sparsity: { type: 'linear', init: 1 } }), /field sparsity\.sparsity\.slope \(got 'nothing'/],
    [gmp({ sparsity: { type: 'linear', init: 1, slope: 1, final: 2 } }), /field sparsity\.sparsity\.final \(got 2/],
    [gmp({ sparsity: { type: 'step' } }), /field sparsity\.sparsity\.type \(got 'step', limit 'constant, linear, exp/],
    [gmp({ sparsity: NaN }), /field sparsity\.sparsity \(got NaN/],
    [gmp({ drop_fraction: 0.1 }), /field sparsity\.drop_fraction .*gmp drops no share/],
    [gmp({ algorithm: 'static', update: { freq: 2 } }), /field sparsity\.update .*leave it out/],
    [gmp({ algorithm: 'adam' }), /field sparsity\.algorithm \(got 'adam', limit 'static, gmp, set, rigl'/],
    [gmp({ type: 'gmp' }), /field sparsity\.type .*either algorithm or type/],
    [gmp({ init_method: 'ones' }), /field sparsity\.init_method/],
    [gmp({ param_filter: [] }), /field sparsity\.param_filter/],
    [gmp({ param_filter: [3] }), /field sparsity\.param_filter/],
    [gmp({ balance_in_groups: 0 }), /field sparsity\.balance_in_groups \(got 0/],
    [gmp({ balance_out_groups: 0.5 }), /field sparsity\.balance_out_groups \(got 0.5/],
    [gmp({ balance_in_groups: 1, balance_out_groups: 2 }), /field sparsity\.balance_out_groups .*either/],
    [gmp({ pattern: '8x1' }), /field sparsity\.pattern \(got '8x1', limit 'unstructured, 4x1, or N:M/],
    [gmp({ pattern: '3:2' }), /field sparsity\.pattern .*1 ≤ n ≤ m/],
    [gmp({ pattern: '1:4' }), /field sparsity\.sparsity with a pattern of 1 of 4 \(got 0.5, limit 0.75/],
    [gmp({ pattern: '2:4', balance_in_groups: 2 }), /field sparsity\.balance_in_groups with a pattern/],
    [{ algorithm: 'rigl', pattern: '2:4' }, /field algorithm with a pattern of 2 of 4/],
    [{ sparsity: { groups: {} } }, /field sparsity\.groups/],
    [{ groups: [{ sparsity: 0.5 }, { algorithm: 'set' }] }, /field groups\[1\]\.sparsity/],
    [{ sparsity: 0.5, groups: [{ groups: [] }] }, /field groups\[0\]\.groups .*no groups inside a group/],
    [[{ sparsity: 0.5 }, { sparsity: 2 }], /field \[1\]\.sparsity \(got 2/],
    [[[0.5]], /field \[0\]/],
    [{ trainer: { init: {} } }, /field trainer\.init\.sparsity \(got 'nothing'/],
    [{ trainer: { init: { sparsity: 0.5 } }, sparsity: { sparsity: 0.5 } }, /either sparsity or trainer\.init\.sparsity/],
  ];
  for (const [value, message] of refused) assert.throws(() => read(value), (e) => e instanceof InvalidConfig && message.test(e.message) && e.message.startsWith('rules.yaml: '), `${JSON.stringify(value)} → ${String(message)}`);
});

test('files: YAML and JSON are read, anything else is a corrupt file with its line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sparsity-')), path = join(folder, 'rules.yaml');
  const file = async (text: string | Uint8Array): Promise<Sparsity> => {
    await writeFile(path, text);
    return readSparsityConfig(path);
  };
  try {
    assert.deepEqual(await file('sparsity:\n  algorithm: RigL   # grows by gradients\n  sparsity: 0.9\n  update: { freq: 100 }\n'), sparsity({ algorithm: 'rigl', sparsity: 0.9, update: { freq: 100 } }));
    assert.deepEqual(await file('\uFEFF{\n\t"sparsity": 9e-1\n}'), sparsity({ sparsity: 0.9 }));
    assert.deepEqual(await file('pattern: 2:4'), sparsity({ pattern: { n: 2, m: 4 } }));
    assert.deepEqual(await file('- &a {sparsity: 0.5, param_filter: "x*"}\n- *a\n'), sparsity([{ sparsity: 0.5, params: 'x*' }, { sparsity: 0.5, params: 'x*' }]));
    const corrupt: readonly (readonly [string | Uint8Array, RegExp])[] = [
      ['a: b: c', /line 1, column 4/],
      ['sparsity: 0.5\nsparsity: 0.6', /line 2, column 1/],
      ['sparsity: !!python/object:x 3', /tag/],
      ['---\nsparsity: 1\n---\nsparsity: 0\n', /more than one document/],
      ['sparsity: &a [*a]', /alias/],
      [`a: &a [${'1,'.repeat(9)}]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`, /alias/],
      ['? {a: 1}\n: 2', /keys/],
      ['{"sparsity": 0.5', /line 1/],
      [Uint8Array.of(0xff, 0xfe, 0x00), /UTF-8/],
    ];
    for (const [text, message] of corrupt) await assert.rejects(file(text), (e) => e instanceof CorruptFile && message.test(e.message), String(text).slice(0, 40));
    await assert.rejects(file(''), InvalidConfig);
    await assert.rejects(file(' '.repeat(2 ** 20 + 1)), InvalidConfig);
    await assert.rejects(readSparsityConfig(join(folder, 'none.yaml')), CorruptFile);
    await assert.rejects(readSparsityConfig(folder), CorruptFile);
  } finally {
    await rm(folder, { recursive: true });
  }
});
