/**
 * Lanes of a sweep: this process, or several of its children, each working off some points at a time.
 *
 *   runSweep ─▶ lane ─{kind, threads, points}─▶ child.ts ─{results} or {failure}─▶ lane
 *
 * A child outlives Ctrl-C, since a sweep stops at the edge of a point, and ends with its parent. Not here: what a point is (evaluate.ts).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ActorFailed } from '../../index.js';
import type { PointResult } from '../../sweep/results.js';
import type { Evaluate } from '../../sweep/run.js';
import type { Parameters } from '../../sweep/values.js';
import { evaluatePoint } from './evaluate.js';
import type { PointKind } from './parameters.js';

export interface Question {
  readonly kind: PointKind;
  readonly threads: number | 'auto';
  readonly points: readonly Parameters[];
}
export type Answer = { readonly results: readonly PointResult[] } | { readonly failure: string };

export interface Lanes {
  readonly lanes: readonly Evaluate[];
  /** Ends the children. */
  readonly close: () => void;
}

export const answerTo = async ({ kind, threads, points }: Question): Promise<readonly PointResult[]> => {
  const results: PointResult[] = [];
  for (const parameters of points) results.push(await evaluatePoint(kind, parameters, threads));
  return results;
};

const ask = (child: ChildProcess, question: Question): Promise<readonly PointResult[]> =>
  new Promise((resolve, reject) => {
    const died = (code: number | null, signal: string | null): void => reject(new ActorFailed({ what: `a process of the sweep ended (${signal ?? `exit code ${code}`}) at ${JSON.stringify(question.points[0])}`, hint: 'the same call goes on; with fewer --jobs each has more memory' }));
    child.once('exit', died);
    child.once('message', (answer: Answer) => {
      child.off('exit', died);
      if ('results' in answer) resolve(answer.results);
      else reject(new ActorFailed({ what: answer.failure }));
    });
    child.send(question);
  });

/** As many as `jobs`: one works in this process. */
export const openLanes = (kind: PointKind, jobs: number): Lanes => {
  if (jobs === 1) return { lanes: [(points) => answerTo({ kind, threads: 'auto', points: points.map(({ parameters }) => parameters) })], close: () => undefined };
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs)), entry = fileURLToPath(new URL('./child.js', import.meta.url));
  const children = Array.from({ length: jobs }, () => fork(entry));
  return {
    lanes: children.map((child): Evaluate => (points) => ask(child, { kind, threads, points: points.map(({ parameters }) => parameters) })),
    close: () => children.forEach((child) => child.connected && child.disconnect()),
  };
};
