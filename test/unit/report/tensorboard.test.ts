/** TensorBoard events: checksums by the vectors of RFC 3720, files by a reader that knows the published bytes alone (test/support/read_events.py), and by the bytes of one record written out by hand. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32c, evaluationValues, maskedCrc32c, priceValues, stepValues, tensorBoardEvents, tensorBoardFileName, tensorBoardHeader, tensorBoardPoint } from '../../../src/report/tensorboard.js';
import { projectRoot } from '../../support/golden.js';
import { price } from './made-up.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-events-'));
after(() => rmSync(root, { recursive: true }));
const python = spawnSync('python3', ['--version'], { encoding: 'utf8' }).status === 0 ? false : 'python3 is not there';

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);

test('CRC-32C of the examples of RFC 3720, B.4', () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  // An iSCSI read command.
  assert.equal(crc32c(Uint8Array.from([0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])), 0xd9963a56);
  assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
  // 0x8a9136aa turned right by 15 is 0x6d551522; more 0xa282ead8 is 0x10fd7fffa, of which 32 bits stay.
  assert.equal(maskedCrc32c(new Uint8Array(32)), 0x0fd7fffa);
});

test('the bytes of one record', () => {
  const bytes = [...tensorBoardPoint({ wallSeconds: 1.5, step: 300, values: { a: -2 } })];
  const data = [0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, 0x61, 0x15, 0, 0, 0, 0xc0];
  assert.deepEqual(bytes.slice(0, 8), [data.length, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(bytes.slice(12, -4), data);
});

interface Read {
  readonly wall: number;
  readonly step: number;
  readonly version?: string;
  readonly values: Readonly<Record<string, number | string>>;
}
const read = (bytes: Uint8Array): { readonly events: readonly Read[]; readonly error: string } => {
  const path = join(root, tensorBoardFileName(1_800_000_000.7));
  writeFileSync(path, bytes);
  const { stdout, stderr } = spawnSync('python3', [join(projectRoot(), 'test/support/read_events.py'), path], { encoding: 'utf8' });
  return { events: stdout === '' ? [] : (JSON.parse(stdout) as Read[]), error: stderr };
};

test('a reader of the published format reads what was written', { skip: python }, () => {
  const points = [
    { wallSeconds: 1_800_000_001.25, step: 0, values: stepValues({ loss: 5.5, learningRate: 0.001, samples: 32, tokens: 4096, seconds: 0.5, gradientNorm: 1.25, lossScale: 65_536, skipped: true, masksUpdated: 2, sparsity: 0.75, tiers: { readBytes: 1024, writtenBytes: 2048, waitedSeconds: 0.125 } }) },
    { wallSeconds: 1_800_000_002, step: 127, values: { ...stepValues({ loss: Number.NaN, learningRate: 0, samples: 1, tokens: 1, seconds: 0 }), ...evaluationValues({ loss: 4, perplexity: Infinity }) } },
    { wallSeconds: 1_800_000_003, step: 2 ** 40 + 5, values: { 'größe · 尺寸': 0.1, ...priceValues(price) } },
  ];
  const whole = tensorBoardEvents(1_800_000_000.5, points), { events, error } = read(whole);
  assert.equal(error, '');
  assert.deepEqual(whole, Uint8Array.from([...tensorBoardHeader(1_800_000_000.5), ...points.flatMap((point) => [...tensorBoardPoint(point)])]));
  assert.deepEqual(events[0], { wall: 1_800_000_000.5, step: 0, version: 'brain.Event:2', values: {} });
  assert.deepEqual(events[1], { wall: 1_800_000_001.25, step: 0, values: {
    'loss/training': 5.5, 'optimizer/learning rate': Math.fround(0.001), 'optimizer/gradient norm': 1.25, 'optimizer/loss scale': 65_536, 'optimizer/skipped': 1, 'sparsity/absent weights': 0.75, 'sparsity/masks changed': 2,
    'host/seconds a step': 0.5, 'host/tokens a second': 8192, 'host/samples a second': 64, 'flash/read bytes': 1024, 'flash/written bytes': 2048, 'flash/waited seconds': 0.125,
  } });
  // A step that took no time has no rate.
  assert.deepEqual(events[2], { wall: 1_800_000_002, step: 127, values: { 'loss/training': 'nan', 'optimizer/learning rate': 0, 'host/seconds a step': 0, 'loss/evaluation': 4, 'loss/evaluation perplexity': 'inf' } });
  assert.equal(events[3]?.step, 2 ** 40 + 5);
  assert.equal(events[3]?.values['größe · 尺寸'], Math.fround(0.1));
  assert.equal(events[3]?.values['predicted/utilization'], Math.fround(0.1));
  assert.equal(Object.keys(events[3]?.values ?? {}).length, 10);
});

test('the reader refuses a changed byte anywhere', { skip: python }, () => {
  const whole = tensorBoardEvents(1, [{ wallSeconds: 2, step: 3, values: { a: 4 } }]);
  for (const at of [0, 9, 14, whole.length - 30, whole.length - 2]) assert.match(read(whole.map((byte, i) => (i === at ? byte ^ 1 : byte))).error, /checksum|cut off/, `byte ${at}`);
});
