/** Text: the order of files, what is skipped, what is refused, and the entropy of bytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { bytesEntropy, folderFileBytesMax, readText } from '../../../src/formats/text.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-text-'));
});
after(() => rm(root, { recursive: true }));

const folderOf = async (name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name, path)), { recursive: true });
    await writeFile(join(root, name, path), content);
  }
  return join(root, name);
};
const textOf = async (path: string | string[]): Promise<[string, number]> => {
  const { bytes, files } = await readText(path);
  return [Buffer.from(bytes).toString('latin1'), files];
};
const refused = (path: string | string[], kind: typeof CorruptFile | typeof InvalidConfig, word: string) =>
  assert.rejects(readText(path), (error: Error) => error instanceof kind && error.message.includes(word) && !error.message.includes('\n'), String(path));

describe('readText', () => {
  test('a file is taken as it is, even where a folder would skip it', async () => {
    const folder = await folderOf('single', { '.hidden': 'a\0b' });
    assert.deepEqual(await textOf(join(folder, '.hidden')), ['a\0b', 1]);
  });

  test('a folder gives its text files in code unit order, with a newline between two', async () => {
    const folder = await folderOf('order', { 'b.txt': 'b', 'B.txt': 'B', 'a/z.txt': 'az', 'a/Z.txt': 'aZ', 'a.txt': 'a', 'ä.txt': 'ae', '10': '10', '9': '9' });
    assert.deepEqual(await textOf(folder), ['10\n9\nB\naZ\naz\na\nb\nae', 8]);
  });

  test('a folder skips dot names, node_modules, dist, links, binary, empty and large files', async () => {
    const folder = await folderOf('skips', {
      'keep.txt': 'keep', '.git/x': '1', '.env': '2', 'node_modules/x': '3', 'dist/x': '4', 'deep/node_modules/x': '5', 'empty': '', 'binary': new Uint8Array([65, 0, 66]),
      'large': 'x'.repeat(folderFileBytesMax + 1), 'limit': 'y'.repeat(folderFileBytesMax), 'distance/x': 'kept',
    });
    await symlink('keep.txt', join(folder, 'link.txt'));
    await symlink('.', join(folder, 'loop'));
    assert.deepEqual(await textOf(folder), [`kept\nkeep\n${'y'.repeat(folderFileBytesMax)}`, 3]);
  });

  test('several paths follow each other as given', async () => {
    const folder = await folderOf('several', { 'x': 'x', 'sub/y': 'y' });
    assert.deepEqual(await textOf([join(folder, 'x'), join(folder, 'sub'), join(folder, 'x')]), ['x\ny\nx', 3]);
  });

  test('what is missing, not readable, no file or empty is refused and named', async () => {
    const folder = await folderOf('bad', { 'file': 'x', 'none/.keep': '', 'zero': '', 'locked/x': 'x' });
    await refused(join(folder, 'nothing'), CorruptFile, 'nothing: no such file');
    await refused([join(folder, 'file'), join(folder, 'nothing')], CorruptFile, 'nothing: no such file');
    await refused(join(folder, 'file', 'x'), CorruptFile, 'no folder');
    await refused(join(folder, 'none'), InvalidConfig, 'no text found');
    await refused(join(folder, 'zero'), InvalidConfig, 'no text found');
    await refused([], InvalidConfig, 'no text found');
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await refused(join(folder, 'pipe'), InvalidConfig, 'neither a file nor a folder');
    if (process.getuid?.() !== 0) {
      await chmod(join(folder, 'locked'), 0);
      await refused(join(folder, 'locked'), CorruptFile, 'not permitted');
      await chmod(join(folder, 'locked'), 0o700);
    }
  });
});

describe('bytesEntropy', () => {
  test('is 0 of one value, log2 n of n equally frequent values, and in bits and nats the same', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 1, max: 5 }), (n, times) => {
        const { bits, nats } = bytesEntropy(Uint8Array.from({ length: n * times }, (_, i) => i % n));
        assert.ok(Math.abs(bits - Math.log2(n)) < 1e-12 && Math.abs(nats - Math.log(n)) < 1e-12);
      }),
      { seed: 11 },
    ));

  test('of a known text: 1/2, 1/4, 1/8, 1/8 have 1.75 bits', () => {
    assert.equal(bytesEntropy(Buffer.from('aaaabbcd')).bits, 1.75);
    assert.equal(bytesEntropy(new Uint8Array()).bits, 0);
  });
});
