/**
 * A sweep at work: what is missing is dealt out to lanes, and every answer is kept before the next question.
 *
 *   points ─ those without a result, in order ─▶ lanes, some points at a time ─▶ results (results.ts)
 *
 * A stop comes at a point's edge: nothing new begins, what is under way ends and is kept. A lane's failure stops the others in the same way. Not here: what a point means,
 * and where it is worked off: that is the evaluator's.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../util/errors.js';
import type { SweepPoint } from './points.js';
import type { PointResult, ResultFile } from './results.js';

/** Works off some points, and answers in their order. What it throws ends the sweep. */
export type Evaluate = (points: readonly SweepPoint[]) => Promise<readonly PointResult[]>;

export interface SweepProgress {
  /** Points with a result, of this sweep. */
  readonly done: number;
  readonly points: number;
}

export interface SweepRun {
  readonly points: readonly SweepPoint[];
  readonly results: ResultFile;
  /** One a lane. */
  readonly lanes: readonly Evaluate[];
  /** Most points that a lane is asked for at once. */
  readonly pointsAtOnce: number;
  readonly onProgress?: (progress: SweepProgress) => void;
  readonly signal?: AbortSignal;
}

export interface SweepEnd {
  /** In the order of points; null where it was stopped before. */
  readonly results: readonly (PointResult | null)[];
  /** Points whose results were there before. */
  readonly reused: number;
  readonly missing: number;
}

/** Does what is missing. A stop by `signal` is no failure: the end says what is missing then. @throws whatever an evaluator or the disk throws */
export const runSweep = async ({ points, results, lanes, pointsAtOnce, onProgress, signal }: SweepRun): Promise<SweepEnd> => {
  const open = points.filter(({ key }) => !results.results.has(key)), reused = points.length - open.length;
  let next = 0, done = reused, failed = false;
  const work = async (evaluate: Evaluate): Promise<void> => {
    while (!failed && signal?.aborted !== true && next < open.length) {
      // The last points are dealt out singly, so that no lane waits long for another.
      const share = Math.max(1, Math.min(pointsAtOnce, Math.floor((open.length - next) / (2 * lanes.length))));
      const some = open.slice(next, (next += share));
      try {
        const answers = await evaluate(some);
        assert(answers.length === some.length, `${some.length} points, ${answers.length} answers`);
        results.append(some.map((point, i) => [point, answers[i] as PointResult]));
      } catch (error) {
        failed = true;
        throw error;
      }
      done += some.length;
      onProgress?.({ done, points: points.length });
      // Signals arrive between turns.
      await nextTurn();
    }
  };
  const ends = await Promise.allSettled(lanes.map(work));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return { results: points.map(({ key }) => results.results.get(key) ?? null), reused, missing: points.length - done };
};
