/**
 * Progress: a bar on a terminal, lines elsewhere, JSON lines where a command gives them. Evaluations stand above the bar, so that the fall of the loss stays to be read.
 *
 * Not here: what is run, summaries.
 */
import { MultiBar, Presets } from 'cli-progress';
import type { EvaluationReport, StepReport } from '../index.js';
import { nowMs } from '../util/clock.js';

/** Prints to stdout. */
export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** What a loss is the mean of: bytes and tokens of text, or samples. */
export type LossOf = 'byte' | 'token' | 'sample';

/** Nats, and for bytes bits. */
export const showLoss = (nats: number, of: LossOf): string => `${nats.toFixed(4)} nats${of === 'byte' ? ` (${(nats / Math.LN2).toFixed(3)} bits a byte)` : ''}`;

/** 1234567.8 → 1,234,568 */
export const showCount = (count: number): string => Math.round(count).toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');

/** What the speed of a run is counted in. */
export type Unit = 'samples' | 'tokens';
export const showRate = (unit: Unit, count: number, seconds: number): string => `${showCount(count / seconds)} ${unit}/s`;

/** ` · 90.0 % sparse` behind a step that says so. */
const showSparse = (sparsity: number | null, before: string): string => (sparsity === null ? '' : `${before}${(100 * sparsity).toFixed(1)} % sparse`);

/** ` · 3 steps skipped, loss scale 4096` once a gradient has overflowed. */
export const showSkipped = (skipped: number, scale: number | null | undefined, before: string): string => (skipped === 0 ? '' : `${before}${skipped} step${skipped === 1 ? '' : 's'} skipped, loss scale ${scale}`);

export interface Progress {
  step(report: StepReport): void;
  evaluation(report: EvaluationReport): void;
  /** Leaves the terminal as it was found. */
  end(): void;
}

interface ProgressOptions {
  readonly steps: number;
  readonly lossOf: LossOf;
  readonly unit: Unit;
}

const linesMs = 2000;
/** Seconds of the last steps from which the speed and the time left are taken. */
const recentSeconds = 5;

const showEvaluation = ({ steps, lossOf }: ProgressOptions, { step, loss, perplexity }: EvaluationReport): string =>
  `step ${String(step).padStart(String(steps).length)}/${steps}  held out: loss ${showLoss(loss, lossOf)}, perplexity ${perplexity.toFixed(2)}`;

const bar = (options: ProgressOptions): Progress => {
  const { steps, lossOf, unit } = options;
  // It must not take Ctrl-C for itself: the command closes the cluster first.
  const bars = new MultiBar(
    { format: '[{bar}] {value}/{total} steps · loss {loss} · {rate}{sparse}{skipped} · {eta_formatted} left', gracefulExit: false, barsize: 24, hideCursor: false, etaBuffer: 50 },
    Presets.legacy,
  );
  const shown = bars.create(steps, 0, { loss: '…', rate: '…', sparse: '', skipped: '' });
  let done = 0, seconds = 0, sparse = '', skipped = 0;
  return {
    step: (report) => {
      const fade = Math.max(0, 1 - report.seconds / recentSeconds);
      done = done * fade + report[unit];
      seconds = seconds * fade + report.seconds;
      // From the first change of a mask on.
      if (sparse !== '' || (report.masksUpdated ?? 0) > 0) sparse = showSparse(report.sparsity ?? null, ' · ');
      if (report.skipped === true) skipped++;
      shown.update(report.step + 1, { loss: showLoss(report.loss, lossOf), rate: showRate(unit, done, seconds), sparse, skipped: showSkipped(skipped, report.lossScale, ' · ') });
    },
    evaluation: (report) => bars.log(`${showEvaluation(options, report)}\n`),
    end: () => {
      bars.update();
      bars.stop();
    },
  };
};

const lines = (options: ProgressOptions): Progress => {
  const { steps, lossOf, unit } = options;
  let shownStep = -Infinity, shownMs = nowMs(), done = 0, seconds = 0, changed = 0, skipped = 0;
  return {
    step: (report) => {
      done += report[unit];
      seconds += report.seconds;
      changed += report.masksUpdated ?? 0;
      if (report.skipped === true) skipped++;
      const isEdge = report.step === 0 || report.step === steps - 1;
      if (!isEdge && report.step - shownStep < steps / 20 && nowMs() - shownMs < linesMs) return;
      print(`step ${String(report.step + 1).padStart(String(steps).length)}/${steps}  loss ${showLoss(report.loss, lossOf)}  ${showRate(unit, done, seconds)}${changed === 0 ? '' : `${showSparse(report.sparsity ?? null, '  ')}, masks changed`}${showSkipped(skipped, report.lossScale, '  ')}`);
      shownStep = report.step;
      shownMs = nowMs();
      done = 0;
      seconds = 0;
      changed = 0;
    },
    evaluation: (report) => print(showEvaluation(options, report)),
    end: () => {},
  };
};

/** A line of JSON for each step and evaluation. */
export const jsonProgress = (say: (line: ({ readonly type: 'step' } & StepReport) | ({ readonly type: 'evaluation' } & EvaluationReport)) => void): Progress => ({
  step: (report) => say({ type: 'step', ...report }),
  evaluation: (report) => say({ type: 'evaluation', ...report }),
  end: () => {},
});

export const progress = (options: ProgressOptions): Progress => (process.stderr.isTTY === true && process.stdout.isTTY === true ? bar(options) : lines(options));
