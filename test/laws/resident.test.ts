/**
 * Law: DRAM that a budget leaves out is not touched. A process that trains on a quarter of its state has a resident memory that is smaller by what is left out, as the host counts it.
 *
 * Not here: that the bits are the same on any machine (tiers.test.ts).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freshFolder } from '../support/tiers.js';

const MiB = 2 ** 20;
const script = fileURLToPath(new URL('../support/resident.js', import.meta.url));

const trainIn = (dramBytes: number): { readonly resident: number; readonly state: number; readonly digest: string } => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, String(dramBytes), freshFolder('resident')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const [, resident, state, digest] = /resident (\d+) state (\d+) digest (\w+)/.exec(stdout) ?? [];
  return { resident: Number(resident), state: Number(state), digest: digest ?? '' };
};

test('resident memory follows the budget, with the same bits', () => {
  const all = trainIn(0), dramBytes = Math.floor(all.state / 4), quarter = trainIn(dramBytes), most = trainIn(Math.floor((all.state * 3) / 4));
  assert.ok(all.state > 120 * MiB, `${all.state} bytes of state`);
  assert.equal(quarter.digest, all.digest);
  assert.equal(most.digest, all.digest);
  const said = `resident: ${Math.round(all.resident / MiB)} MiB with all of ${Math.round(all.state / MiB)} MiB of state, ${Math.round(most.resident / MiB)} with three quarters, ${Math.round(quarter.resident / MiB)} with one`;
  // Three quarters of the state are left out; a third of that is allowed for what else a process has.
  assert.ok(all.resident - quarter.resident > (all.state - dramBytes) * (2 / 3), said);
  assert.ok(most.resident - quarter.resident > all.state / 3, said);
});
