/**
 * Stages: the forward passes of a program, cut where hosts must wait for each other, and nowhere else.
 *
 *   norm ─▶ linear ─▶ gelu │ attention │ linear ─▶ add │ …        a bar is a wait
 *
 * Inside a stage a host works a range of features: the outputs of a product are its own until the next stage. A norm needs all features, so every host computes it
 * whole, in its own room, where nobody else writes its buffer. Not here: addresses (plan.ts), work (host.ts).
 */
import type { LocalStep, Program } from '../../compiler/program.js';
import { assert } from '../../util/errors.js';
import type { RotaryStep, Stage } from '../generation-layout.js';

type Step =
  | { readonly op: 'gather'; readonly buffer: number }
  | { readonly op: 'norm' | 'linear'; readonly streamed: number }
  | { readonly op: 'attention'; readonly attention: number }
  | { readonly op: 'local'; readonly local: LocalStep };

/** All that happens in a forward pass, in order; what does nothing while generating is left out. */
const stepsOf = (program: Program): Step[] =>
  program.passes.filter(({ backward }) => !backward).flatMap((pass): Step[] => {
    const locals = pass.locals.filter((local) => local.op !== 'loss' && !(local.op === 'dropout' && local.x === local.y)).map((local): Step => ({ op: 'local', local }));
    switch (pass.op) {
      case 'gather':
        return [{ op: 'gather', buffer: pass.buffer }, ...locals];
      case 'forward':
        return [{ op: program.streamed[pass.streamed]?.kind === 'norm' ? 'norm' : 'linear', streamed: pass.streamed }, ...locals];
      case 'attention':
        return [{ op: 'attention', attention: pass.attention }, ...locals];
      default:
        return locals;
    }
  });

interface Access {
  readonly reads: readonly number[];
  readonly writes: number;
}

const accessOf = (program: Program, step: Step): Access => {
  switch (step.op) {
    case 'gather':
      return { reads: [], writes: step.buffer };
    case 'norm':
    case 'linear': {
      const plan = program.streamed[step.streamed];
      assert(plan !== undefined, `streamed layer ${step.streamed} is in the program`);
      return { reads: [plan.x], writes: plan.y };
    }
    case 'attention': {
      const plan = program.attentions[step.attention];
      assert(plan !== undefined, `attention ${step.attention} is in the program`);
      return { reads: [plan.qkv], writes: plan.o };
    }
    case 'local': {
      const { local } = step;
      switch (local.op) {
        case 'relu':
        case 'gelu':
        case 'swiglu':
        case 'dropout':
          return { reads: [local.x], writes: local.y };
        case 'add':
          return { reads: [local.x, local.branch], writes: local.y };
        case 'rotary':
          return { reads: [local.x], writes: local.x };
        default:
          assert(false, `${local.op} is no step of a forward pass`);
      }
    }
  }
};

/** Buffers that norms alone write, and that leave no host: each host may have them of its own. */
export const ownBuffers = (program: Program, logits: number): ReadonlySet<number> => {
  const steps = stepsOf(program);
  const shared = new Set(steps.filter(({ op }) => op !== 'norm').map((step) => accessOf(program, step).writes));
  return new Set(steps.filter(({ op }) => op === 'norm').map((step) => accessOf(program, step).writes).filter((buffer) => buffer !== logits && !shared.has(buffer)));
};

/** A stage of features under construction: which buffers somebody reads whole, whoever writes what. */
interface Open {
  readonly norms: number[];
  linear: number | null;
  readonly locals: LocalStep[];
  features: number;
  readonly readWhole: Set<number>;
  readonly written: Set<number>;
}

const featuresOf = (program: Program, local: LocalStep): number => program.model.layers[local.layer]?.features ?? 0;

export const stagesOf = (program: Program, logits: number): Stage[] => {
  const steps = stepsOf(program), own = ownBuffers(program, logits);
  const lastAttention = steps.findLastIndex(({ op }) => op === 'attention');
  const stages: Stage[] = [];
  const work: { open: Open | null } = { open: null };
  /** Ends the stage under construction, if there is one. */
  const close = (wantedOnly: boolean): void => {
    if (work.open !== null) {
      const { norms, linear, locals, features } = work.open;
      stages.push({ kind: 'features', wantedOnly, norms, linear, locals, features });
    }
    work.open = null;
  };
  const fresh = (): Open => (work.open = { norms: [], linear: null, locals: [], features: 0, readWhole: new Set(), written: new Set() });

  for (const [index, step] of steps.entries()) {
    const { reads, writes } = accessOf(program, step), wantedOnly = index > lastAttention;
    const before = work.open;
    switch (step.op) {
      case 'gather':
        close(wantedOnly);
        stages.push({ kind: 'gather', buffer: step.buffer, wantedOnly: false });
        break;
      case 'norm':
        close(index - 1 > lastAttention);
        if (own.has(writes)) {
          const now = fresh();
          now.norms.push(step.streamed);
          reads.forEach((buffer) => now.readWhole.add(buffer));
        } else stages.push({ kind: 'norm', norm: step.streamed, wantedOnly });
        break;
      case 'linear': {
        const goesOn = before !== null && before.linear === null && before.locals.length === 0 && !before.readWhole.has(writes);
        if (!goesOn) close(index - 1 > lastAttention);
        const now = goesOn ? before : fresh();
        now.linear = step.streamed;
        now.features = program.streamed[step.streamed]?.outputs ?? 0;
        reads.forEach((buffer) => now.readWhole.add(buffer));
        now.written.add(writes);
        break;
      }
      case 'attention': {
        const turned = steps[index - 1], rotary = turned?.op === 'local' && turned.local.op === 'rotary' ? turned.local : null;
        close(false);
        stages.push({ kind: 'attention', attention: step.attention, rotary, wantedOnly: false });
        break;
      }
      case 'local': {
        const { local } = step;
        if (local.op === 'rotary') {
          close(index - 1 > lastAttention);
          const next = steps[index + 1];
          // Right before its attention it is done there.
          if (!(next?.op === 'attention' && accessOf(program, next).reads[0] === local.x)) stages.push({ kind: 'rotary', step: local satisfies RotaryStep, wantedOnly });
          break;
        }
        const features = featuresOf(program, local);
        // A gate reads two ranges of what hosts have written in one.
        const fits = before !== null && (before.features === 0 || before.features === features) && !before.readWhole.has(writes) && !(local.op === 'swiglu' && reads.some((buffer) => before.written.has(buffer)));
        if (!fits) close(index - 1 > lastAttention);
        const now = fits ? before : fresh();
        now.features = features;
        now.locals.push(local);
        now.written.add(writes);
        if (local.op === 'swiglu') reads.forEach((buffer) => now.readWhole.add(buffer));
        break;
      }
    }
  }
  close(true);
  return stages;
};
