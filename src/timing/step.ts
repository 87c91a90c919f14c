/**
 * The step in virtual time: passes in a row without gaps, updates beside them, and what stays exposed between two steps.
 *
 *   … delta, gradient │ gradients up ▸ updates, one behind the other ▸ weights down │ forward …
 *                     0                                             a pass begins when its parameters are there
 *
 * Time 0 is the end of the last step's last pass. All is steady: every step waits like this one. Derivation: docs/timing.md §7. Not here: one pass (demands.ts).
 */
import type { MachineSpec } from '../spec/machine.js';
import type { MicroBatchWork, PassWork, PlacedPass, Work } from '../trace/work.js';
import { InvalidConfig } from '../util/errors.js';
import { spreadLatencyCycles, sumLatencyCycles } from './collectives.js';
import { arithmeticOf } from './cycles.js';
import { besideOf, costOf, flashShare, isBeside, type PassCost } from './demands.js';

/** One update: from when MemoryX is at it, against time 0; before it may lie in the step that ends there. */
export interface TimedUpdate {
  readonly layer: number;
  readonly start: number;
  readonly end: number;
}

/** From a place on in the first micro-batch's order, everything is so much later. */
export interface Wait {
  readonly place: number;
  readonly seconds: number;
}

/** A pass, or two side by side, and how often in one step. */
export interface Stretch {
  readonly passes: readonly number[];
  readonly cost: PassCost;
  readonly times: number;
}

/** A micro-batch's passes in time, the first beginning at 0: where each ends, where its results are whole. */
interface Timed {
  readonly ends: Float64Array;
  readonly whole: Float64Array;
}

export interface Step {
  /** By number in `Work.passes`, each by itself. */
  readonly costs: readonly PassCost[];
  /** Executions in one step, and seconds of all of them; passes side by side have their parts of the time. */
  readonly times: Float64Array;
  readonly secondsAStep: Float64Array;
  readonly stretches: readonly Stretch[];
  /** By micro-batch of the work. */
  readonly ends: readonly Float64Array[];
  readonly passSeconds: number;
  readonly updates: readonly TimedUpdate[];
  readonly waits: readonly Wait[];
  /** Sum of the waits, and how much of it is latency, whatever updates take. */
  readonly exposedSeconds: number;
  readonly latencySeconds: number;
  /** What MemoryX's memories are busy beyond all that: the step is as long as they are. */
  readonly starvedSeconds: number;
  readonly seconds: number;
  readonly updateBytes: number;
  readonly dramBytes: number;
  readonly flashBytes: number;
}

/** Levels of SwarmX between MemoryX and a wafer. One system still has one node. */
export const depthOf = ({ numCsx, fanIn }: Pick<Work, 'numCsx' | 'fanIn'>): number => {
  let depth = 1;
  while (fanIn ** depth < numCsx) depth++;
  return depth;
};

/** @throws InvalidConfig for work that the machine has no room for */
const checkFits = ({ fanIn, rectangle, sram }: Work, { name, wafer, swarmX }: MachineSpec): void => {
  for (const [side, limit] of [['rows', wafer.rowsMax], ['cols', wafer.colsMax]] as const) {
    if (rectangle[side] > limit) throw new InvalidConfig({ what: `${side} of the work's rectangle`, where: name, value: rectangle[side], limit, hint: 'plan the work for this machine' });
  }
  if (fanIn < 2 || fanIn > swarmX.fanInMax) throw new InvalidConfig({ what: 'down-ports of a SwarmX node', where: name, value: fanIn, limit: `2 to ${swarmX.fanInMax}`, hint: 'plan the work with another fanIn' });
  if (sram.totalBytes > wafer.sramBytesPerTile) throw new InvalidConfig({ what: "SRAM of the work's fullest tile, in bytes", where: name, value: sram.totalBytes, limit: wafer.sramBytesPerTile, hint: 'plan the work for this machine' });
};

/** What is on its way between the wafers and MemoryX: gradients from the last product to the unit, and weights from there to the first product. */
const latencies = (work: Work, machine: MachineSpec): { readonly up: number; readonly down: number } => {
  const { rows, cols } = work.rectangle, cycle = 1 / machine.wafer.clockHz, nodes = depthOf(work) * machine.swarmX.nodeLatencySeconds;
  // The last tile of a row is behind the first by the way of a sum; a gradient then goes up its column.
  const columns = work.kind === 'training' ? sumLatencyCycles(rows, machine) : 0;
  return { up: nodes + (sumLatencyCycles(cols, machine) + columns) * cycle, down: nodes + spreadLatencyCycles(rows, machine) * cycle };
};

/** Updates one behind the other: in the order of their gradients, or, where all wait for the step's verdict, in the order in which they are wanted. */
const timeUpdates = (work: Work, machine: MachineSpec, whole: Float64Array, up: number): { readonly timed: TimedUpdate[]; readonly before: number[]; readonly bytes: number } => {
  const { memoryX } = machine, onFlash = flashShare(work, machine), last = whole.at(-1) ?? 0;
  const updates = work.verdict ? work.updates.toSorted((a, b) => a.before - b.before) : work.updates;
  let free = Number.NEGATIVE_INFINITY, bytes = 0;
  const timed = updates.map(({ layer, readBytes, writeBytes, after }): TimedUpdate => {
    const moved = readBytes + writeBytes, start = Math.max(free, (work.verdict ? 0 : (whole[after] ?? 0) - last) + up);
    free = start + Math.max(moved / memoryX.dramBytesPerSecond, (moved * onFlash) / memoryX.flashBytesPerSecond);
    bytes += moved;
    return { layer, start, end: free };
  });
  return { timed, before: updates.map(({ before }) => Math.max(0, before)), bytes };
};

interface Counted extends Stretch {
  times: number;
}

/** Stretches as they are found, each distinct one once: tens of thousands of places share a few. */
class Stretches {
  readonly #alone: Counted[];
  readonly #beside = new Map<number, Counted>();
  readonly #costs: readonly PassCost[];
  readonly #work: Work;
  readonly #machine: MachineSpec;
  /** Passes that may run beside the next one. */
  readonly #mayLead: Uint8Array;
  constructor(costs: readonly PassCost[], work: Work, machine: MachineSpec) {
    this.#costs = costs;
    this.#work = work;
    this.#machine = machine;
    this.#alone = costs.map((cost, pass) => ({ passes: [pass], cost, times: 0 }));
    this.#mayLead = Uint8Array.from(work.passes, ({ op }) => (work.passes.some((other) => isBeside(op, other.op)) ? 1 : 0));
  }

  /** That of the pass at a place of an order, with the next one if they run side by side. */
  at(order: MicroBatchWork['order'], place: number, times: number): Stretch {
    const first = order[place] as PlacedPass, next = this.#mayLead[first.pass] === 1 ? order[place + 1] : undefined, { passes } = this.#work;
    const found = next !== undefined && next.layer === first.layer && isBeside((passes[first.pass] as PassWork).op, (passes[next.pass] as PassWork).op) ? this.#pair(first.pass, next.pass) : (this.#alone[first.pass] as Counted);
    found.times += times;
    return found;
  }

  #pair(a: number, b: number): Counted {
    const key = a * this.#costs.length + b;
    let found = this.#beside.get(key);
    if (found === undefined) this.#beside.set(key, (found = { passes: [a, b], cost: besideOf(this.#costs[a] as PassCost, this.#costs[b] as PassCost, this.#work, this.#machine), times: 0 }));
    return found;
  }

  get all(): Stretch[] {
    return [...this.#alone, ...this.#beside.values()].filter(({ times }) => times > 0);
  }
}

/** The first pass's part of a stretch: by what each would take alone. */
const firstPart = ({ passes, cost }: Stretch, costs: readonly PassCost[]): number => {
  const [a, b] = passes.map((pass) => (costs[pass] as PassCost).seconds) as [number, number?];
  return b === undefined ? cost.seconds : a + b === 0 ? 0 : (cost.seconds * a) / (a + b);
};

const timeMicroBatch = ({ order, times }: MicroBatchWork, costs: readonly PassCost[], stretches: Stretches): Timed => {
  const ends = new Float64Array(order.length), whole = new Float64Array(order.length);
  let now = 0;
  for (let place = 0; place < order.length; ) {
    const stretch = stretches.at(order, place, times), begin = now;
    now += stretch.cost.seconds;
    if (stretch.passes.length === 2) {
      ends[place] = begin + firstPart(stretch, costs);
      whole[place++] = now;
    }
    ends[place] = now;
    whole[place++] = now;
  }
  return { ends, whole };
};

/** One steady step. @throws InvalidConfig for work that the machine has no room for */
export const stepOf = (work: Work, machine: MachineSpec): Step => {
  checkFits(work, machine);
  const arithmetic = arithmeticOf(work.numbers, machine.core), costs = work.passes.map((pass) => costOf(pass, work, machine, arithmetic));
  const found = new Stretches(costs, work, machine), timed = work.microBatches.map((microBatch) => timeMicroBatch(microBatch, costs, found)), stretches = found.all;
  const times = new Float64Array(costs.length), secondsAStep = new Float64Array(costs.length);
  for (const stretch of stretches) {
    const first = firstPart(stretch, costs);
    stretch.passes.forEach((pass, i) => {
      times[pass] = (times[pass] as number) + stretch.times;
      secondsAStep[pass] = (secondsAStep[pass] as number) + stretch.times * (i === 0 ? first : stretch.cost.seconds - first);
    });
  }
  const passSeconds = stretches.reduce((sum, { cost, times: repeated }) => sum + cost.seconds * repeated, 0);

  const { up, down } = latencies(work, machine), none = new Float64Array(0);
  const first = timed[0]?.ends ?? none, { timed: updates, before, bytes: updateBytes } = timeUpdates(work, machine, timed.at(-1)?.whole ?? none, up);
  // The next token of a text is known when the last one has come down all the way.
  const wanted = work.kind === 'generation' ? [{ place: 0, ready: up + down }] : updates.map(({ end }, i) => ({ place: before[i] as number, ready: end + down }));
  const waits: Wait[] = [];
  let exposedSeconds = 0;
  for (const { place, ready } of wanted.toSorted((a, b) => a.place - b.place)) {
    const late = ready - ((place === 0 ? 0 : (first[place - 1] ?? 0)) + exposedSeconds);
    if (late <= 0) continue;
    waits.push({ place, seconds: late });
    exposedSeconds += late;
  }

  let dramBytes = updateBytes, flashBytes = updateBytes * flashShare(work, machine);
  costs.forEach(({ traffic }, i) => {
    dramBytes += traffic.dramBytes * (times[i] as number);
    flashBytes += traffic.flashBytes * (times[i] as number);
  });
  const busy = Math.max(dramBytes / machine.memoryX.dramBytesPerSecond, flashBytes / machine.memoryX.flashBytesPerSecond);
  const starvedSeconds = Math.max(0, busy - passSeconds - exposedSeconds);
  return {
    costs, times, secondsAStep, stretches, ends: timed.map(({ ends }) => ends), passSeconds, updates, waits, exposedSeconds, latencySeconds: Math.min(exposedSeconds, wanted.length === 0 ? 0 : up + down), starvedSeconds,
    seconds: passSeconds + exposedSeconds + starvedSeconds, updateBytes, dramBytes, flashBytes,
  };
};
