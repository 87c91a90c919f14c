/**
 * GPT-2 1.5B with its first, random weights, AdamW: one training step with eight times the state that the process may hold; twice.
 *
 * Verified: both runs give the same bits, the loss of random weights lies near that of a guess, no process held more than 4 GiB. Left out, with a word, where the disk has
 * too little room. Not here: the price of tiers beside all in DRAM (memoryx.bench.ts), GPT-2 124M (gpt2.bench.ts).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gpt } from '../src/index.js';
import { batch, context, dramBytes, GiB, size, type Once } from './gpt2-xl-once.js';
import type { Outcome } from './harness/results.js';
import type { BenchOptions } from './run.js';

const GB = 1e9, runs = 2, peakMax = 4 * GiB, lossApart = 0.5;
/** Weights and two moments in both slots, gradients, and some room to spare. */
const diskBytesAParameter = 30;

const runOnce = (flashDir: string): Once => {
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(new URL('./gpt2-xl-once.js', import.meta.url)), flashDir], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  rmSync(flashDir, { recursive: true, force: true });
  if (status !== 0) throw new Error(`the step ended with ${status}`);
  return JSON.parse(stdout) as Once;
};

export const run = async (_options: BenchOptions): Promise<Outcome> => {
  const { parameterCount } = gpt(size), folder = mkdtempSync(join(tmpdir(), 'waferstream-'));
  const named = (what: string): string => `GPT-2 1.5B, batch ${batch} × ${context}, AdamW, threads: ${availableParallelism()}, ${dramBytes / GiB} GiB of DRAM: ${what}`;
  try {
    const { bavail, bsize } = statfsSync(folder), need = parameterCount * diskBytesAParameter, free = bavail * bsize;
    if (free < need) return { tables: [], verified: [], skipped: [`GPT-2 1.5B: its state wants ${(need / GB).toFixed(0)} GB of disk, ${(free / GB).toFixed(0)} GB are free`], kernels: '' };
    const all = Array.from({ length: runs }, (_, i) => runOnce(join(folder, String(i)))), [first] = all as [Once], peak = Math.max(...all.map(({ peakBytes }) => peakBytes));
    if (all.some(({ digest, loss }) => digest !== first.digest || loss !== first.loss)) throw new Error(`weights or losses differ: ${JSON.stringify(all)}`);
    if (!(Math.abs(first.loss - Math.log(size.vocabulary)) < lossApart)) throw new Error(`a loss of ${first.loss} over ${size.vocabulary} ids is not that of random weights`);
    if (peak > peakMax) throw new Error(`a process held ${(peak / GiB).toFixed(2)} GiB`);
    return {
      tables: [], skipped: [], kernels: first.kernels,
      verified: [`GPT-2 of ${(parameterCount / 1e6).toFixed(1)} M parameters, ${(first.stateBytes / GB).toFixed(1)} GB of state: ${runs} runs gave the same weights to the bit, loss ${first.loss.toFixed(4)}`],
      figures: [
        { name: named('one training step'), value: Math.min(...all.map(({ step }) => step)), unit: 's', goal: 'reported' },
        { name: named('the whole run with first weights and digest'), value: Math.min(...all.map(({ whole }) => whole)), unit: 's', goal: 'reported' },
        { name: named('peak resident memory'), value: peak / GiB, unit: 'GiB', goal: '< 4 GiB' },
        { name: named('read from flash'), value: first.readBytes / GB, unit: 'GB' },
        { name: named('written to flash'), value: first.writtenBytes / GB, unit: 'GB' },
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
