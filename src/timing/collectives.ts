/**
 * Collectives along a line of tiles, and the latencies of rows and columns that passes expose.
 *
 *   T = max(C, E/N + L) + (2 T_R + 1) D         C words that the busiest core receives · E hops of all words · N links · L longest way · D steps that wait for each other
 *
 * The literature's form, with a hop's and a word's cycles as the machine has them; docs/timing.md §4. Not here: sums that overlap products (demands.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import { InvalidConfig } from '../util/errors.js';

/** What a collective asks of its line. */
export interface LineDemand {
  readonly received: number;
  readonly hops: number;
  readonly links: number;
  readonly longest: number;
  readonly depth: number;
}

/** `chain`: each core adds its vector to what its neighbour sends. `star`: all send to the root. `tree`: in rounds, half of the senders each. `two-phase`: chains of √P, then a chain over their ends. */
export const lineAlgorithms = ['broadcast', 'star', 'chain', 'tree', 'two-phase'] as const;
export type LineAlgorithm = (typeof lineAlgorithms)[number];

const wordBits = 32;
/** Cycles of a step that waits for another: down one ramp, up the next, and an addition. */
const stepCycles = ({ fabric }: MachineSpec): number => 2 * fabric.rampCycles + 1;
const wordCycles = ({ fabric }: MachineSpec): number => wordBits / fabric.linkBitsPerCycle;

export const demandCycles = ({ received, hops, links, longest, depth }: LineDemand, machine: MachineSpec): number =>
  Math.max(received * wordCycles(machine), (links === 0 ? 0 : (hops / links) * wordCycles(machine)) + longest * machine.fabric.hopCycles) + stepCycles(machine) * depth;

/** Rounds of a tree over `cores`. */
const rounds = (cores: number): number => {
  let depth = 0;
  while (2 ** depth < cores) depth++;
  return depth;
};

/** What a collective over `cores` in a line with vectors of `words` asks; the root stands at the line's end. */
export const lineDemand = (algorithm: LineAlgorithm, cores: number, words: number): LineDemand => {
  const links = cores - 1, base = { links, longest: links };
  if (links === 0) return { received: 0, hops: 0, links: 0, longest: 0, depth: 0 };
  switch (algorithm) {
    case 'broadcast':
      return { ...base, received: words, hops: words * links, depth: 1 };
    case 'star':
      return { ...base, received: words * links, hops: (words * cores * links) / 2, depth: 1 };
    case 'chain':
      return { ...base, received: words, hops: words * links, depth: links };
    case 'tree': {
      const depth = rounds(cores);
      let hops = 0;
      // In round k every 2^(k+1)-th core hears from the one 2^k further on.
      for (let k = 0; k < depth; k++) hops += words * 2 ** k * Math.ceil((cores - 2 ** k) / 2 ** (k + 1));
      return { ...base, received: words * depth, hops, depth };
    }
    case 'two-phase': {
      const group = Math.max(1, Math.round(Math.sqrt(cores))), groups = Math.ceil(cores / group);
      return { ...base, received: words * (group > 1 && groups > 1 ? 2 : 1), hops: words * (groups * (group - 1) + (groups - 1) * group), depth: group - 1 + (groups - 1) };
    }
  }
};

/** Cycles of a collective along a line. @throws InvalidConfig for a line without cores, or a negative vector */
export const lineCollectiveCycles = ({ algorithm, cores, words }: { readonly algorithm: LineAlgorithm; readonly cores: number; readonly words: number }, machine: MachineSpec): number => {
  if (!Number.isInteger(cores) || cores < 1) throw new InvalidConfig({ what: 'cores of a line', value: cores, limit: 'a whole number ≥ 1' });
  if (!(words >= 0)) throw new InvalidConfig({ what: 'words of a vector', value: words, limit: 'a number ≥ 0' });
  return demandCycles(lineDemand(algorithm, cores, words), machine);
};

/** From the first to the last tile of a line that adds up: what the first word of a sum takes, its values apart. */
export const sumLatencyCycles = (cores: number, machine: MachineSpec): number => lineCollectiveCycles({ algorithm: 'chain', cores: Math.max(1, cores), words: 0 }, machine);
/** From the end of a line to every tile of it. */
export const spreadLatencyCycles = (cores: number, machine: MachineSpec): number => lineCollectiveCycles({ algorithm: 'broadcast', cores: Math.max(1, cores), words: 0 }, machine);
