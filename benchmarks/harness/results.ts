/**
 * Result files: benchmarks/results/<name>.<node major>.json, raw samples kept. They name the processor and the runtime, never a path or a host.
 *
 * Not here: measuring (rounds.ts), tables for people (readme.ts).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { resultsFolder } from './paths.js';
import type { Ratio, Samples } from './rounds.js';

export interface Table {
  readonly title: string;
  /** Work of one sample, if its rate says more than its seconds: rate = work ÷ seconds ÷ unitScale. */
  readonly work?: { readonly amount: number; readonly unit: string };
  readonly samples: readonly Samples[];
  readonly ratios: readonly Ratio[];
}

/** A figure that is counted or taken once, rather than timed in rounds. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** How far the values whose mean it is lie from it at most. */
  readonly spread?: number;
  readonly unit: string;
  readonly goal?: string;
}

export interface Outcome {
  readonly tables: readonly Table[];
  readonly figures?: readonly Figure[];
  /** What was verified before anything was timed. */
  readonly verified: readonly string[];
  /** Peers and variants that were left out, and why. */
  readonly skipped: readonly string[];
  readonly kernels: string;
}

export interface ResultFile extends Outcome {
  readonly name: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string; readonly v8: string };
}

export const nodeMajor = (): string => process.versions.node.split('.')[0] ?? '';

export const writeResult = (name: string, outcome: Outcome): void => {
  const file: ResultFile = {
    name,
    machine: { cpu: (cpus()[0]?.model ?? 'unknown').trim(), cores: availableParallelism(), node: process.versions.node, v8: process.versions.v8 },
    ...outcome,
  };
  mkdirSync(resultsFolder, { recursive: true });
  // Six significant digits are more than a clock gives.
  const text = JSON.stringify(file, (_key, value: unknown) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value), 1);
  writeFileSync(join(resultsFolder, `${name}.${nodeMajor()}.json`), `${text}\n`);
};

/** "34.1 GFLOP/s" or "12.3 ms". */
export const shown = (seconds: number, work: Table['work']): string => {
  if (work !== undefined) return `${(work.amount / seconds).toPrecision(3)} ${work.unit}`;
  return seconds < 1 ? `${(seconds * 1000).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
};

/** "2.310 ± 0.020 nats" or "3.4 GiB", with so many digits; a spread with as many behind the point as its value. */
export const shownFigure = ({ value, spread, unit }: Figure, digits: number): string => {
  const number = value.toPrecision(digits), tail = unit === '' ? '' : ` ${unit}`;
  return spread === undefined ? `${Number(number)}${tail}` : `${number} ± ${spread.toFixed(number.split('.')[1]?.length ?? 0)}${tail}`;
};

export const printOutcome = (outcome: Outcome): void => {
  for (const line of outcome.verified) console.log(`  verified  ${line}`);
  for (const line of outcome.skipped) console.log(`  skipped   ${line}`);
  for (const table of outcome.tables) {
    console.log(`\n  ${table.title}`);
    for (const s of table.samples) console.log(`    ${s.name.padEnd(34)} median ${shown(s.median, table.work).padEnd(16)} best ${shown(s.best, table.work)}`);
    for (const r of table.ratios) {
      const best = r.best === undefined ? '' : ` of best ${r.best.toFixed(3)}`;
      console.log(`    ${r.name.padEnd(50)} ${r.median.toFixed(3)}${best}${r.goal === undefined ? '' : `   goal ${r.goal}`}`);
    }
  }
  for (const f of outcome.figures ?? []) console.log(`    ${f.name.padEnd(50)} ${shownFigure(f, 4)}${f.goal === undefined ? '' : `   goal ${f.goal}`}`);
};
