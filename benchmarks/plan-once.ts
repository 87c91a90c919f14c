/**
 * One plan in a process of its own, cold, and what it took, as a line of JSON: node plan-once.js gpt3-175b|120t. Not here: what is made of it (plan.bench.ts).
 */
import { gpt, gptShape, machines, plan, precision, price, scalingCurve } from '../src/index.js';

export interface PlanOnce {
  /** Model, plan, and price or curve. */
  readonly modelSeconds: number;
  readonly planSeconds: number;
  readonly priceSeconds: number;
  /** The same once more in the same process. */
  readonly warmSeconds: number;
  readonly peakBytes: number;
  readonly parameters: number;
  readonly efficiency: number;
}

const half = precision({ weights: 'bfloat16', activations: 'bfloat16' }), machine = machines.wse2;

const timed = <T>(run: () => T): readonly [T, number] => {
  const began = performance.now(), result = run();
  return [result, (performance.now() - began) / 1000];
};

const once = (name: string): PlanOnce => {
  const [model, modelSeconds] = timed(() => gpt(gptShape(name))), isCurve = name === '120t', options = { numCsx: 192, batchSize: 192 * (isCurve ? 1 : 8), precision: half } as const;
  const curve = (): number => scalingCurve(model, { batchSize: 1, precision: half }, machine).at(-1)?.efficiency ?? 0;
  const [planned, planSeconds] = timed(() => (isCurve ? null : plan(model, options)));
  const [efficiency, priceSeconds] = timed(() => (planned === null ? curve() : price(planned.work, machine).flops.utilization));
  const [, warmSeconds] = timed(() => (isCurve ? curve() : plan(model, options)));
  return { modelSeconds, planSeconds, priceSeconds, warmSeconds, peakBytes: process.resourceUsage().maxRSS * 1024, parameters: model.parameterCount, efficiency };
};

// The type is read by the bench, too, which names no model.
if (process.argv[1]?.endsWith('plan-once.js') === true) console.log(JSON.stringify(once(process.argv[2] ?? '')));
