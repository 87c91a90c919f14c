/**
 * Progress: a bar on a terminal, plain lines elsewhere, JSON lines if asked.
 *
 * Plain lines come every 5 % or 2 seconds, and at both ends. Time is only shown; nothing depends on it. Not here: summaries.
 */
import { SingleBar } from 'cli-progress';
import type { StepReport } from '../index.js';
import { nowMs } from '../util/clock.js';

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** One JSON line. */
export const printJson = (value: object): void => print(JSON.stringify(value));

/** Nats, and for text bits a byte. */
export const showLoss = (nats: number, isText: boolean): string => `${nats.toFixed(4)} nats${isText ? ` (${(nats / Math.LN2).toFixed(3)} bits a byte)` : ''}`;

/** 1234567.8 → 1,234,568 */
export const showCount = (count: number): string => Math.round(count).toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');

export interface Progress {
  step(report: StepReport): void;
  /** Leaves the terminal as it was found. */
  end(): void;
}

interface ProgressOptions {
  readonly steps: number;
  readonly isText: boolean;
  readonly json: boolean;
}

const linesMs = 2000;

const bar = ({ steps, isText }: ProgressOptions): Progress => {
  // It must not take Ctrl-C for itself: the command closes the cluster first.
  const shown = new SingleBar({ format: '[{bar}] {value}/{total} steps · loss {loss} · {rate} samples/s · {eta_formatted} left', gracefulExit: false, barsize: 24, hideCursor: false });
  shown.start(steps, 0, { loss: '…', rate: '…' });
  return {
    step: ({ step, loss, samples, seconds }) => shown.update(step + 1, { loss: showLoss(loss, isText), rate: showCount(samples / seconds) }),
    end: () => shown.stop(),
  };
};

const lines = ({ steps, isText }: ProgressOptions): Progress => {
  let shownStep = -Infinity, shownMs = nowMs(), samples = 0, seconds = 0;
  return {
    step: (report) => {
      samples += report.samples;
      seconds += report.seconds;
      const isEdge = report.step === 0 || report.step === steps - 1;
      if (!isEdge && report.step - shownStep < steps / 20 && nowMs() - shownMs < linesMs) return;
      print(`step ${String(report.step + 1).padStart(String(steps).length)}/${steps}  loss ${showLoss(report.loss, isText)}  ${showCount(samples / seconds)} samples/s`);
      shownStep = report.step;
      shownMs = nowMs();
      samples = 0;
      seconds = 0;
    },
    end: () => {},
  };
};

const json: Progress = {
  step: (report) => printJson({ type: 'step', ...report }),
  end: () => {},
};

export const progress = (options: ProgressOptions): Progress => (options.json ? json : process.stderr.isTTY === true && process.stdout.isTTY === true ? bar(options) : lines(options));
