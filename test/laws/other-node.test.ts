/**
 * Law: another version of Node gives the same bits. Its path comes in the variable OTHER_NODE; without it there is nothing to compare with.
 *
 * What must be equal here and there is in test/support/print-digests.ts.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const other = process.env['OTHER_NODE'];
const script = fileURLToPath(new URL('../support/print-digests.js', import.meta.url));
const digests = (node: string): string[] => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(node, [script], { encoding: 'utf8', env, timeout: 120_000 });
  assert.equal(status, 0, stderr);
  return stdout.trim().split(' ');
};

test('another Node gives the same weights', { skip: other === undefined ? 'set OTHER_NODE to the path of another node' : false }, () => {
  const own = digests(process.execPath);
  assert.equal(own.length, 25);
  assert.ok(new Set(own).size > 20);
  assert.deepEqual(digests(other as string), own);
});
