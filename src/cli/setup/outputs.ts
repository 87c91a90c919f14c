/**
 * Files that a training writes beside its weights: a trace, TensorBoard events, CSV.
 *
 *   --trace out.json · --tensorboard DIR · --csv FILE ─openOutputs, before the first step─▶ follows steps and evaluations ─finish(record, host trace; virtual time)─▶ what was written
 *
 * Events and steps are in their files at least every second, so that they can be looked at while the run goes on; the rest follows its end. Not here: the formats (report/).
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { InvalidConfig, type EvaluationReport, type RunResult } from '../../index.js';
import { chromeTrace, type VirtualTime } from '../../report/chrome-trace.js';
import { countsCsv, evaluationsCsv, passesCsv, stepCsv, stepsCsvHead } from '../../report/csv.js';
import { evaluationValues, priceValues, stepValues, tensorBoardFileName, tensorBoardHeader, tensorBoardPoint } from '../../report/tensorboard.js';
import { nowMs, wallSeconds } from '../../util/clock.js';
import { flagOf, type OptionName, type Options } from '../options.js';
import type { Progress } from '../progress.js';

/** What was written, and how much of host time. */
export interface Written {
  readonly trace: string | null;
  readonly tensorboard: string | null;
  /** Steps first. */
  readonly csv: readonly string[];
  readonly hostTurns: number | null;
  readonly hostTurnsDropped: number | null;
}

export interface Outputs extends Progress {
  /** Whether turns of threads are wanted. */
  readonly hostTrace: boolean;
  /** Writes what the end of a run tells. `virtual`: what its work would have taken on a machine; without it, that is in none of the files. */
  finish(result: Pick<RunResult, 'record' | 'hostTrace'>, virtual?: VirtualTime): Written;
  /** Closes the files, whatever became of the run. */
  [Symbol.dispose](): void;
}

const flushMs = 1000, heldBytesMax = 1 << 20;

const refused = (name: OptionName, path: string, cause: unknown): InvalidConfig => {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return new InvalidConfig({ what: `option ${flagOf(name)}: nothing can be written there`, value: path, hint: `check the path (${code})` }, { cause });
};

/** A file that grows; on disk at least every second while it does. */
class Growing {
  readonly #file: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #writtenMs = nowMs();

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  add(bytes: Uint8Array | string): void {
    const some = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    this.#held.push(some);
    this.#heldBytes += some.length;
    if (this.#heldBytes >= heldBytesMax || nowMs() - this.#writtenMs >= flushMs) this.flush();
  }

  flush(): void {
    const bytes = Buffer.concat(this.#held);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    this.#held = [];
    this.#heldBytes = 0;
    this.#writtenMs = nowMs();
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

const writeWhole = (path: string, text: string): string => {
  const file = new Growing(path);
  try {
    file.add(text);
  } finally {
    file.close();
  }
  return path;
};

/** `run.csv` → `run.counts.csv` */
const besideOf = (file: string, what: string): string => join(dirname(file), `${basename(file, extname(file))}.${what}${extname(file) === '' ? '.csv' : extname(file)}`);

/** Opens the file of an option, `path`, or one in the folder that it names. @throws InvalidConfig naming the option */
const open = (name: OptionName, path: string, file = path): Growing => {
  try {
    if (file !== path) mkdirSync(path, { recursive: true });
    return new Growing(file);
  } catch (cause) {
    throw refused(name, path, cause);
  }
};

/** Opens what the options ask for; empty files stand where a run is refused later. @throws InvalidConfig for a place where nothing can be written */
export const openOutputs = ({ trace, tensorboard, csv }: Pick<Options, 'trace' | 'tensorboard' | 'csv'>): Outputs => {
  const beganSeconds = wallSeconds(), eventFile = tensorboard === undefined ? null : join(tensorboard, tensorBoardFileName(beganSeconds));
  const spans = trace === undefined ? null : open('trace', trace);
  const events = tensorboard === undefined || eventFile === null ? null : open('tensorboard', tensorboard, eventFile);
  events?.add(tensorBoardHeader(beganSeconds));
  const steps = csv === undefined ? null : open('csv', csv);
  steps?.add(stepsCsvHead);
  const evaluations: EvaluationReport[] = [];
  let lastStep = 0;
  return {
    hostTrace: trace !== undefined,
    step: (report) => {
      lastStep = report.step;
      events?.add(tensorBoardPoint({ wallSeconds: wallSeconds(), step: report.step, values: stepValues(report) }));
      steps?.add(stepCsv(report));
    },
    evaluation: (report) => {
      evaluations.push(report);
      // Behind so many steps: drawn where the last of them is.
      events?.add(tensorBoardPoint({ wallSeconds: wallSeconds(), step: report.step - 1, values: evaluationValues(report) }));
    },
    end: () => {
      events?.flush();
      steps?.flush();
    },
    finish: ({ record, hostTrace }, virtual) => {
      if (virtual !== undefined) events?.add(tensorBoardPoint({ wallSeconds: wallSeconds(), step: lastStep, values: priceValues(virtual.price) }));
      if (spans !== null) for (const piece of chromeTrace({ ...(virtual === undefined ? {} : { virtual }), ...(hostTrace === undefined ? {} : { host: hostTrace }) })) spans.add(piece);
      return {
        trace: trace ?? null,
        tensorboard: eventFile,
        csv: csv === undefined ? [] : [
          csv, writeWhole(besideOf(csv, 'counts'), countsCsv(record.counts)),
          ...(evaluations.length === 0 ? [] : [writeWhole(besideOf(csv, 'evaluations'), evaluationsCsv(evaluations))]),
          ...(virtual === undefined ? [] : [writeWhole(besideOf(csv, 'passes'), passesCsv(virtual.price))]),
        ],
        hostTurns: hostTrace?.turns.length ?? null,
        hostTurnsDropped: hostTrace?.dropped.reduce((sum, one) => sum + one, 0) ?? null,
      };
    },
    [Symbol.dispose]: () => {
      spans?.close();
      events?.close();
      steps?.close();
    },
  };
};
