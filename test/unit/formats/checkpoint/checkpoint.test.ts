/** Writing and reading checkpoints on a disk in memory: round trips by ranges and by several writers, damage, folders of checkpoints, full disks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { latestCheckpoint, listCheckpoints, pruneCheckpoints, removeLeftovers } from '../../../../src/formats/checkpoint/folders.js';
import { openCheckpoint, verifyCheckpoint } from '../../../../src/formats/checkpoint/read.js';
import type { CheckpointTensor } from '../../../../src/formats/checkpoint/tensor-file.js';
import { beginCheckpoint, continueCheckpoint, type CheckpointWriter } from '../../../../src/formats/checkpoint/write.js';
import { readAll, type FileSystem } from '../../../../src/storage/file-system.js';
import { CorruptFile, DoesNotFit, EmulatorBug, InvalidConfig, StorageFailed, WaferstreamError } from '../../../../src/util/errors.js';
import { assertWhole, bitsOf, elementsOf, emptyFor, someState, someTensors, valuesOf, writeWhole } from '../../../support/checkpoints.js';
import { SimulatedDisk } from '../../../support/simulated-disk.js';

const dir = '/runs/a';
const disk = (capacityBytes?: number): FileSystem => new SimulatedDisk(1, capacityBytes === undefined ? {} : { capacityBytes }).start();
const names = (fs: FileSystem): readonly string[] => fs.list(dir);

const aShape = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 });
const someNames = (file: CheckpointTensor['file']) => fc.uniqueArray(fc.record({ file: fc.constant(file), name: fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__' && name !== '__proto__'), shape: aShape }), { selector: ({ name }) => name, maxLength: 5 });
const aPlan = fc.record({
  tensors: fc.tuple(someNames('model'), someNames('optimizer'), someNames('masks')).map((lists) => lists.flat()),
  writers: fc.integer({ min: 1, max: 3 }),
  /** Cuts of every tensor, and which part is written when and by whom. */
  cuts: fc.array(fc.nat(700), { maxLength: 4 }),
  order: fc.infiniteStream(fc.nat()),
  again: fc.boolean(),
});

test('tensors written in any order, by ranges, by several writers, come back to the bit', () => {
  fc.assert(fc.property(aPlan, ({ tensors, writers, cuts, order, again }) => {
    const fs = disk(), first = beginCheckpoint(dir, 5, tensors, fs), others = Array.from({ length: writers - 1 }, () => continueCheckpoint(first.partFolder, fs));
    const all: readonly CheckpointWriter[] = [first, ...others], chance = (): number => Number(order.next().value);
    const parts = tensors.flatMap((tensor) => {
      const size = elementsOf(tensor), edges = [0, ...cuts.filter((cut) => cut < size), size].toSorted((a, b) => a - b);
      return edges.slice(1).map((end, i) => ({ tensor, from: edges[i] ?? 0, end, at: chance() }));
    }).toSorted((a, b) => a.at - b.at);
    for (const { tensor, from, end } of [...parts, ...(again ? parts.slice(0, 3) : [])]) {
      // Out of shared memory, not at its beginning.
      const values = valuesOf(5, tensor), shared = new SharedArrayBuffer(values.byteLength + 8);
      new Uint8Array(shared, 8).set(bitsOf(values));
      const view = tensor.file === 'masks' ? new Uint8Array(shared, 8) : new Float32Array(shared, 8);
      all[chance() % writers]?.write(tensor.file, tensor.name, from, view.subarray(from, end));
    }
    for (const other of others) {
      first.add(structuredClone(other.ranges()));
      other.close();
    }
    assert.deepEqual(listCheckpoints(dir, fs), []);
    const path = first.finish(someState(5, tensors));
    assert.equal(path, '/runs/a/step-00000005');
    assert.deepEqual([listCheckpoints(dir, fs), names(fs), verifyCheckpoint(path, fs)], [[{ step: 5, path }], ['step-00000005'], []]);
    assertWhole(path, 5, fs, tensors);
    const checkpoint = openCheckpoint(dir, fs);
    for (const tensor of tensors) {
      const size = elementsOf(tensor), from = size === 0 ? 0 : chance() % size, count = size === 0 ? 0 : chance() % (size - from + 1), into = emptyFor(tensor.file, count);
      checkpoint.readTensor(tensor.file, tensor.name, from, into);
      assert.deepEqual(bitsOf(into), bitsOf(valuesOf(5, tensor).subarray(from, from + count)));
    }
    checkpoint.close();
  }), { numRuns: 150 });
});

const isBug = (said: RegExp) => (error: unknown): boolean => error instanceof EmulatorBug && said.test(error.message);

test('a checkpoint is not finished before it is whole', () => {
  const fs = disk(), writer = beginCheckpoint(dir, 1, someTensors, fs), [weight] = someTensors;
  assert.ok(weight);
  assert.throws(() => writer.write('model', 'weight', 0, new Float32Array(1)), isBug(/tensor 'weight' was not planned for model\.safetensors/));
  assert.throws(() => writer.write('model', weight.name, 1199, new Float32Array(2)), isBug(/elements 1199 to 1201 lie in the 1200/));
  assert.throws(() => writer.write('masks', weight.name, 0, new Float32Array(2)), isBug(/masks\.safetensors takes U8/));
  for (const tensor of someTensors) if (tensor !== weight) writer.write(tensor.file, tensor.name, 0, valuesOf(1, tensor));
  assert.throws(() => writer.finish(someState(1)), isBug(/all 4800 bytes of tensor 'layers\.0\.weight' of model\.safetensors were written/));
  writer.write('model', weight.name, 1, valuesOf(1, weight).subarray(1));
  assert.throws(() => writer.finish(someState(1)), isBug(/not 4 to 4800 alone/));
  writer.write('model', weight.name, 0, valuesOf(1, weight).subarray(0, 1));
  assert.throws(() => writer.finish(someState(2)), isBug(/of step 1, not 2/));
  assert.throws(() => writer.finish({ ...someState(1), model: { name: '', parameters: [] } }), isBug(/the model's parameters are the tensors/));
  assert.throws(() => writer.finish({ ...someState(1), optimizer: () => 0 }), InvalidConfig);
  assertWhole(writer.finish(someState(1)), 1, fs);
  assert.throws(() => writer.write('model', weight.name, 0, new Float32Array(1)), isBug(/is open/));
});

test('abandoned, refused and left over: nothing stays, nothing is taken for a checkpoint', () => {
  const fs = disk(), writer = beginCheckpoint(dir, 1, someTensors, fs);
  writer.abandon();
  assert.deepEqual(names(fs), []);
  beginCheckpoint(dir, 2, someTensors, fs);
  beginCheckpoint(dir, 1, someTensors, fs);
  fs.open(`${dir}/.step-00000001.part/more`, 'create').close();
  assert.deepEqual([names(fs), listCheckpoints(dir, fs), latestCheckpoint(dir, fs)], [['.step-00000001.part', '.step-00000002.part'], [], null]);
  assertWhole(writeWhole(dir, 1, fs), 1, fs);
  assert.deepEqual(names(fs), ['.step-00000002.part', 'step-00000001']);
  assert.deepEqual([removeLeftovers(dir, fs), names(fs)], [[`${dir}/.step-00000002.part`], ['step-00000001']]);
  assert.throws(() => beginCheckpoint(dir, 1, someTensors, fs), (error) => error instanceof InvalidConfig && /step 1 is there already/.test(error.message));
  assert.throws(() => beginCheckpoint(dir, 3, [...someTensors, ...someTensors], fs), (error) => error instanceof InvalidConfig && /given twice/.test(error.message));
  assert.throws(() => beginCheckpoint(dir, -1, someTensors, fs), InvalidConfig);
  assert.throws(() => continueCheckpoint(`${dir}/step-00000001`, fs), InvalidConfig);
  assert.throws(() => continueCheckpoint(`${dir}/.step-00000009.part`, fs), CorruptFile);
  assert.deepEqual([listCheckpoints('/elsewhere', fs), removeLeftovers('/elsewhere', fs)], [[], []]);
});

test('only whole folders under their plain names count, by their steps', () => {
  const fs = disk();
  for (const step of [100_000_000, 9, 10]) writeWhole(dir, step, fs, []);
  for (const name of ['step-0000011', 'step-000000012', 'step-00000013', 'step-00000014x', 'about']) fs.makeFolder(`${dir}/${name}`);
  assert.deepEqual(listCheckpoints(dir, fs).map(({ step }) => step), [9, 10, 100_000_000]);
  assert.equal(latestCheckpoint(dir, fs)?.path, `${dir}/step-100000000`);
});

test('the oldest go, the newest never', () => {
  const fs = disk(), steps = (): number[] => listCheckpoints(dir, fs).map(({ step }) => step);
  for (const step of [1, 2, 3, 4, 5]) writeWhole(dir, step, fs);
  assert.deepEqual([pruneCheckpoints(dir, 5, fs), steps()], [[], [1, 2, 3, 4, 5]]);
  assert.deepEqual([pruneCheckpoints(dir, 3, fs), steps(), names(fs).length], [[`${dir}/step-00000001`, `${dir}/step-00000002`], [3, 4, 5], 3]);
  for (const keep of [0, -1, 1.5]) assert.throws(() => pruneCheckpoints(dir, keep, fs), InvalidConfig);
  pruneCheckpoints(dir, 1, fs);
  assert.deepEqual(steps(), [5]);
  assertWhole(`${dir}/step-00000005`, 5, fs);
});

const put = (fs: FileSystem, path: string, at: number, bytes: Uint8Array): void => {
  const file = fs.open(path, 'write');
  file.write(bytes, at);
  file.close();
};

test('every byte that is changed, in every file, is found and named', () => {
  const fs = disk(), path = writeWhole(dir, 3, fs);
  for (const name of ['model.safetensors', 'optimizer.safetensors', 'masks.safetensors', 'state.json']) {
    const whole = readAll(fs, `${path}/${name}`), jsonBytes = name === 'state.json' ? 0 : new DataView(whole.buffer).getUint32(0, true);
    for (let at = 0; at < whole.length; at += at < 8 + jsonBytes ? 5 : 97) {
      put(fs, `${path}/${name}`, at, Uint8Array.of((whole[at] ?? 0) ^ 4));
      const damage = verifyCheckpoint(path, fs);
      assert.equal(damage.length, 1, `${name} at ${at}`);
      assert.equal(damage[0]?.file, `${path}/${name}`);
      assert.equal(damage[0]?.tensor !== null, name !== 'state.json' && at >= 8 + jsonBytes, `${name} at ${at}: ${damage[0]?.what}`);
      put(fs, `${path}/${name}`, at, whole.subarray(at, at + 1));
    }
    assert.deepEqual(verifyCheckpoint(path, fs), []);
  }
});

test('nothing of a damaged tensor is returned, whole or in parts; the others are', () => {
  const fs = disk(), path = writeWhole(dir, 3, fs), file = `${path}/optimizer.safetensors`, { length } = readAll(fs, file);
  put(fs, file, length - 1, Uint8Array.of(77));
  const checkpoint = openCheckpoint(path, fs), said = (error: unknown): boolean => error instanceof CorruptFile && /optimizer\.safetensors: tensor 'layers\.0\.weight\.exp_avg_sq' is not what was written/.test(error.message);
  for (const count of [1, 1200]) {
    const into = new Float32Array(count);
    for (let i = 0; i < 2; i++) assert.throws(() => checkpoint.readTensor('optimizer', 'layers.0.weight.exp_avg_sq', 0, into), said);
    assert.deepEqual(into, new Float32Array(count));
  }
  checkpoint.readTensor('optimizer', 'layers.0.weight.exp_avg', 7, new Float32Array(5));
  for (const refused of [() => checkpoint.readTensor('model', 'layers.0', 0, new Float32Array(1)), () => checkpoint.readTensor('masks', 'layers.0.weight', 0, new Float32Array(1)), () => checkpoint.readTensor('model', 'layers.0.bias', 30, new Float32Array(1))]) assert.throws(refused, InvalidConfig);
  checkpoint.close();
  checkpoint.close();
  assert.throws(() => checkpoint.readTensor('model', 'layers.0.bias', 0, new Float32Array(30)), InvalidConfig);
});

test('files that are missing, cut, longer, or of another checkpoint', () => {
  const fs = disk(), path = writeWhole(dir, 3, fs), other = writeWhole(dir, 4, fs);
  const holds = (what: RegExp, name: string): void => {
    const damage = verifyCheckpoint(path, fs);
    assert.equal(damage[0]?.file, `${path}/${name}`);
    assert.match(damage[0]?.what ?? '', what);
    assert.throws(() => openCheckpoint(path, fs).close(), (error) => error instanceof CorruptFile && what.test(error.message));
  };
  for (const name of ['model.safetensors', 'optimizer.safetensors', 'masks.safetensors', 'state.json']) {
    fs.rename(`${path}/${name}`, `${path}/away`);
    holds(/a file of the checkpoint is missing; go back to an older checkpoint/, name);
    fs.rename(`${path}/away`, `${path}/${name}`);
  }
  const file = fs.open(`${path}/model.safetensors`, 'write'), size = file.size();
  file.truncate(size - 1);
  holds(/truncated/, 'model.safetensors');
  file.truncate(size + 1);
  holds(/left over/, 'model.safetensors');
  file.truncate(0);
  holds(/truncated/, 'model.safetensors');
  file.close();
  fs.rename(`${other}/model.safetensors`, `${path}/model.safetensors`);
  const damage = verifyCheckpoint(path, fs);
  assert.deepEqual(damage.map(({ tensor }) => tensor), ['layers.0.bias', 'layers.0.weight']);
  for (const none of ['/nowhere', `${path}/state.json`, '/runs']) assert.throws(() => openCheckpoint(none, fs), CorruptFile, none);
});

test('a disk that is too small, fills up, or is read-only is a typed error, and leaves no checkpoint', () => {
  assert.throws(() => beginCheckpoint(dir, 1, someTensors, disk(8192)), (error) => error instanceof DoesNotFit && error.needBytes > 15_720 && error.haveBytes === 8192 && error.message.startsWith(`${dir}: the checkpoint of step 1 needs`));
  let refusals = 0;
  for (let roomBytes = 0, done = false; !done; roomBytes += 1024) {
    const simulated = new SimulatedDisk(1), fs = simulated.start();
    const whole = writeWhole(dir, 1, fs), writer = beginCheckpoint(dir, 2, someTensors, fs);
    // Others write too.
    simulated.faults.capacityBytes = 2 ** 40 - fs.space(dir).freeBytes + roomBytes;
    const run = (): void => {
      for (const tensor of someTensors) writer.write(tensor.file, tensor.name, 0, valuesOf(2, tensor));
      writer.finish(someState(2));
    };
    try {
      run();
      assertWhole(`${dir}/step-00000002`, 2, fs);
      done = true;
    } catch (error) {
      assert.ok(error instanceof StorageFailed && error.code === 'ENOSPC', String(error));
      writer.abandon();
      assert.deepEqual(names(fs), ['step-00000001']);
      refusals++;
    }
    assertWhole(whole, 1, fs);
  }
  assert.ok(refusals > 12 && refusals < 20, `${refusals} refusals`);
  const readOnly = new SimulatedDisk(1), fs = readOnly.start();
  writeWhole(dir, 1, fs);
  readOnly.faults.readOnly = true;
  assert.throws(() => beginCheckpoint(dir, 2, someTensors, fs), StorageFailed);
  assert.throws(() => pruneCheckpoints(dir, 0, fs), WaferstreamError);
  assertWhole(`${dir}/step-00000001`, 1, fs);
});
