/** Every wrong option, missing or malformed file and impossible shape: one clear line, an exit code, no stack trace, and an end by itself. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { waferstream } from './child.js';

let root = '';
const idx = (magic: readonly number[], sizes: readonly number[], values: number): Uint8Array =>
  Uint8Array.of(...magic, sizes.length, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255]), ...Array.from({ length: values }, (_, i) => i % 2));

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-cli-'));
  await Promise.all(['images', 'short', 'count', 'empty', 'gz'].map((name) => mkdir(join(root, name))));
  const pairs = {
    short: [idx([0, 0, 8], [2, 2, 2], 7), idx([0, 0, 8], [2], 2), ''],
    count: [idx([0, 0, 8], [2, 2, 2], 8), idx([0, 0, 8], [3], 3), ''],
    images: [idx([0, 0, 8], [2, 2, 2], 8), idx([0, 0, 8], [2], 2), ''],
    gz: [Uint8Array.of(0x1f, 0x8b, 8, 0), idx([0, 0, 8], [2], 2), '.gz'],
  } as const;
  await Promise.all(
    Object.entries(pairs).flatMap(([name, [images, labels, end]]) => [
      writeFile(join(root, name, `train-images-idx3-ubyte${end}`), images),
      writeFile(join(root, name, `train-labels-idx1-ubyte${end}`), labels),
    ]),
  );
  await writeFile(join(root, 'magic'), 'this is no IDX file');
  await writeFile(join(root, 'text.txt'), 'All work and no play. '.repeat(40));
  await writeFile(join(root, 'tiny.txt'), 'x');
  await writeFile(join(root, 'nothing.txt'), '');
});
after(() => rm(root, { recursive: true }));

interface Case {
  readonly args: string;
  readonly code: number;
  /** What the line must say. */
  readonly says: RegExp;
}
const cases: readonly Case[] = [
  { args: '', code: 78, says: /no command given/ },
  { args: 'trian', code: 78, says: /unknown command 'trian'.*train/ },
  { args: 'train extra', code: 78, says: /too many arguments/ },
  { args: 'train --data text.txt --stepz 3', code: 78, says: /unknown option '--stepz'.*--steps/ },
  { args: 'train --data', code: 78, says: /--data.*argument missing/ },
  { args: 'train', code: 78, says: /no data.*--data/ },
  { args: 'train --data text.txt --steps 12abc', code: 78, says: /--steps.*'12abc'/ },
  { args: 'train --data text.txt --steps -1', code: 78, says: /--steps.*'-1'/ },
  { args: 'train --data text.txt --num-csx 193', code: 78, says: /--num-csx.*'193'.*192/ },
  { args: 'train --data text.txt --learning-rate NaN', code: 78, says: /--learning-rate.*'NaN'/ },
  { args: 'train --data text.txt --threads many', code: 78, says: /--threads.*'many'.*auto/ },
  { args: 'train --data text.txt --rows 3', code: 78, says: /--rows and --cols/ },
  { args: 'train --data text.txt --momentum 0.9', code: 78, says: /--momentum.*sgd/ },
  { args: 'train --data text.txt --optimizer sgd --nesterov', code: 78, says: /nesterov.*momentum/ },
  { args: 'train --data text.txt --warmup-steps 3', code: 78, says: /--warmup-steps/ },
  { args: 'train --data text.txt --schedule cosine --warmup-steps 100', code: 78, says: /--warmup-steps.*100/ },
  { args: 'train --data text.txt --layers 0 --hidden 8', code: 78, says: /--hidden/ },
  { args: 'train --data text.txt --rows 1 --cols 1', code: 78, says: /needs \d+ bytes and \d+ are there.*microBatchSize/ },
  { args: 'train --data text.txt --rows 5000 --cols 1', code: 78, says: /5000/ },
  { args: 'train --data text.txt --micro-batch-size 33', code: 78, says: /33/ },
  { args: 'train --data nowhere', code: 1, says: /nowhere: no such file or folder/ },
  { args: 'train --data nothing.txt', code: 78, says: /nothing\.txt.*no text|no text.*nothing\.txt/ },
  { args: 'train --data empty', code: 78, says: /no text/ },
  { args: 'train --data tiny.txt', code: 78, says: /shorter than one sample/ },
  { args: 'train --data empty --model mlp', code: 1, says: /train-images-idx3-ubyte/ },
  { args: 'train --data text.txt --model mlp', code: 1, says: /text\.txt: a file where a folder/ },
  { args: 'train --data short', code: 1, says: /train-images-idx3-ubyte: truncated.*23.*24/ },
  { args: 'train --data count', code: 1, says: /2 images.*3/ },
  { args: 'train --data gz', code: 1, says: /damaged gzip/ },
  { args: 'train --data images --context 4', code: 78, says: /--context.*byte-lm/ },
  { args: 'train --images magic', code: 78, says: /--images and --labels/ },
  { args: 'train --images magic --labels magic', code: 1, says: /magic: not an IDX file/ },
  { args: 'train --images magic --labels magic --model byte-lm', code: 78, says: /byte-lm reads text/ },
  { args: 'train --images magic --labels magic --data text.txt', code: 78, says: /--data beside --images/ },
  { args: 'verify --kernels twin', code: 78, says: /unknown option '--kernels'/ },
  { args: 'verify --data nowhere', code: 1, says: /nowhere: no such file/ },
  { args: 'demo --model mlp', code: 78, says: /unknown option '--model'/ },
];

describe('bad input', { concurrency: 2 }, () => {
  for (const { args, code, says } of cases) {
    test(`waferstream ${args}`, async () => {
      const ended = await waferstream(args.split(' ').filter((arg) => arg !== ''), { cwd: root });
      assert.equal(ended.signal, null);
      assert.equal(ended.stdout, '');
      assert.match(ended.stderr, /^waferstream: [^\n]+\n$/, 'one line');
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /\bat .*:\d+:\d+|Error:|undefined|\[object/);
      assert.equal(ended.code, code);
    });
  }
});
