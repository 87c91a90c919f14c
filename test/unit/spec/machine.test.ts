/** Machines: presets with evidence for every constant, and descriptions by users, refused by name where they are wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constantsOf, machineOf, machines, withOverride, type MachineSpec } from '../../../src/spec/machine.js';
import { specs } from '../../../src/spec/wafer.js';
import { InvalidConfig } from '../../../src/util/errors.js';

const { wse2 } = machines;
const refused = (act: () => unknown, ...parts: readonly RegExp[]): void => assert.throws(act, (error: unknown) => error instanceof InvalidConfig && parts.every((part) => part.test(error.message)) || assert.fail(String(error)));

test('every constant of every preset stands once, with unit, source, and a range where it is a guess', () => {
  for (const [name, machine] of Object.entries(machines)) {
    const constants = constantsOf(machine), paths = constants.map(({ path }) => path);
    assert.equal(new Set(paths).size, paths.length);
    for (const { path, value, unit, source, trust, range } of constants) {
      assert.ok(Number.isFinite(value) && unit !== '' && source !== '', `${name} ${path}`);
      assert.equal(trust === 'guess', trust !== 'derived' && range !== undefined, `${name} ${path}: a guess has a range`);
      if (range !== undefined) assert.ok(range[0] <= value && value <= range[1] && range[0] < range[1], `${name} ${path}`);
      const [group, field] = path.split('.') as [keyof MachineSpec, string];
      assert.equal((machine[group] as unknown as Readonly<Record<string, number>>)[field], value, 'plain numbers beside the table');
    }
    // Nothing plain that the table does not list.
    const plain = (['wafer', 'core', 'fabric', 'swarmX', 'memoryX', 'energy'] as const).flatMap((group) => Object.entries(machine[group]).filter(([, value]) => typeof value === 'number').map(([field]) => `${group}.${field}`));
    assert.deepEqual(paths.toSorted(), plain.toSorted());
  }
});

test('the presets carry the wafers that the compiler knows, and what a generation has otherwise', () => {
  for (const name of ['wse1', 'wse2', 'wse3', 'toy'] as const) assert.equal(machines[name].wafer, specs[name]);
  assert.deepEqual([machines.wse1, wse2, machines.wse3].map(({ core }) => core.macsPerCycleFp16), [4, 4, 8]);
  assert.equal(machines.wse3.core.accumulatorCacheBytes, 512);
  assert.equal(wse2.swarmX.lanes * wse2.swarmX.laneBytesPerSecond, wse2.wafer.ioBytesPerSecond);
  assert.ok(specs.toy.rowsMax * specs.toy.colsMax <= 64);
});

test('a description says what is different; nothing else changes, and the table says who set it', () => {
  const machine = machineOf({ base: 'wse3', name: 'mine', wafer: { clockHz: 1.1e9 }, swarmX: { nodeLatencySeconds: 2e-6 } }, 'mine.yaml');
  assert.equal(machine.name, 'mine');
  const before = constantsOf(machines.wse3);
  for (const [i, constant] of constantsOf(machine).entries()) {
    if (constant.path !== 'wafer.clockHz' && constant.path !== 'swarmX.nodeLatencySeconds') assert.deepEqual(constant, before[i]);
    else assert.deepEqual([constant.value, constant.trust, constant.source, constant.range, constant.unit], [constant.path === 'wafer.clockHz' ? 1.1e9 : 2e-6, 'chosen', 'set in mine.yaml', undefined, before[i]?.unit]);
  }
  assert.deepEqual(machineOf({ base: 'wse1' }, 'x'), machines.wse1);
  assert.deepEqual(machineOf({}, 'x'), wse2);
  assert.deepEqual(machineOf(JSON.parse(JSON.stringify({ base: 'toy', core: { taskCycles: 0 } })), 'x').core, { ...machines.toy.core, taskCycles: 0 });
});

test('one constant by its path', () => {
  const machine = withOverride(wse2, 'swarmX.nodeLatencySeconds', 2e-6);
  assert.equal(machine.swarmX.nodeLatencySeconds, 2e-6);
  assert.equal(wse2.swarmX.nodeLatencySeconds, 5e-6);
  assert.match(machine.name, /WSE-2, swarmX\.nodeLatencySeconds = 0\.000002/);
  assert.equal(withOverride(wse2, 'wafer.ioBytesPerSecond', Number.POSITIVE_INFINITY).wafer.ioBytesPerSecond, Number.POSITIVE_INFINITY);
});

test('what nobody knows is refused by its name, with the nearest that there is', () => {
  const of = (data: unknown) => () => machineOf(data, 'my.yaml');
  refused(of({ swarmx: {} }), /my\.yaml: field swarmx is unknown/, /did you mean swarmX\?/);
  refused(of({ swarmX: { nodeLatency: 1e-6 } }), /field swarmX\.nodeLatency is unknown \(got 0\.000001/, /did you mean swarmX\.nodeLatencySeconds\?/);
  refused(of({ wafer: { clock: 1e9 } }), /field wafer\.clock is unknown/, /wafer\.clockHz/);
  refused(of({ wafer: { name: 'x' } }), /field wafer\.name is unknown/);
  refused(of({ about: {} }), /field about is unknown/);
  refused(of({ base: 'wse4' }), /field base \(got 'wse4'/, /did you mean wse[123]\?/);
  refused(of({ base: 'toString' }), /field base/);
  refused(of(JSON.parse('{ "__proto__": { "clockHz": 1 } }')), /field __proto__ is unknown/);
  refused(of(JSON.parse('{ "core": { "__proto__": 1 } }')), /field core\.__proto__ is unknown/);
  refused(() => withOverride(wse2, 'swarmX.laneBytes', 1), /swarmX\.laneBytes is unknown/, /laneBytesPerSecond/);
  refused(() => withOverride(wse2, 'nodeLatencySeconds', 1), /nodeLatencySeconds is unknown/, /did you mean swarmX\.nodeLatencySeconds\?/);
  refused(() => withOverride(wse2, 'core.a.b', 1), /core\.a\.b is unknown/);
});

test('values that cannot be are refused, never clamped', () => {
  const of = (data: unknown) => () => machineOf(data, 'my.yaml');
  for (const data of [null, undefined, 3, 'wse2', []]) refused(of(data), /not a description of a machine/);
  refused(of({ name: '' }), /field name/);
  refused(of({ core: 3 }), /field core \(got 3/);
  refused(of({ core: null }), /field core/);
  refused(of({ core: { streamedEfficiency: 1.2 } }), /field core\.streamedEfficiency \(got 1\.2, limit 'a number above 0, at most 1'/);
  refused(of({ core: { streamedEfficiency: 0 } }), /streamedEfficiency/);
  refused(of({ core: { taskCycles: -1 } }), /field core\.taskCycles \(got -1/);
  refused(of({ core: { taskCycles: '2' } }), /field core\.taskCycles \(got '2'/);
  refused(of({ core: { sumBits: 24 } }), /field core\.sumBits \(got 24, limit '16 or 32'/);
  refused(of({ wafer: { rowsMax: 10.5 } }), /field wafer\.rowsMax \(got 10\.5, limit 'a whole number ≥ 1'/);
  refused(of({ wafer: { rowsMax: 100_000 } }), /tiles of the rectangle/);
  refused(of({ wafer: { codeBytesPerTile: 49_152 } }), /codeBytesPerTile/);
  refused(of({ wafer: { clockHz: 0 } }), /clockHz/);
  refused(of({ wafer: { clockHz: Number.NaN } }), /clockHz/);
  refused(() => withOverride(wse2, 'energy.taskJoules', Number.POSITIVE_INFINITY), /taskJoules/);
  refused(() => withOverride(wse2, 'energy.taskJoules', undefined), /taskJoules \(got 'nothing'/);
});
