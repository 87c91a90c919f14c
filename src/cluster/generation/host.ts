/**
 * A generation host: the actor that works its share of every stage over the lanes at hand, one host a thread.
 *
 *   coordinator ─stage─▶ host ─▶ its features of all panels (or its heads, or its panels) ─▶ done
 *
 * State: activations and caches in the arena, nothing else; a stage that is done again writes the same bits. Each lane's arithmetic is that of the training forward
 * pass and looks at no other lane. Not here: cutting into stages (stages.ts), which lanes there are and which token comes next (coordinator/).
 */
import type { Behavior } from '../../actor/behavior.js';
import type { LocalStep, NormPlan } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { laneTable, type GenerationLayout, type PackedBlock, type Stage } from '../generation-layout.js';
import { attender } from './attend.js';
import { featureEdge, grain } from './plan.js';
import type { GenerationCommand, GenerationReply } from './protocol.js';

export interface GenerationHostProps {
  readonly layout: GenerationLayout;
  readonly host: number;
}

type StageOf<K extends Stage['kind']> = Extract<Stage, { kind: K }>;

export const generationHost = ({ layout, host }: GenerationHostProps): Behavior<GenerationCommand, GenerationReply> => {
  const { program, memories, numCsx, links } = layout;
  const memory = memories[0] as WebAssembly.Memory, k = createKernels(layout.kernels, memory);
  const hosts = layout.hosts.length, room = layout.hosts[host];
  assert(room !== undefined, `host ${host} is planned`);
  const lanes = laneTable(memory, layout.lanes, layout.panelsMax);
  const countersOf = counters(layout.counts, host);

  const panelAt = (buffer: number, panel: number, feature = 0): number => {
    const base = room.buffers[buffer] ?? layout.buffers[buffer];
    assert(base !== undefined && base > 0, `buffer ${buffer} has a place`);
    return base + (panel * (program.buffers[buffer]?.features ?? 0) + feature) * panelRowBytes;
  };
  const attend = attender({ layout, host, kernels: k, lanes, panelAt });
  /** Visits panels that have lanes for this stage. */
  const eachPanel = (stage: Stage, visit: (panel: number, lanes: number) => void): void => {
    for (let p = 0; p < lanes.panels(); p++) {
      const here = stage.wantedOnly ? lanes.wanted(p) : lanes.lanes(p);
      if (here > 0) visit(p, here);
    }
  };
  /** Bytes that leave MemoryX once and arrive at every wafer. */
  const broadcast = (counts: Float64Array, bytes: number): void => {
    count(counts, 'weightBytesOut', bytes);
    count(counts, 'linkDownBytes', bytes * links);
    count(counts, 'ioInBytes', bytes * numCsx);
  };

  const gather = (stage: StageOf<'gather'>, counts: Float64Array): void => {
    const { dim, table, positions } = layout, F = new Float32Array(memory.buffer);
    const rowOf = (place: { readonly memory: number; readonly address: number }, row: number): Float32Array => floats(memories[place.memory] as WebAssembly.Memory, place.address + row * dim * 4, dim);
    eachPanel(stage, (p, here) => {
      for (let t = 0; t < here; t++) {
        const lane = p * slabTokens + t, place = lanes.place(lane);
        if (lane % hosts !== host) continue;
        const row = rowOf(table, lanes.token(lane)), at = positions === null ? null : rowOf(positions, place);
        let to = panelAt(stage.buffer, p) / 4 + t;
        for (let i = 0; i < dim; i++, to += slabTokens) F[to] = at === null ? (row[i] as number) : (row[i] as number) + (at[i] as number);
        for (const { half, cos, sin, laneCos, laneSin } of layout.rotary) {
          for (const [all, ofLanes] of [[cos, laneCos], [sin, laneSin]] as const) floats(memory, ofLanes + lane * half * 4, half).set(floats(memory, all + place * half * 4, half));
        }
        const tables = positions === null ? 1 : 2;
        count(counts, 'gatheredRows', tables);
        count(counts, 'weightBytesOut', tables * dim * 4);
      }
    });
  };

  const [sum, chunk, stats] = [room.rows, room.rows + panelRowBytes, room.rows + 2 * panelRowBytes];
  const norm = (number: number, plan: NormPlan, panel: number): void => {
    const place = layout.norms[number], n = plan.inputs, x = panelAt(plan.x, panel);
    assert(place !== undefined, `norm ${number} has a place`);
    k.clear(sum, 2 * panelRowBytes);
    k.clear(stats, panelRowBytes);
    if (plan.centered) {
      k.featureSum(sum, chunk, x, 0, n, n);
      k.divideRow(stats, sum, n);
      k.clear(sum, 2 * panelRowBytes);
    }
    k.featureSquares(sum, chunk, x, stats, 0, n, n);
    k.rootRow(stats + panelRowBytes, sum, n, plan.epsilon);
    k.normApply(panelAt(plan.y, panel), x, stats, place.gain, place.bias, n);
  };
  const normPlan = (number: number): NormPlan => {
    const plan = program.streamed[number];
    assert(plan?.kind === 'norm', `${number} is a norm`);
    return plan;
  };
  /** Where a norm is done by every host, the first one counts for all. */
  const countNorm = (counts: Float64Array, plan: NormPlan, laneCount: number): void => count(counts, 'elementwise', (plan.centered ? 3 : 2) * plan.inputs * laneCount);
  const normBytes = (plan: NormPlan): number => plan.inputs * (plan.bias === null ? 1 : 2) * 4;

  /** The address of a block in memory 0. */
  const arrived = (block: PackedBlock, length: number): number => {
    if (block.memory === 0) return block.address;
    floats(memory, room.slot, length).set(floats(memories[block.memory] as WebAssembly.Memory, block.address, length));
    return room.slot;
  };
  const product = (stage: StageOf<'features'>, number: number, counts: Float64Array): void => {
    const plan = program.streamed[number];
    assert(plan?.kind === 'linear', `${number} is a product`);
    for (const block of layout.blocks[number]?.[host] ?? []) {
      const length = (plan.inputs + (plan.bias === null ? 0 : 1)) * block.count, packed = arrived(block, length), bias = packed + plan.inputs * block.count * 4;
      eachPanel(stage, (p, here) => {
        const out = panelAt(plan.y, p, block.first);
        k.linearLanes(out, panelAt(plan.x, p), packed, plan.inputs, block.count, here);
        if (plan.bias !== null) k.addBias(out, 0, bias, block.count, 1);
        count(counts, 'macs', plan.inputs * block.count * here);
        if (plan.bias !== null) count(counts, 'biasAdds', block.count * here);
      });
      broadcast(counts, length * 4);
    }
  };

  /** Features from … to−1 of one panel. */
  const local = (step: LocalStep, panel: number, from: number, to: number): void => {
    const at = (buffer: number, feature = from): number => panelAt(buffer, panel, feature), floatsNow = (to - from) * slabTokens;
    switch (step.op) {
      case 'relu':
        k.relu(at(step.y), at(step.x), floatsNow);
        return;
      case 'gelu':
        k[step.approximation === 'tanh' ? 'gelu' : 'geluErf'](at(step.y), at(step.x), floatsNow);
        return;
      case 'swiglu':
        k.swiglu(at(step.y), at(step.x), at(step.x, from + (program.model.layers[step.layer]?.features ?? 0)), floatsNow);
        return;
      case 'dropout':
        k.copy(at(step.y), at(step.x), floatsNow * 4);
        return;
      case 'add':
        k.add(at(step.y), at(step.x), at(step.branch), floatsNow);
        return;
      default:
        assert(false, `${step.op} is no step of a stage`);
    }
  };

  const features = (stage: StageOf<'features'>, counts: Float64Array): void => {
    for (const number of stage.norms) {
      const plan = normPlan(number);
      eachPanel(stage, (p, here) => {
        norm(number, plan, p);
        if (host === 0) countNorm(counts, plan, here);
      });
      if (host === 0) broadcast(counts, normBytes(plan));
    }
    if (stage.linear !== null) product(stage, stage.linear, counts);
    const step = stage.linear === null ? 1 : grain;
    const from = featureEdge(stage.features, host, hosts, step), to = featureEdge(stage.features, host + 1, hosts, step);
    if (to > from) {
      eachPanel(stage, (p, here) => {
        for (const each of stage.locals) {
          local(each, p, from, to);
          if (each.op !== 'dropout') count(counts, 'elementwise', (to - from) * here);
        }
      });
    }
  };

  const work = (stage: Stage, counts: Float64Array): void => {
    switch (stage.kind) {
      case 'gather':
        gather(stage, counts);
        return;
      case 'features':
        features(stage, counts);
        return;
      case 'norm': {
        const plan = normPlan(stage.norm);
        eachPanel(stage, (p, here) => {
          if (p % hosts !== host) return;
          norm(stage.norm, plan, p);
          countNorm(counts, plan, here);
        });
        if (host === 0) broadcast(counts, normBytes(plan));
        return;
      }
      case 'rotary': {
        const { x, heads, kvHeads, headSize, layer } = stage.step, angles = layout.rotary.find(({ layers }) => layers.includes(layer));
        assert(angles !== undefined, 'rotary positions have their angles');
        eachPanel(stage, (p, here) => {
          if (p % hosts !== host) return;
          const at = p * slabTokens * angles.half * 4;
          k.rotary(panelAt(x, p), heads + kvHeads, headSize, angles.laneCos + at, angles.laneSin + at, 1);
          count(counts, 'elementwise', (heads + kvHeads) * headSize * here);
        });
        return;
      }
      case 'attention':
        attend(stage, counts);
        return;
      default:
        stage satisfies never;
    }
  };

  return (ctx) => ({
    receive(message) {
      const stage = layout.stages[message.stage];
      assert(stage !== undefined, `stage ${message.stage} is in the layout`);
      work(stage, countersOf(message.step));
      ctx.reply({ type: 'generation.done' });
    },
  });
};
