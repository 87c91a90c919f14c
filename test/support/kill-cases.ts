/**
 * Real deaths of processes that train: what they train, and lives that end by SIGKILL until one is done.
 *
 *   spawn ─▶ acknowledged steps ─SIGKILL at a drawn moment─▶ look at the store ─▶ resume … ─▶ done: the digest of a run that nobody disturbed
 *
 * Not here: which cases (laws/kill.test.ts, kill-many.ts), the process (kill-training.ts).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isStore } from '../../src/emulator/stored-state.js';
import { adamW, gpt, mlp, lamb, sgd, sparsity, type ClusterOptions, type Model, type TrainOptions } from '../../src/index.js';
import { realFileSystem } from '../../src/storage/real-file-system.js';
import { openStore } from '../../src/storage/store.js';

/** A training by name and seed. */
export interface KillTraining {
  readonly name: keyof typeof makers;
  readonly seed: number;
  readonly steps: number;
}

export interface KillCase {
  readonly training: KillTraining;
  readonly memoryX: NonNullable<ClusterOptions['memoryX']>;
  readonly cluster: ClusterOptions;
  readonly resume: string | null;
}

type Made = { readonly model: Model; readonly options: Omit<TrainOptions, 'steps' | 'seed'> };

const features = (width: number, classes: number): TrainOptions['data'] => ({ kind: 'features', inputs: Float32Array.from({ length: 256 * width }, (_, i) => ((i * 31) % 17) / 17 - 0.5), labels: Int32Array.from({ length: 256 }, (_, i) => (i * 7) % classes) });
const ids = Int32Array.from({ length: 2048 }, (_, i) => (i * 7 + (i >> 3)) % 61);

/** Small ones whose steps are fast; some blocks, some groups, every way of updating. */
const makers = {
  mlp: (): Made => ({ model: mlp([40, 96, 64, 10]), options: { data: features(40, 10), optimizer: adamW(), batchSize: 32 } }),
  clipped: (): Made => ({ model: mlp([40, 96, 64, 10]), options: { data: features(40, 10), optimizer: lamb(), batchSize: 64, clipNorm: 0.5 } }),
  sparse: (): Made => ({ model: mlp([40, 96, 64, 10]), options: { data: features(40, 10), optimizer: adamW(), batchSize: 32, sparsity: sparsity({ algorithm: 'rigl', sparsity: 0.6, params: ['linear0.weight', 'linear1.weight'], update: { freq: 2 } }) } }),
  gpt: (): Made => ({ model: gpt({ vocabulary: 61, context: 32, dim: 32, layers: 2, heads: 2 }), options: { data: { kind: 'sequence', ids }, optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), batchSize: 2 } }),
};
export const names = Object.keys(makers) as readonly (keyof typeof makers)[];

export const kind = ({ name, seed, steps }: KillTraining): { readonly model: Model; readonly options: TrainOptions } => {
  const { model, options } = makers[name]();
  return { model, options: { ...options, seed, steps } };
};

interface Life {
  /** The last step that the process acknowledged; null: it never began. */
  readonly acknowledged: number | null;
  readonly digest: string | null;
  readonly errors: string;
}

const script = fileURLToPath(new URL('kill-training.js', import.meta.url));

/** One process, killed `killMs` after it has acknowledged `killStep` steps (0: after it has begun, −1: after it was spawned). */
const live = (one: KillCase, killStep: number, killMs: number): Promise<Life> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, JSON.stringify(one)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '', errors = '', isTimed = false, seen = -1;
    const kill = (): void => {
      if (isTimed || seen < killStep) return;
      isTimed = true;
      setTimeout(() => child.kill('SIGKILL'), killMs);
    };
    kill();
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      seen = text.includes('begun') ? [...text.matchAll(/^step (\d+)$/gm)].length : -1;
      kill();
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => (errors += part));
    child.on('error', reject);
    child.on('close', () => {
      const steps = [...text.matchAll(/^step (\d+)\n/gm)].map(([, step]) => Number(step));
      resolve({ acknowledged: steps.at(-1) ?? (text.includes('begun\n') ? 0 : null), digest: /^done (\w+)\n/m.exec(text)?.[1] ?? null, errors });
    });
  });

/** Steps that a store has committed in all shards, and nothing written by looking; null: there is none that could be begun with. */
const committed = (folder: string): number | null => {
  if (!isStore(folder)) return null;
  const store = openStore(realFileSystem, folder, { mode: 'read' });
  try {
    return store.committedSteps()[0] ?? null;
  } finally {
    store.close();
  }
};

export interface Lives {
  readonly kills: number;
  readonly resumed: number;
  /** Stores that had one step more than was acknowledged; and lives that ended before the store had any. */
  readonly ahead: number;
  readonly unbegun: number;
}

/** Lives until one is done: each killed as `next` says, with the machine that it names. The end has the digest of a calm run. */
export const liveAndDie = async (one: Omit<KillCase, 'resume' | 'cluster'>, folder: string, calm: string, next: (life: number) => { readonly killStep: number; readonly killMs: number; readonly cluster: ClusterOptions; readonly dramBytes: number } | null): Promise<Lives> => {
  rmSync(folder, { recursive: true, force: true });
  let kills = 0, resumed = 0, ahead = 0, unbegun = 0, from: number | null = null;
  for (let life = 0; ; life++) {
    const plan = next(life), { killStep = Infinity, killMs = 0, cluster = { threads: 1 }, dramBytes = one.memoryX.dramBytes } = plan ?? {};
    const resume = from === null ? null : folder;
    const { acknowledged, digest, errors } = await live({ ...one, memoryX: { ...one.memoryX, ...(dramBytes === undefined ? {} : { dramBytes }) }, cluster, resume }, killStep, killMs);
    if (digest !== null) {
      assert.equal(digest, calm, `life ${life} after ${kills} kills ends with other bits`);
      return { kills, resumed, ahead, unbegun };
    }
    assert.ok(plan !== null && errors === '', `life ${life} after ${kills} kills, from step ${from}: ${errors}`);
    kills++;
    const now = committed(folder), least = Math.max(acknowledged ?? 0, from ?? 0);
    // Without a commit a step there is nothing before the last.
    if (one.memoryX.durability === 'checkpoint') assert.ok(now === null || now === one.training.steps, `step ${now} is there`);
    // What was acknowledged is there, and at most the step whose commit was under way.
    else if (acknowledged !== null && acknowledged > 0) assert.ok(now !== null && now >= least && now <= least + 1, `step ${now} is there, ${acknowledged} was acknowledged, ${from} was begun with`);
    else assert.ok((now ?? 0) >= (from ?? 0) && (now ?? 0) <= least + 1, `step ${now} is there, nothing was acknowledged since ${from}`);
    if (now === null) unbegun++;
    else resumed++;
    if (now === least + 1) ahead++;
    from = now;
  }
};
