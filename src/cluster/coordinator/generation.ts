/**
 * Generating: steps of lanes through the stages of the layout, and a token for every lane whose logits were asked for.
 *
 *   prompts' tokens, 256 lanes a step ─▶ first tokens ─▶ one lane for each live sequence ─▶ next tokens ─▶ …
 *                  step: stage ─credit─▶ all hosts ─all done─▶ next stage
 *
 * In a panel the lanes that are asked for come first, so that what only they need stops behind them. After a fault the step is done again: it writes the same keys,
 * values and logits. Not here: arithmetic (generation/), choosing (sampling.ts).
 */
import { lastValueFrom } from 'rxjs';
import type { Ref } from '../../actor/system.js';
import { slabTokens } from '../../kernels/types.js';
import { Credits, fromPull } from '../../stream/credit.js';
import { floats } from '../../tensor/shared-memory.js';
import { actions, readCounts, stepCounters, type Counts } from '../../trace/counts.js';
import { ActorFailed, InvalidConfig, NonFiniteLoss } from '../../util/errors.js';
import { laneTable, type GenerationLayout } from '../generation-layout.js';
import type { GenerationCommand, GenerationReply } from '../generation/protocol.js';
import { Ledger } from './ports.js';
import { chooseToken, type SamplingOptions } from './sampling.js';

export interface GeneratedToken {
  /** The prompt's place in the call. */
  readonly prompt: number;
  /** The token's place in its sequence, the prompt's first token at 0. */
  readonly place: number;
  readonly token: number;
}

export interface GenerationOptions {
  readonly layout: GenerationLayout;
  readonly hosts: readonly Ref<GenerationCommand, GenerationReply>[];
  readonly prompts: readonly { readonly tokens: ArrayLike<number>; readonly id: number }[];
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  readonly stop: ReadonlySet<number>;
  /** Most lanes of a step. */
  readonly lanesMax: number;
  readonly signal: AbortSignal;
  /** Replaces dead threads; rejects if it cannot. */
  readonly revive: () => Promise<void>;
  readonly onToken: (token: GeneratedToken) => void;
  /** Sees the logits behind every token. */
  readonly onLogits: ((prompt: number, logits: Float32Array) => void) | null;
}

export interface GenerationResult {
  readonly sequences: readonly Int32Array[];
  readonly steps: number;
  readonly faults: number;
  readonly counts: Counts;
  /** What was done again after a fault. */
  readonly redone: Counts;
  readonly credits: { readonly out: number; readonly back: number };
}

interface Lane {
  readonly sequence: number;
  readonly place: number;
  readonly token: number;
  /** Whether its logits are asked for. */
  readonly wanted: boolean;
}

/** Attempts at one step before its fault is taken for lasting. */
const attemptsMax = 8;

/** @throws NonFiniteLoss for logits that are no numbers, ActorFailed when a fault will not go away, or the signal's reason */
export const generate = async (o: GenerationOptions): Promise<GenerationResult> => {
  const { layout } = o;
  const memory = layout.memories[0] as WebAssembly.Memory, table = laneTable(memory, layout.lanes, layout.panelsMax);
  const classes = layout.program.buffers[layout.logits]?.features ?? 0;
  const credits = new Credits('stages', 1);
  const generated = o.prompts.map((): number[] => []);
  const counts = new Float64Array(actions.length), redone = new Float64Array(actions.length);
  let steps = 0, faults = 0;

  const settle = (into: Float64Array): void => {
    const counters = stepCounters(layout.counts, steps);
    counters.forEach((value, i) => {
      into[i % into.length] = (into[i % into.length] ?? 0) + value;
      counters[i] = 0;
    });
  };

  /** Writes the lane table; returns for each panel the lanes that are asked for. */
  const deal = (lanes: readonly Lane[]): readonly (readonly Lane[])[] => {
    const wanted: Lane[][] = [];
    for (let wafer = 0; wafer < layout.numCsx; wafer++) {
      const here = lanes.filter(({ sequence }) => layout.sequences[sequence]?.wafer === wafer);
      const ordered = [...here.filter((lane) => lane.wanted), ...here.filter((lane) => !lane.wanted)];
      for (let first = 0; first < ordered.length; first += slabTokens) {
        const panel = ordered.slice(first, first + slabTokens), asked = panel.filter((lane) => lane.wanted), p = wanted.push(asked) - 1;
        table.setPanel(p, wafer, panel.length, asked.length);
        panel.forEach(({ sequence, place, token }, t) => table.setLane(p * slabTokens + t, sequence, place, token));
      }
    }
    table.setPanels(wanted.length);
    return wanted;
  };

  const attempt = async (stages: readonly number[], ledger: Ledger): Promise<void> => {
    const stages$ = fromPull(stages, credits, (stage) => {
      o.signal.throwIfAborted();
      return Promise.all(o.hosts.map((host) => ledger.ask(host, { type: 'generation.work', step: steps, stage })));
    });
    try {
      await lastValueFrom(stages$, { defaultValue: [] });
    } finally {
      // After a fault nobody is left at work on the lanes.
      await ledger.quiet();
    }
  };

  const runStep = async (lanes: readonly Lane[]): Promise<readonly (readonly Lane[])[]> => {
    const wanted = deal(lanes), isAsked = wanted.some((panel) => panel.length > 0);
    const stages = layout.stages.flatMap((stage, number) => (isAsked || !stage.wantedOnly ? [number] : []));
    for (let tries = 1; ; tries++) {
      try {
        await attempt(stages, new Ledger());
        break;
      } catch (error) {
        if (!(error instanceof ActorFailed) || o.signal.aborted) throw error;
        faults++;
        if (tries >= attemptsMax) throw error;
        settle(redone);
        await o.revive();
      }
    }
    settle(counts);
    steps++;
    return wanted;
  };

  /** Logits of the lanes that were asked for, class by class: lanes lie side by side. */
  const logitsOf = (wanted: readonly (readonly Lane[])[]): { readonly lane: Lane; readonly logits: Float32Array }[] =>
    wanted.flatMap((panel, p) => {
      if (panel.length === 0) return [];
      const from = floats(memory, (layout.buffers[layout.logits] as number) + p * classes * slabTokens * 4, classes * slabTokens);
      const columns = panel.map(() => new Float32Array(classes));
      for (let c = 0; c < classes; c++) for (let t = 0; t < columns.length; t++) (columns[t] as Float32Array)[c] = from[c * slabTokens + t] as number;
      return panel.map((lane, t) => ({ lane, logits: columns[t] as Float32Array }));
    });

  /** The lane that follows from a lane's logits, or null where its sequence ends. */
  const next = (lane: Lane, logits: Float32Array): Lane | null => {
    const { sequence } = lane, place = lane.place + 1, prompt = o.prompts[sequence], tokens = generated[sequence];
    if (prompt === undefined || tokens === undefined) return null;
    o.onLogits?.(sequence, logits);
    const token = chooseToken(logits, o.sampling, place, prompt.id);
    if (token < 0) throw new NonFiniteLoss({ what: `a logit of prompt ${sequence} at place ${place}`, value: 'NaN', hint: 'check the weights' });
    tokens.push(token);
    o.onToken({ prompt: sequence, place, token });
    return tokens.length === o.maxTokens || o.stop.has(token) ? null : { sequence, place, token, wanted: true };
  };

  let lanes = o.prompts.flatMap(({ tokens }, sequence) => Array.from({ length: tokens.length }, (_, place): Lane => ({ sequence, place, token: tokens[place] as number, wanted: place === tokens.length - 1 })));
  if (o.hosts.length === 0) throw new InvalidConfig({ what: 'hosts of a generation', value: 0, limit: 'at least 1' });
  while (lanes.length > 0) {
    const following: Lane[] = [];
    for (let first = 0; first < lanes.length; first += o.lanesMax) {
      const wanted = await runStep(lanes.slice(first, first + o.lanesMax));
      for (const { lane, logits } of logitsOf(wanted)) {
        const then = next(lane, logits);
        if (then !== null) following.push(then);
      }
    }
    lanes = following.toSorted((a, b) => a.sequence - b.sequence);
  }
  return { sequences: generated.map((tokens) => Int32Array.from(tokens)), steps, faults, counts: readCounts(counts), redone: readCounts(redone), credits: { out: credits.out, back: credits.returned } };
};
