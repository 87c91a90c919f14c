/** Machines from files: presets by name, YAML and JSON, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readMachine } from '../../../src/formats/machine-file.js';
import { machines } from '../../../src/spec/machine.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waferstream-machine-'));
});
after(() => rm(folder, { recursive: true }));
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

test('a preset by its name, a machine from YAML, the same from JSON', async () => {
  for (const name of ['wse1', 'wse2', 'wse3', 'toy'] as const) assert.equal(await readMachine(name), machines[name]);
  const yaml = await readMachine(await file('a.yaml', 'base: wse2\nname: faster links # twice\nswarmX:\n  laneBytesPerSecond: 25e9\nwafer:\n  ioBytesPerSecond: .inf\n'));
  assert.deepEqual([yaml.name, yaml.swarmX.laneBytesPerSecond, yaml.wafer.ioBytesPerSecond], ['faster links', 25e9, Number.POSITIVE_INFINITY]);
  const json = await readMachine(await file('a.json', JSON.stringify({ name: 'faster links', swarmX: { laneBytesPerSecond: 25e9 } })));
  assert.deepEqual(json.swarmX, yaml.swarmX);
});

test('what is wrong is named with the file', async () => {
  const rejects = (path: string, kind: typeof CorruptFile | typeof InvalidConfig, message: RegExp): Promise<void> => assert.rejects(readMachine(path), (error: unknown) => error instanceof kind && message.test(error.message) || assert.fail(String(error)));
  await rejects('wse-2', InvalidConfig, /no machine of that name \(got 'wse-2'.*did you mean wse2\?/);
  await rejects('constructor', InvalidConfig, /no machine of that name/);
  await rejects(join(folder, 'absent.yaml'), CorruptFile, /no such file/);
  await rejects(await file('b.yaml', 'core: {taskCycle: 1}'), InvalidConfig, /b\.yaml: field core\.taskCycle is unknown.*did you mean core\.taskCycles\?/);
  await rejects(await file('c.yaml', 'core: {taskCycles: 1'), CorruptFile, /c\.yaml, line 1/);
  await rejects(await file('d.yaml', 'core: {taskCycles: 1}\ncore: {taskCycles: 2}\n'), CorruptFile, /d\.yaml, line 2/);
  await rejects(await file('e.yaml', ''), InvalidConfig, /not a description of a machine/);
});
