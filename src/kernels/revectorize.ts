/**
 * The wide build: V8's experimental pairing of 128-bit operations into 256-bit ones, used only where it proves itself.
 *
 *   reference (128, plain) ─exercise─▶ bits ┐
 *   wide (256, paired)     ─exercise─▶ bits ┴ equal? faster? ─▶ the wide module, or null: stay with 128
 *
 * The compiler's flags are set for the time of the check and put back: what was compiled under them stays in the module, which workers share.
 * Functions that the check never called are compiled later, without pairing. Not here: plans (load.ts), the kernels (wasm/).
 */
import v8 from 'node:v8';
import { nowMs } from '../util/clock.js';
import { exercise, exercisePages } from './exercise.js';
import { panelRowBytes, type Kernels } from './types.js';
import { buildModule, packWidthOf, type Width } from './wasm/module.js';

/** Node's major versions whose V8 is known to pair operations; another V8 would complain about the flag. */
const nodeMajors = [24, 25, 26];
const pairing = 'experimental-wasm-revectorize', baseline = 'liftoff';
/** The wide build has to win by this much to be taken: without 256-bit registers it loses. */
const gainMin = 1.15;

interface Candidate {
  readonly module: WebAssembly.Module;
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

const candidate = (width: Width, salt: string): Candidate => {
  const memory = new WebAssembly.Memory({ initial: exercisePages, maximum: exercisePages, shared: true });
  const module = new WebAssembly.Module(buildModule({ width, salt }));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { module, memory, kernels: { packWidth: packWidthOf(width), ...(exports as unknown as Omit<Kernels, 'packWidth'>) } };
};

/** The shortest of a few runs of a linear block of 20 × 256. */
const timeOf = ({ kernels }: Candidate, runs: number): number => {
  let best = Infinity;
  for (let run = 0; run < runs; run++) {
    const start = nowMs();
    kernels.linear(0x100_000, 20 * panelRowBytes, 0x40_000, 256 * panelRowBytes, 0x90_000, 256, 20, 8);
    best = Math.min(best, nowMs() - start);
  }
  return best;
};

const setFlag = (flag: string, on: boolean): void => v8.setFlagsFromString(on ? `--${flag}` : `--no-${flag}`);

/** The module of the wide build, or null where it is unknown, unequal or no faster. */
export const wideModule = (): WebAssembly.Module | null => {
  if (!nodeMajors.includes(Number.parseInt(process.versions.node, 10))) return null;
  // The reference runs through the baseline compiler, another one than the one that is checked.
  const reference = candidate('128', 'reference');
  const expected = exercise(reference.kernels, reference.memory);
  try {
    setFlag(baseline, false);
    const narrow = candidate('128', 'race');
    timeOf(narrow, 1);
    setFlag(pairing, true);
    const wide = candidate('256', 'wide');
    const found = exercise(wide.kernels, wide.memory);
    if (expected.length !== found.length || expected.some((bits, i) => bits !== found[i])) return null;
    return timeOf(narrow, 5) > timeOf(wide, 5) * gainMin ? wide.module : null;
  } finally {
    setFlag(pairing, false);
    setFlag(baseline, true);
  }
};
