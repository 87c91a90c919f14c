/** Threads that open one shard at the same moment write one history. Not here: what a shard refuses (shard.test.ts). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { shardChecksums } from '../../../src/storage/checksums.js';
import { verifyShard } from '../../../src/storage/look.js';
import { realFileSystem as fs } from '../../../src/storage/real-file-system.js';
import { createShard, openShard } from '../../../src/storage/shard.js';
import { childState } from '../../support/storage-contents.js';
import type { LaneProps } from '../../support/storage-lane.js';

const root = mkdtempSync(join(tmpdir(), 'waferstream-lanes-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('three lanes write the blocks of each step, one commits, all see it', async () => {
  const path = join(root, 'shard'), plan = { blocks: Array.from({ length: 14 }, (_, b) => 4 * (1 + b * 700)), scratchBytes: 0, identity: 'ab'.repeat(32) }, steps = 20, lanes = 3;
  createShard(fs, path, plan);
  const checksums = shardChecksums(plan), meet = new SharedArrayBuffer(12);
  const ends = Array.from({ length: lanes }, (_, lane) => new Promise<unknown>((resolve, reject) => {
    const workerData: LaneProps = { path, checksums, meet, lane, lanes, steps };
    new Worker(new URL('../../support/storage-lane.js', import.meta.url), { workerData }).once('exit', resolve).once('error', reject);
  }));
  assert.deepEqual(await Promise.all(ends), [0, 0, 0]);
  const shard = openShard(fs, path, { mode: 'read', plan });
  assert.deepEqual(shard.committed, [19, 18].map((step) => ({ step, state: childState(step, 0), first: false })));
  shard.close();
  assert.deepEqual(verifyShard(fs, path), []);
});
