/** The host's own files: short requests, refusals, direct I/O, the lock between processes, and processes that are killed while they write. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { failureFromBytes, failureToBytes } from '../../../src/actor/failure.js';
import { layoutOf } from '../../../src/storage/layout.js';
import { lockFolder } from '../../../src/storage/lock.js';
import { describeStore, verifyStore } from '../../../src/storage/look.js';
import { RealFile, realFileSystem as fs } from '../../../src/storage/real-file-system.js';
import { refusal } from '../../../src/storage/refusals.js';
import { createShard, openShard } from '../../../src/storage/shard.js';
import { createStore, openStore } from '../../../src/storage/store.js';
import { CorruptFile, EmulatorBug, InvalidConfig, StorageFailed } from '../../../src/util/errors.js';
import { childBlock, childState } from '../../support/storage-contents.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-storage-'));
after(() => rmSync(root, { recursive: true, force: true }));
const child = fileURLToPath(new URL('../../support/storage-child.js', import.meta.url));
const plan = { identity: 'ab'.repeat(32), shards: [{ blocks: [65_536, 100, 20_000, 300_000], scratchBytes: 0 }, { blocks: [4, 400_000], scratchBytes: 8192 }] };
const newStore = (name: string): string => {
  createStore(fs, join(root, name), plan);
  return join(root, name);
};
const linux = { skip: process.platform === 'linux' ? false : 'needs /proc' };

/** Lines that a child says; `until` resolves with the first that fits, or null at its end. */
const linesOf = (process: ChildProcessWithoutNullStreams): { readonly lines: string[]; until(fits: (line: string) => boolean): Promise<string | null>; readonly ended: Promise<void> } => {
  const lines: string[] = [], waiting: (() => void)[] = [];
  let rest = '', open = true;
  const wake = (): void => waiting.splice(0).forEach((go) => go());
  process.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  const ended = new Promise<void>((resolve) => process.on('close', () => {
    open = false;
    wake();
    resolve();
  }));
  return {
    lines,
    ended,
    async until(fits) {
      for (;;) {
        const found = lines.find(fits);
        if (found !== undefined) return found;
        if (!open) return null;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
};
const start = (...args: string[]): ChildProcessWithoutNullStreams => spawn(process.execPath, [child, ...args]);

test('short requests are continued; one that makes no progress is a failure', () => {
  const path = join(root, 'short');
  writeFileSync(path, '');
  const disk = new Uint8Array(1000);
  let most = 7;
  const file = new RealFile(path, openSync(path, 'r+'), false, {
    write: (_, bytes, offset, count, at) => {
      const done = Math.min(count, most);
      disk.set(bytes.subarray(offset, offset + done), at);
      return done;
    },
    read: (_, bytes, offset, count, at) => {
      const done = Math.min(count, most, 1000 - at);
      bytes.set(disk.subarray(at, at + done), offset);
      return done;
    },
  });
  const bytes = Uint8Array.from({ length: 500 }, (_, i) => i), back = new Uint8Array(500);
  file.write(bytes, 400);
  file.read(back, 400);
  assert.deepEqual(back, bytes);
  assert.throws(() => file.read(back, 600), (error) => error instanceof CorruptFile && /ends early \(got 1000, limit 1100\)/.test(error.message));
  most = 0;
  assert.throws(() => file.write(bytes, 400), (error) => error instanceof StorageFailed && /writing 500 bytes at 400: the disk takes none/.test(error.message));
  file.close();
});

test('what the host refuses is an error that says operation, file and code', () => {
  const path = join(root, 'refused');
  assert.throws(() => fs.open(path, 'read'), CorruptFile);
  fs.open(path, 'create').close();
  assert.throws(() => fs.open(path, 'create'), (error) => error instanceof InvalidConfig && /creating: it exists already/.test(error.message));
  const reader = fs.open(path, 'read');
  reader.close();
  assert.throws(() => reader.size(), (error) => error instanceof StorageFailed && error.code === 'EBADF' && error.message.startsWith(`${path}: asking for the size`));
  const back = failureFromBytes(failureToBytes(refusal('writing 4 bytes at 0', path, Object.assign(new Error('full'), { code: 'ENOSPC' }))), 'memoryx', 1);
  assert.ok(back instanceof StorageFailed && back.code === 'ENOSPC' && back.message === `${path}: writing 4 bytes at 0: no space is left on the disk (got 'ENOSPC'); free space, or choose a folder on another disk`, back.message);
  assert.throws(() => fs.list(path), CorruptFile);
  const { freeBytes, disk } = fs.space(root);
  assert.ok(freeBytes > 0 && disk === fs.space(root).disk && fs.uniqueName() !== fs.uniqueName());
});

test('a folder that may not be written', { skip: process.platform === 'win32' ? 'has other permissions' : false }, () => {
  // The superuser may write anywhere but in the kernel's own.
  const isRoot = process.getuid?.() === 0, folder = isRoot ? '/sys/kernel' : join(root, 'closed');
  if (!isRoot) {
    mkdirSync(folder);
    chmodSync(folder, 0o500);
  }
  for (const run of [() => createStore(fs, join(folder, 'store'), plan), () => fs.open(join(folder, 'file'), 'create'), () => lockFolder(folder)]) {
    assert.throws(run, (error) => error instanceof StorageFailed && ['EACCES', 'EPERM', 'EROFS'].includes(error.code) && error.message.includes(folder) && /choose another folder/.test(error.message));
  }
});

test('direct I/O gives the same file, from addresses that fit, where the disk has it', (t) => {
  const path = join(root, 'direct'), shardPlan = { blocks: [100, 8192, 10_000], scratchBytes: 8192, identity: plan.identity };
  createShard(fs, path, shardPlan);
  let shard;
  try {
    shard = openShard(fs, path, { mode: 'write', direct: true });
  } catch (error) {
    assert.ok(error instanceof InvalidConfig && /direct I\/O is not there/.test(error.message), String(error));
    return t.skip(error.message);
  }
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
  shardPlan.blocks.forEach((bytes, block) => {
    memory.set(childBlock(0, 0, block, bytes), 4096);
    shard.write(0, block, memory.subarray(4096, 4096 + bytes));
  });
  shard.commit(0, '', 'power');
  shard.acknowledge(0);
  shard.writeScratch(4096, memory.subarray(4096, 4096 + 4000));
  shard.writeZeros(1, 1);
  assert.throws(() => shard.write(1, 2, memory.subarray(64, 10_064)), (error) => error instanceof EmulatorBug && /direct I\/O of 8192 bytes .* from address 64/.test(error.message));
  const buffered = openShard(fs, path, { mode: 'read' });
  shardPlan.blocks.forEach((bytes, block) => {
    for (const [from, view] of [[shard, memory.subarray(8192, 8192 + bytes)], [buffered, new Uint8Array(bytes)]] as const) {
      from.read(0, block, view);
      assert.deepEqual(view.slice(), childBlock(0, 0, block, bytes));
    }
  });
  buffered.close();
  shard.close();
});

test('one writer: a second opening is refused here and elsewhere, by the name of the holder; release and death free it', linux, async () => {
  const folder = newStore('locked'), store = openStore(fs, folder, { mode: 'write' });
  assert.throws(() => openStore(fs, folder, { mode: 'write' }), (error) => error instanceof InvalidConfig && error.message.includes(`this process (${process.pid}) writes here`));
  const refused = spawnSync(process.execPath, [child, 'lock', folder], { encoding: 'utf8', input: '', timeout: 60_000 });
  assert.match(refused.stdout, new RegExp(`"InvalidConfig".*process ${process.pid} on `));
  assert.deepEqual(describeStore(fs, folder).steps, []);
  store.close();
  const holder = start('lock', folder), said = linesOf(holder);
  assert.equal(await said.until(() => true), 'open');
  assert.throws(() => openStore(fs, folder, { mode: 'write' }), (error) => error instanceof InvalidConfig && error.message.includes(`process ${holder.pid} on `));
  holder.kill('SIGKILL');
  await said.ended;
  openStore(fs, folder, { mode: 'write' }).close();
  assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('.writer')), []);
});

test('of processes that open at the same moment at most one writes', linux, async () => {
  const folder = newStore('raced');
  for (let round = 0; round < 3; round++) {
    const racers = [0, 1, 2].map(() => start('lock', folder)), said = racers.map(linesOf);
    const first = await Promise.all(said.map((one) => one.until(() => true)));
    assert.ok(first.filter((line) => line === 'open').length <= 1, first.join('\n'));
    assert.ok(first.every((line) => line === 'open' || line?.includes('writes here')), first.join('\n'));
    for (const racer of racers) racer.stdin.end();
    await Promise.all(said.map((one) => one.ended));
  }
  openStore(fs, folder, { mode: 'write' }).close();
});

test('a claim is dead if its process is, even where another has its number; of another host it is not known', linux, () => {
  const folder = join(root, 'claims');
  mkdirSync(folder);
  const lock = lockFolder(folder), own = readdirSync(folder)[0] as string, parts = own.split('~');
  lock.release();
  const claim = (changes: Readonly<Record<number, string>>): string => {
    const name = parts.map((part, i) => changes[i] ?? part).join('~');
    writeFileSync(join(folder, name), '');
    return name;
  };
  claim({ 4: '1', 5: '99999999999', 6: 'a' });
  claim({ 4: '4194305', 6: 'b' });
  claim({ 2: '00000000', 6: 'c' });
  lockFolder(folder).release();
  assert.deepEqual(readdirSync(folder), []);
  for (const changes of [{ 1: 'elsewhere' }, { 3: '17' }]) {
    const name = claim({ ...changes, 6: 'd' });
    assert.throws(() => lockFolder(folder), (error) => error instanceof InvalidConfig && /cannot be looked up from here.*if it has ended, remove/.test(error.message) && error.message.includes(name));
    assert.deepEqual(readdirSync(folder), [name]);
    rmSync(join(folder, name));
  }
});

test('a process killed while it writes leaves the last step it told of, or the one it was committing', linux, async (t) => {
  const folder = newStore('killed');
  let newest = -1, unsaid = 0;
  for (let run = 0; run < 10; run++) {
    const writer = start('steps', folder), said = linesOf(writer);
    await said.until((line) => Number(line) >= newest + 1 + run * 3);
    writer.kill('SIGKILL');
    await said.ended;
    const told = Number(said.lines.at(-1)), store = openStore(fs, folder, { mode: 'write' }), found = store.committedSteps()[0] ?? -1;
    assert.ok(told > newest && (found === told || found === told + 1), `told ${told}, found ${found}`);
    unsaid += found - told;
    newest = found;
    assert.deepEqual(store.states(found), plan.shards.map((_, s) => childState(found, s)));
    store.shards.forEach((shard, s) => shard.plan.blocks.forEach((bytes, block) => {
      const view = new Uint8Array(bytes);
      shard.read(found, block, view);
      assert.deepEqual(view, childBlock(found, s, block, bytes));
    }));
    store.close();
  }
  t.diagnostic(`${newest + 1} steps, ${unsaid} committed and not told of`);
});

test('a file that may not grow: the step fails, says so, and the one before stays', linux, () => {
  const folder = newStore('limited');
  // Room for slot 0 and not for slot 1, in units of 512 bytes.
  const [, second] = layoutOf({ blocks: [4, 400_000], scratchBytes: 0, identity: plan.identity }).slots;
  const { stdout } = spawnSync('sh', ['-c', `ulimit -f ${(second[0] ?? 0) / 512}; exec "$0" "$@"`, process.execPath, child, 'steps', folder], { encoding: 'utf8', input: '', timeout: 60_000 });
  const [opened, ...rest] = stdout.trim().split('\n'), failure = JSON.parse(rest.at(-1) ?? '{}') as { name: string; message: string; value: string };
  assert.equal(opened, 'open');
  assert.deepEqual([failure.name, failure.value], ['StorageFailed', 'EFBIG']);
  assert.match(failure.message, /state\.bin: writing \d+ bytes at \d+: the file may not grow that large.*ulimit -f/);
  assert.deepEqual([rest.slice(0, -1), describeStore(fs, folder).steps, verifyStore(fs, folder)], [['0'], [0], []]);
});
