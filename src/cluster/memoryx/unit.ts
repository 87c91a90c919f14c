/**
 * A MemoryX unit: parameters live here, weights leave from here, gradients come home here, and the optimizer runs here.
 *
 *   down   weights[s mod 2] ─pack─▶ staging ─▶ a weight slot of the arena
 *   up     gradient slot ─▶ staging ─tree─▶ gradients[0] ─update─▶ weights[(s+1) mod 2]
 *   A sparse weight is kept, sent, collected and updated at the positions that its mask stores (masks.ts, mask-store.ts, sparse-send.ts).
 *
 * Units share the memories and split the work: blocks by number, updates by element. Not here: when (the coordinator).
 */
import type { Behavior } from '../../actor/behavior.js';
import type { LinearPlan } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { squareLeafFloats, type Kernels } from '../../kernels/types.js';
import { optimizerFor, type Optimizer } from '../../model/optimizer.js';
import { numberFormats } from '../../model/precision.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import { nodeAddress, quadFill, shapeInSlot, storedShape, type GradientPart } from '../gradient-nodes.js';
import { journalWords, stretchFloats, type ClusterLayout, type ParameterPlace } from '../layout.js';
import { updateMask } from '../mask-store.js';
import { MaskTable, sparseGradientOf, wantsDenseGradient, type MaskInUse } from '../masks.js';
import { denseAbove } from '../sparse-block.js';
import { changedIn, sumsOver, sweepsOf } from '../sweeps.js';
import { inDram, placeNow } from '../tiers.js';
import { sendBlock, sendTurned, valuesOf, type Sender } from './dense-send.js';
import { arrivals, NodeStack, type StackValues } from './collect.js';
import { embeddingSide } from './embedding.js';
import { unitShare } from './places.js';
import type { MemoryXCommand, MemoryXReply } from './protocol.js';
import { weightRounding } from './rounding.js';
import { scalarsAt, type Scalars } from './scalars.js';
import { sendSparse } from './sparse-send.js';
import { sparseSquares } from './sparse-squares.js';
import { gradientStretch, type UpdatePlace, type UpdateShare } from './share.js';
import { busySweep, keepShare, restoreBusy, updateShare } from './update.js';

export interface MemoryXProps {
  readonly layout: ClusterLayout;
  readonly unit: number;
  readonly counter: number;
}

export const memoryXUnit = (props: MemoryXProps): Behavior<MemoryXCommand, MemoryXReply> => {
  const { layout, unit } = props;
  const { program, memoryX, arena, arenaMemory } = layout;
  const units = memoryX.units.length;
  const own = memoryX.units[unit];
  assert(own !== undefined, `unit ${unit} is planned`);
  const kernels = layout.memoryXMemories.map((memory) => createKernels(layout.kernels, memory));
  const kernelsOf = (memory: number): Kernels => kernels[memory] as Kernels;
  const countersOf = counters(layout.counts, props.counter);
  const microBatches = dealBatch(layout.batch), incoming = arrivals(layout.batch, arena.bands);
  const stacks = new Map<string, NodeStack>();
  const side = memoryX.embeddings.length === 0 ? null : embeddingSide(layout, memoryX.embeddings, kernelsOf, weightRounding(layout));
  /** Each parameter's own optimizer, and the scalars of the step at hand. */
  const optimizers = program.model.parameters.map((spec) => optimizerFor(layout.optimizer, spec));
  const scalars = new Map<Optimizer, { readonly step: number; readonly values: Scalars }>();

  const at = (parameter: number): { readonly place: ParameterPlace; readonly kernels: Kernels; readonly memory: WebAssembly.Memory; readonly staging: number } => {
    const place = placeNow(layout, parameter);
    const memory = layout.memoryXMemories[place.memory], k = kernels[place.memory], staging = own.staging[place.memory];
    assert(memory !== undefined && k !== undefined && staging !== undefined, `parameter ${parameter} has a place`);
    return { place, kernels: k, memory, staging };
  };
  const weightsOf = (parameter: number, step: number): number => inDram(at(parameter).place.weights[step % 2 === 0 ? 0 : 1]);
  const masks = new MaskTable(layout.masks), limits = denseAbove(layout.kernels);
  const fill = microBatches[0] === undefined ? 1 : quadFill(arena.bands, microBatches[0], slabsOfSample(layout.batch));
  /** A parameter as its optimizer sees it in a step, and how many values that are: of a sparse one, those that are stored. */
  const inStep = (parameter: number, step: number): { readonly place: UpdatePlace; readonly mask: MaskInUse | null; readonly size: number } => {
    const { place } = at(parameter), { sparse } = place, spec = program.model.parameters[parameter];
    assert(spec !== undefined, `parameter ${parameter} is in the model`);
    if (sparse === null) return { place, mask: null, size: spec.size };
    const mask = masks.at(sparse, step), [dense] = sparse.dense;
    const gathered = dense !== undefined && wantsDenseGradient(sparse.plan, step) ? { gathered: { dense, positions: mask.place.positions } } : {};
    return { place: { weights: mask.place.weights, moments: mask.place.moments, gradients: place.gradients, tableRoot: null, ...gathered }, mask, size: mask.stored };
  };

  const rounding = weightRounding(layout), valueBytes = numberFormats[program.numbers.weights].bytes;
  const senderOf = (parameter: number, step: number): Sender => {
    const { memory, kernels: k, staging } = at(parameter);
    return { memory, kernels: k, staging, weights: weightsOf(parameter, step), arena: arenaMemory, rounding, parameter, step };
  };

  const sendStored = (plan: LinearPlan, message: Extract<MemoryXCommand, { type: 'memoryx.send' }>, slot: number): number => {
    const { sparse } = at(plan.weight).place;
    const isDelta = message.pass === 1, block = (isDelta ? plan.deltaBlocks : plan.forwardBlocks)[message.block];
    assert(sparse !== null && block !== undefined, 'the block is that of a sparse weight');
    const mask = masks.at(sparse, message.step), pass = isDelta ? 'delta' : message.pass === 3 ? 'gradient' : 'forward';
    const bias = pass === 'forward' && plan.bias !== null ? valuesOf(senderOf(plan.bias, message.step), block.first, block.count).slice() : null;
    const sender = { ...senderOf(plan.weight, message.step), weights: mask.place.weights[message.step % 2 === 0 ? 0 : 1], slot, forms: layout.forms, limits, quadFill: fill, valueBytes };
    const { bytes, stored } = sendSparse(sender, plan, sparse, mask, pass, block, message.block, bias);
    if (message.gradientSlot >= 0) words(arenaMemory, arena.gradientHeads, message.gradientSlot + 1)[message.gradientSlot] = stored;
    return bytes;
  };

  /** Returns the bytes that travel. */
  const send = (message: Extract<MemoryXCommand, { type: 'memoryx.send' }>): number => {
    const plan = program.streamed[message.streamed], isForward = message.pass !== 1;
    const block = isForward ? plan?.forwardBlocks[message.block] : plan?.deltaBlocks[message.block];
    const slot = arena.weightSlots[message.slot];
    assert(plan !== undefined && block !== undefined && slot !== undefined, 'the block and its slot exist');
    if (at(plan.weight).place.sparse !== null && plan.kind === 'linear') return sendStored(plan, message, slot);
    const sender = senderOf(plan.weight, message.step);
    const contracted = plan.kind === 'norm' ? 1 : isForward ? plan.inputs : plan.outputs;
    const packed = contracted * block.count;
    if (plan.kind === 'norm') floats(arenaMemory, slot, packed).set(valuesOf(sender, 0, packed));
    // A tied weight lies the other way round, so its blocks are packed the other way round.
    else sendBlock(sender, { n: contracted, all: plan.tied ? plan.inputs : plan.outputs, isColumns: isForward !== plan.tied }, block, slot);
    const bias = isForward ? plan.bias : null;
    if (bias !== null) floats(arenaMemory, slot + packed * 4, block.count).set(valuesOf(senderOf(bias, message.step), block.first, block.count));
    const sent = packed + (bias === null ? 0 : block.count);
    if (message.pass !== 2 || plan.kind !== 'head') return sent * valueBytes;
    sendTurned(sender, plan, block, slot + sent * 4);
    return (sent + packed) * valueBytes;
  };

  const collect = (message: Extract<MemoryXCommand, { type: 'memoryx.collect' }>): void => {
    const plan = program.streamed[message.streamed], nodes = incoming[message.microBatch];
    assert(plan !== undefined && nodes !== undefined, 'the block and the micro-batch are in the program');
    const inSlot = shapeInSlot(layout, message), sparse = sparseGradientOf(layout, plan, message.step) === null ? null : at(plan.weight).place.sparse;
    const shape = sparse === null ? inSlot : storedShape(plan, message.block, inSlot.parts[0]?.cols ?? 0, words(at(plan.weight).memory, masks.at(sparse, message.step).place.forward.firstOf, message.block + 1)[message.block]);
    const key = `${message.streamed}/${message.block}`;
    const stack = stacks.get(key) ?? new NodeStack(slabsOfSample(layout.batch));
    stacks.set(key, stack);
    const weight = at(plan.weight);
    /** Where a gradient is kept: that of a sparse weight at every position if its mask is about to change by it. */
    const buffersOf = ({ gradients, sparse: masked }: ParameterPlace): readonly number[] => (masked !== null && wantsDenseGradient(masked.plan, message.step) ? masked.dense : gradients);
    /** Where a part of the block stands in the gradient buffer of a position of the stack, and in the staged node. */
    const parts = (position: number): { readonly part: GradientPart; readonly home: number; readonly staged: number; readonly to: ReturnType<typeof at> }[] =>
      shape.parts.map((part) => {
        const to = at(part.parameter);
        return { part, to, home: inDram(buffersOf(to.place)[position] as number) + part.firstValue * 4, staged: weight.staging + part.from * 4 };
      });
    const values: StackValues = {
      take(position) {
        for (const { part, to, home, staged } of parts(position)) {
          if (to.memory === weight.memory) to.kernels.copyRows(home, part.rowValues * 4, staged, part.fromValues * 4, part.rows, part.cols);
          else floats(to.memory, home, part.cols).set(floats(weight.memory, staged, part.cols));
        }
      },
      add(position) {
        for (const { part, to, home, staged } of parts(position)) {
          if (to.memory === weight.memory) for (let r = 0; r < part.rows; r++) to.kernels.add(home + r * part.rowValues * 4, home + r * part.rowValues * 4, staged + r * part.fromValues * 4, part.cols);
          else {
            floats(to.memory, to.staging, part.cols).set(floats(weight.memory, staged, part.cols));
            to.kernels.add(home, home, to.staging, part.cols);
          }
        }
      },
      fold(position) {
        const right = parts(position + 1);
        parts(position).forEach(({ part, to, home }, i) => {
          const from = right[i]?.home as number, stride = part.rowValues * 4;
          for (let r = 0; r < part.rows; r++) to.kernels.add(home + r * stride, home + r * stride, from + r * stride, part.cols);
        });
      },
    };
    for (const node of nodes) {
      floats(weight.memory, weight.staging, shape.floats).set(floats(arenaMemory, nodeAddress(arena.bands, node.slot, message.slot, shape), shape.floats));
      stack.push(node, values);
      count(countersOf(message.step), 'gradientBytesIn', shape.elements * 4);
    }
    if (message.microBatch === microBatches.length - 1) stack.finish(values);
  };

  const stretchOf = (place: ParameterPlace): number => own.stretch[place.memory] as number;

  const squares = (step: number, parameter: number, factor: number): void => {
    const spec = program.model.parameters[parameter];
    const { place, kernels: k, memory } = at(parameter);
    assert(spec !== undefined, `parameter ${parameter} is in the model`);
    const seen = inStep(parameter, step);
    if (seen.mask !== null) {
      sparseSquares({ memory, kernels: k, squares: place.squares, stretch: stretchOf(place), unit, units, factor }, seen.place, seen.mask, spec.size);
      return;
    }
    const leaves = Math.ceil(spec.size / squareLeafFloats), perStretch = stretchFloats / squareLeafFloats;
    // Units take turns by stretches, so that every leaf is one unit's.
    for (let first = unit * perStretch; first < leaves; first += units * perStretch) {
      const from = first * squareLeafFloats, floatsNow = Math.min(stretchFloats, spec.size - from);
      k.squareLeaves(place.squares + first * 4, gradientStretch(k, place, from, floatsNow, factor, stretchOf(place)), floatsNow);
    }
  };

  const optimizerOf = (parameter: number): Optimizer => {
    const optimizer = optimizers[parameter];
    assert(optimizer !== undefined, `parameter ${parameter} is in the model`);
    return optimizer;
  };
  const shareOf = (step: number, parameter: number, clip: number): UpdateShare => {
    const { place: home, kernels: k, memory } = at(parameter), { place, mask, size } = inStep(parameter, step), shape = program.model.parameters[parameter]?.shape ?? [];
    const journal = new Int32Array(layout.journal, (parameter * units + unit) * journalWords * 4, journalWords), align = sumsOver(layout.optimizer) ? squareLeafFloats : 16;
    return { place, ...unitShare(size, unit, units, align), undo: own.undo[home.memory] as number, stretch: stretchOf(home), clip, kernels: k, journal, memory, shape, statistics: home.statistics, mask, unit, units };
  };
  const update = (step: number, parameter: number, clip: number, sweep: number, updates: number): void => {
    const optimizer = optimizerOf(parameter);
    let now = scalars.get(optimizer);
    if (now?.step !== step) {
      now = { step, values: scalarsAt(optimizer, step, updates) };
      scalars.set(optimizer, now);
    }
    count(countersOf(step), 'optimizerElements', updateShare(shareOf(step, parameter, clip), optimizer, now.values, step, sweep));
    passMask(step, parameter);
  };
  /** The step is skipped. */
  const keep = (step: number, parameter: number): void => {
    keepShare(shareOf(step, parameter, 1), optimizerOf(parameter), step);
    passMask(step, parameter);
  };
  const passMask = (step: number, parameter: number): void => {
    const { sparse } = at(parameter).place;
    // The next version stands under the same mask, until an update changes it.
    if (sparse !== null) masks.use(sparse, step + 1, masks.at(sparse, step).buffer);
  };
  /** Moments of the stretch that an earlier incarnation was at come back, before the room that keeps them is used for another parameter. */
  const restoreMoments = (): void => {
    for (const { index, shape } of program.model.parameters) {
      const optimizer = optimizerOf(index), journal = new Int32Array(layout.journal, (index * units + unit) * journalWords * 4, journalWords);
      const busy = busySweep(journal, sweepsOf(optimizer, { shape }, at(index).place.sparse !== null));
      if (busy === null) continue;
      const share = shareOf(busy.step, index, 1);
      restoreBusy(share, changedIn(optimizer, share, share.place.moments, busy.sweep));
    }
  };

  /** Whether this unit's share of a gradient is finite. */
  const check = (step: number, parameter: number): boolean => {
    const { place, kernels: k } = at(parameter), { size } = program.model.parameters[parameter] ?? { size: 0 };
    const seen = inStep(parameter, step), { gathered } = seen.place;
    const { first, count: own } = unitShare(gathered === undefined ? seen.size : size, unit, units);
    for (let from = first; from < first + own; from += stretchFloats) {
      const now = Math.min(stretchFloats, first + own - from);
      const stretch = gathered === undefined ? gradientStretch(k, seen.place, from, now, 1, stretchOf(place)) : gathered.dense + from * 4;
      if (k.allFinite(stretch, now) === 0) return false;
    }
    return true;
  };

  return (ctx) => ({
    receive(message) {
      switch (message.type) {
        case 'memoryx.send': {
          const bytes = send(message);
          count(countersOf(message.step), 'weightBytesOut', bytes);
          ctx.reply({ type: 'memoryx.sent', bytes });
          return;
        }
        case 'memoryx.collect':
          collect(message);
          break;
        case 'memoryx.gather': {
          const microBatch = microBatches[message.microBatch], band = arena.bands[message.band];
          assert(side !== null && microBatch !== undefined && band !== undefined, 'there is a table to gather from');
          const rows = side.gather(memoryX.embeddings.map(({ parameter }) => weightsOf(parameter, message.step)), message.step, microBatch, band, unit);
          const tables = memoryX.embeddings.length, dim = memoryX.embeddings[0]?.dim ?? 0;
          count(countersOf(message.step), 'gatheredRows', rows * tables);
          count(countersOf(message.step), 'weightBytesOut', rows * tables * dim * valueBytes);
          break;
        }
        case 'memoryx.scatter': {
          const microBatch = microBatches[message.microBatch];
          assert(side !== null && microBatch !== undefined, 'there is a table to scatter to');
          side.scatter(microBatch, message.microBatch === microBatches.length - 1);
          break;
        }
        case 'memoryx.squares':
          squares(message.step, message.parameter, message.factor);
          break;
        case 'memoryx.check':
          ctx.reply({ type: 'memoryx.checked', finite: check(message.step, message.parameter) ? 1 : 0 });
          return;
        case 'memoryx.mask': {
          const { place, memory } = at(message.parameter);
          assert(place.sparse !== null, `parameter ${message.parameter} has a mask`);
          updateMask(memory, program, place.sparse, masks, message.step, layout.seed);
          break;
        }
        case 'memoryx.update':
          update(message.step, message.parameter, message.clip, message.sweep, message.updates);
          break;
        case 'memoryx.keep':
          keep(message.step, message.parameter);
          break;
        case 'memoryx.restart':
          stacks.clear();
          side?.restart();
          restoreMoments();
          break;
        default:
          message satisfies never;
      }
      ctx.reply({ type: 'memoryx.done' });
    },
  });
};
